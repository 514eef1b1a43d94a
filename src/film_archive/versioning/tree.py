"""A tree: what a commit holds, as a sorted map of paths that is split into nodes by its own paths.

A node ends behind each path whose XXH3 says so (one in 64), so the same paths and contents make the same nodes whatever
was done before, a change rewrites the nodes it touches and the list of them, and a comparison skips nodes that both
have.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import Damaged
from film_archive.versioning.objects import ADDRESS, STRONG, ObjectStore

_TREE, _NODE = "tree", "node"
_ONE_IN = 64


class EntryKind(StrEnum):
    """What a path is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True)
class Borrowed:
    """Bytes that lie in an archive: which one, and under what name."""

    archive_id: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A path of a tree. `borrowed` tells where a file's bytes lie; without it they are the repository's own content."""

    path: str
    kind: EntryKind = EntryKind.FILE
    size: int = 0
    digests: Mapping[str, str] = field(default_factory=dict)
    borrowed: Borrowed | None = None
    mtime_ns: int | None = None
    mode: int | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    """What else a manifest says of a link or a name: target, raw_name, raw_target."""

    def same_content(self, other: Entry) -> bool:
        """Whether two entries are known to hold the same, wherever it lies; times and permissions aside."""
        if (self.kind, self.size, self.more.get("target")) != (other.kind, other.size, other.more.get("target")):
            return False
        if self.kind is not EntryKind.FILE:
            return True
        shared = self.digests.keys() & other.digests.keys()
        if any(self.digests[name] != other.digests[name] for name in shared):
            return False
        return not shared.isdisjoint(STRONG) or (self.borrowed is not None and self.borrowed == other.borrowed)

    def to_json(self) -> dict[str, Any]:
        optional = {
            "digests": dict(self.digests),
            "borrowed": None if self.borrowed is None else [self.borrowed.archive_id, self.borrowed.member],
            "mtime_ns": self.mtime_ns,
            "mode": self.mode,
            "more": dict(self.more),
        }
        values = {key: value for key, value in optional.items() if value not in (None, {})}
        return {"path": self.path, "kind": str(self.kind), "size": self.size, **values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        borrowed = data.get("borrowed")
        entry = cls(
            path=str(data["path"]),
            kind=EntryKind(data["kind"]),
            size=int(data["size"]),
            digests=dict(data.get("digests") or {}),
            borrowed=None if borrowed is None else Borrowed(str(borrowed[0]), str(borrowed[1])),
            mtime_ns=data.get("mtime_ns"),
            mode=data.get("mode"),
            more=dict(data.get("more") or {}),
        )
        if entry.size < 0 or (entry.kind is EntryKind.FILE and borrowed is None and ADDRESS not in entry.digests):
            raise ValueError(f"{entry.path!r} lies nowhere")
        return entry


@dataclass(frozen=True, slots=True)
class _Node:
    """A node as the list of nodes names it."""

    first: str
    address: str
    entries: int
    size: int


@dataclass(frozen=True, slots=True)
class Change:
    """A path that two trees hold differently: what it was, and what it is (None: not there)."""

    path: str
    before: Entry | None
    after: Entry | None


class Tree:
    """A stored tree. It never changes: `with_changes` makes another."""

    def __init__(self, objects: ObjectStore, address: str, nodes: tuple[_Node, ...]) -> None:
        self._objects = objects
        self.address = address
        self._nodes = nodes

    @classmethod
    def of(cls, objects: ObjectStore, entries: Iterable[Entry]) -> Tree:
        """Store a tree of these entries, each path once, in any order."""
        whole, rest = _split(sorted(entries, key=lambda entry: entry.path))
        return cls._of_nodes(objects, [_store_node(objects, part) for part in (*whole, rest) if part])

    @classmethod
    def empty(cls, objects: ObjectStore) -> Tree:
        """A tree of nothing, to compare with; it is not stored and has no address."""
        return cls(objects, "", ())

    @classmethod
    def load(cls, objects: ObjectStore, address: str) -> Tree:
        """A tree that was stored; raises Damaged."""
        record = objects.get(_TREE, address)
        try:
            nodes = tuple(_Node(str(a), str(b), int(c), int(d)) for a, b, c, d in record["nodes"])
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged(f"The tree {address[:16]} can't be read ({error}).") from error
        return cls(objects, address, nodes)

    @classmethod
    def _of_nodes(cls, objects: ObjectStore, nodes: list[_Node]) -> Tree:
        rows = [[node.first, node.address, node.entries, node.size] for node in nodes]
        return cls(objects, objects.put(_TREE, {"nodes": rows}), tuple(nodes))

    def __len__(self) -> int:
        return sum(node.entries for node in self._nodes)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(node.size for node in self._nodes)

    def __iter__(self) -> Iterator[Entry]:
        """All entries, by path."""
        for node in self._nodes:
            yield from self._read(node)

    def get(self, path: str) -> Entry | None:
        """The entry of a path, if the tree has it."""
        place = bisect_right(self._nodes, path, key=lambda node: node.first) - 1
        if place < 0:
            return None
        return next((entry for entry in self._read(self._nodes[place]) if entry.path == path), None)

    def addresses(self) -> Iterator[str]:
        """Of the tree itself and of its nodes."""
        yield self.address
        yield from (node.address for node in self._nodes)

    def with_changes(self, changes: Mapping[str, Entry | None]) -> Tree:
        """Store a tree in which these paths hold something else, or (None) are gone."""
        if not self._nodes:
            return Tree.of(self._objects, [entry for entry in changes.values() if entry is not None])
        paths = sorted(changes)
        nodes: list[_Node] = []
        open_end: list[Entry] = []
        begin = 0
        for number, node in enumerate(self._nodes):
            last = number + 1 == len(self._nodes)
            end = len(paths) if last else bisect_left(paths, self._nodes[number + 1].first)
            if begin == end and not open_end:
                nodes.append(node)
                continue
            held: dict[str, Entry | None] = {entry.path: entry for entry in self._read(node)}
            held.update((path, changes[path]) for path in paths[begin:end])
            kept = [entry for _, entry in sorted(held.items()) if entry is not None]
            whole, open_end = _split(open_end + kept)
            nodes += [_store_node(self._objects, part) for part in whole]
            begin = end
        if open_end:
            nodes.append(_store_node(self._objects, open_end))
        return Tree._of_nodes(self._objects, nodes)

    def changes_to(self, other: Tree) -> dict[str, Change]:
        """What would have to change to make this tree the other: path → change, by path."""
        common = {node.address for node in self._nodes} & {node.address for node in other._nodes}
        before = {e.path: e for node in self._nodes if node.address not in common for e in self._read(node)}
        after = {e.path: e for node in other._nodes if node.address not in common for e in other._read(node)}
        found = {}
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path), after.get(path)
            if old is None or new is None or not old.same_content(new):
                found[path] = Change(path, old, new)
        return found

    def _read(self, node: _Node) -> list[Entry]:
        record = self._objects.get(_NODE, node.address)
        try:
            return [Entry.from_json(data) for data in record["entries"]]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise Damaged(f"The node {node.address[:16]} of a tree can't be read ({error}).") from error


def _store_node(objects: ObjectStore, entries: list[Entry]) -> _Node:
    address = objects.put(_NODE, {"entries": [entry.to_json() for entry in entries]})
    return _Node(entries[0].path, address, len(entries), sum(entry.size for entry in entries))


def _split(entries: list[Entry]) -> tuple[list[list[Entry]], list[Entry]]:
    """Whole nodes, and what is left behind the last end of one."""
    whole: list[list[Entry]] = []
    part: list[Entry] = []
    for entry in entries:
        part.append(entry)
        if _ends_node(entry.path):
            whole.append(part)
            part = []
    return whole, part


def _ends_node(path: str) -> bool:
    hasher = MultiHasher(("xxh3",))
    hasher.update(path.encode("utf-8", "surrogateescape"))
    return int(hasher.digests()["xxh3"], 16) % _ONE_IN == 0
