"""Files that cameras write beside a clip: which belong to it, and what they say of it.

Read are Sony's NonRealTimeMeta (`C0001M01.XML`, RDD 18 and MXF-less cards too) and Panasonic's P2 clip metadata
(`P2Main`). The timecode in Sony's `LtcChange` is a code word with its bytes turned round, FFSSMMHH: "17305719" is
19:57:30:17, checked on real clips against their durations.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

from film_archive.core.errors import InvalidTimecode, NotSupported, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode, parse_timecode
from film_archive.core.xml import MAXIMUM, parse_xml, text_of
from film_archive.media.codeword import CodeWord, read_code_word
from film_archive.media.dates import iso_date


@dataclass(frozen=True, slots=True)
class SidecarFacts:
    """What a sidecar says of its clip; None where it does not."""

    kind: str
    rate: FrameRate | None = None
    frames: int | None = None
    start_timecode: Timecode | None = None
    start_label: CodeWord | None = None
    """The start where the sidecar leaves the rate open."""
    width: int | None = None
    height: int | None = None
    pixel_aspect: Fraction | None = None
    """Of Sony: the lens's squeeze."""
    codec: str | None = None
    """In the camera's own words."""
    created: str | None = None
    color_space: str | None = None
    camera: Mapping[str, str] = field(default_factory=dict)


