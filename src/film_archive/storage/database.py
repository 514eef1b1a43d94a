"""Databases: statements and transactions, the same whatever keeps the rows.

SQLite is the default, here; PostgreSQL is `postgres.py`'s. Statements keep to SQL that both have, with `:name` for values, and
who declares tables takes the words that differ from `Dialect`. SQLite is used through the standard library, not through
SQLAlchemy: loading that takes a fifth of a second, which a status of 50,000 files does not.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive.core.errors import Damaged, NoSpace, NotFound, Refused, StorageError
from film_archive.core.source import printable
from film_archive.storage.locking import locked, require_local

Row = tuple[Any, ...]
Values = Mapping[str, Any]

_PATIENCE = 60.0
"""Seconds that one process waits for another's transaction."""
_FULL, _CORRUPT, _NOT_A_DATABASE, _BUSY, _LOCKED, _READ_ONLY, _CANNOT_OPEN = 13, 11, 26, 5, 6, 8, 14
"""SQLite's primary result codes (sqlite.org/rescode.html)."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Words that databases spell differently."""

    blob: str
    counter: str
    """A column that numbers its rows."""
    text: str
    """Text that is compared and sorted by its bytes."""


class Statements(ABC):
    """What can be asked, in a transaction or outside of one (then each statement is one of its own)."""

    @abstractmethod
    def execute(self, statement: str, values: Values | None = None) -> list[Row]:
        """Run a statement; all rows that it gives."""

    @abstractmethod
    def count(self, statement: str, values: Values | None = None) -> int:
        """Run a statement that changes rows; how many those were."""

    @abstractmethod
    def execute_many(self, statement: str, rows: Iterable[Values]) -> None:
        """Run a statement that gives nothing, once for each."""

    @abstractmethod
    def stream(self, statement: str, values: Values | None = None) -> Iterator[Row]:
        """Run a statement whose rows are not to be held in memory all at once."""


class Database(Statements):
    """A place for rows. Threads may use one at once; a fork of the process uses it anew."""

    name: str
    dialect: Dialect

    @abstractmethod
    def _connected(self) -> AbstractContextManager[Statements]:
        """A connection for one statement; of one that fails in it nothing is used again."""

    def execute(self, statement: str, values: Values | None = None) -> list[Row]:
        with self._connected() as connection:
            return connection.execute(statement, values)

    def count(self, statement: str, values: Values | None = None) -> int:
        with self._connected() as connection:
            return connection.count(statement, values)

    def execute_many(self, statement: str, rows: Iterable[Values]) -> None:
        with self.transaction() as transaction:
            transaction.execute_many(statement, rows)

    @abstractmethod
    def transaction(self) -> AbstractContextManager[Statements]:
        """A transaction that writes: all of it or nothing, durable when the block ends; waits for others that write."""

    @abstractmethod
    def sharing(self) -> AbstractContextManager[None]:
        """Held, together with others, by who stores something and will refer to it later."""

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """Held alone, by who removes what nothing refers to."""

    @abstractmethod
    def tables(self) -> list[str]:
        """The names of its tables, sorted."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that it takes."""

    @abstractmethod
    def problems(self) -> list[str]:
        """What is wrong with it by its own account."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; it can be used again."""


class _Connection(Statements):
    def __init__(self, name: str, connection: sqlite3.Connection) -> None:
        self._name = name
        self.raw = connection

    def execute(self, statement: str, values: Values | None = None) -> list[Row]:
        with _explaining(self._name):
            return self.raw.execute(statement, values or {}).fetchall()

    def count(self, statement: str, values: Values | None = None) -> int:
        with _explaining(self._name):
            return self.raw.execute(statement, values or {}).rowcount

    def execute_many(self, statement: str, rows: Iterable[Values]) -> None:
        with _explaining(self._name):
            self.raw.executemany(statement, rows)

    def stream(self, statement: str, values: Values | None = None) -> Iterator[Row]:
        with _explaining(self._name):
            cursor = self.raw.execute(statement, values or {})
        while True:
            with _explaining(self._name):
                rows = cursor.fetchmany(1000)
            if not rows:
                return
            yield from rows


class SqliteDatabase(Database):
    """A file. Its write-ahead log and shared memory lie beside it, and so does the lock of `sharing` and `alone`."""

    dialect = Dialect(blob="BLOB", counter="INTEGER PRIMARY KEY AUTOINCREMENT", text="TEXT")

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self.path = path
        self.name = printable(path)
        if must_exist and not path.is_file():
            raise NotFound(f"The database {self.name} is missing; restore it from a copy.")
        require_local(path, "put the repository on a local disk, and share it by exporting archives")
        self._idle: list[_Connection] = []
        self._guard = threading.Lock()
        self._process = os.getpid()

    def stream(self, statement: str, values: Values | None = None) -> Iterator[Row]:
        with self._connected() as connection:
            yield from connection.stream(statement, values)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Statements]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.raw.in_transaction:  # SQLite itself rolls back on some errors
                    connection.raw.rollback()
                raise

    def sharing(self) -> AbstractContextManager[None]:
        return locked(self.path.with_suffix(".lock"), shared=True)

    def alone(self) -> AbstractContextManager[None]:
        return locked(self.path.with_suffix(".lock"))

    def tables(self) -> list[str]:
        return [str(row[0]) for row in self.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]

    def size(self) -> int:
        return sum(
            place.stat().st_size
            for place in (self.path, self.path.with_name(self.path.name + "-wal"))
            if place.is_file()
        )

    def problems(self) -> list[str]:
        return [row[0] for row in self.execute("PRAGMA quick_check(10)") if row[0] != "ok"]

    def close(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        if self._process == os.getpid():
            for connection in idle:
                connection.raw.close()

    @contextlib.contextmanager
    def _connected(self) -> Iterator[_Connection]:
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.raw.close()  # in what state it is nobody knows
            raise
        with self._guard:
            self._idle.append(connection)

    def _take(self) -> _Connection:
        with self._guard:
            if self._process != os.getpid():  # a connection must not cross a fork (sqlite.org/howtocorrupt.html, 2.6)
                self._process, self._idle = os.getpid(), []
            if self._idle:
                return self._idle.pop()
        with _explaining(self.name):
            raw = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                raw.execute("PRAGMA journal_mode=WAL")
                raw.execute("PRAGMA synchronous=FULL")
                raw.execute("PRAGMA mmap_size=268435456")
            except BaseException:
                raw.close()
                raise
        return _Connection(self.name, raw)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # one that was refused has no connections
            self.close()


@contextlib.contextmanager
def _explaining(name: str) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None) or 0
        raise _explained(name, error, code & 0xFF) from error


def _explained(name: str, error: sqlite3.Error, code: int) -> Exception:
    if code == _FULL:
        return NoSpace(f"The disk of the database {name} is full; nothing was changed. Make room and try again.")
    if code in (_CORRUPT, _NOT_A_DATABASE):
        return Damaged(f"The database {name} is damaged ({error}); restore it from a copy.")
    if code in (_BUSY, _LOCKED):
        return Refused(f"Another process has kept the database {name} for {_PATIENCE:.0f} seconds; try again.")
    if code == _READ_ONLY:
        return Refused(f"The database {name} can't be written ({error}).")
    if code == _CANNOT_OPEN:
        return Refused(f"The database {name} can't be opened ({error}).")
    return StorageError(f"The database {name} failed: {error}; what was not finished is undone.")
