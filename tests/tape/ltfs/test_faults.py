"""Drives that fail, cartridges that are pulled, power that goes, at every single operation; and kills at random instants.

After each of them the cartridge opens again, and what was reported as written is there; for writing too, and sound then.
"""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, StorageError
from film_archive.tape.drives.drive import Position
from film_archive.tape.drives.file_backed import FileBackedDrive
from film_archive.tape.drives.simulated import Fault, Faults
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.ltfs.volume import Volume
from film_archive.testing import crash
from film_archive.testing.faults import Kill, counting, failing
from tests.tape.making import (
    BLOCK,
    Bench,
    FolderBench,
    MemoryBench,
    clock,
    content,
    contents,
    format_volume,
    open_volume,
    put,
)

BEFORE = {"before": content(1, BLOCK + 1)}
BATCHES = (
    {"a/one": content(2, 3 * BLOCK), "a/two": content(3, 10)},
    {"b/three": content(4, 2 * BLOCK + 9), "b/four": b""},
)


def job(drive: Callable[[], FileBackedDrive], report: Callable[[str], object]) -> None:
    """Append two batches of files, committing each; `report` hears of what is on the cartridge for good."""
    with drive() as opened:
        volume = Volume.open(opened, writable=True, clock=clock().__next__)
        for batch in BATCHES:
            for path, data in batch.items():
                if volume.tree.get(path) is None:
                    put(volume, path, data)
            volume.commit()
            for path in batch:
                report(path)


def assert_kept(bench: Bench, reported: list[str]) -> None:
    """What was reported is there; all that is there is whole; and the job can go on."""
    everything = {**BEFORE, **BATCHES[0], **BATCHES[1]}
    with open_volume(bench) as volume:
        found = contents(volume)
    assert {*BEFORE, *reported} <= {*found}
    assert found == {path: everything[path] for path in found}
    job(lambda: bench.drive(), lambda path: None)  # type: ignore[arg-type, return-value]
    with open_volume(bench) as volume:
        assert contents(volume) == everything
    with bench.drive(writable=False) as drive:
        assert check_structure(drive).problems == ()


# A simulated drive


def simulated() -> MemoryBench:
    bench = MemoryBench()
    with format_volume(bench) as volume:
        for path, data in BEFORE.items():
            put(volume, path, data)
    return bench


@lru_cache
def operations() -> int:
    """How many operations the job asks of its drive."""
    bench = simulated()
    drive = bench.drive()
    job(lambda: drive, lambda path: None)  # type: ignore[arg-type, return-value]
    return len(drive.operations)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.PULLED, Fault.POWER])
def test_every_operation_fails_once(fault: Fault) -> None:
    for number in range(operations()):
        for kept in (0, 1, 4) if fault is Fault.POWER else (0,):
            bench = simulated()
            reported: list[str] = []
            drive = bench.drive(faults=Faults({number: fault}, kept))
            with pytest.raises(FilmArchiveError):
                job(lambda: drive, reported.append)  # type: ignore[arg-type, return-value]  # noqa: B023
            assert bench.cartridge.in_use is False
            assert_kept(bench, reported)


def test_power_lost_without_an_end_of_data_leaves_a_cartridge_to_read() -> None:
    refused = 0
    for number in range(operations()):
        bench = simulated()
        reported: list[str] = []
        drive = bench.drive(faults=Faults({number: Fault.POWER_NO_END}, kept=2))
        with pytest.raises(FilmArchiveError):
            job(lambda: drive, reported.append)  # type: ignore[arg-type, return-value]  # noqa: B023
        with open_volume(bench) as volume:
            assert {*BEFORE, *reported} <= {*contents(volume)}
        if bench.cartridge.endless:
            refused += 1
            with pytest.raises(Damaged, match="no end of data"):
                open_volume(bench, writable=True)
    assert refused > 5


def test_each_record_goes_bad() -> None:
    """A file with a bad record says so; all others are read; a bad index or label does not hide the other copy."""
    whole = simulated()
    job(lambda: whole.drive(), lambda path: None)  # type: ignore[arg-type, return-value]
    everything = {**BEFORE, **BATCHES[0], **BATCHES[1]}
    for partition in (0, 1):
        for block in range(len(whole.records(partition))):
            whole.cartridge.bad = {Position(partition, block)}
            with open_volume(whole) as volume:
                for path, data in everything.items():
                    file = volume.tree.file(path)
                    hit = any(
                        extent.start_block <= block < extent.start_block + extent.blocks(BLOCK) and partition == 1
                        for extent in file.extents
                    )
                    with volume.open_file(path) as source:
                        if hit:
                            with pytest.raises(Damaged, match="can't be read"):
                                source.read_at(0, source.size)
                        else:
                            assert source.read_at(0, source.size) == data
    whole.cartridge.bad = set()


def test_a_write_that_lied_is_found_by_reading() -> None:
    bench = simulated()
    names = operations_of(bench)
    number = names.index("write")
    drive = bench.drive(faults=Faults({number: Fault.BAD_RECORD}))
    job(lambda: drive, lambda path: None)  # type: ignore[arg-type, return-value]
    with open_volume(bench) as volume, pytest.raises(Damaged, match="can't be read"):
        contents(volume)


def operations_of(bench: MemoryBench) -> list[str]:
    again = simulated()
    drive = again.drive()
    job(lambda: drive, lambda path: None)  # type: ignore[arg-type, return-value]
    return drive.operations


