"""Zips that other programs made, well meant and not: `ls` shows, `check` names the problem, `unpack` refuses."""

from __future__ import annotations

import calendar
import contextlib
import io
import os
import random
import stat
import struct
import time
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
from hypothesis import example, given, settings
from hypothesis import strategies as st

from film_archive.archive.check import Kind, check_archive
from film_archive.archive.reader import ZipArchive, open_archive
from film_archive.archive.repair import repair_archive
from film_archive.archive.unpack import unpack
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, Refused
from film_archive.core.member import Role
from film_archive.core.source import MemorySource
from tests.archive.making import FIRST, make_archive, make_two_generations, noise

Entries = list[tuple[str | zipfile.ZipInfo, bytes]]


def zipped(entries: Entries, method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicates, which are meant here
        with zipfile.ZipFile(buffer, "w", method) as made:
            for name, data in entries:
                made.writestr(name, data)
            made.comment = comment
    return buffer.getvalue()


def open_bytes(data: bytes) -> ZipArchive:
    return ZipArchive("foreign.zip", MemorySource(data, "foreign.zip"))


def problems(data: bytes) -> list[tuple[str, str]]:
    with open_bytes(data) as archive:
        return [(problem.path, problem.what) for problem in check_archive(archive).problems]


def listed(data: bytes) -> list[str]:
    with open_bytes(data) as archive:
        return [member.path for member in archive.members()]


def refuses(data: bytes, target: Path, error: type[FilmArchiveError] = Refused, match: str = ".") -> None:
    with open_bytes(data) as archive, pytest.raises(error, match=match) as raised:
        unpack(archive, target)
    assert "othing was written" in str(raised.value)
    assert not target.exists()


# Well meant


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_foreign_zip_is_read_and_unpacked(tmp_path: Path, method: int) -> None:
    entries: Entries = [(f"folder/{size}.bin", noise(size, size)) for size in (0, 1, 4095, 70_000)]
    data = zipped([*entries, ("folder/text", b"text " * 50_000)], method, comment=b"made by hand")
    assert problems(data) == []
    with open_bytes(data) as archive, zipfile.ZipFile(io.BytesIO(data)) as other:
        assert archive.is_foreign
        assert [member.path for member in archive.members()] == other.namelist()
        for name in other.namelist():
            assert archive.read(name) == other.read(name)
        unpack(archive, tmp_path / "out")
    for name, content in entries:
        assert (tmp_path / "out" / str(name)).read_bytes() == content
    with open_bytes(data) as archive, pytest.raises(NotSupported, match="make an archive of its files"):
        archive.require_manifest("show its timecode")


def test_what_needs_no_manifest_is_kept(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("script.sh", (2020, 5, 17, 12, 30, 58))
    info.external_attr = (stat.S_IFREG | 0o750) << 16
    folder = zipfile.ZipInfo("empty/", (2020, 5, 17, 12, 30, 58))
    folder.external_attr = (stat.S_IFDIR | 0o700) << 16
    data = zipped([(info, b"#!/bin/sh"), (folder, b"")])
    with open_bytes(data) as archive:
        unpack(archive, tmp_path / "out")
    status = (tmp_path / "out" / "script.sh").stat()
    assert stat.S_IMODE(status.st_mode) == 0o750
    assert time.localtime(status.st_mtime)[:6] == (2020, 5, 17, 12, 30, 58)
    assert stat.S_IMODE((tmp_path / "out" / "empty").stat().st_mode) == 0o700


def test_data_descriptors(tmp_path: Path) -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

        def seek(self, *args: object) -> int:
            raise io.UnsupportedOperation

    buffer = Unseekable()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", b"a" * 10_000)
        made.writestr("b", noise(10_000))
    data = buffer.getvalue()
    assert data[6] & 8
    assert problems(data) == []
    with open_bytes(data) as archive:
        assert archive.read("a") == b"a" * 10_000
        assert archive.read("b") == noise(10_000)


def test_zip64_of_zipfile() -> None:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w") as made,
        made.open(zipfile.ZipInfo("a"), "w", force_zip64=True) as member,
    ):
        member.write(b"a" * 1000)
    assert problems(buffer.getvalue()) == []
    with open_bytes(buffer.getvalue()) as archive:
        assert archive.read("a") == b"a" * 1000


def test_names_in_code_page_437() -> None:
    data = zipped([("cafe", b"x")]).replace(b"cafe", b"caf\x82")
    assert listed(data) == ["café"]
    with open_bytes(data) as archive:
        assert archive.read("café") == b"x"


@contextlib.contextmanager
def zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.__setitem__("TZ", before)
        time.tzset()


def test_a_dos_time_is_one_of_this_machines_zone_as_for_every_unzip(tmp_path: Path) -> None:
    summer = zipfile.ZipInfo("a.mov", (2024, 6, 12, 10, 0, 0))
    winter = zipfile.ZipInfo("b.mov", (2024, 1, 12, 10, 0, 0))
    data = zipped([(summer, b"a"), (winter, b"b")])
    with zone("EST5EDT,M3.2.0,M11.1.0"), open_bytes(data) as archive:
        unpack(archive, tmp_path / "out")
    times = [(tmp_path / "out" / name).stat().st_mtime for name in ("a.mov", "b.mov")]
    assert times == [calendar.timegm((2024, 6, 12, 14, 0, 0)), calendar.timegm((2024, 1, 12, 15, 0, 0))]


@pytest.mark.parametrize(("ticks", "expected"), [(133_000_000_000_000_000, 1_655_526_400), (0, None), ((1 << 64) - 1, None)])
def test_the_time_of_ntfs_counts_where_it_is_one(ticks: int, expected: int | None) -> None:
    named = zipfile.ZipInfo("a.mov", (2024, 6, 12, 10, 0, 0))
    named.extra = struct.pack("<2H4x2H3Q", 0x000A, 32, 1, 24, ticks, ticks, ticks)
    with zone("UTC0"), open_bytes(zipped([(named, b"a")])) as archive:
        (member,) = archive.members()
    assert member.mtime_ns == (calendar.timegm((2024, 6, 12, 10, 0, 0)) if expected is None else expected) * 10**9


def test_a_dot_before_names_says_nothing(tmp_path: Path) -> None:
    data = zipped([("./", b""), ("./a.mov", b"a"), ("./d/", b""), ("././d/b.mov", b"b")])
    assert listed(data) == ["a.mov", "d", "d/b.mov"]
    assert problems(data) == []
    with open_bytes(data) as archive:
        unpack(archive, tmp_path / "out")
        assert archive.read("d/b.mov") == b"b"
    assert (tmp_path / "out" / "d" / "b.mov").read_bytes() == b"b"
    refuses(zipped([("./../a.mov", b"a")]), tmp_path / "other", match=r"goes up")
    refuses(zipped([(".//a.mov", b"a")]), tmp_path / "other", match=r"absolute")
    refuses(zipped([("./a.mov", b"a"), ("a.mov", b"b")]), tmp_path / "other", match=r"two members called a\.mov")


def test_our_archives_altered_by_zipfile_are_read_by_the_directory(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with zipfile.ZipFile(path, "a") as other:
        other.writestr("added", b"added")
    with ZipArchive(path) as archive:
        assert not archive.sealed
        assert archive.read("added") == b"added"
        member = archive.member("footage/a.mov")
        assert member.digests["xxh128"]
        assert archive.read("footage/a.mov") == FIRST["footage/a.mov"]
        assert ("added", "is not in the manifest") in [(p.path, p.what) for p in check_archive(archive).problems]


# Not well meant


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../up", "goes up"),
        ("a/../../up", "goes up"),
        ("/etc/passwd", "absolute"),
        ("C:/windows", "like a drive"),
        ("c:", "like a drive"),
        ("a\\b", "backslash"),
        ("\\\\server\\share", "backslash"),
        ("a//b", "empty or '.' part"),
        ("a/./b", "empty or '.' part"),
        ("..", "goes up"),
    ],
)
def test_dangerous_names(tmp_path: Path, name: str, why: str) -> None:
    data = zipped([("good", b"good"), ("X" * len(name), b"bad")]).replace(b"X" * len(name), name.encode())
    assert listed(data) == ["good", name]
    assert [what for path, what in problems(data) if why in what]
    refuses(data, tmp_path / "out", match=why)


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ("a.mov", "a.mov", "is there twice"),
        ("a.mov", "A.MOV", "clashes"),
        ("Straße", "STRASSE", "clashes"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"), "clashes"),
        ("folder/", "FOLDER", "clashes"),
    ],
)
def test_names_that_clash(tmp_path: Path, first: str, second: str, what: str) -> None:
    data = zipped([(first, b"1" if not first.endswith("/") else b""), (second, b"2")])
    assert len(listed(data)) == 2
    assert any(what in problem for _, problem in problems(data))
    refuses(data, tmp_path / "out", match="two members called" if first == second else "same file")


