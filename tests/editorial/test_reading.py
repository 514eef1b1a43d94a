"""Which format a list is in, and what is no list."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported
from film_archive.editorial import adapters
from film_archive.editorial.reading import read_list, read_list_bytes
from tests.editorial.corpus import CORPUS, needs_corpus, real_lists

EDL = "001  A001 V  C  01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12\n"
CSV = "reel,in,out\nA001,01:00:00:00,01:00:01:00\n"
ALE = "Heading\nFPS\t24\n\nColumn\nStart\tEnd\n\nData\n01:00:00:00\t01:00:01:00\n"
OTIO = json.dumps({"OTIO_SCHEMA": "Timeline.1", "name": "T", "tracks": {"OTIO_SCHEMA": "Stack.1", "children": []}})
FCPXML = '<?xml version="1.0"?>\n<!DOCTYPE fcpxml>\n<fcpxml version="1.11"/>'
FCP7 = '<?xml version="1.0"?>\n<!DOCTYPE xmeml>\n<xmeml version="4"><sequence/></xmeml>'


@pytest.mark.parametrize("name", ["list", "list.txt", "list.bin"])
@pytest.mark.parametrize(
    ("text", "format_"),
    [(EDL, "edl"), ("TITLE: X\n" + EDL, "edl"), (CSV, "csv"), (ALE, "ale"), (OTIO, "otio"), (FCPXML, "fcpxml")],
)
def test_the_content_decides(text: str, format_: str, name: str) -> None:
    for encoding in ("utf-8", "utf-8-sig"):
        assert read_list_bytes(text.encode(encoding), name).format == format_
    if format_ in ("edl", "csv", "ale"):
        assert len(read_list_bytes(text.encode("utf-16"), name)) == 1


def test_the_name_decides_where_the_content_does_not() -> None:
    assert [read_list_bytes(b"x", f"x.{name}").format for name in ("edl", "csv", "tsv", "ale", "txt")] == [
        *("edl", "csv", "csv", "ale", "edl")
    ]
    assert read_list_bytes(CSV.encode(), "x.edl").format == "edl"
    assert read_list_bytes(b"", "x").events == ()


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.edl").write_text(EDL)
    assert len(read_list(tmp_path / "a.edl")) == 1
    bundle = tmp_path / "cut.otiod"
    bundle.mkdir()
    with pytest.raises(NotFound, match="folder without a timeline"):
        read_list(bundle)
    (bundle / "content.otio").write_text(OTIO)
    assert read_list(bundle).title == "T"
    other = tmp_path / "cut.fcpxmld"
    other.mkdir()
    (other / "Info.fcpxml").write_text(FCPXML)
    assert read_list(other).format == "fcpxml"
    with pytest.raises(NotFound):
        read_list(tmp_path / "absent.edl")


def test_pipes_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.edl")
    with pytest.raises(NotSupported, match="is a pipe"):
        read_list(tmp_path / "pipe.edl")


def zipped(name: str, data: bytes, **more: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **more) as file:
        file.writestr("version.txt", "1.0.0")
        file.writestr(name, data)
    return buffer.getvalue()


def test_bundles(tmp_path: Path) -> None:
    path = tmp_path / "cut.otioz"
    path.write_bytes(zipped("content.otio", OTIO.encode()))
    assert read_list(path).title == "T"
    path.write_bytes(zipped("Content.OTIO", OTIO.encode(), compression=zipfile.ZIP_DEFLATED))
    assert read_list(path).title == "T"
    path.write_bytes(zipped("other.otio", OTIO.encode()))
    with pytest.raises(NotSupported, match=r"zip without content\.otio"):
        read_list(path)
    whole = zipped("content.otio", OTIO.encode(), compression=zipfile.ZIP_DEFLATED)
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with contextlib.suppress(FilmArchiveError):
            read_list(path)
    path.write_bytes(whole[:-30])
    with pytest.raises(Damaged, match="can't be read as a bundle"):
        read_list(path)


@pytest.mark.parametrize("start", ["{", "<", "<xmeml", "<fcpxml>", "\xd0"])
def test_what_only_begins_like_a_format_is_damaged(start: str) -> None:
    with pytest.raises(Damaged):
        read_list_bytes((start + "\0garbage").encode(), "x.edl") if start != "\xd0" else read_list_bytes(b"{", "x")


def test_without_the_extra_its_formats_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    opentimelineio = pytest.importorskip("opentimelineio")
    monkeypatch.setattr(opentimelineio.adapters, "available_adapter_names", lambda: ["otio_json"])
    with pytest.raises(NotSupported, match=r"pip install 'film-archive\[aaf\]' \(otio-fcp-adapter\)"):
        read_list_bytes(FCP7.encode(), "cut.xml")
    with pytest.raises(NotSupported, match=r"pip install 'film-archive\[aaf\]' \(otio-aaf-adapter\)"):
        read_list_bytes(bytes.fromhex("d0cf11e0a1b11ae1"), "cut.aaf")


def has(adapter: str) -> bool:
    opentimelineio = pytest.importorskip("opentimelineio")
    return adapter in opentimelineio.adapters.available_adapter_names()


@needs_corpus
@pytest.mark.filterwarnings("ignore")
def test_real_lists_of_the_extra() -> None:
    if not (has("AAF") and has("fcp_xml")):
        pytest.skip("the adapters of the extra [aaf] are not installed")
    counts = {}
    for file in (*real_lists("aaf/**/*.aaf"), *real_lists("fcp7xml/**/*.xml")):
        edits = read_list(file)
        counts[file.name] = len(edits)
        assert edits.format == ("aaf" if file.suffix == ".aaf" else "fcp7xml")
    assert counts == {
        "2997fps-DFTC.aaf": 7,
        "linear_speed_effects.aaf": 20,
        "one_clip.aaf": 2,
        "simple.aaf": 15,
        "transitions.aaf": 18,
        "utf8.aaf": 2,
        "hiero_xml_export.xml": 2,
        "premiere_generators.xml": 8,
    }
    (clip, _) = read_list(CORPUS / "fcp7xml" / "OpenTimelineIO__otio-fcp-adapter" / "hiero_xml_export.xml")
    assert (clip.source_in, clip.source_file, clip.from_media_start) == (
        "12:44:37:23",
        "A160C005_171213_R0MN.mxf",
        False,
    )


@pytest.mark.filterwarnings("ignore")
def test_damaged_lists_of_the_extra() -> None:
    if not (has("AAF") and has("fcp_xml")):
        pytest.skip("the adapters of the extra [aaf] are not installed")
    with pytest.raises(Damaged, match=r"^cut\.aaf can't be read as an AAF"):
        adapters.read_aaf(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000), "cut.aaf")
    with pytest.raises(NotSupported, match="declares a document type"):
        adapters.read_fcp7(FCP7.replace("xmeml>\n", 'xmeml [<!ENTITY a "b">]>\n').encode(), "cut.xml")
    with pytest.raises(Damaged, match="its root is a"):
        adapters.read_fcp7(b"<a/>", "cut.xml")


@needs_corpus
def test_every_real_list_is_read() -> None:
    for file in [*real_lists("edl/**/*.[eE][dD][lL]"), *real_lists("ale/**/*.ale"), *real_lists("otioz/**/*.otioz")]:
        edits = read_list(file)
        assert len(edits) > 0, file.name
        assert edits.format == {".edl": "edl", ".ale": "ale", ".otioz": "otio"}[file.suffix.casefold()]
