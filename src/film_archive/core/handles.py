"""Frames and the handles on both sides of them, as far as a clip has those. Defined here and only here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRange


def with_handles(wanted: FrameRange, handles: int, length: int) -> FrameRange:
    """Frames of a clip of `length` frames, and `handles` more on each side, cut off at the clip's ends.

    Raises UsageError for handles below 0.
    """
    require_handles(handles)
    first = max(0, wanted.first - handles)
    return FrameRange(first, max(first, min(length, wanted.end + handles)))


def require_handles(handles: int) -> None:
    """Raise UsageError for handles below 0."""
    if handles < 0:
        raise UsageError(f"Handles of {handles} frames are not possible; give 0 or more.")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which frames a request means: `frames` with the handles that the media has, `wanted` without."""

    wanted: FrameRange
    frames: FrameRange

    @classmethod
    def of(cls, wanted: FrameRange, handles: int, length: int) -> Self:
        """Frames of a clip of `length` frames, with handles cut off at its ends. Raises UsageError for handles below 0."""
        return cls(wanted, with_handles(wanted, handles, length))

    @property
    def head_handle(self) -> int:
        return self.wanted.first - self.frames.first

    @property
    def tail_handle(self) -> int:
        return self.frames.end - self.wanted.end
