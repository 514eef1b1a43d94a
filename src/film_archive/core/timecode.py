"""Exact time: rates as fractions, timecode as whole frames. Defined here and only here.

Counting is SMPTE ST 12-1: a rate has a whole *nominal* base (24 for 24000/1001), labels run over that base, and
drop-frame leaves out the first nominal/15 labels of every minute that is not a multiple of ten. Drop-frame is a way of
numbering, not a rate: it exists at a nominal 30, 60 and 120 whatever the real rate is.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from numbers import Rational
from typing import Any, Self, SupportsIndex

from pydantic import BaseModel, ConfigDict, PrivateAttr

from film_archive.core.errors import InvalidTimecode, UsageError

RateLike = int | float | str | Fraction

_NTSC_BASES = (24, 30, 48, 60, 120)
_NTSC_TOLERANCE = Fraction(1, 100)
# Bounded, so that no text ("1e999999999") makes us compute a number of a billion digits.
_RATE_TEXT = re.compile(r"(\d{1,40}) ?/ ?(\d{1,40})|(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})", re.ASCII)
_RATE_LENGTH = 100
_RATE_HINT = "write it like 24, 23.976 or 30000/1001"
_RATE_AND_DROP_HINT = "write it like 24, 23.976, 29.97df or 30000/1001"


class FrameRate(Fraction):
    """Frames a second as an exact fraction; `FrameRate(24000, 1001)`, or `FrameRate.of("23.976")`."""

    __slots__ = ()

    @classmethod
    def of(cls, value: RateLike) -> FrameRate:
        """Read a rate: a fraction is kept, "24000/1001" is exact, a decimal near an NTSC rate becomes n·1000/1001.

        Decimals within 0.01 of 23.976, 29.97, 47.952, 59.94 and 119.88 snap; other decimals that are an n·1000/1001
        rounded to two or three places do too ("14.985", "95.904"); all else is taken at its word.
        """
        if isinstance(value, FrameRate):
            return value
        if isinstance(value, bool) or not isinstance(value, Rational | float | str):
            raise UsageError(f"{value!r} is not a frame rate; {_RATE_HINT}.")
        return _rate_of(value)

    @property
    def nominal(self) -> int:
        """The whole number of labels in a second: 24 for 24000/1001, 30 for 29.97."""
        return max(1, (2 * self.numerator + self.denominator) // (2 * self.denominator))

    @property
    def can_drop(self) -> bool:
        return self.nominal in (30, 60, 120)

    @property
    def text(self) -> str:
        """As people write it: "24", "23.976", "29.97", or the fraction where there is no usual form."""
        if self.denominator == 1:
            return str(self.numerator)
        if self.denominator == 1001 and self.numerator % 1000 == 0:
            return f"{self.numerator / 1001:.3f}".rstrip("0").rstrip(".")
        return f"{self.numerator}/{self.denominator}"

    def __str__(self) -> str:
        """As scripts read it: always "numerator/denominator"."""
        return f"{self.numerator}/{self.denominator}"

    def __repr__(self) -> str:
        return f"FrameRate({self.numerator}, {self.denominator})"


# `typed`: 23.96875 as a float is meant as 23.976, the equal Fraction(767, 32) is meant as it is.
@lru_cache(maxsize=1024, typed=True)
def _rate_of(value: RateLike) -> FrameRate:
    rate = _read_rate(value)
    if rate is None:
        raise UsageError(f"{str(value)[:_RATE_LENGTH]!r} is not a frame rate; {_RATE_HINT}.")
    rate = rate.limit_denominator(10**18)  # which may leave nothing of it
    if not 0 < rate <= 100_000:
        raise UsageError(f"A frame rate of {value} is not possible; it has to be above 0 and at most 100000.")
    return FrameRate(rate.numerator, rate.denominator)


def _read_rate(value: RateLike) -> Fraction | None:
    if isinstance(value, Rational):  # ints, fractions, and numpy's integers
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, float):
        return _snapped(Fraction(float.__repr__(value))) if math.isfinite(value) else None
    match = _RATE_TEXT.fullmatch(value.strip()) if isinstance(value, str) and len(value) <= _RATE_LENGTH else None
    if match is None:
        return None
    if match[3] is not None:
        return _snapped(Fraction(match[3]))
    return Fraction(int(match[1]), int(match[2])) if int(match[2]) else None


def _snapped(value: Fraction) -> Fraction:
    for base in _NTSC_BASES:
        ntsc = Fraction(base * 1000, 1001)
        if abs(value - ntsc) <= _NTSC_TOLERANCE:
            return ntsc
    if value.denominator == 1:
        return value
    ntsc = Fraction(round(value * Fraction(1001, 1000)) * 1000, 1001)
    if any(value == round(ntsc, places) for places in (2, 3)) or abs(value - ntsc) < Fraction(1, 10**5):
        return ntsc
    return value.limit_denominator(1_000_000)


_RATE_AND_DROP = re.compile(
    r"(?P<rate>[\d./]+(?: ?/ ?\d+)?) ?(?:fps)? ?(?P<drop>(?P<non>n(?:on)?[- ]?)?(?:df|drop(?:[- ]?frame)?))?",
    re.IGNORECASE | re.ASCII,
)


def parse_rate(text: str) -> tuple[FrameRate, bool | None]:
    """Read a rate as the command line writes it: "24", "23.976", "30000/1001", "29.97df", "59.94 non-drop".

    Returns the rate and whether drop-frame was asked for (None where the text does not say).
    """
    match = _RATE_AND_DROP.fullmatch(text.strip()) if len(text) <= _RATE_LENGTH else None
    if match is None:
        raise UsageError(f"{text[:_RATE_LENGTH]!r} is not a frame rate; {_RATE_AND_DROP_HINT}.")
    rate = FrameRate.of(match["rate"])
    drop = None if match["drop"] is None else match["non"] is None
    if drop and not rate.can_drop:
        raise UsageError(
            f"There is no drop-frame at {rate.text}; it exists at 29.97, 59.94 and 119.88 (and 30, 60, 120)."
        )
    return rate, drop


# The counting itself, on whole numbers.


def dropped_labels(nominal: int) -> int:
    """How many labels a drop-frame minute leaves out: 2 at 30, 4 at 60, 8 at 120."""
    return nominal // 15


def frames_per_day(nominal: int, drop: bool) -> int:
    total = 86_400 * nominal
    return total - dropped_labels(nominal) * (1440 - 144) if drop else total


def label_to_frame(hours: int, minutes: int, seconds: int, frames: int, nominal: int, drop: bool) -> int:
    """Frames since 00:00:00:00; the label is taken to exist."""
    total_minutes = hours * 60 + minutes
    count = (total_minutes * 60 + seconds) * nominal + frames
    return count - dropped_labels(nominal) * (total_minutes - total_minutes // 10) if drop else count


def frame_to_label(frame: int, nominal: int, drop: bool) -> tuple[int, int, int, int]:
    """(hours, minutes, seconds, frames) of a frame of the day, 0 ≤ frame < frames_per_day."""
    if drop:
        skipped = dropped_labels(nominal)
        minute = 60 * nominal - skipped
        tens, rest = divmod(frame, 10 * minute + skipped)
        frame += skipped * 9 * tens
        if rest >= 60 * nominal:
            frame += skipped * (1 + (rest - 60 * nominal) // minute)
    seconds, frames = divmod(frame, nominal)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return hours, minutes, seconds, frames


def label_problem(
    hours: int, minutes: int, seconds: int, frames: int, rate: FrameRate, drop: bool, *, end_of_day: bool
) -> str | None:
    """Why this label does not exist, or None. 24:00:00:00 exists only as the exclusive end of a day."""
    if drop and not rate.can_drop:
        return f"there is no drop-frame at {rate.text}"
    if min(hours, minutes, seconds, frames) < 0:
        return "a timecode has no negative parts"
    if hours == 24 and not (minutes or seconds or frames):
        return None if end_of_day else "24:00:00:00 exists only as an out point"
    if hours > 23:
        return "hours run from 0 to 23"
    if minutes > 59:
        return "minutes run from 0 to 59"
    if seconds > 59:
        return "seconds run from 0 to 59"
    if frames >= rate.nominal:
        return f"frames run from 0 to {rate.nominal - 1} at {rate.text}"
    if drop and seconds == 0 and frames < dropped_labels(rate.nominal) and minutes % 10:
        return "drop-frame counting leaves this label out"
    return None


def frame_digits(nominal: int) -> int:
    """How many digits a label's frames have: two below 100 fps, three from there, more where they are needed."""
    return 2 if nominal < 100 else max(3, len(str(nominal - 1)))


