"""`hvcC`: the parameter sets of HEVC in a QuickTime sample entry.

Source: ISO/IEC 14496-15, 8.3.3.1.2 (HEVCDecoderConfigurationRecord); ITU-T H.265, 7.3.3 (profile_tier_level), 7.4.2.2 (types).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from film_archive.media.bitstream.bits import UnreadableError

NAL_VPS, NAL_SPS, NAL_PPS = 32, 33, 34
_BLA, _IDR = range(16, 19), range(19, 21)
_CODED = range(32)
_FIXED = 22
_LAYERS = 0x0B
"""One temporal layer, and the length of lengths in the lowest bits."""


def nal_type(first: int) -> int:
    """The type in the first byte of a NAL unit."""
    return first >> 1 & 63


def length_size_of(record: bytes) -> int:
    """Bytes of the length in front of each NAL unit of a frame. Raises UnreadableError."""
    if len(record) < _FIXED + 1 or record[0] != 1:
        raise UnreadableError
    return (record[21] & 3) + 1


def begins_anew(frame: bytes, length_size: int) -> bool:
    """Whether a frame is an IDR or a broken link: what is decoded from there on needs nothing before it."""
    place = 0
    while place + length_size < len(frame):
        length = int.from_bytes(frame[place : place + length_size], "big")
        place += length_size
        kind = nal_type(frame[place])
        if kind in _CODED:
            return kind in _BLA or kind in _IDR
        if length == 0:
            return False
        place += length
    return False


def record_of(like: bytes, units: Sequence[bytes]) -> bytes:
    """A record of other parameter sets, of frames of the same size and format. Raises UnreadableError where one is missing."""
    sets = {kind: [unit for unit in units if unit and nal_type(unit[0]) == kind] for kind in (NAL_VPS, NAL_SPS, NAL_PPS)}
    if not all(sets.values()):
        raise UnreadableError
    plain = sets[NAL_SPS][0].replace(b"\0\0\3", b"\0\0")
    if len(plain) < 15:
        raise UnreadableError
    nested = plain[2] & 1
    head = like[:1] + plain[3:15] + like[13:21] + bytes((_LAYERS & ~3 | nested << 2 | length_size_of(like) - 1,))
    arrays = b"".join(
        struct.pack(">BH", 0x80 | kind, len(found)) + b"".join(struct.pack(">H", len(unit)) + unit for unit in found)
        for kind, found in sets.items()
    )
    return head + bytes((len(sets),)) + arrays
