"""Reading many files for their digests, in batches that other processes can take.

A file that is not what it was when it was listed is not believed. What can't be read is told and does not keep the others
from being read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from film_archive.core.digest import ALGORITHMS, MultiHasher
from film_archive.core.errors import FilmArchiveError, NotSupported, SourceChanged, from_os_error
from film_archive.core.job import Failure
from film_archive.core.source import kind_of, printable

HEAD = 4096
"""Bytes that tell most files of one size apart."""
_BLOCK = 1 << 20
_SMALL = 1 << 17
_FILES = 256
_BYTES = 64 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Wanted(NamedTuple):
    """A file that is to be read, as it was when it was listed."""

    path: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Read:
    """What became of a file: its digests, or why there are none."""

    digests: dict[str, str] | None
    failure: Failure | None = None


def batches(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """The files in the order in which a disk has them, in batches that are worth handing over."""
    batch: list[Wanted] = []
    size = 0
    for file in sorted(wanted, key=lambda file: file.inode):
        batch.append(file)
        size += file.size
        if len(batch) >= _FILES or size >= _BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_all(batch: Sequence[Wanted], algorithms: tuple[str, ...]) -> list[Read]:
    """The digests of whole files."""
    buffer = bytearray(_BLOCK)
    return [_read(file, algorithms, None, buffer) for file in batch]


def read_heads(batch: Sequence[Wanted], algorithms: tuple[str, ...]) -> list[Read]:
    """The digests of the first bytes of files."""
    buffer = bytearray(HEAD)
    return [_read(file, algorithms, HEAD, buffer) for file in batch]


def _read(file: Wanted, algorithms: tuple[str, ...], most: int | None, buffer: bytearray) -> Read:
    try:
        return Read(_digests(file, algorithms, most, buffer))
    except FilmArchiveError as error:
        return Read(None, Failure.of(file.path, error))
    except OSError as error:
        return Read(None, Failure.of(file.path, from_os_error(error, f"read {printable(file.path)}")))


def _digests(file: Wanted, algorithms: tuple[str, ...], most: int | None, buffer: bytearray) -> dict[str, str]:
    descriptor = os.open(file.path, _FLAGS)
    try:
        _require_same(file, os.fstat(descriptor))
        if len(algorithms) == 1 and (file.size < _SMALL or most is not None):
            return _small(file, descriptor, algorithms[0], most)
        hasher = MultiHasher(algorithms)
        view = memoryview(buffer)
        wanted = file.size if most is None else min(file.size, most)
        while hasher.size < wanted:
            count = os.preadv(descriptor, [view[: wanted - hasher.size]], hasher.size)
            if count == 0:
                break
            hasher.update(view[:count])
        if hasher.size != wanted:
            raise SourceChanged(
                f"{printable(file.path)} ended at byte {hasher.size} of {file.size}; try again when nothing writes to it."
            )
        if most is None:
            _require_same(file, os.fstat(descriptor))
        return hasher.digests()
    finally:
        os.close(descriptor)


def _small(file: Wanted, descriptor: int, algorithm: str, most: int | None) -> dict[str, str]:
    """One digest of what fits into one read: the same, with less around it."""
    data = os.read(descriptor, file.size + 1 if most is None else min(most, file.size))
    if len(data) != (file.size if most is None else min(most, file.size)):
        raise SourceChanged(f"{printable(file.path)} changed while it was read; try again when nothing writes to it.")
    if most is None:
        _require_same(file, os.fstat(descriptor))
    hasher = ALGORITHMS[algorithm]()
    hasher.update(memoryview(data))
    return {algorithm: hasher.hexdigest()}


def _require_same(file: Wanted, status: os.stat_result) -> None:
    if (status.st_size, status.st_mtime_ns, status.st_ino) != file[1:]:
        if not stat.S_ISREG(status.st_mode):
            raise NotSupported(f"{printable(file.path)} is {kind_of(status.st_mode)} by now, not a file.")
        raise SourceChanged(f"{printable(file.path)} changed since it was looked at; try again when nothing writes to it.")
