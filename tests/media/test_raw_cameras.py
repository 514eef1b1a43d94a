"""Raw formats of cameras: how they are known, what their headers and names tell, and what their user is told."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from film_archive.core.errors import Damaged, NotMedia
from film_archive.core.reels import NAMINGS, reel_of_name
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate
from film_archive.media.cinema_dng import read_dng
from film_archive.media.clips import find_clips
from film_archive.media.codecs import VIDEO_FOURCC
from film_archive.media.probe import probe
from film_archive.media.raw_cameras import FORMATS, note_of, raw_facts, raw_format, raw_format_by_name
from film_archive.media.redcode import read_r3d
from tests.media import making


def facts_of(data: bytes, name: str, **more: Any) -> Any:
    return probe(MemorySource(data, name), **more)


def test_an_arriraw_frame() -> None:
    facts = facts_of(making.arriraw(), "A001C001_170101_R1AB.0000123.ari")
    assert (facts.container, facts.codec, facts.decodable) == ("arriraw", "arriraw", False)
    assert (facts.width, facts.height, facts.frames) == (2880, 1620, 1)
    assert (facts.reel, facts.reel_source) == ("A001R1AB", "file name")
    assert "ARRI Reference Tool" in facts.note
    with pytest.raises(Damaged, match="ends within its ARRIRAW header"):
        facts_of(making.arriraw()[:20], "a.ari")
    assert facts_of(b"ARRI\x12\x34\x56\x78" + bytes(100), "a.ari").width is None


def test_an_r3d() -> None:
    facts = facts_of(making.r3d(), "anything.R3D")
    assert (facts.container, facts.codec, facts.decodable) == ("r3d", "r3d", False)
    assert (facts.width, facts.height, facts.frame_rate) == (6144, 3240, FrameRate(24000, 1001))
    assert (facts.reel, facts.reel_source) == ("A001", "header")
    assert facts.created == "2023-12-04T14:03:02"
    assert facts.start_timecode is None
    assert facts.camera["edge_code"] == "01:00:00:00"
    assert facts.camera["time_of_day"] == "14:03:02:01"
    assert "give the one that your lists use" in facts.diagnostics[0]
    assert "REDCINE-X" in facts.note


def test_an_r3d_of_the_first_version() -> None:
    block = bytearray(0x80)
    struct.pack_into(">I4s", block, 0, len(block), b"RED1")
    struct.pack_into(">H", block, 0x36, 4096)
    struct.pack_into(">H", block, 0x3A, 2304)
    struct.pack_into(">HH", block, 0x3E, 24000, 1001)
    block[0x43:0x5A] = b"A001_C001_0101AB_001.R3D"[:23]
    header = read_r3d(MemorySource(bytes(block)))
    assert (header.width, header.height, header.rate) == (4096, 2304, FrameRate(24000, 1001))
    assert header.strings["file_name"].startswith("A001_C001_0101AB")


@pytest.mark.parametrize("length", [8, 0x46, 0x5B, 0x60, 100])
def test_r3d_headers_cut_short_are_read_as_far_as_they_go(length: int) -> None:
    data = making.r3d()[:length]
    assert facts_of(data, "a.r3d").container == "r3d"


def test_a_cinema_dng() -> None:
    for order in ("<", ">"):
        facts = facts_of(making.dng(order=order), "a_000001.dng")
        assert (facts.container, facts.codec, facts.decodable) == ("dng", "dng", False)
        assert (facts.width, facts.height, facts.bit_depth, facts.frames) == (1920, 1080, 12, 1)
        assert facts.frame_rate == FrameRate(24000, 1001)
        assert str(facts.start_timecode) == "07:56:34:12"
        assert (facts.reel, facts.camera["model"]) == ("A01", "Camera X")
    without = facts_of(making.dng(rate=None), "a.dng")
    assert (without.start_timecode, without.frame_rate, without.camera["timecode"]) == (None, None, "07:56:34:12")


def test_a_dng_is_told_from_a_tiff_by_its_tags() -> None:
    tiff = making.image("tif")
    assert read_dng(MemorySource(tiff)) is None
    assert facts_of(tiff, "a.dng").container == "tiff"
    assert facts_of(making.dng(), "a.tif").container == "dng"


@pytest.mark.parametrize(
    ("head", "name", "container"),
    [
        (b"II*\0\x10\0\0\0CR\x02\0", "IMG_1234.CR2", "cr2"),
        (b"II*\0\x08\0\0\0", "DSC_1234.NEF", "nef"),
        (b"II*\0\x08\0\0\0", "DSC01234.ARW", "arw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "IMG_1234.CR3", "cr3"),
        (b"FUJIFILMCCD-RAW 0201", "DSCF1234.RAF", "raf"),
        (b"IIRO\x08\0\0\0", "P1010001.ORF", "orf"),
        (b"IIU\0\x08\0\0\0", "P1010001.RW2", "rw2"),
    ],
)
def test_raw_photographs(head: bytes, name: str, container: str) -> None:
    facts = facts_of(head + bytes(200), name)
    assert (facts.container, facts.codec, facts.decodable, facts.frames) == (container, "photograph", False, 1)
    assert "raw converter" in facts.note


def test_heif_is_a_photograph_and_no_film() -> None:
    facts = facts_of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200), "IMG_0001.HEIC")
    assert (facts.container, facts.codec, facts.decodable, facts.frames) == ("heif", "heif", False, 1)
    assert "convert them" in facts.note


def test_formats_that_are_known_by_name_only() -> None:
    facts = facts_of(b"\x01\x02" * 100, "A001C001_150101AB_CANON.RMF")
    assert (facts.container, facts.codec, facts.decodable, facts.reel) == ("rmf", "crm", False, "A001")
    assert "known by its name only" in facts.diagnostics[0]
    assert facts_of(b"no box in here at all", "A001_08151512_C001.braw").codec == "braw"
    with pytest.raises(NotMedia):
        facts_of(b"\x01\x02" * 100, "a.xyz")


def test_canon_s_boxes_that_make_no_sense_are_still_found() -> None:
    facts = facts_of(b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(50), "A001C001_150101AB_CANON.CRM")
    assert (facts.codec, facts.decodable, facts.reel) == ("crm", False, "A001")
    assert not any("name ends in" in said for said in facts.diagnostics)


def test_a_rate_from_the_caller() -> None:
    facts = facts_of(making.arriraw(), "a.ari", rate="23.976")
    assert facts.frame_rate == FrameRate(24000, 1001)


def test_every_undecodable_codec_has_a_note() -> None:
    for codec in {row.codec for row in FORMATS} | {each.name for each in VIDEO_FOURCC.values() if not each.decodable}:
        assert (note_of(codec) or "").endswith(".")
    assert note_of("prores_422") is None
    assert note_of(None) is None


def test_beginnings_do_not_overlap() -> None:
    heads = [making.arriraw(), making.r3d(), making.dng(), making.image("tif"), making.wave(), b"IIRO" + bytes(60)]
    for head in heads:
        assert sum(row.matches is not None and not row.by_name_too and row.matches(head[:64]) for row in FORMATS) <= 1
    assert raw_format(MemorySource(bytes(100), "a.ari"), bytes(64)) is None
    assert raw_format_by_name("folder.rmf/a.mov") is None
    form = raw_format_by_name("a.RMF")
    assert form is not None
    assert raw_facts(MemorySource(b"x"), form).codec == "crm"


# Reels


@pytest.mark.parametrize("row", NAMINGS, ids=lambda row: row.example)
def test_each_naming_s_example(row: Any) -> None:
    assert row.pattern.match(row.example)
    assert reel_of_name(row.example) == row.reel_of(row.pattern.match(row.example))


@pytest.mark.parametrize(
    ("name", "reel"),
    [
        ("A004C010_20100610_R1JL.mov", "A004R1JL"),
        ("card/A001C001_170101_R1AB.0000123.ari", "A001R1AB"),
        ("A001_C003_1204R5_001.R3D", "A001"),
        ("B012_C107_0115XY.RDC", "B012"),
        ("A001C001_240911L8.mxf", "A001"),
        ("A001C001_240911L8M01.XML", "A001"),
        ("A001C001_150101AB_CANON.MXF", "A001"),
        ("A_0001C001X240101_123456AB_CANON_001.CRM", "A_0001"),
        ("A001_08151512_C001.braw", "A001"),
        # no camera's names
        ("shot_0010_plate_v001.exr", None),
        ("A001C001_2409112.mxf", None),
        ("A001C001_170101_R1ABX.ari", None),
        ("C0001.MXF", None),
        ("", None),
    ],
)
def test_reels_by_name(name: str, reel: str | None) -> None:
    assert reel_of_name(name) == reel


# Clips


def test_spanned_recordings_sidecars_and_sequences_are_clips() -> None:
    red = "A001.RDM/A001_C003_1204R5.RDC"
    found = find_clips(
        [
            f"{red}/A001_C003_1204R5_003.R3D",
            f"{red}/A001_C003_1204R5_001.R3D",
            f"{red}/A001_C003_1204R5.RMD",
            "sony/C0001.MXF",
            "sony/C0001M01.XML",
            "sony/MEDIAPRO.XML",
            "CONTENTS/VIDEO/0001AB.MXF",
            "CONTENTS/CLIP/0001AB.XML",
            "a.1.dpx",
            "a.2.dpx",
            "notes.txt",
        ]
    )
    by_name = {clip.name: clip for clip in found.clips}
    assert list(by_name) == [
        f"{red}/A001_C003_1204R5.R3D",
        "CONTENTS/VIDEO/0001AB.MXF",
        "a.#.dpx",
        "sony/C0001.MXF",
    ]
    spanned = by_name[f"{red}/A001_C003_1204R5.R3D"]
    assert spanned.parts == (f"{red}/A001_C003_1204R5_001.R3D", f"{red}/A001_C003_1204R5_003.R3D")
    assert spanned.missing_parts == (2,)
    assert spanned.sidecars == (f"{red}/A001_C003_1204R5.RMD",)
    assert by_name["sony/C0001.MXF"].sidecars == ("sony/C0001M01.XML",)
    assert by_name["CONTENTS/VIDEO/0001AB.MXF"].sidecars == ("CONTENTS/CLIP/0001AB.XML",)
    assert by_name["a.#.dpx"].sequence is not None
    assert by_name["a.#.dpx"].parts == ("a.1.dpx", "a.2.dpx")
    assert found.others == ("notes.txt", "sony/MEDIAPRO.XML")
