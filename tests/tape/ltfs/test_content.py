"""A file on tape as a source of bytes: any part of it, by several threads at once, and what is not whole says so."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from film_archive.core.errors import Damaged, UsageError
from film_archive.tape.ltfs.tree import TapeExtent, TapeFile, Times
from tests.tape.making import BLOCK, NOW, Bench, MemoryBench, content, format_volume, open_volume, put

DATA = content(1, 7 * BLOCK + 99)


@pytest.fixture
def written(bench: Bench) -> Bench:
    with format_volume(bench) as volume:
        put(volume, "file", DATA)
        place = volume.tree.file("file").extents[0].start_block
        shifted = TapeFile(volume.tree.next_uid(), 5 * BLOCK, Times.all_of(NOW), (TapeExtent(0, "b", place, 50, 5 * BLOCK),))
        volume.tree.add_file("shifted", shifted)
        wrong = (TapeExtent(0, "b", place, 0, 10), TapeExtent(5, "b", place, 0, 10))
        volume.tree.add_file("overlapping", TapeFile(volume.tree.next_uid(), 15, Times.all_of(NOW), wrong))
        beyond = (TapeExtent(0, "b", place, 0, 9 * BLOCK),)
        volume.tree.add_file("too long", TapeFile(volume.tree.next_uid(), 9 * BLOCK, Times.all_of(NOW), beyond))
    return bench


def test_any_part_is_read(written: Bench) -> None:
    dice = random.Random(1)
    with open_volume(written) as volume:
        for path, data in (("file", DATA), ("shifted", DATA[50 : 50 + 5 * BLOCK])):
            source = volume.open_file(path)
            assert source.name == f"FA0001::{path}"
            for _ in range(100):
                offset, length = dice.randrange(len(data) + 5), dice.choice([1, 100, BLOCK, 3 * BLOCK])
                assert source.read_at(offset, length) == data[offset : offset + length]
            with pytest.raises(UsageError):
                source.read_at(-1, 5)


def test_threads_take_turns(written: Bench) -> None:
    with open_volume(written) as volume, ThreadPoolExecutor(8) as pool:
        source = volume.open_file("file")
        places = [random.Random(number).randrange(len(DATA)) for number in range(200)]
        found = list(pool.map(lambda place: source.read_at(place, 5000), places))
    assert found == [DATA[place : place + 5000] for place in places]


def test_what_is_not_whole(written: Bench) -> None:
    with open_volume(written) as volume:
        with pytest.raises(Damaged, match="contradicts itself"):
            volume.open_file("overlapping")
        source = volume.open_file("too long")
        with pytest.raises(Damaged, match="not whole"):
            source.read_at(7 * BLOCK, BLOCK)
        with pytest.raises(Damaged, match="filemark and not a record"):
            source.read_at(8 * BLOCK, 10)
        with pytest.raises(Damaged, match="filemark and not a record"):
            source.read_at(8 * BLOCK, BLOCK)
        assert source.read_at(0, 7 * BLOCK) == DATA[: 7 * BLOCK]


def test_reading_in_order_locates_once(memory_bench: MemoryBench) -> None:
    with format_volume(memory_bench) as volume:
        put(volume, "file", DATA)
    with open_volume(memory_bench) as volume:
        before = len(volume.drive.operations)  # type: ignore[attr-defined]
        source = volume.open_file("file")
        for place in range(0, len(DATA), 1000):
            source.read_at(place, 1000)
        asked = volume.drive.operations[before:]  # type: ignore[attr-defined]
    assert asked == ["locate", *["read"] * 8]
