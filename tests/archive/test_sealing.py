"""Manifests of any size: what 4 GiB mean is decided before the header is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.archive import layout, sealing, zipformat
from film_archive.archive.reader import ZipArchive
from film_archive.archive.repair import repair_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core.errors import Refused
from film_archive.core.manifest import Header
from film_archive.core.source import MemorySource
from tests.archive.making import check, noise

MEMBERS = {f"card/{number:02}.mov": noise(40, number) for number in range(20)}


def write(path: Path) -> None:
    with ZipWriter.create(path) as archive:
        for name, data in MEMBERS.items():
            archive.add(name, MemorySource(data, name), identity=name)
        archive.finish()


def manifest_size(path: Path) -> int:
    with ZipArchive(path) as archive:
        assert archive.manifest_entry is not None
        return archive.manifest_entry.size


def test_a_manifest_of_about_4_gib(tmp_path: Path, unsynced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is moved to where the manifest is, byte by byte around it: whole, added to, and mended."""
    write(tmp_path / "plain.zip")
    size = manifest_size(tmp_path / "plain.zip")
    big = set()
    for limit in range(size - 30, size + 30, 3):
        path = tmp_path / f"{limit}.zip"
        monkeypatch.setattr(zipformat, "MAX32", limit)
        write(path)
        with ZipArchive(path) as archive:
            assert archive.sealed
            assert archive.header is not None
            assert archive.manifest_entry is not None
            assert archive.read("card/07.mov") == MEMBERS["card/07.mov"]
            local = archive.file.read_at(archive.manifest_entry.header_offset + 4, 2)
            big.add((archive.manifest_entry.size >= limit, local))
        assert check(path).ok, limit
        data = path.read_bytes()
        path.write_bytes(data[:-100])
        repair_archive(path)
        assert path.read_bytes() == data
    assert big == {(False, (20).to_bytes(2, "little")), (True, (45).to_bytes(2, "little"))}


def test_a_manifest_that_grows_beyond_4_gib(tmp_path: Path, unsynced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "archive.zip"
    monkeypatch.setattr(zipformat, "MAX32", 20_000)
    sizes = []
    for day in range(8):
        with ZipWriter.create(path) if day == 0 else ZipWriter.add_to(path) as archive:
            for name, data in MEMBERS.items():
                archive.add(f"{day}/{name}", MemorySource(data, name), identity=name)
            archive.finish()
        assert check(path).ok
        sizes.append(manifest_size(path))
    assert sizes[0] < 20_000 < sizes[-1]
    data = bytearray(path.read_bytes())
    data[-3] ^= 1  # the seal: repair writes a directory for the manifest that it finds
    path.write_bytes(data)
    repair_archive(path)
    assert check(path).ok


def test_more_than_is_read_again_is_refused(tmp_path: Path, unsynced: None, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "archive.zip"
    monkeypatch.setattr(layout, "LARGEST_DIRECTORY", 500)
    with pytest.raises(Refused, match="directory would have"):
        write(path)
    assert not path.exists()
    monkeypatch.undo()
    write(path)  # continues
    assert check(path).ok
    monkeypatch.setattr(layout, "LARGEST_MANIFEST", 100)
    with pytest.raises(Refused, match="manifest would have"):
        sealing.manifest_of(lambda offset: Header(archive_id="x", offset=offset), 0, 50)


def test_a_size_that_was_wrong_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipformat, "MAX32", 100)
    with (tmp_path / "file").open("w+b") as file, pytest.raises(Refused, match="was to have 5"):
        sealing.write_manifest(file.fileno(), 0, [b"x" * 200], 5)


@pytest.mark.parametrize("lines_size", [0, (1 << 32) - 400, (1 << 32) - 200, (1 << 32) - 1, 1 << 32, 5 << 30])
@pytest.mark.parametrize("position", [0, 9999, 99_999_999_990, 10**12 - 40])
def test_size_and_place_fit_each_other(lines_size: int, position: int) -> None:
    header, size = sealing.manifest_of(lambda offset: Header(archive_id="x", offset=offset), position, lines_size)
    assert size == lines_size + len(header.to_line())
    header_at, payload = sealing.manifest_place(position, size)
    assert (header_at, payload) == (position, header.offset)
    entry = sealing.manifest_entry(header_at, 0, size // 3, size)
    assert header_at + len(zipformat.local_header(entry, payload)) == payload
