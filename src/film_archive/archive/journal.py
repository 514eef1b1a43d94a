"""What an unfinished archive holds already: one line a finished member, so that a killed run continues.

A line is 8 hex digits of CRC-32, a space, JSON, a newline; the first line that does not hold ends the journal. A line `sync`
says that all bytes of the members before it are on the medium. Members behind the last such line are believed only after
they were read again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from film_archive.core import files
from film_archive.core.errors import Refused, from_os_error
from film_archive.core.member import is_member_record
from film_archive.core.source import printable

_ROOM = 1 << 16
"""Bytes that a journal should have before its run goes on: a line has one to a few kilobytes."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What file systems without locks answer (some network shares)."""


class MemberJournal:
    """An append-only journal file, locked while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with files.explaining(f"write {printable(path)}"):
            try:
                self._descriptor = os.open(path, flags | os.O_EXCL, 0o666)
                fresh = True
            except FileExistsError:
                self._descriptor = os.open(path, flags, 0o666)
                fresh = False
        try:
            self._lock(fresh)
        except BaseException:
            self.close()
            raise
        self.end = 0
        """Where the next line goes."""

    def _lock(self, fresh: bool) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                f"Another process is writing this archive ({printable(self.path)} is locked); wait for it."
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise from_os_error(error, f"lock {printable(self.path)}") from error
            if not fresh:
                raise Refused(
                    f"{printable(self.path)} is there and can't be locked on this file system: another process writes this "
                    "archive, or was killed while it did; remove that file if none does."
                ) from error
            return  # no locks here; that it is new is enough
        try:
            there = os.path.samestat(os.fstat(self._descriptor), self.path.lstat())
        except FileNotFoundError:
            there = False
        if not there:  # the process that held the lock has just finished and removed its journal
            raise Refused(
                f"Another process has just written this archive ({printable(self.path)}); look at it and try again."
            )

    def head(self) -> dict[str, Any] | None:
        """What the journal is for: its first line, or None where there is none that holds."""
        return _head(self.lines())

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(position behind the line, record) of each line that holds, from the beginning."""
        return _lines(self._descriptor, self.path)

    def truncate(self, position: int) -> None:
        """Forget all lines behind a position; the next one is appended there."""
        with self._writing():
            os.ftruncate(self._descriptor, position)
        self.end = position

    def append(self, record: dict[str, Any]) -> None:
        body = to_json(record)
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        with self._writing():
            self.end = files.write_at(self._descriptor, line, self.end)

    def sync(self) -> None:
        """Make the lines durable."""
        with self._writing():
            files.sync(self._descriptor)

    def _writing(self) -> AbstractContextManager[None]:
        return files.explaining(f"write {printable(self.path)}", needed=lambda: _ROOM, folder=self.path.parent)

    def remove(self) -> None:
        """The archive has its name: forget the journal."""
        try:
            files.remove(self.path)
        finally:
            self.close()

    def remove_if_empty(self) -> None:
        """Forget a journal that was opened only for its lock."""
        try:
            if self.is_open and self.head() is None:
                self.remove()
        finally:
            self.close()

    @property
    def is_open(self) -> bool:
        return self._descriptor >= 0

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def peek(path: Path) -> dict[str, Any] | None:
    """The first line of a journal that another process may be writing; None where there is none. Nothing is locked."""
    if not path.is_file():
        return None
    with files.explaining(f"read {printable(path)}"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        return _head(_lines(descriptor, path))
    finally:
        os.close(descriptor)


def _head(lines: Iterator[tuple[int, dict[str, Any]]]) -> dict[str, Any] | None:
    line = next(lines, None)
    return None if line is None or not isinstance(line[1].get("head"), str) else line[1]


def _lines(descriptor: int, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    position, rest, offset = 0, b"", 0
    while True:
        with files.explaining(f"read {printable(path)}"):
            chunk = os.pread(descriptor, 1 << 20, offset)
        offset += len(chunk)
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            if len(part) < 10 or part[:9] != b"%08x " % zlib.crc32(part[9:]):
                return
            position += len(part) + 1
            try:
                record = from_json(part[9:])
            except ValueError:
                return
            if not _is_record(record):
                return
            yield position, record
        if not chunk:
            return


def _is_record(record: Any) -> bool:
    """Whether a line is one of those that we write: nothing is taken from others, whatever their sums say."""
    if not isinstance(record, dict):
        return False
    if "head" in record:
        return isinstance(record["head"], str)
    if "drop" in record:
        return isinstance(record["drop"], str)
    if "sync" in record:
        return isinstance(record["sync"], int)
    if not isinstance(record.get("identity"), str) or not _is_count(record.get("end")):
        return False
    if "frame" in record:
        return isinstance(record.get("path"), str) and _is_frame(record["frame"])
    return is_member_record(record.get("member"))


def _is_frame(values: Any) -> bool:
    """The seven values of a `FrameFile`."""
    if not isinstance(values, list) or len(values) != 7:
        return False
    number, size, offset, crc32, xxh128, mtime_ns, mode = values
    counts = (size, crc32, mode, 0 if offset is None else offset)
    fits = all(map(_is_count, counts)) and all(isinstance(each, int) and abs(each) < 1 << 63 for each in (number, mtime_ns))
    return fits and isinstance(xxh128, str) and re.fullmatch("[0-9a-f]{32}", xxh128) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 63
