"""Commits: who made which tree of which others, when and why. They never change and are the whole history."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from film_archive.core.errors import Damaged
from film_archive.versioning.objects import ObjectStore
from film_archive.versioning.tree import Tree

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
    objects: ObjectStore, tree: Tree, parents: tuple[Commit, ...], author: str, message: str
) -> Commit:
    """Store a commit of a tree that is stored."""
    base = Tree.load(objects, parents[0].tree) if parents else Tree.empty(objects)
    changes = base.changes_to(tree).values()
    added = sum(change.before is None for change in changes)
    removed = sum(change.after is None for change in changes)
    statistics = Statistics(added, len(changes) - added - removed, removed, len(tree), tree.size)
    record: dict[str, Any] = {
        "tree": tree.address,
        "parents": [parent.id for parent in parents],
        "author": author,
        "time": datetime.now(UTC).isoformat(),
        "message": message,
        "generation": 1 + max((parent.generation for parent in parents), default=0),
        "statistics": [added, statistics.modified, removed, statistics.entries, statistics.size],
    }
    return _from_record(objects.put(_COMMIT, record), record)


def load_commit(objects: ObjectStore, commit_id: str) -> Commit:
    """A commit that was stored; raises Damaged."""
    record = objects.get(_COMMIT, commit_id)
    try:
        return _from_record(commit_id, record)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"The commit {commit_id[:16]} can't be read ({error}).") from error


def _from_record(commit_id: str, record: dict[str, Any]) -> Commit:
    return Commit(
        id=commit_id,
        tree=str(record["tree"]),
        parents=tuple(map(str, record["parents"])),
        author=str(record["author"]),
        time=datetime.fromisoformat(record["time"]),
        message=str(record["message"]),
        generation=int(record["generation"]),
        statistics=Statistics(*map(int, record["statistics"])),
    )


def history(objects: ObjectStore, *heads: str) -> Iterator[Commit]:
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


def merge_bases(objects: ObjectStore, one: str, other: str) -> list[Commit]:
    """The common ancestors that are no ancestors of another one: mostly one, more after merges crosswise, or none."""
    ours = {commit.id for commit in history(objects, one)}
    bases: list[Commit] = []
    covered: set[str] = set()
    for commit in history(objects, other):  # children first, so what a base covers is known before it is met
        if commit.id in covered:
            covered.update(commit.parents)
        elif commit.id in ours:
            bases.append(commit)
            covered.update(commit.parents)
    return bases
