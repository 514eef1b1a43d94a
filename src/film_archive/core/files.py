"""The only place that renames, links, unlinks and fsyncs.

What it promises: a name that is visible holds a whole, durable file (temporary name in the same folder, fsync, rename,
fsync of the folder); nothing is overwritten unless the caller says `replace=True`. A failed fsync is never tried again:
the file is given up, since the system may have dropped its pages.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import FilmArchiveError, NoSpace, NotFound, Refused, UsageError, from_os_error
from film_archive.core.source import printable

OnBytes = Callable[[int], None]

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1  # linux/fs.h
_RENAME_EXCL = 4  # macOS, sys/stdio.h
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOTTY}
# EPERM: what file systems without hard links answer to link, and old containers to calls they don't know.
_NOT_HERE = _UNSUPPORTED | {errno.EPERM}


# Durability


def sync(descriptor: int) -> None:
    """Make what was written to an open file durable. Raises OSError; the file is then not to be trusted."""
    if sys.platform == "darwin":
        # fsync alone leaves the bytes in the drive's cache there. Shares and FAT don't know F_FULLFSYNC.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            return
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. File systems that can't (some network shares) are left as they are."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return  # a drop folder: it may be written, but not opened for reading
    except OSError as error:
        raise from_os_error(error, f"make the names in {printable(folder)} durable") from error
    try:
        sync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED | {errno.EBADF}:
            raise from_os_error(error, f"make the names in {printable(folder)} durable") from error
    finally:
        os.close(descriptor)


def sync_file_system(descriptor: int) -> bool:
    """Make everything durable that was written on the file system of an open file; False where the system can't tell.

    For thousands of files at once, of which each would cost a journal commit. Linux reports to this call what failed
    since the descriptor was opened (5.8 and later). Raises OSError.
    """
    call = _file_system_sync_call()
    if call is None:
        return False
    status = call(descriptor)
    if status in _UNSUPPORTED:
        return False
    if status:
        raise OSError(status, os.strerror(status))
    return True


@functools.cache
def _file_system_sync_call() -> Callable[[int], int] | None:
    """The system's syncfs: descriptor → errno or 0."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        return None
    return lambda descriptor: 0 if library.syncfs(descriptor) == 0 else ctypes.get_errno()


def drop_cache(descriptor: int) -> None:
    """Ask the system to forget a file's cached pages, so that the next read comes from the medium."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    elif hasattr(fcntl, "F_NOCACHE"):
        fcntl.fcntl(descriptor, fcntl.F_NOCACHE, 1)


# Names


def rename(source: Path, target: Path, *, replace: bool = False) -> None:
    """Give a file or folder its final name, durably; refuses an existing target unless told to replace it."""
    with _naming(source, target):
        _rename(source, target, replace=replace)
    _sync_names(source, target)


def rename_within(source: Path, target: Path) -> bool:
    """As `rename`, but False, with nothing changed, where the two lie on different file systems.

    Tried, not told from the device numbers: two mounts of one device can't be renamed across either.
    """
    with _naming(source, target):
        try:
            _rename(source, target, replace=False)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
    _sync_names(source, target)
    return True


def rename_unsynced(source: Path, target: Path) -> None:
    """As `rename` with `replace`, but the names are made durable by the caller, with `sync_folder`."""
    with _naming(source, target):
        _rename(source, target, replace=True)


def hard_link(source: Path, target: Path) -> bool:
    """Give a file a second name; False where the file system has no such links, or the two lie on different ones."""
    with _naming(source, target):
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NOT_HERE | {errno.EMLINK, errno.EXDEV, errno.EPERM}:
                raise
            return False
    return True


@contextlib.contextmanager
def _naming(source: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise Refused(f"{printable(target)} exists already; nothing was changed.") from error
    except OSError as error:
        if isinstance(error, FilmArchiveError):
            raise
        raise from_os_error(error, f"rename {printable(source)} to {printable(target)}") from error


def _sync_names(source: Path, target: Path) -> None:
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def _rename(source: Path, target: Path, *, replace: bool) -> None:
    _require_name(target)
    if replace:
        os.replace(source, target)
        return
    exclusive = _exclusive_rename_call()
    if exclusive is not None:
        status = exclusive(os.fsencode(source), os.fsencode(target))
        if status == 0:
            return
        if status not in _NOT_HERE:
            raise OSError(status, os.strerror(status))
    if stat.S_ISDIR(source.lstat().st_mode):
        _rename_over_placeholder(source, target, folder=True)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_HERE | {errno.EMLINK}:
            raise
        _rename_over_placeholder(source, target, folder=False)
    else:
        os.unlink(source)


def _rename_over_placeholder(source: Path, target: Path, *, folder: bool) -> None:
    """Hold the name with something empty of ours (making it fails where something is), then take its place."""
    if folder:
        target.mkdir()
    else:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC))
    try:
        os.replace(source, target)
    except OSError:
        (os.rmdir if folder else os.unlink)(target)
        raise


@functools.cache
def _exclusive_rename_call() -> Callable[[bytes, bytes], int] | None:
    """The system's rename that fails on an existing target: (source, target) → errno or 0."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform.startswith("linux") and hasattr(library, "renameat2"):
        renameat2 = library.renameat2
        return lambda source, target: (
            0 if renameat2(_AT_FDCWD, source, _AT_FDCWD, target, _RENAME_NOREPLACE) == 0 else ctypes.get_errno()
        )
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        renamex_np = library.renamex_np
        return lambda source, target: 0 if renamex_np(source, target, _RENAME_EXCL) == 0 else ctypes.get_errno()
    return None