def _format(hours: int, minutes: int, seconds: int, frames: int, nominal: int, drop: bool) -> str:
    sign = ";" if drop else ":"
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{sign}{frames:0{frame_digits(nominal)}d}"


class Timecode(BaseModel):
    """A SMPTE timecode: one label at one rate, as `Timecode(hours=1, minutes=0, seconds=0, frames=0, frame_rate=24.0)`.

    `frame_rate` is a float as the caller gave it; all arithmetic runs on `rate`, which is exact. A label that does not
    exist (frames ≥ the nominal rate, a dropped label) raises InvalidTimecode. 24:00:00:00 may be built, as an exclusive
    end. Adding frames wraps at 24 hours.
    """

    model_config = ConfigDict(frozen=True)

    hours: int
    minutes: int
    seconds: int
    frames: int
    frame_rate: float
    drop_frame: bool = False

    _rate: FrameRate = PrivateAttr()
    _frame: int = PrivateAttr()

    def __init__(
        self, hours: int, minutes: int, seconds: int, frames: int, frame_rate: RateLike, drop_frame: bool = False
    ) -> None:
        rate = FrameRate.of(frame_rate)
        super().__init__(
            hours=hours,
            minutes=minutes,
            seconds=seconds,
            frames=frames,
            frame_rate=float(frame_rate) if isinstance(frame_rate, float) else float(rate),
            drop_frame=drop_frame,
        )
        problem = label_problem(
            self.hours, self.minutes, self.seconds, self.frames, rate, self.drop_frame, end_of_day=True
        )
        if problem is not None:
            label = _format(self.hours, self.minutes, self.seconds, self.frames, rate.nominal, self.drop_frame)
            raise InvalidTimecode(f"{label} is not a timecode at {rate.text}: {problem}.")
        self._rate = rate
        self._frame = label_to_frame(
            self.hours, self.minutes, self.seconds, self.frames, rate.nominal, self.drop_frame
        )

    @classmethod
    def from_frame(cls, frame: SupportsIndex, rate: RateLike, drop_frame: bool = False) -> Self:
        """The label of a frame counted from 00:00:00:00; wraps at 24 hours in both directions."""
        exact = FrameRate.of(rate)
        if drop_frame and not exact.can_drop:
            raise InvalidTimecode(f"There is no drop-frame at {exact.text}.")
        day = frames_per_day(exact.nominal, drop_frame)
        return cls(*frame_to_label(operator.index(frame) % day, exact.nominal, drop_frame), rate, drop_frame)

    @staticmethod
    def from_string(
        text: str, frame_rate: RateLike, drop_frame: bool | None = None, *, out: bool = False
    ) -> Timecode:
        """Read "01:00:00:00"; `;` or `,` before the frames is drop-frame, `:` non-drop, `.` is read as `:`.

        `drop_frame` overrules the sign (an EDL's FCM line does). 24:00:00:00 is accepted with `out=True` only.
        """
        return parse_timecode(text, frame_rate, drop_frame, out=out).timecode

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, checked anew where fields are updated."""
        values = {name: getattr(self, name) for name in type(self).model_fields} | {"frame_rate": self._rate_as_given}
        return type(self)(**(values | dict(update or {})))

    @property
    def rate(self) -> FrameRate:
        """The exact rate."""
        return self._rate

    @property
    def total_frames(self) -> int:
        """Frames since 00:00:00:00 (of the day for 24:00:00:00)."""
        return self._frame

    @property
    def seconds_since_midnight(self) -> Fraction:
        """Real seconds since 00:00:00:00 at the exact rate (86,486.4 s a day at 29.97 non-drop)."""
        return Fraction(self._frame) / self._rate

    @property
    def frame_pair(self) -> tuple[int, bool]:
        """What the ST 12-1 code word carries: its frames field, and whether this is the second frame of a pair.

        The field counts frames up to 30 fps and pairs up to 60; it has no room for more (ST 12-3 is another code word).
        """
        if self._rate.nominal > 60:
            raise UsageError(f"The code word of SMPTE ST 12-1 has no room for {self._rate.text} frames a second.")
        if self._rate.nominal <= 30:
            return self.frames, False
        return self.frames // 2, bool(self.frames % 2)

    @property
    def is_end_of_day(self) -> bool:
        return self.hours == 24

    def __add__(self, other: SupportsIndex | Timecode) -> Timecode:
        """Some frames (or the frames of another timecode, as a duration) later."""
        return self._shifted(self._frames_of(other))

    def __sub__(self, other: SupportsIndex | Timecode) -> Timecode:
        """Some frames earlier; `frames_until` gives a distance."""
        return self._shifted(-self._frames_of(other))

    def frames_until(self, later: Timecode) -> int:
        """Frames from here to a later label, over midnight where that lies between.

        That is 0 to a day less one frame; to 24:00:00:00 it is what is left of this day (from 00:00:00:00 all of it).
        """
        self._same_counting(later)
        if later.is_end_of_day:
            return later._frame - self._frame
        return (later._frame - self._frame) % frames_per_day(self._rate.nominal, self.drop_frame)

    def __str__(self) -> str:
        return _format(self.hours, self.minutes, self.seconds, self.frames, self._rate.nominal, self.drop_frame)

    def __repr__(self) -> str:
        return f"<Timecode {self} @ {self._rate.text}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timecode):
            return NotImplemented
        return (self._frame, self._rate, self.drop_frame) == (other._frame, other._rate, other.drop_frame)

    def __hash__(self) -> int:
        return hash((self._frame, self._rate, self.drop_frame))

    def __lt__(self, other: Timecode) -> bool:
        if not isinstance(other, Timecode):
            return NotImplemented
        self._same_counting(other)
        return self._frame < other._frame

    def __le__(self, other: Timecode) -> bool:
        if not isinstance(other, Timecode):
            return NotImplemented
        self._same_counting(other)
        return self._frame <= other._frame

    def __gt__(self, other: Timecode) -> bool:
        return other.__lt__(self) if isinstance(other, Timecode) else NotImplemented

    def __ge__(self, other: Timecode) -> bool:
        return other.__le__(self) if isinstance(other, Timecode) else NotImplemented

    @property
    def _rate_as_given(self) -> RateLike:
        """The caller's float where it leads to the exact rate again, else the exact rate."""
        return self.frame_rate if FrameRate.of(self.frame_rate) == self._rate else self._rate

    def _shifted(self, frames: int) -> Timecode:
        return Timecode.from_frame(self._frame + frames, self._rate_as_given, self.drop_frame)

    def _frames_of(self, other: SupportsIndex | Timecode) -> int:
        if isinstance(other, Timecode):
            self._same_counting(other)
            return other._frame
        return operator.index(other)

    def _same_counting(self, other: Timecode) -> None:
        if (self._rate, self.drop_frame) != (other._rate, other.drop_frame):
            raise UsageError(f"{self!r} and {other!r} count differently; convert one of them first.")


