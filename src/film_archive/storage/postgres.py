"""A database of a PostgreSQL server, through SQLAlchemy Core: the same statements and promises as SQLite's.

Who writes takes an advisory lock of the schema first, as SQLite has one writer at a time: what a transaction reads stays true
until it ends. `sharing` and `alone` are another such lock, held by a connection; transactions within `sharing` use that very
connection, so that one that was lost with its lock can't commit. Passwords are libpq's: PGPASSWORD or ~/.pgpass.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy import exc

from film_archive.core.errors import (
    Damaged,
    NoSpace,
    NotFound,
    NotSupported,
    Refused,
    StorageError,
    Unreachable,
    UsageError,
)
from film_archive.storage.database import Database, Dialect, Row, Statements, Values

_PATIENCE = 60.0
"""Seconds that one process waits for another's transaction."""
_FRESH = 30.0
"""Seconds for which a connection that nobody used is believed to be there still."""
_ROWS = 1000
_WRITING, _USING = 1, 2
"""Which advisory lock."""
_LOCK = "SELECT {function}(hashtextextended('film-archive ' || current_schema(), {number}))"
_DISK_FULL, _OUT_OF_MEMORY, _LOCK_NOT_AVAILABLE = "53100", "53200", "55P03"
_CORRUPTED = ("XX001", "XX002")
_NO_RIGHT = ("42501", "28000", "28P01", "25006")
_NO_DATABASE = "3D000"
_NO_TEXT = ("22021", "22P05")
"""SQLSTATEs (PostgreSQL documentation, Appendix A)."""


@cache
def _text(statement: str) -> sa.TextClause:
    return sa.text(statement)


class _Connection(Statements):
    """A connection that commits each statement at once, unless a transaction was begun by hand."""

    def __init__(self, name: str, raw: sa.Connection) -> None:
        self._name = name
        self.raw = raw
        self.used = time.monotonic()

    def execute(self, statement: str, values: Values | None = None) -> list[Row]:
        with _explaining(self._name):
            result = self.raw.execute(_text(statement), dict(values or {}))
            return [tuple(row) for row in result] if result.returns_rows else []

    def count(self, statement: str, values: Values | None = None) -> int:
        with _explaining(self._name):
            return int(self.raw.execute(_text(statement), dict(values or {})).rowcount)

    def execute_many(self, statement: str, rows: Iterable[Values]) -> None:
        listed = [dict(row) for row in rows]
        if listed:  # SQLAlchemy takes an empty list for one row without values
            with _explaining(self._name):
                self.raw.execute(_text(statement), listed)

    def stream(self, statement: str, values: Values | None = None) -> Iterator[Row]:
        with _explaining(self._name):
            result = self.raw.execute(
                _text(statement), dict(values or {}), execution_options={"stream_results": True, "max_row_buffer": _ROWS}
            )
        try:
            while True:
                with _explaining(self._name):
                    rows = result.fetchmany(_ROWS)
                if not rows:
                    return
                yield from map(tuple, rows)
        finally:
            result.close()

    def command(self, statement: str) -> None:
        """Something about the connection itself."""
        with _explaining(self._name):
            self.raw.exec_driver_sql(statement)

    def commit(self) -> None:
        try:
            self.raw.exec_driver_sql("COMMIT")
        except exc.DBAPIError as error:
            if error.connection_invalidated or not _state_of(error):
                raise Unreachable(
                    f"The connection to the database {self._name} was lost while a change was being committed, and whether it "
                    "was is not known; look at what is there before trying again."
                ) from error
            raise _explained(self._name, error) from error

    def close(self) -> None:
        with contextlib.suppress(exc.SQLAlchemyError):  # it was lost before
            self.raw.close()

    def drop(self) -> None:
        """Close it without a word to the server: in what state it is nobody knows."""
        with contextlib.suppress(exc.SQLAlchemyError):
            self.raw.invalidate()
        self.close()


@dataclass
class _Holder:
    """A thread's connection that holds a lock, and how many ask for it."""

    connection: _Connection
    kind: str
    times: int = 1


