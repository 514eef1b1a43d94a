"""What H.264 and HEVC say about themselves in the decoder configuration of a sample description.

Read from `avcC` (ISO/IEC 14496-15, 5.3.3, and the SPS of ITU-T H.264, 7.3.2.1.1 and E.1.1) and from `hvcC` (14496-15,
8.3.3, which repeats what is needed of the HEVC SPS). Of an SPS only what a probe shows is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from film_archive.core.facts import ColorFacts
from film_archive.media.codecs import Codec, h264_codec, h265_codec
from film_archive.media.color_tags import color_facts

_WITH_CHROMA_INFO = frozenset((44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244))


class UnreadableError(Exception):
    """A configuration record that is too short or is none; the caller says so in a diagnostic and does without."""


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """Codec with profile and bit depth, colour tags, and "progressive" where every frame has to be."""

    codec: Codec
    color: ColorFacts = field(default_factory=ColorFacts)
    scan: str | None = None


class _Bits:
    """A bit reader over an RBSP (emulation prevention already removed); raises UnreadableError at its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise UnreadableError
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """ue(v)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise UnreadableError
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_golomb(self) -> int:
        """se(v)."""
        code = self.golomb()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def h264_facts(record: bytes) -> StreamFacts:
    """From an avcC's body. Raises UnreadableError."""
    if len(record) < 4:
        raise UnreadableError
    profile, constraints = record[1], record[2]
    if len(record) < 8 or not record[5] & 31:
        return StreamFacts(h264_codec(profile, constraints))
    length = int.from_bytes(record[6:8], "big")
    sps = record[8 : 8 + length]
    if len(sps) < 4 or len(sps) != length:
        raise UnreadableError
    return _h264_sps(_Bits(sps[:4096].replace(b"\x00\x00\x03", b"\x00\x00")))


def _h264_sps(bits: _Bits) -> StreamFacts:
    bits.take(8)
    profile, constraints, _level = bits.take(8), bits.take(8), bits.take(8)
    bits.golomb()
    depth = 8
    if profile in _WITH_CHROMA_INFO:
        chroma = bits.golomb()
        if chroma == 3:
            bits.take(1)
        depth = 8 + bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.golomb()
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()
    elif order_type == 1:
        bits.take(1)
        bits.signed_golomb()
        bits.signed_golomb()
        cycle = bits.golomb()
        if cycle > 255:
            raise UnreadableError
        for _ in range(cycle):
            bits.signed_golomb()
    bits.golomb()
    bits.take(1)
    bits.golomb()
    bits.golomb()
    frames_only = bits.take(1)
    if not frames_only:
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        for _ in range(4):
            bits.golomb()
    color = _vui_color(bits) if bits.take(1) else ColorFacts()
    if not 8 <= depth <= 14:
        raise UnreadableError
    return StreamFacts(h264_codec(profile, constraints, depth), color, "progressive" if frames_only else None)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) & 255
        last = following or last


def _vui_color(bits: _Bits) -> ColorFacts:
    """The colour part of the VUI, which comes after the aspect ratio and overscan."""
    if bits.take(1) and bits.take(8) == 255:
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if not bits.take(1):
        return ColorFacts()
    bits.take(3)
    full = bool(bits.take(1))
    if not bits.take(1):
        return ColorFacts(range="full" if full else "limited")
    return color_facts(bits.take(8), bits.take(8), bits.take(8), full)


def h265_facts(record: bytes) -> StreamFacts:
    """From an hvcC's body. Raises UnreadableError."""
    if len(record) < 19:
        raise UnreadableError
    profile, constraints = record[1] & 31, int.from_bytes(record[6:12], "big")
    chroma, depth = record[16] & 3, 8 + (record[17] & 7)
    progressive = bool(constraints >> 47 & 1) and not constraints >> 46 & 1
    codec = h265_codec(profile, depth, chroma, intra=bool(constraints >> 37 & 1))
    return StreamFacts(codec, scan="progressive" if progressive else None)