def test_a_file_that_is_a_folder_too(tmp_path: Path) -> None:
    refuses(zipped([("a", b"1"), ("A/b", b"2")]), tmp_path / "out", match="file and the folder")
    link = zipfile.ZipInfo("a")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refuses(zipped([(link, b"/etc"), ("a/passwd", b"2")]), tmp_path / "out", match="file and the folder")


def test_symbolic_links_are_not_made(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    data = zipped([(link, b"/etc/passwd"), ("good", b"good")])
    with open_bytes(data) as archive:
        assert archive.member("link").role == Role.SYMLINK
        with pytest.raises(NotSupported):
            archive.source("link")
        done = unpack(archive, tmp_path / "out")
    assert [path for path, _ in done.skipped] == ["link"]
    assert [place.name for place in (tmp_path / "out").iterdir()] == ["good"]


def encrypted() -> bytes:
    data = bytearray(zipped([("secret", b"x" * 100)]))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def test_encrypted_members(tmp_path: Path) -> None:
    data = encrypted()
    assert listed(data) == ["secret"]
    assert problems(data) == [("secret", "is encrypted and can't be checked")]
    with open_bytes(data) as archive, pytest.raises(NotSupported, match="encrypted"):
        archive.read("secret")
    refuses(data, tmp_path / "out", NotSupported, "encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("size", [0, 1, 1000, 3_000_000])
def test_methods_of_other_programs(tmp_path: Path, method: int, size: int) -> None:
    content = (noise(min(size, 50_000), size) + bytes(size))[:size]
    data = zipped([("a", content), ("b", b"b" * 1000)], method)
    assert problems(data) == []
    with open_bytes(data) as archive:
        source = archive.source("a")
        for at in (size - 10, 0, size // 2, 1, size // 2 + 1000):
            assert source.read_at(max(0, at), 500) == content[max(0, at) :][:500]
        done = unpack(archive, tmp_path / "out")
    assert done.written == ("a", "b")
    assert (tmp_path / "out" / "a").read_bytes() == content


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_bytes_of_other_methods(method: int) -> None:
    data = zipped([("a", noise(500, 3)), ("good", b"good")], method)
    for at in range(31, 500, 7):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        found = {path for path, _ in problems(bytes(changed))}
        assert found <= {"a"}
        meaningless = {31, 32, 36, 37, 38, 39} if method == zipfile.ZIP_LZMA else set()  # version; how far back it may look
        assert found or at in meaningless, at


def test_what_can_not_be_read_is_told_from_damage(tmp_path: Path) -> None:
    """Encrypted, or packed in a way that is not known: named, with a status of its own; all others are checked."""
    deflate64 = directory_field(zipped([("a", b"a" * 1000), ("good", noise(50))]), 10, 9, 2)
    lzma_of_4_gib = bytearray(zipped([("a", b"a" * 1000), ("good", noise(50))], zipfile.ZIP_LZMA))
    lzma_of_4_gib[31 + 5 : 31 + 9] = b"\xff" * 4
    lzma_of_4_gib = bytearray(directory_field(bytes(lzma_of_4_gib), 24, 0xF0000000))
    with open_bytes(deflate64) as archive:
        result = check_archive(archive)
        assert [(problem.path, problem.kind) for problem in result.problems] == [("a", Kind.UNREADABLE)]
        assert "Deflate64" in result.problems[0].what
        assert (result.files_read, result.exit_status) == (1, 5)
        with pytest.raises(NotSupported, match="Deflate64"):
            archive.read("a")
    refuses(deflate64, tmp_path / "out", NotSupported, "Deflate64")
    with open_bytes(encrypted()) as archive:
        assert check_archive(archive).exit_status == 5
    both = bytearray(deflate64)
    both[both.index(b"PK\3\4", 4) + 40] ^= 1
    with open_bytes(bytes(both)) as archive:
        result = check_archive(archive)
        assert {problem.path: problem.kind for problem in result.problems} == {"a": Kind.UNREADABLE, "good": Kind.DAMAGED}
        assert result.exit_status == 11


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_bytes(tmp_path: Path, method: int) -> None:
    data = bytearray(zipped([("bad", noise(5000)), ("good", b"good")], method))
    data[2500] ^= 1
    assert [path for path, _ in problems(bytes(data))] == ["bad"]
    with open_bytes(bytes(data)) as archive:
        done = unpack(archive, tmp_path / "out")
    assert done.written == ("good",)
    assert [path for path, _ in done.failed] == ["bad"]
    assert [place.name for place in (tmp_path / "out").iterdir()] == ["good"]


def directory_field(data: bytes, offset: int, value: int, width: int = 4, entry: int = 0) -> bytes:
    """The zip with a number of one of its directory's entries changed."""
    changed = bytearray(data)
    at = -1
    for _ in range(entry + 1):
        at = data.index(b"PK\1\2", at + 1)
    changed[at + offset : at + offset + width] = value.to_bytes(width, "little")
    return bytes(changed)


@pytest.mark.parametrize("size", [0, 99, 101, 1 << 31, 0xFFFFFFFE])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_that_are_lies(tmp_path: Path, size: int, method: int) -> None:
    data = directory_field(zipped([("a", b"a" * 100), ("good", b"good")], method), 24, size)
    assert listed(data) == ["a", "good"]
    assert "a" in [path for path, _ in problems(data)]
    with open_bytes(data) as archive:
        try:
            done = unpack(archive, tmp_path / "out")
        except FilmArchiveError:
            assert not (tmp_path / "out").exists()
        else:
            assert [path for path, _ in done.failed] == ["a"]
            assert {place.name for place in (tmp_path / "out").iterdir()} == {"good"}


@pytest.mark.parametrize("offset", [1, 1000, 0xFFFFFFFE])
def test_offsets_that_are_lies(tmp_path: Path, offset: int) -> None:
    data = directory_field(zipped([("a", b"a" * 100), ("good", b"good")]), 42, offset)
    assert listed(data) == ["a", "good"]
    assert "a" in [path for path, _ in problems(data)]
    with open_bytes(data) as archive:
        with pytest.raises(Damaged):
            archive.read("a")
        done = unpack(archive, tmp_path / "out")
    assert (done.written, [path for path, _ in done.failed]) == (("good",), ["a"])


def test_a_damaged_directory(tmp_path: Path) -> None:
    data = zipped([(f"{number}", b"x" * 50) for number in range(20)])
    broken = data.replace(b"PK\1\2", b"PK\1\3", 5)
    with pytest.raises(Damaged, match="directory"):
        listed(broken)
    path = tmp_path / "broken.zip"
    path.write_bytes(broken)
    with pytest.raises(NotSupported):
        repair_archive(path)


# Anything


def examine(data: bytes) -> None:
    """Everything that reads, within our errors and a sane time."""
    started = time.monotonic()
    with contextlib.suppress(FilmArchiveError), open_bytes(data) as archive:
        for member in archive.members():
            if member.role in (Role.FOLDER, Role.SYMLINK):
                continue
            with contextlib.suppress(FilmArchiveError):
                source = archive.source(member)
                source.read_at(0, min(source.size, 1 << 20))
                source.read_at(max(0, source.size - 10), 100)
        check_archive(archive)
        archive.member("footage/a.mov")
    assert time.monotonic() - started < 60  # it does not hang


OTHERS = [
    zipped([("a", b"a" * 300), ("b/", b""), ("c", noise(50))], zipfile.ZIP_DEFLATED, b"comment"),
    zipped([("ü", b"a" * 300), ("c", noise(50))]),
]


@given(st.sampled_from(OTHERS), st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=6))
@settings(max_examples=300)
def test_foreign_zips_with_changed_bytes(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    examine(bytes(changed))


@given(st.binary(max_size=200), st.binary(max_size=200))
@example(b"", b"")
def test_bytes_with_an_end_record(before: bytes, after: bytes) -> None:
    examine(before)
    examine(before + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 46, len(before), 0) + after)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_two_generations(tmp_path_factory.mktemp("ours") / "archive.zip").read_bytes()


def changed_structure(data: bytes, seed: int) -> bytes:
    """Our archive with some bytes of what is not a payload or a gap changed, swapped, cut or doubled."""
    dice = random.Random(seed)
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 8)):
        at = dice.choice([dice.randrange(len(changed)), len(changed) - 1 - dice.randrange(min(1500, len(changed)))])
        kind = dice.randrange(4)
        if kind < 2:
            changed[at] = dice.randrange(256)
        elif kind == 2:
            changed[at : at + 4] = dice.choice([b"\xff" * 4, bytes(4), b"PK\5\6", b"PK\1\2"])
        else:
            del changed[at : at + dice.randrange(1, 50)]
    return bytes(changed)


