"""Refs: which commit a branch is at. They alone change, only from what the mover believed they were, and each move is noted."""

from __future__ import annotations

import os
import pwd
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.core.json_text import from_json, to_json
from film_archive.storage.database import Database, Statements
from film_archive.versioning.metadata import SCHEMA_VERSION, now

_LONGEST_NAME = 200
_COMMIT_ID = re.compile(r"[0-9a-f]{4,64}")
_SHOWN = bytes(sign for sign in range(0x20, 0x7F) if sign != 0x25)
"""Of a path, what stands for itself; all else is percent-encoded, since a path need not be UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A branch: its name for life (`id`), its name for people, and the commits it began with and is at."""

    id: str
    name: str
    description: str
    archive_path: Path | None
    """The archive or folder that it was made from."""
    archive_id: str
    parent: str | None
    first: str
    head: str
    created: datetime

    def to_json(self) -> dict[str, Any]:
        """All but the head, which is a column of its own."""
        path = self.archive_path
        return {
            "schema_version": SCHEMA_VERSION,
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "archive_path": None if path is None else quote_from_bytes(os.fsencode(path), safe=_SHOWN),
            "archive_id": self.archive_id,
            "parent": self.parent,
            "first": self.first,
            "created": self.created.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], head: str) -> Branch:
        path = data["archive_path"]
        return cls(
            id=str(data["id"]),
            name=str(data["name"]),
            description=str(data["description"]),
            archive_path=None if path is None else Path(os.fsdecode(unquote_to_bytes(path))),
            archive_id=str(data["archive_id"]),
            parent=data["parent"],
            first=str(data["first"]),
            head=head,
            created=datetime.fromisoformat(data["created"]),
        )


class Moved(Refused):
    """A branch is not where its mover believed it to be: look again, then try again."""


class Move(NamedTuple):
    """A line of the reflog. `old` is "" where the branch was made, `new` where it was removed."""

    branch: str
    name: str
    old: str
    new: str
    author: str
    time: int
    message: str


class Refs:
    """All branches of a repository, and where they were."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, branch_id: str) -> Branch:
        """The branch of this id; raises NotFound."""
        rows = self._database.execute("SELECT record, head FROM refs WHERE id = :id", {"id": branch_id})
        if not rows:
            raise NotFound(f"There is no branch with the id {branch_id!r} in {self._database.name}.")
        return _read(*rows[0])

    def named(self, name: str) -> Branch:
        """The branch of this name, case and Unicode form ignored, or of this id; raises NotFound."""
        rows = self._database.execute(
            "SELECT record, head FROM refs WHERE fold = :fold OR id = :id ORDER BY (fold = :fold) DESC",
            {"fold": _fold(name), "id": name},
        )
        if not rows:
            raise NotFound(f"There is no branch {name!r}; `film-archive repo branches` shows which there are.")
        return _read(*rows[0])

    def all(self) -> list[Branch]:
        """All branches, oldest first."""
        found = [_read(*row) for row in self._database.execute("SELECT record, head FROM refs")]
        return sorted(found, key=lambda branch: (branch.created, branch.id))

    def create(self, transaction: Statements, branch: Branch, message: str) -> None:
        """Make a new branch; raises Refused where one has its name."""
        rows = transaction.execute("SELECT record, head FROM refs WHERE fold = :fold", {"fold": _fold(branch.name)})
        if rows:
            raise Refused(f"There is a branch {_read(*rows[0]).name!r} already; nothing was changed.")
        transaction.execute(
            "INSERT INTO refs VALUES (:id, :fold, :record, :head)",
            {
                "id": branch.id,
                "fold": _fold(branch.name),
                "record": to_json(branch.to_json()).decode(),
                "head": branch.head,
            },
        )
        self._note(transaction, branch, "", branch.head, message)

    def move(self, transaction: Statements, branch: Branch, head: str, message: str) -> Branch:
        """Move a branch from where `branch` has it to another commit; raises Moved where it is elsewhere by now."""
        moved = transaction.count(
            "UPDATE refs SET head = :new WHERE id = :id AND head = :old",
            {"id": branch.id, "old": branch.head, "new": head},
        )
        if moved != 1:
            raise Moved(
                f"The branch {branch.name!r} was moved or removed by another meanwhile; nothing was changed, try again."
            )
        self._note(transaction, branch, branch.head, head, message)
        return replace(branch, head=head)

    def remove(self, transaction: Statements, branch: Branch) -> None:
        """Remove a branch; the reflog still leads to its commits. Raises Moved where it is elsewhere by now."""
        gone = transaction.count(
            "DELETE FROM refs WHERE id = :id AND head = :old", {"id": branch.id, "old": branch.head}
        )
        if gone != 1:
            raise Moved(f"The branch {branch.name!r} was moved by another meanwhile; nothing was changed, try again.")
        self._note(transaction, branch, branch.head, "", "removed")

    def _note(self, transaction: Statements, branch: Branch, old: str, new: str, message: str) -> None:
        transaction.execute(
            "INSERT INTO reflog (branch, name, old, new, author, time, message) "
            "VALUES (:branch, :name, :old, :new, :author, :time, :message)",
            {
                "branch": branch.id,
                "name": branch.name,
                "old": old,
                "new": new,
                "author": user(),
                "time": now(),
                "message": message,
            },
        )

    def moves(self, *, since: int = 0) -> Iterator[Move]:
        """The reflog, oldest first, from a time on."""
        rows = self._database.stream(
            "SELECT branch, name, old, new, author, time, message FROM reflog WHERE time >= :since ORDER BY number",
            {"since": since},
        )
        return (Move(*row) for row in rows)

    def resolve(self, text: str) -> str:
        """The id of the commit that a branch's name or id, or the beginning of a commit's id, means; raises NotFound."""
        try:
            return self.named(text).head
        except NotFound:
            if not _COMMIT_ID.fullmatch(text):
                raise
        low = bytes.fromhex(text.ljust(64, "0"))
        high = bytes.fromhex(text.ljust(64, "f"))
        rows = self._database.execute(
            "SELECT id FROM objects WHERE kind = 1 AND id >= :low AND id <= :high LIMIT 2", {"low": low, "high": high}
        )
        if len(rows) > 1:
            raise UsageError(f"More than one commit begins with {text}; give more digits.")
        if not rows:
            raise NotFound(f"There is no branch and no commit {text!r}; `film-archive repo log` shows commits.")
        return bytes(rows[0][0]).hex()


def _read(record: str, head: str) -> Branch:
    try:
        return Branch.from_json(from_json(record), head)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"A branch can't be read ({error}); restore the repository's database from a copy.") from error


def require_branch_name(name: str) -> str:
    """A branch's name as given: parts joined by slashes; raises UsageError where people or programs would stumble."""
    problem = _name_problem(name)
    if problem is not None:
        raise UsageError(f"{name!r} can't be the name of a branch: {problem}; nothing was changed.")
    return name


def _name_problem(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if len(name) > _LONGEST_NAME:
        return f"it has more than {_LONGEST_NAME} signs"
    if not name.isprintable() or "\\" in name:
        return "it has a backslash or a sign that can't be shown"
    for part in name.split("/"):
        if part in ("", ".", ".."):
            return f"{part!r} is one of its parts"
        if part != part.strip() or part.startswith("-"):
            return "a part of it begins or ends with a blank, or begins with '-'"
    return None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def user() -> str:
    """Who runs this, by the system's list of users."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a number without a name, as in a container
        return f"user {os.getuid()}"
