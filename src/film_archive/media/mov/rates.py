"""Frame rates as exact fractions, from times that a timescale has rounded.

A track's ticks often can't express its rate (23.976 in milliseconds, 29.97 as 2997/100); the trade's rates are few,
so the one that explains every frame time to within a tick is the one that was meant.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from film_archive.core.timecode import FrameRate
from film_archive.media.mov.tables import Longs

STANDARD = tuple(
    FrameRate(numerator, denominator)
    for numerator, denominator in (
        (24, 1), (25, 1), (30, 1), (24000, 1001), (30000, 1001), (48, 1), (50, 1), (60, 1), (48000, 1001),
        (60000, 1001), (96, 1), (100, 1), (120, 1), (96000, 1001), (120000, 1001), (12, 1), (15, 1), (12000, 1001),
        (15000, 1001), (240, 1), (240000, 1001),
    )
)  # fmt: skip
_FASTEST = 100_000


def tidy_rate(exact: Fraction) -> FrameRate | None:
    """A rate as it was meant: 2997/100 is 30000/1001, 10000000/417083 is 24000/1001; None where it can't be a rate."""
    if not 0 < exact <= _FASTEST:
        return None
    if exact.denominator == 1 or exact in STANDARD:
        return FrameRate(exact.numerator, exact.denominator)
    if 10**9 % exact.denominator == 0:
        return FrameRate.of(str(exact.numerator / exact.denominator))
    for rate in STANDARD:
        if abs(exact / rate - 1) < Fraction(1, 500_000):
            return rate
    return FrameRate(exact.numerator, exact.denominator)


def frame_rate(times: Longs, end: int, timescale: int) -> FrameRate | None:
    """The rate of frames shown at `times` (ascending ticks), the last until `end`; None for no frames or no time.

    Constant steps give their exact rate; steps that differ by rounding the trade's rate that explains them all; truly
    variable ones the trade's rate within 0.5 % of the average (of several that of the commonest step), else that of the
    commonest step, else the average.
    """
    count = len(times)
    if count == 0 or end <= times[0]:
        return None
    if count == 1:
        return tidy_rate(Fraction(timescale, end - int(times[0])))
    steps = np.diff(times)
    constant = bool((steps == steps[0]).all())
    exact = tidy_rate(Fraction(timescale, int(steps[0]))) if constant and steps[0] > 0 else None
    if constant and (exact is None or exact.denominator == 1 or exact in STANDARD):
        return exact
    meant = _explaining(times, timescale)
    if constant:
        return exact if meant is None else meant
    if meant is not None:
        return meant
    average = Fraction(count * timescale, end - int(times[0]))
    values, counts = np.unique(steps, return_counts=True)
    commonest = int(values[counts.argmax()])
    usual = commonest > 0 and 2 * int(counts.max()) >= len(steps)
    meant = tidy_rate(Fraction(timescale, commonest)) if usual else None
    near = [rate for rate in STANDARD if abs(average / rate - 1) <= Fraction(1, 200)]
    if near:
        return meant if meant in near else min(near, key=lambda rate: abs(average / rate - 1))
    if usual:
        return meant
    return tidy_rate(average.limit_denominator(100_000))


def _explaining(times: Longs, timescale: int) -> FrameRate | None:
    """The standard rate whose frame times, rounded to ticks, are these; None where none is or ticks are too coarse."""
    numbers = np.arange(len(times))
    best: tuple[float, FrameRate] | None = None
    for rate in STANDARD:
        step = timescale / float(rate)
        if step >= 4:
            error = float(np.abs(times - times[0] - numbers * step).max())
            if error <= 1.0 + 1e-6 * step and (best is None or error < best[0]):
                best = (error, rate)
    return None if best is None else best[1]
