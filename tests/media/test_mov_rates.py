"""Frame rates from rounded times."""

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.timecode import FrameRate
from film_archive.media.mov.rates import STANDARD, frame_rate, tidy_rate


@pytest.mark.parametrize(
    ("exact", "meant"),
    [
        (Fraction(24), FrameRate(24, 1)),
        (Fraction(2997, 100), FrameRate(30000, 1001)),
        (Fraction(23976, 1000), FrameRate(24000, 1001)),
        (Fraction(2398, 100), FrameRate(24000, 1001)),
        (Fraction(5994, 100), FrameRate(60000, 1001)),
        (Fraction(10_000_000, 417_083), FrameRate(24000, 1001)),
        (Fraction(10_000_000, 333_667), FrameRate(30000, 1001)),
        (Fraction(25, 2), FrameRate(25, 2)),
        (Fraction(1000, 41), FrameRate(1000, 41)),
        (Fraction(1, 100), FrameRate(1, 100)),
        (Fraction(0), None),
        (Fraction(-24), None),
        (Fraction(1 << 31), None),
    ],
)
def test_a_rate_as_it_was_meant(exact, meant):
    assert tidy_rate(exact) == meant


@given(st.sampled_from(STANDARD), st.integers(30, 400), st.sampled_from([600, 1000, 1200, 90000, 10_000_000, 48000]))
def test_rounded_times_give_the_rate_that_was_rounded(rate, count, timescale):
    if timescale / rate < 4:
        return
    for rounded in (round, int):
        times = np.array([rounded(n * timescale / rate) for n in range(count + 1)], np.int64)
        found = frame_rate(times[:-1], int(times[-1]), timescale)
        assert found is not None
        # A short clip on a coarse clock fits its neighbour too (24 and 23.976 differ by a frame in 1000).
        close = abs(found / rate - 1) < Fraction(1, 900)
        assert found == rate or (close and timescale * count / float(rate) < 4 * 1001)


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(2, 50))
def test_constant_steps_give_their_exact_rate_or_one_a_hair_away(timescale, step, count):
    times = np.arange(count) * step
    found = frame_rate(times, count * step, timescale)
    exact = Fraction(timescale, step)
    assert found is not None
    assert abs(found * step / timescale - 1) * count * step <= 2 or abs(found - exact) <= Fraction(1, 100)
    if exact.denominator == 1 or exact in STANDARD:
        assert found == exact


@pytest.mark.parametrize(
    ("times", "end", "timescale", "rate"),
    [
        ([0, 20, 39, 60, 81, 100], 120, 600, FrameRate(30, 1)),  # a phone
        ([0, 1, 2, 5, 6, 9, 10, 11], 12, 24, FrameRate(24, 1)),  # dropped frames
        ([0, 7, 20, 21], 29, 10, FrameRate(40, 29)),  # nothing to go by but the average
        ([0], 1, 24, FrameRate(24, 1)),
        ([], 0, 24, None),
        ([5], 5, 24, None),
        ([0, 0, 0], 0, 24, None),
    ],
)
def test_variable_rates(times, end, timescale, rate):
    assert frame_rate(np.array(times, np.int64), end, timescale) == rate
