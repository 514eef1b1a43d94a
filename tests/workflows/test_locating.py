"""What a user points at, with `::` wherever names may have it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from film_archive.core.errors import NotFound
from film_archive.workflows.locating import locate, split
from tests.archive.making import make_archive


def read(what: str) -> bytes:
    with locate(what) as located:
        return located.source.read_at(0, 100)


def test_a_file_and_a_member(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"file")
    archive = make_archive(tmp_path / "a.zip", {"x": b"x", "day/y": b"y"})
    assert split(str(tmp_path / "file")) == (str(tmp_path / "file"), "")
    assert read(str(tmp_path / "file")) == b"file"
    assert read(f"{archive}::x") == b"x"
    assert read(f"{archive}::day/y") == b"y"
    for what in (f"{archive}::z", f"{tmp_path}/none::x", f"{tmp_path}/none", f"{tmp_path}/file::x"):
        with pytest.raises(NotFound):
            read(what)


def test_colons_in_names(tmp_path: Path) -> None:
    plain = tmp_path / "a::b.mov"
    plain.write_bytes(b"plain")
    assert read(str(plain)) == b"plain"
    archive = make_archive(tmp_path / "c::d.zip", {"x": b"x", "mm::n": b"mn", "::": b"odd", "oo:::p": b"op"})
    assert read(f"{archive}::x") == b"x"
    assert read(f"{archive}::mm::n") == b"mn"
    assert read(f"{archive}::::") == b"odd"
    assert read(f"{archive}::oo:::p") == b"op"
    folder = tmp_path / "e::f"
    folder.mkdir()
    (folder / "g::h").write_bytes(b"gh")
    assert read(str(folder / "g::h")) == b"gh"


def test_a_member_comes_before_a_file_of_the_whole_name(tmp_path: Path) -> None:
    archive = tmp_path / "a"
    make_archive(archive, {"b": b"member"})
    (tmp_path / "a::b").write_bytes(b"file")
    (tmp_path / "a::c").write_bytes(b"another file")
    assert read(f"{archive}::b") == b"member"
    assert read(f"{archive}::c") == b"another file"
    with pytest.raises(NotFound, match="no member d"):
        read(f"{archive}::d")


def test_the_longer_name_has_the_member(tmp_path: Path) -> None:
    """`a` and `a::b` are archives both, and only one has what is meant."""
    make_archive(tmp_path / "a", {"x": b"of a", "bb::z": b"z of a"})
    make_archive(tmp_path / "a::bb", {"y": b"of a::bb", "z": b"z of a::bb"})
    assert read(f"{tmp_path}/a::x") == b"of a"
    assert read(f"{tmp_path}/a::bb::y") == b"of a::bb"
    assert read(f"{tmp_path}/a::bb::z") == b"z of a"
    with pytest.raises(NotFound, match="no member bb::w"):
        read(f"{tmp_path}/a::bb::w")


def test_a_foreign_zip_beside_a_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as foreign:
        foreign.writestr("b.txt", b"text")
    assert read(f"{tmp_path}/a.zip::b.txt") == b"text"