def _require_name(target: Path) -> None:
    """Refuse what can't be a file's name. A NUL above all: to the system the name would end there."""
    try:
        possible = b"\0" not in os.fsencode(target) and target.name not in ("", "..")
    except UnicodeEncodeError:
        possible = False
    if not possible:
        raise UsageError(f"{printable(target)!r} can't be the name of a file; nothing was changed.")


def remove(path: Path, *, missing_ok: bool = True) -> None:
    """Remove one file of ours (temporary, journal). Media is never removed through this but by `move`."""
    try:
        path.unlink(missing_ok=missing_ok)
    except OSError as error:
        raise from_os_error(error, f"remove {printable(path)}") from error


def remove_tree(folder: Path) -> None:
    """Remove a folder that this program made, with all that is in it."""
    if folder.is_dir() and not folder.is_symlink():
        import shutil

        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise from_os_error(error, f"remove {printable(folder)}") from error


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, as far as they are not there, each durable in the one above."""
    missing = []
    with explaining(f"make the folder {printable(folder)}"):
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir()
            sync_folder(each.parent)


def remove_empty_folders(folder: Path) -> None:
    """Remove a folder of ours and the folders in it, as far as they are empty."""
    for below, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(below)


def remove_if_empty(folder: Path) -> bool:
    """Remove a folder if nothing is in it; whether it was."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


_MARK = ".film-archive-"
_PURPOSES = frozenset(("new", "work", "journal", "proxies", "copy", "cut", "join", "piece", "unpack"))
"""What a name may be built for beside a target."""
_HELPERS = frozenset(("share", "proxies", "unpack"))
"""What lies in a folder for a while without belonging to one name in it."""


def helper_name(purpose: str, key: str) -> str:
    """How something of ours is called that lies in a folder for a while: hidden, known as ours, told apart by `key`."""
    assert purpose in _HELPERS
    return f"{_MARK}{purpose}-{key}"


def temporary_names(target: Path) -> frozenset[str]:
    """All names that what is built for a target may have beside it."""
    return frozenset(temporary_name(target, purpose).name for purpose in _PURPOSES)


def is_temporary_name(name: str) -> bool:
    """Whether a file or folder of this name is unfinished work of ours (`temporary_name`, `helper_name`)."""
    before, mark, purpose = name.rpartition(_MARK)
    if not before:
        return bool(mark) and purpose.partition("-")[0] in _HELPERS
    return before.startswith(".") and purpose in _PURPOSES


def temporary_name(target: Path, purpose: str) -> Path:
    """Where a file is built before it has its name: hidden, beside it, known as ours, no longer than a name may be."""
    assert purpose in _PURPOSES
    name = os.fsencode(target.name)
    if len(name) > 180:
        digest = MultiHasher()
        digest.update(name)
        end = 120
        while end > 116 and name[end] & 0xC0 == 0x80:  # in the middle of a sign; macOS takes no half ones
            end -= 1
        name = name[:end] + b"~" + digest.digests()[KEY].encode()
    return target.with_name(os.fsdecode(b"." + name + (_MARK + purpose).encode()))


# Space


def free_space(folder: Path) -> int:
    """Bytes that an ordinary user may still write below a folder, which need not be there yet."""
    status = _file_system(folder)
    return status.f_bavail * status.f_frsize


