"""Our cartridges under the LTFS reference's own programs, and theirs under ours: where mkltfs, ltfs and ltfsck are on PATH."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.core import programs
from film_archive.core.errors import NoSpace
from film_archive.core.source import FileSource
from film_archive.tape.drives.address import DriveAddress, DriveKind
from film_archive.tape.drives.cartridge_config import MIB, new_config
from film_archive.tape.drives.file_backed import FileBackedDrive, create_cartridge, write_device_file
from film_archive.tape.drives.mounted import LtfsPrograms, MountedVolume, format_mounted
from film_archive.tape.formats import MEDIA
from film_archive.tape.ltfs.check import check_structure
from film_archive.tape.ltfs.tree import TapeAttribute, TapeExtent, TapeFile, Times
from film_archive.tape.ltfs.volume import Volume
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import Membership, OpenTape
from film_archive.testing import crash
from film_archive.testing.faults import Kill, counting, failing
from tests.cli.running import Ran, film_archive
from tests.tape.making import NOW, SERIAL, clock, content, contents, put
from tests.tape.sets import WISHES, below, make_files, write

NEEDED = ("mkltfs", "ltfs", "ltfsck", "fusermount")
MISSING = [name for name in NEEDED if programs.find(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the LTFS reference is not here: {', '.join(MISSING)}")

SOFTWARE = LtfsPrograms(backend="file", mounting=60, unmounting=60)
BLOCK = 524_288

FILES = {
    "Show/reel 1/A001C001.mov": content(1, 3 * BLOCK + 17),
    "Show/reel 1/one block": content(2, BLOCK),
    "Show/empty": b"",
    "Show/sound/take 1.wav": content(3, 100),
    "Ünïcode/日本語.txt": b"\xe6\x97\xa5",
    "names/a:b %41 & <c>.mov": b"odd",
    "names/%41": b"percent",
    "names/ blanks ": b"blanks",
    "names/tab\there": b"tab",
    "names/" + "é" * 120: b"long",
}


def cartridge(folder: Path, medium: str = "L8") -> Path:
    create_cartridge(folder, new_config(MEDIA[medium], 1024 * MIB))
    return folder


def ltfsck(folder: Path) -> tuple[int, str]:
    done = programs.run(["ltfsck", "--backend=file", write_device_file(folder)], timeout=60)
    return done.status, (done.messages + done.output).decode("utf-8", "replace")


def assert_consistent(folder: Path) -> None:
    _, said = ltfsck(folder)
    assert "LTFS16022I Volume is consistent" in said, said


def mounted(folder: Path, *, writable: bool = False) -> MountedVolume:
    return MountedVolume(str(write_device_file(folder)), writable=writable, software=SOFTWARE)


def seen(folder: Path) -> dict[str, bytes]:
    """What the reference shows of a cartridge. It takes a colon for what Windows can't have, and shows it none the less."""
    found = {}
    with mounted(folder) as volume:
        for path, file in volume.walk():
            if file.target is None:
                with volume.open_file(path) as source:
                    found[path] = source.read_at(0, source.size)
    return found


@pytest.mark.parametrize("medium", ["L5", "L6", "L7", "M8", "L8", "L9", "LA"])
def test_the_reference_reads_what_we_write(tmp_path: Path, medium: str) -> None:
    folder = cartridge(tmp_path / "tape", medium)
    if medium == "LA" and "ULTRIUM-TDA" not in known_drives():
        pytest.skip("this reference does not know LTO-10")
    with Volume.format(FileBackedDrive(folder), SERIAL, "Show Ü", clock=clock().__next__) as volume:
        for path, data in FILES.items():
            put(volume, path, data)
            volume.commit()
        volume.make_link("link", "Show/reel 1/A001C001.mov", Times.all_of(NOW))
        volume.make_folder("empty folder/inside", Times.all_of(NOW))
        attributes = [TapeAttribute("acme.text", "Ü <&>".encode()), TapeAttribute("acme.bytes", b"\0\xff")]
        volume.set_attributes("Show/empty", attributes)
    assert_consistent(folder)
    assert seen(folder) == FILES
    with mounted(folder) as mount:
        assert (mount.serial, mount.fact("ltfs.volumeName")) == (SERIAL, "Show Ü")
        file = mount.file("Show/sound/take 1.wav")
        assert file.digests["sha256"] == hashlib.sha256(FILES["Show/sound/take 1.wav"]).hexdigest()
        assert file.times.modified == NOW
        assert mount.file("Show/empty").attributes == tuple(attributes) or {*mount.file("Show/empty").attributes} >= {*attributes}
        assert mount.file("link").target == "Show/reel 1/A001C001.mov"
        assert (mount.root / "empty folder/inside").is_dir()
    assert_consistent(folder)


