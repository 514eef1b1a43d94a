"""The metadata of a repository: its tables, and nodes and commits by their address.

Which table is whose: `objects` are kept here, `blobs` by `contents.py`, `refs` and `reflog` by `refs.py`, `locks` by
`locks.py`, `stages` and `checkouts` by `stages.py`, `places`, `adopted` and `proven` by `archives.py`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from film_archive.core.digest import blake3_of
from film_archive.core.errors import Damaged, NotSupported, Refused
from film_archive.storage.database import Database, Statements

SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE meta (name {text} PRIMARY KEY, value {text} NOT NULL);
CREATE TABLE objects (id {blob} PRIMARY KEY, kind INTEGER NOT NULL, data {blob} NOT NULL, added BIGINT NOT NULL);
CREATE TABLE blobs (id {blob} PRIMARY KEY, size BIGINT NOT NULL, xxh128 {blob} NOT NULL, layout INTEGER NOT NULL,
                    place {blob}, start BIGINT, data {blob}, added BIGINT NOT NULL);
CREATE INDEX blobs_by_size ON blobs (size);
CREATE INDEX blobs_by_place ON blobs (place);
CREATE TABLE refs (id {text} PRIMARY KEY, fold {text} NOT NULL UNIQUE, record {text} NOT NULL, head {text} NOT NULL);
CREATE TABLE reflog (number {counter}, branch {text} NOT NULL, name {text} NOT NULL, old {text} NOT NULL, new {text} NOT NULL,
                     author {text} NOT NULL, time BIGINT NOT NULL, message {text} NOT NULL);
CREATE TABLE locks (fold {text} NOT NULL, path {text} NOT NULL, branch {text} NOT NULL, owner {text} NOT NULL,
                    time BIGINT NOT NULL, reason {text} NOT NULL, PRIMARY KEY (fold, branch));
CREATE TABLE stages (owner {text} NOT NULL, path {text} NOT NULL, record {blob}, PRIMARY KEY (owner, path));
CREATE TABLE checkouts (id {text} PRIMARY KEY, path {blob} NOT NULL, branch {text} NOT NULL, head {text} NOT NULL);
CREATE TABLE places (archive {text} NOT NULL, path {blob} NOT NULL, seen BIGINT NOT NULL, PRIMARY KEY (archive, path));
CREATE TABLE adopted (archive {text} NOT NULL, member {text} NOT NULL, blob {blob} NOT NULL, PRIMARY KEY (archive, member));
CREATE TABLE proven (archive {text} NOT NULL, member {text} NOT NULL, identity {text} NOT NULL, PRIMARY KEY (archive, member))
"""
_MIGRATIONS: Mapping[int, str] = {}
"""Schema version → the statements that lead to the next one."""
_INSERT = "INSERT INTO objects VALUES (:id, :kind, :data, :added) ON CONFLICT (id) DO NOTHING"
_STORE, _NUMBER = "store", "repository"
_MOST_WAITING = 4000
_MOST_ASKED = 500


class ObjectKind(IntEnum):
    """What an object is."""

    NODE = 0
    COMMIT = 1


def now() -> int:
    """Whole seconds since 1970."""
    return int(time.time())


class Identity(NamedTuple):
    """What a repository is known by, of which not all lies in one folder; "" for both where it does."""

    number: str
    """An id that no other one has."""
    store: str
    """Where its contents lie."""


def create_tables(database: Database, identity: Identity) -> None:
    """Make the tables, all or none; where they are there already nothing is changed.

    Raises Refused where there are tables of another program.
    """
    with database.transaction() as transaction:
        there = database.tables()
        if "refs" in there:
            return  # another was quicker
        if there:
            raise Refused(f"The database {database.name} has tables of something else ({there[0]}); name an empty one.")
        _run(database, transaction, _TABLES)
        rows = [{"name": "schema_version", "value": str(SCHEMA_VERSION)}]
        rows += [{"name": name, "value": value} for name, value in zip((_NUMBER, _STORE), identity, strict=True) if value]
        transaction.execute_many("INSERT INTO meta VALUES (:name, :value)", rows)


def _run(database: Database, transaction: Statements, statements: str) -> None:
    words = database.dialect
    for statement in statements.format(blob=words.blob, counter=words.counter, text=words.text).split(";"):
        transaction.execute(statement)


def bring_up_to_date(database: Database) -> None:
    """Migrate an earlier version's tables, all steps or none; raises NotFound, Damaged, NotSupported for a later version's."""
    found = _version(database)
    if found < SCHEMA_VERSION:
        with database.transaction() as transaction:
            for step in range(_version(transaction), SCHEMA_VERSION):  # another may have been quicker
                _run(database, transaction, _MIGRATIONS[step])
            transaction.execute(
                "UPDATE meta SET value = :version WHERE name = 'schema_version'", {"version": str(SCHEMA_VERSION)}
            )
    elif found > SCHEMA_VERSION:
        raise NotSupported(f"The database {database.name} was written by a later version; update film-archive.")


def _version(statements: Statements) -> int:
    rows = statements.execute("SELECT value FROM meta WHERE name = 'schema_version'")
    if not rows or not str(rows[0][0]).isdecimal():
        raise Damaged("The database of a repository does not say what it is; restore it from a copy.")
    return int(rows[0][0])


def identity_of(database: Database) -> Identity:
    """What a repository is known by, as it was begun."""
    rows = {str(name): value for name, value in database.execute("SELECT name, value FROM meta")}
    return Identity(str(rows.get(_NUMBER, "")), str(rows.get(_STORE, "")))


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
