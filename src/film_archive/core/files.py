"""The only place that renames, links, unlinks and fsyncs.

What it promises: a name that is visible holds a whole, durable file (temporary name in the same folder, fsync, rename,
fsync of the folder); nothing is overwritten unless the caller says `replace=True`; a source is removed only after its
copy was read back equal. A failed fsync is never tried again: the file is given up, since the system may have dropped
its pages.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from film_archive.core.digest import KEY, MultiHasher, digest_source, read_ahead, with_key
from film_archive.core.errors import (
    Damaged,
    FilmArchiveError,
    NoSpace,
    NotSupported,
    Refused,
    SourceChanged,
    UsageError,
    from_os_error,
)
from film_archive.core.reflink import block_size, clone_range
from film_archive.core.source import ByteSource, FileIdentity, FileSource, kind_of, printable

OnBytes = Callable[[int], None]

_TRANSFER = 64 << 20
"""Bytes that the system is asked to copy at once: between two of them Ctrl-C and progress have their turn."""
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


def drop_cache(descriptor: int) -> None:
    """Ask the system to forget a file's cached pages, so that the next read comes from the medium."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    elif hasattr(fcntl, "F_NOCACHE"):
        fcntl.fcntl(descriptor, fcntl.F_NOCACHE, 1)


# Names


def rename(source: Path, target: Path, *, replace: bool = False) -> None:
    """Give a file or folder its final name, durably; refuses an existing target unless told to replace it."""
    try:
        _rename(source, target, replace=replace)
    except FileExistsError as error:
        raise Refused(f"{printable(target)} exists already; nothing was changed.") from error
    except OSError as error:
        raise from_os_error(error, f"rename {printable(source)} to {printable(target)}") from error
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
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise from_os_error(error, f"remove {printable(folder)}") from error


def remove_empty_folders(folder: Path) -> None:
    """Remove a folder of ours and the folders in it, as far as they are empty."""
    for below, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(below)


