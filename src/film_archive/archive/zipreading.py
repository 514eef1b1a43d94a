"""Reading a zip's records (PKWARE APPNOTE 6.3.10) as any program may have written them: ends, directory, local headers."""

from __future__ import annotations

import calendar
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from film_archive.archive import zipformat
from film_archive.archive.zipformat import Entry
from film_archive.core.errors import Damaged
from film_archive.core.wording import amount

_UNICODE_PATH_EXTRA = 0x7075
_NTFS_EXTRA = 0x000A
_SECONDS_FROM_1601 = 11_644_473_600
"""From the beginning of NTFS's time to that of Unix."""
_LATEST = 1 << 33
"""In Unix seconds (2242): times beyond are none that a file has."""
_LONGEST_ENTRY = zipformat.CENTRAL.size + 3 * 0xFFFF


@dataclass(frozen=True, slots=True)
class End:
    """What the end records say. `prefix` is how many bytes stand before the zip (a self-extractor's program)."""

    offset: int
    """Where the end record (PK 5 6) itself begins."""
    length: int
    """Its length with the comment."""
    count: int
    directory_offset: int
    """In the file, the prefix counted in."""
    directory_size: int
    comment: bytes
    prefix: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.length


def parse_end(data: bytes, at: int) -> tuple[int, int, int, bytes] | None:
    """(entries, directory size, directory offset, comment) of an end record at a place in `data`, or None."""
    if len(data) - at < zipformat.END.size:
        return None
    signature, disk, start_disk, here, total, size, offset, comment_length = zipformat.END.unpack_from(data, at)
    comment = data[at + zipformat.END.size : at + zipformat.END.size + comment_length]
    if signature != zipformat.END_SIGNATURE or len(comment) != comment_length or here != total or disk != start_disk:
        return None
    return total, size, offset, comment


def volumes(tail: bytes) -> int:
    """Over how many files a zip that ends with these bytes was split (4.3.16, 4.3.15); 1 where it is whole, or no zip."""
    at = tail.rfind(zipformat.END_SIGNATURE)
    while at >= 0:
        if len(tail) - at >= zipformat.END.size:
            _, disk, *_, comment_length = zipformat.END.unpack_from(tail, at)
            if at + zipformat.END.size + comment_length == len(tail):
                locator = tail[max(0, at - zipformat.LOCATOR.size) : at]
                if len(locator) == zipformat.LOCATOR.size and locator.startswith(zipformat.LOCATOR_SIGNATURE):
                    return max(1, int(zipformat.LOCATOR.unpack(locator)[3]))
                return 1 if disk == 0xFFFF else int(disk) + 1
        at = tail.rfind(zipformat.END_SIGNATURE, 0, at)
    return 1


def parse_locator(data: bytes) -> int | None:
    """Where the ZIP64 end record is said to be, from the 20 bytes before the end record."""
    if len(data) != zipformat.LOCATOR.size or not data.startswith(zipformat.LOCATOR_SIGNATURE):
        return None
    offset: int = zipformat.LOCATOR.unpack(data)[2]
    return offset


def parse_end64(data: bytes) -> tuple[int, int, int] | None:
    """(entries, directory size, directory offset) of a ZIP64 end record."""
    if len(data) < zipformat.END64.size or not data.startswith(zipformat.END64_SIGNATURE):
        return None
    _, _, _, _, _, _, _, total, size, offset = zipformat.END64.unpack_from(data)
    return total, size, offset


def entry_at(data: bytes, at: int) -> Entry | None:
    """The directory's entry at a place in `data`, or None."""
    if at < 0 or at + zipformat.CENTRAL.size > len(data):
        return None
    lengths = zipformat.CENTRAL.unpack_from(data, at)[12:15]
    try:
        (entry,) = iterate_directory((data[at : at + zipformat.CENTRAL.size + sum(lengths)],), 1)
    except Damaged:
        return None
    return entry


def iterate_directory(
    data: Iterable[bytes], count: int, prefix: int = 0, *, local_times: bool = False
) -> Iterator[Entry]:
    """The entries of a directory that comes in pieces; raises Damaged where it is not one.

    DOS times, which count where nothing else tells a member's, are in UTC as we write them, or with `local_times` in this
    machine's zone, as all other programs write and read them.
    """
    from_dos_time = _from_local_dos_time if local_times else _from_dos_time
    pieces = iter(data)
    view, position, total = memoryview(b""), 0, 0
    unpack, fixed = zipformat.CENTRAL.unpack_from, zipformat.CENTRAL.size
    for index in range(count):
        while total - position < _LONGEST_ENTRY and (piece := next(pieces, b"")):
            view, position = memoryview(bytes(view[position:]) + piece), 0
            total = len(view)
        if position + fixed > total:
            raise Damaged(f"The zip's directory ends after {index} of {amount(count, 'member')}.")
        (
            signature, _, system, _, _, flags, method, dos_time, dos_date, crc, packed, size,
            name_length, extra_length, comment_length, _, _, external, offset,
        ) = unpack(view, position)  # fmt: skip
        if signature != zipformat.CENTRAL_SIGNATURE:
            raise Damaged(f"The zip's directory is broken at member {index + 1} of {count}.")
        start = position + fixed
        position = start + name_length + extra_length + comment_length
        if position > total:
            raise Damaged(f"The zip's directory ends inside member {index + 1} of {count}.")
        name = stored_name = bytes(view[start : start + name_length])
        extra = bytes(view[start + name_length : start + name_length + extra_length])
        mtime = None
        if extra:
            size, packed, offset, mtime, name, flags = _apply_extra(extra, size, packed, offset, name, flags)
        if mtime is None:
            mtime = from_dos_time(dos_time, dos_date)
        mode = external >> 16 if system in (3, 19) else 0  # Unix, macOS
        raw_name = None if name == stored_name else stored_name
        yield Entry(name, method, crc, packed, size, offset + prefix, mtime, mode, flags, extra_length, raw_name)
    if position != total or next(pieces, b""):
        raise Damaged(f"The zip's directory has bytes behind its {amount(count, 'member')}.")


