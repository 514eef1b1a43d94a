"""The index of a work tree: how each file was, by the system's numbers, when it was known to hold what is expected of it.

A file whose size, mtime, ctime and inode are the same is not read again. One that was written in the very moment of looking
is noted as not to be trusted: a later write could leave all four as they were.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from film_archive.core.errors import Damaged
from film_archive.core.source import printable
from film_archive.storage.database import Database, SqliteDatabase, Statements

SCHEMA_VERSION = 1
_TABLES = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS folders (path {blob} PRIMARY KEY, data {blob} NOT NULL)",
)
_ROW = struct.Struct("<qqqq")
_FINE, _COARSE = 50_000_000, 2_000_000_000
"""Nanoseconds within which two writes can have one time: a few ticks of the clock; two seconds where times are whole ones."""
_UNSURE = -1
_FOLDER = -2


class Seen(NamedTuple):
    """A file as the system told of it. A folder that has to be there has the size -2, one not to be trusted -1."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result, looked_ns: int) -> Seen:
        """`looked_ns` is when the content was looked at, at the earliest."""
        latest = max(status.st_mtime_ns, status.st_ctime_ns)
        margin = _COARSE if status.st_mtime_ns % 1_000_000_000 == 0 else _FINE
        sure = latest + margin < looked_ns
        return cls(status.st_size if sure else _UNSURE, status.st_mtime_ns, status.st_ctime_ns, inode_of(status))

    @classmethod
    def sure(cls, status: os.stat_result) -> Seen:
        """Of a file that nobody else can have written to since it was looked at."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode_of(status))

    @classmethod
    def unsure(cls) -> Seen:
        """Of a file that is to be looked at."""
        return cls(_UNSURE, 0, 0, 0)

    @classmethod
    def folder(cls) -> Seen:
        return cls(_FOLDER, 0, 0, 0)



Numbers = tuple[int, int, int, int]
"""A `Seen` as it was read: fifty thousand of them are not worth a name each."""


def is_folder(seen: Numbers) -> bool:
    """Whether a folder has to be there."""
    return seen[0] == _FOLDER


def inode_of(status: os.stat_result) -> int:
    """The inode's number as the index has it, signed."""
    return status.st_ino - (1 << 64) if status.st_ino >= 1 << 63 else status.st_ino


def now_ns() -> int:
    """The clock that files are stamped by."""
    return time.time_ns()


def wait_a_tick() -> None:
    """Let the clock by which files are stamped go on, so that who writes from now on leaves a trace."""
    time.sleep(2 * _FINE / 1e9)


Folder = dict[str, Numbers]
"""Name on disk → how it was."""


class StatIndex:
    """The index's folders, and what the work tree is of; in a database beside the files."""

    def __init__(self, path: Path, *, must_exist: bool = True) -> None:
        self.database: Database = SqliteDatabase(path, must_exist=must_exist)
        self._name = printable(path)
        if not must_exist:
            with self.database.transaction() as transaction:
                for table in _TABLES:
                    transaction.execute(table.format(blob=self.database.dialect.blob))

    def meta(self) -> dict[str, str]:
        return {str(name): str(value) for name, value in self.database.execute("SELECT name, value FROM meta")}

    def set_meta(self, values: Mapping[str, str]) -> None:
        rows = [{"name": name, "value": value} for name, value in values.items()]
        self.database.execute_many(
            "INSERT INTO meta VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value", rows
        )

    def folders(self) -> dict[str, bytes]:
        """Relative path on disk ("" for the root) → its record, to be opened with `opened`."""
        rows = self.database.execute("SELECT path, data FROM folders")
        return {os.fsdecode(bytes(path)): bytes(data) for path, data in rows}

    def folder(self, path: str) -> Folder:
        rows = self.database.execute("SELECT data FROM folders WHERE path = :path", {"path": os.fsencode(path)})
        return self.opened(bytes(rows[0][0])) if rows else {}

    def opened(self, data: bytes) -> Folder:
        """A folder's record; raises Damaged."""
        try:
            count = int.from_bytes(data[:4], "little")
            split = len(data) - count * _ROW.size
            if split < 4:
                raise ValueError("it is cut short")
            names = os.fsdecode(data[4:split]).split("\0") if count else []
            rows: Iterator[Any] = _ROW.iter_unpack(data[split:])
            return dict(zip(names, rows, strict=True))
        except (ValueError, struct.error) as error:
            raise Damaged(f"The index {self._name} can't be read ({error}); remove it and check out anew.") from error

    def put(self, statements: Statements, folders: Mapping[str, Folder]) -> None:
        """Write folders' records; an empty one is removed."""
        statements.execute_many(
            "INSERT INTO folders VALUES (:path, :data) ON CONFLICT (path) DO UPDATE SET data = excluded.data",
            [{"path": os.fsencode(path), "data": _record(folder)} for path, folder in folders.items() if folder],
        )
        statements.execute_many(
            "DELETE FROM folders WHERE path = :path",
            [{"path": os.fsencode(path)} for path, folder in folders.items() if not folder],
        )

    def update(self, changes: Iterable[tuple[str, Seen | None]]) -> None:
        """Note files by their relative path on disk, or (None) that nothing is expected there."""
        by_folder: dict[str, list[tuple[str, Seen | None]]] = {}
        for path, seen in changes:
            folder, _, name = path.rpartition("/")
            by_folder.setdefault(folder, []).append((name, seen))
        with self.database.transaction() as transaction:
            changed = {}
            for folder, listed in by_folder.items():
                held = changed[folder] = self.folder(folder)
                for name, seen in listed:
                    if seen is None:
                        held.pop(name, None)
                    else:
                        held[name] = seen
            self.put(transaction, changed)

    def close(self) -> None:
        self.database.close()


def _record(folder: Folder) -> bytes:
    names = os.fsencode("\0".join(folder))
    return b"".join((len(folder).to_bytes(4, "little"), names, *[_ROW.pack(*seen) for seen in folder.values()]))


