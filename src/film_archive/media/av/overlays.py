"""What is drawn over a proxy's pictures, and what is done to their colours.

Burn-in is white on black in our own letters (`media.glyphs`), drawn into each size by itself, so that it is sharp in all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import UsageError
from film_archive.core.timecode import Timecode
from film_archive.media.av.frames import converted, copy_of, frame_of, lines_of
from film_archive.media.glyphs import ADVANCE, HEIGHT, text_mask
from film_archive.media.grading import Grade, quantised

POSITIONS = ("top left", "top center", "top right", "bottom left", "bottom center", "bottom right")
_TOKEN = re.compile(r"\{(\w*)\}")
_TOKENS = ("timecode", "frame", "clip")
_BLACK, _WHITE, _NEUTRAL = 16, 235, 128


@dataclass(frozen=True, slots=True)
class BurnIn:
    """One line of text at one of the six `POSITIONS`; {timecode}, {frame} and {clip} stand for what they say."""

    position: str
    text: str

    def __post_init__(self) -> None:
        if self.position not in POSITIONS:
            raise UsageError(f"{self.position!r} is no place for burn-in; there are: {', '.join(POSITIONS)}.")
        unknown = [token for token in _TOKEN.findall(self.text) if token not in _TOKENS]
        if unknown:
            raise UsageError(f"Burn-in has no {{{unknown[0]}}}; it has {{timecode}}, {{frame}} and {{clip}}.")
        if not self.text or len(self.text) > 200:
            raise UsageError("A line of burn-in has 1 to 200 letters.")


@dataclass(frozen=True, slots=True)
class Treatment:
    """All that is done to a clip's pictures besides scaling."""

    grade: Grade = field(default_factory=Grade)
    burn_in: tuple[BurnIn, ...] = ()
    first_number: int = 0
    """The number that {frame} shows for frame 0."""

    @property
    def key(self) -> str:
        """A short digest that tells proxies of different treatments apart; nothing where nothing is done."""
        if not self.record:
            return ""
        hasher = MultiHasher()
        hasher.update(repr(sorted(self.record.items())).encode())
        return hasher.digests()["xxh128"][:8]

    @property
    def record(self) -> dict[str, Any]:
        """What a proxy's line says."""
        done = dict(self.grade.record)
        if self.burn_in:
            done["burn_in"] = [{"position": line.position, "text": line.text} for line in self.burn_in]
            done["first_number"] = self.first_number
        return done


@dataclass(frozen=True, slots=True)
class BurnedIn:
    """Burn-in of one clip, for pictures of one size in 4:2:0 of 8 bits."""

    lines: tuple[BurnIn, ...]
    clip: str
    start: Timecode | None
    frames: int
    first_number: int = 0
    """The number that {frame} shows for frame 0."""

    @classmethod
    def of(cls, lines: Sequence[BurnIn], clip: str, start: Timecode | None, frames: int, first_number: int = 0) -> BurnedIn:
        """Raises UsageError where two lines have one place, or a timecode is asked for and there is none."""
        if len({line.position for line in lines}) != len(lines):
            raise UsageError("Two lines of burn-in have the same place; join them in one.")
        if start is None and any("{timecode}" in line.text for line in lines):
            raise UsageError(f"{clip} has no start timecode to burn in; give one.")
        return cls(tuple(lines), clip, start, frames, first_number)

    def text(self, line: BurnIn, number: int) -> str:
        """What a line says in a frame."""
        said = {
            "timecode": "" if self.start is None else str(self.start + number),
            "frame": f"{self.first_number + number:0{self._digits}d}",
            "clip": self.clip,
        }
        return _TOKEN.sub(lambda token: said[token[1]], line.text)

    @property
    def _digits(self) -> int:
        return max(4, len(str(self.first_number + self.frames - 1)))

    def __call__(self, picture: av.VideoFrame, number: int) -> av.VideoFrame:
        drawn = copy_of(picture)
        luma, *chroma = (lines_of(plane) for plane in drawn.planes)
        for line in self.lines:
            mask = _mask(self.text(line, number), *_scale(self.text(line, 0), picture.width, picture.height))
            top, left = _place(line.position, mask.shape, picture.width, picture.height)
            mask = mask[: picture.height - top, : picture.width - left]
            bottom, right = top + mask.shape[0], left + mask.shape[1]
            luma[top:bottom, left:right] = mask
            for plane in chroma:
                plane[top // 2 : bottom // 2, left // 2 : right // 2] = _NEUTRAL
        return drawn

    def covered(self, look: tuple[int, int], picture: tuple[int, int]) -> NDArray[np.bool_]:
        """(height, width) of a look: where pictures of a size, (width, height), are drawn over, with a pixel's margin."""
        covered = np.zeros((look[1], look[0]), np.bool_)
        across, down = look[0] / picture[0], look[1] / picture[1]
        for line in self.lines:
            text = self.text(line, 0)
            size = _mask(text, *_scale(text, *picture)).shape
            top, left = _place(line.position, size, *picture)
            rows = slice(max(0, int(top * down) - 1), ceil((top + size[0]) * down) + 1)
            covered[rows, max(0, int(left * across) - 1) : ceil((left + size[1]) * across) + 1] = True
        return covered


_HIGH = 20
"""A line of text is one part in so many of the picture's height."""


def _scale(text: str, width: int, height: int) -> tuple[int, int]:
    """(pixels of a letter's dot, pixels of the margin): a line fits the picture's width."""
    dots = ADVANCE * len(text) + 3
    scale = max(1, min(height // _HIGH // HEIGHT, width // dots))
    return scale, scale


@lru_cache(maxsize=64)
def _mask(text: str, scale: int, margin: int) -> NDArray[np.uint8]:
    """Levels of a line of text on its black box, sides even."""
    inked = text_mask(text, scale)
    rows, columns = inked.shape[0] + 2 * margin, inked.shape[1] + 2 * margin
    box = np.full((rows + rows % 2, columns + columns % 2), _BLACK, np.uint8)
    box[margin : margin + inked.shape[0], margin : margin + inked.shape[1]][inked] = _WHITE
    return box


def _place(position: str, size: tuple[int, ...], width: int, height: int) -> tuple[int, int]:
    """(top, left), even; a box that is too large begins at the edge."""
    edge = max(0, height // 54) // 2 * 2
    top = edge if position.startswith("top") else height - size[0] - edge
    left = edge if "left" in position else width - size[1] - edge if "right" in position else (width - size[1]) // 2
    return max(0, top) // 2 * 2, max(0, left) // 2 * 2


@dataclass(frozen=True, slots=True)
class Graded:
    """Colours changed by a grade; the picture is scaled to the largest size first, which is what is shown of it."""

    grade: Grade
    width: int
    height: int

    def __call__(self, picture: av.VideoFrame, number: int) -> av.VideoFrame:
        rgb = converted(picture, self.width, self.height, "gbrp16le", interpolation="AREA").to_ndarray()
        floats = np.ascontiguousarray(rgb, np.float32) / np.float32(65_535)
        return frame_of(quantised(self.grade.apply(floats)))
