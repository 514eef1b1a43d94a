"""Every version of the format that was ever written stays readable, and today's is written byte for byte as it was.

`tests/golden/format-1.zip.hex` (lines of zeros are left out) was written once and is never made again: if these tests fail,
the code is wrong.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from film_archive.archive import continuing, layout
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import FolderArchive, ZipArchive
from film_archive.archive.unpack import unpack
from film_archive.archive.writer import ZipWriter
from film_archive.core.member import Role
from film_archive.core.source import MemorySource
from tests.archive.making import check

GOLDEN = Path(__file__).parent.parent / "golden"
VERSION = "0.1.0"
MTIME_NS = 1_700_000_000_987_654_321


def make(path: Path) -> None:
    with ZipWriter.create(path, algorithms=["md5"]) as archive:
        archive.add_folder("footage", empty=False, mtime_ns=MTIME_NS + 1, mode=0o755)
        archive.add("footage/Ü.mov", MemorySource(b"not a movie\n"), identity="1", mtime_ns=MTIME_NS, mode=0o640)
        archive.add("footage/%FF", MemorySource(b""), identity="2", mtime_ns=MTIME_NS, raw_name="666f6f746167652fff")
        archive.add_folder("footage/empty", empty=True, mtime_ns=MTIME_NS, mode=0o700)
        archive.add_symlink("footage/link", "Ü.mov", mtime_ns=MTIME_NS)
        archive.add_bytes(
            layout.index_path("footage/Ü.mov"), b"index", identity="3", role=Role.FRAMES, of="footage/Ü.mov"
        )
        archive.finish()


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path = tmp_path / "golden.zip"
    *lines, size = (GOLDEN / "format-1.zip.hex").read_text().splitlines()
    data = bytearray(int(size, 16))
    for line in lines:
        at, _, text = line.partition(" ")
        part = bytes.fromhex(text)
        data[int(at, 16) : int(at, 16) + len(part)] = part
    path.write_bytes(data)
    return path


def test_format_1_is_written_as_it_was(tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ZipArchive(golden) as archive:
        manifest, header = archive.manifest_entry, archive.header
        assert manifest is not None
        assert header is not None
        text = b"".join(archive._manifest_chunks())
    deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
    if len(deflater.compress(text) + deflater.flush()) != manifest.packed_size:
        pytest.skip("this Python deflates otherwise than zlib 1.2 and 1.3 do")
    monkeypatch.setattr(continuing, "__version__", VERSION)
    made = tmp_path / "made.zip"
    make(made)
    assert made.read_bytes() == golden.read_bytes()


def test_format_1_is_read(golden: Path, tmp_path: Path) -> None:
    assert check(golden).ok
    with ZipArchive(golden) as archive:
        assert archive.sealed
        assert archive.header is not None
        assert (archive.header.schema_version, archive.header.generation, archive.header.members) == (1, 1, 7)
        assert archive.header.archive_id == "7bda5e0eb61f0184206fa28824e6ced4"
        member = archive.member("footage/Ü.mov")
        assert (member.size, member.offset, member.mtime_ns, member.mode) == (12, 4096, MTIME_NS, 0o640)
        assert member.digests["md5"] == "2f679cc346dfda62913dc07032fd727d"
        assert archive.read("footage/Ü.mov") == b"not a movie\n"
        assert archive.member("footage/%FF").raw_name == b"footage/\xff"
        assert archive.member("footage/link").target == "Ü.mov"
        assert archive.read(layout.index_path("footage/Ü.mov")) == b"index"
        unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "footage" / "Ü.mov").stat().st_mtime_ns == MTIME_NS


def test_the_folder_form_is_written_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuing, "__version__", VERSION)
    (tmp_path / "a.mov").write_bytes(b"not a movie\n")
    with FolderWriter.create(tmp_path) as archive:
        archive.add("b.mov", MemorySource(b"copied in\n"), identity="1", mtime_ns=MTIME_NS, mode=0o640)
        archive.add_folder("empty", empty=True, mtime_ns=MTIME_NS, mode=0o700)
        archive.finish()
    golden = (GOLDEN / "format-1-folder.manifest.jsonl").read_bytes()
    assert (tmp_path / layout.MANIFEST).read_bytes() == golden
    assert (tmp_path / layout.MANIFEST_COPY).read_bytes() == golden
    assert (tmp_path / layout.FORMAT).read_bytes() == layout.FORMAT_TEXT
    with FolderArchive(tmp_path) as opened:
        assert opened.read("b.mov") == b"copied in\n"