def test_the_reference_reads_a_set_that_tape_write_wrote(tmp_path: Path) -> None:
    """Both copies are consistent by its own judgement, and show every file, the lists among them, with our attributes."""
    shelf = Shelf(tmp_path / "shelf")
    day = make_files(tmp_path / "day", {"A001/c1.mov": 3 * BLOCK + 17, "empty": 0, "Ünïcode/日本語.txt": 9, "a:b %41 & <c>": 3})
    done = write(shelf, [day], replace(WISHES, copies=2))
    assert done.exit_status == 0
    for copy, serial in enumerate(("FA0001", "FA0002"), 1):
        folder = shelf.folder / serial
        assert_consistent(folder)
        found = seen(folder)
        assert {path: data for path, data in found.items() if path.startswith("day/")} == below(day)
        assert sum(path.startswith(("ascmhl/", ".film-archive-tape/")) for path in found) == 3
        with mounted(folder) as mount:
            assert (mount.serial, mount.fact("ltfs.volumeName")) == (serial, "FILM 1")
            assert Membership.of(mount.attributes("")) == Membership("FILM", 1, copy)
            digest = hashlib.sha256(below(day)["day/A001/c1.mov"]).hexdigest()
            assert mount.file("day/A001/c1.mov").digests["sha256"] == digest
    (shelf.folder / "FA0001").rename(tmp_path / "mounted")
    device = DriveAddress(DriveKind.LTFS, str(write_device_file(tmp_path / "mounted")))
    with OpenTape(device, software=SOFTWARE) as tape:
        assert tape.membership == Membership("FILM", 1, 1)
        assert [path for path, _ in tape.in_order() if path.startswith("day/A001")] == ["day/A001/c1.mov"]


def known_drives() -> str:
    found = programs.find("ltfs")
    assert found is not None
    libraries = [*found.parent.parent.glob("lib*/ltfs/*file*.so"), *found.parent.parent.glob("lib*/*/ltfs/*file*.so")]
    return " ".join(library.read_bytes().decode("latin-1") for library in libraries)


def test_we_read_what_the_reference_writes(tmp_path: Path) -> None:
    folder = cartridge(tmp_path / "tape")
    device = str(write_device_file(folder))
    format_mounted(device, "REF001", "Reference", software=SOFTWARE)
    written = {path: data for path, data in FILES.items() if "tab" not in path}
    with mounted(folder, writable=True) as mount:
        for path, data in written.items():
            digest = hashlib.sha256(data).hexdigest().encode()
            attributes = [TapeAttribute("ltfs.hash.sha256sum", digest), TapeAttribute("acme.b", b"\0\xff")]
            mount.write_file(path, [data], Times.all_of(NOW), attributes=lambda given=attributes: given)  # type: ignore[misc]
        (mount.root / "link").symlink_to("Show/empty")
        with (mount.root / "sparse").open("wb") as sparse:
            sparse.seek(3 * BLOCK)
            sparse.write(b"end")
    with FileBackedDrive(folder, writable=False) as drive:
        report = check_structure(drive)
        assert report.ok, report.problems
        volume = Volume.open(drive)
        assert (volume.label.serial, volume.index.volume_name, volume.problems) == ("REF001", "Reference", [])
        assert contents(volume) == {**written, "sparse": bytes(3 * BLOCK) + b"end"}
        assert volume.tree.file("link").target == "Show/empty"
        assert volume.tree.file("Show/empty").attribute("acme.b") == b"\0\xff"