def sidecars_of(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """The names, of those beside a clip's file, that are its sidecars: same stem and a known ending, whatever the case.

    `a.braw` has `a.sidecar`; `A001C001_240911L8.mxf` has `A001C001_240911L8M01.XML`; any clip has `a.xml`, `a.xmp`,
    `a.cdl`, …
    """
    stem = name.rpartition(".")[0].casefold()
    part = re.fullmatch(r"(.+_\d{4}[0-9a-z]{2})_\d{3}", stem)  # RED: the sidecar has the clip's name, without the part
    wanted = {f"{base}{ending}" for base in (stem, part[1] if part else stem) for ending in _ENDINGS}
    return tuple(sorted(other for other in names if other.casefold() in wanted and other != name))


def xml_sidecar_places(path: Path) -> tuple[Path, ...]:
    """Where a clip's XML sidecar would be, in the ways that cameras write it; the folder is not listed."""
    stem = path.stem
    places = [path.with_name(f"{stem}{ending}") for ending in ("M01.XML", "M01.xml", ".XML", ".xml")]
    if path.parent.name.upper() == "VIDEO":  # Panasonic P2: CONTENTS/VIDEO/0001AB.MXF, CONTENTS/CLIP/0001AB.XML
        places += [path.parent.with_name("CLIP") / f"{stem}{ending}" for ending in (".XML", ".xml")]
    return tuple(place for place in places if place != path and len(os.fsencode(place.name)) <= _LONGEST_NAME)


_LONGEST_NAME = 255
"""Bytes that file systems allow; a clip whose own name is as long as that has no room for an ending."""
_ENDINGS = (
    "m01.xml",
    ".xml",
    ".rmd",
    ".sidecar",
    ".xmp",
    ".cdl",
    ".cpf",
    ".bim",
    ".smi",
    ".ppn",
    ".sif",
    ".ale",
    ".alf",
    ".aml",
)


def read_sidecar(source: ByteSource) -> SidecarFacts:
    """Read a sidecar; raises NotSupported where it is of no kind that is known, Damaged where it is no XML."""
    root = parse_xml(source.read_at(0, MAXIMUM + 1), source.name)
    if root.tag == "NonRealTimeMeta":
        return _sony(root)
    if root.tag == "P2Main":
        return _panasonic(root)
    raise NotSupported(f"{source.name} is XML of a kind ({root.tag[:40]}) that says nothing here about a clip.")


def with_sidecar(facts: MediaFacts, sidecar: SidecarFacts, *, rate: FrameRate | None = None) -> MediaFacts:
    """Facts of a clip with what only its sidecar knows; where they disagree the file wins, and a diagnostic says so."""
    said = list(facts.diagnostics)
    frame_rate = facts.frame_rate or sidecar.rate or rate
    start = sidecar.start_timecode
    if start is None and sidecar.start_label is not None and frame_rate is not None:
        start = sidecar.start_label.timecode(frame_rate)
    for what, own, other in (
        ("frames", facts.frames, sidecar.frames),
        ("frame rate", facts.frame_rate, sidecar.rate),
        ("start timecode", facts.start_timecode, start),
    ):
        if own is not None and other is not None and own != other:
            said.append(f"its {sidecar.kind} sidecar gives {what} {other}, the file itself {own}: the file is believed")
    return replace(
        facts,
        frame_rate=frame_rate,
        frames=sidecar.frames if facts.frames is None else facts.frames,
        start_timecode=facts.start_timecode or start,
        start_source=facts.start_source or (None if start is None else "sidecar"),
        width=facts.width or sidecar.width,
        height=facts.height or sidecar.height,
        # Square pixels are also what a file says that knows nothing of the lens.
        pixel_aspect=sidecar.pixel_aspect or facts.pixel_aspect if facts.pixel_aspect in (None, 1) else facts.pixel_aspect,
        profile=facts.profile or sidecar.codec,
        created=facts.created or sidecar.created,
        created_source=facts.created_source or (None if sidecar.created is None else "sidecar"),
        # Beside a log the tags of H.273 say how it is carried, at best: they have no word for it.
        color=replace(facts.color, space=facts.color.space or sidecar.color_space),
        camera={**sidecar.camera, **facts.camera},
        diagnostics=tuple(said),
    )


# Sony


def _sony(root: Element) -> SidecarFacts:
    frame, layout, device = (
        root.find("VideoFormat/VideoFrame"),
        root.find("VideoFormat/VideoLayout"),
        root.find("Device"),
    )
    table = root.find("LtcChangeTable")
    rate = _sony_rate(_attribute(frame, "formatFps"))
    word = _sony_word(table)
    if rate is None and word is not None and word.drop_frame:
        rate = FrameRate(60000 if _attribute(table, "halfStep") == "true" else 30000, 1001)
    items = {
        item.get("name", ""): item.get("value", "")
        for item in root.findall("AcquisitionRecord/Group/Item")[:1000]
        if item.get("name")
    }
    space = " ".join(filter(None, (items.get("CaptureGammaEquation"), items.get("CaptureColorPrimaries"))))
    camera = {
        "make": _attribute(device, "manufacturer"),
        "model": _attribute(device, "modelName") or items.get("CameraAttributes"),
        "serial": _attribute(device, "serialNo"),
        "lens": items.get("LensAttributes"),
        "iso": items.get("ISOSensitivity"),
        "exposure_index": items.get("ExposureIndexOfPhotoMeter"),
        "white_balance": items.get("WhiteBalance"),
        "capture_rate": _attribute(frame, "captureFps"),
        "focal_length": items.get("LensZoomActualFocalLength"),
        "t_stop": items.get("IrisTNumber"),
        "focus_distance": items.get("FocusPositionFromImagePlane"),
        "shutter_angle": items.get("ShutterSpeed_Angle"),
        **_color_decision(root),
    }
    return SidecarFacts(
        kind="Sony NonRealTimeMeta",
        rate=rate,
        frames=_whole(_attribute(root.find("Duration"), "value")),
        start_timecode=None if word is None or rate is None else word.timecode(rate),
        start_label=word,
        width=_whole(_attribute(layout, "pixel")),
        height=_whole(_attribute(layout, "numOfVerticalLine")),
        pixel_aspect=_sony_squeeze(_attribute(layout, "pixelAspect")),
        codec=_attribute(frame, "videoCodec"),
        created=iso_date(_attribute(root.find("CreationDate"), "value")),
        color_space=space or None,
        camera=_named(camera),
    )


def _color_decision(root: Element) -> dict[str, str | None]:
    """The ASC CDL that VENICE keeps in `ExtendedContents`: three numbers each of slope, offset and power, and saturation."""
    names = {"Slope": "cdl_slope", "Offset": "cdl_offset", "Power": "cdl_power", "Saturation": "cdl_saturation"}
    found: dict[str, str | None] = {}
    for name, key in names.items():
        node = root.find(f"ExtendedContents//{name}")
        numbers = "" if node is None or node.text is None else " ".join(node.text.split())
        if re.fullmatch(r"-?[\d.]+(?:[eE][-+]?\d+)?(?: -?[\d.]+(?:[eE][-+]?\d+)?)*", numbers, re.ASCII):
            found[key] = numbers[:200]
    return found


def _sony_rate(text: str | None) -> FrameRate | None:
    """ "23.98p", "59.94i" (fields: half as many frames), "29.97"; None for what is no rate."""
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,3})?)([pi]?)", text or "", re.ASCII)
    if match is None or float(match[1]) < 1:
        return None
    rate = FrameRate.of(match[1])
    return FrameRate(rate.numerator, rate.denominator * 2) if match[2] == "i" else rate


