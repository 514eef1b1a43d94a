"""KLV triplets (SMPTE ST 336): a 16-byte key, a BER length, a value; and the run-in before the first of them.

Keys are compared without byte 7, the version of the registry: writers differ in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged
from film_archive.core.frame_index import Longs
from film_archive.core.source import ByteSource

PREFIX = b"\x06\x0e\x2b\x34"
LONGEST_HEAD = 25
"""Key and length never take more: 16 bytes, then at most 1 + 8."""
LONGEST_RUN_IN = 65_536
_WINDOW = 512
_SLOT = 32
_BATCH = 1 << 16


def ul(text: str) -> bytes:
    """A universal label from its hex digits, in the form in which labels are compared (version byte 0)."""
    return normal(bytes.fromhex(text))


def normal(key: bytes) -> bytes:
    """A key or label with its version byte set to 0."""
    return key[:7] + b"\0" + key[8:]


PARTITION_PACK = ul("060e2b34 02050101 0d010201 01000000")[:13]
FILLER = ul("060e2b34 01010101 03010210 01000000")
PRIMER = ul("060e2b34 02050101 0d010201 01050100")
RANDOM_INDEX = ul("060e2b34 02050101 0d010201 01110100")
_INDEX_SEGMENT = ul("060e2b34 02530101 0d010201 01100100")[:14]
_ENCRYPTED_TRIPLET = ul("060e2b34 02040101 0d010301 027e0100")[:14]
_HEADER_PACK = bytes.fromhex("060e2b34 02050101 0d0102")


class Klv(NamedTuple):
    """The head of one triplet: its key in comparable form and where key and value lie."""

    key: bytes
    offset: int
    value: int
    length: int

    @property
    def end(self) -> int:
        return self.value + self.length


def is_partition_pack(key: bytes) -> bool:
    return key[:13] == PARTITION_PACK and 2 <= key[13] <= 4


def is_system_item(key: bytes) -> bool:
    """Whether a triplet is part of a content package's system item (ST 326, ST 379: packs and sets, item 04 or 14)."""
    return key[4] == 2 and key[8:12] == b"\x0d\x01\x03\x01" and key[12] in (0x04, 0x14)


def is_index(key: bytes) -> bool:
    return key[:14] == _INDEX_SEGMENT


def is_encrypted(key: bytes) -> bool:
    """Whether a triplet is an encrypted one (ST 429-6)."""
    return key[:14] == _ENCRYPTED_TRIPLET


def is_essence(key: bytes) -> bool:
    """Whether a triplet is an essence element: ST 379's keys, and those that Avid, Sony and others registered."""
    return key[4:6] == b"\x01\x02"


def track_number(key: bytes) -> int:
    """What a track's TrackNumber (4804) is equal to, for an essence element."""
    return int.from_bytes(key[12:16], "big")


def run_in(head: bytes) -> int | None:
    """How many bytes stand before the header partition pack; None where there is no MXF in these first bytes."""
    place = head[: LONGEST_RUN_IN + len(_HEADER_PACK)].find(_HEADER_PACK)
    rest = head[place + len(_HEADER_PACK) : place + len(_HEADER_PACK) + 3]
    return place if place >= 0 and rest == b"\x01\x01\x02"[: len(rest)] else None


def is_mxf(head: bytes) -> bool:
    """Whether a file that begins so is MXF; a run-in of up to 65,535 bytes is passed over, if it is given."""
    return run_in(head) is not None


