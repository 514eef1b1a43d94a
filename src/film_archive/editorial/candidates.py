"""Media that a list's events may mean, as plain values, and where an event's timecode lies in them.

A label names a frame of the media, so the media's own counting decides what it counts to: 01:00:00:00 of a list is the frame
that the media calls so, whether the list says drop-frame or not. Where the media counts at a multiple of the list's base
(25 and 50), labels are converted; other rates can't be compared.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from film_archive.core.errors import InvalidTimecode
from film_archive.core.timecode import FrameRate, Timecode, frames_per_day
from film_archive.editorial.counting import Counting
from film_archive.editorial.resolving import Resolved, span_of

Counted = tuple[FrameRate, bool]
"""How media counts: its rate, and whether drop-frame."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A media file."""

    path: str
    """A file, or ARCHIVE::MEMBER: what the caller knows it by."""
    frames: int
    rate: FrameRate
    start: Timecode | None = None
    """Of its first frame; None where it has no timecode."""
    reel: str | None = None
    names: tuple[str, ...] = ()
    """Clip names in its metadata."""

    @property
    def counted(self) -> Counted | None:
        return None if self.start is None else (self.start.rate, self.start.drop_frame)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The frames of an event in one way of counting; `first` is a frame of the day."""

    first: int
    frames: int

    def inside(self, candidate: Candidate) -> int | None:
        """Where in the candidate's frames the first one lies; None where not all of them lie in it."""
        start = candidate.start
        if start is None:
            return None
        day = frames_per_day(start.rate.nominal, start.drop_frame)
        place = (self.first - start.total_frames) % day
        return place if place + self.frames <= candidate.frames else None


def wanted_in(each: Resolved, rate: FrameRate, drop: bool) -> Wanted | None:
    """What an event takes, counted as media at `rate` counts; None where that is not possible.

    It is the part of the source range that is certainly played: of a range that its speed leaves unfinished the beginning, of
    a reversed one the in point alone.
    """
    source = each.source
    if source is None:
        return None
    exact = each.event.source_range
    if exact is not None:
        factor = Fraction(1) if rate.nominal == exact.rate.nominal else rate / exact.rate
        first, end = math.floor(exact.start * factor + _NEARLY), math.ceil(exact.end * factor - _NEARLY)
        frames = max(1, end - first)
    else:
        ratio = Fraction(rate.nominal, source.rate.nominal)
        if ratio.denominator != 1:
            return None
        try:
            first = _label_in(each.event.source_in, source.rate, rate, drop, int(ratio))
        except InvalidTimecode:
            return None
        frames = max(1, source.count * int(ratio))
        if each.written is not None:
            frames = 1 if each.speed <= 0 else min(frames, max(1, _played(each, int(ratio))))
    return Wanted(first % frames_per_day(rate.nominal, drop), frames)


_NEARLY = Fraction(1, 100)


def _played(each: Resolved, ratio: int) -> int:
    count = each.record.count if each.record is not None else 0
    return math.floor(count * each.speed) * ratio


def _label_in(label: str, base: FrameRate, rate: FrameRate, drop: bool, ratio: int) -> int:
    """The frame that media calls by a label of a list; its frames field counts `ratio` times finer."""
    if label.isdecimal():
        return int(label) * ratio
    if ratio == 1:
        return span_of(label, label, rate, drop)[0].first
    place = max(label.rfind(sign) for sign in ":;.,")
    if int(label[place + 1 :]) >= base.nominal:
        raise InvalidTimecode(f"{label} is not a timecode at {base.text}.")
    finer = f"{label[:place]}:{int(label[place + 1 :]) * ratio:02d}"
    return span_of(finer, finer, rate, drop)[0].first


def common_counting(candidates: Iterable[Candidate]) -> Counting | None:
    """How media counts that all counts alike: what a list without a rate may be counted at. None where it differs."""
    found = {candidate.counted for candidate in candidates if candidate.counted is not None}
    return Counting(*found.pop()) if len(found) == 1 else None


class Spans:
    """Candidates by time: which of them hold some frames, without looking at each."""

    def __init__(self, candidates: Sequence[Candidate], places: Sequence[int]) -> None:
        """Over those of `candidates` at `places`."""
        self._groups: dict[Counted, _Group] = {}
        members: dict[Counted, list[int]] = {}
        for place in places:
            counted = candidates[place].counted
            if counted is not None:
                members.setdefault(counted, []).append(place)
        for counted, found in members.items():
            self._groups[counted] = _Group(candidates, found)

    def holding(self, wanted: dict[Counted, Wanted | None], each: Resolved) -> Iterator[int]:
        """Places of candidates that hold an event's frames; `wanted` keeps what has been counted."""
        for counted, group in self._groups.items():
            if counted not in wanted:
                wanted[counted] = wanted_in(each, *counted)
            frames = wanted[counted]
            if frames is not None:
                yield from group.holding(frames, frames_per_day(counted[0].nominal, counted[1]))


class _Group:
    """Candidates that count alike, sorted by start, with a tree of their latest ends."""

    def __init__(self, candidates: Sequence[Candidate], places: list[int]) -> None:
        rows = sorted((_start(candidates[place]), place) for place in places)
        self._starts = [start for start, _ in rows]
        self._places = [place for _, place in rows]
        ends = [start + candidates[place].frames for start, place in rows]
        size = 1
        while size < len(ends):
            size *= 2
        self._size = size
        self._latest = [-1] * size + ends + [-1] * (size - len(ends))
        for node in range(size - 1, 0, -1):
            self._latest[node] = max(self._latest[2 * node], self._latest[2 * node + 1])

    def holding(self, wanted: Wanted, day: int) -> Iterator[int]:
        """Places of those that hold the frames, also where they, or the frames, run over midnight."""
        for first in (wanted.first, wanted.first + day):
            yield from self._prefix(bisect_right(self._starts, first), first + wanted.frames)

    def _prefix(self, count: int, end: int) -> Iterator[int]:
        """Of the first `count`, those that end at `end` or later."""
        pending = [(1, 0, self._size)]
        while pending:
            node, low, high = pending.pop()
            if low >= count or self._latest[node] < end:
                continue
            if node >= self._size:
                yield self._places[low]
                continue
            middle = (low + high) // 2
            pending += [(2 * node + 1, middle, high), (2 * node, low, middle)]


def _start(candidate: Candidate) -> int:
    return candidate.start.total_frames if candidate.start is not None else 0
