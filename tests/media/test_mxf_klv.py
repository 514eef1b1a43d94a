"""Triplets and their lengths, and the two ways of reading heads."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged
from film_archive.core.source import MemorySource
from film_archive.media.mxf.klv import (
    FILLER,
    KlvReader,
    is_essence,
    is_partition_pack,
    is_system_item,
    normal,
    read_heads,
    track_number,
    ul,
)
from tests.media.mxf_building import FILLER_KEY, PICTURE_KEY, SYSTEM_KEY, klv


@pytest.mark.parametrize(
    ("coded", "length", "head"),
    [
        (b"\x00", 0, 17),
        (b"\x7f", 127, 17),
        (b"\x81\x80", 128, 18),
        (b"\x83\x00\x00\x05", 5, 20),
        (b"\x87" + bytes(6) + b"\x09", 9, 24),
        (b"\x88" + bytes(7) + b"\x0a", 10, 25),
    ],
)
def test_lengths_need_not_be_minimal(coded: bytes, length: int, head: int) -> None:
    data = PICTURE_KEY + coded + bytes(200)
    found = KlvReader(MemorySource(data)).at(0)
    assert found is not None
    assert (found.key, found.value, found.length, found.end) == (normal(PICTURE_KEY), head, length, head + length)
    heads = read_heads(MemorySource(data), np.array([0]))
    assert (heads.sizes.tolist(), heads.lengths.tolist()) == ([head], [length])


@pytest.mark.parametrize("coded", [b"\x80", b"\x89" + bytes(9), b"\xff" + bytes(20), b"\x88" + b"\xff" * 8])
def test_illegal_lengths(coded: bytes) -> None:
    data = PICTURE_KEY + coded + bytes(200)
    with pytest.raises(Damaged):
        KlvReader(MemorySource(data)).at(0)
    assert read_heads(MemorySource(data), np.array([0])).lengths.tolist() == [-1]


def test_the_end_of_the_source_is_no_damage() -> None:
    data = klv(PICTURE_KEY, bytes(10))
    for length in range(17):
        assert KlvReader(MemorySource(data[:length])).at(0) is None
    assert KlvReader(MemorySource(data[:18])).at(0) is None
    assert KlvReader(MemorySource(data[:20])).at(0) is not None
    assert KlvReader(MemorySource(data)).at(len(data)) is None


def test_filler_is_known_whatever_its_version() -> None:
    old = FILLER_KEY[:7] + b"\x01" + FILLER_KEY[8:]
    data = klv(FILLER_KEY, bytes(5)) + klv(old, bytes(600)) + klv(PICTURE_KEY, b"abc")
    reader = KlvReader(MemorySource(data))
    found = list(reader.walk(0, len(data)))
    assert [one.key for one in found] == [FILLER, FILLER, normal(PICTURE_KEY)]
    assert reader.value(found[-1], 3) == b"abc"


def test_values_are_bounded() -> None:
    reader = KlvReader(MemorySource(klv(PICTURE_KEY, bytes(100))[:60]))
    found = reader.at(0)
    assert found is not None
    with pytest.raises(Damaged, match="too large"):
        reader.value(found, 99)
    with pytest.raises(Damaged, match="in the middle"):
        reader.value(found, 1000)


class Endless(MemorySource):
    """16 MiB of the same empty triplet, made as it is read."""

    def __init__(self) -> None:
        super().__init__(b"", "endless.mxf")
        self.size = 1 << 24

    def read_into(self, offset: int, buffer: memoryview) -> int:
        pattern = (PICTURE_KEY + b"\0") * (len(buffer) // 17 + 2)
        start = offset % 17
        buffer[:] = pattern[start : start + len(buffer)]
        return len(buffer)


def test_millions_of_empty_triplets_are_not_followed_for_ever() -> None:
    source = Endless()
    reader = KlvReader(source)
    reader._visits_left = 10_000  # as for a small file; the real limit takes seconds to reach
    with pytest.raises(Damaged, match="more structure than content"):
        list(reader.walk(0, source.size))


def test_kinds_of_keys() -> None:
    assert is_essence(normal(PICTURE_KEY))
    assert track_number(normal(PICTURE_KEY)) == 0x15011700
    assert is_system_item(normal(SYSTEM_KEY))
    assert not is_essence(normal(SYSTEM_KEY))
    assert not is_essence(FILLER)
    assert is_partition_pack(ul("060e2b34 02050101 0d010201 01030400"))
    assert not is_partition_pack(ul("060e2b34 02050101 0d010201 01110100"))


@given(st.binary(max_size=400), st.lists(st.integers(0, 420), max_size=30))
@settings(max_examples=200, deadline=None)
def test_many_heads_at_once_equal_one_at_a_time(noise: bytes, places: list[int]) -> None:
    data = noise + klv(PICTURE_KEY, bytes(30)) + noise[::-1] + klv(SYSTEM_KEY, b"", 1) + FILLER_KEY + b"\x82\xff"
    source = MemorySource(data)
    heads = read_heads(source, np.array(places, np.int64))
    for place, key, size, length in zip(places, heads.keys, heads.sizes.tolist(), heads.lengths.tolist(), strict=True):
        try:
            one = KlvReader(source).at(place)
        except Damaged:
            assert length == -1
            continue
        if one is not None:
            assert (bytes(key), place + size, length) == (one.key, one.value, one.length)
        elif length >= 0:  # cut off at the end of the source: never one that would fit into it
            assert place + size + length >= len(data)