def hostile(ours: bytes, path: Path, seeds: range, mend: Callable[[Path], object]) -> None:
    for seed in seeds:
        data = changed_structure(ours, seed)
        examine(data)
        path.write_bytes(data)
        try:
            mend(path)
        except FilmArchiveError:
            continue
        examine(path.read_bytes())


def test_our_archives_with_changed_bytes(ours: bytes, tmp_path: Path, unsynced: None) -> None:
    hostile(ours, tmp_path / "archive.zip", range(400), repair_archive)


@pytest.mark.nightly
def test_our_archives_with_changed_bytes_at_length(ours: bytes, tmp_path: Path, unsynced: None) -> None:
    hostile(ours, tmp_path / "archive.zip", range(400, 20_000), repair_archive)


def test_places_of_many_members_large_and_small(tmp_path: Path) -> None:
    """Local headers are read many at once where members are small; an extra field is only in the local ones."""
    target = tmp_path / "many.zip"
    dice = random.Random(7)
    contents = {f"{number}.bin": dice.randbytes(dice.choice([0, 5, 700, 8000, 9000, 70_000])) for number in range(300)}
    with zipfile.ZipFile(target, "w") as made:
        for name, data in contents.items():
            with made.open(zipfile.ZipInfo(name), "w", force_zip64=dice.random() < 0.5) as member:
                member.write(data)
    whole = target.read_bytes()
    with open_archive(target) as archive:
        members = list(archive.members())
    assert [member.path for member in members] == list(contents)
    for member in members:
        assert member.offset is not None
        assert whole[member.offset : member.offset + member.size] == contents[member.path]


