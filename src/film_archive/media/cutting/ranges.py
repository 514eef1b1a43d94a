"""From timecode to frames: source timecode is found through the media's start timecode, exactly or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from film_archive.core.errors import InvalidTimecode, OutOfRange, TimecodeUnknown, UsageError
from film_archive.core.timecode import FrameRange, FrameRate, Timecode, frames_per_day, parse_timecode


@dataclass(frozen=True, slots=True)
class Clip:
    """What has to be known of a clip to find timecode in it."""

    name: str
    frames: int
    rate: FrameRate
    start: Timecode | None

    def require_start(self) -> Timecode:
        if self.start is None:
            raise TimecodeUnknown(
                f"{self.name} has no start timecode; give it (`--start 01:00:00:00`), for it is not guessed."
            )
        return self.start

    def frame_at(self, timecode: Timecode, *, out: bool = False) -> int:
        """The frame with this label; with `out`, one past the last is allowed. Raises OutOfRange."""
        start = self.require_start()
        day = frames_per_day(start.rate.nominal, start.drop_frame)
        distance = (timecode.total_frames - start.total_frames) % day
        number = Fraction(distance) * self.rate / start.rate
        if distance and out and number > self.frames and timecode.total_frames == start.total_frames:
            number = Fraction(0)
        if number.denominator != 1:
            number = Fraction(-(-number.numerator // number.denominator))
        if number >= self.frames + (1 if out else 0):
            raise OutOfRange(f"{timecode} is not in {self.name}, which runs from {start} to {self.last} ({self.frames} frames).")
        return int(number)

    @property
    def last(self) -> Timecode:
        """The label of the last frame."""
        return self.label(self.frames - 1)

    def label(self, frame: int) -> Timecode:
        """The label of a frame, at the timecode's own rate."""
        start = self.require_start()
        return start + int(Fraction(frame) * start.rate / self.rate)

    def read(self, text: str, *, out: bool = False) -> Timecode:
        """A label as a user writes it for this clip, counted as the clip counts; `;` for a non-drop clip is an error."""
        start = self.require_start()
        parsed = parse_timecode(text, start.rate, start.drop_frame, out=out)
        if parsed.diagnostics and not start.drop_frame and any(sign in text for sign in ";,"):
            raise InvalidTimecode(f"{text} is drop-frame timecode, and {self.name} counts non-drop; write {text.replace(';', ':')}.")
        return parsed.timecode


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames a request means: `frames` with the handles that the media has, `wanted` without."""

    wanted: FrameRange
    frames: FrameRange

    @property
    def head_handle(self) -> int:
        return self.wanted.first - self.frames.first

    @property
    def tail_handle(self) -> int:
        return self.frames.end - self.wanted.end


def select(clip: Clip, start: Timecode, end: Timecode, handles: int = 0) -> Selection:
    """The frames from `start` to just before `end`, with handles cut at the clip's ends."""
    if handles < 0:
        raise UsageError(f"Handles of {handles} frames are not possible; give 0 or more.")
    first, stop = clip.frame_at(start), clip.frame_at(end, out=True)
    if stop <= first:
        raise UsageError(f"The in point {start} is not before the out point {end} (which is exclusive).")
    frames = FrameRange(max(0, first - handles), min(clip.frames, stop + handles))
    return Selection(FrameRange(first, stop), frames)
