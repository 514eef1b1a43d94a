"""HEVC as far as a probe needs it: codec and fields from the configuration record, colour from the parameter set.

Source: ISO/IEC 14496-15, 8.3.3 (`hvcC`, which repeats most of the SPS); ITU-T H.265, 7.3.2.2 (SPS), 7.3.3 (profile),
7.3.4 (scaling lists), 7.3.7 (reference picture sets), E.2.1 (colour).
"""

from __future__ import annotations

from film_archive.core.facts import ColorFacts
from film_archive.media.bitstream.bits import Bits, UnreadableError
from film_archive.media.bitstream.stream_facts import StreamFacts
from film_archive.media.bitstream.video_usability import usability_color
from film_archive.media.codecs import h265_codec

_NAL_PARAMETERS = 33
_PROFILE_BITS = 88
_MOST_ARRAYS = 16
_MOST_SETS = 64
_MOST_PICTURES = 16


def h265_facts(record: bytes) -> StreamFacts:
    """From an `hvcC`'s body. Raises UnreadableError."""
    if len(record) < 19:
        raise UnreadableError
    profile, constraints = record[1] & 31, int.from_bytes(record[6:12], "big")
    chroma, depth = record[16] & 3, 8 + (record[17] & 7)
    progressive = bool(constraints >> 47 & 1) and not constraints >> 46 & 1
    codec = h265_codec(profile, depth, chroma, intra=bool(constraints >> 37 & 1))
    return StreamFacts(codec, _color_of(record), "progressive" if progressive else None)


def _color_of(record: bytes) -> ColorFacts:
    """No tags where the parameter set can't be read: the record's own fields have told the rest by then."""
    try:
        unit = _parameter_set(record)
        return ColorFacts() if unit is None else _color(Bits(unit[2:]))
    except UnreadableError:
        return ColorFacts()


def _parameter_set(record: bytes) -> bytes | None:
    """The first sequence parameter set that a record carries; `hev1` may have none."""
    position = 23
    for _ in range(min(record[22], _MOST_ARRAYS) if len(record) > 22 else 0):
        head = record[position : position + 3]
        position += 3
        for _ in range(int.from_bytes(head[1:3], "big")):
            length = int.from_bytes(record[position : position + 2], "big")
            unit = record[position + 2 : position + 2 + length]
            if len(head) < 3 or len(unit) < length or length < 3:
                raise UnreadableError
            if head[0] & 63 == _NAL_PARAMETERS:
                return unit
            position += 2 + length
    return None


def _color(bits: Bits) -> ColorFacts:
    """The colour tags of a sequence parameter set, which stand behind nearly all else."""
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    _skip_profiles(bits, layers)
    bits.number()
    if bits.number() == 3:
        bits.take(1)
    bits.number()
    bits.number()
    if bits.flag():
        for _ in range(4):
            bits.number()
    bits.number()
    bits.number()
    order_bits = 4 + bits.count(12)
    for _ in range(layers + 1 if bits.flag() else 1):
        for _ in range(3):
            bits.number()
    for _ in range(6):
        bits.number()
    if bits.flag() and bits.flag():
        _skip_scaling_lists(bits)
    bits.take(2)
    if bits.flag():
        bits.take(8)
        bits.number()
        bits.number()
        bits.take(1)
    _skip_reference_sets(bits)
    if bits.flag():
        for _ in range(bits.count(32)):
            bits.take(order_bits + 1)
    bits.take(2)
    return usability_color(bits) if bits.flag() else ColorFacts()


def _skip_profiles(bits: Bits, layers: int) -> None:
    bits.take(_PROFILE_BITS + 8)
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.take(_PROFILE_BITS * has_profile + 8 * has_level)


def _skip_scaling_lists(bits: Bits) -> None:
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.flag():
                bits.number()
                continue
            for _ in range(min(64, 16 << (2 * size)) + (size > 1)):
                bits.signed()


def _skip_reference_sets(bits: Bits) -> None:
    pictures = 0  # in the set before
    for number in range(bits.count(_MOST_SETS)):
        if number and bits.flag():
            bits.take(1)
            bits.number()
            kept = 0
            for _ in range(pictures + 1):
                kept += bits.flag() or bits.flag()  # used, or else still delta-coded
            pictures = kept
            continue
        negative, positive = bits.count(_MOST_PICTURES), bits.count(_MOST_PICTURES)
        pictures = negative + positive
        for _ in range(pictures):
            bits.number()
            bits.take(1)