@pytest.mark.parametrize("zeros", [(16, 28), (16, 20), (20, 24), (24, 28)])
def test_a_directory_that_contradicts_the_local_headers(tmp_path: Path, zeros: tuple[int, int]) -> None:
    """Where zeros were written over CRC and sizes in the directory, an empty file would seem to be whole."""
    target = tmp_path / "a.zip"
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("a.txt", b"text " * 200)
    data = bytearray(target.read_bytes())
    entry = data.index(b"PK\1\2")
    data[entry + zeros[0] : entry + zeros[1]] = bytes(zeros[1] - zeros[0])
    target.write_bytes(data)
    with open_archive(target) as archive:
        assert not check_archive(archive).ok
        done = unpack(archive, tmp_path / "out")
    assert not done.written
    assert [path for path, _ in done.failed] == ["a.txt"]


def test_a_name_that_is_damaged_in_the_directory_leaves_no_folder(tmp_path: Path) -> None:
    data = zipped([("day1/a.mov", b"a" * 50), ("day2/b.mov", b"b" * 50)])
    at = data.rindex(b"day2/")
    path = tmp_path / "foreign.zip"
    path.write_bytes(data[:at] + b"dax" + data[at + 3 :])
    with open_archive(path) as archive:
        (problem,) = check_archive(archive).problems
        done = unpack(archive, tmp_path / "out")
    (failed,) = done.failed
    assert failed[0] == "dax2/b.mov"
    assert "header is not where the directory says" in failed[1]
    assert "is not where the directory says" in problem.what
    assert sorted(place.name for place in (tmp_path / "out").rglob("*")) == ["a.mov", "day1"]
