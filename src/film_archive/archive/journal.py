"""What an unfinished archive holds already: one line a finished member, so that a killed run continues.

A line is 8 hex digits of CRC-32, a space, JSON, a newline; the first line that does not hold ends the journal. A line `sync`
says that all bytes of the members before it are on the medium. Members behind the last such line are believed only after
they were read again.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from film_archive.core import files
from film_archive.core.errors import Refused, from_os_error
from film_archive.core.source import printable

_FLUSH = 1 << 16


class MemberJournal:
    """An append-only journal file, locked while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise from_os_error(error, f"write {printable(path)}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise Refused(f"Another process is writing this archive ({printable(path)} is locked); wait for it.") from error
        if not path.exists() or os.fstat(self._descriptor).st_ino != path.stat().st_ino:
            os.close(self._descriptor)  # the process that held the lock has just finished and removed its journal
            raise Refused(f"Another process has just written this archive ({printable(path)}); look at it and try again.")
        self.end = 0
        """Where the next line goes."""

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(position behind the line, record) of each line that holds, from the beginning."""
        position, rest, offset = 0, b"", 0
        while True:
            chunk = os.pread(self._descriptor, 1 << 20, offset)
            offset += len(chunk)
            parts = (rest + chunk).split(b"\n")
            rest = parts.pop()
            for part in parts:
                if len(part) < 10 or part[:9] != b"%08x " % zlib.crc32(part[9:]):
                    return
                position += len(part) + 1
                yield position, from_json(part[9:])
            if not chunk:
                return

    def truncate(self, position: int) -> None:
        """Forget all lines behind a position; the next one is appended there."""
        os.ftruncate(self._descriptor, position)
        self.end = position

    def append(self, record: dict[str, Any]) -> None:
        body = to_json(record)
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        self.end += os.pwrite(self._descriptor, line, self.end)

    def sync(self) -> None:
        """Make the lines durable."""
        files.sync(self._descriptor)

    def remove(self) -> None:
        """The archive has its name: forget the journal."""
        files.remove(self.path)
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
