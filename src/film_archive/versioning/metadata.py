"""The metadata of a repository: its tables, and nodes and commits by their address.

Which table is whose: `objects` are kept here, `blobs` by `contents.py`, `refs` and `reflog` by `refs.py`, `locks` by
`locks.py`, `stages` and `checkouts` by `stages.py`, `places`, `adopted` and `proven` by `archives.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from film_archive.core.digest import blake3_of
from film_archive.core.errors import Damaged, NotSupported
from film_archive.storage.database import Database, SqliteDatabase, Statements

SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE objects (id {blob} PRIMARY KEY, kind INTEGER NOT NULL, data {blob} NOT NULL, added BIGINT NOT NULL);
CREATE TABLE blobs (id {blob} PRIMARY KEY, size BIGINT NOT NULL, xxh128 {blob} NOT NULL, layout INTEGER NOT NULL,
                    place {blob}, start BIGINT, data {blob}, added BIGINT NOT NULL);
CREATE INDEX blobs_by_size ON blobs (size);
CREATE INDEX blobs_by_place ON blobs (place);
CREATE TABLE refs (id TEXT PRIMARY KEY, fold TEXT NOT NULL UNIQUE, record TEXT NOT NULL, head TEXT NOT NULL);
CREATE TABLE reflog (number {counter}, branch TEXT NOT NULL, name TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL,
                     author TEXT NOT NULL, time BIGINT NOT NULL, message TEXT NOT NULL);
CREATE TABLE locks (fold TEXT NOT NULL, path TEXT NOT NULL, branch TEXT NOT NULL, owner TEXT NOT NULL, time BIGINT NOT NULL,
                    reason TEXT NOT NULL, PRIMARY KEY (fold, branch));
CREATE TABLE stages (owner TEXT NOT NULL, path TEXT NOT NULL, record {blob}, PRIMARY KEY (owner, path));
CREATE TABLE checkouts (id TEXT PRIMARY KEY, path {blob} NOT NULL, branch TEXT NOT NULL, head TEXT NOT NULL);
CREATE TABLE places (archive TEXT NOT NULL, path {blob} NOT NULL, seen BIGINT NOT NULL, PRIMARY KEY (archive, path));
CREATE TABLE adopted (archive TEXT NOT NULL, member TEXT NOT NULL, blob {blob} NOT NULL, PRIMARY KEY (archive, member));
CREATE TABLE proven (archive TEXT NOT NULL, member TEXT NOT NULL, identity TEXT NOT NULL, PRIMARY KEY (archive, member))
"""
_INSERT = "INSERT INTO objects VALUES (:id, :kind, :data, :added) ON CONFLICT (id) DO NOTHING"
_MOST_WAITING = 4000
_MOST_ASKED = 500


class ObjectKind(IntEnum):
    """What an object is."""

    NODE = 0
    COMMIT = 1


def now() -> int:
    """Whole seconds since 1970."""
    return int(time.time())


def create_tables(database: Database) -> None:
    """Make the tables, all or none."""
    words = {"blob": database.dialect.blob, "counter": database.dialect.counter}
    with database.transaction() as transaction:
        for statement in _TABLES.format(**words).split(";"):
            transaction.execute(statement)
        transaction.execute("INSERT INTO meta VALUES ('schema_version', :version)", {"version": str(SCHEMA_VERSION)})


def open_metadata(path: Path) -> Database:
    """The database of a repository that is there; raises NotFound, Damaged, NotSupported for a later version's."""
    database = SqliteDatabase(path, must_exist=True)
    rows = database.execute("SELECT value FROM meta WHERE name = 'schema_version'")
    if not rows or not str(rows[0][0]).isdecimal():
        raise Damaged(f"The database {database.name} does not say what it is; restore it from a copy.")
    if int(rows[0][0]) > SCHEMA_VERSION:
        raise NotSupported(f"The database {database.name} was written by a later version; update film-archive.")
    return database


class Objects:
    """Nodes and commits of one undertaking: what is put waits here until it is written, with the ref or before it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[bytes, tuple[ObjectKind, bytes]] = {}

    def put_node(self, data: bytes) -> bytes:
        return self.put(ObjectKind.NODE, data)

    def put(self, kind: ObjectKind, data: bytes) -> bytes:
        address = blake3_of(data)
        self._waiting[address] = (kind, data)
        if len(self._waiting) >= _MOST_WAITING:
            with self._database.transaction() as transaction:
                self.write(transaction)
            self._waiting.clear()
        return address

    def get_node(self, address: bytes) -> bytes:
        return self.get(ObjectKind.NODE, address)

    def get(self, kind: ObjectKind, address: bytes) -> bytes:
        """An object's bytes, proven; raises Damaged where it is missing or not what its address says."""
        if address in self._waiting:
            return self._waiting[address][1]
        rows = self._database.execute("SELECT kind, data FROM objects WHERE id = :id", {"id": address})
        if not rows:
            raise self._damaged(kind, address, "missing")
        return self._proven(kind, address, *rows[0])

    def get_nodes(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The same of many nodes, asked for together."""
        found = {address: self._waiting[address][1] for address in addresses if address in self._waiting}
        wanted = [address for address in addresses if address not in found]
        for start in range(0, len(wanted), _MOST_ASKED):
            values = {f"a{number}": address for number, address in enumerate(wanted[start : start + _MOST_ASKED])}
            names = ", ".join(f":{name}" for name in values)
            rows = self._database.execute(f"SELECT id, kind, data FROM objects WHERE id IN ({names})", values)
            for address, kind, data in rows:
                found[bytes(address)] = self._proven(ObjectKind.NODE, bytes(address), kind, data)
        for address in wanted:
            if address not in found:
                raise self._damaged(ObjectKind.NODE, address, "missing")
        return found

    def _proven(self, wanted: ObjectKind, address: bytes, kind: int, stored: bytes) -> bytes:
        data = bytes(stored)
        if kind != wanted or blake3_of(data) != address:
            raise self._damaged(wanted, address, "damaged")
        return data

    def _damaged(self, kind: ObjectKind, address: bytes, how: str) -> Damaged:
        name = f"The {kind.name.lower()} {address.hex()[:16]} in {self._database.name}"
        return Damaged(f"{name} is {how}; restore the database from a copy.")

    def write(self, transaction: Statements) -> None:
        """Write what waits, as part of a transaction; it is kept, for when that is undone."""
        added = now()
        transaction.execute_many(
            _INSERT,
            [
                {"id": address, "kind": int(kind), "data": data, "added": added}
                for address, (kind, data) in self._waiting.items()
            ],
        )
