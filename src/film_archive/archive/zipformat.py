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
from typing import NamedTuple

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

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s4B4HL2L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")

END_SIZE = END.size
END64_SIZE = END64.size
LOCATOR_SIZE = LOCATOR.size
LOCAL_SIZE = LOCAL.size
CENTRAL_SIZE = CENTRAL.size

MAX32 = 0xFFFFFFFF
_MAX16 = 0xFFFF
_NEAR = MAX32 - (1 << 17)
"""Up to here a payload's local header surely starts below 4 GiB whatever its length."""

UTF8 = 0x800
_ENCRYPTED = 0x1
ZIP64_EXTRA = 0x0001
TIME_EXTRA = 0x5455
_PADDING_EXTRA = 0xD935


class Entry(NamedTuple):
    """One member as a zip's directory names it. A tuple: of all frozen things the fastest to make, a million times.

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
        """The name as text: UTF-8 where flagged or possible, else code page 437 as zip has it.

        Without "./" at its beginning, which says nothing (`bsdtar` puts it there); of the folder "./" itself nothing is left.
        """
        try:
            text = self.name.decode("utf-8")
        except UnicodeDecodeError:
            text = self.name.decode("cp437")
        while text.startswith("./"):
            text = text[2:]
        return text


# Writing


def place(position: int, name: bytes, size: int, packed_size: int, mtime: int, *, aligned: bool) -> tuple[int, int]:
    """(where the local header goes, where the payload goes) for a member written at or after `position`."""
    for far in (False, True):
        length = LOCAL.size + len(name) + _extra_length(size, packed_size, mtime, far)
        payload = position + length
        if aligned:
            payload = -(-payload // ALIGNMENT) * ALIGNMENT
        if far or payload <= _NEAR:
            break
    return payload - length, payload


def header_length(entry: Entry, payload: int) -> int:
    """How long the local header of one of our members is whose payload lies there."""
    return (
        LOCAL.size
        + len(entry.name)
        + _extra_length(entry.size, entry.packed_size, entry.mtime, far=payload > _NEAR)
    )


def local_header(entry: Entry, payload: int) -> bytes:
    """The local header of one of our members."""
    big = is_big(entry.size, entry.packed_size)
    extra = _time_extra(entry.mtime)
    if big:
        extra += struct.pack("<2H2Q", ZIP64_EXTRA, 16, entry.size, entry.packed_size)
    if payload > _NEAR:  # the central field has the offset here, 8 bytes more
        extra += struct.pack("<3H", _PADDING_EXTRA, 4 if big else 8, ALIGNMENT) + bytes(2 if big else 6)
    time_, date = _dos_time(entry.mtime)
    return LOCAL.pack(
        LOCAL_SIGNATURE,
        45 if big else 20,
        _name_flags(entry.name),
        entry.method,
        time_,
        date,
        entry.crc32,
        MAX32 if big else entry.packed_size,
        MAX32 if big else entry.size,
        len(entry.name),
        len(extra),
    ) + entry.name + extra


def central_header(entry: Entry, payload: int) -> bytes:
    """The directory's entry of one of our members."""
    big = is_big(entry.size, entry.packed_size)
    far = payload > _NEAR
    extra = _time_extra(entry.mtime)
    if big or far:
        numbers = ([entry.size, entry.packed_size] if big else []) + ([entry.header_offset] if far else [])
        extra += struct.pack(f"<2H{len(numbers)}Q", ZIP64_EXTRA, 8 * len(numbers), *numbers)
    time_, date = _dos_time(entry.mtime)
    needed = 45 if big or far else 20
    return CENTRAL.pack(
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
        MAX32 if big else entry.packed_size,
        MAX32 if big else entry.size,
        len(entry.name),
        len(extra),
        0,
        0,
        0,
        (entry.mode & _MAX16) << 16 | (0x10 if entry.is_folder else 0),
        MAX32 if far else entry.header_offset,
    ) + entry.name + extra


def end_records(count: int, directory_offset: int, directory_size: int, comment: bytes) -> bytes:
    """What stands behind the directory."""
    big = count >= _MAX16 or directory_offset >= MAX32 or directory_size >= MAX32
    records = b""
    if big:
        end64 = directory_offset + directory_size
        records = END64.pack(
            END64_SIGNATURE, END64.size - 12, 45, 45, 0, 0, count, count, directory_size, directory_offset
        ) + LOCATOR.pack(LOCATOR_SIGNATURE, 0, end64, 1)
    return (
        records
        + END.pack(
            END_SIGNATURE,
            0,
            0,
            min(count, _MAX16),
            min(count, _MAX16),
            min(directory_size, MAX32),
            min(directory_offset, MAX32),
            len(comment),
        )
        + comment
    )


def is_big(size: int, packed_size: int) -> bool:
    """Whether a member's sizes need the ZIP64 field, which makes its headers longer."""
    return size >= MAX32 or packed_size >= MAX32


def _extra_length(size: int, packed_size: int, mtime: int, far: bool) -> int:
    big = is_big(size, packed_size)
    zip64 = 4 + (16 if big else 0) + (8 if far else 0) if big or far else 0
    return len(_time_extra(mtime)) + zip64


def _time_extra(mtime: int) -> bytes:
    """Extended timestamp, modification time only; left out beyond its 32 bits (1901 to 2038)."""
    if not -(1 << 31) <= mtime < 1 << 31:
        return b""
    return struct.pack("<2HBl", TIME_EXTRA, 5, 1, mtime)


FIRST_DOS_TIME = 315_532_800
"""1980-01-01, the first time that a DOS date can tell."""
BEFORE_TIMESTAMPS = -(1 << 31) - 1
"""The last second before those that an extended timestamp can tell (1901)."""


def time_as_written(mtime: int, written: int, wanted: int) -> int:
    """The time behind a header of ours that was read back; `written` is how long it is, `wanted` how long its time makes it.

    A time before 1901 has no timestamp and the first DOS date, which would have had one: of such a time no more is known
    than that it was before 1901, so that is what it stays.
    """
    is_without = written == wanted - len(_time_extra(FIRST_DOS_TIME))
    return BEFORE_TIMESTAMPS if mtime == FIRST_DOS_TIME and is_without else mtime


def _dos_time(mtime: int) -> tuple[int, int]:
    """(time, date) in UTC, within 1980 to 2107."""
    moment = time.gmtime(max(FIRST_DOS_TIME, min(mtime, 4_354_819_198)))
    return (
        moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2,
        (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday,
    )


def _name_flags(name: bytes) -> int:
    return 0 if name.isascii() else UTF8
