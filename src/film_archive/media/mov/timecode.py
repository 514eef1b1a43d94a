"""The timecode track (`tmcd`): the label of the first frame, the reel, and where the count breaks.

A sample is a frame number since 00:00:00:00 (drop-frame already counted out); a file has one sample for each continuous
stretch. The description says how fast labels count, which need not be how fast frames pass: cameras at 59.94 that
count 30, or sensors that run faster than the project. Source: QuickTime File Format, "Timecode Media".
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode, frames_per_day
from film_archive.media.mov.atoms import Atom, Notes
from film_archive.media.mov.edits import Segment
from film_archive.media.mov.metadata import printable_text
from film_archive.media.mov.rates import tidy_rate
from film_archive.media.mov.samples import Samples

MAX_READ = 10_000
_DROP, _COUNTER = 1, 8
_FIXED = 26
"""Bytes of the entry's body before the reel's `name`; some writers pad the last field to 32 bits, then 28."""


@dataclass(frozen=True, slots=True)
class TimecodeDescription:
    """How the labels count: `rate` exact, `drop` as flagged and possible; a tape `counter` is no timecode at all."""

    rate: FrameRate
    drop: bool
    counter: bool
    reel: str | None


@dataclass(frozen=True, slots=True)
class TimecodeBreak:
    """A place where the count jumps: seconds after the first frame, and the timecode from there on."""

    seconds: Fraction
    timecode: Timecode


@dataclass(frozen=True, slots=True)
class TimecodeFacts:
    """What a timecode track says about a clip: the label of the first frame shown, and each jump after it."""

    start: Timecode | None
    reel: str | None
    breaks: tuple[TimecodeBreak, ...] = ()


def parse_timecode_description(entry: Atom, picture_rate: FrameRate | None, notes: Notes) -> TimecodeDescription | None:
    """Read a tmcd description; None where it says nothing about how it counts and there is no picture to go by.

    The number of labels a second (`numberOfFrames`) is trusted over the tick lengths, which old writers round
    (2997/100, 2398/100, 600/24).
    """
    flags, timescale, duration, nominal = entry.unpack("IIIB", 12)
    rate = tidy_rate(Fraction(timescale, duration)) if timescale and duration else None
    if rate is None:
        rate = picture_rate
        notes.add("the timecode track doesn't say how fast it counts")
        if rate is None:
            return None
    if nominal and rate.nominal != nominal:
        rate = _rate_counting(nominal, rate, notes)
    drop = bool(flags & _DROP)
    if drop and not rate.can_drop:
        notes.add(f"the timecode is flagged drop-frame at {rate.text}, which doesn't exist; it is read as non-drop")
        drop = False
    return TimecodeDescription(rate, drop, bool(flags & _COUNTER), _reel(entry))


def _rate_counting(nominal: int, rate: FrameRate, notes: Notes) -> FrameRate:
    """The rate that counts `nominal` labels a second where the tick lengths say another: half of it, or the like."""
    notes.add(f"the timecode counts {nominal} labels a second, but its ticks are those of {rate.text}")
    for factor in (2, 4):
        slower = FrameRate.of(Fraction(rate) / factor)
        if slower.nominal == nominal:
            return slower
    return FrameRate(nominal * 1000, 1001) if rate.denominator == 1001 else FrameRate(nominal, 1)


def _reel(entry: Atom) -> str | None:
    """The source reference's name: 16-bit length, 16-bit language, text."""
    for start in (_FIXED, _FIXED + 2):
        for atom in entry.children(start, lenient=True):
            if atom.kind == b"name" and len(atom.body) >= 4:
                length, language = atom.unpack("HH")
                text = printable_text(bytes(atom.body[4 : 4 + length]), "utf-8" if language >= 0x400 else None)
                return text or None
    return None


