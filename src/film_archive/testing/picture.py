"""What the test footage shows: colour bars, a bar and a ramp that move with every frame, noise, the frame's code and
text.

A picture is a function of its number, timecode, clip name and size, the same on every machine: whole numbers only, no
random generator. One frame's shift changes it everywhere but in the colour bars.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from film_archive.core.timecode import Timecode
from film_archive.media.glyphs import ADVANCE, HEIGHT, text_mask
from film_archive.testing.frame_code import COLUMNS, FrameCode, clip_id, code_box, draw_code

Picture = NDArray[np.uint8]

_BARS = (
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
    (16, 16, 16),
)
_NOISE_TILE = 256


def frame_picture(number: int, timecode: Timecode | None, width: int, height: int, *, name: str = "clip") -> Picture:
    """The picture of one frame, RGB (height, width, 3); the smallest is 38 × 44."""
    return Painter.of(width, height, name).frame(number, timecode)


class Painter:
    """Paints the frames of one clip; what does not change between frames is painted once."""

    def __init__(self, width: int, height: int, name: str) -> None:
        self.width, self.height, self.name = width, height, name
        self.clip = clip_id(name)
        self._box = code_box(width, height)
        self._bars_end = height // 7
        self._noise_start = height - height // 8
        self._step = max(2, width // 48) // 2 * 2
        self._ramp = _ramp(width)
        self._noise = _noise(height - self._noise_start, width + _NOISE_TILE, self.clip)
        self._still = self._background()

    @staticmethod
    @lru_cache(maxsize=4)
    def of(width: int, height: int, name: str) -> Painter:
        return Painter(width, height, name)

    def frame(self, number: int, timecode: Timecode | None) -> Picture:
        """A progressive frame."""
        picture = self._moved(2 * number)
        self._mark(picture, number, timecode)
        return picture

    def interlaced_frame(self, number: int, timecode: Timecode | None, *, top_first: bool) -> Picture:
        """Two fields of two moments, half a frame apart, with one code and one text."""
        earlier, later = self._moved(2 * number), self._moved(2 * number + 1)
        picture = earlier
        if top_first:
            picture[1::2] = later[1::2]
        else:
            picture[::2] = later[::2]
        self._mark(picture, number, timecode)
        return picture

    def _background(self) -> Picture:
        picture = np.zeros((self.height, self.width, 3), np.uint8)
        edges = [self.width * place // len(_BARS) for place in range(len(_BARS) + 1)]
        for color, left, right in zip(_BARS, edges, edges[1:], strict=False):
            picture[: self._bars_end, left:right] = color
        return picture

    def _moved(self, moment: int) -> Picture:
        """The background at a moment counted in half frames."""
        picture = self._still.copy()
        middle = picture[self._bars_end : self._noise_start]
        middle[:] = np.roll(self._ramp, moment * self._step // 4, axis=0)
        left = moment * self._step // 2 % self.width
        for start in (left, left - self.width):  # the bar leaves on the right and comes in on the left
            middle[:, max(0, start) : max(0, start + self._step)] = (235, 235, 235)
        shift = moment * 89 % _NOISE_TILE
        picture[self._noise_start :] = self._noise[:, shift : shift + self.width, None]
        return picture

    def _mark(self, picture: Picture, number: int, timecode: Timecode | None) -> None:
        frames = None if timecode is None else timecode.total_frames
        drop = timecode is not None and timecode.drop_frame
        draw_code(picture, FrameCode(self.clip, number, frames, drop))
        box = self._box
        label = f"FRAME {number:06d}" if timecode is None else str(timecode)
        self._write(picture, label, box.top - box.cell, above=True)
        if timecode is not None:
            self._write(picture, f"FRAME {number:06d}", box.bottom + box.cell, above=False)
        self._write(picture, self.name, self._bars_end + box.cell // 2, above=False, small=True)

    def _write(self, picture: Picture, text: str, edge: int, *, above: bool, small: bool = False) -> None:
        """A line in the middle, on black, that ends at `edge` (above) or begins there."""
        room = self.width - 4 if small else (COLUMNS + 2) * self._box.cell
        scale = max(1, min(self._box.cell // (8 if small else 4), room // (ADVANCE * max(1, len(text)))))
        mask = text_mask(text, scale)
        pad = scale
        top = edge - (HEIGHT * scale + pad) if above else edge + pad
        left = (self.width - mask.shape[1]) // 2
        if top < pad or left < pad or top + mask.shape[0] + pad > self.height:
            return  # no room in a tiny picture; the code tells it all the same
        picture[top - pad : top + mask.shape[0] + pad, left - pad : left + mask.shape[1] + pad] = 0
        picture[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = 255


def _ramp(width: int) -> Picture:
    """A row that goes from dark to light and back, tinted, without a seam."""
    phase = np.arange(width, dtype=np.int64) * 512 // width
    level = np.where(phase < 256, phase, 511 - phase)
    return np.stack((40 + level // 2, 40 + level * 5 // 8, 60 + level // 3), axis=1).astype(np.uint8)


def _noise(height: int, width: int, seed: int) -> Picture:
    """Gray noise around the middle, by an integer hash of the place (a Weyl step and two xor-shifts)."""
    rows, columns = np.indices((height, width), dtype=np.uint32)
    value = (rows * np.uint32(0x9E3779B1)) ^ (columns % _NOISE_TILE * np.uint32(0x85EBCA77)) ^ np.uint32(seed * 0x10001)
    value ^= value >> np.uint32(15)
    value *= np.uint32(0x2C1B3C6D)
    value ^= value >> np.uint32(12)
    value *= np.uint32(0x297A2D39)
    value ^= value >> np.uint32(15)
    return (96 + (value & np.uint32(63))).astype(np.uint8)
