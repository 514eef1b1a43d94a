"""Timecode ranges among each other: merging those that overlap, and whether one follows the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from film_archive.core.errors import UsageError
from film_archive.core.timecode import Timecode, TimecodeRange, frames_per_day


@dataclass(slots=True)
class _Span:
    """Frames since midnight of what is wanted, and of that with its handles; may run below 0 and past the day's end."""

    first: int
    end: int
    low: int
    high: int

    @property
    def handles(self) -> int:
        return max(self.first - self.low, self.high - self.end)

    def shifted(self, frames: int) -> _Span:
        return _Span(self.first + frames, self.end + frames, self.low + frames, self.high + frames)

    def joined(self, other: _Span) -> _Span:
        return _Span(
            min(self.first, other.first),
            max(self.end, other.end),
            min(self.low, other.low),
            max(self.high, other.high),
        )


def merge_overlapping_ranges(ranges: Iterable[TimecodeRange]) -> list[TimecodeRange]:
    """As few ranges as hold all frames of these, in the order of their starts.

    Ranges are joined where, with their handles, they overlap or touch; the joined one has handles that reach as far on
    both sides. What would then cross midnight and last more than half a day stays apart. Raises UsageError where they
    count differently.
    """
    given = list(ranges)
    if not given:
        return []
    counting = given[0].start
    for each in given:
        _require_same_counting(counting, each.start)
    day = frames_per_day(counting.rate.nominal, counting.drop_frame)
    spans: list[_Span] = []
    for span in sorted((_span(each) for each in given), key=lambda span: (span.low, span.high)):
        if spans and span.low <= spans[-1].high and _can_be(spans[-1].joined(span), day):
            spans[-1] = spans[-1].joined(span)
        else:
            spans.append(span)
    spans = _joined_over_midnight(spans, day)
    return [_range(span, counting) for span in sorted(spans, key=lambda span: span.first % day)]


def _joined_over_midnight(spans: list[_Span], day: int) -> list[_Span]:
    """What runs past midnight meets what stands at the beginning of the day."""
    while len(spans) > 1 and spans[-1].high >= spans[0].low + day:
        joined = spans[-1].joined(spans[0].shifted(day))
        if not _can_be(joined, day):
            break
        spans = [*spans[1:-1], joined]
    return spans


def _can_be(span: _Span, day: int) -> bool:
    """Whether a TimecodeRange can say it."""
    length = span.end - span.first
    return length <= day // 2 or (length < day and span.first >= 0 and span.end <= day)


def _span(each: TimecodeRange) -> _Span:
    first = each.start.total_frames
    end = first + each.duration_frames
    return _Span(first, end, first - each.handles, end + each.handles)


def _range(span: _Span, counting: Timecode) -> TimecodeRange:
    rate, drop = counting.rate, counting.drop_frame
    day = frames_per_day(rate.nominal, drop)
    start = Timecode.from_frame(span.first, rate, drop)
    end = Timecode(24, 0, 0, 0, rate, drop) if span.end == day else Timecode.from_frame(span.end, rate, drop)
    return TimecodeRange(start, end, span.handles)


@dataclass(frozen=True, slots=True)
class Discontinuity:
    """Where a range does not begin where the one before it ended."""

    position: int
    """Of the later range, counted from 0."""
    expected: Timecode
    found: Timecode
    frames: int
    """How many are left out; negative where they overlap."""

    @property
    def kind(self) -> str:
        return "gap" if self.frames > 0 else "overlap"

    def __str__(self) -> str:
        count = abs(self.frames)
        return f"range {self.position} begins at {self.found} and not at {self.expected}: {self.kind} of {count} frames"


@dataclass(frozen=True, slots=True)
class Continuity:
    """Whether ranges follow one another without a frame too few or too many; true where they do."""

    discontinuities: tuple[Discontinuity, ...] = ()

    def __bool__(self) -> bool:
        return not self.discontinuities


def validate_timecode_continuity(ranges: Sequence[TimecodeRange]) -> Continuity:
    """Whether each range begins where the one before it ends, handles apart, also over midnight.

    A difference of more than half a day counts as going back. Raises UsageError where they count differently.
    """
    found = []
    for position, (before, after) in enumerate(pairwise(ranges), 1):
        _require_same_counting(before.start, after.start)
        day = frames_per_day(after.start.rate.nominal, after.start.drop_frame)
        frames = (after.start.total_frames - before.end.total_frames) % day
        if frames > day // 2:
            frames -= day
        if frames:
            found.append(Discontinuity(position, before.end, after.start, frames))
    return Continuity(tuple(found))


def _require_same_counting(one: Timecode, other: Timecode) -> None:
    if (one.rate, one.drop_frame) != (other.rate, other.drop_frame):
        raise UsageError(f"{one!r} and {other!r} count differently; such ranges are of different clips.")
