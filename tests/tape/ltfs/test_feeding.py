"""Feeding files to a volume: each read once, digested, written in order, reported when it is there for good."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence

import pytest
import xxhash

from film_archive.core.errors import Refused, SourceChanged, StorageError, UsageError
from film_archive.core.source import ByteSource, MemorySource
from film_archive.tape.drives.simulated import Fault, Faults
from film_archive.tape.ltfs.feeding import WrittenFile, feed
from film_archive.tape.ltfs.ring import Block, Digesting, FileToWrite, Ring
from film_archive.tape.ltfs.tree import TapeAttribute, Times
from film_archive.tape.ltfs.volume import Volume
from film_archive.testing import crash
from tests.tape.making import BLOCK, NOW, Bench, MemoryBench, clock, content, contents, format_volume, open_volume


def to_write(path: str, data: bytes | Callable[[], ByteSource]) -> FileToWrite:
    def opening() -> ByteSource:
        return data() if callable(data) else MemorySource(data, path)

    return FileToWrite(path, opening, Times.all_of(NOW), attributes=(TapeAttribute("acme.note", b"kept"),))


SIZES = (0, 1, BLOCK, 3 * BLOCK + 5, (4 << 20) + 17, 100)
FILES = {f"reel/{number}": content(number, size) for number, size in enumerate(SIZES)}


@pytest.fixture
def big() -> MemoryBench:
    bench = MemoryBench()
    bench.cartridge.blocks = (64, 4096)
    return bench


def test_files_are_written_in_order_with_their_digests(big: MemoryBench) -> None:
    heard: list[int] = []
    with format_volume(big) as volume:
        fed = feed(volume, [to_write(path, data) for path, data in FILES.items()], on_bytes=heard.append)
    assert [one.path for one in fed.written] == list(FILES)
    assert (fed.failed, fed.next, fed.full, fed.size) == ((), len(FILES), False, sum(SIZES))
    assert sum(heard) == sum(SIZES)
    with open_volume(big) as volume:
        assert contents(volume) == FILES
        starts = [file.extents[0].start_block for _, file in volume.tree.all_files() if file.extents]
        assert starts == sorted(starts)
        for (path, file), one in zip(volume.tree.all_files(), fed.written, strict=True):
            data = FILES[path]
            expected = {"sha256": hashlib.sha256(data).hexdigest(), "xxh128": xxhash.xxh3_128_hexdigest(data)}
            assert file.digests == one.digests == expected
            assert file.attribute("acme.note") == b"kept"


def test_nothing_is_reported_before_its_index_is_written(big: MemoryBench) -> None:
    order: list[str] = []

    def committed(files: Sequence[WrittenFile]) -> None:
        order.extend(one.path for one in files)
        generation = len(big.records(0))  # whatever it is, the files are in it
        index = b"".join(record for record in big.records(0)[5:generation] if isinstance(record, bytes))
        for one in files:
            assert f"<name>{one.path.rpartition('/')[2]}</name>".encode() in index

    with format_volume(big) as volume:
        files = [to_write(path, data) for path, data in FILES.items()]
        fed = feed(volume, files, commit_every=2 * BLOCK, on_committed=committed)
    assert order == list(FILES)
    assert fed.commits > 2


def test_what_cannot_be_read_is_left_out(big: MemoryBench) -> None:
    class Breaking(MemorySource):
        def read_into(self, offset: int, buffer: memoryview) -> int:
            if offset >= 8 << 20:
                raise StorageError("The disk is gone.")
            return super().read_into(offset, buffer)

    class Changing(MemorySource):
        def check_unchanged(self) -> None:
            raise SourceChanged("It changed.")

    def missing() -> ByteSource:
        raise Refused("May not be read.")

    files = [
        to_write("first", b"1"),
        to_write("breaking", lambda: Breaking(bytes(9 << 20))),
        to_write("changing", lambda: Changing(b"x" * 9)),
        to_write("missing", missing),
        to_write("first", b"taken"),
        to_write("a\udcff", b"no name"),
        to_write("last", b"2"),
    ]
    with format_volume(big) as volume:
        fed = feed(volume, files)
    assert [one.path for one in fed.written] == ["first", "last"]
    assert [(one.place, type(one.error).__name__) for one in fed.failed] == [
        *((1, "StorageError"), (2, "SourceChanged"), (3, "Refused"), (4, "Refused"), (5, "NotSupported")),
    ]
    with open_volume(big) as volume:
        assert contents(volume) == {"first": b"1", "last": b"2"}


def test_a_full_cartridge_is_gone_on_from_with_the_next(bench: Bench) -> None:
    data = {f"{number:03}": content(number, 40 * BLOCK) for number in range(30)}
    files = [to_write(path, one) for path, one in data.items()]
    with format_volume(bench) as volume:
        fed = feed(volume, files)
    assert fed.full
    assert 0 < fed.next < len(files)
    assert len(fed.written) == fed.next
    second = MemoryBench()
    with format_volume(second) as volume:
        rest = feed(volume, files, first=fed.next)
    third = MemoryBench()
    with format_volume(third) as volume:
        last = feed(volume, files, first=rest.next)
    assert not last.full
    found: dict[str, bytes] = {}
    for one in (bench, second, third):
        with open_volume(one) as volume:
            found |= contents(volume)
    assert found == data


def test_a_drive_that_fails_ends_the_run_and_its_thread(big: MemoryBench) -> None:
    format_volume(big).close()
    before = threading.active_count()
    drive = big.drive(faults=Faults({60: Fault.PULLED}))
    reported: list[str] = []
    with pytest.raises(StorageError):
        feed(
            Volume.open(drive, writable=True, clock=clock().__next__),
            [to_write(path, data) for path, data in FILES.items()] * 1,
            commit_every=1,
            on_committed=lambda files: reported.extend(one.path for one in files),
        )
    assert threading.active_count() == before
    with open_volume(big) as volume:
        assert {*reported} <= {*contents(volume)}


def test_a_ring_that_is_small_and_a_source_that_is_slow(big: MemoryBench) -> None:
    gate = threading.Event()

    class Slow(MemorySource):
        def read_into(self, offset: int, buffer: memoryview) -> int:
            if offset:
                gate.wait(10)
            return super().read_into(offset, buffer)

    data = content(1, 9 << 20)
    with format_volume(big) as volume:
        fed = feed(
            volume,
            [to_write("slow", lambda: Slow(data)), to_write("quick", b"quick")],
            ring=1,
            on_bytes=lambda count: gate.set(),
        )
        assert fed.starved >= 1
    with open_volume(big) as volume:
        assert contents(volume) == {"slow": data, "quick": b"quick"}


def test_nothing_to_write(big: MemoryBench) -> None:
    with format_volume(big) as volume:
        fed = feed(volume, [])
        assert (fed.written, fed.next, fed.commits) == ((), 0, 0)
        with pytest.raises(UsageError, match="c4"):
            feed(volume, [], algorithms=("c4",))


def test_many_empty_files(big: MemoryBench) -> None:
    big.cartridge.blocks = (1024, 4096)
    with format_volume(big) as volume:
        fed = feed(volume, [to_write(f"{number}", b"") for number in range(3000)], ring=1)
    assert len(fed.written) == 3000


def test_more_files_than_the_index_partition_has_room_to_name(big: MemoryBench) -> None:
    with format_volume(big) as volume:
        fed = feed(volume, [to_write(f"{number}", b"") for number in range(3000)])
    assert fed.full
    assert 100 < fed.next < 3000
    with open_volume(big) as volume:
        assert len(contents(volume)) == fed.next


@pytest.mark.skipif(not hasattr(os, "fork"), reason="interrupting needs fork")
def test_the_ring_interrupted_at_any_instant() -> None:
    files = [to_write(f"{number}", content(number, 3000)) for number in range(100)]

    def work() -> None:
        ring = Ring(files, 0, ("xxh128",), 8 << 20)
        try:
            while (event := ring.get()) is not None:
                if isinstance(event, Block):
                    ring.give_back(event)
                elif isinstance(event, Digesting):
                    assert event.digests()
        finally:
            ring.stop()

    assert crash.interrupt_often(work, 200) > 20
