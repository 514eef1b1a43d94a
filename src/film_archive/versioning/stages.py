"""Stages: what the next commit of a work tree, or of a branch without one, will change. Contents are stored already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from film_archive.core.errors import Damaged, NotFound
from film_archive.storage.database import Database, Row, Statements
from film_archive.versioning.entries import Entry
from film_archive.versioning.nodes import Leaf, decode, encode_leaf

Changes = Mapping[str, Entry | None]


class Checkout(NamedTuple):
    """A work tree as its repository knows it."""

    id: str
    path: Path
    branch: str
    head: str
    """The commit that its files are of."""


class Stages:
    """The stages and the work trees of a repository. `owner` is a work tree's id, or a branch's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, owner: str, statements: Statements | None = None) -> dict[str, Entry | None]:
        """What is staged: path → entry, or None where it shall be gone."""
        rows = (statements or self._database).execute(
            "SELECT path, record FROM stages WHERE owner = :owner ORDER BY path", {"owner": owner}
        )
        return {path: _entry(path, record) for path, record in rows}

    def put(self, transaction: Statements, owner: str, changes: Changes) -> None:
        """Stage more; a path that is staged already is staged anew."""
        transaction.execute_many(
            "INSERT INTO stages VALUES (:owner, :path, :record) "
            "ON CONFLICT (owner, path) DO UPDATE SET record = excluded.record",
            [
                {"owner": owner, "path": path, "record": None if entry is None else encode_leaf([entry])}
                for path, entry in changes.items()
            ],
        )

    def drop(self, transaction: Statements, owner: str, paths: Iterable[str] | None = None) -> None:
        """Forget what is staged, or of these paths only."""
        if paths is None:
            transaction.execute("DELETE FROM stages WHERE owner = :owner", {"owner": owner})
        else:
            transaction.execute_many(
                "DELETE FROM stages WHERE owner = :owner AND path = :path",
                [{"owner": owner, "path": path} for path in paths],
            )

    def all(self) -> Iterator[Entry]:
        """Every entry that is staged by anybody."""
        rows = self._database.stream("SELECT path, record FROM stages WHERE record IS NOT NULL")
        for path, record in rows:
            entry = _entry(path, record)
            if entry is not None:
                yield entry

    # work trees

    def checkouts(self) -> list[Checkout]:
        """All work trees that were made of this repository."""
        return list(map(_checkout, self._database.execute("SELECT id, path, branch, head FROM checkouts ORDER BY id")))

    def checkout(self, number: str) -> Checkout:
        """The work tree of this id; raises NotFound."""
        rows = self._database.execute("SELECT id, path, branch, head FROM checkouts WHERE id = :id", {"id": number})
        if not rows:
            raise NotFound(f"{self._database.name} does not know this work tree (any more); check out anew, in another folder.")
        return _checkout(rows[0])

    def note_checkout(self, statements: Statements | None, checkout: Checkout) -> None:
        """Remember a work tree, or where it is by now and of what."""
        (statements or self._database).execute(
            "INSERT INTO checkouts VALUES (:id, :path, :branch, :head) ON CONFLICT (id) DO UPDATE "
            "SET path = excluded.path, branch = excluded.branch, head = excluded.head",
            {**checkout._asdict(), "path": os.fsencode(checkout.path)},
        )

    def move_checkout(self, transaction: Statements, number: str, head: str) -> None:
        """The files of a work tree are of another commit now."""
        transaction.execute("UPDATE checkouts SET head = :head WHERE id = :id", {"id": number, "head": head})


def _checkout(row: Row) -> Checkout:
    number, path, branch, head = row
    return Checkout(number, Path(os.fsdecode(bytes(path))), branch, head)


def _entry(path: str, record: bytes | None) -> Entry | None:
    if record is None:
        return None
    node = decode(bytes(record), f"What is staged of {path[:80]!r}")
    if not isinstance(node, Leaf) or len(node.entries) != 1 or node.entries[0].path != path:
        raise Damaged(f"What is staged of {path[:80]!r} can't be read; stage it again.")
    return node.entries[0]
