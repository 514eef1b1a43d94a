"""SQL databases through SQLAlchemy Core: opening one, transactions, and bringing its schema up to date.

SQLite is the default and is set up here (write-ahead log, foreign keys, patience with other writers); a URL names another
database, for which the same statements hold. What a database reports is turned into our errors here and nowhere else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite

from film_archive.core import files
from film_archive.core.errors import Damaged, NoSpace, NotFound, NotSupported, Refused, StorageError, UsageError
from film_archive.core.source import printable
from film_archive.storage.locking import require_local

_PATIENCE = 60.0
"""Seconds that one writer waits for another's transaction."""
_WRITING = "film_archive_writing"
Migration = Callable[[sa.Connection], None]


class Engine:
    """A database whose tables are those of `metadata`, in version `version`; made where it is not there."""

    def __init__(
        self,
        where: str | os.PathLike[str],
        metadata: sa.MetaData,
        *,
        version: int,
        migrations: Mapping[int, Migration] | None = None,
        what: str = "database",
        must_exist: bool = False,
    ) -> None:
        """Open `where`, a file or a URL. `migrations` lead from a version to the next; `what` is its name in errors.

        Raises NotFound where it must exist and does not, Refused on a network share, NotSupported where it is newer
        than this program, Damaged where it is no database.
        """
        text = os.fspath(where)
        self._what = what
        self.path = None if "://" in text else Path(text)
        self.name = printable(text) if self.path is not None else _without_password(text)
        if self.path is not None:
            _require_place(self.path, what, must_exist)
        with self._explained():
            self.raw = _opened(text, self.path)
        try:
            self._bring_up_to_date(metadata, version, migrations or {})
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the database."""
        with self._explained(), self.raw.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it or nothing, durable when the block ends; waits for other writers."""
        with self._explained(), self.raw.connect() as connection:
            connection = connection.execution_options(**{_WRITING: True})
            with connection.begin():
                yield connection

    def insert(self, table: sa.Table, *, key: Sequence[str] = (), replace: Sequence[str] = ()) -> sa.Insert:
        """An insert that leaves rows alone which are there already, or sets the columns in `replace` of them.

        `key` are the columns that make a row the same.
        """
        dialect = postgresql if self.raw.dialect.name == "postgresql" else sqlite
        statement: Any = dialect.insert(table)
        if not replace:
            return statement.on_conflict_do_nothing()  # type: ignore[no-any-return]  # both dialects' Insert is an Insert
        values = {column: statement.excluded[column] for column in replace}
        return statement.on_conflict_do_update(index_elements=list(key), set_=values)  # type: ignore[no-any-return]

    def size(self) -> int | None:
        """Bytes on disk; None where the database is a server's."""
        if self.path is None:
            return None
        places = [self.path, self.path.with_name(self.path.name + "-wal")]
        return sum(place.stat().st_size for place in places if place.exists())

    def close(self) -> None:
        """Let go of all connections."""
        self.raw.dispose()

    def _bring_up_to_date(self, metadata: sa.MetaData, version: int, migrations: Mapping[int, Migration]) -> None:
        with self.reading() as connection:
            found = self._version(connection)
        if found == version:
            return
        with self.writing() as connection:
            found = self._version(connection)  # another process may have been quicker
            if found is None:
                if sa.inspect(connection).get_table_names():
                    raise Refused(f"{self.name} is a database of another program; name another file for the {self._what}.")
                metadata.create_all(connection)
                _META.create(connection)
                connection.execute(_META.insert().values(key="version", value=str(version)))
                return
            if found > version:
                raise NotSupported(
                    f"The {self._what} {self.name} was written by a newer version of this program (schema {found}, here "
                    f"{version}); nothing was changed. Use that version."
                )
            for step in range(found, version):
                migrations[step](connection)
            connection.execute(_META.update().where(_META.c.key == "version").values(value=str(version)))

    def _version(self, connection: sa.Connection) -> int | None:
        if not sa.inspect(connection).has_table(_META.name):
            return None
        value = connection.execute(sa.select(_META.c.value).where(_META.c.key == "version")).scalar()
        return int(value) if value is not None and value.isdigit() else None

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except exc.NoSuchModuleError as error:
            raise NotSupported(f"There is no driver for the {self._what} {self.name} ({error}).") from error
        except exc.ArgumentError as error:
            raise UsageError(f"{self.name} is not the address of a database ({error}).") from error
        except exc.DBAPIError as error:
            raise self._error(error) from error

    def _error(self, error: exc.DBAPIError) -> Exception:
        code = (getattr(error.orig, "sqlite_errorcode", None) or 0) & 0xFF  # sqlite.org/rescode.html, primary codes
        reason = str(error.orig)
        if code == 13:
            return NoSpace(f"The disk of the {self._what} {self.name} is full; make room and try again.")
        if code in (11, 26):
            return Damaged(
                f"The {self._what} {self.name} is damaged ({reason}); move the file away and make it again with "
                "`film-archive catalog rebuild`."
            )
        if code in (5, 6):
            return Refused(f"Another process has kept the {self._what} {self.name} for {_PATIENCE:.0f} seconds; try again.")
        if code in (8, 14):
            return Refused(f"The {self._what} {self.name} can't be written ({reason}).")
        return StorageError(f"The {self._what} {self.name} failed ({reason}); what was not finished is undone.")


_META = sa.Table("meta", sa.MetaData(), sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String))


def _require_place(path: Path, what: str, must_exist: bool) -> None:
    if must_exist and not path.exists():
        raise NotFound(f"There is no {what} {printable(path)}; `film-archive library crawl` makes one.")
    require_local(path, f"put the {what} on a local disk, or name a PostgreSQL database (postgresql+psycopg://…)")
    with files.explaining(f"make the folder of the {what} {printable(path)}"):
        path.parent.mkdir(parents=True, exist_ok=True)


def _opened(text: str, path: Path | None) -> sa.Engine:
    if path is None:
        return sa.create_engine(text, future=True)
    url = sa.URL.create("sqlite", database=os.fspath(path))
    engine = sa.create_engine(url, connect_args={"timeout": _PATIENCE, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536", "mmap_size=1073741824"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # Who will write says so at once: two that begin by reading could both wait for the other to end.
        writes = connection.get_execution_options().get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _without_password(text: str) -> str:
    try:
        return sa.make_url(text).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return "the address given"
