"""Devices: which file system a path is on, known by its UUID, and where that file system is mounted now.

A device is a file system's UUID, never a mount path: a drive that comes back under another name is the same drive, and two
folders of one drive are one copy. A path inside a device (`inner`) begins at the file system's own root, so that what was
written down of a drive holds wherever it is mounted.

Linux tells UUIDs by `FS_IOC_GETFSUUID` (linux/fs.h, since 6.9) or by udev's links; network shares are known by their server
and export. What has neither is known by `f_fsid`, which is derived from the UUID on ext4 and Btrfs, and elsewhere may change
with the next restart: such a device says that it is not `stable`.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.errors import from_os_error
from film_archive.core.source import printable

_FS_IOC_GETFSUUID = 0x80111500
"""_IOR(0x15, 0, struct fsuuid2): a length byte, then 16 bytes."""
_MOUNTS = Path("/proc/self/mountinfo")
_BY_UUID = Path("/dev/disk/by-uuid")
_OCTAL = re.compile(r"\\([0-7]{3})")
NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "afpfs", "ncpfs", "9p", "webdav", "davfs"),
        *("ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.rclone", "fuse.davfs"),
    )
)
"""Types of file systems whose bytes are on another machine."""
_NEVER = frozenset(("proc", "sysfs", "devpts", "devtmpfs", "cgroup", "cgroup2", "autofs", "securityfs", "debugfs", "tracefs"))
"""What holds no media; opening some of them has consequences."""


@dataclass(frozen=True, slots=True)
class Device:
    """A file system. `identity` is what it is known by; `stable` says whether that outlives a restart."""

    identity: str
    kind: str
    """Its type as the system calls it: "ext4", "xfs", "nfs4"; "" where that is not known."""
    stable: bool = True


@dataclass(frozen=True, slots=True)
class Located:
    """A path as its device has it."""

    device: Device
    inner: str
    """From the file system's own root, with a slash in front; "/" for the root."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A place at which a part of a file system can be reached."""

    root: str
    """The folder of the file system that is reached here, from its own root."""
    point: str
    kind: str
    source: str


def mounts() -> tuple[Mount, ...]:
    """What is mounted, in the order of the system's list (proc(5), mountinfo); none where there is no such list."""
    try:
        text = _MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return ()
    return tuple(_parsed(text.splitlines()))


def _parsed(lines: Iterable[str]) -> Iterable[Mount]:
    for line in lines:
        before, _, behind = line.partition(" - ")
        fields, about = before.split(" "), behind.split(" ")
        if len(fields) >= 5 and len(about) >= 2:
            yield Mount(_plain(fields[3]), _plain(fields[4]), about[0], _plain(about[1]))


def _plain(text: str) -> str:
    return _OCTAL.sub(lambda escape: chr(int(escape[1], 8)), text)


def mount_of(path: Path, among: Iterable[Mount] | None = None) -> Mount:
    """Where the file system of a path is mounted; the path need not be there."""
    where = os.path.realpath(path)
    found: Mount | None = None
    for mount in mounts() if among is None else among:
        if _is_below(where, mount.point) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    if found is not None:
        return found
    point = Path(where)
    while not point.is_mount() and point != point.parent:
        point = point.parent
    return Mount("/", os.fspath(point), "", "")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def locate(path: Path) -> Located:
    """A path that is there, as its device has it; raises NotFound, Refused."""
    where = os.path.realpath(path)
    mount = mount_of(Path(where))
    try:
        device = _device(where, mount)
    except OSError as error:
        raise from_os_error(error, f"ask which device {printable(path)} is on") from error
    below = where[len(mount.point.rstrip("/")) :]
    return Located(device, (mount.root.rstrip("/") + below) or "/")


def paths_of(identity: str) -> tuple[Mount, ...]:
    """Where a device can be reached now; none where it is offline."""
    found = []
    for mount in mounts():
        if mount.kind in _NEVER:
            continue
        try:
            if _device(mount.point, mount).identity == identity:
                found.append(mount)
        except OSError:  # not ours to enter, or gone this moment
            continue
    return tuple(found)


def path_on(inner: str, reached: Iterable[Mount]) -> Path | None:
    """The path now of what lies in a device that is reached at these mounts; None where no mount has that part of it."""
    for mount in reached:
        if _is_below(inner, mount.root):
            return Path(mount.point.rstrip("/") + (inner[len(mount.root.rstrip("/")) :] or "/"))
    return None


def _device(path: str, mount: Mount) -> Device:
    if mount.kind in NETWORK:
        return Device(f"{mount.kind}:{mount.source}", mount.kind)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        told = _told_uuid(descriptor) or _linked_uuid(os.fstat(descriptor).st_dev)
        fsid = os.fstatvfs(descriptor).f_fsid
    finally:
        os.close(descriptor)
    if told is not None:
        return Device(told, mount.kind)
    return Device(f"{mount.kind or 'fsid'}:{fsid & 0xFFFF_FFFF_FFFF_FFFF:016x}", mount.kind, mount.kind in ("ext4", "btrfs"))


def _told_uuid(descriptor: int) -> str | None:
    if not sys.platform.startswith("linux"):
        return None
    answer = bytearray(17)
    try:
        fcntl.ioctl(descriptor, _FS_IOC_GETFSUUID, answer)
    except OSError:
        return None
    value = bytes(answer[1 : 1 + answer[0]])
    import uuid

    return str(uuid.UUID(bytes=value)) if len(value) == 16 and any(value) else None


def _linked_uuid(number: int) -> str | None:
    """The UUID under which udev has a link to a block device; FAT's and exFAT's are short."""
    try:
        with os.scandir(_BY_UUID) as links:
            for link in links:
                if link.stat().st_rdev == number:
                    return link.name.lower()
    except OSError:
        return None
    return None
