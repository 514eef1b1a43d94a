"""The only place that renames, links, unlinks and fsyncs.

What it promises: a name that is visible holds a whole, durable file (temporary name in the same folder, fsync, rename, fsync
of the folder); nothing is overwritten unless the caller says `replace=True`; a source is removed only after its copy was
read back equal. A failed fsync is never tried again: the file is given up, since the system may have dropped its pages.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import IO, Self

from film_archive.core.digest import BLOCK, KEY, MultiHasher, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, NoSpace, Refused, from_os_error
from film_archive.core.source import ByteSource, FileSource, printable

OnBytes = Callable[[int], None]

_FICLONERANGE = 0x4020940D
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCL = 4
_NOT_HERE = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV, errno.ENOTTY, errno.EPERM, errno.ETXTBSY}
_BUFFERS = 4


# Durability


def sync(descriptor: int) -> None:
    """Make what was written to an open file durable."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. File systems that can't (some network shares) are left as they are."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop_cache(descriptor: int) -> None:
    """Ask the system to forget a file's cached pages, so that the next read comes from the medium."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


# Names


def rename(source: Path, target: Path, *, replace: bool = False) -> None:
    """Give a file its final name, durably; refuses an existing target unless told to replace it."""
    try:
        if replace:
            os.replace(source, target)
        else:
            _rename_exclusively(source, target)
    except FileExistsError as error:
        raise Refused(f"{printable(target)} exists already; nothing was changed.") from error
    except OSError as error:
        raise from_os_error(error, f"rename {printable(source)} to {printable(target)}") from error
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def _rename_exclusively(source: Path, target: Path) -> None:
    exclusive = _exclusive_rename_call()
    if exclusive is not None:
        status = exclusive(os.fsencode(source), os.fsencode(target))
        if status == 0:
            return
        if status not in _NOT_HERE or status == errno.EXDEV:
            raise OSError(status, os.strerror(status))
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # no hard links here (exFAT): hold the name with an empty file, then take its place
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(source, target)
    else:
        os.unlink(source)


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


def temporary_name(target: Path, purpose: str) -> Path:
    """Where a file is built before it gets its name: hidden, beside it, recognisable, never longer than a name may be."""
    name = os.fsencode(target.name)
    if len(name) > 180:
        digest = MultiHasher()
        digest.update(name)
        name = name[:120] + b"~" + digest.digests()[KEY].encode()
    return target.with_name(os.fsdecode(b"." + name + b".film-archive-" + purpose.encode()))


# Space


def free_space(folder: Path) -> int:
    """Bytes that an ordinary user may still write below a folder."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse before the first byte is written where `needed` bytes do not fit."""
    free = free_space(folder)
    if needed > free:
        raise NoSpace(
            f"{what} needs {needed} bytes and {printable(folder)} has {free}: {needed - free} bytes are missing; "
            "nothing was written."
        )


@contextlib.contextmanager
def explaining(doing: str, *, needed: Callable[[], int] | None = None, folder: Path | None = None) -> Iterator[None]:
    """Turn system errors of the block into sentences; a full disk tells how many bytes were missing."""
    try:
        yield
    except FilmArchiveError:
        raise
    except OSError as error:
        explained = from_os_error(error, doing)
        if isinstance(explained, NoSpace) and needed is not None and folder is not None:
            missing = max(1, needed() - free_space(folder))
            raise NoSpace(f"Could not {doing}: the disk is full, about {missing} bytes are missing.") from error
        raise explained from error


# Copying


@dataclass(slots=True)
class Poured:
    """What `pour` did: digests of the bytes, and how many of them are shared with the source instead of copied."""

    size: int
    digests: dict[str, str]
    shared: int = 0


