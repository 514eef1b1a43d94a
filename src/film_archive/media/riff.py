"""The chunks of a RIFF/WAVE file and of its large forms, RF64 (EBU Tech 3306) and BW64 (ITU-R BS.2088).

Sizes are where a damaged or unfinished file lies: each is held against the bytes that are there, and what was odd is
said.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.core.source import ByteSource

_UNKNOWN = 0xFFFFFFFF
_MOST_CHUNKS = 4096


def is_wave(head: bytes) -> bool:
    """Whether a file begins like a WAV, whatever its size."""
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE"


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk: where its content lies."""

    kind: bytes
    offset: int
    size: int


class Chunks:
    """The chunks of a WAV, in order; `said` collects what was odd while they are gone through."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self.said: list[str] = []
        self._sizes: dict[bytes, list[int]] = {}

    def __iter__(self) -> Iterator[Chunk]:
        source, position, count = self._source, 12, 0
        while position + 8 <= source.size:
            head = source.read_at(position, 8)
            kind, stated = head[:4], struct.unpack("<I", head[4:])[0]
            if not _is_kind(kind):
                self.said.append(f"{source.size - position} bytes behind its last chunk are no chunk")
                return
            count += 1
            if count > _MOST_CHUNKS:
                self.said.append(f"it has more than {_MOST_CHUNKS} chunks; those behind were left unread")
                return
            size = self._true_size(kind, stated, position + 8)
            yield Chunk(kind, position + 8, size)
            if kind == b"ds64":
                self._read_ds64(source.read_at(position + 8, min(size, 1 << 16)))
            position = self._next(position + 8 + size, size)

    def _next(self, end: int, size: int) -> int:
        """Where the next chunk begins: chunks of odd size have a byte of padding, which some writers forget."""
        if size % 2 == 0 or end >= self._source.size:
            return end
        if self._is_chunk_at(end) and not self._is_chunk_at(end + 1):
            self.said.append("a chunk of odd size has no byte of padding behind it")
            return end
        return end + 1

    def _true_size(self, kind: bytes, stated: int, offset: int) -> int:
        """A chunk's size: from `ds64` where it is too large to say, up to the file's end where it was never written."""
        left = self._source.size - offset
        size = stated
        if stated == _UNKNOWN and self._sizes.get(kind):
            size = self._sizes[kind].pop(0)
        if kind == b"data" and (size == _UNKNOWN or (size == 0 and left > 0 and not self._is_chunk_at(offset))):
            self.said.append(
                f"its recording was never closed: all {left} bytes to the end of the file are taken as sound"
            )
            return left
        if size > left:
            self.said.append(
                f"it is cut short: its {kind.decode('ascii').strip()} chunk states {size} bytes, {left} are there"
            )
            return left
        return size

    def _is_chunk_at(self, position: int) -> bool:
        head = self._source.read_at(position, 8)
        return (
            len(head) == 8
            and _is_kind(head[:4])
            and struct.unpack("<I", head[4:])[0] <= self._source.size - position - 8
        )

    def _read_ds64(self, data: bytes) -> None:
        """EBU Tech 3306, 3.1: sizes of the file, of `data`, samples, then a table of other large chunks."""
        if len(data) < 28:
            self.said.append("its ds64 chunk is too short and was left unread")
            return
        self._sizes[b"data"] = [struct.unpack_from("<Q", data, 8)[0]]
        count = min(struct.unpack_from("<I", data, 24)[0], (len(data) - 28) // 12)
        for place in range(count):
            kind, size = struct.unpack_from("<4sQ", data, 28 + 12 * place)
            self._sizes.setdefault(kind, []).append(size)


def _is_kind(kind: bytes) -> bool:
    return len(kind) == 4 and all(0x20 <= byte <= 0x7E for byte in kind) and kind.strip() != b""
