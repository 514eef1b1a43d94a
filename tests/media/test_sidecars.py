"""Sidecars: which belong to a clip, and what Sony's and Panasonic's say."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.sidecars import SidecarFacts, read_sidecar, sidecars_of, with_sidecar, xml_sidecar_places
from tests.media.making import SONY_XML


def read(text: str) -> SidecarFacts:
    return read_sidecar(MemorySource(text.encode(), "a.xml"))


def sony(value: str, *, base: int = 25, half: bool = False, rate: str | None = "25p") -> SidecarFacts:
    frame = "" if rate is None else f'<VideoFormat><VideoFrame formatFps="{rate}"/></VideoFormat>'
    table = f'<LtcChangeTable tcFps="{base}" halfStep="{str(half).lower()}"><LtcChange frameCount="0" value="{value}"/>'
    return read(f"<NonRealTimeMeta>{table}</LtcChangeTable>{frame}</NonRealTimeMeta>")


def test_sony() -> None:
    facts = read(SONY_XML)
    assert facts.kind == "Sony NonRealTimeMeta"
    assert (facts.rate, facts.frames, str(facts.start_timecode)) == (25, 4380, "19:57:30:17")
    assert (facts.width, facts.height, facts.pixel_aspect) == (8640, 5760, Fraction(3, 2))
    assert facts.codec == "F55_X-OCN_LT_8.6K_3:2"
    assert facts.created == "2022-09-25T11:57:59+10:00"
    assert facts.color_space == "s-log3 s-gamut3-cine"
    assert facts.camera == {"make": "Sony", "model": "ILME-FX9", "serial": "4000123", "capture_rate": "25p"}


def test_sony_s_timecode_agrees_with_its_own_end() -> None:
    """The end of the same real table, 4379 frames later, is written 21250020."""
    start, end = sony("17305719").start_timecode, sony("21250020").start_timecode
    assert start is not None
    assert end == start + 4379


@pytest.mark.parametrize(
    ("value", "base", "half", "rate", "expected"),
    [
        ("67460811", 30, False, "29.97p", "11:08:46;27"),  # drop-frame, as the next clip's table shows
        ("54830000", 30, True, "59.94p", "00:00:03;29"),  # 14 pairs and a half: frame 209 of 60p
        ("40000000", 30, True, None, "00:00:00;00"),
        ("12000010", 25, True, "50p", "10:00:00:24"),
        ("12000090", 25, True, "50p", "10:00:00:25"),
        ("12000010", 24, False, "23.98p", "10:00:00:12"),
        ("24000010", 25, False, "50i", "10:00:00:24"),
    ],
)
def test_sony_s_timecodes(value: str, base: int, half: bool, rate: str | None, expected: str) -> None:
    assert str(sony(value, base=base, half=half, rate=rate).start_timecode) == expected


def test_sony_without_a_rate_keeps_the_label() -> None:
    """tcFps says 24 for 23.976 as well, so that the rate stays open."""
    facts = sony("12000010", base=24, rate=None)
    assert (facts.rate, facts.start_timecode) == (None, None)
    film = MediaFacts(container="mxf", frame_rate=FrameRate(24000, 1001))
    assert str(with_sidecar(film, facts).start_timecode) == "10:00:00:12"
    assert str(with_sidecar(MediaFacts(container="r3d"), facts, rate=FrameRate(24)).start_timecode) == "10:00:00:12"
    assert with_sidecar(MediaFacts(container="r3d"), facts).start_timecode is None


@pytest.mark.parametrize("value", ["", "1234567", "1730571G", "FF305719", "17306019", "1A305719", "-1730571"])
def test_sony_s_impossible_timecodes(value: str) -> None:
    assert sony(value).start_timecode is None


@pytest.mark.parametrize("rate", ["", "0p", "fast", "25.0.0p", "1e9p", "٢٥p"])
def test_sony_s_impossible_rates(rate: str) -> None:
    assert sony("17305719", rate=rate).rate is None


def panasonic(unit: str, start: str, flag: str = "") -> SidecarFacts:
    return read(
        '<P2Main xmlns="urn:schemas-Professional-Plug-in:P2:ClipMetadata:v3.1"><ClipContent><ClipName>0001AB</ClipName>'
        f"<Duration>250</Duration><EditUnit>{unit}</EditUnit><EssenceList><Video><Codec>AVC-I_1080/50i</Codec>"
        f"<FrameRate {flag}>50i</FrameRate><StartTimecode>{start}</StartTimecode></Video></EssenceList><ClipMetadata>"
        "<Device><Manufacturer>Panasonic</Manufacturer><SerialNo.>7</SerialNo.><ModelName>AU-EVA1</ModelName></Device>"
        "<Shoot><StartDate>2024-05-06T07:08:09+02:00</StartDate></Shoot></ClipMetadata></ClipContent></P2Main>"
    )


def test_panasonic() -> None:
    facts = panasonic("1/25", "10:00:00:24")
    assert (facts.kind, facts.rate, facts.frames) == ("Panasonic P2", 25, 250)
    assert str(facts.start_timecode) == "10:00:00:24"
    assert facts.codec == "AVC-I_1080/50i"
    assert facts.created == "2024-05-06T07:08:09+02:00"
    assert facts.camera == {"make": "Panasonic", "model": "AU-EVA1", "serial": "7"}


def test_panasonic_where_the_label_could_mean_two_frames() -> None:
    assert panasonic("1001/30000", "01:00:00:00").start_timecode is None
    counted = panasonic("1001/30000", "01:00:00:00", 'DropFrameFlag="true"').start_timecode
    assert counted is not None
    assert counted.drop_frame
    assert panasonic("0/25", "01:00:00:00").rate is None
    assert panasonic("1/25", "01:00:00:99").start_timecode is None
    assert read("<P2Main/>") == SidecarFacts(kind="Panasonic P2")


def test_what_is_no_sidecar() -> None:
    with pytest.raises(NotSupported, match="of a kind"):
        read("<xmeml/>")
    with pytest.raises(NotSupported, match="document type"):
        read("<!DOCTYPE NonRealTimeMeta><NonRealTimeMeta/>")
    with pytest.raises(Damaged, match="not readable as XML"):
        read("NonRealTimeMeta")


def test_the_file_wins_over_its_sidecar() -> None:
    sidecar = read(SONY_XML)
    bare = MediaFacts(container="r3d", codec="r3d", decodable=False)
    filled = with_sidecar(bare, sidecar)
    assert (filled.frames, filled.frame_rate, str(filled.start_timecode)) == (4380, 25, "19:57:30:17")
    assert (filled.start_source, filled.created_source) == ("sidecar", "sidecar")
    assert (filled.width, filled.height, filled.color.space) == (8640, 5760, "s-log3 s-gamut3-cine")
    assert filled.diagnostics == ()
    own = replace(
        filled,
        frames=4379,
        start_timecode=Timecode(1, 0, 0, 0, 25),
        start_source="material package",
        camera={"model": "X"},
    )
    both = with_sidecar(own, sidecar)
    assert (both.frames, both.start_source, both.camera["model"]) == (4379, "material package", "X")
    assert both.camera["serial"] == "4000123"
    kind = "its Sony NonRealTimeMeta sidecar gives"
    assert both.diagnostics == (
        f"{kind} frames 4380, the file itself 4379: the file is believed",
        f"{kind} start timecode 19:57:30:17, the file itself 01:00:00:00: the file is believed",
    )


def test_which_files_are_a_clip_s_sidecars() -> None:
    names = (
        "C0001.MXF",
        "C0001M01.XML",
        "c0001.xmp",
        "C0002M01.XML",
        "C0001S01.MXF",
        "A001_C003_1204R5_001.R3D",
        "A001_C003_1204R5.RMD",
        "A001_08151512_C001.braw",
        "A001_08151512_C001.sidecar",
    )
    assert sidecars_of("C0001.MXF", names) == ("C0001M01.XML", "c0001.xmp")
    assert sidecars_of("A001_C003_1204R5_001.R3D", names) == ("A001_C003_1204R5.RMD",)
    assert sidecars_of("A001_08151512_C001.braw", names) == ("A001_08151512_C001.sidecar",)
    assert sidecars_of("none.mov", names) == ()


def test_where_xml_sidecars_would_be() -> None:
    assert Path("card/C0001M01.XML") in xml_sidecar_places(Path("card/C0001.MXF"))
    assert Path("CONTENTS/CLIP/0001AB.XML") in xml_sidecar_places(Path("CONTENTS/VIDEO/0001AB.MXF"))
    assert Path("a.xml") not in xml_sidecar_places(Path("a.xml"))
