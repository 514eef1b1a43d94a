"""Finding an archive's directory: the newest whole one of this file, never that of an archive inside a member."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from film_archive.archive import directory, zipformat
from film_archive.archive.reader import ZipArchive
from film_archive.archive.repair import repair_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core.errors import Damaged, NotFound
from film_archive.core.source import MemorySource
from tests.archive.making import FIRST, Layout, check, contents, make_archive, make_two_generations, noise, put

INNER = {"inner/secret.mov": noise(5000, 9)}


@pytest.fixture(params=["ours", "two generations", "foreign", "foreign with comment"])
def nested(request: pytest.FixtureRequest, tmp_path: Path, appending: None) -> bytes:
    """The bytes of a zip that becomes a member."""
    path = tmp_path / "nested.zip"
    if request.param == "ours":
        make_archive(path, INNER)
    elif request.param == "two generations":
        make_two_generations(path)
    else:
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("inner/secret.mov", noise(5000, 9))
            zipped.comment = b"PK\5\6" * 100 if "comment" in request.param else b""
    return path.read_bytes()


def open_bytes(data: bytes) -> ZipArchive:
    return ZipArchive("archive.zip", MemorySource(data, "archive.zip"))


def test_an_archive_in_an_archive(tmp_path: Path, nested: bytes) -> None:
    outer = make_archive(tmp_path / "outer.zip", {**FIRST, "nested.zip": nested})
    assert contents(outer)["nested.zip"] == nested
    assert check(outer).ok
    with ZipArchive(outer) as archive:
        inner = ZipArchive("inner", archive.source("nested.zip"))
        assert {member.path for member in inner.members()} >= {"inner/secret.mov"} or inner.header is not None


def test_an_add_that_is_killed_behind_a_nested_archive(tmp_path: Path, nested: bytes) -> None:
    """The file ends exactly where the nested archive ends, header or not; a copy without a journal keeps what is whole."""
    outer = make_archive(tmp_path / "outer.zip", FIRST)
    before, whole = outer.read_bytes(), contents(outer)
    with ZipWriter.add_to(outer) as archive:
        put(archive, {"nested.zip": nested})
    killed = outer.read_bytes()
    assert killed.endswith(nested)
    payload = len(killed) - len(nested)
    headless = killed[: len(before)] + bytes(payload - len(before)) + nested
    for data, kept in ((killed, {"nested.zip": nested}), (headless, {})):
        with open_bytes(data) as found:
            assert found.sealed
            assert found.directory.trailing == len(data) - len(before)
            assert {member.path: found.read(member.path) for member in found.members() if member.size} == {
                path: content for path, content in whole.items() if content
            }
        copy = tmp_path / "copy" / "outer.zip"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(data)
        repair_archive(copy)
        assert contents(copy) == {**whole, **kept}
    with ZipWriter.add_to(outer) as archive:  # and it is resumed
        put(archive, {"nested.zip": nested})
        archive.finish()
        assert archive.reused == 1
    assert contents(outer) == {**whole, "nested.zip": nested}


def test_a_create_that_is_cut_behind_a_nested_archive(tmp_path: Path, nested: bytes) -> None:
    outer = make_archive(tmp_path / "outer.zip", {**FIRST, "nested.zip": nested})
    with ZipArchive(outer) as archive:
        member = archive.member("nested.zip")
        assert member.offset is not None
        end = member.offset + member.size
    cut = outer.read_bytes()[:end]
    with pytest.raises(Damaged, match="try `repair`"):
        open_bytes(cut)
    outer.write_bytes(cut)
    repair_archive(outer)
    assert contents(outer)["nested.zip"] == nested
    assert "inner/secret.mov" not in contents(outer)


def test_a_lost_directory_behind_a_nested_archive(tmp_path: Path, nested: bytes) -> None:
    outer = make_archive(tmp_path / "outer.zip", {**FIRST, "nested.zip": nested})
    whole = outer.read_bytes()
    for at in (len(whole) - 1, len(whole) - 60, max(Layout(outer).manifest) + 5):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        outer.write_bytes(damaged)
        assert not check_quietly(outer)
        repair_archive(outer)
        assert outer.read_bytes() == whole


def check_quietly(path: Path) -> bool:
    try:
        return check(path).ok
    except (Damaged, NotFound):
        return False


def test_bytes_before_our_archive(tmp_path: Path) -> None:
    """The manifest's offsets don't hold there: members are read by the directory's, and it is not sealed."""
    path = make_archive(tmp_path / "archive.zip", FIRST)
    data = b"#!/bin/sh\n" * 1000 + path.read_bytes()
    with open_bytes(data) as found:
        assert not found.sealed
        assert found.directory.end.prefix == 10_000
        assert found.read("footage/a.mov") == FIRST["footage/a.mov"]


def test_a_self_extractor_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO(b"MZ" + noise(3000))
    buffer.seek(0, os.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as zipped:
        zipped.writestr("a", b"a" * 100)
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as zipped:
        zipped.writestr("a", b"a" * 100)
    for data in (buffer.getvalue(), b"MZ" + noise(3000) + plain.getvalue()):
        with open_bytes(data) as found:
            assert found.read("a") == b"a" * 100


def test_a_foreign_zip_with_something_behind_it() -> None:
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as zipped:
        zipped.writestr("a", b"a" * 100)
    with open_bytes(plain.getvalue() + b"junk" * 50) as found:
        assert found.read("a") == b"a" * 100
        assert found.directory.trailing == 200


def test_a_cut_foreign_zip_with_a_zip_in_it_is_not_that_zip() -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as zipped:
        zipped.writestr("a", b"a" * 100)
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as zipped:
        zipped.writestr("inner.zip", inner.getvalue())
    cut = outer.getvalue()[: outer.getvalue().rindex(inner.getvalue()) + len(inner.getvalue())]
    with pytest.raises(Damaged, match="a zip of another program"):
        open_bytes(cut)


def test_many_false_ends_cost_little(tmp_path: Path) -> None:
    """A file full of sealed-looking end records, each of which says that it is at its place."""
    path = make_archive(tmp_path / "archive.zip", FIRST)
    data = bytearray(path.read_bytes())
    with ZipArchive(path) as archive:
        entry = zipformat.central_header(archive.manifest_entry, archive.header.offset)  # type: ignore[arg-type, union-attr]
    for _ in range(3000):
        start = len(data)
        data += entry + zipformat.end_records(1, start, len(entry), directory.seal("0" * 32)) + b"x"
    with open_bytes(bytes(data)) as found:
        assert found.sealed
        assert found.directory.trailing > 100_000


@pytest.mark.parametrize("size", [0, 1, 21, 22, 5000])
def test_what_has_no_directory(size: int) -> None:
    with pytest.raises(NotFound):
        open_bytes(noise(size))


def test_an_empty_zip() -> None:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    with open_bytes(buffer.getvalue()) as found:
        assert list(found.members()) == []
        assert found.is_foreign
