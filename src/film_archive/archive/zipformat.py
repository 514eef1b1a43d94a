"""The bytes of a zip (PKWARE APPNOTE 6.3.10), as this program writes them and as any program may have.

What we write: sizes and CRC in the local header (no data descriptor), UTF-8 names, Unix modes, times in UTC both as DOS date
and as extended timestamp (0x5455), ZIP64 only where a number needs it. Local and central extra fields have the same
length, so that a payload's place can be computed from either. All of a header follows from its `Entry`, which lets `check`
compare every byte.
"""

from __future__ import annotations

import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.core.errors import Damaged

STORED = 0
DEFLATED = 8
ALIGNMENT = 4096
LONGEST_GAP = 2 * ALIGNMENT
"""More than any zero-filled gap before a local header is."""

LOCAL_SIGNATURE = b"PK\3\4"
CENTRAL_SIGNATURE = b"PK\1\2"
END_SIGNATURE = b"PK\5\6"
END64_SIGNATURE = b"PK\6\6"
LOCATOR_SIGNATURE = b"PK\6\7"

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")

_MAX32 = 0xFFFFFFFF
_MAX16 = 0xFFFF
_NEAR = _MAX32 - (1 << 17)
"""Up to here a payload's local header surely starts below 4 GiB whatever its length."""

_UTF8 = 0x800
_ENCRYPTED = 0x1
_ZIP64_EXTRA = 0x0001
_TIME_EXTRA = 0x5455
_PADDING_EXTRA = 0xD935
_UNICODE_PATH_EXTRA = 0x7075


@dataclass(frozen=True, slots=True)
class Entry:
    """One member as a zip's directory names it.

    `header_offset` is where its local header begins. `mtime` is in Unix seconds, UTC; `mode` the whole st_mode.
    """

    name: bytes
    method: int
    crc32: int
    packed_size: int
    size: int
    header_offset: int
    mtime: int
    mode: int
    flags: int = 0
    extra_length: int = 0
    """Length of the central extra field; the local one has the same in what we write."""
    raw_name: bytes | None = None
    """The name field itself, where `name` was taken from a Unicode path field."""

    @property
    def stored_name(self) -> bytes:
        """The name as it stands in the local header."""
        return self.name if self.raw_name is None else self.raw_name

    @property
    def is_folder(self) -> bool:
        return self.name.endswith(b"/")

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & _ENCRYPTED)

    @property
    def path(self) -> str:
        """The name as text: UTF-8 where flagged or possible, else code page 437 as zip has it."""
        try:
            return self.name.decode("utf-8")
        except UnicodeDecodeError:
            return self.name.decode("cp437")


# Writing