def test_both_append_in_turn(tmp_path: Path) -> None:
    folder = cartridge(tmp_path / "tape")
    Volume.format(FileBackedDrive(folder), SERIAL, clock=clock().__next__).close()
    expected: dict[str, bytes] = {}
    for turn in range(3):
        data = content(turn, BLOCK + turn)
        with mounted(folder, writable=True) as mount:
            mount.write_file(f"theirs/{turn}", [data], Times.all_of(NOW))
        with Volume.open(FileBackedDrive(folder), writable=True) as volume:
            assert volume.problems == []
            put(volume, f"ours/{turn}", data)
        expected |= {f"theirs/{turn}": data, f"ours/{turn}": data}
    assert_consistent(folder)
    assert seen(folder) == expected
    with Volume.open(FileBackedDrive(folder, writable=False)) as volume:
        assert contents(volume) == expected
        assert len(volume.generations()) >= 7


def test_extents_of_every_shape(tmp_path: Path) -> None:
    """Packed files, holes, shared data, a file on the index partition, and an index of several records."""
    folder = cartridge(tmp_path / "tape")
    data = content(1, 2 * BLOCK + 100)
    with Volume.format(FileBackedDrive(folder), SERIAL, clock=clock().__next__) as volume:
        put(volume, "base", data)
        place = volume.tree.file("base").extents[0].start_block
        shapes = {
            "packed": (50, (TapeExtent(0, "b", place + 1, BLOCK - 20, 50),)),
            "sparse": (1000, (TapeExtent(100, "b", place, 0, 10), TapeExtent(700, "b", place, 5, 100))),
        }
        for path, (length, extents) in shapes.items():
            volume.tree.add_file(path, TapeFile(volume.tree.next_uid(), length, Times.all_of(NOW), extents))
        for number in range(3000):
            volume.tree.add_file(f"many/{number:05}", TapeFile(volume.tree.next_uid(), 0, Times.all_of(NOW)))
        volume._dirty = True
    with Volume.open(FileBackedDrive(folder, writable=False)) as volume:
        ours = contents(volume)
        assert len(list(folder.glob("0_*_R"))) > 4
    assert_consistent(folder)
    assert seen(folder) == ours


def test_rolled_back_and_removed(tmp_path: Path) -> None:
    folder = cartridge(tmp_path / "tape")
    with Volume.format(FileBackedDrive(folder), SERIAL, clock=clock().__next__) as volume:
        put(volume, "one", b"one")
        volume.commit()
        put(volume, "two", b"two")
        volume.remove_file("one")
        volume.commit()
        volume.roll_back(2)
    assert_consistent(folder)
    assert seen(folder) == {"one": b"one"}


