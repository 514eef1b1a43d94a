"""Blocks of members that are dear to read (deflated ones, later tape and object stores), shared by all who stream them.

What lies as it is in a file is never copied here: the system's page cache has it already.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from film_archive.core.source import ByteSource

BLOCK = 256 << 10


class BlockCache:
    """Up to `capacity` bytes of blocks; what was used longest ago goes first. Safe for many threads."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.hits = 0
        self.misses = 0
        self._size = 0
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[Hashable, int], bytes] = OrderedDict()
        self._reading: dict[tuple[Hashable, int], threading.Event] = {}

    @property
    def size(self) -> int:
        """Bytes that are held."""
        return self._size

    def over(self, source: ByteSource, key: Hashable) -> ByteSource:
        """A source that reads through the cache; `key` names this very content."""
        return source if self.capacity < BLOCK else _CachedSource(source, key, self)

    def block(self, source: ByteSource, key: Hashable, index: int) -> bytes:
        """Block `index` of a source, read where it is not held; of several who ask at once, one reads."""
        name = (key, index)
        while True:
            with self._lock:
                data = self._blocks.get(name)
                if data is not None:
                    self.hits += 1
                    self._blocks.move_to_end(name)
                    return data
                reading = self._reading.get(name)
                if reading is None:
                    self.misses += 1
                    reading = self._reading[name] = threading.Event()
                    break
            reading.wait()  # then it is held; or its reader failed, and this one tries itself
        try:
            data = source.read_at(index * BLOCK, BLOCK)
            self._keep(name, data)
        finally:
            with self._lock:
                del self._reading[name]
            reading.set()
        return data

    def _keep(self, name: tuple[Hashable, int], data: bytes) -> None:
        with self._lock:
            self._blocks[name] = data
            self._size += len(data)
            while self._size > self.capacity:
                self._size -= len(self._blocks.popitem(last=False)[1])


class _CachedSource(ByteSource):
    def __init__(self, base: ByteSource, key: Hashable, cache: BlockCache) -> None:
        self.name = base.name
        self.size = base.size
        self._base = base
        self._key = key
        self._cache = cache

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        done = 0
        while done < len(view):
            index, start = divmod(offset + done, BLOCK)
            data = self._cache.block(self._base, self._key, index)[start : start + len(view) - done]
            view[done : done + len(data)] = data
            done += len(data)
        return done

    def check_unchanged(self) -> None:
        self._base.check_unchanged()