def temporary_name(target: Path, purpose: str) -> Path:
    """Where a file is built before it has its name: hidden, beside it, known as ours, no longer than a name may be."""
    name = os.fsencode(target.name)
    if len(name) > 180:
        digest = MultiHasher()
        digest.update(name)
        end = 120
        while name[end] & 0xC0 == 0x80:  # in the middle of a sign; macOS takes no half ones
            end -= 1
        name = name[:end] + b"~" + digest.digests()[KEY].encode()
    return target.with_name(os.fsdecode(b"." + name + b".film-archive-" + purpose.encode()))


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
        descriptor = _open_alone(self.temporary, self.target, self.mode)
        status = os.fstat(descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self.file = os.fdopen(descriptor, "w+b")
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


# Copying


@dataclass(frozen=True, slots=True)
class Poured:
    """What `pour` did: digests of the bytes, and how many of them are shared with the source instead of copied."""

    size: int
    digests: dict[str, str]
    shared: int = 0


def pour(
    source: ByteSource,
    target: int,
    offset: int,
    *,
    algorithms: Iterable[str] = (KEY,),
    share: bool = True,
    on_bytes: OnBytes | None = None,
) -> Poured:
    """Put all bytes of a source into an open file at `offset`, digesting them in the same read.

    Where source and target can share blocks, whole blocks are shared and only a last partial block is copied; the bytes
    are then read once, for the digests. Elsewhere one thread reads and digests while this one writes. Raises OSError
    where the target can't be written (see `explaining`), SourceChanged where the source was written to meanwhile.
    """
    shared = _share(source, target, offset) if share else 0
    hasher = MultiHasher(algorithms)
    position = 0
    for block in read_ahead(source, while_reading=hasher.update):
        start = max(position, shared)
        view = block[start - position :]
        while len(view):
            count = os.pwrite(target, view, offset + start)
            view, start = view[count:], start + count
        position += len(block)
        if on_bytes is not None:
            on_bytes(len(block))
    source.check_unchanged()
    return Poured(source.size, hasher.digests(), shared)


def transfer(source: ByteSource, target: int, offset: int, *, on_bytes: OnBytes | None = None) -> int:
    """Put a source's bytes into an open file without digesting them: shared, else by the system, else through memory.

    Returns how many bytes are shared with the source's file. Raises as `pour` does.
    """
    done = shared = _share(source, target, offset)
    if on_bytes is not None and shared:
        on_bytes(shared)
    done += _copy_by_system(source, target, offset, done, on_bytes)
    for block in read_ahead(source, done):
        view = block
        while len(view):
            count = os.pwrite(target, view, offset + done)
            view, done = view[count:], done + count
        if on_bytes is not None:
            on_bytes(len(block))
    source.check_unchanged()
    return shared


def _copy_by_system(source: ByteSource, target: int, offset: int, start: int, on_bytes: OnBytes | None) -> int:
    """How many bytes behind `start` the system copied from file to file; fewer than there are where it can't."""
    done = 0
    origin = _reopened(source) if hasattr(os, "copy_file_range") else None
    if origin is None:
        return 0
    file, begin = origin
    with file:
        while (left := source.size - start - done) > 0:
            try:
                count = os.copy_file_range(
                    file.fileno(), target, min(_TRANSFER, left), begin + start + done, offset + start + done
                )
            except OSError as error:
                if error.errno in _NOT_HERE | {errno.EXDEV}:
                    break
                raise
            if count == 0:
                break  # the file ends here by now: reading it will say so
            done += count
            if on_bytes is not None:
                on_bytes(count)
    return done


def _share(source: ByteSource, target: int, offset: int) -> int:
    """How many bytes of the source the target shares now: whole blocks from the start, or 0."""
    block = block_size(target)
    length = source.size // block * block
    origin = None if length == 0 or offset % block else _reopened(source)
    if origin is None:
        return 0
    file, begin = origin
    with file:
        if begin % block:
            return 0
        return length if clone_range(file.fileno(), begin, target, offset, length) else 0


def _reopened(source: ByteSource) -> tuple[FileSource, int] | None:
    """The file that a source's bytes lie in and where they begin; None where they are not one run of one file.

    Another file may have its name by now, or none: then None too, and the bytes are read through the source.
    """
    extent = source.extent()
    if extent is None or extent.identity is None:
        return None
    try:
        file = FileSource(extent.path)
    except FilmArchiveError:
        return None
    if file.identity != extent.identity:
        file.close()
        return None
    return file, extent.offset


def can_share(source: Path, folder: Path) -> bool:
    """Whether files of a folder can share blocks with a file: tried on one block of it."""
    probe = folder / f".film-archive-share-{os.getpid()}"
    try:
        descriptor = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        with FileSource(source) as origin:
            block = block_size(descriptor)
            return origin.size >= block and clone_range(origin.fileno(), 0, descriptor, 0, block)
    finally:
        os.close(descriptor)
        remove(probe)


def verified_copy(
    source: ByteSource,
    target: Path,
    *,
    algorithms: Iterable[str] = (KEY,),
    replace: bool = False,
    share: bool = True,
    like: os.stat_result | None = None,
    on_bytes: OnBytes | None = None,
    on_verified: OnBytes | None = None,
) -> Poured:
    """Copy a source to a new file and prove it: what was copied, not shared, is read back and compared.

    `like` gives the copy the times and permissions of another file. `on_bytes` hears of what is copied, `on_verified`
    of what is read back. Raises Damaged where the copy differs; nothing is then left under the target's name.
    """
    with AtomicFile(target, replace, purpose="copy") as new:
        descriptor = new.file.fileno()
        with explaining(
            f"copy {source.name} to {printable(target)}",
            needed=lambda: unwritten(descriptor, source.size),
            folder=target.parent,
            state="nothing was left there",
        ):
            poured = pour(
                source, descriptor, 0, algorithms=with_key(algorithms), share=share, on_bytes=on_bytes
            )
            sync(descriptor)
            drop_cache(descriptor)
        if poured.shared < source.size:
            with FileSource(new.temporary, printable(target)) as written:
                drop_cache(written.fileno())
                found = digest_source(written, poured.digests, on_bytes=on_verified)
            if found != poured.digests:
                raise Damaged(
                    f"The copy of {source.name} to {printable(target)} does not read back the same; it was removed. "
                    "Do not trust this disk or its cable."
                )
        if like is not None:
            copy_times_and_mode(like, descriptor)
        new.commit()
    return poured


def copy_times_and_mode(status: os.stat_result, target: Path | int) -> None:
    """Give a file the modification time and permissions (without set-user-ID and the like) of another."""
    with explaining(f"set permissions and times of {printable(target) if isinstance(target, Path) else 'a copy'}"):
        try:
            os.chmod(target, status.st_mode & 0o777)
        except OSError as error:
            if error.errno not in _NOT_HERE:  # FAT and some shares have no permissions to set
                raise
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def move(source: Path, target: Path) -> None:
    """Move a file without ever overwriting; across devices it is copied, read back, and only then removed."""
    if os.path.lexists(target):
        raise Refused(f"{printable(target)} exists already; {printable(source)} stays where it is.")
    try:
        # Tried, not told from the device numbers: two mounts of one device can't be renamed across either.
        _rename(source, target, replace=False)
    except FileExistsError as error:
        raise Refused(f"{printable(target)} exists already; {printable(source)} stays where it is.") from error
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise from_os_error(error, f"move {printable(source)} to {printable(target)}") from error
        _copy_across(source, target)
        remove(source, missing_ok=False)
    sync_folder(target.parent)
    sync_folder(source.parent)


def _copy_across(source: Path, target: Path) -> None:
    """Put the same file or link on another device; the source may be removed when this returns."""
    with explaining(f"move {printable(source)} to {printable(target)}"):
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode):
            target.symlink_to(source.readlink())
            return
    if not stat.S_ISREG(status.st_mode):
        raise NotSupported(
            f"{printable(source)} is {kind_of(status.st_mode)}; only files and links are moved to another device."
        )
    with FileSource(source) as origin:
        verified_copy(origin, target, like=origin.status)
        with explaining(f"look at {printable(source)} again"):
            now = source.lstat()
        if FileIdentity.of(now) != origin.identity:
            raise SourceChanged(
                f"{printable(source)} changed while it was moved; it stays, and {printable(target)} holds what it was."
            )
