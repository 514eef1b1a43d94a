"""Commits: who made which tree of which others, when and why. They never change and are the whole history."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.json_text import from_json, to_json
from film_archive.versioning.metadata import SCHEMA_VERSION, ObjectKind, Objects
from film_archive.versioning.tree import Change, Tree

_COMMIT = "commit"


@dataclass(frozen=True, slots=True)
class Statistics:
    """How a commit differs from its first parent, in paths, and what it holds, in files and bytes."""

    added: int = 0
    modified: int = 0
    removed: int = 0
    entries: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `generation` is 1 behind no parent, else one more than its parents' highest."""

    id: str
    tree: str
    parents: tuple[str, ...]
    author: str
    time: datetime
    message: str
    generation: int
    statistics: Statistics


def store_commit(
    objects: Objects,
    tree: Tree,
    parents: tuple[Commit, ...],
    changes: Iterable[Change] | None,
    author: str,
    message: str,
) -> Commit:
    """Store a commit of a tree; `changes` are those against the first parent's, None where it has none."""
    added = len(tree) if changes is None else 0
    modified = removed = 0
    for change in changes or ():
        added += change.before is None
        removed += change.after is None
        modified += change.before is not None and change.after is not None
    record: dict[str, Any] = {
        "film_archive": _COMMIT,
        "schema_version": SCHEMA_VERSION,
        "tree": tree.address,
        "parents": [parent.id for parent in parents],
        "author": author,
        "time": datetime.now(UTC).isoformat(),
        "message": message,
        "generation": 1 + max((parent.generation for parent in parents), default=0),
        "statistics": [added, modified, removed, len(tree), tree.size],
    }
    return _from_record(objects.put(ObjectKind.COMMIT, to_json(record)).hex(), record)


def load_commit(objects: Objects, commit_id: str) -> Commit:
    """A commit that was stored; raises Damaged."""
    return read_commit(commit_id, objects.get(ObjectKind.COMMIT, bytes.fromhex(commit_id)))


def read_commit(commit_id: str, data: bytes) -> Commit:
    """A commit from its bytes; raises Damaged, NotSupported for a later version's."""
    try:
        record = from_json(data)
        version = int(record["schema_version"])
        if record["film_archive"] != _COMMIT:
            raise ValueError("it is something else")
        if version > SCHEMA_VERSION:
            raise NotSupported(f"The commit {commit_id[:16]} was written by a later version ({version}); update film-archive.")
        return _from_record(commit_id, record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, NotSupported):
            raise
        raise Damaged(f"The commit {commit_id[:16]} can't be read ({error}).") from error


def _from_record(commit_id: str, record: Mapping[str, Any]) -> Commit:
    return Commit(
        id=commit_id,
        tree=_address(record["tree"]),
        parents=tuple(map(_address, record["parents"])),
        author=str(record["author"]),
        time=datetime.fromisoformat(record["time"]),
        message=str(record["message"]),
        generation=int(record["generation"]),
        statistics=Statistics(*map(int, record["statistics"])),
    )


def _address(text: str) -> str:
    if text and len(bytes.fromhex(text)) != 32:
        raise ValueError(f"{text[:80]!r} is not an address")
    return text


def history(objects: Objects, *heads: str) -> Iterator[Commit]:
    """These commits and all their ancestors, each once, no parent before its child, newest first."""
    waiting: list[tuple[int, float, str, Commit]] = []
    seen: set[str] = set()

    def wait_for(commit_id: str) -> None:
        if commit_id not in seen:
            seen.add(commit_id)
            commit = load_commit(objects, commit_id)
            heapq.heappush(waiting, (-commit.generation, -commit.time.timestamp(), commit.id, commit))

    for head in heads:
        wait_for(head)
    while waiting:
        commit = heapq.heappop(waiting)[-1]
        yield commit
        for parent in commit.parents:
            wait_for(parent)


def merge_bases(objects: Objects, one: str, other: str) -> list[Commit]:
    """The common ancestors that are no ancestors of another one: mostly one, more after merges crosswise, or none.

    Walks back from both, newest first, and stops where all that is left is an ancestor of a base: the cost follows how
    far the two have gone apart, not the whole history.
    """
    from_one, from_other, stale = 1, 2, 4
    flags: dict[str, int] = {}
    waiting: list[tuple[int, float, str, Commit]] = []

    def reach(commit_id: str, flag: int) -> None:
        before = flags.get(commit_id)
        flags[commit_id] = (before or 0) | flag
        if before is None:
            commit = load_commit(objects, commit_id)
            heapq.heappush(waiting, (-commit.generation, -commit.time.timestamp(), commit.id, commit))

    reach(one, from_one)
    reach(other, from_other)
    bases: list[Commit] = []
    while any(not flags[commit.id] & stale for *_, commit in waiting):
        commit = heapq.heappop(waiting)[-1]
        flag = flags[commit.id]
        if flag == from_one | from_other:
            bases.append(commit)
            flag |= stale
        for parent in commit.parents:
            reach(parent, flag)
    return [base for base in bases if not flags[base.id] & stale]
