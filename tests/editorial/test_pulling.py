"""Ranges that are pulled: handles, joining, and what an older list had, against sets of frames."""

from __future__ import annotations

import random

import pytest

from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.editorial.candidates import Candidate
from film_archive.editorial.edl import read_edl
from film_archive.editorial.matching import Matcher
from film_archive.editorial.pulling import Request, covered_by, grouped, is_covered, request_of
from film_archive.editorial.relinking import NewMedia, relinked
from film_archive.editorial.resolving import resolve

RATE = FrameRate(24, 1)
START = Timecode.from_string("01:00:00:00", RATE)


def clip(name: str, frames: int = 100) -> Candidate:
    return Candidate(name, frames, RATE, START)


def requests(count: int, seed: int) -> list[Request]:
    choice = random.Random(seed)
    clips = [clip(name) for name in "abc"]
    made = []
    for place in range(count):
        number = f"{choice.randrange(1, 4):03}"
        (event,) = read_edl(f"{number} {choice.choice('AB')} V C 01:00:00:00 01:00:01:00 1:0:0:0 1:0:1:0")
        first = choice.randrange(90)
        wanted = FrameRange(first, choice.randrange(first + 1, 101))
        handles = choice.randrange(4)
        frames = FrameRange(max(0, wanted.first - handles), min(100, wanted.end + handles))
        made.append(Request(wanted, frames, place, event, choice.choice(clips)))
    return made


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("merge", [False, True])
def test_cuts_have_just_the_frames_that_are_asked_for(seed: int, merge: bool) -> None:
    asked = requests(8, seed)
    groups = grouped(asked, merge=merge)
    assert sorted(request.place for group in groups for request in group.requests) == list(range(8))
    assert [group.requests[0].place for group in groups] == sorted(group.requests[0].place for group in groups)
    for group in groups:
        assert {request.clip.path for request in group.requests} == {group.clip.path}
        assert set(group.frames) == {frame for request in group.requests for frame in request.frames}
        if not merge:
            assert len({request.event.event for request in group.requests}) == 1
    for one in groups:
        for other in groups:
            alike = merge or one.requests[0].event.event == other.requests[0].event.event
            if one is not other and one.clip == other.clip and alike:
                assert one.frames.end < other.frames.first or other.frames.end < one.frames.first


@pytest.mark.parametrize("seed", range(30))
def test_what_an_older_list_had(seed: int) -> None:
    old, new = requests(6, seed), requests(6, seed + 1000)
    covered = covered_by(old)
    had = {(request.clip.path, frame) for request in old for frame in request.frames}
    for request in new:
        assert is_covered(request, covered) == ({(request.clip.path, frame) for frame in request.frames} <= had)


def test_handles_are_cut_off_at_the_ends() -> None:
    resolved = resolve(read_edl("001 a V C 01:00:00:02 01:00:00:10 1:0:0:0 1:0:0:8"), 24)
    (match,) = [Matcher([clip("a.mov", 12)], resolved).match(each) for each in resolved]
    request = request_of(0, match, 4)
    assert (request.frames, request.head_handle, request.tail_handle) == (FrameRange(0, 12), 2, 2)
    with pytest.raises(UsageError):
        request_of(0, match, -1)


def test_relinked_events_are_counted_as_their_media() -> None:
    lines = "001 a V C 01:00:00:02 01:00:00:10 1:0:0:0 1:0:0:8\n002 b V C 0:0:0:0 0:0:0:1 1:0:0:8 1:0:0:9"
    resolved = resolve(read_edl(lines), 24)
    new = NewMedia("a.mov", "file:///a.mov", Timecode.from_string("01:00:00:00", 48), FrameRate(48, 1), 40, 4)
    one, other = relinked(resolved, {0: new})
    assert one.source is not None
    assert (one.source.rate, one.source.count, one.source.first) == (FrameRate(48, 1), 16, 3600 * 48 + 4)
    assert one.event.media[0].start == 3600 * 48
    assert other == resolved.events[1]