def clone_range(source: int, source_offset: int, target: int, target_offset: int, length: int) -> bool:
    """Share whole blocks between two files (FICLONERANGE); False where the file system can't."""
    if not sys.platform.startswith("linux") or length == 0:
        return False
    request = b"".join(
        (
            source.to_bytes(8, sys.byteorder, signed=True),
            source_offset.to_bytes(8, sys.byteorder),
            length.to_bytes(8, sys.byteorder),
            target_offset.to_bytes(8, sys.byteorder),
        )
    )
    try:
        fcntl.ioctl(target, _FICLONERANGE, request)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True


def clone_file(source: Path, target: int) -> bool:
    """Make an empty open file share all of another's blocks; False where the file system can't."""
    with FileSource(source) as origin:
        return origin.size == 0 or clone_range(origin.fileno(), 0, target, 0, 0) or clone_whole(origin.fileno(), target)


def clone_whole(source: int, target: int) -> bool:
    """FICLONE: all blocks of one open file into another that is empty."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        fcntl.ioctl(target, 0x40049409, source)
    except OSError as error:
        if error.errno in _NOT_HERE:
            return False
        raise
    return True


def block_size(descriptor: int) -> int:
    """The unit in which a file's blocks can be shared: the file system's block, at least 4096."""
    return max(4096, os.fstatvfs(descriptor).f_bsize)


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
    are then read once, for the digests. Elsewhere one thread reads and digests while this one writes.
    """
    shared = _share(source, target, offset) if share else 0
    hasher = MultiHasher(algorithms)
    for position, block in _read_and_hash(source, hasher):
        start = max(position, shared)
        view = block[start - position :]
        while len(view):
            count = os.pwrite(target, view, offset + start)
            view, start = view[count:], start + count
        if on_bytes is not None:
            on_bytes(len(block))
    source.check_unchanged()
    return Poured(source.size, hasher.digests(), shared)


def _share(source: ByteSource, target: int, offset: int) -> int:
    extent = source.extent()
    if extent is None:
        return 0
    block = block_size(target)
    length = extent.length // block * block
    if length == 0 or offset % block or extent.offset % block:
        return 0
    with FileSource(extent.path) as origin:
        return length if clone_range(origin.fileno(), extent.offset, target, offset, length) else 0


def _read_and_hash(source: ByteSource, hasher: MultiHasher) -> Iterator[tuple[int, memoryview]]:
    """Blocks of a source with their positions; they are read and hashed in a thread of their own.

    A block is valid until the next one is asked for.
    """
    if source.size <= BLOCK:
        data = source.read_at(0, source.size)
        hasher.update(data)
        if data:
            yield 0, memoryview(data)
        return
    free: Queue[bytearray | None] = Queue()
    full: Queue[tuple[int, bytearray, int] | BaseException | None] = Queue()
    for _ in range(_BUFFERS):
        free.put(bytearray(BLOCK))

    def produce() -> None:
        position = 0
        try:
            while position < source.size and (buffer := free.get()) is not None:
                count = source.read_into(position, memoryview(buffer))
                hasher.update(memoryview(buffer)[:count])
                full.put((position, buffer, count))
                position += count
            full.put(None)
        except BaseException as error:  # noqa: BLE001  handed to the consumer, who raises it
            full.put(error)

    thread = threading.Thread(target=produce, name=f"read {source.name}", daemon=True)
    thread.start()
    try:
        while (block := full.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            position, buffer, count = block
            yield position, memoryview(buffer)[:count]
            free.put(buffer)
    finally:
        free.put(None)
        thread.join()


@dataclass
class AtomicFile:
    """A file that appears under its name only when it is whole: write to `.file`, then `commit()`.

    Leaving the block without a commit removes what was written.
    """

    target: Path
    replace: bool = False
    purpose: str = "new"
    mode: int = 0o666
    file: IO[bytes] = field(init=False)
    _temporary: Path = field(init=False)
    _committed: bool = field(default=False, init=False)

    def __enter__(self) -> Self:
        if not self.replace and os.path.lexists(self.target):
            raise Refused(f"{printable(self.target)} exists already; nothing was changed.")
        self._temporary = temporary_name(self.target, self.purpose)
        try:
            descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, self.mode)
        except OSError as error:
            raise from_os_error(error, f"write {printable(self.target)}") from error
        self.file = os.fdopen(descriptor, "w+b")
        return self

    def commit(self) -> None:
        """Make the content durable and give the file its name."""
        with explaining(f"write {printable(self.target)}"):
            self.file.flush()
            sync(self.file.fileno())
            self.file.close()
        rename(self._temporary, self.target, replace=self.replace)
        self._committed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._committed:
            with contextlib.suppress(OSError):
                self.file.close()
            remove(self._temporary)


