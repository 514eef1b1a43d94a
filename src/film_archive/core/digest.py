"""Content digests: which algorithms there are, and computing several in one read.

`xxh128` (XXH3-128, canonical big-endian hex as xxhsum prints it) is among them wherever a content is met for the first
time: with the size it is the key by which everything here knows the same content again. `crc32` is what a zip wants.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from film_archive.core.errors import ShortRead, UsageError
from film_archive.core.source import ByteSource

KEY = "xxh128"
BLOCK = 1 << 22
_BUFFERS = 4


@dataclass(frozen=True, slots=True)
class Digest:
    """An algorithm's name and its value in hex (c4: its own base-58 form)."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


class Hasher(Protocol):
    """What hashlib's objects do."""

    def update(self, data: memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Crc32:
    """CRC-32 (ISO 3309, as in zip) by ISA-L."""

    def __init__(self) -> None:
        from isal import isal_zlib

        self._crc32 = isal_zlib.crc32
        self.value = 0

    def update(self, data: memoryview, /) -> None:
        self.value = self._crc32(data, self.value)

    def hexdigest(self) -> str:
        return f"{self.value:08x}"


class _C4:
    """SMPTE ST 2114: SHA-512 as 88 base-58 digits behind "c4"."""

    _DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

    def __init__(self) -> None:
        self._sha512 = hashlib.sha512()

    def update(self, data: memoryview, /) -> None:
        self._sha512.update(data)

    def hexdigest(self) -> str:
        number = int.from_bytes(self._sha512.digest(), "big")
        digits = []
        while number:
            number, digit = divmod(number, 58)
            digits.append(self._DIGITS[digit])
        return "c4" + "".join(reversed(digits)).rjust(88, "1")


def _xxh128() -> Hasher:
    import xxhash

    return xxhash.xxh3_128()


def _xxh3() -> Hasher:
    import xxhash

    return xxhash.xxh3_64()


def _xxh64() -> Hasher:
    import xxhash

    return xxhash.xxh64()


class _Blake3:
    def __init__(self) -> None:
        import blake3

        self._hasher = blake3.blake3()

    def update(self, data: memoryview, /) -> None:
        self._hasher.update(data)

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()


ALGORITHMS: Mapping[str, Callable[[], Hasher]] = {
    "xxh128": _xxh128,
    "xxh3": _xxh3,
    "xxh64": _xxh64,
    "crc32": _Crc32,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "blake3": _Blake3,
    "c4": _C4,
}


class MultiHasher:
    """Several digests of one stream of bytes."""

    def __init__(self, algorithms: Iterable[str] = (KEY,)) -> None:
        self.size = 0
        self._hashers: dict[str, Hasher] = {}
        for name in algorithms:
            if name not in ALGORITHMS:
                raise UsageError(f"There is no digest called {name!r}; there are {', '.join(ALGORITHMS)}.")
            self._hashers[name] = ALGORITHMS[name]()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data).cast("B")
        for hasher in self._hashers.values():
            hasher.update(view)
        self.size += len(view)

    def digests(self) -> dict[str, str]:
        """Name → hex of what came so far."""
        return {name: hasher.hexdigest() for name, hasher in self._hashers.items()}


def with_key(algorithms: Iterable[str]) -> tuple[str, ...]:
    """The algorithms, once each, with `xxh128` first: whoever reads a content that is new to us computes it too."""
    return tuple(dict.fromkeys((KEY, *algorithms)))


def read_ahead(
    source: ByteSource,
    offset: int = 0,
    length: int | None = None,
    *,
    while_reading: Callable[[memoryview], None] | None = None,
) -> Iterator[memoryview]:
    """The bytes of a source in blocks of at most 4 MiB, read in a thread of their own ahead of the consumer.

    Four buffers go round: a block is valid until the next one is asked for. `while_reading` gets each block, in
    order, in the reading thread (a digest, so that the consumer is free to write).
    """
    end = source.size if length is None else min(source.size, offset + length)
    if end - offset <= BLOCK:
        if end > offset:
            block = memoryview(source.read_at(offset, end - offset))
            if while_reading is not None:
                while_reading(block)
            yield block
        return
    views = source.in_memory() if (offset, end) == (0, source.size) else None
    if views is not None:
        yield from _blocks_of(views, while_reading)
        return
    reader = _Reader(source, offset, end, while_reading)
    try:
        yield from reader.blocks()
    finally:
        reader.stop()


def _blocks_of(views: list[memoryview], while_reading: Callable[[memoryview], None] | None) -> Iterator[memoryview]:
    """What is in memory needs no thread to read it, and no buffers."""
    for view in views:
        for start in range(0, len(view), BLOCK):
            block = view[start : start + BLOCK]
            if while_reading is not None:
                while_reading(block)
            yield block


class _Reader:
    """A thread that reads a run of a source into buffers that go round."""

    def __init__(
        self, source: ByteSource, offset: int, end: int, while_reading: Callable[[memoryview], None] | None
    ) -> None:
        self._source = source
        self._offset = offset
        self._end = end
        self._while_reading = while_reading
        self._stopped = False
        # Ctrl-C may come anywhere: a Queue, whose lock is taken in Python, could be left locked by it for ever.
        self._free: SimpleQueue[bytearray] = SimpleQueue()
        self._full: SimpleQueue[tuple[bytearray, int] | BaseException | None] = SimpleQueue()
        for _ in range(_BUFFERS):
            self._free.put(bytearray(BLOCK))
        self._thread = threading.Thread(target=self._read, name=f"read {source.name}", daemon=True)
        self._thread.start()

    def blocks(self) -> Iterator[memoryview]:
        while (block := self._full.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            buffer, count = block
            yield memoryview(buffer)[:count]
            self._free.put(buffer)

    def stop(self) -> None:
        """End the thread, at the latest when the block that it is reading is read."""
        self._stopped = True
        self._free.put(bytearray())  # wakes it where it waits for a buffer
        self._thread.join()

    def _read(self) -> None:
        position = self._offset
        try:
            while position < self._end:
                buffer = self._free.get()
                if self._stopped:
                    return
                view = memoryview(buffer)[: self._end - position]
                count = self._source.read_into(position, view)
                if count != len(view):
                    raise ShortRead(f"{self._source.name} ended at byte {position + count} of {self._end}.")
                if self._while_reading is not None:
                    self._while_reading(view)
                position += count
                self._full.put((buffer, count))
            self._full.put(None)
        except BaseException as error:  # noqa: BLE001  handed to the consumer, who raises it
            self._full.put(error)


def digest_source(
    source: ByteSource,
    algorithms: Iterable[str] = (KEY,),
    *,
    on_bytes: Callable[[int], None] | None = None,
) -> dict[str, str]:
    """Read a source once and compute `algorithms` (name → hex); `on_bytes` hears of each block that is done.

    Raises SourceChanged where the source is known to have changed meanwhile.
    """
    hasher = MultiHasher(algorithms)
    for block in read_ahead(source):
        hasher.update(block)
        if on_bytes is not None:
            on_bytes(len(block))
    source.check_unchanged()
    return hasher.digests()


def blake3_of(data: bytes | memoryview) -> bytes:
    """BLAKE3 of something short, 32 bytes."""
    import blake3

    return blake3.blake3(data).digest()


def key_of(data: bytes | memoryview) -> bytes:
    """`xxh128` of something short, 16 bytes."""
    import xxhash

    return xxhash.xxh3_128_digest(data)


def short_hash() -> Callable[..., int]:
    """XXH3-64 as a function of (bytes, seed): for sorting into buckets, not for telling contents apart."""
    import xxhash

    return xxhash.xxh3_64_intdigest