def _file_system(folder: Path) -> os.statvfs_result:
    folder = folder.absolute()
    while True:
        try:
            return os.statvfs(folder)
        except FileNotFoundError:
            folder = folder.parent  # ends at the root, which is there
        except OSError as error:
            raise from_os_error(error, f"ask how much space {printable(folder)} has") from error


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse before the first byte is written where `needed` bytes do not fit."""
    free = free_space(folder)
    if needed > free:
        raise NoSpace(
            f"{what} needs {needed} bytes and {printable(folder)} has {free}: {needed - free} bytes are missing; "
            "nothing was written."
        )


def unwritten(descriptor: int, size: int) -> int:
    """Bytes that an open file still lacks of the size that it shall have, and that have no blocks yet."""
    status = os.fstat(descriptor)
    return size - min(status.st_size, status.st_blocks * 512)


@contextlib.contextmanager
def explaining(
    doing: str, *, needed: Callable[[], int] | None = None, folder: Path | None = None, state: str = ""
) -> Iterator[None]:
    """Turn system errors of the block into sentences; a full disk tells how many bytes are missing.

    `needed` says how many bytes were still to be written when the disk was full, `folder` is on that disk; `state` ends
    the sentence by saying what is there now.
    """
    try:
        yield
    except FilmArchiveError:
        raise
    except OSError as error:
        explained = from_os_error(error, doing)
        if isinstance(explained, NoSpace) and needed is not None and folder is not None:
            why = _why_full(error, needed, folder)
            raise NoSpace(f"Could not {doing}: {why}{'; ' if state else ''}{state}.") from error
        raise explained from error


def _why_full(error: OSError, needed: Callable[[], int], folder: Path) -> str:
    if error.errno == errno.EFBIG:
        return f"files this large can't be on the file system of {printable(folder)}"
    if error.errno == errno.EDQUOT:
        return f"the quota is used up, about {max(1, needed())} bytes are missing"
    status = _file_system(folder)
    missing = needed() - status.f_bavail * status.f_frsize
    if missing <= 0 and status.f_files and not status.f_favail:
        return "the disk has no room for more files, whatever their size"
    return f"the disk is full, about {max(1, missing)} bytes are missing"


# Writing


@dataclass
class AtomicFile:
    """A file that appears under its name only when it is whole: write to `.file`, then `commit()`.

    Leaving the block without a commit removes what was written. The temporary file beside the target is locked: what a
    killed process left is taken over, while another process that writes the same target makes this one be refused.
    """

    target: Path
    replace: bool = False
    purpose: str = "new"
    mode: int = 0o666
    file: IO[bytes] = field(init=False)
    temporary: Path = field(init=False)
    _identity: tuple[int, int] = field(init=False)

    def __enter__(self) -> Self:
        _require_name(self.target)
        self.temporary = temporary_name(self.target, self.purpose)
        if not self.replace and os.path.lexists(self.target):
            _finish_linking(self.temporary, self.target)
            raise Refused(f"{printable(self.target)} exists already; nothing was changed.")
        try:
            descriptor = _open_alone(self.temporary, self.target, self.mode)
        except NotFound:
            require_folder_for(self.target)
            raise
        status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)
        # Opened under the target's name, so that who writes into it can say what could not be written.
        self.file = open(self.target, "w+b", opener=lambda path, flags: descriptor)
        return self

    def commit(self) -> None:
        """Make the content durable and give the file its name."""
        with explaining(
            f"write {printable(self.target)}",
            needed=lambda: unwritten(self.file.fileno(), os.fstat(self.file.fileno()).st_size),
            folder=self.target.parent,
            state="nothing was changed",
        ):
            self.file.flush()
            sync(self.file.fileno())
        # Renamed before it is closed: the lock that closing gives up would let another process empty the file.
        rename(self.temporary, self.target, replace=self.replace)
        self.file.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._remove_own()
        except (OSError, FilmArchiveError):
            if error is None:  # else that one says why
                raise
        finally:
            with contextlib.suppress(OSError):  # bytes that no longer fit, of a file that is given up
                self.file.close()

    def _remove_own(self) -> None:
        """Remove the temporary file, unless it has its name already and another process has made the next one."""
        try:
            status = self.temporary.lstat()
        except FileNotFoundError:
            return
        if (status.st_dev, status.st_ino) == self._identity:
            remove(self.temporary)


def commit_all(written: Sequence[AtomicFile]) -> None:
    """As `commit` of each, but the drive is waited for twice in all, not twice a file.

    No file gets its name before the content of all is durable. Raises as `commit` does; files that have their names then
    keep them, durably, and the others go when their blocks are left.
    """
    if not written:
        return
    target = written[-1].target
    with explaining(
        f"write {printable(target)}", needed=lambda: _unwritten_of_all(written), folder=target.parent, state="nothing was changed"
    ):
        for each in written:
            each.file.flush()
        _sync_together(written)
    named: list[AtomicFile] = []
    try:
        for each in written:
            with _naming(each.temporary, each.target):
                _rename(each.temporary, each.target, replace=each.replace)
            named.append(each)
    finally:
        for folder in sorted({each.target.parent for each in named}):
            sync_folder(folder)
        for each in named:
            each.file.close()


def _unwritten_of_all(written: Sequence[AtomicFile]) -> int:
    descriptors = [each.file.fileno() for each in written]
    return sum(unwritten(descriptor, os.fstat(descriptor).st_size) for descriptor in descriptors)


def _sync_together(written: Sequence[AtomicFile]) -> None:
    """Make the content of open files durable: by one call for each file system where the system has such a call."""
    devices: dict[int, list[int]] = {}
    for each in written:
        descriptor = each.file.fileno()
        devices.setdefault(os.fstat(descriptor).st_dev, []).append(descriptor)
    for descriptors in devices.values():
        if len(descriptors) == 1 or not sync_file_system(descriptors[0]):
            for descriptor in descriptors:
                sync(descriptor)


def require_folder_for(target: Path) -> None:
    """Raise NotFound where the folder is not there that a file or folder is to be written into."""
    if not os.path.isdir(target.parent):  # noqa: PTH112  no error where the name can't even be looked up
        raise NotFound(
            f"There is no folder {printable(target.parent)} to put {printable(target.name)} into; make it, or name another one."
        )


def require_folder_at(folder: Path) -> None:
    """Raise Refused where a folder could not be made, or be used, at a path: it, or one on the way to it, is something else."""
    with explaining(f"write {printable(folder)}"):
        for place in (folder, *folder.absolute().parents):
            if os.path.isdir(place):  # noqa: PTH112  no error below what is a file
                return
            if os.path.lexists(place):
                raise Refused(f"{printable(place)} exists and is not a folder; nothing was written. Name another place.")


def _open_alone(temporary: Path, target: Path, mode: int) -> int:
    """Open a temporary file, empty, that nobody else writes: a new one, or one that a killed process left."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    busy = Refused(f"{printable(target)} is being written by another process; nothing was changed.")
    with explaining(f"write {printable(target)}"):
        while True:
            try:
                descriptor = os.open(temporary, flags | os.O_EXCL, mode)
                fresh = True
            except FileExistsError:
                descriptor = os.open(temporary, flags, mode)
                fresh = False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if is_at(descriptor, temporary):
                    if os.fstat(descriptor).st_nlink <= 1:
                        os.ftruncate(descriptor, 0)
                        return descriptor
                    os.unlink(temporary)  # the target's second name, see _finish_linking: emptied it would empty that
                # else whoever had the lock has just finished with it: look again
            except BlockingIOError:
                os.close(descriptor)
                raise busy from None
            except OSError as error:
                if fresh and error.errno in _UNSUPPORTED | {errno.ENOLCK}:
                    return descriptor  # no locks here; that it is new is enough
                os.close(descriptor)
                if error.errno in _UNSUPPORTED | {errno.ENOLCK}:
                    raise Refused(
                        f"{printable(temporary)} is there: another process writes {printable(target)}, or was killed "
                        "while it did; remove that file if none does."
                    ) from error
                raise
            os.close(descriptor)


