"""The bytes of a content that is stored as chunks, read at any place."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource
from film_archive.versioning.chunk_list import ChunkList

if TYPE_CHECKING:
    from film_archive.versioning.contents import Blob

_LOOKED_UP = 64
"""Chunks whose places are asked for together: what is read now, and what is behind it."""
_REMEMBERED = 4096
_MOST_OPEN = 8

Find = Callable[[Iterable[bytes]], "Mapping[bytes, Blob]"]
"""Addresses → the blobs among them that are there."""


class _Run(NamedTuple):
    """Bytes of one object, or literal ones."""

    place: bytes | None
    start: int
    length: int
    literal: bytes = b""


class ChunkedSource(ByteSource):
    """Chunks, one behind the other. What lies side by side in an object is read at once."""

    def __init__(self, chunks: ChunkList, find: Find, open_object: Callable[[bytes], ByteSource], name: str) -> None:
        self.name = name
        self.size = chunks.size
        self._chunks = chunks
        self._find = find
        self._open_object = open_object
        self._guard = threading.RLock()
        self._blobs: OrderedDict[bytes, Blob] = OrderedDict()
        self._objects: OrderedDict[bytes, ByteSource] = OrderedDict()

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        done = 0
        for run in self._runs(offset, len(view)):
            part = view[done : done + run.length]
            if run.place is None:
                part[:] = run.literal
            elif self._object(run.place).read_into(run.start, part) != run.length:
                raise Damaged(f"A pack that holds a chunk of {self.name} is cut short; restore it from a copy.")
            done += run.length
        return done

    def _runs(self, offset: int, length: int) -> list[_Run]:
        """From where a part of the content is read."""
        found: list[_Run] = []
        ends = self._chunks.ends
        number = int(np.searchsorted(ends, offset, side="right"))
        while length:
            begin = int(ends[number - 1]) if number else 0
            inside = offset - begin
            taken = min(length, int(ends[number]) - offset)
            run = self._run(number, inside, taken)
            last = found[-1] if found else None
            if last is not None and run.place is not None and (last.place, last.start + last.length) == (run.place, run.start):
                found[-1] = last._replace(length=last.length + taken)
            else:
                found.append(run)
            offset, length, number = offset + taken, length - taken, number + 1
        return found

    def _run(self, number: int, inside: int, length: int) -> _Run:
        chunk, start = int(self._chunks.chunks[number]), int(self._chunks.offsets[number]) + inside
        if chunk < 0:
            return _Run(None, 0, length, self._chunks.literals[start : start + length])
        blob = self._blob(chunk)
        if blob.size != int(self._chunks.sizes[chunk]):
            raise Damaged(f"A chunk of {self.name} has another size than it had; restore the repository from a copy.")
        if blob.place is None:
            if blob.data is None or len(blob.data) != blob.size:
                raise Damaged(f"A chunk of {self.name} lies nowhere; restore the repository's database from a copy.")
            return _Run(None, 0, length, blob.data[start : start + length])
        return _Run(blob.place, (blob.start or 0) + start, length)

    def _blob(self, number: int) -> Blob:
        address = self._chunks.address(number)
        with self._guard:
            blob = self._blobs.get(address)
            if blob is None:
                last = min(number + _LOOKED_UP, len(self._chunks.sizes))
                self._blobs.update(self._find([self._chunks.address(one) for one in range(number, last)]))
                while len(self._blobs) > _REMEMBERED:
                    self._blobs.popitem(last=False)
                blob = self._blobs.get(address)
        if blob is None:
            raise Damaged(f"A chunk of {self.name} is not in the repository; restore it from a copy.")
        return blob

    def _object(self, place: bytes) -> ByteSource:
        with self._guard:
            source = self._objects.get(place)
            if source is None:
                source = self._objects[place] = self._open_object(place)
                if len(self._objects) > _MOST_OPEN:
                    self._objects.popitem(last=False)  # not closed: another thread may read from it
        return source

    def close(self) -> None:
        """Let go of objects; a read that runs in another thread is finished first."""
        with self._guard:
            self._objects.clear()
