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
                f"{self.name} has no start timecode, and it is not guessed; give it (`--start 01:00:00:00`, or "
                "`start_timecode` of the MediaFile)."
            )
        return self.start

    def frame_at(self, timecode: Timecode, *, out: bool = False) -> int:
        """The first frame with this label, or the next where no frame has it; with `out`, one past the last is allowed.

        Labels are found over midnight. Raises OutOfRange, UsageError where the label is counted otherwise.
        """
        start = self.require_start()
        self._require_counting(timecode)
        day = frames_per_day(start.rate.nominal, start.drop_frame)
        distance = (timecode.total_frames - start.total_frames) % day
        labels = -(-Fraction(self.frames) * start.rate // self.rate)
        if out and distance == 0 and labels >= day:
            distance = day  # the end of a clip that lasts as long as a day
        number = -(-Fraction(distance) * self.rate // start.rate)
        if out and distance == labels:
            number = self.frames  # the last label may stand for fewer frames than the others
        if number >= self.frames + (1 if out else 0):
            there = f"runs from {start} to {self.last} ({self.frames} frames)" if self.frames else "has no frames"
            raise OutOfRange(f"{timecode} is not in {self.name}, which {there}.")
        return int(number)

    def _require_counting(self, timecode: Timecode) -> None:
        """Labels of 24 and 23.976 are the same labels; those of 25, or drop-frame, are others."""
        start = self.require_start()
        if (timecode.rate.nominal, timecode.drop_frame) != (start.rate.nominal, start.drop_frame):
            raise UsageError(
                f"{timecode} counts {_counting(timecode)}, and {self.name} counts {_counting(start)} (it starts at "
                f"{start}); give the timecode as the clip counts."
            )

    @property
    def last(self) -> Timecode:
        """The label of the last frame."""
        return self.label(self.frames - 1)

    def label(self, frame: int) -> Timecode:
        """The label of a frame, at the timecode's own rate."""
        start = self.require_start()
        return start + int(Fraction(frame) * start.rate / self.rate)

    def read(self, text: str, *, out: bool = False, notes: list[str] | None = None) -> Timecode:
        """A label as a user writes it for this clip, counted as the clip counts; `;` for a non-drop clip is an error."""
        start = self.require_start()
        parsed = parse_timecode(text, start.rate, start.drop_frame, out=out)
        if parsed.diagnostics and not start.drop_frame and any(sign in text for sign in ";,"):
            plain = text.replace(";", ":").replace(",", ":")
            raise InvalidTimecode(f"{text} is drop-frame timecode, and {self.name} counts non-drop; write {plain}.")
        if notes is not None:
            notes.extend(parsed.diagnostics)
            if start.drop_frame and not any(sign in text for sign in ";,"):
                notes.append(f"{text.strip()} is read as drop-frame, {parsed.timecode}, as {self.name} counts")
        return parsed.timecode

    def read_length(self, text: str, *, notes: list[str] | None = None) -> int:
        """How many labels a duration has, counted as the clip counts; where it has no timecode, as the duration's sign says."""
        if self.start is None:
            return parse_timecode(text, self.rate).timecode.total_frames
        try:
            return self.read(text, notes=notes).total_frames
        except InvalidTimecode as error:
            raise InvalidTimecode(f"{error} Durations count as the clip does; a number of frames always can be given.") from None

    def frames_of(self, labels: int) -> int:
        """How many frames so many labels stand for: where timecode counts at another rate than the media's, not as many."""
        return labels if self.start is None else int(-(-Fraction(labels) * self.rate // self.start.rate))


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
    first, stop = clip.frame_at(start), clip.frame_at(end, out=True)
    if stop <= first:
        raise UsageError(f"The in point {start} is not before the out point {end} (which is exclusive).")
    return select_frames(clip, first, stop, handles)


def select_frames(clip: Clip, first: int, stop: int, handles: int = 0) -> Selection:
    """The frames from number `first` to just before `stop`, with handles cut at the clip's ends.

    Raises OutOfRange where they are not all in the clip, UsageError where there are none.
    """
    if handles < 0:
        raise UsageError(f"Handles of {handles} frames are not possible; give 0 or more.")
    if stop <= first:
        raise UsageError(f"The in point, frame {first}, is not before the out point, frame {stop} (which is exclusive).")
    if first < 0 or stop > clip.frames:
        raise OutOfRange(f"Frames {first} to {stop - 1} are not all in {clip.name}, which has {clip.frames}.")
    frames = FrameRange(max(0, first - handles), min(clip.frames, stop + handles))
    return Selection(FrameRange(first, stop), frames)


def _counting(timecode: Timecode) -> str:
    drop = " drop-frame" if timecode.drop_frame else " non-drop" if timecode.rate.can_drop else ""
    return f"{timecode.rate.text} fps{drop}"
