"""The filter with which plates are scaled: Lanczos with three lobes, weighted as OpenImageIO weights it.

    w(u) = sinc(u) · sinc(u / 3) for |u| < 3, u in pixels of the coarser of the two pictures

A picture that gets smaller is filtered over three of its new pixels to each side, one that gets larger over three of its
old ones; weights are normalised, and beyond its edge a picture goes on with its last pixel. Pixel centres lie at half
numbers. OpenImageIO takes the reach of the filter in both directions from the horizontal one; so does this, so that a
plate is what `oiiotool --resize:filter=lanczos3` makes (checked with 3.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

LOBES = 3


@dataclass(frozen=True, eq=False)
class Taps:
    """For each new pixel: the first old pixel that is in it (int32), and the weights of it and those behind it (float32).

    `weights` is (new pixels, taps); every run of taps lies within the old pixels.
    """

    first: NDArray[np.int32]
    weights: NDArray[np.float32]

    @property
    def count(self) -> int:
        """Taps of a pixel."""
        return int(self.weights.shape[1])

    def __getitem__(self, new: slice) -> Taps:
        """The taps of a stretch of new pixels."""
        return Taps(np.ascontiguousarray(self.first[new]), np.ascontiguousarray(self.weights[new]))


@lru_cache(maxsize=32)
def taps(old: int, new: int, reach: float = LOBES) -> Taps:
    """The taps of a row of `old` pixels that becomes one of `new`.

    `reach` is half the filter's width in new pixels, `reach_of` says it; what lies farther is left out.
    """
    if old == new:
        return Taps(np.arange(new, dtype=np.int32), np.ones((new, 1), np.float32))
    ratio = new / old
    radius = ceil(reach / ratio - 1e-9)
    centres = _centres(old, new)
    whole = np.floor(centres)
    offsets = np.arange(-radius, radius + 1)
    distance = offsets + 0.5 - (centres - whole)[:, None]
    weights = _lanczos(distance * min(ratio, 1.0))
    weights /= weights.sum(axis=1, keepdims=True)
    places = np.clip(whole[:, None].astype(np.int64) + offsets, 0, old - 1)
    return _packed(places, weights, old)


def reach_of(horizontal_ratio: float) -> float:
    """Half the width of OpenImageIO's filter, in new pixels, by how much wider the picture becomes."""
    return LOBES * max(1.0, horizontal_ratio)


def _centres(old: int, new: int) -> NDArray[np.float64]:
    """Where the centres of new pixels lie among old ones, with the rounding of OpenImageIO's 32-bit floats.

    That is a few thousandths of a pixel in the widest picture; beside a bright edge it is what would tell the two apart.
    """
    step = np.float32(1.0) / np.float32(new)
    parts = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * step
    return (parts * np.float32(old)).astype(np.float64)


def _lanczos(u: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(u) < LOBES, np.sinc(u) * np.sinc(u / LOBES), 0.0)


def _packed(places: NDArray[np.int64], weights: NDArray[np.float64], old: int) -> Taps:
    """Runs of old pixels as short as they can be, each within the row; what fell together at an edge is added up."""
    used = np.abs(weights) > 1e-12
    first = np.where(used, places, old).min(axis=1)
    first = np.minimum.accumulate(first[::-1])[::-1]  # a weight that is 0 by chance may not make a run begin late
    last = np.where(used, places, -1).max(axis=1)
    count = int((last - first).max()) + 1
    first = np.minimum(first, old - count)
    dense = np.zeros((len(places), count))
    rows = np.broadcast_to(np.arange(len(places))[:, None], places.shape)
    np.add.at(dense, (rows[used], (places - first[:, None])[used]), weights[used])
    return Taps(first.astype(np.int32), dense.astype(np.float32))
