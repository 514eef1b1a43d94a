"""Raw formats of cameras: media that can be found, grouped, archived and restored whole, but not decoded here.

The table says how each is recognised, what it is called, and what its user does about it. Two of them lie in
containers that others read (Blackmagic RAW in QuickTime, X-OCN and ARRIRAW HDE in MXF): `note_of` has their notes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from film_archive.core.errors import Damaged, NotMedia
from film_archive.core.facts import MediaFacts
from film_archive.core.reels import reel_of_name
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.cinema_dng import read_dng
from film_archive.media.exif import read_exif
from film_archive.media.redcode import is_r3d, read_r3d

_ALL_ELSE = "archiving, tape and whole-clip restore work as for any file"
_NOTES = {
    "arriraw": f"ARRIRAW is not decoded here: develop it with ARRI Reference Tool or a grading system; {_ALL_ELSE}.",
    "r3d": f"REDCODE is decoded only by RED's SDK: export it with REDCINE-X PRO or a grading system; {_ALL_ELSE}.",
    "braw": f"Blackmagic RAW is decoded only by its SDK: export it with DaVinci Resolve; {_ALL_ELSE}.",
    "crm": f"Canon Cinema RAW is decoded only by Canon's software: export it with Cinema RAW Development; {_ALL_ELSE}.",
    "xocn": f"X-OCN is decoded only by Sony's software: export it with RAW Viewer or a grading system; {_ALL_ELSE}.",
    "dng": f"DNG holds raw sensor data: develop it with a grading system or a raw converter; {_ALL_ELSE}.",
    "photograph": f"A camera's raw photograph: develop it with a raw converter; {_ALL_ELSE}.",
    "heif": f"HEIF and AVIF photographs are not decoded here: convert them to TIFF or JPEG; {_ALL_ELSE}.",
}


def note_of(codec: str | None) -> str | None:
    """What to do about a codec that can't be decoded here; None for all others."""
    return _NOTES.get(codec or "")


@dataclass(frozen=True, slots=True)
class RawFormat:
    """A raw format: `name` is its container, `matches` looks at a file's first 64 bytes (None: known by its name
    alone)."""

    name: str
    codec: str
    title: str
    extensions: tuple[str, ...]
    matches: Callable[[bytes], bool] | None
    read: Callable[[ByteSource], MediaFacts] | None = None
    by_name_too: bool = False
    """Whether the beginning is shared with other formats, so that the extension has to agree."""


def _is_arriraw(head: bytes) -> bool:
    return head[:8] in (b"ARRI\x12\x34\x56\x78", b"ARRI\x78\x56\x34\x12")


def _is_tiff(head: bytes) -> bool:
    return head[:4] in (b"II*\0", b"MM\0*")


def _is_heif(head: bytes) -> bool:
    """ISO/IEC 23008-12: a box file whose brand is one of images."""
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")


def _is_canon_box(head: bytes) -> bool:
    return head[4:12] == b"ftypcrx "


def _arriraw(source: ByteSource) -> MediaFacts:
    """The image's size, from where RawSpeed and dnglab read it in cameras' files (SMPTE RDD 30 has it all)."""
    head = source.read_at(0, 28)
    if len(head) < 28:
        raise Damaged(f"{source.name} ends within its ARRIRAW header.")
    order = "<" if head[4:8] == b"\x12\x34\x56\x78" else ">"
    width, height = struct.unpack_from(f"{order}2I", head, 20)
    known = 0 < width < 1 << 16 and 0 < height < 1 << 16
    return _undecodable(
        "arriraw", "arriraw", width=width if known else None, height=height if known else None, frames=1
    )


def _r3d(source: ByteSource) -> MediaFacts:
    header = read_r3d(source)
    strings = dict(header.strings)
    date, time = strings.pop("date", ""), strings.pop("time", "")
    created = None
    if len(date) == 8 and len(time) == 6 and (date + time).isdigit():
        created = f"{date[:4]}-{date[4:6]}-{date[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}"
    reel = reel_of_name(strings.get("file_name", ""))
    said = []
    if "edge_code" in strings or "time_of_day" in strings:
        # Which of the two is the source timecode is the camera operator's choice, and not in these fields.
        edge, time_of_day = strings.get("edge_code", "none"), strings.get("time_of_day", "none")
        said.append(
            f"it carries edge code {edge} and time of day {time_of_day}: give the one that your lists use as its start"
        )
    return _undecodable(
        "r3d",
        "r3d",
        width=header.width,
        height=header.height,
        frame_rate=header.rate,
        reel=reel,
        reel_source=None if reel is None else "header",
        created=created,
        created_source=None if created is None else "header",
        camera={name: text for name, text in strings.items() if name != "reel"} | {"make": "RED"},
        diagnostics=tuple(said),
    )