class PostgresDatabase(Database):
    """The tables of one schema of a PostgreSQL database (the first of the connection's `search_path`)."""

    dialect = Dialect(
        blob="BYTEA",
        counter="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        text='TEXT COLLATE "C"',  # sorted by bytes, as SQLite does
    )

    def __init__(self, url: str) -> None:
        """Connect; raises UsageError for what is no address, Refused, NotFound, NotSupported where the server can't serve."""
        address = _address(url)
        self.url = url
        self.name = address.render_as_string(hide_password=True)
        self._process = os.getpid()
        self._idle: list[_Connection] = []
        self._guard = threading.Lock()
        self._holders: dict[int, _Holder] = {}
        try:
            self._engine = sa.create_engine(address, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        except (exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise NotSupported(
                f"The database {self.name} needs the driver of PostgreSQL: pip install 'film-archive[postgres]'."
            ) from error
        [(encoding, schema)] = self.execute("SELECT current_setting('server_encoding'), current_schema()")
        if schema is None:
            raise NotFound(f"The database {self.name} has no schema that this user may use; make one, or name another.")
        if encoding != "UTF8":
            raise NotSupported(f"The database {self.name} is encoded in {encoding}; name one that is made with ENCODING 'UTF8'.")

    # statements

    def stream(self, statement: str, values: Values | None = None) -> Iterator[Row]:
        with self._connected() as connection:
            connection.command("BEGIN READ ONLY")  # a cursor of the server's lives in a transaction
            yield from connection.stream(statement, values)
            connection.command("COMMIT")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Statements]:
        self._notice_fork()
        holder = self._holders.get(threading.get_ident())
        using = self._connected() if holder is None else contextlib.nullcontext(holder.connection)
        with using as connection:
            connection.command("BEGIN ISOLATION LEVEL READ COMMITTED")
            try:
                connection.command(f"SET LOCAL lock_timeout = {int(_PATIENCE * 1000)}")
                connection.command(_LOCK.format(function="pg_advisory_xact_lock", number=_WRITING))
                yield connection
            except BaseException:
                with contextlib.suppress(StorageError):  # a connection that was lost has undone it by itself
                    connection.command("ROLLBACK")
                raise
            connection.commit()

    # locks

    def sharing(self) -> AbstractContextManager[None]:
        return self._holding("_shared")

    def alone(self) -> AbstractContextManager[None]:
        return self._holding("")

    @contextlib.contextmanager
    def _holding(self, kind: str) -> Iterator[None]:
        self._notice_fork()
        thread = threading.get_ident()  # the one that comes in; another may go out
        holder = self._holders.get(thread)
        if holder is not None and holder.kind == kind:
            holder.times += 1
        elif holder is not None:
            raise StorageError(f"The database {self.name} is held in another way already; nothing was changed.")
        else:
            holder = self._holders[thread] = _Holder(self._locked(kind), kind)
        try:
            yield
        finally:
            holder.times -= 1
            if not holder.times and self._holders.get(thread) is holder:
                del self._holders[thread]
                self._unlock(holder)

    def _locked(self, kind: str) -> _Connection:
        connection = self._take()
        try:
            connection.command(_LOCK.format(function=f"pg_advisory_lock{kind}", number=_USING))
        except BaseException:
            connection.drop()
            raise
        return connection

    def _unlock(self, holder: _Holder) -> None:
        try:
            holder.connection.command(_LOCK.format(function=f"pg_advisory_unlock{holder.kind}", number=_USING))
        except StorageError:
            holder.connection.drop()  # it was lost, and its lock with it
        except BaseException:
            holder.connection.drop()
            raise
        else:
            self._give_back(holder.connection)

    # the whole

    def tables(self) -> list[str]:
        return [
            str(row[0])
            for row in self.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name"
            )
        ]

    def size(self) -> int:
        [(size,)] = self.execute(
            "SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0) FROM pg_class "
            "JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = current_schema() AND relkind = 'r'"
        )
        return int(size)

    def problems(self) -> list[str]:
        return []  # PostgreSQL tells of damage where it reads it; it keeps no account that could be asked

    def close(self) -> None:
        with self._guard:
            idle, self._idle = self._idle, []
        if self._process == os.getpid():
            for connection in idle:
                connection.close()

    # connections

    @contextlib.contextmanager
    def _connected(self) -> Iterator[_Connection]:
        connection = self._take()
        try:
            yield connection
        except BaseException:
            connection.drop()  # in what state it is nobody knows
            raise
        self._give_back(connection)

    def _take(self) -> _Connection:
        self._notice_fork()
        while True:
            with self._guard:
                found = self._idle.pop() if self._idle else None
            if found is None:
                with _explaining(self.name):
                    return _Connection(self.name, self._engine.connect())
            if time.monotonic() - found.used < _FRESH:
                return found
            try:
                found.command("SELECT 1")
                return found
            except StorageError:
                found.drop()  # the server, or something on the way, has ended it

    def _give_back(self, connection: _Connection) -> None:
        connection.used = time.monotonic()
        with self._guard:
            self._idle.append(connection)

    def _notice_fork(self) -> None:
        """A fork must not speak on its parent's connections, nor end them."""
        if self._process == os.getpid():
            return
        with self._guard:
            _PARENTS.extend([*self._idle, *(holder.connection for holder in self._holders.values())])
            self._process, self._idle, self._holders = os.getpid(), [], {}

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # one that was refused has no connections
            self.close()


