"""Reading archives: what members say, hostile manifests with good seals, both forms alike."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from film_archive.archive import layout
from film_archive.archive.check import check_archive
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import Archive, FolderArchive, ZipArchive, open_archive
from film_archive.archive.repair import diagnose
from film_archive.archive.unpack import choose_members, unpack
from film_archive.archive.writer import ZipWriter
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, Refused
from film_archive.core.manifest import Header, member_line, sealed_lines
from film_archive.core.member import Member, Role
from film_archive.core.source import MemorySource
from tests.archive.making import FIRST, MTIME_NS, check, contents, make_archive, noise, read_all, sealed_zip


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    one = make_archive(tmp_path / "one.zip", FIRST)
    two = make_archive(tmp_path / "two.zip", FIRST)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(one.read_bytes()[:-10])
    before = open_descriptors()
    for _ in range(2000):
        with open_archive(one) as first, open_archive(two) as second:
            first.source("footage/a.mov").close()
            second.read("zero")
        with pytest.raises(Damaged):
            open_archive(broken)
    assert open_descriptors() == before


def test_writers_leave_no_descriptor_open(tmp_path: Path) -> None:
    path = tmp_path / "archive.zip"
    before = open_descriptors()
    for _ in range(30):
        make_archive(path, FIRST)
        with ZipWriter.add_to(path) as archive:
            archive.finish()
        with ZipWriter.add_to(path):
            pass
        with pytest.raises(Refused):
            ZipWriter.create(path)
        broken = tmp_path / "broken.zip"
        broken.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(FilmArchiveError):
            ZipWriter.add_to(broken)
        diagnose(broken)
        path.unlink()
    assert open_descriptors() == before


def test_a_member_by_path(tmp_path: Path) -> None:
    with open_archive(make_archive(tmp_path / "archive.zip", FIRST)) as archive:
        member = archive.member("footage/a.mov")
        assert (member.size, member.mtime_ns, member.mode) == (300, MTIME_NS, 0o640)
        assert archive.read("footage/a.mov") == FIRST["footage/a.mov"]
        extent = archive.source(member).extent()
        assert extent is not None
        assert (extent.path, extent.offset, extent.length) == (archive.path, member.offset, 300)
        for missing in ("footage", "footage/b.mov", "", "footage/a.mov/", "\udcff"):
            with pytest.raises((NotFound, NotSupported)):
                archive.source(missing)
        for other in ("link", "empty folder"):
            with pytest.raises(NotSupported, match="has no bytes"):
                archive.source(other)


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_bytes(b"text")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, error in (
        ("folder", NotFound),
        ("text", NotFound),
        ("none", NotFound),
        ("pipe", NotSupported),
        ("loop", Refused),
        ("text/below", NotFound),
        ("x" * 300, FilmArchiveError),
    ):
        with pytest.raises(error):
            open_archive(tmp_path / name)


# Manifests of somebody who can seal


def examine(archive: Archive) -> None:
    """All that can be asked of an archive, within our errors."""
    for member in archive.members():
        for ask in (
            lambda member=member: archive.source(member).read_at(0, 100),
            lambda member=member: archive.member(member.path),
            lambda member=member: (member.media, member.proxies, member.raw_name, member.crc32, member.sequence),
            lambda member=member: list(member.frame_members()),
            lambda member=member: layout.place_of(member),
            lambda member=member: layout.link_target(member),
        ):
            with contextlib.suppress(FilmArchiveError):
                ask()
    check_archive(archive)


NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(4000, 9000),
    st.sampled_from([-(1 << 70), 1 << 31, 1 << 32, 1 << 63, 1 << 64, 10**30, 1.5, -0.0, 1e300]),
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=5), st.lists(NUMBERS, max_size=2),
    st.dictionaries(st.text(max_size=3), NUMBERS, max_size=2),
)  # fmt: skip
KEYS = [
    "path", "role", "size", "offset", "crc32", "digests", "mtime_ns", "mode", "of", "target",
    "raw_name", "raw_target", "media", "proxies", "packed_size", "method", "sequence", "table", "encrypted", "proxy",
]  # fmt: skip
LINES = st.fixed_dictionaries(
    {
        "path": st.one_of(
            st.sampled_from(["footage/a.mov", "../up", "/abs", "a\\b", "", "\0", "x" * 300, "a/" * 40]), ANYTHING
        ),
        "role": st.one_of(st.sampled_from([*Role, "later"]), ANYTHING),
        "size": st.one_of(NUMBERS, ANYTHING),
    },
    optional={
        **dict.fromkeys(KEYS[3:], ANYTHING),
        "offset": NUMBERS,
        "crc32": st.sampled_from(["00000000", "ffffffffff", "-1", "x"]),
        "digests": st.sampled_from([{"xxh128": "00"}, {"none": "00"}, {"crc32": 5}, {"xxh128": [1]}]),
        "raw_name": st.sampled_from(["ff", "zz", "2e2e2f75", "00"]),
        "sequence": st.sampled_from([{}, {"prefix": "a", "digits": 4, "suffix": "b", "count": 10**12}, {"count": "x"}]),
        "media": st.sampled_from([{}, {"frame_rate": "0/0"}, {"container": 5}, {"start_timecode": "99:99:99:99"}]),
    },
)


@given(st.lists(LINES, min_size=1, max_size=3), st.dictionaries(st.sampled_from(
    ["generation", "members", "bytes", "offset", "superseded", "schema_version", "archive_id", "tool"]
), ANYTHING, max_size=1))  # fmt: skip
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(lines=[{"path": "a", "role": "original", "size": 0, "offset": 0}], header={})
@example(lines=[{"path": "a", "role": "original", "size": 0, "offset": 99, "method": 1 << 16}], header={})
def test_sealed_manifests_of_anybody(
    tmp_path: Path, unsynced: None, lines: list[dict[str, Any]], header: dict[str, Any]
) -> None:
    path = sealed_zip(tmp_path / "hostile.zip", [json.dumps(line).encode() for line in lines], header)
    try:
        with ZipArchive(path) as archive:
            assert archive.directory.sealed
            examine(archive)
            choose_members(archive)
            unpack(archive, tmp_path / "out")
    except FilmArchiveError:
        pass
    assert not (tmp_path / "up").exists()
    with contextlib.suppress(FilmArchiveError):
        diagnose(path)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}", b"[]", b"null", b"5", b'"path"', b"{", b"\xff", b'{"path":"a"}', b"[" * 100_000,
        b'{"path":"a","role":"original","size":NaN}', b'{"path":"a","role":"original","size":1e999}',
        b'{"path":"\\ud800","role":"original","size":0}',
    ],
)  # fmt: skip
def test_lines_that_are_no_members(tmp_path: Path, line: bytes) -> None:
    path = sealed_zip(tmp_path / "hostile.zip", [line])
    with ZipArchive(path) as archive:
        assert not check_archive(archive).ok
        with pytest.raises(FilmArchiveError):
            list(archive.members())


def test_a_manifest_of_a_later_version_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = sealed_zip(tmp_path / "later.zip", [], {"schema_version": 2})
    with pytest.raises(NotSupported, match="update film-archive"):
        open_archive(path)


def test_what_a_later_version_adds_is_passed_on(tmp_path: Path) -> None:
    line = {"path": "note", "role": "later", "size": 0, "later": {"key": [1, 2]}}
    path = sealed_zip(tmp_path / "later.zip", [json.dumps(line).encode()], {"later": "x", "bytes": 0})
    with ZipWriter.add_to(path) as archive:
        archive.add("b", MemorySource(b"b"), identity="1")
        archive.finish()
    with ZipArchive(path) as opened:
        assert opened.member("note").to_json() == line
        assert opened.header is not None
        assert opened.header.more == {"later": "x"}


def test_a_manifest_that_inflates_for_ever_is_refused(tmp_path: Path) -> None:
    path = sealed_zip(tmp_path / "bomb.zip", [b" " * (100 << 20)])
    with pytest.raises(Damaged, match="claims"):
        open_archive(path)


# The folder form


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    (path / "footage").mkdir(parents=True)
    (path / "footage" / "a.mov").write_bytes(noise(5000))
    with FolderWriter.create(path) as archive:
        archive.add("footage/a.mov", MemorySource(noise(5000)), identity="1", mtime_ns=MTIME_NS)
        archive.finish()
    return path


def sealed_folder(folder: Path, lines: list[Member]) -> None:
    header = Header(archive_id="x", members=len(lines), bytes=sum(line.size for line in lines))
    text = b"".join(sealed_lines(header, lambda: map(member_line, lines)))
    for name in (layout.MANIFEST, layout.MANIFEST_COPY):
        (folder / name).write_bytes(text)


def test_the_folder_form_reads_alike(folder: Path) -> None:
    with open_archive(folder) as archive:
        assert isinstance(archive, FolderArchive)
        assert archive.read("footage/a.mov") == noise(5000)
        assert read_all(archive).keys() == {"footage/a.mov", layout.FORMAT}
    assert check(folder).ok


def test_each_flip_in_each_file_of_a_folder_is_detected(folder: Path) -> None:
    for place in (path for path in folder.rglob("*") if path.is_file()):
        data = place.read_bytes()
        status = place.stat()
        for at in range(0, len(data), 1 if layout.OWN in place.parts else 97):
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            place.write_bytes(changed)
            with contextlib.suppress(Damaged):
                assert not check(folder).ok, (place, at)
        place.write_bytes(data[:-1])
        with contextlib.suppress(Damaged):
            assert not check(folder).ok
        place.write_bytes(data)
        os.utime(place, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert check(folder).ok


def test_lost_files_of_a_folder_are_named(folder: Path) -> None:
    (folder / "footage" / "a.mov").unlink()
    assert [problem.path for problem in check(folder).problems] == ["footage/a.mov"]
    with open_archive(folder) as archive:
        done = unpack(archive, folder.parent / "out")
    assert [path for path, _ in done.failed] == ["footage/a.mov"]


def test_a_folder_never_leads_out_of_itself(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (folder / "link").symlink_to(secret)
    (folder / "above").symlink_to("..")
    for path, raw in (
        ("link", None),
        ("above/secret", None),
        ("../secret", None),
        (str(secret), None),
        ("footage/a.mov", os.fsencode(secret).hex()),
        ("footage/a.mov", b"../secret".hex()),
        ("a%00", b"a\0".hex()),
    ):
        sealed_folder(folder, [Member.make(path, Role.ORIGINAL, 6, raw_name=raw)])
        with open_archive(folder) as archive, pytest.raises(Refused):
            archive.source(path)
        assert not check(folder).ok


def test_an_altered_file_is_not_served_for_the_archived_one(folder: Path) -> None:
    with (folder / "footage" / "a.mov").open("ab") as file:
        file.write(b"more")
    with open_archive(folder) as archive, pytest.raises(Damaged, match="5004 bytes instead of the 5000"):
        archive.source("footage/a.mov")


def test_archives_on_a_read_only_medium(folder: Path, tmp_path: Path) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    path.chmod(0o444)
    for place in [*folder.rglob("*"), folder]:
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        assert check(path).ok
        assert check(folder).ok
        assert contents(path)["zero"] == b""
    finally:
        for place in [folder, *folder.rglob("*")]:
            place.chmod(0o755 if place.is_dir() else 0o644)