def place(position: int, name: bytes, size: int, packed_size: int, mtime: int, *, aligned: bool) -> tuple[int, int]:
    """(where the local header goes, where the payload goes) for a member written at or after `position`."""
    for far in (False, True):
        length = _LOCAL.size + len(name) + _extra_length(size, packed_size, mtime, far)
        payload = position + length
        if aligned:
            payload = -(-payload // ALIGNMENT) * ALIGNMENT
        if far or payload <= _NEAR:
            break
    return payload - length, payload


def header_length(entry: Entry, payload: int) -> int:
    """How long the local header of one of our members is whose payload lies there."""
    return (
        _LOCAL.size
        + len(entry.name)
        + _extra_length(entry.size, entry.packed_size, entry.mtime, far=payload > _NEAR)
    )


def local_header(entry: Entry, payload: int) -> bytes:
    """The local header of one of our members."""
    big = _is_big(entry.size, entry.packed_size)
    extra = _time_extra(entry.mtime)
    if big:
        extra += struct.pack("<2H2Q", _ZIP64_EXTRA, 16, entry.size, entry.packed_size)
    if payload > _NEAR:  # the central field has the offset here, 8 bytes more
        extra += struct.pack("<3H", _PADDING_EXTRA, 4 if big else 8, ALIGNMENT) + bytes(2 if big else 6)
    time_, date = _dos_time(entry.mtime)
    return _LOCAL.pack(
        LOCAL_SIGNATURE,
        45 if big else 20,
        _name_flags(entry.name),
        entry.method,
        time_,
        date,
        entry.crc32,
        _MAX32 if big else entry.packed_size,
        _MAX32 if big else entry.size,
        len(entry.name),
        len(extra),
    ) + entry.name + extra


def central_header(entry: Entry, payload: int) -> bytes:
    """The directory's entry of one of our members."""
    big = _is_big(entry.size, entry.packed_size)
    far = payload > _NEAR
    extra = _time_extra(entry.mtime)
    if big or far:
        numbers = ([entry.size, entry.packed_size] if big else []) + ([entry.header_offset] if far else [])
        extra += struct.pack(f"<2H{len(numbers)}Q", _ZIP64_EXTRA, 8 * len(numbers), *numbers)
    time_, date = _dos_time(entry.mtime)
    needed = 45 if big or far else 20
    return _CENTRAL.pack(
        CENTRAL_SIGNATURE,
        45,
        3,  # made on Unix: the upper half of the external attributes is st_mode
        needed,
        0,
        _name_flags(entry.name),
        entry.method,
        time_,
        date,
        entry.crc32,
        _MAX32 if big else entry.packed_size,
        _MAX32 if big else entry.size,
        len(entry.name),
        len(extra),
        0,
        0,
        0,
        (entry.mode & _MAX16) << 16 | (0x10 if entry.is_folder else 0),
        _MAX32 if far else entry.header_offset,
    ) + entry.name + extra


def end_records(count: int, directory_offset: int, directory_size: int, comment: bytes) -> bytes:
    """What stands behind the directory."""
    big = count >= _MAX16 or directory_offset >= _MAX32 or directory_size >= _MAX32
    records = b""
    if big:
        end64 = directory_offset + directory_size
        records = _END64.pack(
            END64_SIGNATURE, _END64.size - 12, 45, 45, 0, 0, count, count, directory_size, directory_offset
        ) + _LOCATOR.pack(LOCATOR_SIGNATURE, 0, end64, 1)
    return (
        records
        + _END.pack(
            END_SIGNATURE,
            0,
            0,
            min(count, _MAX16),
            min(count, _MAX16),
            min(directory_size, _MAX32),
            min(directory_offset, _MAX32),
            len(comment),
        )
        + comment
    )


def _is_big(size: int, packed_size: int) -> bool:
    return size >= _MAX32 or packed_size >= _MAX32


def _extra_length(size: int, packed_size: int, mtime: int, far: bool) -> int:
    big = _is_big(size, packed_size)
    zip64 = 4 + (16 if big else 0) + (8 if far else 0) if big or far else 0
    return len(_time_extra(mtime)) + zip64


def _time_extra(mtime: int) -> bytes:
    """Extended timestamp, modification time only; left out beyond its 32 bits (1901 to 2038)."""
    if not -(1 << 31) <= mtime < 1 << 31:
        return b""
    return struct.pack("<2HBl", _TIME_EXTRA, 5, 1, mtime)


def _dos_time(mtime: int) -> tuple[int, int]:
    """(time, date) in UTC, within 1980 to 2107."""
    moment = time.gmtime(max(315_532_800, min(mtime, 4_354_819_198)))
    return (
        moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2,
        (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday,
    )


def _name_flags(name: bytes) -> int:
    return 0 if name.isascii() else _UTF8


# Reading


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
    if len(data) - at < _END.size:
        return None
    signature, disk, start_disk, here, total, size, offset, comment_length = _END.unpack_from(data, at)
    comment = data[at + _END.size : at + _END.size + comment_length]
    if signature != END_SIGNATURE or len(comment) != comment_length or here != total or disk != start_disk:
        return None
    return total, size, offset, comment


def parse_locator(data: bytes) -> int | None:
    """Where the ZIP64 end record is said to be, from the 20 bytes before the end record."""
    if len(data) != _LOCATOR.size or not data.startswith(LOCATOR_SIGNATURE):
        return None
    offset: int = _LOCATOR.unpack(data)[2]
    return offset


def parse_end64(data: bytes) -> tuple[int, int, int] | None:
    """(entries, directory size, directory offset) of a ZIP64 end record."""
    if len(data) < _END64.size or not data.startswith(END64_SIGNATURE):
        return None
    _, _, _, _, _, _, _, total, size, offset = _END64.unpack_from(data)
    return total, size, offset


END_SIZE = _END.size
END64_SIZE = _END64.size
LOCATOR_SIZE = _LOCATOR.size
LOCAL_SIZE = _LOCAL.size
CENTRAL_SIZE = _CENTRAL.size


def entry_at(data: bytes, at: int) -> Entry | None:
    """The directory's entry at a place in `data`, or None."""
    if at < 0 or at + _CENTRAL.size > len(data):
        return None
    lengths = _CENTRAL.unpack_from(data, at)[12:15]
    try:
        (entry,) = iterate_directory(data[at : at + _CENTRAL.size + sum(lengths)], 1)
    except Damaged:
        return None
    return entry


def iterate_directory(data: bytes | memoryview, count: int, prefix: int = 0) -> Iterator[Entry]:
    """The entries of a directory; raises Damaged where it is not one."""
    position = 0
    view = memoryview(data)
    unpack, fixed, total = _CENTRAL.unpack_from, _CENTRAL.size, len(view)
    for index in range(count):
        if position + fixed > total:
            raise Damaged(f"The zip's directory ends after {index} of {count} members.")
        (
            signature, _, system, _, _, flags, method, dos_time, dos_date, crc, packed, size,
            name_length, extra_length, comment_length, _, _, external, offset,
        ) = unpack(view, position)  # fmt: skip
        if signature != CENTRAL_SIGNATURE:
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
            mtime = _from_dos_time(dos_time, dos_date)
        mode = external >> 16 if system in (3, 19) else 0  # Unix, macOS
        raw_name = None if name == stored_name else stored_name
        yield Entry(name, method, crc, packed, size, offset + prefix, mtime, mode, flags, extra_length, raw_name)
    if position != total:
        raise Damaged(f"The zip's directory has {total - position} bytes more than its {count} members.")


def _apply_extra(
    extra: bytes, size: int, packed: int, offset: int, name: bytes, flags: int
) -> tuple[int, int, int, int | None, bytes, int]:
    mtime: int | None = None
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        body = extra[position + 4 : position + 4 + length]
        position += 4 + length
        if kind == _ZIP64_EXTRA:
            numbers = [int.from_bytes(body[i : i + 8], "little") for i in range(0, len(body) - 7, 8)]
            try:
                size = numbers.pop(0) if size == _MAX32 else size
                packed = numbers.pop(0) if packed == _MAX32 else packed
                offset = numbers.pop(0) if offset == _MAX32 else offset
            except IndexError:
                raise Damaged("A member's ZIP64 field lacks a size.") from None
        elif kind == _TIME_EXTRA and len(body) >= 5 and body[0] & 1:
            mtime = int.from_bytes(body[1:5], "little", signed=True)
        elif kind == _UNICODE_PATH_EXTRA and len(body) > 5 and body[0] == 1 and not flags & _UTF8:
            import zlib

            if int.from_bytes(body[1:5], "little") == zlib.crc32(name):
                name = body[5:]
    return size, packed, offset, mtime, name, flags


def _from_dos_time(dos_time: int, date: int) -> int:
    import calendar

    try:
        return calendar.timegm(
            (
                1980 + (date >> 9),
                min(12, max(1, date >> 5 & 15)),
                max(1, date & 31),
                min(23, dos_time >> 11),
                min(59, dos_time >> 5 & 63),
                min(59, (dos_time & 31) * 2),
            )
        )
    except (ValueError, OverflowError):
        return 315_532_800


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


def local_lengths(data: bytes) -> tuple[int, int]:
    """(length of the name, length of the extra field) of the local header at the beginning of `data`."""
    return int.from_bytes(data[26:28], "little"), int.from_bytes(data[28:30], "little")


def parse_local_header(data: bytes) -> LocalHeader | None:
    """A local header at the beginning of `data`, or None where it is not whole."""
    if len(data) < _LOCAL.size or not data.startswith(LOCAL_SIGNATURE):
        return None
    _, _, flags, method, dos_time, date, crc, packed, size, name_length, extra_length = _LOCAL.unpack_from(data)
    length = _LOCAL.size + name_length + extra_length
    if len(data) < length:
        return None
    name = data[_LOCAL.size : _LOCAL.size + name_length]
    try:
        size, packed, _, mtime, name, flags = _apply_extra(
            data[_LOCAL.size + name_length : length], size, packed, 0, name, flags
        )
    except Damaged:
        return None
    if mtime is None:
        mtime = _from_dos_time(dos_time, date)
    described = bool(flags & 8)
    return LocalHeader(
        name, method, crc, None if described else packed, None if described else size, mtime, length, flags
    )
