"""DNG (a TIFF with raw sensor data) and CinemaDNG frames: how one is told from a TIFF, and what its tags say.

Source: Adobe's Digital Negative specification 1.6 (tags 50706 and on; the CinemaDNG tags 51043, 51044, 51081) and
TIFF 6.0. The time code of tag 51043 is laid out as SMPTE ST 331 says: frames, seconds, minutes, hours, then the
binary groups.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.codeword import CodeWord, read_code_word

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _SUB_IFDS = 254, 256, 257, 258, 330
_DNG_VERSION, _MODEL, _TIME_CODES, _FRAME_RATE, _REEL = 50706, 50708, 51043, 51044, 51081
_MOST_ENTRIES = 4096
_MOST_DIRECTORIES = 16
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_LARGEST_VALUE = 4096


@dataclass(frozen=True, slots=True)
class DngHeader:
    """What a DNG's tags say of the raw image."""

    width: int | None
    height: int | None
    bits: int | None
    model: str | None
    reel: str | None
    rate: FrameRate | None
    timecode: CodeWord | None


def read_dng(source: ByteSource) -> DngHeader | None:
    """The tags of a DNG; None where a file is no DNG (another TIFF, say)."""
    head = source.read_at(0, 8)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return None
    tiff = _Tiff(source, order)
    first = tiff.directory(struct.unpack_from(f"{order}I", head, 4)[0])
    if _DNG_VERSION not in first:
        return None
    raw = first
    for offset in tiff.numbers(first.get(_SUB_IFDS))[:_MOST_DIRECTORIES]:
        below = tiff.directory(offset)
        if tiff.numbers(below.get(_SUBFILE)) == (0,):  # the image itself; 1 is a preview
            raw = below
            break
    code = tiff.raw(first.get(_TIME_CODES))
    return DngHeader(
        width=tiff.number(raw.get(_WIDTH)),
        height=tiff.number(raw.get(_HEIGHT)),
        bits=tiff.number(raw.get(_BITS)),
        model=tiff.text(first.get(_MODEL)),
        reel=tiff.text(first.get(_REEL)),
        rate=tiff.rate(first.get(_FRAME_RATE)),
        timecode=read_code_word(int.from_bytes(code[:4], "little")) if len(code) >= 8 else None,
    )


@dataclass(frozen=True, slots=True)
class _Value:
    kind: int
    count: int
    offset: int


class _Tiff:
    """TIFF directories, read where they lie."""

    def __init__(self, source: ByteSource, order: str) -> None:
        self._source = source
        self._order = order

    def directory(self, offset: int) -> dict[int, _Value]:
        head = self._source.read_at(offset, 2)
        if len(head) < 2:
            return {}
        count = min(struct.unpack(f"{self._order}H", head)[0], _MOST_ENTRIES)
        return dict(self._entries(self._source.read_at(offset + 2, 12 * count), offset + 2))

    def _entries(self, data: bytes, start: int) -> Iterator[tuple[int, _Value]]:
        for place in range(0, len(data) - 11, 12):
            tag, kind, count, offset = struct.unpack_from(f"{self._order}HHII", data, place)
            inside = _SIZES.get(kind, 0) * count <= 4
            yield tag, _Value(kind, count, start + place + 8 if inside else offset)

    def raw(self, value: _Value | None) -> bytes:
        length = 0 if value is None else _SIZES.get(value.kind, 0) * value.count
        return b"" if value is None or length > _LARGEST_VALUE else self._source.read_at(value.offset, length)

    def numbers(self, value: _Value | None) -> tuple[int, ...]:
        form = None if value is None else {1: "B", 3: "H", 4: "I", 13: "I"}.get(value.kind)
        data = self.raw(value)
        if form is None or len(data) % struct.calcsize(form):
            return ()
        return struct.unpack(f"{self._order}{len(data) // struct.calcsize(form)}{form}", data)

    def number(self, value: _Value | None) -> int | None:
        numbers = self.numbers(value)
        return numbers[0] if numbers and numbers[0] > 0 else None

    def text(self, value: _Value | None) -> str | None:
        text = " ".join(self.raw(value).split(b"\0", 1)[0].decode("utf-8", "replace").split())
        return text if text and text.isprintable() and "\ufffd" not in text else None

    def rate(self, value: _Value | None) -> FrameRate | None:
        data = self.raw(value)
        if value is None or value.kind != 10 or len(data) != 8:
            return None
        numerator, denominator = struct.unpack(f"{self._order}2i", data)
        if numerator <= 0 or denominator <= 0 or not 1 <= numerator / denominator <= 1000:
            return None
        rate = FrameRate(numerator, denominator)
        return rate if rate.denominator in (1, 1001) else FrameRate.of(f"{float(rate):.3f}")
