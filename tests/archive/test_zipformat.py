"""The zip's bytes: what is written is read again, and a payload's place follows from local and central header alike."""

from __future__ import annotations

import stat
import struct

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from film_archive.archive import zipformat, zipreading
from film_archive.archive.zipformat import Entry
from film_archive.core.errors import Damaged

SIZES = st.one_of(
    st.integers(0, 100_000),
    st.integers((1 << 32) - 3, (1 << 32) + 3),
    st.integers(1 << 33, 1 << 50),
)
POSITIONS = st.one_of(
    st.integers(0, 1 << 20),
    st.integers((1 << 32) - (1 << 18), (1 << 32) + (1 << 18)),
    st.integers(1 << 33, 1 << 50),
)
NAMES = st.one_of(st.text("abc/ü", min_size=1, max_size=40).map(str.encode), st.binary(min_size=1, max_size=65_000))
TIMES = st.one_of(st.integers(-(1 << 31) - 5, (1 << 31) + 5), st.integers(-(10**12), 10**12))


def entry_at(position: int, name: bytes, size: int, mtime: int, aligned: bool) -> tuple[Entry, int]:
    header_at, payload = zipformat.place(position, name, size, size, mtime, aligned=aligned)
    entry = Entry(name, zipformat.STORED, 0x12345678, size, size, header_at, mtime, stat.S_IFREG | 0o640)
    assert position <= header_at
    assert header_at - position < zipformat.ALIGNMENT
    return entry, payload


@given(POSITIONS, NAMES, SIZES, TIMES, st.booleans())
def test_headers_are_read_as_they_were_written(
    position: int, name: bytes, size: int, mtime: int, aligned: bool
) -> None:
    entry, payload = entry_at(position, name, size, mtime, aligned)
    assert not aligned or payload % 4096 == 0
    local = zipformat.local_header(entry, payload)
    central = zipformat.central_header(entry, payload)
    assert len(local) == zipformat.header_length(entry, payload) == payload - entry.header_offset
    (read,) = zipreading.iterate_directory([central], 1)
    header = zipreading.parse_local_header(local)
    assert header is not None
    assert (read.name, read.size, read.packed_size, read.header_offset) == (name, size, size, entry.header_offset)
    assert (read.crc32, read.mode, read.method) == (entry.crc32, entry.mode, entry.method)
    assert (header.name, header.size, header.packed_size, header.crc32) == (name, size, size, entry.crc32)
    assert header.mtime == read.mtime
    if -(1 << 31) <= mtime < 1 << 31:
        assert read.mtime == mtime
    # What players compute from the directory alone, and what the local header says:
    assert read.header_offset + 30 + len(name) + read.extra_length == payload
    assert entry.header_offset + header.length == payload
    assert zipformat.LOCAL.unpack_from(local)[-1] == read.extra_length


@given(POSITIONS, SIZES)
def test_zip64_only_where_a_number_needs_it(position: int, size: int) -> None:
    entry, payload = entry_at(position, b"a.mov", size, 0, True)
    local, central = zipformat.local_header(entry, payload), zipformat.central_header(entry, payload)
    needed = struct.unpack_from("<H", central, 6)[0]
    assert (needed == 45) == (size >= 0xFFFFFFFF or payload > zipformat._NEAR)
    assert (struct.unpack_from("<H", local, 4)[0] == 45) == (size >= 0xFFFFFFFF)
    assert entry.header_offset < 0xFFFFFFFF or needed == 45


@given(st.integers(0, 1 << 21), st.integers(0, 1 << 40), st.integers(0, 1 << 33), st.binary(max_size=100))
def test_end_records_are_read_as_they_were_written(count: int, offset: int, size: int, comment: bytes) -> None:
    data = zipformat.end_records(count, offset, size, comment)
    big = count >= 0xFFFF or offset >= 0xFFFFFFFF or size >= 0xFFFFFFFF
    end_at = len(data) - zipformat.END_SIZE - len(comment)
    parsed = zipreading.parse_end(data, end_at)
    assert parsed is not None
    assert parsed[3] == comment
    if not big:
        assert parsed[:3] == (count, size, offset)
        assert end_at == 0
    else:
        locator = data[end_at - zipformat.LOCATOR_SIZE : end_at]
        assert zipreading.parse_locator(locator) == offset + size
        assert zipreading.parse_end64(data) == (count, size, offset)


@given(st.binary(max_size=300), st.integers(0, 5), st.integers(0, 300))
def test_bytes_that_are_no_directory(data: bytes, count: int, at: int) -> None:
    try:
        entries = list(zipreading.iterate_directory([data[:at], data[at:]], count))
    except Damaged:
        return
    assert len(entries) == count
    assert count * 46 <= len(data)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_local_header(data: bytes) -> None:
    for candidate in (data, zipformat.LOCAL_SIGNATURE + data):
        header = zipreading.parse_local_header(candidate)
        assert header is None or header.length <= len(candidate)


@pytest.mark.parametrize(
    ("dos_time", "date"), [(0, 0), (0xFFFF, 0xFFFF), (0, 0x0021), (0xBF7D, 0xFF9F), (0, 0b0000000_0010_11110)]
)
def test_dates_that_do_not_exist(dos_time: int, date: int) -> None:
    assert zipreading._from_dos_time(dos_time, date) >= 315_532_800 - 86_400 * 31


def test_dos_times_are_utc_within_1980_and_2107() -> None:
    assert zipformat._dos_time(-(10**10)) == zipformat._dos_time(315_532_800) == (0, 33)
    assert zipformat._dos_time(10**12) == zipformat._dos_time(4_354_819_198)
    assert zipreading._from_dos_time(*zipformat._dos_time(1_600_000_000)) == 1_600_000_000


def test_a_unicode_path_field_gives_the_name() -> None:
    import zlib

    name, better = b"?.mov", "ü.mov".encode()
    extra = struct.pack("<2HBL", 0x7075, 5 + len(better), 1, zlib.crc32(name)) + better
    entry = Entry(name, 0, 0, 0, 0, 0, 315_532_800, 0o100644)
    central = bytearray(zipformat.central_header(entry, 44))
    central[30:32] = struct.pack("<H", len(extra))
    central[46 + len(name) :] = extra
    (read,) = zipreading.iterate_directory([bytes(central)], 1)
    assert (read.name, read.stored_name, read.path) == (better, name, "ü.mov")