@dataclass(frozen=True, slots=True)
class ParsedTimecode:
    """A timecode and what was odd about its writing."""

    timecode: Timecode
    diagnostics: tuple[str, ...] = ()


_LABEL = re.compile(r"(\d{1,2})([:;])(\d{1,2})([:;])(\d{1,2})([:;.,])(\d{1,6})", re.ASCII)


def parse_timecode(
    text: str, frame_rate: RateLike, drop_frame: bool | None = None, *, out: bool = False
) -> ParsedTimecode:
    """Read a timecode and say what was odd; `frame_rate` may carry "df" ("29.97df")."""
    if isinstance(frame_rate, str):
        rate, said = parse_rate(frame_rate)
        drop_frame = said if drop_frame is None else drop_frame
    else:
        rate = FrameRate.of(frame_rate)
    match = _LABEL.fullmatch(text.strip())
    if match is None:
        raise InvalidTimecode(
            f"{text[:40]!r} is not a timecode; write it like 01:00:00:00, or 01:00:00;00 for drop-frame."
        )
    hours, minutes, seconds, frames = (int(match[i]) for i in (1, 3, 5, 7))
    sign = match[6]
    diagnostics = []
    if sign == ".":
        diagnostics.append(f"{text.strip()}: '.' before the frames is read as ':' (some systems mean field 2)")
    drop = sign in ";,"
    if drop_frame is not None:
        if drop and not drop_frame:
            diagnostics.append(f"{text.strip()}: written as drop-frame, counted as non-drop as asked")
        drop = drop_frame
    problem = label_problem(hours, minutes, seconds, frames, rate, drop, end_of_day=out)
    if problem is None and len(match[7]) > frame_digits(rate.nominal):
        problem = f"frames have {frame_digits(rate.nominal)} digits at {rate.text} (are these milliseconds?)"
    if problem is not None:
        raise InvalidTimecode(f"{text.strip()} is not a timecode at {rate.text}: {problem}.")
    given = rate if isinstance(frame_rate, str) else frame_rate
    return ParsedTimecode(Timecode(hours, minutes, seconds, frames, given, drop), tuple(diagnostics))