def _sony_word(table: Element | None) -> CodeWord | None:
    """The label of frame 0."""
    if table is None:
        return None
    for change in table.findall("LtcChange"):
        value = change.get("value", "")
        if change.get("frameCount") == "0" and re.fullmatch(r"[0-9A-Fa-f]{8}", value, re.ASCII):
            turned = int.from_bytes(bytes.fromhex(value), "little")
            word = read_code_word(turned)
            late = turned & (0x8000_0000 if table.get("tcFps") in ("25", "50") else 0x8000)
            return None if word is None else replace(word, second_of_pair=bool(late))
    return None


def _sony_squeeze(text: str | None) -> Fraction | None:
    match = re.fullmatch(r"(\d(?:\.\d{1,4})?):1", text or "", re.ASCII)
    return Fraction(match[1]) if match is not None and float(match[1]) > 0 else None


# Panasonic


def _panasonic(root: Element) -> SidecarFacts:
    clip = root.find("ClipContent")
    if clip is None:
        return SidecarFacts(kind="Panasonic P2")
    video = clip.find("EssenceList/Video")
    unit = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text_of(clip, "EditUnit") or "", re.ASCII)
    rate = FrameRate(int(unit[2]), int(unit[1])) if unit is not None and int(unit[1]) and int(unit[2]) else None
    drop = {"true": True, "false": False}.get(
        _attribute(clip.find("EssenceList/Video/FrameRate"), "DropFrameFlag") or ""
    )
    label = None if video is None else text_of(video, "StartTimecode")
    known = rate is not None and (drop is not None or not rate.can_drop)  # else the label could mean two frames
    metadata = clip.find("ClipMetadata")
    places = {"make": "Device/Manufacturer", "model": "Device/ModelName", "serial": "Device/SerialNo."}
    camera = {} if metadata is None else {name: text_of(metadata, place) for name, place in places.items()}
    created = (
        None if metadata is None else text_of(metadata, "Shoot/StartDate") or text_of(metadata, "Access/CreationDate")
    )
    return SidecarFacts(
        kind="Panasonic P2",
        rate=rate,
        frames=_whole(text_of(clip, "Duration")),
        start_timecode=_label(label, rate, drop) if known and rate is not None else None,
        codec=None if video is None else text_of(video, "Codec"),
        created=iso_date(created),
        camera=_named(camera),
    )


def _label(text: str | None, rate: FrameRate, drop: bool | None) -> Timecode | None:
    try:
        return None if text is None else parse_timecode(text, rate, drop).timecode
    except (InvalidTimecode, UsageError):
        return None


def _attribute(element: Element | None, name: str) -> str | None:
    value = "" if element is None else " ".join(element.get(name, "").split())[:200]
    return value or None


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 12 else None


def _named(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