def _apply_extra(
    extra: bytes, size: int, packed: int, offset: int, name: bytes, flags: int
) -> tuple[int, int, int, int | None, bytes, int]:
    mtime: int | None = None
    ntfs: int | None = None
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        body = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if kind == zipformat.ZIP64_EXTRA:
            numbers = [int.from_bytes(body[i : i + 8], "little") for i in range(0, len(body) - 7, 8)]
            try:
                size = numbers.pop(0) if size == zipformat.MAX32 else size
                packed = numbers.pop(0) if packed == zipformat.MAX32 else packed
                offset = numbers.pop(0) if offset == zipformat.MAX32 else offset
            except IndexError:
                raise Damaged("A member's ZIP64 field lacks a size.") from None
        elif kind == zipformat.TIME_EXTRA and len(body) >= 5 and body[0] & 1:
            mtime = int.from_bytes(body[1:5], "little", signed=True)
        elif kind == _NTFS_EXTRA and len(body) >= 16 and body[4:8] == b"\1\0\x18\0":  # APPNOTE 4.5.5: its three times
            seconds = int.from_bytes(body[8:16], "little") // 10_000_000 - _SECONDS_FROM_1601
            ntfs = seconds if abs(seconds) < _LATEST else None  # 0 where it is not known
        elif kind == _UNICODE_PATH_EXTRA and len(body) > 5 and body[0] == 1 and not flags & zipformat.UTF8:
            name = body[5:] if int.from_bytes(body[1:5], "little") == zlib.crc32(name) else name
    return size, packed, offset, ntfs if mtime is None else mtime, name, flags


@lru_cache(maxsize=4096)
def _from_dos_time(dos_time: int, date: int) -> int:
    """A DOS time that is in UTC."""
    try:
        return calendar.timegm(_dos_parts(dos_time, date))
    except (ValueError, OverflowError):
        return zipformat.FIRST_DOS_TIME


def _from_local_dos_time(dos_time: int, date: int) -> int:
    """A DOS time that is in this machine's zone; not remembered, since the zone may be set anew."""
    try:
        return int(time.mktime((*_dos_parts(dos_time, date), 0, 0, -1)))
    except (ValueError, OverflowError):
        return zipformat.FIRST_DOS_TIME


def _dos_parts(dos_time: int, date: int) -> tuple[int, int, int, int, int, int]:
    return (
        1980 + (date >> 9),
        min(12, max(1, date >> 5 & 15)),
        max(1, date & 31),
        min(23, dos_time >> 11),
        min(59, dos_time >> 5 & 63),
        min(59, (dos_time & 31) * 2),
    )


@dataclass(frozen=True, slots=True)
class LocalHeader:
    """What a local header says; sizes are None where they follow the payload (a data descriptor)."""

    name: bytes
    method: int
    crc32: int
    packed_size: int | None
    size: int | None
    mtime: int
    length: int
    """Of the header itself, so that the payload begins `length` behind its start."""
    flags: int


def parse_local_header(data: bytes) -> LocalHeader | None:
    """A local header at the beginning of `data`, or None where it is not whole."""
    if len(data) < zipformat.LOCAL.size or not data.startswith(zipformat.LOCAL_SIGNATURE):
        return None
    _, _, flags, method, dos_time, date, crc, packed, size, name_length, extra_length = zipformat.LOCAL.unpack_from(data)
    length = zipformat.LOCAL.size + name_length + extra_length
    if len(data) < length:
        return None
    name = data[zipformat.LOCAL.size : zipformat.LOCAL.size + name_length]
    try:
        size, packed, _, mtime, name, flags = _apply_extra(
            data[zipformat.LOCAL.size + name_length : length], size, packed, 0, name, flags
        )
    except Damaged:
        return None
    if mtime is None:
        mtime = _from_dos_time(dos_time, date)
    described = bool(flags & 8)
    return LocalHeader(
        name, method, crc, None if described else packed, None if described else size, mtime, length, flags
    )
