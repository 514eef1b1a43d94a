"""From matches to what is pulled: ranges with handles, which of them are one cut, and what an older list had already. Pure.

A range is what an event needs of its media (its speed and the frames that a transition takes counted in), and handles
outside of that, in frames of the media, as far as the media has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from film_archive.core.handles import Selection, with_handles
from film_archive.core.timecode import FrameRange
from film_archive.editorial.candidates import Candidate
from film_archive.editorial.event import Event
from film_archive.editorial.matching import Match


@dataclass(frozen=True, slots=True)
class Request(Selection):
    """The frames of one media file that one event asks for: `wanted` is what it needs, `frames` that and handles."""

    place: int
    """The event's, in the list."""
    event: Event
    clip: Candidate


@dataclass(frozen=True, slots=True)
class Group:
    """Requests that one cut answers: it has all frames of all of them."""

    clip: Candidate
    frames: FrameRange
    requests: tuple[Request, ...]
    """In the list's order."""

    @property
    def head_handle(self) -> int:
        """Frames before the first that an event needs."""
        return min(request.wanted.first for request in self.requests) - self.frames.first

    @property
    def tail_handle(self) -> int:
        return self.frames.end - max(request.wanted.end for request in self.requests)


def request_of(place: int, match: Match, handles: int) -> Request:
    """What a match asks for. `handles` are frames of the media, cut off at its ends."""
    clip, wanted = match.candidate, match.frames
    assert clip is not None, "only what was matched is pulled"
    assert wanted is not None, "only what was matched is pulled"
    return Request(wanted, with_handles(wanted, handles, clip.frames), place, match.event.event, clip)


def grouped(requests: Iterable[Request], *, merge: bool = False) -> tuple[Group, ...]:
    """Requests as cuts, in the order of their first events.

    Picture and sound of an event are one cut, where they are ranges of one clip that overlap or touch. With `merge` so are
    all such ranges of a clip.
    """
    sets: dict[tuple[str, str], list[Request]] = {}
    for request in requests:
        sets.setdefault((request.clip.path, "" if merge else request.event.event), []).append(request)
    groups = [group for together in sets.values() for group in _joined(together)]
    return tuple(sorted(groups, key=lambda group: group.requests[0].place))


def _joined(requests: Sequence[Request]) -> Iterable[Group]:
    """Ranges of one clip, those joined that overlap or touch."""
    under: list[Request] = []
    end = -1
    for request in sorted(requests, key=lambda request: request.frames):
        if under and request.frames.first > end:
            yield _group(under)
            under = []
        end = max(end, request.frames.end) if under else request.frames.end
        under.append(request)
    if under:
        yield _group(under)


def _group(requests: Sequence[Request]) -> Group:
    frames = FrameRange(
        min(request.frames.first for request in requests), max(request.frames.end for request in requests)
    )
    return Group(requests[0].clip, frames, tuple(sorted(requests, key=lambda request: request.place)))


Covered = Mapping[str, Sequence[FrameRange]]
"""Frames of each media file, by its path; ranges in order that neither overlap nor touch."""


def covered_by(requests: Iterable[Request]) -> Covered:
    """All frames that some requests ask for."""
    found: dict[str, list[FrameRange]] = {}
    for request in sorted(requests, key=lambda request: request.frames):
        ranges = found.setdefault(request.clip.path, [])
        if ranges and request.frames.first <= ranges[-1].end:
            ranges[-1] = FrameRange(ranges[-1].first, max(ranges[-1].end, request.frames.end))
        else:
            ranges.append(request.frames)
    return found


def is_covered(request: Request, covered: Covered) -> bool:
    """Whether all frames of a request are among these."""
    return any(
        known.first <= request.frames.first and request.frames.end <= known.end
        for known in covered.get(request.clip.path, ())
    )
