"""Sample entries for essence that comes from another container: how a QuickTime file describes it.

Sources: QuickTime File Format, "Video Sample Description", "Sound Sample Descriptions"; the Avid extensions as FFmpeg's
and Avid's files have them (ACLR colour range, APRG scan, ARES DNxHD raster, ADHR DNxHR compression ID).
"""

from __future__ import annotations

import struct
from fractions import Fraction

from film_archive.core.errors import NotSupported
from film_archive.core.facts import AudioFacts, MediaFacts
from film_archive.media.codecs import VIDEO_FOURCC
from film_archive.media.color_tags import MATRICES, PRIMARIES, TRANSFERS

_PRORES = {codec.profile: fourcc for fourcc, codec in VIDEO_FOURCC.items() if codec.name in ("prores_422", "prores_4444")}
_FIELDS = {"progressive": b"\1\0", "tff": b"\2\x09", "bff": b"\2\x0e"}


def picture_entry(facts: MediaFacts, first_frame: bytes) -> bytes:
    """The sample entry of ProRes, DNxHD or DNxHR frames; raises NotSupported for others."""
    width, height = facts.width or 0, facts.height or 0
    if facts.codec in ("prores_422", "prores_4444") and facts.profile in _PRORES:
        kind, own = _PRORES[facts.profile], b""
    elif facts.codec in ("dnxhd", "dnxhr"):
        kind, own = _dnx(facts, first_frame)
    else:
        raise NotSupported(
            f"{facts.codec} frames from {facts.container.upper()} can't be put into QuickTime without changing them; "
            "pull the whole clip instead."
        )
    fixed = struct.pack(">6xHHH4sIIHHIIIH", 1, 0, 0, b"flma", 0x200, 0x200, width, height, 0x480000, 0x480000, 0, 1)
    fixed += bytes([len(kind)]) + kind + bytes(27) + struct.pack(">Hh", 24, -1)
    extensions = own + _color(facts) + _atom(b"fiel", _FIELDS.get(facts.scan or "progressive", b"\1\0"))
    aspect = facts.pixel_aspect or Fraction(1)
    extensions += _atom(b"pasp", struct.pack(">II", aspect.numerator, aspect.denominator))
    return _atom(kind, fixed + extensions + (bytes(4) if own else b""))


def sound_entry(track: AudioFacts) -> bytes:
    """The sample entry of little-endian PCM, as MXF and WAV have it."""
    kinds = {"pcm_s16le": (b"sowt", 2), "pcm_s24le": (b"in24", 3), "pcm_s32le": (b"in32", 4), "pcm_f32le": (b"fl32", 4)}
    if track.codec not in kinds:
        raise NotSupported(f"{track.codec} sound can't be put into QuickTime without changing it.")
    kind, width = kinds[track.codec]
    if track.sample_rate > 0xFFFF:
        raise NotSupported(f"Sound of {track.sample_rate} Hz is not cut into QuickTime yet.")
    fixed = struct.pack(">6xHHHIHHhHI", 1, 0 if kind == b"sowt" else 1, 0, 0, track.channels, 16,
                        0 if kind == b"sowt" else -2, 0, track.sample_rate << 16)  # fmt: skip
    if kind == b"sowt":
        return _atom(kind, fixed)
    fixed += struct.pack(">4I", 1, width, width * track.channels, width)
    wave = _atom(b"frma", kind) + _atom(b"enda", b"\0\1") + _atom(b"\0\0\0\0", b"")
    return _atom(kind, fixed + _atom(b"wave", wave))


def _dnx(facts: MediaFacts, first_frame: bytes) -> tuple[bytes, bytes]:
    if len(first_frame) < 44:
        raise NotSupported("The clip's first frame is too short to be a DNx frame.")
    compression_id = struct.unpack_from(">I", first_frame, 40)[0]
    full = facts.color.range == "full"
    color = _atom(b"ACLR", struct.pack(">4s4sII", b"ACLR", b"0001", 2 if full else 1, 0))
    if facts.codec == "dnxhr":
        return b"AVdh", color + _atom(b"ADHR", struct.pack(">4sI4I", b"0001", compression_id, 0, 1, 0, 0))
    scan = _atom(b"APRG", struct.pack(">4s4sII", b"APRG", b"0001", 1 if facts.scan == "progressive" else 2, 0))
    interlaced = facts.scan in ("tff", "bff")
    lines = (facts.height or 0) // 2 if interlaced else facts.height or 0
    raster = struct.pack(">4s4s3I2I", b"ARES", b"0001", compression_id, facts.width or 0, lines, 2 if interlaced else 1, 0)
    return b"AVdn", color + scan + _atom(b"ARES", (raster + struct.pack(">I", 5)).ljust(112, b"\0"))


def _color(facts: MediaFacts) -> bytes:
    color = facts.color
    codes = [_code(table, name) for table, name in (
        (PRIMARIES, color.primaries), (TRANSFERS, color.transfer), (MATRICES, color.matrix))]  # fmt: skip
    if all(code == 2 for code in codes):
        return b""
    return _atom(b"colr", b"nclc" + struct.pack(">3H", *codes))


def _code(table: dict[int, str], name: str | None) -> int:
    """The H.273 number of a name; 2 is "unspecified"."""
    return next((code for code, known in table.items() if known == name), 2)


def _atom(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
