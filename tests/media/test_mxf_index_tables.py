"""Joining index table segments to one table, and the local sets of metadata."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged
from film_archive.core.source import MemorySource
from film_archive.media.mxf.container import Chunk, Container
from film_archive.media.mxf.index_tables import IndexTable, Segment, join, parse_segment
from film_archive.media.mxf.klv import KlvReader
from film_archive.media.mxf.metadata import read_metadata
from tests.media.mxf_building import UL, Entry, index_segment, klv, umid


def segment(start: int, offsets: Sequence[int], duration: int | None = None) -> Segment:
    rows = [Entry(offset) for offset in offsets]
    return parse_segment(
        index_segment(start=start, duration=len(offsets) if duration is None else duration, entries=rows)[20:]
    )


def equal(start: int, duration: int, unit_bytes: int) -> Segment:
    return parse_segment(index_segment(start=start, duration=duration, unit_bytes=unit_bytes)[20:])


def offsets(table: IndexTable | None) -> list[int] | None:
    return None if table is None else table.offsets.tolist()


def test_segments_come_in_any_order() -> None:
    assert offsets(join([segment(2, [70, 90]), segment(0, [0, 30])], 1000)) == [0, 30, 70, 90]


def test_of_two_with_the_same_start_the_longer_counts_then_the_later() -> None:
    assert offsets(join([segment(0, [0, 30, 60]), segment(0, [0, 31])], 1000)) == [0, 30, 60]
    assert offsets(join([segment(0, [0, 30]), segment(0, [0, 31])], 1000)) == [0, 31]


def test_what_a_later_segment_repeats_counts_once() -> None:
    assert offsets(join([segment(0, [0, 30, 60]), segment(1, [30, 60, 90])], 1000)) == [0, 30, 60, 90]


def test_a_gap_ends_the_table() -> None:
    table = join([segment(0, [0, 30]), segment(3, [90, 120])], 1000)
    assert offsets(table) == [0, 30]
    assert table is not None
    assert any("2 to 2 are not in it" in note for note in table.diagnostics)
    assert join([segment(1, [30, 60])], 1000) is None
    assert join([], 1000) is None


def test_offsets_that_do_not_rise_end_the_table() -> None:
    table = join([segment(0, [0, 30, 60, 60, 90])], 1000)
    assert offsets(table) == [0, 30, 60]
    assert table is not None
    assert any("from edit unit 3 on" in note for note in table.diagnostics)


def test_equal_units_are_bounded_by_the_stream() -> None:
    assert offsets(join([equal(0, 0, 100)], 350)) == [0, 100, 200, 300]
    assert offsets(join([equal(0, 2, 100)], 350)) == [0, 100]
    assert offsets(join([equal(0, 2**60, 100)], 350)) == [0, 100, 200, 300]
    assert offsets(join([equal(0, 1, 50), equal(1, 0, 100)], 350)) == [0, 50, 150, 250]
    assert join([equal(0, 0, 1)], 1 << 40) is None


def test_equal_and_different_units_do_not_mix() -> None:
    assert join([equal(0, 2, 100), segment(2, [200, 300])], 1000) is None


def test_fewer_entries_than_stated() -> None:
    assert offsets(join([segment(0, [0, 30], duration=9)], 1000)) == [0, 30]


def test_segments_that_say_nothing() -> None:
    with pytest.raises(Damaged):
        parse_segment(index_segment(duration=5)[20:])
    with pytest.raises(Damaged, match="both"):
        parse_segment(index_segment(duration=1, unit_bytes=5, entries=[Entry(0)])[20:])
    assert join([parse_segment(index_segment()[20:])], 100) is None


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.lists(st.integers(-5, 700), max_size=40))
@settings(max_examples=200, deadline=None)
def test_stream_offsets_lie_where_counting_bytes_puts_them(lengths: list[int], wanted: list[int]) -> None:
    chunks, slow = [], {}
    stream, place = 0, 1000
    for length in lengths:
        chunks.append(Chunk(stream, place, place + length))
        for step in range(length):
            slow[stream + step] = (place + step, place + length)
        stream, place = stream + length, place + length + 77
    container = Container(1, chunks)
    located = container.locate(np.array(wanted, np.int64))
    for offset, position, limit in zip(wanted, located.positions.tolist(), located.limits.tolist(), strict=True):
        if offset in slow:
            assert (position, limit) == slow[offset]
        else:
            assert position == -1
    assert container.gapless
    assert (container.length, container.end) == (stream, stream)


def test_sets_with_ber_lengths() -> None:
    """Byte 5 of a set's key says how its items' lengths are coded; 13 is BER."""
    uid = (7).to_bytes(16, "big")
    items = [
        (0x3C0A, uid, b"\x10"),
        (0x4401, umid(1), b"\x81\x20"),
        (0x4402, "Clip".encode("utf-16-be"), b"\x83\0\0\x08"),
    ]
    value = b"".join(struct.pack(">H", tag) + length + data for tag, data, length in items)
    data = klv(bytes.fromhex(UL + "021301010d01010101013600"), value)
    metadata = read_metadata(KlvReader(MemorySource(data)), 0, len(data))
    assert metadata.material is not None
    assert (metadata.material.umid, metadata.material.name) == (umid(1), "Clip")
