"""Other programs read our archives: unzip, 7z, bsdtar, Python's zipfile; also beyond 4 GiB and 65,535 members."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from film_archive.archive import sealing, zipformat
from film_archive.archive.check import check_archive
from film_archive.archive.entries import entries_of, entry_of
from film_archive.archive.reader import ZipArchive
from film_archive.archive.writer import ZipWriter
from film_archive.core.digest import digest_source
from film_archive.core.manifest import Header, member_line
from film_archive.core.member import Member, Role
from film_archive.core.source import MemorySource
from tests.archive.making import MTIME_NS, contents, make_archive, make_two_generations, noise

GIB = 1 << 30
TREE = {
    "footage/a.mov": noise(100_000, 1),
    "footage/ünïcødé 近藤.wav": noise(4096, 2),
    "footage/deep/er/than/this/b.mxf": noise(1, 3),
    "zero": b"",
    "with space & 'quotes'": b"x" * 4095,
}


def run(*command: str | Path) -> bytes:
    program = str(command[0])
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def extracted(folder: Path) -> dict[str, bytes]:
    return {
        place.relative_to(folder).as_posix(): place.read_bytes() for place in folder.rglob("*") if place.is_file()
    }


@pytest.fixture(params=["one generation", "two generations"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, appending: None) -> Path:
    path = tmp_path / "archive.zip"
    return make_archive(path, TREE) if request.param == "one generation" else make_two_generations(path)


def files_of(archive: Path) -> dict[str, bytes]:
    with ZipArchive(archive) as opened:
        return {**contents(archive), ".film-archive/manifest.jsonl": b"".join(opened._manifest_chunks())}


@pytest.mark.parametrize(
    "command",
    [
        ("unzip", "-tqq", "{archive}"),
        ("7z", "t", "{archive}"),
        ("bsdtar", "-tf", "{archive}"),
    ],
    ids=lambda command: command[0],
)
def test_they_find_nothing_wrong(archive: Path, command: tuple[str, ...]) -> None:
    said = run(*(word.format(archive=archive) for word in command))
    assert b"arning" not in said


@pytest.mark.parametrize(
    "command",
    [
        ("unzip", "-q", "{archive}", "-d", "{folder}"),
        ("7z", "x", "-y", "-o{folder}", "{archive}"),
        ("bsdtar", "-xf", "{archive}", "-C", "{folder}"),
    ],
    ids=lambda command: command[0],
)
def test_they_extract_the_same_files(archive: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    run(*(word.format(archive=archive, folder=folder) for word in command))
    assert extracted(folder) == files_of(archive)
    assert (folder / "empty folder").is_dir()
    assert stat.S_IMODE((folder / "footage" / "a.mov").stat().st_mode) == 0o640
    assert (folder / "footage" / "a.mov").stat().st_mtime == MTIME_NS // 10**9


def test_zipfile_reads_the_same_files(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        names = {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}
    assert names == files_of(archive)


def test_offsets_follow_from_the_directory(archive: Path) -> None:
    """As tlRender computes them; and media begin on a block."""
    with zipfile.ZipFile(archive) as opened, ZipArchive(archive) as ours:
        for info in opened.infolist():
            computed = info.header_offset + 30 + len(info.filename.encode()) + len(info.extra)
            if not info.is_dir() and info.filename != ".film-archive/manifest.jsonl":
                member = ours.member(info.filename)
                assert member.offset == computed
                if member.size and member.role != Role.STRUCTURE:
                    assert computed % 4096 == 0
            with archive.open("rb") as file:
                file.seek(info.header_offset)
                local = file.read(30)
            assert zipformat.LOCAL.unpack_from(local)[-1] == len(info.extra)


class SparseArchive:
    """An archive whose big members are holes, so that places beyond 4 GiB cost nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: list[Member] = []
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        self.end = 0

    def add(self, name: str, data: bytes | None = None, *, size: int = 0, crc32: str = "00000000") -> None:
        digests = {}
        if data is not None:
            digests = digest_source(MemorySource(data), ("crc32", "xxh128"))
            size, crc32 = len(data), digests.pop("crc32")
        aligned = self.end > 0  # as in every archive of ours, something stands at byte 0
        _, payload = zipformat.place(self.end, name.encode(), size, size, MTIME_NS // 10**9, aligned=aligned)
        member = Member.make(
            name, Role.ORIGINAL, size, offset=payload, crc32=crc32, digests=digests, mtime_ns=MTIME_NS, mode=0o644
        )
        placed = entry_of(member)
        assert placed is not None
        os.pwrite(self.descriptor, zipformat.local_header(*placed), placed[0].header_offset)
        os.pwrite(self.descriptor, data or b"", payload)
        self.members.append(member)
        self.end = payload + size

    def skip(self, to: int) -> None:
        self.end = to

    def seal(self) -> None:
        _, payload = sealing.manifest_place(self.end)
        total = sum(member.size for member in self.members)
        header = Header(archive_id="sparse", members=len(self.members), bytes=total, offset=payload)
        lines = [header.to_line(), *map(member_line, self.members)]
        manifest, payload = sealing.write_manifest(self.descriptor, self.end, lines)
        entries = (placed for member in self.members for placed in entries_of(member))
        sealing.write_directory(self.descriptor, entries, manifest, payload)
        os.close(self.descriptor)


SMALL = {"far/a.txt": b"a" * 5000, "far/ü.txt": b"", "far/last.txt": b"last"}


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A member of more than 4 GiB, members whose headers lie just around and far beyond 4 GiB."""
    made = SparseArchive(tmp_path / "big.zip")
    made.add("first.txt", b"first")
    made.add("huge.mov", size=4 * GIB + 123_456)
    made.add("far/a.txt", SMALL["far/a.txt"])
    made.skip(9 * GIB)
    made.add("far/ü.txt", b"")
    made.add("huge2.mov", size=5 * GIB)
    made.add("far/last.txt", b"last")
    made.seal()
    return made.path


@pytest.fixture
def around(tmp_path: Path) -> Path:
    """Headers and payloads on both sides of each limit, to the byte."""
    made = SparseArchive(tmp_path / "around.zip")
    made.add("first.txt", b"first")
    made.add("to the limit", size=4 * GIB - (1 << 17) - 20_000)
    for number in range(60):
        made.add(f"{number:02}", b"%d" % number)
    made.seal()
    return made.path


def test_our_reader_beyond_4_gib(big: Path, around: Path) -> None:
    with ZipArchive(big) as archive:
        assert archive.sealed
        for name, data in SMALL.items():
            assert archive.read(name) == data
        last = archive.member("far/last.txt")
        assert last.offset is not None
        assert last.offset > 14 * GIB
        source = archive.source("huge.mov")
        assert source.size == 4 * GIB + 123_456
        assert source.read_at(source.size - 10, 100) == bytes(10)
    with ZipArchive(around) as archive:
        assert all(archive.read(f"{number:02}") == b"%d" % number for number in range(60))


def test_zipfile_beyond_4_gib(big: Path, around: Path) -> None:
    with zipfile.ZipFile(big) as archive:
        assert {name: archive.read(name) for name in SMALL} == SMALL
        assert archive.getinfo("huge.mov").file_size == 4 * GIB + 123_456
        for info in archive.infolist():
            with big.open("rb") as file:
                file.seek(info.header_offset)
                assert zipformat.LOCAL.unpack(file.read(30))[-1] == len(info.extra)
    with zipfile.ZipFile(around) as archive:
        assert [archive.read(f"{number:02}") for number in range(60)] == [b"%d" % number for number in range(60)]


def test_unzip_beyond_4_gib(big: Path, around: Path) -> None:
    for name, data in SMALL.items():
        assert run("unzip", "-p", big, name) == data
    assert run("unzip", "-Z1", big).decode().split("\n")[:3] == ["first.txt", "huge.mov", "far/a.txt"]
    assert run("unzip", "-p", around, "5*") == b"".join(b"%d" % number for number in range(50, 60))


def test_7z_beyond_4_gib(big: Path, around: Path) -> None:
    listing = run("7z", "l", "-slt", big).decode()
    assert "Warning" not in listing
    assert f"Size = {4 * GIB + 123_456}" in listing
    for name, data in SMALL.items():
        assert run("7z", "x", "-so", big, name) == data
    assert run("7z", "x", "-so", around, "59") == b"59"


def test_bsdtar_beyond_4_gib(around: Path) -> None:
    assert run("bsdtar", "-xOf", around, "--fast-read", "59") == b"59"


@pytest.mark.nightly
def test_they_test_whole_members_beyond_4_gib(tmp_path: Path) -> None:
    from isal import isal_zlib

    crc, block = 0, bytes(1 << 24)
    for _ in range(257):
        crc = isal_zlib.crc32(block, crc)
    made = SparseArchive(tmp_path / "big.zip")
    made.add("huge.mov", size=257 << 24, crc32=f"{crc:08x}")
    made.add("last", b"last")
    made.seal()
    run("unzip", "-tqq", made.path)
    run("7z", "t", made.path)
    run("bsdtar", "-tf", made.path)
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
    with ZipArchive(made.path) as opened:
        assert check_archive(opened).ok


def test_more_than_65535_members(tmp_path: Path, unsynced: None) -> None:
    path = tmp_path / "many.zip"
    with ZipWriter.create(path) as archive:
        for number in range(66_000):
            archive.add(f"{number // 1000}/{number}", MemorySource(b""), identity="0")
        archive.finish()
    with ZipArchive(path) as opened:
        assert sum(1 for _ in opened.members()) == 66_001
        assert opened.member("65/65999").size == 0
    with zipfile.ZipFile(path) as zipped:
        assert len(zipped.namelist()) == 66_002
        assert zipped.read("65/65999") == b""
    assert run("unzip", "-Z1", path).count(b"\n") == 66_002
    assert b"66002 files" in run("7z", "l", path)
