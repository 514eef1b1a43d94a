"""How a zip's members are packed: stored, deflated, and, in what other programs made, bzip2 and LZMA.

Nothing is unpacked further than it is asked for, and nothing without knowing how much memory it takes.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from film_archive.archive import zipformat
from film_archive.archive.zipformat import Entry
from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.source import ByteSource

BZIP2 = 12
LZMA = 14
_NAMES = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 97: "WavPack", 98: "PPMd", 99: "AES encryption"}
"""Of methods that are met and not known here; APPNOTE 4.4.5."""

_MOST = {zipformat.DEFLATED: 1032, LZMA: 8000, BZIP2: 1_500_000}
"""To one: more than these a stream can't hold (LZMA: 273 bytes for 13 decisions of 1/32 bit; bzip2: 46 MB in a block of 32)."""

_STEP = 1 << 20
_LZMA_HEADER = 9
_LARGEST_DICTIONARY = 1 << 29


class Unpacker(ABC):
    """A packed stream that is being unpacked; input that it has not used yet it keeps."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the stream has come to its own end."""

    @property
    @abstractmethod
    def left_over(self) -> bool:
        """Whether there was input behind that end."""

    @property
    @abstractmethod
    def hungry(self) -> bool:
        """Whether it takes more input now."""

    @abstractmethod
    def unpack(self, data: bytes, most: int) -> bytes:
        """At most so many of the next bytes, `data` being the next input; raises what the library raises."""

    def copy(self) -> Unpacker | None:
        """Another one that stands where this one does; None where that can't be had."""
        return None


class _Inflater(Unpacker):
    def __init__(self, inflater: Any = None, tail: bytes = b"") -> None:
        self._inflater = zlib.decompressobj(-15) if inflater is None else inflater
        self._tail = tail

    @property
    def finished(self) -> bool:
        return bool(self._inflater.eof)

    @property
    def left_over(self) -> bool:
        return bool(self._inflater.unused_data)

    @property
    def hungry(self) -> bool:
        return not self._tail

    def unpack(self, data: bytes, most: int) -> bytes:
        out: bytes = self._inflater.decompress(self._tail + data, most)
        self._tail = self._inflater.unconsumed_tail
        return out

    def copy(self) -> Unpacker:
        return _Inflater(self._inflater.copy(), self._tail)


class _Decompressor(Unpacker):
    """bzip2 and LZMA, whose decompressors in the standard library are used alike."""

    def __init__(self, decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._decompressor = decompressor

    @property
    def finished(self) -> bool:
        return self._decompressor.eof

    @property
    def left_over(self) -> bool:
        return bool(self._decompressor.unused_data)

    @property
    def hungry(self) -> bool:
        return self._decompressor.needs_input

    def unpack(self, data: bytes, most: int) -> bytes:
        return b"" if self.finished else self._decompressor.decompress(data, most)


def begin(packed: ByteSource, method: int, size: int) -> tuple[Unpacker, int]:
    """An unpacker for a stream that holds `size` bytes, and where in it the packed bytes begin.

    Raises NotSupported where the method is not known, or wants more memory than is reasonable.
    """
    if method == zipformat.DEFLATED:
        return _Inflater(), 0
    if method == BZIP2:
        return _Decompressor(bz2.BZ2Decompressor()), 0
    if method == LZMA:
        return _Decompressor(_lzma(packed, size)), _LZMA_HEADER
    named = _NAMES.get(method, f"method {method}")
    raise NotSupported(f"{packed.name} is packed with {named}, which is not supported; unpack it with 7z and archive it anew.")


def _lzma(packed: ByteSource, size: int) -> lzma.LZMADecompressor:
    """APPNOTE 5.8.8: version, length of the properties, and the properties of the LZMA SDK: lc, lp, pb and the dictionary."""
    head = packed.read_at(0, _LZMA_HEADER)
    if len(head) < _LZMA_HEADER or head[2:4] != b"\5\0" or head[4] >= 9 * 5 * 5:
        raise Damaged(f"{packed.name} has no LZMA header.")
    rest, lc = divmod(head[4], 9)
    pb, lp = divmod(rest, 5)
    dictionary = min(int.from_bytes(head[5:9], "little"), max(size, 1 << 12))  # more is never looked back to
    if dictionary > _LARGEST_DICTIONARY or lc + lp > 4:
        raise NotSupported(
            f"{packed.name} is packed with LZMA in a way that takes too much memory; unpack it with 7z and archive it anew."
        )
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 1 << 12), "lc": lc, "lp": lp, "pb": pb}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)


def is_possible(method: int, packed_size: int, size: int) -> bool:
    """Whether so many bytes can be in a stream of that length."""
    return packed_size == size if method == zipformat.STORED else size <= _MOST.get(method, size) * (packed_size + 1)


def require_possible(name: str, method: int, packed_size: int, size: int) -> None:
    """Raise Damaged where so many bytes can't be in a stream of that length."""
    if method == zipformat.STORED and packed_size != size:
        raise Damaged(f"{name} states two sizes, {packed_size} and {size} bytes.")
    if not is_possible(method, packed_size, size):
        raise Damaged(f"{name} can't have the {size} bytes that it claims, in {packed_size}.")


def broken(name: str, error: Exception) -> Damaged:
    return Damaged(f"{name} can't be unpacked: {error}.")


ERRORS = (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)
"""What the unpackers raise; OSError is bzip2's."""


def unpack_checked(packed: ByteSource, entry: Entry) -> Iterator[bytes]:
    """All bytes of an entry in steps; raises Damaged at the end where size or CRC differ from what its entry states."""
    from isal import isal_zlib

    crc, size = 0, 0
    require_possible(packed.name, entry.method, entry.packed_size, entry.size)
    chunks = steps(packed) if entry.method == zipformat.STORED else _unpacked(packed, entry)
    for chunk in chunks:
        size += len(chunk)
        crc = isal_zlib.crc32(chunk, crc)
        if size > entry.size:
            raise Damaged(f"{packed.name} is larger than the {entry.size} bytes that the directory states.")
        yield chunk
    if (size, crc) != (entry.size, entry.crc32):
        raise Damaged(f"{packed.name} does not have the size and CRC that the directory states.")


def _unpacked(packed: ByteSource, entry: Entry) -> Iterator[bytes]:
    """The whole of a stream, in steps; an LZMA stream may have no end of its own, and ends with the size."""
    unpacker, begins = begin(packed, entry.method, entry.size)
    done, taken = 0, begins
    while not unpacker.finished and not (entry.method == LZMA and done == entry.size):
        data = packed.read_at(taken, _STEP) if unpacker.hungry else b""
        taken += len(data)
        most = _STEP if entry.method != LZMA else min(_STEP, entry.size - done)
        try:
            chunk = unpacker.unpack(data, most)
        except ERRORS as error:
            raise broken(packed.name, error) from error
        done += len(chunk)
        if chunk:
            yield chunk
        elif not data and taken >= packed.size:
            break
    if unpacker.finished and (taken < packed.size or unpacker.left_over):
        raise Damaged(f"{packed.name} is packed in fewer bytes than the directory states.")


def steps(source: ByteSource) -> Iterator[bytes]:
    """All bytes of a source, a step after the other."""
    for position in range(0, source.size, _STEP):
        yield source.read_at(position, _STEP)
