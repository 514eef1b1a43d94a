"""The structures of a UDF file system as bytes: descriptors of ECMA-167 (3rd edition) in the profile of OSTA UDF 2.01.

Revision 2.01 is what every system in use reads from discs without a metadata partition; recorders of BD video alone want
2.50. Sectors and blocks have 2048 bytes. Values are little-endian; a descriptor begins with a tag (ECMA-167 3/7.2), which has
checksums of itself and of what follows.
"""

from __future__ import annotations

import binascii
import struct
import time
from dataclasses import dataclass

from film_archive.core.errors import NotSupported
from film_archive.core.source import printable

SECTOR = 2048
REVISION = 0x0201
LONGEST_EXTENT = (1 << 30) - SECTOR
"""Bytes: an extent's length has 30 bits (ECMA-167 4/14.14.1.1), and all but the last are whole blocks."""
_ENTRY = 176
MOST_EXTENTS = (SECTOR - _ENTRY) // 8
"""That a file entry of one block has room for: 234 GiB, more than a disc has."""
_LONGEST_NAME = 255
_CHARSET = struct.pack("<B63s", 0, b"OSTA Compressed Unicode")
_DOMAIN = struct.pack("<B23sHB5x", 0, b"*OSTA UDF Compliant", REVISION, 0)
_MAKER = struct.pack("<B23sBB6x", 0, b"*film-archive", 4, 0)
_VOLUME_INFO = struct.pack("<B23sHBB4x", 0, b"*UDF LV Info", REVISION, 4, 0)
_CONTENTS = struct.pack("<B23s8x", 0, b"+NSR03")
_READ, _READ_AND_ENTER = 0x1084, 0x14A5
"""Permissions for all (ECMA-167 4/14.9.5): nothing on a disc is written again."""
_FOLDER, _FILE = 4, 5
_IS_FOLDER, _IS_PARENT = 0x02, 0x08


@dataclass(frozen=True, slots=True)
class Extent:
    """Blocks of the partition that lie together."""

    block: int
    length: int
    """Bytes that are used of them."""