_PARENTS: list[_Connection] = []
"""Connections of the process that this one is a fork of, kept from being closed."""


def _address(url: str) -> sa.URL:
    try:
        address = sa.make_url(url)
    except exc.ArgumentError as error:
        raise UsageError("That is not the address of a database; write it like postgresql://user@host/show.") from error
    if address.get_backend_name() != "postgresql":
        raise NotSupported(f"{address.get_backend_name()} is not supported for repositories; use postgresql://user@host/show.")
    if address.password is not None:
        raise UsageError(
            f"The address {address.render_as_string(hide_password=True)} has a password, which would be kept in a file; "
            "give it by PGPASSWORD or ~/.pgpass and leave it out here."
        )
    return address.set(drivername="postgresql+psycopg")


def _state_of(error: exc.DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


@contextlib.contextmanager
def _explaining(name: str) -> Iterator[None]:
    """Turn what SQLAlchemy raises into our errors."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _explained(name, error) from error
    except exc.SQLAlchemyError as error:  # of a connection that was invalidated before
        raise Unreachable(f"The connection to the database {name} was lost ({error}); what was unfinished is undone.") from error


def _explained(name: str, error: exc.DBAPIError) -> Exception:
    state = _state_of(error)
    reason = " ".join(str(error.orig).split())
    if isinstance(error, exc.DataError) and not state:
        state = _NO_TEXT[0]  # the driver has refused it before the server could
    for states, explain in _SENTENCES.items():
        if state in states:
            return explain(name, reason)
    if error.connection_invalidated or not state or state.startswith(("08", "57P")):
        if "database" in reason and "does not exist" in reason:  # libpq tells this one in words only
            return _SENTENCES[(_NO_DATABASE,)](name, reason)
        return Unreachable(f"The database {name} can't be reached ({reason}); what was not finished is undone. Try again.")
    return StorageError(f"The database {name} failed: {reason}; what was not finished is undone.")


_SENTENCES: Mapping[tuple[str, ...], Callable[[str, str], Exception]] = {
    (_DISK_FULL, _OUT_OF_MEMORY): lambda name, reason: NoSpace(
        f"The server of the database {name} has no room ({reason}); nothing was changed. Make room and try again."
    ),
    (_LOCK_NOT_AVAILABLE,): lambda name, reason: Refused(
        f"Another process has kept the database {name} for {_PATIENCE:.0f} seconds; try again."
    ),
    _CORRUPTED: lambda name, reason: Damaged(f"The database {name} is damaged ({reason}); restore it from a copy."),
    _NO_RIGHT: lambda name, reason: Refused(f"The database {name} refuses that ({reason})."),
    (_NO_DATABASE,): lambda name, reason: NotFound(f"There is no database {name} ({reason}); make it with createdb."),
    _NO_TEXT: lambda name, reason: UsageError(f"The database {name} can't keep a text ({reason}); nothing was changed."),
}