def read_timecode(
    source: ByteSource,
    description: TimecodeDescription,
    samples: Samples,
    shown: tuple[Segment, ...],
    timescale: int,
    first: Fraction,
    slack: Fraction,
    notes: Notes,
) -> TimecodeFacts:
    """The timecode at presentation second `first` (that of the first frame) and the breaks after it.

    `shown` are the track's own edits; a trimmed movie may carry its trim only there. A start that isn't on a label's
    tick, beyond `slack` seconds of rounding, is floored and noted.
    """
    if description.counter:
        notes.add("the timecode track holds a tape counter, not timecode")
        return TimecodeFacts(None, description.reel)
    values = _values(source, samples, notes)
    if not len(values) or not shown:
        notes.add("the timecode track holds no timecode that can be read")
        return TimecodeFacts(None, description.reel)
    times = samples.times[: len(values)]
    tick = _media_tick(first * timescale, shown, slack * timescale, notes)
    rate, drop = description.rate, description.drop
    day = frames_per_day(rate.nominal, drop)

    def label(index: int, at: Fraction) -> Timecode:
        distance = (at - int(times[index])) * rate / timescale
        return Timecode.from_frame(int(values[index]) + _whole(distance, slack * rate, notes), rate, drop)

    index = max(0, int(np.searchsorted(times, tick // 1, side="right")) - 1)
    if not 0 <= values[index] < day:
        notes.add(f"the timecode's first frame number is {values[index]}, outside of a day; it is wrapped to 24 hours")
    start = label(index, tick)
    breaks = []
    for later in range(index + 1, len(values)):
        step = round((int(times[later]) - int(times[later - 1])) * Fraction(rate) / timescale)
        if int(times[later]) < shown[-1].end and (values[later] - values[later - 1] - step) % day:
            seconds = (int(times[later]) - tick) / timescale
            breaks.append(TimecodeBreak(seconds, label(later, Fraction(int(times[later])))))
    if breaks:
        more = f" (and {len(breaks) - 1} more times)" if len(breaks) > 1 else ""
        notes.add(
            f"the timecode is not continuous: it jumps to {breaks[0].timecode} after {float(breaks[0].seconds):.3f} s"
            f"{more}; labels after that don't follow from the start"
        )
    return TimecodeFacts(start, description.reel, tuple(breaks))


def _values(source: ByteSource, samples: Samples, notes: Notes) -> list[int]:
    """The frame numbers, up to the first sample that isn't there: 32 bits each, 64 in the rare tc64."""
    if len(samples) > MAX_READ:
        notes.add(f"the timecode track has {len(samples)} samples; the first {MAX_READ} are read")
    values: list[int] = []
    for offset, size in zip(samples.offsets[:MAX_READ].tolist(), samples.sizes[:MAX_READ].tolist(), strict=True):
        width = 8 if size == 8 else 4
        data = source.read_at(offset, width) if size >= 4 and offset >= 8 else b""
        if len(data) < width:
            notes.add(f"timecode sample {len(values) + 1} is not there or too short; those from it on are left out")
            break
        values.append(int.from_bytes(data, "big", signed=True))
    return values


def _media_tick(at: Fraction, shown: tuple[Segment, ...], slack: Fraction, notes: Notes) -> Fraction:
    """The tick of the track's media at a presentation tick; outside of what is shown the count is carried on."""
    inside = shown[0]
    for segment in shown:
        if segment.at <= at:
            inside = segment
    if at < inside.at or at > inside.at + (inside.end - inside.start) + slack:
        notes.add("the timecode track doesn't cover the first frame; its count is carried on to there")
    return inside.start + at - inside.at


def _whole(frames: Fraction, slack: Fraction, notes: Notes) -> int:
    nearest = round(frames)
    if abs(frames - nearest) <= min(slack + Fraction(1, 100), Fraction(1, 4)):
        return nearest
    notes.add("the clip starts within a timecode frame; its start is that frame's label")
    return frames.numerator // frames.denominator
