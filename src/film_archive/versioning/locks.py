"""Locks: one person's exclusive right to change a path, since what is in most media can't be merged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from film_archive.core.errors import NotFound, Refused
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.storage.database import Database, Statements
from film_archive.versioning.entries import folders_of, sort_key
from film_archive.versioning.metadata import now


@dataclass(frozen=True, slots=True, kw_only=True)
class EditLock(Record):
    """A lock on a path, or on a folder and all below it."""

    path: str
    """What is locked."""
    branch: str
    """The id of the branch on which it is; "" for all branches."""
    owner: str
    """Who may change it."""
    time: int
    """Since when, in seconds since 1970."""
    reason: str
    """Why, as its owner said."""


class Locks:
    """The locks of a repository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, statements: Statements | None = None) -> list[EditLock]:
        """All locks, by path."""
        rows = (statements or self._database).execute(
            "SELECT path, branch, owner, time, reason FROM locks ORDER BY fold, branch"
        )
        return [
            EditLock(path=path, branch=branch, owner=owner, time=time, reason=reason)
            for path, branch, owner, time, reason in rows
        ]

    def take(self, paths: Iterable[str], owner: str, branch: str, reason: str) -> list[EditLock]:
        """Lock paths, all or none; what is locked by the same owner stays so. Raises Refused where another has a lock."""
        taken = []
        with self._database.transaction() as transaction:
            for path in paths:
                for lock in self.all(transaction):
                    if _same_branch(lock.branch, branch) and _overlap(lock.path, path) and lock.owner != owner:
                        raise _refused(path, lock)
                taken.append(EditLock(path=path, branch=branch, owner=owner, time=now(), reason=reason))
                transaction.execute(
                    "INSERT INTO locks VALUES (:fold, :path, :branch, :owner, :time, :reason) "
                    "ON CONFLICT (fold, branch) DO UPDATE SET reason = excluded.reason",
                    {"fold": sort_key(path), **taken[-1].to_json()},
                )
        return taken

    def give_up(self, paths: Iterable[str], owner: str, branch: str, *, force: bool = False) -> list[EditLock]:
        """Unlock paths, all or none; raises NotFound, Refused for another's lock unless forced."""
        given = []
        with self._database.transaction() as transaction:
            for path in paths:
                held = [
                    lock
                    for lock in self.all(transaction)
                    if sort_key(lock.path) == sort_key(path) and lock.branch == branch
                ]
                if not held:
                    raise NotFound(f"{printable(path)} is not locked; nothing was changed.")
                if held[0].owner != owner and not force:
                    raise _refused(path, held[0])
                transaction.execute(
                    "DELETE FROM locks WHERE fold = :fold AND branch = :branch",
                    {"fold": sort_key(path), "branch": branch},
                )
                given += held
        return given

    def require_free(self, statements: Statements, paths: Iterable[str], owner: str, branch: str) -> None:
        """Raise Refused where a path is locked by another."""
        locks = [lock for lock in self.all(statements) if lock.owner != owner and _same_branch(lock.branch, branch)]
        if not locks:
            return
        by_key = {sort_key(lock.path): lock for lock in locks}
        for path in paths:
            key = sort_key(path)
            for place in (key, *folders_of(key)):
                if place in by_key:
                    raise _refused(path, by_key[place])


def _same_branch(one: str, other: str) -> bool:
    return one == other or "" in (one, other)


def _overlap(one: str, other: str) -> bool:
    first, second = sort_key(one), sort_key(other)
    return first == second or first in folders_of(second) or second in folders_of(first)


def _refused(path: str, lock: EditLock) -> Refused:
    why = f" ({lock.reason})" if lock.reason else ""
    return Refused(f"{printable(path)} is locked by {lock.owner}{why}; nothing was changed.")


