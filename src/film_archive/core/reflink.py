"""Sharing blocks between files instead of copying them, where the file system can (Linux: XFS, Btrfs, bcachefs).

A shared block is stored once until one of the files writes to it. It is not a second copy: a damaged block is damaged
in both. Nothing here tells what was shared before; who shares says so.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys

# linux/fs.h: _IOW(0x94, 9, int) and _IOW(0x94, 13, struct file_clone_range)
_FICLONE = 0x40049409
_FICLONERANGE = 0x4020940D
_CANNOT = {
    *(errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EPERM, errno.ETXTBSY),
}


def clone_range(source: int, source_offset: int, target: int, target_offset: int, length: int) -> bool:
    """Share whole blocks between two open files; False where that can't be.

    Offsets are multiples of `block_size`, and so is the length (of which there is at least one block).
    """
    if length <= 0:
        return False
    request = b"".join(
        (
            source.to_bytes(8, sys.byteorder, signed=True),
            source_offset.to_bytes(8, sys.byteorder),
            length.to_bytes(8, sys.byteorder),
            target_offset.to_bytes(8, sys.byteorder),
        )
    )
    return _ask(target, _FICLONERANGE, request)


def clone_whole(source: int, target: int) -> bool:
    """Make an open file share all blocks of another, whatever it held before; False where that can't be."""
    return _ask(target, _FICLONE, source)


def block_size(descriptor: int) -> int:
    """The unit in which a file's blocks can be shared: the file system's block, at least 4096 bytes."""
    return max(4096, os.fstatvfs(descriptor).f_bsize)


def _ask(target: int, request: int, argument: int | bytes) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        fcntl.ioctl(target, request, argument)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


_FS_IOC_FIEMAP = 0xC020660B
"""_IOWR('f', 11, struct fiemap)"""
_EXTENT = struct.Struct("=QQQQQLLLL")
_HEADER = struct.Struct("=QQLLLL")
_EXTENTS_AT_ONCE = 256
_LAST, _UNPLACED, _SHARED = 0x1, 0x2 | 0x4 | 0x8 | 0x100 | 0x200, 0x2000
"""linux/fiemap.h; what is not placed yet, or inside metadata, has no place of its own to compare."""


def shared_extents(descriptor: int) -> tuple[tuple[int, int, int], ...] | None:
    """(offset, place on the device, length) of an open file's bytes, if all of them are shared with other files.

    Two files of one device for which this is equal are stored once. None where some are not shared, or the file system
    does not tell.
    """
    if not sys.platform.startswith("linux"):
        return None
    found: list[tuple[int, int, int]] = []
    start = 0
    while True:
        request = bytearray(_HEADER.size + _EXTENTS_AT_ONCE * _EXTENT.size)
        _HEADER.pack_into(request, 0, start, (1 << 64) - 1 - start, 0, 0, _EXTENTS_AT_ONCE, 0)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_FIEMAP, request)
        except OSError as error:
            if error.errno in _CANNOT:
                return None
            raise
        count = _HEADER.unpack_from(request)[3]
        for number in range(count):
            offset, place, length, *_, flags, _, _, _ = _EXTENT.unpack_from(request, _HEADER.size + number * _EXTENT.size)
            if not flags & _SHARED or flags & _UNPLACED:
                return None
            found.append((offset, place, length))
            start = offset + length
            if flags & _LAST:
                return tuple(found)
        if count == 0:
            return tuple(found) or None