def extents(block: int, size: int) -> list[Extent]:
    """The extents of bytes that begin at a block; raises NotSupported where there are more than an entry has room for."""
    if size > MOST_EXTENTS * LONGEST_EXTENT:
        raise NotSupported(f"A file of {size} bytes is larger than a UDF disc can hold; it needs tape.")
    return [
        Extent(block + start // SECTOR, min(LONGEST_EXTENT, size - start)) for start in range(0, size, LONGEST_EXTENT)
    ]


def blocks(size: int) -> int:
    """Blocks that so many bytes take."""
    return -(-size // SECTOR)


def encoded(name: str) -> bytes:
    """A name in OSTA compressed Unicode (UDF 2.1.1): a byte a character where all are Latin-1, else two.

    Raises NotSupported for names that are no text, or are too long.
    """
    try:
        text = name.encode("latin-1")
        made = b"\x08" + text
    except UnicodeEncodeError:
        try:
            made = b"\x10" + name.encode("utf-16-be")
        except UnicodeEncodeError as error:
            raise NotSupported(
                f"The name {printable(name)} is no UTF-8, and a disc's names are text; rename it, then make the image."
            ) from error
    if len(made) > _LONGEST_NAME:
        raise NotSupported(f"The name {printable(name)} is longer than a disc's names can be; rename it, then make the image.")
    return made


def _text(text: str, size: int) -> bytes:
    """A field of text of a fixed size (a "dstring", ECMA-167 1/7.2.12), cut where it is longer."""
    made = encoded(text)[: size - 1]
    return made.ljust(size - 1, b"\0") + bytes((len(made),)) if text else bytes(size)


def stamp(seconds: float) -> bytes:
    """A moment (ECMA-167 1/7.3) in UTC; what has no year of four digits is 1970."""
    try:
        when = time.gmtime(seconds)
        hundredths = int(seconds * 100 // 1 % 100)
        if not 1 <= when.tm_year <= 9999:
            raise ValueError(when.tm_year)
    except (OverflowError, ValueError, OSError):
        when, hundredths = time.gmtime(0), 0
    return struct.pack(
        "<HhBBBBBBBB", 0x1000, when.tm_year, when.tm_mon, when.tm_mday, when.tm_hour, when.tm_min, min(59, when.tm_sec),
        hundredths, 0, 0,
    )  # fmt: skip


def _tagged(kind: int, location: int, body: bytes) -> bytes:
    """A descriptor: its tag before its body."""
    head = struct.pack("<HHBBHHHI", kind, 3, 0, 0, 1, binascii.crc_hqx(body, 0), len(body), location)
    return head[:4] + bytes((sum(head) & 0xFF,)) + head[5:] + body


def _long_address(block: int, length: int, unique: int = 0) -> bytes:
    return struct.pack("<IIHHI", length, block, 0, 0, unique)


# What says where the volume is


def recognition() -> bytes:
    """The sequence that says that this is UDF (ECMA-167 2/8.3), for sector 16."""
    return b"".join(struct.pack("<B5sB2041x", 0, word, 1) for word in (b"BEA01", b"NSR03", b"TEA01"))


def anchor(location: int, main: int, reserve: int) -> bytes:
    """Where the volume's descriptors and their copy are (3/10.2)."""
    length = 16 * SECTOR
    return _tagged(2, location, struct.pack("<IIII480x", length, main, length, reserve)).ljust(SECTOR, b"\0")


@dataclass(frozen=True, slots=True)
class VolumeNames:
    """What a volume is called, and when it was made."""

    name: str
    unique: str
    """16 hexadecimal digits that no other volume has."""
    made: bytes
    """As `stamp` says it."""


def volume_descriptors(first: int, names: VolumeNames, start: int, length: int, integrity: int) -> bytes:
    """The sixteen sectors of a sequence of volume descriptors (3/8.4.2) that begins at sector `first`.

    The partition begins at sector `start` and has `length` blocks.
    """
    label = _text(names.name, 128)
    primary = struct.pack("<II", 0, 0) + _text(names.name, 32) + struct.pack("<HHHHII", 1, 1, 2, 2, 1, 1)
    primary += _text(names.unique + names.name, 128) + 2 * _CHARSET + bytes(16) + bytes(32) + names.made + _MAKER
    primary += bytes(64 + 4 + 2 + 22)
    implementation = struct.pack("<I", 1) + _VOLUME_INFO + _CHARSET + label + bytes(3 * 36) + _MAKER + bytes(128)
    partition = struct.pack("<IHH", 2, 1, 0) + _CONTENTS + bytes(128) + struct.pack("<III", 1, start, length) + _MAKER
    partition += bytes(128 + 156)
    logical = struct.pack("<I", 3) + _CHARSET + label + struct.pack("<I", SECTOR) + _DOMAIN + _long_address(0, SECTOR)
    logical += struct.pack("<II", 6, 1) + _MAKER + bytes(128) + struct.pack("<II", 2 * SECTOR, integrity)
    logical += struct.pack("<BBHH", 1, 6, 1, 0)
    unallocated = struct.pack("<II", 4, 0)
    bodies = ((1, primary), (4, implementation), (5, partition), (6, logical), (7, unallocated), (8, bytes(496)))
    made = b"".join(_tagged(kind, first + at, body).ljust(SECTOR, b"\0") for at, (kind, body) in enumerate(bodies))
    return made.ljust(16 * SECTOR, b"\0")


def integrity(location: int, names: VolumeNames, length: int, files: int, folders: int, next_unique: int) -> bytes:
    """Two sectors that say that the volume was closed in order, and what it holds (3/10.10, UDF 2.2.6)."""
    body = names.made + struct.pack("<IIIQ24xIIII", 1, 0, 0, next_unique, 1, 46, 0, length)
    body += _MAKER + struct.pack("<IIHHH", files, folders, REVISION, REVISION, REVISION)
    end = _tagged(8, location + 1, bytes(496))
    return _tagged(9, location, body).ljust(SECTOR, b"\0") + end.ljust(SECTOR, b"\0")


def file_set(names: VolumeNames, root: int) -> bytes:
    """Two blocks, the partition's first: where the root folder's entry is (4/14.1)."""
    body = names.made + struct.pack("<HHIIII", 3, 3, 1, 1, 0, 0) + _CHARSET + _text(names.name, 128) + _CHARSET
    body += _text(names.name, 32) + bytes(64) + _long_address(root, SECTOR) + _DOMAIN + bytes(16 + 16 + 32)
    return _tagged(256, 0, body).ljust(SECTOR, b"\0") + _tagged(8, 1, bytes(496)).ljust(SECTOR, b"\0")


# Files and folders


def entry(block: int, where: list[Extent], *, is_folder: bool, links: int, unique: int, modified: bytes, made: bytes) -> bytes:
    """A file's or folder's entry (4/14.9), one block; `where` its bytes are."""
    size = sum(extent.length for extent in where)
    body = struct.pack("<IHHHBB6xH", 0, 4, 0, 1, 0, _FOLDER if is_folder else _FILE, 0)
    body += struct.pack("<IIIHBBI", 0xFFFFFFFF, 0xFFFFFFFF, _READ_AND_ENTER if is_folder else _READ, links, 0, 0, 0)
    body += struct.pack("<QQ", size, sum(blocks(extent.length) for extent in where)) + modified + modified + made
    body += struct.pack("<I", 1) + bytes(16) + _MAKER + struct.pack("<QII", unique, 0, 8 * len(where))
    body += b"".join(struct.pack("<II", extent.length, extent.block) for extent in where)
    return _tagged(261, block, body).ljust(SECTOR, b"\0")


def line_size(name: str | None) -> int:
    """Bytes that a name takes in its folder."""
    return (38 + (0 if name is None else len(encoded(name))) + 3) // 4 * 4


def line(block: int, name: str | None, entry_block: int, *, is_folder: bool, unique: int) -> bytes:
    """A name in a folder (4/14.4), beginning in `block`; None is the folder above."""
    called = b"" if name is None else encoded(name)
    kind = (_IS_FOLDER if is_folder else 0) | (_IS_PARENT if name is None else 0)
    body = struct.pack("<HBB", 1, kind, len(called)) + _long_address(entry_block, SECTOR, unique) + struct.pack("<H", 0) + called
    return _tagged(257, block, body.ljust(line_size(name) - 16, b"\0"))
