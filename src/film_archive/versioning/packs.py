"""Packs: many small contents as one object, with a list of them at its end. docs/repository-format.md states the bytes."""

from __future__ import annotations

import struct
from typing import NamedTuple

from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource, ConcatSource, MemorySource

_HEAD = b"film-archive pack 1\n"
_TAIL = b"kcap 1\n\0"
_ROW = struct.Struct("<32sQQ")
FULL = 16 << 20
"""Bytes of contents after which a pack is closed."""


class Packed(NamedTuple):
    """A content in a pack."""

    address: bytes
    start: int
    size: int


class PackWriter:
    """A pack in the making, in memory."""

    def __init__(self) -> None:
        self._parts = [_HEAD]
        self._end = len(_HEAD)
        self.rows: list[Packed] = []

    def add(self, address: bytes, data: bytes) -> None:
        self.rows.append(Packed(address, self._end, len(data)))
        self._parts.append(data)
        self._end += len(data)

    @property
    def is_full(self) -> bool:
        return self._end >= FULL

    def source(self) -> ByteSource:
        """The pack's bytes, not put together."""
        return ConcatSource([MemorySource(part) for part in (*self._parts, self._list())], "a pack")

    def data(self) -> bytes:
        return b"".join([*self._parts, self._list()])

    def _list(self) -> bytes:
        listed = b"".join([_ROW.pack(*row) for row in self.rows])
        return b"".join([listed, len(self.rows).to_bytes(8, "little"), _TAIL])


def read_pack(source: ByteSource) -> list[Packed]:
    """What a pack says that it holds; raises Damaged where it is none."""
    ending = len(_TAIL) + 8
    tail = source.read_at(max(0, source.size - ending), ending)
    if source.read_at(0, len(_HEAD)) != _HEAD or not tail.endswith(_TAIL):
        raise Damaged(f"{source.name} is not a pack.")
    count = int.from_bytes(tail[:8], "little")
    begins = source.size - ending - count * _ROW.size
    if begins < len(_HEAD):
        raise Damaged(f"{source.name} claims {count} contents, more than it can hold.")
    rows = [Packed(*row) for row in _ROW.iter_unpack(source.read_at(begins, count * _ROW.size))]
    if any(row.start < len(_HEAD) or row.start + row.size > begins for row in rows):
        raise Damaged(f"{source.name} names contents that it does not hold.")
    return rows
