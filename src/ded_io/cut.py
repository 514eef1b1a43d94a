"""Frames of a shot: which frames of the clip it takes, and which numbers they get. Defined here and only here.

Everything is inclusive, as cut lists on a VFX desk are: in 100, out 150 is 51 frames. A source frame (0-based, counted in
the clip) and a frame number (993 …, in the file's name) are told apart by their names everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from film_archive.core.errors import OutOfRange, UsageError
from film_archive.core.timecode import FrameRate, Timecode


class FirstFrame(StrEnum):
    """What the start number (1001) is the number of."""

    IN = "in"
    """The in point; handles count down from it (993 with 8)."""
    HANDLE = "handle"
    """The first frame of the head handle that was asked for."""


@dataclass(frozen=True, slots=True)
class ShotFrames:
    """The frames of one shot: a range of source frames and the numbers that they get."""

    in_frame: int
    """Source frame of the in point."""
    out_frame: int
    """Source frame of the out point, which belongs to the shot."""
    head: int
    """Handle frames before the in point that are there."""
    tail: int
    head_asked: int
    tail_asked: int
    in_number: int
    """The number of the in point's frame: 1001, unless the show counts from the handle."""

    @property
    def first_source(self) -> int:
        return self.in_frame - self.head

    @property
    def last_source(self) -> int:
        return self.out_frame + self.tail

    @property
    def first_number(self) -> int:
        return self.in_number - self.head

    @property
    def last_number(self) -> int:
        return self.number_of(self.last_source)

    @property
    def count(self) -> int:
        """Frames with handles."""
        return self.last_source - self.first_source + 1

    @property
    def cut_count(self) -> int:
        """Frames without handles."""
        return self.out_frame - self.in_frame + 1

    @property
    def numbers(self) -> range:
        return range(self.first_number, self.last_number + 1)

    @property
    def shortened(self) -> bool:
        """Whether the clip has fewer frames around the cut than the handles that were asked for."""
        return (self.head, self.tail) != (self.head_asked, self.tail_asked)

    def number_of(self, source_frame: int) -> int:
        return source_frame - self.in_frame + self.in_number

    def source_of(self, number: int) -> int:
        return number - self.in_number + self.in_frame

    def shortfalls(self) -> Iterator[str]:
        """A sentence for each handle that the clip was too short for."""
        for name, end, asked, there in (
            ("head", "start", self.head_asked, self.head),
            ("tail", "end", self.tail_asked, self.tail),
        ):
            if there < asked:
                yield f"The {name} handle has {there} of {asked} frames: the clip's {end} is there."


def shot_frames(
    in_frame: int,
    out_frame: int,
    *,
    clip_frames: int,
    head: int,
    tail: int,
    start: int,
    first_frame_is: FirstFrame = FirstFrame.IN,
    strict: bool = False,
) -> ShotFrames:
    """The frames of a cut in a clip of `clip_frames` frames; handles are shortened at its ends, and nothing else moves.

    Raises UsageError for a cut that is none or negative handles, OutOfRange where in or out are outside the clip, or
    where a handle is, if `strict`.
    """
    if head < 0 or tail < 0:
        raise UsageError(f"Handles can't be negative ({head} and {tail} frames were asked for).")
    if out_frame < in_frame:
        raise UsageError(f"The out point {out_frame} is before the in point {in_frame}; out is the last frame of the shot.")
    for name, frame in (("in", in_frame), ("out", out_frame)):
        if not 0 <= frame < clip_frames:
            raise OutOfRange(f"The {name} point {frame} is outside the clip, which has the frames 0 to {clip_frames - 1}.")
    base = start if first_frame_is is FirstFrame.IN else start + head
    if base - head < 0:
        raise UsageError(f"Frames would get numbers below 0: the shot starts at {start} and has a head handle of {head} frames.")
    has_head, has_tail = min(head, in_frame), min(tail, clip_frames - 1 - out_frame)
    frames = ShotFrames(in_frame, out_frame, has_head, has_tail, head, tail, base)
    if strict and frames.shortened:
        raise OutOfRange(" ".join(frames.shortfalls()) + " Handles are strict; nothing was written.")
    return frames


def frame_of(point: int | str, *, start: Timecode | None, rate: FrameRate) -> int:
    """The source frame that an in or out point says: a frame of the clip, or a timecode that is counted from its start.

    A label is counted as the clip counts (drop-frame or not), and over midnight where that lies between. Raises UsageError
    for what is neither, OutOfRange for a timecode where the clip has none.
    """
    if isinstance(point, bool) or not isinstance(point, int | str):
        raise UsageError(f"{point!r} is neither a frame of the clip nor a timecode.")
    if isinstance(point, int):
        return point
    text = point.strip()
    if text.lstrip("+-").isdecimal() and text.isascii() and len(text) <= 12:
        return int(text)
    if start is None:
        raise OutOfRange(f"{text[:40]!r} is a timecode and the clip has none; give frames, or the clip's with --timecode.")
    return start.frames_until(Timecode.from_string(text, rate, start.drop_frame))  # `:` is what people type for `;` too