def test_a_full_cartridge_mounts(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    create_cartridge(folder, new_config(MEDIA["L8"], 320 * MIB))
    done = {}
    with Volume.format(FileBackedDrive(folder), SERIAL, clock=clock().__next__) as volume:
        for number in range(1000):
            if volume.room < 8 * BLOCK:
                break
            done[f"{number:04}"] = content(number, 8 * BLOCK)
            put(volume, f"{number:04}", done[f"{number:04}"])
    assert len(done) > 60
    assert seen(folder) == done
    assert_consistent(folder)


def work(folder: Path) -> None:
    with Volume.open(FileBackedDrive(folder), writable=True, clock=clock().__next__) as volume:
        put(volume, "new/one", content(5, BLOCK + 1))
        volume.commit()
        put(volume, "new/two", content(6, 10))


def test_the_reference_mounts_what_a_kill_leaves(tmp_path: Path) -> None:
    """Without a check first: the end of data moves over what is whole, and stale coherency information is not believed."""
    template = cartridge(tmp_path / "template")
    with Volume.format(FileBackedDrive(template), SERIAL, clock=clock().__next__) as volume:
        put(volume, "before", b"before")
    names = ("open", "pwrite", "fsync", "replace", "rename", "unlink")
    folder = tmp_path / "tape"
    shutil.copytree(template, folder)
    with counting(names) as calls:
        work(folder)
    everything = {"before": b"before", "new/one": content(5, BLOCK + 1), "new/two": content(6, 10)}
    dice = random.Random(1)
    for number in sorted(dice.sample(range(len(calls)), 25)):
        shutil.rmtree(folder)
        shutil.copytree(template, folder)

        def killed(number: int = number) -> None:
            with failing(number, Kill.AFTER, names=names):
                work(folder)

        assert not crash.run(killed).finished
        with FileBackedDrive(folder, writable=False) as drive:
            ours = contents(Volume.open(drive))
        theirs = seen(folder)
        assert theirs == ours == {path: everything[path] for path in ours}
        assert "before" in ours
        assert_consistent(folder)


def test_a_mount_that_is_full_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "tape"
    create_cartridge(folder, new_config(MEDIA["L8"], 320 * MIB))
    device = str(write_device_file(folder))
    format_mounted(device, SERIAL, software=SOFTWARE)
    done: dict[str, bytes] = {}
    with mounted(folder, writable=True) as mount:
        for number in range(100):
            data = content(number, 8 << 20)
            try:
                mount.write_file(f"{number:03}", [data], Times.all_of(NOW))
            except NoSpace:
                break
            done[f"{number:03}"] = data
        else:
            pytest.fail("the cartridge never ends")
    with Volume.open(FileBackedDrive(folder, writable=False)) as volume:
        assert contents(volume) == done


def test_the_digest_of_a_file_through_the_mount(tmp_path: Path) -> None:
    """A source of a mounted file is a file like any other."""
    folder = cartridge(tmp_path / "tape")
    with Volume.format(FileBackedDrive(folder), SERIAL, clock=clock().__next__) as volume:
        put(volume, "file", b"file")
    with mounted(folder) as mount, mount.open_file("file") as source:
        assert isinstance(source, FileSource)
        assert source.name == f"{SERIAL}::file"
        assert os.path.samefile(source.path, mount.root / "file")


@pytest.fixture
def file_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference's programs first on PATH, as they are where its file backend is the usual one."""
    for name, option in (("mkltfs", "--backend=file"), ("ltfs", "-o tape_backend=file")):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{programs.find(name)}" {option} "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.usefixtures("file_backend")
def test_a_set_in_a_drive_through_the_verbs(
    tmp_path: Path, quick_folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Format, write over the end of a cartridge, gone on with in the next one, verified, restored: all through the mount."""
    monkeypatch.setenv("FILM_ARCHIVE_SHELF", str(tmp_path / "shelf"))
    monkeypatch.setenv("FILM_ARCHIVE_CATALOG", str(tmp_path / "none.sqlite"))
    card = make_files(quick_folder / "card", {"a/1.mov": 200 * MIB, "a/2.mov": 100 * MIB, "b/é:3": 5, "b/4": BLOCK + 1})

    def run(*arguments: object) -> Ran:
        return film_archive(capfd, "tape", *arguments)

    drives = []
    statuses = []
    for serial in ("FA0001", "FA0002"):
        folder = quick_folder / serial
        create_cartridge(folder, new_config(MEDIA["L8"], 320 * MIB))
        drive = f"ltfs:{write_device_file(folder)}"
        drives += ["--drive", drive]
        assert run("format", serial, "--drive", drive, "--name", "Show").status == 0
        refused = run("format", serial, "--drive", drive)
        assert (refused.status, "erase" in refused.errors) == (4, True)
        written = run("write", "FILM", card, "--drive", drive, "--verify", "--commit-every", "64MiB", "--json")
        files = written.document["files"]
        statuses.append((written.status, sorted(file["path"] for file in files if file["status"] == "written")))
        assert written.document["verified"] is True
        assert_consistent(folder)
        done = run("verify", "--drive", drive, "--json")
        assert (done.status, done.document["problems"]) == (0, [])
    assert statuses == [(12, ["card/a/1.mov"]), (0, ["card/a/2.mov", "card/b/4", "card/b/é:3"])]
    only = run("restore", "-o", tmp_path / "some", *drives[2:], "--json")
    assert only.status == 12
    assert [file["path"] for file in only.document["files"] if file["status"] == "missing"] == ["card/a/1.mov"]
    assert run("restore", "-o", quick_folder / "out", *drives).status == 0
    assert below(quick_folder / "out/card") == below(card)
    assert run("write", "FILM", card, "--drive", f"ltfs:{tmp_path / 'nothing'}").status != 0
