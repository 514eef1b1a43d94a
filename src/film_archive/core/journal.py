"""An append-only file in which a job writes down what it has done, so that a run that was killed is continued.

`unpack` keeps one; writing tape and moving files in a library will. (An archive's writers have a journal of their own,
`archive/journal.py`, which is the manifest in waiting.)

A line is eight hex digits of CRC-32, a space, JSON, a newline. The first line says what job it is (`head`); the
others are entries, and marks that say up to where the medium is known to have them. A torn or unreadable end, as a
crash leaves it, is cut off when the journal is opened again; a line that is damaged although a later mark vouches for
it is an error.
"""

from __future__ import annotations

import errno
import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic_core import from_json, to_json

from film_archive.core import files
from film_archive.core.errors import Damaged, Refused, StorageError
from film_archive.core.source import printable

_CHUNK = 1 << 20
_LONGEST = 1 << 24
_HEAD, _MARK, _ENTRY = "head", "durable", "entry"
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}

Entry = Mapping[str, Any]
"""What a job wrote down: plain data, as JSON has it."""


class Journal:
    """An open journal; one process has it at a time. Use `Journal.open`."""

    def __init__(self, path: Path, descriptor: int, batch: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._batch = batch
        self._end = 0
        self._count = 0
        self._waiting = 0
        self._mark_due = False

    @classmethod
    def open(cls, path: Path, head: Entry, *, batch: int = 64) -> Self:
        """Begin a journal, or continue the one that a killed run of the same job (`head`) left.

        Every `batch` entries are made durable together. Raises Refused where another process has it open or it belongs
        to another job, Damaged where something was lost that had been durable.
        """
        with files.explaining(f"write the journal {printable(path)}"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            journal = cls(path, descriptor, batch)
            try:
                journal._lock()
                journal._resume(head)
            except BaseException:
                os.close(descriptor)
                raise
        return journal

    def __len__(self) -> int:
        """How many entries there are."""
        return self._count

    def entries(self) -> Iterator[Entry]:
        """All entries, from the first; those of earlier runs among them."""
        for kind, value, _ in self._lines(self._end):
            if kind == _ENTRY:
                yield value

    def append(self, entry: Entry, *, sync: bool = False) -> None:
        """Write down an entry; with `sync` it and all before it are durable when this returns."""
        lines = _line(_ENTRY, dict(entry))
        if self._mark_due:
            lines = _line(_MARK, self._count) + lines
        with files.explaining(f"write the journal {printable(self.path)}"):
            self._write(lines)
        self._mark_due = False
        self._count += 1
        self._waiting += 1
        if sync or self._waiting >= self._batch:
            self.sync()

    def sync(self) -> None:
        """Make all entries durable."""
        if self._waiting:
            with files.explaining(f"write the journal {printable(self.path)}"):
                files.sync(self._require_open())
            self._waiting = 0
            self._mark_due = True  # it goes with the next entry: alone it would cost a second fsync

    def close(self) -> None:
        """Make all entries durable and let go of the journal; the next run finds them."""
        if self._descriptor >= 0:
            try:
                self.sync()
            finally:
                self._let_go()

    def remove(self) -> None:
        """The job is done: forget the journal."""
        self._require_open()
        files.remove(self.path)
        self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # inside

    def _require_open(self) -> int:
        if self._descriptor < 0:
            raise StorageError(f"The journal {printable(self.path)} is closed already.")
        return self._descriptor

    def _let_go(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(
                f"Another process is doing this job: it has the journal {printable(self.path)}; wait for it."
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # a file system without locks: checksums still tell lines that mixed
                raise
        if not files.is_at(self._descriptor, self.path):
            raise Refused(f"Another process has just finished this job ({printable(self.path)}); look at it first.")

    def _resume(self, head: Entry) -> None:
        first = _line(_HEAD, dict(head))
        end = count = 0
        for kind, value, end_of_line in self._lines(None):
            if (end == 0) != (kind == _HEAD):
                break
            if kind == _HEAD and value != from_json(to_json(dict(head))):
                raise Refused(
                    f"The journal {printable(self.path)} belongs to another job; finish or abandon that one first."
                )
            end = end_of_line
            if kind == _MARK and value != count:
                raise Damaged(
                    f"The journal {printable(self.path)} has lost entries: {count} are there where {value} had been."
                )
            count += kind == _ENTRY
        if end == 0:
            self._begin(first)
            return
        self._require_nothing_lost(end, count)
        os.ftruncate(self._descriptor, end)
        self._end, self._count = end, count
        # What an earlier run wrote may not be durable yet; from here on it counts as written.
        self._waiting = 1
        self.sync()

    def _begin(self, first: bytes) -> None:
        found = os.pread(self._descriptor, len(first) + 1, 0)
        if found.rstrip(b"\0") != first[: len(found.rstrip(b"\0"))]:
            raise Refused(f"{printable(self.path)} is not a journal; nothing was changed.")
        os.ftruncate(self._descriptor, 0)
        self._write(first)
        files.sync(self._descriptor)
        files.sync_folder(self.path.parent)

    def _require_nothing_lost(self, end: int, count: int) -> None:
        """What follows the readable lines is a crash's litter, unless a mark in it vouches for more than was read."""
        behind = (value for kind, value, _ in self._lines(None, start=end, skipping=True) if kind == _MARK)
        vouched = max(behind, default=0)
        if vouched > count:
            raise Damaged(
                f"The journal {printable(self.path)} is damaged behind entry {count}; {vouched} had been written "
                "safely. Keep the file, and check by hand what the job had done."
            )

    def _write(self, data: bytes) -> None:
        self._end = files.write_at(self._require_open(), data, self._end)

    def _lines(self, end: int | None, *, start: int = 0, skipping: bool = False) -> Iterator[tuple[str, Any, int]]:
        """(kind, value, position behind the line) of each line that holds.

        It ends at the first that does not hold, or passes over such lines.
        """
        rest, offset, position = b"", start, start
        while end is None or offset < end:
            with files.explaining(f"read the journal {printable(self.path)}"):
                chunk = os.pread(self._require_open(), _CHUNK if end is None else min(_CHUNK, end - offset), offset)
            offset += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                position += len(line) + 1
                record = _read(line)
                if record is not None:
                    yield *record, position
                elif not skipping:
                    return
            if not chunk or len(rest) > _LONGEST:
                return


def _line(kind: str, value: Any) -> bytes:
    body = to_json({kind: value})
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _read(line: bytes) -> tuple[str, Any] | None:
    """(kind, value) of a line without its end, or None where it does not hold."""
    body = line[9:]
    if line[:9] != b"%08x " % zlib.crc32(body):
        return None
    try:
        record = from_json(body)
    except ValueError:
        return None
    if not isinstance(record, dict) or len(record) != 1:
        return None
    [(kind, value)] = record.items()
    valid = {_HEAD: isinstance(value, dict), _ENTRY: isinstance(value, dict), _MARK: isinstance(value, int)}
    return (kind, value) if valid.get(kind) else None
