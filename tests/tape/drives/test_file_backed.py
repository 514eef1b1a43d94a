"""The layout of a cartridge in a folder, what its files promise at each instant, and what may be wrong with them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused, StorageError, UsageError
from film_archive.tape.drives.cartridge_config import MIB, CartridgeConfig, new_config, read_config, write_config
from film_archive.tape.drives.drive import Mark, Position
from film_archive.tape.drives.file_backed import LARGE, FileBackedDrive, create_cartridge, write_device_file
from film_archive.tape.formats import MEDIA
from film_archive.testing.faults import counting, failing
from tests.tape.making import CAPACITY, FolderBench


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name[0] in "01"}


@pytest.fixture
def partitioned(folder_bench: FolderBench) -> FolderBench:
    with folder_bench.drive() as drive:
        drive.make_partitions()
        drive.locate(1, 0)
        drive.write(b"one")
        drive.write_filemark()
        drive.write(b"three")
        drive.flush()
    return folder_bench


def test_the_layout_is_the_references(partitioned: FolderBench) -> None:
    assert names(partitioned.folder) == {"0_0_E", "1_0_R", "1_1_F", "1_2_R", "1_3_E"}
    assert (partitioned.folder / "1_2_R").read_bytes() == b"three"
    assert (partitioned.folder / "1_1_F").stat().st_size == 0
    assert (partitioned.folder / "attr_0_9").read_bytes()[:5] == b"\0\x09\0\0\4"
    assert (partitioned.folder / "1_0_R").stat().st_mode & 0o666 == 0o644


def test_the_end_moves_only_when_records_are_durable(partitioned: FolderBench) -> None:
    with partitioned.drive() as drive:
        drive.locate_end(1)
        drive.write(b"four")
        drive.write(b"five")
        assert {"1_3_E", "1_3_R", "1_4_R"} <= names(partitioned.folder)
        with counting() as calls:
            drive.flush()
        renames = [number for number, name in enumerate(calls) if name == "replace"]
        syncs = [number for number, name in enumerate(calls) if name == "fsync"]
        # records and their names, then the end mark, then its name
        assert sum(number < renames[-1] for number in syncs) >= 3
        assert syncs[-1] > renames[-1]
        assert "1_5_E" in names(partitioned.folder)
        assert "1_3_E" not in names(partitioned.folder)


def test_records_without_an_end_behind_them_are_not_there(partitioned: FolderBench) -> None:
    (partitioned.folder / "1_3_F").touch()
    (partitioned.folder / "1_4_R").write_bytes(b"of a killed run")
    (partitioned.folder / "1_9_E").touch()
    with partitioned.drive(writable=False) as drive:
        assert drive.locate_end(1) == Position(1, 3)
        assert drive.read() is Mark.END_OF_DATA
    with partitioned.drive() as drive:
        drive.locate_end(1)
        drive.write(b"new")
        drive.flush()
    assert names(partitioned.folder) == {"0_0_E", "1_0_R", "1_1_F", "1_2_R", "1_3_R", "1_4_E"}
    with partitioned.drive(writable=False) as drive:
        drive.locate(1, 3)
        assert drive.read() == b"new"


def test_a_missing_end(partitioned: FolderBench) -> None:
    (partitioned.folder / "1_3_E").unlink()
    with partitioned.drive() as drive:
        with pytest.raises(Damaged, match="no end of data"):
            drive.locate_end(1)
        drive.locate(1, 2)
        assert drive.read() == b"three"
        with pytest.raises(Damaged, match="no end of data"):
            drive.write(b"four")


def test_a_missing_record_is_a_hole_and_what_is_behind_can_be_read(partitioned: FolderBench) -> None:
    (partitioned.folder / "1_0_R").unlink()
    with partitioned.drive() as drive:
        drive.locate(1, 0)
        with pytest.raises(Damaged, match="no record at block 0"):
            drive.read()
        assert drive.position == Position(1, 0)
        drive.locate(1, 2)
        assert drive.read() == b"three"
        with pytest.raises(Damaged):
            drive.locate_end(1)


@pytest.mark.parametrize("size", [0, (4 << 20) + 1])
def test_records_of_sizes_that_none_has(partitioned: FolderBench, size: int) -> None:
    os.truncate(partitioned.folder / "1_2_R", size)
    with partitioned.drive(writable=False) as drive:
        drive.locate(1, 2)
        with pytest.raises(Damaged, match=f"has {size} bytes"):
            drive.read()


def test_a_record_that_is_a_link_is_not_followed(partitioned: FolderBench) -> None:
    (partitioned.folder / "1_2_R").unlink()
    (partitioned.folder / "1_2_R").symlink_to("/etc/passwd")
    with partitioned.drive(writable=False) as drive:
        drive.locate(1, 2)
        with pytest.raises((Damaged, Refused)):
            drive.read()


def test_other_files_are_left_alone(partitioned: FolderBench) -> None:
    for name in ("1_02_R", "2_0_R", "1_0_X", "notes", "1_99999999999999999999_R"):
        (partitioned.folder / name).write_bytes(b"?")
    with partitioned.drive() as drive:
        assert drive.locate_end(1).block == 3
        drive.locate(1, 0)
        drive.write(b"new")
    assert (partitioned.folder / "notes").read_bytes() == b"?"


def test_a_full_disk_keeps_what_was_flushed(partitioned: FolderBench) -> None:
    with partitioned.drive() as drive:
        drive.locate_end(1)
        drive.write(b"four")
        with failing(0, errno.ENOSPC, names=("pwrite",)), pytest.raises(StorageError, match="bytes are missing"):
            drive.write(b"five")
        assert "1_4_R" not in names(partitioned.folder)
        drive.write(b"again")
        drive.flush()
    with partitioned.drive(writable=False) as drive:
        drive.locate(1, 3)
        assert [drive.read(), drive.read(), drive.read()] == [b"four", b"again", Mark.END_OF_DATA]


def test_what_could_not_be_made_durable_is_given_up(partitioned: FolderBench) -> None:
    drive = partitioned.drive()
    drive.locate_end(1)
    drive.write(b"four")
    drive.flush()  # the change reference is new now
    drive.write(b"five")
    with failing(0, errno.EIO, names=("fsync",), lasting=True), pytest.raises(StorageError, match="durable"):
        drive.flush()
    with pytest.raises(StorageError, match="open it again"):
        drive.write(b"six")
    drive.close()
    with partitioned.drive() as drive:
        assert drive.locate_end(1).block == 4


def test_what_was_not_flushed_is_not_there(partitioned: FolderBench) -> None:
    with partitioned.drive() as drive:
        drive.locate_end(1)
        drive.write(b"four")
    with partitioned.drive(writable=False) as drive:
        assert drive.locate_end(1).block == 3


def test_many_records_are_made_durable_at_once(partitioned: FolderBench) -> None:
    with partitioned.drive() as drive:
        drive.locate_end(1)
        for number in range(100):
            drive.write(b"%d" % number)
        drive.flush()
    with partitioned.drive(writable=False) as drive:
        assert drive.locate_end(1).block == 103


def test_more_than_100_gb_want_a_yes(folder_bench: FolderBench) -> None:
    first = LARGE // (512 << 10) + 1
    write_config(folder_bench.folder, new_config(MEDIA["L8"]))
    folder = folder_bench.folder
    with folder_bench.drive() as drive:
        drive.make_partitions()
        drive._position = Position(1, first)
        drive._parts[1].end = drive._parts[1].known = first
        with pytest.raises(Refused, match="confirm"):
            drive.write(b"x")
    with FileBackedDrive(folder, allow_large=True) as drive:
        drive._position = Position(1, first)
        drive._parts[1].end = drive._parts[1].known = first
        drive.write(b"x")


def test_write_protected(partitioned: FolderBench) -> None:
    config = read_config(partitioned.folder)
    write_config(partitioned.folder, CartridgeConfig(config.medium, config.capacity, True, config.others))
    with partitioned.drive() as drive:
        assert drive.write_protected
        drive.locate(1, 3)
        with pytest.raises(Refused, match="write-protected"):
            drive.write(b"x")


def test_making_a_cartridge(tmp_path: Path) -> None:
    folder = tmp_path / "shelf" / "FA0001L9"
    create_cartridge(folder, new_config(MEDIA["L9"], CAPACITY))
    with FileBackedDrive(folder) as drive:
        assert (drive.medium, drive.worm, drive.partitions) == (MEDIA["L9"], False, 1)
        assert drive.capacity(0).total + drive.capacity(1).total == CAPACITY
    with pytest.raises(Refused, match="not empty"):
        create_cartridge(folder, new_config(MEDIA["L9"], CAPACITY))
    with pytest.raises(NotFound, match="no file-backed cartridge"):
        FileBackedDrive(tmp_path)
    with pytest.raises(NotFound):
        FileBackedDrive(tmp_path / "nobody")
    device = write_device_file(folder, "PY0001")
    assert device.name == "FA0001L9_PY0001.ULTRIUM-TD9"
    assert device.read_bytes() == b"FA0001L9".ljust(64, b"\0")
    long = tmp_path / ("x" * 36)
    create_cartridge(long, new_config(MEDIA["L5"], CAPACITY))
    with pytest.raises(UsageError, match="35 bytes"):
        write_device_file(long)


@pytest.mark.parametrize("medium", MEDIA.values(), ids=lambda medium: medium.code)
def test_kinds_of_cartridges(tmp_path: Path, medium) -> None:  # type: ignore[no-untyped-def]
    config = new_config(medium)
    write_config(tmp_path, config)
    assert read_config(tmp_path).medium == medium
    assert 0 <= config.data_capacity - medium.usable < 2 * MIB  # what planning counts on fits
    assert config.data_capacity + config.index_capacity == config.capacity


def test_the_references_own_settings_are_kept(tmp_path: Path) -> None:
    config = CartridgeConfig(MEDIA["L8"], CAPACITY, others=(("delay_mode", "Calculate"), ("wraps", "40")))
    write_config(tmp_path, config)
    assert read_config(tmp_path) == CartridgeConfig(
        MEDIA["L8"], CAPACITY, others=(("dummy_io", "false"), ("delay_mode", "Calculate"), ("wraps", "40"))
    )
    with pytest.raises(UsageError, match="least"):
        new_config(MEDIA["L8"], 100 * MIB)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", Damaged),
        ("<other/>", Damaged),
        ("<filedebug_cartridge_config><capacity_mb>x</capacity_mb></filedebug_cartridge_config>", Damaged),
        ("<filedebug_cartridge_config><capacity_mb>-1</capacity_mb></filedebug_cartridge_config>", Damaged),
        ("<filedebug_cartridge_config><cart_type>JD</cart_type></filedebug_cartridge_config>", NotSupported),
        ('<!DOCTYPE x [<!ENTITY a "b">]><filedebug_cartridge_config/>', NotSupported),
        ("x" * 100_000, Damaged),
    ],
)
def test_descriptions_that_are_none(tmp_path: Path, text: str, error: type[Exception]) -> None:
    (tmp_path / "filedebug_tc_conf.xml").write_text(text)
    with pytest.raises(error):
        read_config(tmp_path)


def test_an_attribute_under_another_ones_name(partitioned: FolderBench) -> None:
    (partitioned.folder / "attr_0_800").write_bytes((partitioned.folder / "attr_0_9").read_bytes())
    with partitioned.drive(writable=False) as drive, pytest.raises(Damaged, match="holds attribute 9"):
        drive.attribute(0, 0x800)