def _dng(source: ByteSource) -> MediaFacts:
    header = read_dng(source)
    if header is None:
        raise NotMedia(f"{source.name} is no DNG.")
    exif = read_exif(source)
    start = None if header.rate is None or header.timecode is None else header.timecode.timecode(header.rate)
    camera = dict(exif.camera)
    if header.model is not None:
        camera["model"] = header.model
    if header.timecode is not None and start is None:
        camera["timecode"] = header.timecode.text
    return _undecodable(
        "dng",
        "dng",
        width=header.width,
        height=header.height,
        bit_depth=header.bits,
        frame_rate=header.rate,
        frames=1,
        start_timecode=start,
        start_source=None if start is None else "image header",
        reel=header.reel,
        reel_source=None if header.reel is None else "image header",
        created=exif.created,
        created_source=exif.created_source,
        camera=camera,
        diagnostics=exif.diagnostics,
    )


def _photograph(name: str, codec: str = "photograph") -> Callable[[ByteSource], MediaFacts]:
    def read(source: ByteSource) -> MediaFacts:
        exif = read_exif(source)
        return _undecodable(
            name,
            codec,
            frames=1,
            created=exif.created,
            created_source=exif.created_source,
            camera=exif.camera,
            diagnostics=exif.diagnostics,
        )

    return read


def _undecodable(container: str, codec: str, **facts: object) -> MediaFacts:
    return MediaFacts(container=container, codec=codec, decodable=False, note=_NOTES[codec], **facts)  # type: ignore[arg-type]


def _photographs(name: str, title: str, matches: Callable[[bytes], bool], *, by_name_too: bool = False) -> RawFormat:
    return RawFormat(name, "photograph", title, (name,), matches, _photograph(name), by_name_too)


FORMATS: tuple[RawFormat, ...] = (
    RawFormat("arriraw", "arriraw", "ARRIRAW frame", ("ari",), _is_arriraw, _arriraw),
    RawFormat("r3d", "r3d", "RED R3D", ("r3d",), is_r3d, _r3d),
    RawFormat("crm", "crm", "Canon Cinema RAW Light", ("crm",), _is_canon_box, by_name_too=True),
    RawFormat("rmf", "crm", "Canon Cinema RAW", ("rmf",), None),
    RawFormat("braw", "braw", "Blackmagic RAW", ("braw",), None),
    _photographs("cr2", "Canon raw photograph", lambda head: _is_tiff(head) and head[8:10] == b"CR"),
    _photographs("cr3", "Canon raw photograph", _is_canon_box, by_name_too=True),
    _photographs("nef", "Nikon raw photograph", _is_tiff, by_name_too=True),
    _photographs("arw", "Sony raw photograph", _is_tiff, by_name_too=True),
    RawFormat("heif", "heif", "HEIF photograph", ("heic", "heif", "avif"), _is_heif, _photograph("heif", "heif")),
    _photographs("raf", "Fujifilm raw photograph", lambda head: head.startswith(b"FUJIFILMCCD-RAW")),
    _photographs("orf", "Olympus raw photograph", lambda head: head[:4] in (b"IIRO", b"IIRS", b"MMOR")),
    _photographs("rw2", "Panasonic raw photograph", lambda head: head[:4] == b"IIU\0"),
)
"""Canon's two kinds of `crx` box files, and raw photographs that begin like a TIFF, are told apart by their names."""

DNG = RawFormat("dng", "dng", "DNG frame", ("dng", "gpr"), _is_tiff, _dng)
"""Told from other TIFFs by a tag, so not by its first bytes: `raw_format` looks."""


def extension_of(name: str) -> str:
    """A file name's extension in small letters, without its dot."""
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""


def raw_format(source: ByteSource, head: bytes) -> RawFormat | None:
    """The raw format that a file's beginning (with its name, where many share a beginning) shows; None for others."""
    extension = extension_of(source.name)
    for row in FORMATS:
        if row.matches is not None and row.matches(head) and (not row.by_name_too or extension in row.extensions):
            return row
    return DNG if _is_tiff(head) and read_dng(source) is not None else None


def raw_format_by_name(name: str) -> RawFormat | None:
    """The raw format that a name alone tells: for those whose beginning is not known in public."""
    extension = extension_of(name)
    return next((row for row in FORMATS if row.matches is None and extension in row.extensions), None)


def raw_facts(source: ByteSource, form: RawFormat, *, rate: FrameRate | None = None) -> MediaFacts:
    """The facts of a raw file, as far as they can be had; `rate` fills in where its header has none."""
    facts = _undecodable(form.name, form.codec) if form.read is None else form.read(source)
    if form.matches is None:
        facts = replace(
            facts, diagnostics=(*facts.diagnostics, "it is known by its name only: nothing in it was looked at")
        )
    return facts if facts.frame_rate is not None or rate is None else replace(facts, frame_rate=rate)