def write_atomically(target: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a small file whole or not at all."""
    with AtomicFile(target, replace) as new:
        with explaining(f"write {printable(target)}", needed=lambda: len(data), folder=target.parent):
            new.file.write(data)
        new.commit()


def verified_copy(
    source: ByteSource,
    target: Path,
    *,
    algorithms: Iterable[str] = (KEY,),
    replace: bool = False,
    share: bool = True,
    on_bytes: OnBytes | None = None,
) -> Poured:
    """Copy a source to a new file and prove it: what was copied (not shared) is read back from the medium and compared.

    Raises Damaged where the copy differs; nothing is then left under the target's name.
    """
    with AtomicFile(target, replace, purpose="copy") as new:
        with explaining(f"copy {source.name} to {printable(target)}", needed=lambda: source.size, folder=target.parent):
            poured = pour(source, new.file.fileno(), 0, algorithms=algorithms, share=share, on_bytes=on_bytes)
            sync(new.file.fileno())
            drop_cache(new.file.fileno())
        if poured.shared < source.size:
            with FileSource(f"/dev/fd/{new.file.fileno()}", printable(target)) as written:
                found = digest_source(written, poured.digests)
            if found != poured.digests:
                raise Damaged(f"The copy of {source.name} to {printable(target)} does not read back the same; it was removed.")
        new.commit()
    return poured


def copy_times_and_mode(status: os.stat_result, target: Path) -> None:
    """Give a file the modification time and permissions of another."""
    os.chmod(target, status.st_mode & 0o7777)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def move(source: Path, target: Path) -> None:
    """Move a file without ever overwriting; across devices it is copied, read back, and only then removed."""
    if os.path.lexists(target):
        raise Refused(f"{printable(target)} exists already; {printable(source)} stays where it is.")
    if source.lstat().st_dev == target.parent.stat().st_dev:
        rename(source, target)
        return
    with FileSource(source) as origin:
        verified_copy(origin, target)
        copy_times_and_mode(origin.status, target)
    remove(source, missing_ok=False)
    sync_folder(source.parent)


def remove_empty_folders(folder: Path) -> None:
    """Remove a folder of ours and the folders in it, as far as they are empty."""
    for below, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(below)


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


def transfer(source: ByteSource, target: int, offset: int, *, on_bytes: OnBytes | None = None) -> int:
    """Put a source's bytes into an open file without digesting them: shared, else by the system, else through memory.

    Returns how many bytes are shared with the source's file.
    """
    shared = _share(source, target, offset)
    done = shared
    if on_bytes is not None and shared:
        on_bytes(shared)
    extent = source.extent()
    if extent is not None and hasattr(os, "copy_file_range"):
        with FileSource(extent.path) as origin:
            while done < source.size:
                try:
                    count = os.copy_file_range(
                        origin.fileno(), target, min(_TRANSFER, source.size - done), extent.offset + done, offset + done
                    )
                except OSError as error:
                    if error.errno in _NOT_HERE:
                        break
                    raise
                if count == 0:
                    break
                done += count
                if on_bytes is not None:
                    on_bytes(count)
    while done < source.size:
        data = source.read_at(done, BLOCK)
        view = memoryview(data)
        while len(view):
            view = view[os.pwrite(target, view, offset + done + len(data) - len(view)) :]
        done += len(data)
        if on_bytes is not None:
            on_bytes(len(data))
    source.check_unchanged()
    return shared


_TRANSFER = 64 << 20
