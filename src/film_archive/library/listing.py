"""Listing folders: what is in a tree, as plain values, found by several processes at once.

Links are not followed. What is no file, or may not be read, is left out with its reason. Junk of operating systems and
what is unfinished work of ours goes without saying.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from film_archive.archive import layout
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import from_os_error
from film_archive.core.executors.executor import Executor
from film_archive.core.job import Failure
from film_archive.core.source import kind_of, printable

_FIRST = 200_000
"""Files that are listed here before other processes are started for the rest: a process takes as long to start as this."""
_AT_ONCE = 20_000
"""Files that a task lists before it gives back what is left."""
_FOLDERS_AT_ONCE = 64
_SUSPECT = frozenset(name[0] for name in layout.JUNK_NAMES) | {"."}
"""What names begin with that may be left out."""


class Entry(NamedTuple):
    """A file in a folder."""

    name: str
    size: int
    mtime_ns: int
    inode: int
    device: int
    links: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder and what is in it."""

    path: str
    device: int
    """The system's number of the file system, as it is mounted now."""
    signature: bytes
    """Changes when a name, size, time or inode in it does."""
    files: int
    bytes: int
    entries: tuple[Entry, ...] | None
    """None where only the signature was asked for."""
    folders: tuple[str, ...]
    """Names of the folders in it."""
    failed: tuple[Failure, ...] = ()
    """What is in it and is no file."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What a task has listed, and the folders that are left."""

    listings: tuple[Listing, ...]
    unread: tuple[Failure, ...]
    """Folders that could not be read."""
    rest: tuple[str, ...]


def list_folder(
    path: str, *, entries: bool = True, leave_out: frozenset[str] = frozenset(), signed: bool = True
) -> Listing:
    """One folder. `leave_out` are paths of folders that are not gone into; without `signed` the signature is empty.

    Raises OSError.
    """
    found: list[Entry] = []
    folders: list[str] = []
    failed: list[Failure] = []
    with os.scandir(path) as scan:
        for item in scan:
            name = item.name
            if name[0] in _SUSPECT and (layout.is_junk(name) or files.is_temporary_name(name)):
                continue
            try:
                if item.is_dir(follow_symlinks=False):
                    if name != layout.OWN and item.path not in leave_out:
                        folders.append(name)
                    continue
                status = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone since the folder was opened
            except OSError as error:
                failed.append(Failure.of(item.path, from_os_error(error, f"look at {printable(item.path)}")))
                continue
            if not stat.S_ISREG(status.st_mode):
                if stat.S_ISLNK(status.st_mode):
                    continue
                failed.append(Failure(path=item.path, reason=f"{printable(item.path)} is {kind_of(status.st_mode)}.", status=5))
                continue
            found.append(
                Entry(name, status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev, status.st_nlink)
            )
    found.sort()
    device = found[0].device if found else Path(path).stat().st_dev
    size = sum(entry.size for entry in found)
    return Listing(
        path, device, _signature(found, folders) if signed else b"", len(found), size, tuple(found) if entries else None,
        tuple(sorted(folders)), tuple(failed),
    )  # fmt: skip


def _signature(entries: Iterable[Entry], folders: Iterable[str]) -> bytes:
    text = "\0".join([f"{name}/{size}/{mtime}/{inode}" for name, size, mtime, inode, _, _ in entries])
    hasher = MultiHasher()
    hasher.update(os.fsencode(text + "\0\0" + "\0".join(sorted(folders))))
    return bytes.fromhex(hasher.digests()[KEY])


def join(folder: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{folder}{name}" if folder.endswith("/") else f"{folder}/{name}"


def list_some(
    folders: Iterable[str], leave_out: frozenset[str], entries: bool, signed: bool, most: int = _AT_ONCE
) -> Listed:
    """Folders and what is below them, until so many files are listed."""
    waiting = deque(folders)
    listings: list[Listing] = []
    unread: list[Failure] = []
    count = 0
    while waiting and count < most:
        path = waiting.pop()
        try:
            listing = list_folder(path, entries=entries, leave_out=leave_out, signed=signed)
        except OSError as error:
            unread.append(Failure.of(path, from_os_error(error, f"read the folder {printable(path)}")))
            continue
        listings.append(listing)
        count += listing.files + 1
        waiting.extend(join(path, name) for name in reversed(listing.folders))
    return Listed(tuple(listings), tuple(unread), tuple(waiting))


def list_tree(
    root: str,
    executor: Callable[[], Executor],
    *,
    entries: bool = True,
    leave_out: Iterable[str] = (),
    signed: bool = True,
) -> Iterator[Listed]:
    """All that is below a folder, in no order of its own; `executor` is asked for only where there is much of it."""
    skipped = frozenset(leave_out)
    first = list_some([root], skipped, entries, signed, _FIRST)
    yield first
    if not first.rest:
        return
    pool = executor()
    waiting = deque(first.rest)
    running: set[Future[Listed]] = set()
    try:
        while waiting or running:
            while waiting and len(running) < 2 * pool.workers:
                share = max(1, min(_FOLDERS_AT_ONCE, len(waiting) // (2 * pool.workers)))
                some = [waiting.popleft() for _ in range(share)]
                running.add(pool.submit(list_some, some, skipped, entries, signed))
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                listed = future.result()
                waiting.extend(listed.rest)
                yield listed
    finally:
        for future in running:
            future.cancel()
