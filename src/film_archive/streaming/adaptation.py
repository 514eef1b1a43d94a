"""What a connection can carry: how much to read at once, and the bit rate at which no frame comes late."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from film_archive.core.frame_index import FrameIndex

SMALLEST = 64 << 10
LARGEST = 16 << 20
"""Bounds of a chunk in bytes: below, calls cost more than bytes; above, a viewer who jumps has waited for nothing."""

_BLOCK = 4096
_SPAN = 0.25
"""Seconds of the stream in one chunk."""
_HALF_LIVES = (3.0, 9.0)
_SHORTEST = 1e-6


def buffer_size(bandwidth: float, latency_ms: float) -> int:
    """Bytes to ask for at once over a connection of `bandwidth` bits a second that answers after `latency_ms`.

    A quarter of a second of the stream, or what is on the way during two answers where that is more; a multiple of
    4096, from SMALLEST to LARGEST.
    """
    seconds = max(_SPAN, 2 * max(0.0, latency_ms) / 1000)
    wanted = min(max(0.0, bandwidth) / 8 * seconds, LARGEST)
    return max(SMALLEST, -(-int(wanted) // _BLOCK) * _BLOCK)


@dataclass(slots=True)
class MovingRate:
    """Bytes a second as two averages that forget (half-lives of 3 and 9 s); the lower one counts.

    So a drop is believed at once and a rise only when it lasts.
    """

    _sums: list[float] = field(default_factory=lambda: [0.0] * len(_HALF_LIVES))
    _weights: list[float] = field(default_factory=lambda: [0.0] * len(_HALF_LIVES))

    def add(self, count: int, seconds: float) -> None:
        """`count` bytes took so long."""
        seconds = max(seconds, _SHORTEST)
        for index, half_life in enumerate(_HALF_LIVES):
            kept = 0.5 ** (seconds / half_life)
            self._sums[index] = self._sums[index] * kept + count / seconds * (1 - kept)
            self._weights[index] = self._weights[index] * kept + (1 - kept)

    @property
    def rate(self) -> float | None:
        """Bytes a second; None before the first measurement."""
        if not all(self._weights):
            return None
        return min(total / weight for total, weight in zip(self._sums, self._weights, strict=True))


class Pace(Protocol):
    """Chooses how large the next chunk is, and hears how long each took."""

    def size(self) -> int: ...

    def took(self, count: int, reading: float, whole: float) -> None:
        """A chunk of `count` bytes was read in `reading` seconds and was with the consumer after `whole` seconds."""


@dataclass(frozen=True, slots=True)
class FixedPace:
    """Always the same."""

    chunk: int

    def size(self) -> int:
        return self.chunk

    def took(self, count: int, reading: float, whole: float) -> None:
        return None


@dataclass(slots=True)
class AdaptivePace:
    """Starts small, so that the first bytes come at once, and follows the measured rate; at most doubles at a time.

    Sizes are whole multiples of `unit` bytes.
    """

    unit: int = 1
    _rate: MovingRate = field(default_factory=MovingRate)
    _latency: float = 0.0
    _last: int = SMALLEST

    def size(self) -> int:
        rate = self._rate.rate
        if rate is not None:
            self._last = min(buffer_size(rate * 8, self._latency * 1000), 2 * self._last)
        return max(self.unit, self._last // self.unit * self.unit)

    def took(self, count: int, reading: float, whole: float) -> None:
        self._rate.add(count, whole)
        self._latency = reading if not self._latency else 0.8 * self._latency + 0.2 * reading


def smooth_bit_rate(index: FrameIndex, startup: Fraction) -> int:
    """The lowest constant rate, in bits a second, at which every frame is there when it is due.

    The file is sent in its own order from its first packet on, and playing begins `startup` seconds (more than 0) after
    the first byte. Frame n then needs all bytes up to the end of what it is decoded from by startup + its time. 0
    without frames.
    """
    import numpy as np

    if index.video is None or not index.frames:
        return 0
    tracks = [index.video, *(track.packets for track in index.audio if len(track.packets))]
    begin = min(int(track.offsets.min()) for track in tracks)
    ends = np.maximum.accumulate(index.video.offsets + index.video.sizes)[index.shown]
    needed: list[int] = (np.maximum.accumulate(ends) - begin).tolist()
    times: list[int] = index.video.times[index.shown].tolist()
    scale = index.video.timescale
    rates = (8 * count / (startup + Fraction(time) / scale) for count, time in zip(needed, times, strict=True))
    return math.ceil(max(rates))
