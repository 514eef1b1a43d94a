"""What a coded frame says in its own header, for codecs whose sample description says little: ProRes and DNxHD/HR.

Sources: SMPTE RDD 36, 5.1.1 (ProRes frame header); SMPTE ST 2019-1, 6.1 (VC-3 header).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction

from film_archive.core.facts import ColorFacts
from film_archive.media.codecs import Codec, dnx_codec
from film_archive.media.color_tags import color_facts

HEADER_BYTES = 640
"""How much of a frame has to be read."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """Size in pixels (None where headers differ in what they count), scan, colour tags; codec where only this tells."""

    width: int
    height: int | None
    scan: str | None
    color: ColorFacts = field(default_factory=ColorFacts)
    codec: Codec | None = None


def prores_header(frame: bytes) -> FrameHeader | None:
    """Of a ProRes frame, or None where it is none."""
    if len(frame) < 28 or frame[4:8] != b"icpf":
        return None
    width, height = struct.unpack_from(">HH", frame, 16)
    scan = {0: "progressive", 1: "tff", 2: "bff"}.get(frame[20] >> 2 & 3)
    return FrameHeader(width, height, scan, color_facts(frame[22], frame[23], frame[24] or 2))


def dnx_header(frame: bytes, rate: Fraction | None) -> FrameHeader | None:
    """Of a DNxHD or DNxHR frame, or None where it is none.

    In interlaced frames each field has its own header, and writers differ in whether its lines are the field's.
    """
    codec = dnx_codec(frame, rate)
    if codec is None:
        return None
    lines, width = struct.unpack_from(">HH", frame, 24)
    if not frame[5] & 2:
        return FrameHeader(width, lines, "progressive", codec=codec)
    return FrameHeader(width, None, "bff" if frame[5] & 1 else "tff", codec=codec)