@pytest.mark.parametrize("seed", range(20))
def test_one_flipped_bit_of_label_or_index_is_noticed(seed: int) -> None:
    """In either copy of the label, in any index at the end of a partition: the check says so, the files are read."""
    dice = random.Random(seed)
    bench = simulated()
    for partition in (0, 1):
        records = bench.records(partition)
        last = max(number for number, record in enumerate(records) if isinstance(record, bytes) and b"<ltfsindex" in record)
        for place in (0, 2, last):
            original = records[place]
            assert isinstance(original, bytes)
            changed = bytearray(original)
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
            bench.rewrite(partition, [*records[:place], bytes(changed), *records[place + 1 :]])
            with bench.drive(writable=False) as drive:
                assert not check_structure(drive).ok, (partition, place, changed)
            bench.rewrite(partition, list(records))


def test_one_flipped_bit_of_the_coherency_information_is_noticed() -> None:
    bench = simulated()
    for partition in (0, 1):
        for identifier in (0x80C, 0x009):
            if (partition, identifier) == (1, 0x009):
                continue
            value = bench.cartridge.memory[partition, identifier].value
            for byte in range(len(value)):
                changed = bytearray(value)
                changed[byte] ^= 1 << byte % 8
                bench.set_attribute(partition, identifier, bytes(changed))
                with bench.drive(writable=False) as drive:
                    assert not check_structure(drive).ok, (partition, identifier, byte)
                with open_volume(bench) as volume:
                    assert contents(volume) == BEFORE
            bench.set_attribute(partition, identifier, value)


# A file-backed cartridge


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = FolderBench(tmp_path_factory.mktemp("template") / "cartridge")
    with format_volume(bench) as volume:
        for path, data in BEFORE.items():
            put(volume, path, data)
    return bench.folder


class Copy(FolderBench):
    """A cartridge that is there already."""

    def __post_init__(self) -> None:
        return


def fresh(template: Path, folder: Path) -> Copy:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    return Copy(folder)


def test_some_writing_calls_fail(template: Path, quick_folder: Path) -> None:
    failing_at(template, quick_folder, step=7)


@pytest.mark.nightly
def test_every_writing_call_fails_once(template: Path, quick_folder: Path) -> None:
    failing_at(template, quick_folder, step=1)


def failing_at(template: Path, quick_folder: Path, *, step: int) -> None:
    bench = fresh(template, quick_folder / "cartridge")
    with counting() as calls:
        job(bench.drive, lambda path: None)
    for number in range(0, len(calls), step):
        bench = fresh(template, quick_folder / "cartridge")
        reported: list[str] = []
        with failing(number, errno.EIO), contextlib.suppress(StorageError):  # a failure that loses nothing may go unsaid
            job(bench.drive, reported.append)
        assert_kept(bench, reported)


def test_killed_at_some_calls(template: Path, quick_folder: Path) -> None:
    killed_at(template, quick_folder, step=7)


@pytest.mark.nightly
def test_killed_at_every_call(template: Path, quick_folder: Path) -> None:
    killed_at(template, quick_folder, step=1)


def killed_at(template: Path, quick_folder: Path, *, step: int) -> None:
    names = ("open", "pwrite", "fsync", "replace", "rename", "unlink")
    with counting(names) as calls:
        job(fresh(template, quick_folder / "cartridge").drive, lambda path: None)
    log = quick_folder / "reported"
    for number in range(0, len(calls), step):
        bench = fresh(template, quick_folder / "cartridge")
        log.unlink(missing_ok=True)
        log.touch()

        def work(number: int = number, bench: Copy = bench) -> None:
            with failing(number, Kill.AFTER, names=names):
                job(bench.drive, lambda path: append(log, path))

        assert not crash.run(work).finished
        assert_kept(bench, log.read_text().split("\n")[:-1])


def append(log: Path, path: str) -> None:
    with log.open("a") as file:
        file.write(f"{path}\n")


def killed_at_random(template: Path, quick_folder: Path, times: int) -> int:
    folder, log = quick_folder / "cartridge", quick_folder / "reported"

    def prepare() -> None:
        fresh(template, folder)
        log.write_text("")

    def after_kill() -> None:
        assert_kept(Copy(folder), log.read_text().split("\n")[:-1])

    return crash.kill_often(
        lambda: job(Copy(folder).drive, lambda path: append(log, path)),
        times,
        prepare=prepare,
        after_kill=after_kill,
        after_rerun=lambda: None,
        seed=times,
    )


@pytest.mark.ci
def test_killed_at_20_random_instants(template: Path, quick_folder: Path) -> None:
    assert killed_at_random(template, quick_folder, 20) > 0  # how many come in the middle depends on the machine


@pytest.mark.nightly
def test_killed_at_200_random_instants(template: Path, quick_folder: Path) -> None:
    assert killed_at_random(template, quick_folder, 200) > 10


def test_a_cartridge_that_never_was_formatted_to_the_end(quick_folder: Path) -> None:
    """Formatting that is killed leaves a cartridge that is formatted again."""
    names = ("open", "pwrite", "fsync", "replace", "rename", "unlink")
    bench = FolderBench(quick_folder / "blank")
    shutil.copytree(bench.folder, quick_folder / "first")
    with counting(names) as calls:
        format_volume(Copy(quick_folder / "first")).close()
    for number in range(0, len(calls), 9):
        copy = fresh(bench.folder, quick_folder / "cartridge")

        def work(number: int = number, copy: Copy = copy) -> None:
            with failing(number, Kill.AFTER, names=names):
                format_volume(copy).close()

        assert not crash.run(work).finished
        try:
            open_volume(copy).close()
        except (NotSupported, Damaged):
            with copy.drive() as drive:
                Volume.format(drive, "FA0009", erase=True, block_size=BLOCK).close()
        with open_volume(copy) as volume:
            assert contents(volume) == {}