class KlvReader:
    """Reads the heads of triplets one after the other, through a small window so that short ones share a read.

    It stops with Damaged after more triplets than any real file of this size has, each visited several times.
    """

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self._data = b""
        self._start = 0
        self._visits_left = 2_000_000 + source.size // 128

    def at(self, offset: int) -> Klv | None:
        """The triplet that begins at `offset`; None at the end of the source.

        Raises Damaged where no legal head is there. Its value may reach past the end of the source.
        """
        self._visits_left -= 1
        if self._visits_left < 0:
            raise Damaged(f"{self.source.name} has more structure than content; it was not read further.")
        place = offset - self._start
        if place < 0 or place + LONGEST_HEAD > len(self._data):
            self._data, self._start, place = self.source.read_at(offset, _WINDOW), offset, 0
        data = self._data
        if len(data) - place < 17:
            return None
        if data[place : place + 4] != PREFIX:
            raise Damaged(f"{self.source.name} has no MXF structure at byte {offset}, where a key should be.")
        first = data[place + 16]
        if first < 0x80:
            head, length = 17, first
        else:
            count = first & 0x7F
            head = 17 + count
            if not 1 <= count <= 8:
                raise Damaged(f"{self.source.name} states a length that is not allowed at byte {offset}.")
            if len(data) - place < head:
                return None
            length = int.from_bytes(data[place + 17 : place + head], "big")
        if length >> 62:
            raise Damaged(f"{self.source.name} states an impossible length of {length} bytes at byte {offset}.")
        return Klv(normal(data[place : place + 16]), offset, offset + head, length)

    def walk(self, start: int, end: int) -> Iterator[Klv]:
        """The triplets, fillers too, that begin in [start, end)."""
        offset = start
        while offset < end:
            klv = self.at(offset)
            if klv is None:
                return
            yield klv
            offset = klv.end

    def value(self, klv: Klv, maximum: int) -> bytes:
        """A triplet's whole value; raises Damaged where it is larger than `maximum` or the source ends before."""
        if klv.length > maximum:
            raise Damaged(
                f"{self.source.name} has a structure of {klv.length} bytes at byte {klv.offset}; that is too large."
            )
        data = self.source.read_at(klv.value, klv.length)
        if len(data) < klv.length:
            raise Damaged(f"{self.source.name} ends in the middle of the structure at byte {klv.offset}.")
        return data


@dataclass(frozen=True, eq=False)
class Heads:
    """The heads of many triplets: `keys` (n × 16 bytes, comparable), `sizes` of the heads, `lengths` of the values.

    Where no legal head was, the length is −1.
    """

    keys: NDArray[np.uint8]
    sizes: Longs
    lengths: Longs

    def are(self, key: bytes) -> NDArray[np.bool_]:
        """Which of them are legal and have this key."""
        wanted = np.frombuffer(key, np.uint8)
        matches: NDArray[np.bool_] = (self.keys == wanted).all(axis=1) & (self.lengths >= 0)
        return matches


def read_heads(source: ByteSource, positions: Longs) -> Heads:
    """The heads at many places, one small read each (a read of 25 bytes takes a microsecond or two when warm)."""
    parts = [_batch(source, positions[first : first + _BATCH]) for first in range(0, len(positions), _BATCH)]
    if not parts:
        return Heads(np.zeros((0, 16), np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return Heads(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.sizes for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )


def _batch(source: ByteSource, positions: Longs) -> Heads:
    buffer = bytearray(len(positions) * _SLOT)
    view = memoryview(buffer)
    read_into = source.read_into
    slot = 0
    for position in positions.tolist():
        read_into(position, view[slot : slot + LONGEST_HEAD])
        slot += _SLOT
    table = np.frombuffer(buffer, np.uint8).reshape(-1, _SLOT)
    keys = table[:, :16].copy()
    keys[:, 7] = 0
    first = table[:, 16].astype(np.int64)
    count = np.where(first < 0x80, 0, first & 0x7F)
    lengths = np.where(first < 0x80, first, 0).astype(np.uint64)
    for byte in range(1, 9):
        long = count >= byte
        lengths[long] = (lengths[long] << np.uint64(8)) | table[long, 16 + byte]
    legal = (first != 0x80) & (count <= 8) & (lengths >> np.uint64(62) == 0)
    legal &= (table[:, :4] == np.frombuffer(PREFIX, np.uint8)).all(axis=1)
    return Heads(keys, 17 + count, np.where(legal, lengths.astype(np.int64), -1))
