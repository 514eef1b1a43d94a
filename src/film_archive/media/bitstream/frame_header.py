"""What a coded frame says of itself in its first bytes: VC-3, ProRes, JPEG 2000, JPEG, MPEG-2, H.264.

Sources: ST 2019-1 (VC-3), RDD 36 (ProRes), ISO/IEC 15444-1 A.5.1 (JPEG 2000), ITU-T H.262 6.2 (MPEG-2), ITU-T H.264
7.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from film_archive.core.facts import ColorFacts
from film_archive.media.bitstream.h264 import parameters_in
from film_archive.media.codecs import Codec, dnx_codec
from film_archive.media.color_tags import color_facts

HEAD = 4096
"""How many bytes of a frame are enough."""
FIXED_HEAD = 640
"""How many are for ProRes and VC-3, whose headers have everything at a fixed place."""
_MPEG2_PROFILES = {1: "High", 2: "Spatial", 3: "SNR", 4: "Main", 5: "Simple"}
_MPEG2_LEVELS = {4: "High", 6: "High 1440", 8: "Main", 10: "Low"}
_MPEG2_422 = {0x85: "4:2:2@Main", 0x82: "4:2:2@High"}


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """A frame's own word on codec, size, fields and colour; `scan` as in MediaFacts.

    Height is that of the whole frame, None where headers differ in what they count.
    """

    codec: Codec
    width: int | None = None
    height: int | None = None
    scan: str | None = None
    color: ColorFacts = field(default_factory=ColorFacts)


def read_frame_header(frame: bytes, rate: Fraction | None = None) -> FrameHeader | None:
    """The header of a frame from its first bytes, or None where it is of no codec that is known here.

    DNxHD is named by its bit rate, for which the frame rate is needed.
    """
    header = dnx_header(frame, rate)
    if header is not None:
        return header
    for read in (prores_header, _jpeg2000, _jpeg, _mpeg2, _avc):
        header = read(frame)
        if header is not None:
            return header
    return None


def frame_size(head: bytes) -> int | None:
    """A frame's size where its first bytes state it (ProRes)."""
    return int(struct.unpack_from(">I", head)[0]) if head[4:8] == b"icpf" else None


def frame_mark(head: bytes) -> tuple[bytes, int] | None:
    """With what every picture of a clip begins, and how many of those make a frame, where all have one size (VC-3)."""
    if dnx_codec(head) is None:
        return None
    return head[:5], 2 if head[5] & 2 else 1


def dnx_header(frame: bytes, rate: Fraction | None) -> FrameHeader | None:
    """Of a VC-3 frame (DNxHD, DNxHR), or None where it is none."""
    codec = dnx_codec(frame, rate)
    if codec is None:
        return None
    lines, width = struct.unpack_from(">HH", frame, 0x18)
    if frame[5] & 2:  # each field has a header, and writers differ in whether its lines are the field's
        return FrameHeader(codec, width, None, "bff" if frame[5] & 1 else "tff")
    return FrameHeader(codec, width, lines, "progressive")


def prores_header(frame: bytes) -> FrameHeader | None:
    """Of a ProRes frame, or None where it is none. The codec has no profile: only a container's four letters tell it."""
    if frame[4:8] != b"icpf" or len(frame) < 28:
        return None
    width, height = struct.unpack_from(">HH", frame, 16)
    chroma, interlace = frame[20] >> 6, frame[20] >> 2 & 3
    codec = Codec("prores_4444", None, 12, True) if chroma == 3 else Codec("prores_422", None, 10, True)
    scan = {0: "progressive", 1: "tff", 2: "bff"}.get(interlace)
    return FrameHeader(codec, width, height, scan, color_facts(frame[22], frame[23], frame[24] or 2))


def _jpeg2000(frame: bytes) -> FrameHeader | None:
    if frame[:4] != b"\xff\x4f\xff\x51" or len(frame) < 45:
        return None
    capabilities, right, bottom, left, top = struct.unpack_from(">HIIII", frame, 6)
    profile = "HTJ2K" if capabilities & 0x4000 else {3: "Cinema 2K", 4: "Cinema 4K"}.get(capabilities)
    codec = Codec("jpeg2000", profile, (frame[42] & 0x7F) + 1, True)
    return FrameHeader(codec, max(0, right - left) or None, max(0, bottom - top) or None)


def _jpeg(frame: bytes) -> FrameHeader | None:
    return FrameHeader(Codec("mjpeg", None, 8, True)) if frame[:3] == b"\xff\xd8\xff" else None


def start_codes(frame: bytes) -> Iterator[tuple[int, int]]:
    """(code, position behind it) of the start codes 00 00 01 xx in some bytes."""
    place = frame.find(b"\0\0\1")
    while 0 <= place < len(frame) - 4:
        yield frame[place + 3], place + 4
        place = frame.find(b"\0\0\1", place + 3)


def _mpeg2(frame: bytes) -> FrameHeader | None:
    if frame[:4] != b"\0\0\1\xb3" or len(frame) < 12:
        return None
    sizes = int.from_bytes(frame[4:7], "big")
    width, height = sizes >> 12, sizes & 0xFFF
    profile, scan = None, None
    for code, at in start_codes(frame):
        extension = frame[at] >> 4 if at < len(frame) else 0
        if code == 0xB5 and extension == 1 and at + 3 < len(frame):
            level = (frame[at] & 0x0F) << 4 | frame[at + 1] >> 4
            profile = _MPEG2_422.get(level) or _named(
                _MPEG2_PROFILES.get(level >> 4 & 7), _MPEG2_LEVELS.get(level & 15)
            )
            width |= (frame[at + 1] & 1) << 13 | (frame[at + 2] >> 7) << 12
            height |= (frame[at + 2] >> 5 & 3) << 12
            scan = "progressive" if frame[at + 1] & 8 else None
        elif code == 0xB5 and extension == 8 and at + 4 < len(frame) and scan is None:
            progressive, top_first = frame[at + 4] >> 7, frame[at + 3] >> 7
            scan = "progressive" if progressive else "tff" if top_first else "bff"
        elif 1 <= code <= 0xAF:
            break
    return FrameHeader(Codec("mpeg2", profile, 8), width, height, scan)


def _named(profile: str | None, level: str | None) -> str | None:
    return f"{profile}@{level}" if profile and level else profile


def mpeg2_picture(frame: bytes) -> tuple[int, int, bool] | None:
    """(temporal reference, coding type with 1 = I, whether a group of pictures begins) of an MPEG-2 picture."""
    group = False
    for code, at in start_codes(frame):
        if code == 0xB8:
            group = True
        elif code == 0 and at + 2 <= len(frame):
            word = int.from_bytes(frame[at : at + 2], "big")
            return word >> 6, word >> 3 & 7, group
    return None


def _avc(frame: bytes) -> FrameHeader | None:
    found = parameters_in(frame)
    if found is None:
        return None
    scan = "progressive" if found.frames_only else None
    return FrameHeader(found.codec, found.width, found.height, scan, found.color)
