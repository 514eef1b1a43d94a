"""Cartridges of every version of us stay readable; and one that the reference wrote.

`tests/golden/ltfs-1.txt` holds the positions of a cartridge that version 0.1.0 wrote, `tests/golden/ltfs-reference.txt` those
of one by mkltfs and ltfs 2.4.5, `tests/golden/tape-set-1.txt` those of a cartridge of a set, with its lists, by `tape write`
before a second version; each line is a file's name and its bytes in hex. They are never made again: if these tests
fail, the code is wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.tape.choosing import Choice
from film_archive.tape.drives.file_backed import FileBackedDrive
from film_archive.tape.holding_sets import gather_holdings
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.ltfs.tree import TapeAttribute
from film_archive.tape.ltfs.volume import Volume
from film_archive.tape.restore_planning import plan_restore
from film_archive.tape.restoring import apply_restore
from film_archive.tape.set_manifest import read_manifest
from film_archive.tape.shelf import Shelf
from film_archive.tape.verifying import verify_tapes
from film_archive.tape.volumes import Membership, OpenTape
from tests.tape.making import contents, put
from tests.tape.sets import below, make_files, write

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


def test_a_cartridge_of_an_old_set_is_read_restored_and_gone_on_with(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    shelf.folder.mkdir()
    unpacked("tape-set-1.txt", shelf.folder / "FA0001")
    expected = {"day/A001/clip.bin": b"one" * 400, "day/Ü notes.txt": b"two"}
    assert verify_tapes([shelf.find("FA0001")]).problems == ()
    holdings = gather_holdings(shelf, "FILM2024001")
    assert [one.membership for one in holdings.cartridges] == [Membership("FILM2024001", 1, 1)]
    assert apply_restore(plan_restore(holdings, Choice(), tmp_path / "out"), holdings).exit_status == 0
    assert below(tmp_path / "out" / "day") == expected
    with OpenTape(shelf.find("FA0001")) as tape:
        with tape.open_file(".film-archive-tape/set-0001.jsonl") as source:
            header, entries = read_manifest(source.read_at(0, source.size).splitlines(True), "manifest")
        assert (header.tape_id, header.barcodes) == ("FILM2024001", ("FA0001L8",))
        assert {entry.path for entry in entries} == set(expected)
    more = make_files(tmp_path / "more", {"x": 3})
    done = write(shelf, [tmp_path / "out" / "day", more], tape_id="FILM2024001")
    assert {file.path: file.status for file in done.files} == {**dict.fromkeys(expected, "there"), "more/x": "written"}