@dataclass(frozen=True, slots=True, order=True)
class FrameRange:
    """Frames of a file, counted from 0: `first` is in, `end` is not (half-open)."""

    first: int
    end: int

    def __post_init__(self) -> None:
        if self.first < 0 or self.end < self.first:
            raise UsageError(f"Frames {self.first} to {self.end} are not a range.")

    @property
    def count(self) -> int:
        return self.end - self.first

    def __contains__(self, frame: int) -> bool:
        return self.first <= frame < self.end

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.end))

    def clamped(self, within: FrameRange) -> FrameRange:
        first = min(max(self.first, within.first), within.end)
        return FrameRange(first, max(first, min(self.end, within.end)))


class TimecodeRange(BaseModel):
    """From `start` to just before `end` (exclusive), and `handles` frames more on each side.

    An end before the start is read as lying after midnight where that makes at most 12 hours; otherwise it is an error.
    """

    model_config = ConfigDict(frozen=True)

    start: Timecode
    end: Timecode
    handles: int = 0

    def __init__(self, start: Any, end: Any, handles: int = 0) -> None:
        super().__init__(start=start, end=end, handles=handles)
        if self.handles < 0:
            raise UsageError(f"Handles of {self.handles} frames are not possible; give 0 or more.")
        self.start._same_counting(self.end)
        day = frames_per_day(self.start.rate.nominal, self.start.drop_frame)
        if self.duration_frames <= 0 or (self.crosses_midnight and self.duration_frames > day // 2):
            raise UsageError(
                f"The in point {self.start} is not before the out point {self.end} (which is exclusive)."
            )

    @property
    def duration_frames(self) -> int:
        """Frames from start to end, without handles."""
        return self.start.frames_until(self.end)

    @property
    def crosses_midnight(self) -> bool:
        return self.end.total_frames < self.start.total_frames
