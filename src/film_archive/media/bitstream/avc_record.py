"""`avcC`: the parameter sets of H.264 in a QuickTime sample entry, taken apart and put together again.

Source: ISO/IEC 14496-15, 5.3.3.1.2 (AVCDecoderConfigurationRecord), 5.2.3 (NAL units with their lengths).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.media.bitstream.bits import Bits, UnreadableError

NAL_IDR, NAL_SPS, NAL_PPS = 5, 7, 8
_MOST_SPS, _MOST_PPS = 31, 255


@dataclass(frozen=True, slots=True)
class AvcRecord:
    """What an `avcC` says. Parameter sets are whole NAL units."""

    profile: int
    constraints: int
    level: int
    length_size: int
    """Bytes of the length in front of each NAL unit of a frame."""
    sequence: tuple[bytes, ...]
    picture: tuple[bytes, ...]
    rest: bytes
    """Chroma format and depths, as high profiles have them behind the sets."""

    @classmethod
    def parse(cls, body: bytes) -> AvcRecord:
        """Read an `avcC`'s body. Raises UnreadableError."""
        if len(body) < 7 or body[0] != 1:
            raise UnreadableError
        place = 5
        sequence, place = _sets(body, place, 31)
        picture, place = _sets(body, place, 255)
        return cls(body[1], body[2], body[3], (body[4] & 3) + 1, sequence, picture, body[place:])

    def to_bytes(self) -> bytes:
        head = bytes((1, self.profile, self.constraints, self.level, 0xFC | self.length_size - 1))
        sequence = b"".join(struct.pack(">H", len(unit)) + unit for unit in self.sequence)
        picture = b"".join(struct.pack(">H", len(unit)) + unit for unit in self.picture)
        return head + bytes((0xE0 | len(self.sequence),)) + sequence + bytes((len(self.picture),)) + picture + self.rest

    @property
    def free_id(self) -> int | None:
        """A number that no set has, below 32; None where all are taken."""
        taken = {parameter_id(unit) for unit in (*self.sequence, *self.picture)}
        return next((number for number in range(1, 32) if number not in taken), None)

    def joined(self, sequence: tuple[bytes, ...], picture: tuple[bytes, ...]) -> AvcRecord:
        """The record with more sets. Raises UnreadableError where there is no room, or numbers clash."""
        every = {parameter_id(unit) for unit in (*self.sequence, *self.picture)}
        new = [parameter_id(unit) for unit in (*sequence, *picture)]
        if every.intersection(new) or len(self.sequence) + len(sequence) > _MOST_SPS:
            raise UnreadableError
        if len(self.picture) + len(picture) > _MOST_PPS:
            raise UnreadableError
        return AvcRecord(
            max(self.profile, *(unit[1] for unit in sequence)),
            self.constraints & _all(unit[2] for unit in sequence),
            max(self.level, *(unit[3] for unit in sequence)),
            self.length_size,
            (*self.sequence, *sequence),
            (*self.picture, *picture),
            self.rest,
        )


def _all(masks: Iterator[int]) -> int:
    together = 0xFF
    for mask in masks:
        together &= mask
    return together


def _sets(body: bytes, place: int, mask: int) -> tuple[tuple[bytes, ...], int]:
    if place >= len(body):
        raise UnreadableError
    units = []
    count, place = body[place] & mask, place + 1
    for _ in range(count):
        if place + 2 > len(body):
            raise UnreadableError
        (length,) = struct.unpack_from(">H", body, place)
        unit = body[place + 2 : place + 2 + length]
        if len(unit) != length or (length < 4 and unit[:1] and unit[0] & 31 == NAL_SPS):
            raise UnreadableError
        units.append(unit)
        place += 2 + length
    return tuple(units), place


def parameter_id(unit: bytes) -> int:
    """The number of a sequence or picture parameter set. Raises UnreadableError."""
    if not unit:
        raise UnreadableError
    return Bits(unit[4:] if unit[0] & 31 == NAL_SPS else unit[1:]).number()


def units_with_lengths(frame: bytes, length_size: int) -> Iterator[tuple[int, int, int]]:
    """(type, offset, length) of each NAL unit of a frame that begins in these bytes. The last may be cut off."""
    place = 0
    while place + length_size < len(frame):
        length = int.from_bytes(frame[place : place + length_size], "big")
        place += length_size
        yield frame[place] & 31, place, length
        if length == 0:
            return
        place += length


def begins_anew(frame: bytes, length_size: int) -> bool:
    """Whether a frame is an instantaneous refresh (IDR): what is decoded from there on needs nothing before it."""
    for kind, _, _ in units_with_lengths(frame, length_size):
        if kind == NAL_IDR:
            return True
        if 1 <= kind < NAL_IDR:
            return False
    return False
