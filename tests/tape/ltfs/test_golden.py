"""Cartridges of every version of us stay readable; and one that the reference wrote.

`tests/golden/ltfs-1.txt` holds the positions of a cartridge that version 0.1.0 wrote, `tests/golden/ltfs-reference.txt` those
of one by mkltfs and ltfs 2.4.5; each line is a file's name and its bytes in hex. They are never made again: if these tests
fail, the code is wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.tape.drives.file_backed import FileBackedDrive
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.ltfs.tree import TapeAttribute
from film_archive.tape.ltfs.volume import Volume
from tests.tape.making import contents, put

GOLDEN = Path(__file__).parents[2] / "golden"


def unpacked(name: str, folder: Path) -> Path:
    folder.mkdir()
    for line in (GOLDEN / name).read_text().splitlines():
        file, _, data = line.partition(" ")
        (folder / file).write_bytes(bytes.fromhex(data))
    return folder


@pytest.mark.parametrize("name", ["ltfs-1.txt", "ltfs-reference.txt"])
def test_old_cartridges_are_read_and_written(tmp_path: Path, name: str) -> None:
    folder = unpacked(name, tmp_path / "tape")
    expected = {"show/clip one.mov": b"one" * 1500, "show/empty": b"", "Ü:x": b"odd"}
    with FileBackedDrive(folder, writable=False) as drive:
        report = check_structure(drive)
        assert report.ok, report.problems
        volume = Volume.open(drive)
        assert (volume.label.serial, volume.index.volume_name, volume.label.block_size) == ("FA0001", "Show", 4096)
        assert contents(volume) == expected
        assert volume.tree.file("link").target == "show/empty"
        assert volume.tree.file("show/empty").attributes == (TapeAttribute("acme.x", b"\0\xff"),)
        assert [one.number for one in volume.generations()][-1] == 1
    with Volume.open(FileBackedDrive(folder), writable=True) as volume:
        put(volume, "new", b"new")
    with Volume.open(FileBackedDrive(folder, writable=False)) as volume:
        assert contents(volume) == {**expected, "new": b"new"}
