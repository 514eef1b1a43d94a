"""The header of an R3D file (REDCODE), as far as it is known in public.

RED documents the format only in its SDK. What is read here was found out by Phil Harvey on real files and is
published with ExifTool (its Red tags, versions 1 and 2 of the header): the size, the rate, and a directory of tagged
strings. The picture can't be decoded without RED's SDK.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate

_HEADER = 1 << 16
_STRINGS = {
    0x1000: "edge_code",
    0x1001: "time_of_day",
    0x1006: "serial",
    0x101A: "reel",
    0x1023: "date",
    0x1024: "time",
    0x1025: "firmware",
    0x1056: "file_name",
    0x1070: "lens",
    0x1071: "model",
    0x1086: "format",
}


@dataclass(frozen=True, slots=True)
class RedHeader:
    """What an R3D's header says; of a spanned clip each part has its own."""

    width: int | None = None
    height: int | None = None
    rate: FrameRate | None = None
    strings: Mapping[str, str] = field(default_factory=dict)
    """By name: "edge_code" and "time_of_day" are the two timecodes of the part's first frame."""


def is_r3d(head: bytes) -> bool:
    return head[:2] == b"\0\0" and head[4:8] in (b"RED1", b"RED2")


def read_r3d(source: ByteSource) -> RedHeader:
    """Read the header; fields that are not where they are expected stay None."""
    head = source.read_at(0, _HEADER)
    if not is_r3d(head):
        return RedHeader()
    block = head[: struct.unpack_from(">I", head)[0]]
    if head[4:8] == b"RED2":
        return _second(block)
    return _first(block)


def _first(block: bytes) -> RedHeader:
    if len(block) < 0x46:
        return RedHeader()
    width, height = struct.unpack_from(">H", block, 0x36)[0], struct.unpack_from(">H", block, 0x3A)[0]
    numerator, denominator = struct.unpack_from(">2H", block, 0x3E)
    name = _text(block[0x43 : 0x43 + 32])
    strings = {} if name is None else {"file_name": name}
    return RedHeader(width or None, height or None, _rate(numerator, denominator), strings)


def _second(block: bytes) -> RedHeader:
    if len(block) < 0x5C:
        return RedHeader()
    width, height = struct.unpack_from(">2I", block, 0x4C)
    denominator, numerator = struct.unpack_from(">HI", block, 0x56)
    directory = 0x44 + block[0x40] * 0x18 + block[0x41] * 0x14 + block[0x42] * 0x10
    believable = 0 < width < 1 << 16 and 0 < height < 1 << 16
    rate, strings = _rate(numerator, denominator), _directory(block, directory)
    return RedHeader(width, height, rate, strings) if believable else RedHeader(None, None, rate, strings)


def _directory(block: bytes, start: int) -> dict[str, str]:
    """Entries of (size, tag, value); the tag's upper four bits are the value's type, 1 being text."""
    if start + 2 > len(block):
        return {}
    end = min(len(block), start + 2 + struct.unpack_from(">H", block, start)[0])
    position = start + 2
    strings = {}
    while position + 4 <= end:
        size, tag = struct.unpack_from(">2H", block, position)
        if size < 4 or position + size > end:
            break
        text = _text(block[position + 4 : position + size]) if tag in _STRINGS else None
        if text is not None:
            strings[_STRINGS[tag]] = text
        position += size
    return strings


def _rate(numerator: int, denominator: int) -> FrameRate | None:
    if not numerator or not denominator or not 1 <= numerator / denominator <= 1000:
        return None
    return FrameRate(numerator, denominator)


def _text(raw: bytes) -> str | None:
    text = raw.split(b"\0", 1)[0].decode("ascii", "replace").strip()
    return text if text and text.isprintable() and "\ufffd" not in text else None
