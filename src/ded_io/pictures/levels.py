"""What a plate's pixels come to: as numbers small enough to keep for every frame, taken while the frame is at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.digest import KEY, MultiHasher

_STEP, _LARGE = 4, 1 << 20
"""Of pictures with more pixels levels are taken of every fourth pixel of every fourth line; whether all are numbers, of all."""
_PLATEAU = 0.995
_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLevels:
    """The levels of one frame's picture, bars left out; in the plate's own colour space, of what is a finite number."""

    width: int
    """Of the whole plate, in pixels."""
    height: int
    """Of the whole plate, in pixels."""
    red: float
    """The mean."""
    green: float
    """The mean."""
    blue: float
    """The mean."""
    darkest: float
    """The least value of any channel."""
    brightest: float
    """The greatest value of any channel."""
    plateau: float
    """The part of the pixels whose brightest channel is within half a percent of the frame's brightest value."""
    not_numbers: int
    """Values that are "not a number"."""
    infinite: int
    """Values that are infinite."""
    fingerprint: str
    """The same for two frames only if their pictures are the same."""

    @property
    def mean(self) -> float:
        """The mean of all channels."""
        return (self.red + self.green + self.blue) / 3


Window = tuple[int, int, int, int]
"""(left, top, right, bottom) of the picture on the plate, the last two behind it."""


def levels_of(pixels: NDArray[Any], window: Window | None = None) -> FrameLevels:
    """The levels of (height, width, 3) pixels, in `window` or all over."""
    height, width, _ = pixels.shape
    left, top, right, bottom = window or (0, 0, width, height)
    picture = pixels[top:bottom, left:right]
    if not picture.size:
        picture = pixels
    not_numbers, infinite = _unusable(picture)
    step = _STEP if picture.shape[0] * picture.shape[1] > _LARGE else 1
    sampled = np.ascontiguousarray(picture[::step, ::step])
    hasher = MultiHasher()
    hasher.update(sampled.data.cast("B"))
    floats = sampled.astype(np.float32)
    if not_numbers or infinite:
        floats = np.nan_to_num(floats, copy=False, nan=0, posinf=0, neginf=0)
    means = floats.mean(axis=(0, 1), dtype=np.float64)
    brightest = float(floats.max())
    highest = floats.max(axis=2)
    return FrameLevels(
        width=width,
        height=height,
        red=float(means[0]),
        green=float(means[1]),
        blue=float(means[2]),
        darkest=float(floats.min()),
        brightest=brightest,
        plateau=float((highest >= _PLATEAU * brightest).mean()) if brightest > 0 else 1.0,
        not_numbers=not_numbers,
        infinite=infinite,
        fingerprint=hasher.digests()[KEY],
    )


def _unusable(picture: NDArray[Any]) -> tuple[int, int]:
    """(values that are no number, values that are infinite)."""
    if picture.dtype != np.float16:
        return int(np.isnan(picture).sum()), int(np.isinf(picture).sum())
    not_numbers = infinite = 0
    for top in range(0, len(picture), _ROWS):
        magnitude = picture[top : top + _ROWS].view(np.uint16) & np.uint16(0x7FFF)
        if magnitude.max(initial=0) >= 0x7C00:  # one comparison for nearly all frames
            infinite += int((magnitude == 0x7C00).sum())
            not_numbers += int((magnitude > 0x7C00).sum())
    return not_numbers, infinite
