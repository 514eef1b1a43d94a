from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import UsageError
from film_archive.testing.sound import (
    SamplePosition,
    first_sample,
    is_position_coded,
    position_coded,
    read_sample_position,
)

RATES = [Fraction(24), Fraction(30_000, 1001), Fraction(120_000, 1001)]


@given(first=st.integers(0, 48_000 * 86_400), count=st.integers(31, 300), channels=st.integers(1, 16),
       rate=st.sampled_from(RATES))
@settings(deadline=None)
def test_any_31_samples_say_where_they_stand(first: int, count: int, channels: int, rate: Fraction) -> None:
    samples = position_coded(first, count, channels, 48_000, rate)
    assert samples.shape == (count, channels)
    for channel in (0, channels - 1):
        assert read_sample_position(samples[:31, channel]) == SamplePosition(first, channel)
        assert is_position_coded(samples[:, channel], first, channel)
        assert not is_position_coded(samples[:, channel], first + 1, channel)


@given(first=st.integers(0, 10_000), split=st.integers(1, 199))
def test_parts_are_the_whole(first: int, split: int) -> None:
    whole = position_coded(first, 200, 2, 48_000, RATES[1])
    parts = (
        position_coded(first, split, 2, 48_000, RATES[1]),
        position_coded(first + split, 200 - split, 2, 48_000, RATES[1]),
    )
    assert np.array_equal(np.concatenate(parts), whole)


def test_all_ways_of_holding_samples() -> None:
    samples = position_coded(4711, 100, 1, 48_000)[:, 0]
    for held in (samples, samples.astype(np.int32) << 16, samples.astype(np.int64) << 48,
                 samples.astype(np.float32) / np.float32(32_768), samples / 32_768):
        assert read_sample_position(held) == SamplePosition(4711, 0)


def test_what_has_no_position() -> None:
    noise = np.random.default_rng(5).integers(-30_000, 30_000, 50_000).astype(np.int16)
    assert read_sample_position(noise) is None
    assert read_sample_position(np.zeros(1000, np.int16)) is None
    assert read_sample_position(position_coded(0, 15, 1, 48_000)[:, 0]) is None
    quieter = (position_coded(0, 500, 1, 48_000)[:, 0] * 0.9).astype(np.int16)
    assert read_sample_position(quieter) is None
    with pytest.raises(UsageError):
        read_sample_position(np.zeros((10, 2), np.int16))


def test_a_sample_too_few_or_too_many_is_seen() -> None:
    samples = position_coded(0, 1000, 1, 48_000)[:, 0]
    assert not is_position_coded(np.delete(samples, 500), 0, 0)
    assert not is_position_coded(np.insert(samples, 500, 0), 0, 0)
    assert not is_position_coded(position_coded(0, 1000, 2, 48_000)[:, 1], 0, 0)


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_a_tick_where_each_frame_begins(rate: Fraction) -> None:
    samples = position_coded(0, 48_000, 1, 48_000, rate)[:, 0]
    loud = np.flatnonzero((samples[1:] > 5000) & (samples[:-1] <= 5000)) + 1
    frames = [first_sample(frame, 48_000, rate) for frame in range(1, int(rate))]
    assert set(frames) <= set(loud.tolist())
    assert len(loud) <= len(frames) + 1


def test_it_can_be_heard_without_clipping() -> None:
    samples = position_coded(0, 48_000, 2, 48_000, RATES[0])
    assert 1000 < np.abs(samples.astype(int)).max() < 32_767
    assert not np.array_equal(samples[:, 0] >> 4, samples[:, 1] >> 4), "each channel has a tone of its own"
