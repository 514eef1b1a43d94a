"""Copying that proves itself: bytes from any source into a file, shared where the file system can, and read back.

What it promises: a copy has its name only when it is whole and durable and reads back equal; a source is removed
(`move`) only after that, and only if it is still what was copied.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher, digest_source, read_ahead, with_key
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, Refused, SourceChanged
from film_archive.core.reflink import block_size, clone_range
from film_archive.core.source import ByteSource, FileIdentity, FileSource, kind_of, printable

_TRANSFER = 64 << 20
"""Bytes that the system is asked to copy at once: between two of them Ctrl-C and progress have their turn."""
_CANNOT = {
    *(errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOTTY, errno.EPERM, errno.EXDEV),
}


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
    on_bytes: files.OnBytes | None = None,
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
        files.write_at(target, block[start - position :], offset + start)
        position += len(block)
        if on_bytes is not None:
            on_bytes(len(block))
    source.check_unchanged()
    return Poured(source.size, hasher.digests(), shared)


def transfer(source: ByteSource, target: int, offset: int, *, on_bytes: files.OnBytes | None = None) -> int:
    """Put a source's bytes into an open file without digesting them: shared, else by the system, else through memory.

    Returns how many bytes are shared with the source's file. Raises as `pour` does.
    """
    done = shared = _share(source, target, offset)
    if on_bytes is not None and shared:
        on_bytes(shared)
    done += _copy_by_system(source, target, offset, done, on_bytes)
    for block in read_ahead(source, done):
        done = files.write_at(target, block, offset + done) - offset
        if on_bytes is not None:
            on_bytes(len(block))
    source.check_unchanged()
    return shared


def _copy_by_system(source: ByteSource, target: int, offset: int, start: int, on_bytes: files.OnBytes | None) -> int:
    """How many bytes behind `start` the system copied from file to file; fewer than there are where it can't."""
    done = 0
    wanted = start < source.size and hasattr(os, "copy_file_range")
    origin = _reopened(source) if wanted else None
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
                if error.errno in _CANNOT:
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
    probe = folder / files.helper_name("share", str(os.getpid()))
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
        files.remove(probe)


def verified_copy(
    source: ByteSource,
    target: Path,
    *,
    algorithms: Iterable[str] = (KEY,),
    replace: bool = False,
    share: bool = True,
    like: os.stat_result | None = None,
    on_bytes: files.OnBytes | None = None,
    on_verified: files.OnBytes | None = None,
) -> Poured:
    """Copy a source to a new file and prove it: what was copied, not shared, is read back and compared.

    `like` gives the copy the times and permissions of another file. `on_bytes` hears of what is copied, `on_verified`
    of what is read back. Raises Damaged where the copy differs; nothing is then left under the target's name.
    """
    with files.AtomicFile(target, replace, purpose="copy") as new:
        descriptor = new.file.fileno()
        with files.explaining(
            f"copy {source.name} to {printable(target)}",
            needed=lambda: files.unwritten(descriptor, source.size),
            folder=target.parent,
            state="nothing was left there",
        ):
            poured = pour(
                source, descriptor, 0, algorithms=with_key(algorithms), share=share, on_bytes=on_bytes
            )
            files.sync(descriptor)
            files.drop_cache(descriptor)
        if poured.shared < source.size:
            with FileSource(new.temporary, printable(target)) as written:
                files.drop_cache(written.fileno())
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


def digested_copy(
    source: ByteSource, target: Path, *, algorithms: Iterable[str] = (KEY,), on_bytes: files.OnBytes | None = None
) -> Poured:
    """Copy a source to a new file, digested in the same read; durable, but not read back. Raises as `verified_copy` does."""
    with files.AtomicFile(target, purpose="copy") as new:
        descriptor = new.file.fileno()
        with files.explaining(
            f"copy {source.name} to {printable(target)}",
            needed=lambda: files.unwritten(descriptor, source.size),
            folder=target.parent,
        ):
            poured = pour(source, descriptor, 0, algorithms=with_key(algorithms), on_bytes=on_bytes)
        new.commit()
    return poured


def copy_times_and_mode(status: os.stat_result, target: Path | int) -> None:
    """Give a file the modification time and permissions (without set-user-ID and the like) of another."""
    name = printable(target) if isinstance(target, Path) else "a copy"
    with files.explaining(f"set permissions and times of {name}"):
        try:
            os.chmod(target, status.st_mode & 0o777)
        except OSError as error:
            if error.errno not in _CANNOT:  # FAT and some shares have no permissions to set
                raise
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def move(source: Path, target: Path) -> None:
    """Move a file without ever overwriting; across devices it is copied, read back, and only then removed."""
    if os.path.lexists(target):
        raise Refused(f"{printable(target)} exists already; {printable(source)} stays where it is.")
    if files.rename_within(source, target):
        return
    _copy_across(source, target)
    files.remove(source, missing_ok=False)
    files.sync_folder(target.parent)
    files.sync_folder(source.parent)


def _copy_across(source: Path, target: Path) -> None:
    """Put the same file or link on another device; the source may be removed when this returns."""
    with files.explaining(f"move {printable(source)} to {printable(target)}"):
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
        with files.explaining(f"look at {printable(source)} again"):
            now = source.lstat()
        if FileIdentity.of(now) != origin.identity:
            raise SourceChanged(
                f"{printable(source)} changed while it was moved; it stays, and {printable(target)} holds what it was."
            )


def finish_move(source: Path, target: Path) -> None:
    """Complete a move that was stopped when the target was there already, and the source still was.

    Both are read and compared; only where they are the same, byte for byte, the source is removed. Raises Refused
    otherwise: something else has taken the target's name.
    """
    for path in (source, target):
        with files.explaining(f"look at {printable(path)}"):
            status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused(f"{printable(path)} is {kind_of(status.st_mode)} by now; nothing was changed.")
    if not same_bytes(source, target):
        raise Refused(
            f"{printable(target)} exists already, with other bytes; {printable(source)} stays where it is."
        )
    files.sync_folder(target.parent)
    files.remove(source, missing_ok=False)
    files.sync_folder(source.parent)


def same_bytes(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes, both read here and now; raises NotFound, Refused, SourceChanged."""
    with FileSource(one) as first, FileSource(other) as second:
        if first.size != second.size:
            return False
        position = 0
        for block in read_ahead(first):
            if block != second.read_at(position, len(block)):
                return False
            position += len(block)
        first.check_unchanged()
        second.check_unchanged()
    return True
