"""Frames of a shot: counts, numbers, handles at the clip's ends."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from ded_io.cut import FirstFrame, ShotFrames, frame_of, shot_frames
from film_archive.core.errors import InvalidTimecode, OutOfRange, UsageError
from film_archive.core.timecode import FrameRate, Timecode

FILM = FrameRate(24)


def frames(in_frame: int, out_frame: int, clip: int = 300, **more: object) -> ShotFrames:
    wished = {"clip_frames": clip, "head": 8, "tail": 8, "start": 1001, **more}
    return shot_frames(in_frame, out_frame, **wished)  # type: ignore[arg-type]


def test_the_seeds_example() -> None:
    shot = frames(100, 150)
    assert (shot.cut_count, shot.count) == (51, 67)
    assert (shot.first_number, shot.last_number, shot.number_of(100), shot.source_of(1001)) == (993, 1059, 1001, 100)
    assert (shot.first_source, shot.last_source) == (92, 158)


def test_a_show_that_counts_from_the_handle() -> None:
    shot = frames(100, 150, first_frame_is=FirstFrame.HANDLE)
    assert (shot.first_number, shot.number_of(100), shot.last_number) == (1001, 1009, 1067)
    short = frames(3, 150, first_frame_is=FirstFrame.HANDLE)
    assert (short.head, short.number_of(3), short.first_number) == (3, 1009, 1006)  # the in point keeps its number


@pytest.mark.parametrize(
    ("in_frame", "out_frame", "head", "tail", "first", "last"),
    [
        *[(0, 0, 0, 8, 1001, 1009), (3, 10, 3, 8, 998, 1016), (299, 299, 8, 0, 993, 1001)],
        *[(290, 295, 8, 4, 993, 1010), (0, 299, 0, 0, 1001, 1300)],
    ],
)
def test_handles_are_shortened_and_1001_stays(in_frame: int, out_frame: int, head: int, tail: int, first: int, last: int) -> None:
    shot = frames(in_frame, out_frame)
    assert (shot.head, shot.tail, shot.first_number, shot.last_number) == (head, tail, first, last)
    assert shot.number_of(in_frame) == 1001
    assert len(list(shot.shortfalls())) == (head < 8) + (tail < 8)
    with pytest.raises(OutOfRange, match="strict"):
        frames(in_frame, out_frame, strict=True)


@pytest.mark.parametrize(
    ("in_frame", "out_frame", "error"),
    [(150, 100, UsageError), (-1, 5, OutOfRange), (300, 300, OutOfRange), (5, 300, OutOfRange), (10**30, 10**31, OutOfRange)],
)
def test_cuts_that_are_none(in_frame: int, out_frame: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        frames(in_frame, out_frame)


def test_wishes_that_can_not_be() -> None:
    with pytest.raises(UsageError, match="negative"):
        frames(10, 20, head=-1)
    with pytest.raises(UsageError, match="below 0"):
        frames(100, 120, start=3)


@given(st.integers(1, 60), st.data(), st.integers(0, 12), st.integers(0, 12), st.integers(12, 2000), st.sampled_from(FirstFrame))
def test_against_counting_on_fingers(clip: int, data: st.DataObject, head: int, tail: int, start: int, mode: FirstFrame) -> None:
    in_frame = data.draw(st.integers(0, clip - 1))
    out_frame = data.draw(st.integers(in_frame, clip - 1))
    shot = shot_frames(in_frame, out_frame, clip_frames=clip, head=head, tail=tail, start=start, first_frame_is=mode)
    wanted = [frame for frame in range(clip) if in_frame - head <= frame <= out_frame + tail]
    base = start if mode is FirstFrame.IN else start + head
    numbers = {frame: base + wanted.index(frame) - wanted.index(in_frame) for frame in wanted}
    assert [shot.source_of(number) for number in shot.numbers] == wanted
    assert {frame: shot.number_of(frame) for frame in wanted} == numbers
    assert shot.count == len(wanted)
    assert shot.shortened == (len(wanted) < out_frame - in_frame + 1 + head + tail)


def test_points_as_timecodes() -> None:
    start = Timecode.from_string("01:00:00:00", FILM)
    assert frame_of("01:00:04:04", start=start, rate=FILM) == 100
    assert frame_of("100", start=None, rate=FILM) == frame_of(100, start=start, rate=FILM) == 100
    late = Timecode.from_string("23:59:59:00", FILM)
    assert frame_of("00:00:00:12", start=late, rate=FILM) == 36
    drop = FrameRate(30000, 1001)
    clip = Timecode.from_string("00:00:59;28", drop)
    assert frame_of("00:01:00:02", start=clip, rate=drop) == 2  # counted as the clip counts, however it is typed


def test_points_that_are_none() -> None:
    start = Timecode.from_string("01:00:00:00", FILM)
    with pytest.raises(OutOfRange, match="--timecode"):
        frame_of("01:00:00:00", start=None, rate=FILM)
    with pytest.raises(InvalidTimecode):
        frame_of("01:00:00:99", start=start, rate=FILM)
    for point in (True, 1.5, None):
        with pytest.raises(UsageError):
            frame_of(point, start=start, rate=FILM)  # type: ignore[arg-type]