def _finish_linking(temporary: Path, target: Path) -> None:
    """Remove the second name of a target that a run got by link and was killed before it removed the first."""
    with contextlib.suppress(FileNotFoundError):
        named, finished = temporary.lstat(), target.lstat()
        if (named.st_dev, named.st_ino) == (finished.st_dev, finished.st_ino):
            remove(temporary)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still has this name."""
    opened = os.fstat(descriptor)
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    return (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)


def write_atomically(target: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a small file whole or not at all."""
    with AtomicFile(target, replace) as new:
        with explaining(
            f"write {printable(target)}",
            needed=lambda: unwritten(new.file.fileno(), len(data)),
            folder=target.parent,
            state="nothing was changed",
        ):
            new.file.write(data)
            new.file.flush()
        new.commit()


def write_at(target: int, data: bytes | bytearray | memoryview, offset: int) -> int:
    """Write all of `data` at a place of an open file (a system's write may take only a part); returns where it ends."""
    view = memoryview(data)
    while len(view):
        count = os.pwrite(target, view[:_WRITE], offset)
        view, offset = view[count:], offset + count
    return offset


_WRITE = 1 << 18
"""Bytes of one write. On ext4 with large folios (Linux 6.18, memory in pieces) 1 MiB in writes of 1 MiB, at places that are
multiples of it, takes eight times the processor that it takes in writes of 256 KiB; smaller ones are no faster."""
