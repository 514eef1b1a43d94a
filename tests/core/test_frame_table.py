"""The table of a sequence's files, and the columns it is made of."""

from __future__ import annotations

import base64
import random
import zlib

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.columns import ColumnReader, pack
from film_archive.core.errors import Damaged
from film_archive.core.frame_table import FrameFile, FrameTable, SequenceName

longs = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.lists(longs, max_size=20), max_size=4), st.binary(max_size=10))
def test_columns_round_trip(columns: list[list[int]], rest: bytes) -> None:
    body = b"".join(pack(np.array(column, np.int64)) for column in columns) + rest
    reader = ColumnReader(body)
    assert [reader.take(len(column)).tolist() for column in columns] == columns
    assert reader.take_bytes(len(rest)) == rest
    with pytest.raises(ValueError, match="cut short"):
        reader.take_bytes(1)
    with pytest.raises(ValueError, match="buffer"):
        reader.take(1)


@st.composite
def frames(draw: st.DrawFn) -> list[FrameFile]:
    in_zip = draw(st.booleans())
    return [
        FrameFile(
            number=number,
            size=draw(st.integers(0, 2**40)),
            offset=draw(st.integers(0, 2**50)) if in_zip else None,
            crc32=draw(st.integers(0, 2**32 - 1)),
            xxh128=draw(st.binary(min_size=16, max_size=16)).hex(),
            mtime_ns=draw(st.integers(0, 2**62)),
            mode=draw(st.integers(0, 0o7777)),
        )
        for number in sorted(draw(st.sets(st.integers(0, 10**9), max_size=12)))
    ]


@given(frames())
def test_a_table_round_trips(files: list[FrameFile]) -> None:
    table = FrameTable.from_text(FrameTable.of(files).to_text(), len(files))
    assert list(table) == files
    assert len(table) == len(files)
    for file in files:
        assert table.find(file.number) == file
        if not any(other.number == file.number + 1 for other in files):
            assert table.find(file.number + 1) is None
    assert table.find(-1) is None


def test_a_table_is_small() -> None:
    source = random.Random(1)
    files = [
        FrameFile(
            1001 + n, 50_000_000, 4096 + n * 50_003_968, source.getrandbits(32), source.randbytes(16).hex(), n, 0o644
        )
        for n in range(2000)
    ]
    assert len(FrameTable.of(files).to_text()) < 2000 * 40


SMALL = FrameTable.of([FrameFile(n, 10, 100 * n, n, "00" * 16, n, 0o644) for n in range(5)]).to_text()


@pytest.mark.parametrize("count", [-1, 0, 4, 6, 10**7, 2**31, 2**70])
def test_a_count_that_the_table_does_not_have(count: int) -> None:
    with pytest.raises(Damaged):
        FrameTable.from_text(SMALL, count)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: base64.b85encode(zlib.compress(data)).decode()))
def test_any_text_is_read_or_damage(text: str) -> None:
    for count in (0, 1, 3):
        try:
            table = FrameTable.from_text(text, count)
        except Damaged:
            continue
        assert len(list(table)) == count


def test_changed_signs_are_read_or_damage() -> None:
    source = random.Random(2)
    for _ in range(300):
        text = list(SMALL)
        text[source.randrange(len(text))] = chr(source.randrange(33, 127))
        try:
            table = FrameTable.from_text("".join(text), 5)
        except Damaged:
            continue
        list(table)
        table.find(3)


def test_names_of_sequences() -> None:
    name = SequenceName("plates/sh010.", 4, ".dpx")
    assert name.pattern == "plates/sh010.%04d.dpx"
    assert [name.path(7), name.path(12345)] == ["plates/sh010.0007.dpx", "plates/sh010.12345.dpx"]
    for path, number in (
        ("plates/sh010.0007.dpx", 7),
        ("plates/sh010.12345.dpx", 12345),
        ("plates/sh010.7.dpx", None),
        ("plates/sh010.00007.dpx", None),
        ("plates/sh010.٠٠٠٧.dpx", None),
        ("plates/sh010." + "9" * 5000 + ".dpx", None),
        ("plates/sh010..dpx", None),
        ("plates/sh011.0007.dpx", None),
        ("plates/sh010.dpx", None),
    ):
        assert name.number(path) == number
    assert SequenceName.from_json(name.to_json()) == name


@pytest.mark.parametrize(("negative", "minus_five"), [(None, "a.-0005.dpx"), (3, "a.-005.dpx"), (1, "a.-5.dpx")])
def test_numbers_below_0_have_their_minus_behind_the_prefix(negative: int | None, minus_five: str) -> None:
    name = SequenceName("a.", 4, ".dpx", negative)
    assert name.path(-5) == minus_five
    assert SequenceName.from_json(name.to_json()) == name
    for number in (-12345, -5, -1, 0, 5):
        assert name.number(name.path(number)) == number
    for path in ("a.-0000.dpx", "a.--005.dpx", "a.-.dpx", "a.-00005.dpx"):
        assert name.number(path) is None
