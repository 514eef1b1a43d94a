"""The list of chunks that a content is: what a blob of the layout "chunked" leads to.

docs/repository-format.md states the bytes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged
from film_archive.core.json_text import from_json, to_json

_HEAD = b"film-archive chunks 1\n"
_LITERAL = 1 << 31
LITERAL = 256
"""Pieces of at most so many bytes stand in the list itself: what a container has between two frames."""
_CHUNK = -1


@dataclass(frozen=True, eq=False, slots=True)
class ChunkList:
    """Which chunks a content is, in their order: pieces of chunks, and literal ones."""

    chunker: Mapping[str, Any]
    """The chunker's name and its parameters."""
    ends: NDArray[np.int64]
    """Where each piece ends in the content."""
    chunks: NDArray[np.int64]
    """Of each piece the number of its chunk; −1 for literal ones."""
    offsets: NDArray[np.int64]
    """Where each piece begins in its chunk, or in `literals`."""
    sizes: NDArray[np.int64]
    """Of each chunk."""
    addresses: bytes
    """Of each chunk, 32 bytes."""
    literals: bytes

    @property
    def size(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def address(self, number: int) -> bytes:
        return self.addresses[32 * number : 32 * number + 32]

    def all_addresses(self) -> set[bytes]:
        """The chunks that have to be there."""
        return {self.address(number) for number in range(len(self.sizes))}


class ChunkListMaker:
    """A list in the making. What is said of a sound track's pieces is filled in when all its chunks are known."""

    def __init__(self) -> None:
        self._lengths = array("q")
        self._kinds = array("q")
        """_CHUNK, a literal (−2), or the number of a sound track."""
        self._where = array("q")
        """The number of the chunk; in a sound track the place of its first byte."""
        self._sizes = array("q")
        self._addresses: list[bytes] = []
        self._literals: list[bytes] = []
        self._tracks: dict[int, _Track] = {}

    def add(self, address: bytes, length: int) -> None:
        """The next piece is a chunk."""
        self._put(length, _CHUNK, self._chunk(address, length))

    def add_literal(self, data: bytes) -> None:
        """The next piece is these bytes."""
        self._put(len(data), _CHUNK - 1, 0)
        self._literals.append(data)

    def add_sound(self, track: int, length: int) -> None:
        """The next piece is the next bytes of a sound track."""
        sound = self._tracks.setdefault(track, _Track(array("q"), array("q")))
        if self._kinds and self._kinds[-1] == track and self._lengths[-1] + length < _LITERAL:
            self._lengths[-1] += length
        else:
            self._put(length, track, sound.length)
        sound.length += length

    def add_sound_chunk(self, track: int, address: bytes, length: int) -> None:
        """The next bytes of a sound track are a chunk."""
        sound = self._tracks[track]
        sound.begins.append(sound.chunked)
        sound.chunks.append(self._chunk(address, length))
        sound.chunked += length

    def _put(self, length: int, kind: int, where: int) -> None:
        self._lengths.append(length)
        self._kinds.append(kind)
        self._where.append(where)

    def _chunk(self, address: bytes, length: int) -> int:
        self._sizes.append(length)
        self._addresses.append(address)
        return len(self._addresses) - 1

    def data(self, chunker: Mapping[str, Any]) -> bytes:
        """The list's bytes."""
        words = to_json(dict(chunker))
        lengths, chunks, offsets = array("q"), array("q"), array("q")
        for length, kind, where in zip(self._lengths, self._kinds, self._where, strict=True):
            if kind < _CHUNK:
                lengths.append(length | _LITERAL)
            elif kind == _CHUNK:
                lengths.append(length)
                chunks.append(where)
                offsets.append(0)
            else:
                for taken, chunk, offset in self._tracks[kind].pieces(where, length, self._sizes):
                    lengths.append(taken)
                    chunks.append(chunk)
                    offsets.append(offset)
        numbers = [np.array(column, "<u4").tobytes() for column in (self._sizes, lengths, chunks, offsets)]
        counts = [len(self._sizes).to_bytes(4, "little"), len(lengths).to_bytes(4, "little")]
        return b"".join(
            (_HEAD, len(words).to_bytes(4, "little"), words, *counts, *numbers, *self._addresses, *self._literals)
        )


@dataclass(slots=True)
class _Track:
    """The bytes of a sound track, one behind the other."""

    begins: array[int]
    """Where each chunk begins in them."""
    chunks: array[int]
    """The number of each chunk."""
    chunked: int = 0
    length: int = 0

    def pieces(self, start: int, length: int, sizes: array[int]) -> list[tuple[int, int, int]]:
        """(length, number of the chunk, place in it) of some of the bytes."""
        found = []
        at = bisect_right(self.begins, start) - 1
        while length:
            offset = start - self.begins[at]
            taken = min(length, sizes[self.chunks[at]] - offset)
            found.append((taken, self.chunks[at], offset))
            start, length, at = start + taken, length - taken, at + 1
        return found


def read_chunk_list(data: bytes, size: int, name: str) -> ChunkList:
    """Read a list of a content of so many bytes; raises Damaged."""
    try:
        return _read(data, size)
    except ValueError as error:
        raise Damaged(f"The list of the chunks that {name} is can't be read ({error}); restore it from a copy.") from error


def _read(data: bytes, size: int) -> ChunkList:
    if not data.startswith(_HEAD):
        raise ValueError("it does not begin as one")
    at = len(_HEAD) + 4
    length = int.from_bytes(data[at - 4 : at], "little")
    chunker = from_json(data[at : at + length])
    if not isinstance(chunker, dict) or not isinstance(chunker.get("chunker"), str):
        raise ValueError("it does not say by what it was made")
    at += length + 8
    count, pieces = int.from_bytes(data[at - 8 : at - 4], "little"), int.from_bytes(data[at - 4 : at], "little")
    if at + 4 * pieces + 36 * count > len(data):
        raise ValueError("it is cut short")
    sizes = np.frombuffer(data, "<u4", count, at).astype(np.int64)
    rows = np.frombuffer(data, "<u4", pieces, at + 4 * count).astype(np.int64)
    at += 4 * count + 4 * pieces
    literal = (rows & _LITERAL) != 0
    lengths = rows & (_LITERAL - 1)
    within = np.where(literal, lengths, 0)
    others = pieces - int(literal.sum())
    if at + 8 * others + 32 * count + int(within.sum()) != len(data) or (pieces and int(lengths.min()) == 0):
        raise ValueError("it has other bytes than it says")
    ends = np.cumsum(lengths)
    if (int(ends[-1]) if pieces else 0) != size:
        raise ValueError("its chunks have another size than the content")
    chunks, offsets = np.full(pieces, -1, np.int64), np.cumsum(within) - within
    chunks[~literal] = np.frombuffer(data, "<u4", others, at)
    offsets[~literal] = np.frombuffer(data, "<u4", others, at + 4 * others)
    if others and int(chunks.max()) >= count:
        raise ValueError("it names a chunk that it does not have")
    if others and bool((offsets + lengths > sizes[chunks])[~literal].any()):
        raise ValueError("it names bytes that a chunk does not have")
    at += 8 * others
    split = at + 32 * count
    return ChunkList(chunker, ends, chunks, offsets, sizes, data[at:split], data[split:])
