"""Sound in which every run of 31 samples tells where it stands, so that a cut can be checked to the sample.

It can be heard as a tone (each channel its own) with a tick at every frame, the loudest at each second. In the four
lowest bits of its 16 lie code words of 16 samples (64 bits: 2 of version, 28 of the word's number, 10 of channel, a
CRC-24), at about −72 dB. Any lossless storage with 16 bits or more keeps them; lossy coding does not.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import UsageError

WORD = 16
_VERSION = 2
_WORD_BITS, _CHANNEL_BITS, _CHECK_BITS = 28, 10, 24

Longs = NDArray[np.int64]
_SHIFTS = np.arange(60, -4, -4, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class SamplePosition:
    """Where the first of some samples stands: samples from the start of the track, and the channel, both from 0."""

    position: int
    channel: int


def position_coded(
    first: int, count: int, channels: int, sample_rate: int, rate: Fraction | None = None, *, channel: int = 0
) -> NDArray[np.int16]:
    """`count` samples from position `first`, (count, channels); the first column is channel `channel` of the clip.

    `rate` is the frame rate of the ticks, none without one.
    """
    if first < 0 or first + count > WORD << _WORD_BITS or channel + channels > 1 << _CHANNEL_BITS:
        raise UsageError(f"Samples {first} to {first + count} of {channels} channels do not fit the position code.")
    places = np.arange(first, first + count, dtype=np.int64)
    columns = [_tone(places, sample_rate, channel + column) for column in range(channels)]
    audible = np.stack(columns, axis=1) if columns else np.zeros((count, 0), np.int64)
    audible += _ticks(places, sample_rate, rate)[:, None]
    code = np.stack([_nibbles(first, count, channel + column) for column in range(channels)], axis=1)
    return (np.clip(audible, -32000, 32000) // 16 * 16 + code).astype(np.int16)


def read_sample_position(samples: NDArray[Any]) -> SamplePosition | None:
    """Where the first of these samples of one channel stood, or None where no code word is found in them.

    Takes integers of 16 bits or more (24 bits in 32, left-justified, as decoders give them) or floats of ±1; needs 31
    samples and looks for a word in the first 4096.
    """
    if samples.ndim != 1:
        raise UsageError("The position is read from one channel; give a column of the samples.")
    nibbles = _sixteen_bits(samples[:4096]) & 15
    if len(nibbles) < WORD:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(nibbles.astype(np.uint64), WORD)
    for offset in range(len(windows)):
        word = int(np.bitwise_or.reduce(windows[offset] << _SHIFTS))
        body, check = word >> _CHECK_BITS, word & ((1 << _CHECK_BITS) - 1)
        if body >> (_WORD_BITS + _CHANNEL_BITS) == _VERSION and check == _check(body):
            number, channel = body >> _CHANNEL_BITS & ((1 << _WORD_BITS) - 1), body & ((1 << _CHANNEL_BITS) - 1)
            after = nibbles[offset + WORD : offset + 2 * WORD]
            if number * WORD >= offset and np.array_equal(after, _nibbles((number + 1) * WORD, len(after), channel)):
                return SamplePosition(number * WORD - offset, channel)
    return None


def is_position_coded(samples: NDArray[Any], first: int, channel: int) -> bool:
    """Whether these samples of one channel are, all of them, those from position `first`."""
    nibbles = _sixteen_bits(samples) & 15
    return bool(np.array_equal(nibbles, _nibbles(first, len(nibbles), channel)))


def _sixteen_bits(samples: NDArray[Any]) -> Longs:
    if np.issubdtype(samples.dtype, np.integer):
        bits = np.iinfo(samples.dtype).bits
        if bits < 16:
            return np.zeros(0, np.int64)
        return samples.astype(np.int64) >> (bits - 16)
    return np.rint(samples.astype(np.float64) * 32768.0).astype(np.int64)


def _nibbles(first: int, count: int, channel: int) -> Longs:
    """The code's four bits of each sample."""
    words = range(first // WORD, (first + count + WORD - 1) // WORD)
    values = np.array([_word(number, channel) for number in words], np.uint64)
    spread = (values[:, None] >> _SHIFTS[None, :]) & np.uint64(15)
    start = first % WORD
    return spread.reshape(-1).astype(np.int64)[start : start + count]


def _word(number: int, channel: int) -> int:
    body = (_VERSION << _WORD_BITS | number) << _CHANNEL_BITS | channel
    return body << _CHECK_BITS | _check(body)


def _check(body: int) -> int:
    return zlib.crc32(body.to_bytes(5, "big")) >> 8


def _tone(places: Longs, sample_rate: int, channel: int) -> Longs:
    """A triangle wave of about 250 Hz and up, a step higher for each channel; whole numbers, the same everywhere."""
    period = max(8, sample_rate // (250 + 50 * (channel % 16)))
    phase = places % period
    return np.abs(phase * 2 - period) * 3000 // period - 1500


def _ticks(places: Longs, sample_rate: int, rate: Fraction | None) -> Longs:
    """A short click where each frame begins, louder at every whole second of frames."""
    ticks = np.zeros(len(places), np.int64)
    if rate is None or not len(places):
        return ticks
    length = max(1, sample_rate // 4000)
    first = max(0, int(places[0] * rate / sample_rate) - 1)
    last = int(places[-1] * rate / sample_rate) + 1
    for frame in range(first, last + 1):
        start = first_sample(frame, sample_rate, rate) - int(places[0])
        loud = 20000 if frame % max(1, round(rate)) == 0 else 8000
        if start < len(ticks) and start + length > 0:
            ticks[max(0, start) : start + length] = loud
    return ticks


def first_sample(frame: int, sample_rate: int, rate: Fraction) -> int:
    """The sample at which a frame begins: frame · sample rate / frame rate, rounded half up."""
    return int((Fraction(frame) * sample_rate / rate + Fraction(1, 2)) // 1)
