"""A tree: what a commit holds, as a sorted map of paths in nodes that are split by their own keys.

The same map makes the same nodes whatever was done before; a change rewrites one node a level; a comparison passes over
what both trees have. So the cost of a change follows the change, not the tree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from film_archive.core.cycles import no_cycles
from film_archive.core.digest import short_hash
from film_archive.versioning.comparing import Side, differing_entries
from film_archive.versioning.entries import Entry, EntryKind, sort_key
from film_archive.versioning.node_store import Nodes, misplaced
from film_archive.versioning.nodes import Child, Leaf, encode_inner, encode_leaf

_BASE = 64
_LEAST, _MOST = 4096, 16384
_ONE_IN = 64
_AT_ONCE = 20_000

Part = TypeVar("Part", Entry, Child)


class Change(NamedTuple):
    """A path that two trees hold differently: what it was, and what it is (None: not there)."""

    path: str
    before: Entry | None
    after: Entry | None

    @property
    def is_nothing(self) -> bool:
        """Whether both sides hold the same."""
        if self.before is None or self.after is None:
            return self.before is self.after
        return self.before.same_content(self.after)


class Tree:
    """A stored tree. It never changes: `with_changes` makes another."""

    def __init__(self, nodes: Nodes, root: Child | None, level: int) -> None:
        self._nodes = nodes
        self._root = root
        self._level = level

    # making

    @classmethod
    def empty(cls, nodes: Nodes) -> Tree:
        return cls(nodes, None, 0)

    @classmethod
    def of(cls, nodes: Nodes, entries: Iterable[Entry]) -> Tree:
        """Store a tree of these entries, in any order, no two with one key."""
        return cls.of_sorted(nodes, sorted(entries, key=lambda entry: sort_key(entry.path)))

    @classmethod
    def of_sorted(cls, nodes: Nodes, entries: Iterable[Entry]) -> Tree:
        """The same for entries that come in the order of their keys: a few thousand are held at once."""
        found = iter(entries)
        leaves: list[Child] = []
        rest: list[Entry] = []
        while batch := list(islice(found, _AT_ONCE)):
            rest += batch
            parts, rest = _split(rest, [sort_key(entry.path) for entry in rest], 0)
            leaves += [_store_leaf(nodes, part) for part in parts]
        if rest:
            leaves.append(_store_leaf(nodes, rest))
        return cls._above(nodes, leaves, 0)

    @classmethod
    def _above(cls, nodes: Nodes, row: list[Child], level: int) -> Tree:
        """The tree of which these are all nodes of a level."""
        while len(row) > 1:
            level += 1
            parts, rest = _split(row, [child.last for child in row], level)
            row = [_store_inner(nodes, level, part) for part in (*parts, rest) if part]
        return cls(nodes, row[0] if row else None, level)

    @classmethod
    def load(cls, nodes: Nodes, address: str) -> Tree:
        """A tree that was stored; raises Damaged."""
        if not address:
            return cls.empty(nodes)
        raw = bytes.fromhex(address)
        node = nodes.get(raw)
        if isinstance(node, Leaf):
            if not node.entries:
                raise misplaced(raw)
            return cls(nodes, _child_of_leaf(raw, node.entries), 0)
        if not node.children:
            raise misplaced(raw)
        return cls(nodes, _child_of_inner(raw, node.children), node.level)

    # looking

    @property
    def address(self) -> str:
        """Of the root, as hex; "" for the empty tree."""
        return "" if self._root is None else self._root.address.hex()

    def __len__(self) -> int:
        return 0 if self._root is None else self._root.entries

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return 0 if self._root is None else self._root.size

    def __iter__(self) -> Iterator[Entry]:
        """All entries, by key."""
        return self.between("", None)

    def between(self, first: str, end: str | None) -> Iterator[Entry]:
        """The entries whose keys are at least `first` and, if that is given, less than `end`."""
        for leaf in self._leaves(first, end):
            start = bisect_left(leaf.keys, first)
            stop = len(leaf.keys) if end is None else bisect_left(leaf.keys, end)
            yield from leaf.entries[start:stop]

    def below(self, folder: str) -> Iterator[Entry]:
        """The entries in a folder and in its folders; upper and lower case are one here."""
        key = sort_key(folder)
        return self.between(key + "/", key + "0")  # "0" is the sign behind "/"

    def _leaves(self, first: str, end: str | None) -> Iterator[Leaf]:
        if self._root is None:
            return
        waiting = [(self._root, self._level)]
        while waiting:
            child, level = waiting.pop()
            if child.last < first or (end is not None and child.first >= end):
                continue
            if level == 0:
                yield self._nodes.leaf(child.address)
            else:
                waiting += [(below, level - 1) for below in reversed(self._nodes.children(child.address, level))]

    def get(self, path: str) -> Entry | None:
        """The entry of exactly this path, if the tree has it."""
        found = self.alike(path)
        return found if found is not None and found.path == path else None

    def alike(self, path: str) -> Entry | None:
        """The entry of this path, or of one that differs from it by case or Unicode form only."""
        key = sort_key(path)
        for leaf in self._leaves(key, key + "\0"):
            at = bisect_left(leaf.keys, key)
            if at < len(leaf.keys) and leaf.keys[at] == key:
                return leaf.entries[at]
        return None

    def addresses(self) -> Iterator[tuple[bytes, int]]:
        """(address, level) of every node, the root first."""
        return self.addresses_but(frozenset())

    def addresses_but(self, known: Container[bytes]) -> Iterator[tuple[bytes, int]]:
        """The same without those that are known, and without all below them."""
        waiting = [] if self._root is None else [(self._root.address, self._level)]
        while waiting:
            address, level = waiting.pop()
            if address in known:
                continue
            yield address, level
            if level:
                waiting += [(child.address, level - 1) for child in self._nodes.children(address, level)]

    # changing

    def with_changes(self, changes: Mapping[str, Entry | None]) -> Tree:
        """Store a tree in which these paths hold something else, or (None) are gone."""
        by_key = {sort_key(path): entry for path, entry in changes.items()}
        if len(by_key) != len(changes):  # a rename that changes case only: what is there wins over what is gone
            by_key.update((sort_key(entry.path), entry) for entry in changes.values() if entry is not None)
        if self._root is None:
            return Tree.of(self._nodes, [entry for entry in by_key.values() if entry is not None])
        with no_cycles():
            row = self._rewritten(0, sorted(by_key.items()), _Leaves(self._nodes))
        for level in range(1, self._level + 1):
            row = row and self._rewritten(level, row, _Inners(self._nodes, level))
        if not row:
            return self
        return Tree._above(self._nodes, [child for _, child in row if child is not None], self._level)._lowered()

    def _lowered(self) -> Tree:
        """The same without roots that have but one child."""
        root, level = self._root, self._level
        while root is not None and level:
            children = self._nodes.children(root.address, level)
            if len(children) > 1:
                break
            root, level = children[0], level - 1
        return Tree(self._nodes, root, level)

    def _rewritten(
        self, level: int, changes: Sequence[tuple[str, Part | None]], floor: _Floor[Part]
    ) -> list[tuple[str, Child | None]]:
        """Change things of one level: the nodes that are gone (None) and come, as changes of the level above.

        From the node of the first change on, nodes are split anew until one ends where one ended before.
        """
        assert self._root is not None
        row = _Row(self._nodes, self._root, self._level, level)
        gone: dict[str, Child] = {}
        made: list[Child] = []
        done = 0
        while done < len(changes):
            row.seek(changes[done][0])
            rest: list[Part] = []
            while True:
                old = row.node
                gone[old.last] = old
                end = len(changes) if row.is_last else bisect_right(changes, old.last, lo=done, key=lambda change: change[0])
                rest = rest + _merged(floor, floor.opened(old), changes[done:end])
                done = end
                parts, rest = _split(rest, [floor.key(part) for part in rest], level)
                made += map(floor.stored, parts)
                if not rest:
                    break
                if not row.advance():
                    made.append(floor.stored(rest))
                    break
        result: dict[str, Child | None] = dict.fromkeys(gone)
        for child in made:
            if gone.get(child.last) == child:
                del result[child.last]  # as it was
            else:
                result[child.last] = child
        return sorted(result.items())

    # comparing

    def changes_to(self, other: Tree) -> dict[str, Change]:
        """What would have to change to make this tree the other: path → change, by key."""
        with no_cycles():
            one, two = (Side(tree._nodes, tree._root, tree._level) for tree in (self, other))
            before, after = differing_entries(one, two)
            keys = [key for key, entry in before.items() if after.get(key) != entry]
            keys += [key for key in after if key not in before]
        found = {}
        for key in sorted(keys):
            old, new = before.get(key), after.get(key)
            if old is not None and new is not None and old.path != new.path:  # case alone
                found[old.path] = Change(old.path, old, None)
                found[new.path] = Change(new.path, None, new)
            elif old is None or new is None or not old.same_content(new):
                path = (old or new).path  # type: ignore[union-attr]  # one of them is there
                found[path] = Change(path, old, new)
        return found


def changes_of(tree: Tree, changes: Mapping[str, Entry | None]) -> Iterator[Change]:
    """Each change that shall be made to a tree, with what the tree has there, by key."""
    for path in sorted(changes, key=sort_key):
        yield Change(path, tree.get(path), changes[path])


class _Row:
    """The nodes of one level of a tree, from left to right, found by key."""

    def __init__(self, nodes: Nodes, root: Child, top: int, level: int) -> None:
        self._nodes = nodes
        self._root = root
        self._top = top
        self._level = level
        self._way: list[tuple[list[Child], int]] = []
        """At each level above, the children and which of them the way leads through."""

    def seek(self, key: str) -> None:
        """Stand at the node that has this key, or would have."""
        self._way = [([self._root], 0)]
        self._descend(key)

    def _descend(self, key: str) -> None:
        while len(self._way) <= self._top - self._level:
            children, at = self._way[-1]
            below = self._nodes.children(children[at].address, self._top - len(self._way) + 1)
            found = bisect_left(below, key, key=lambda child: child.last)
            self._way.append((below, min(found, len(below) - 1)))

    @property
    def node(self) -> Child:
        children, at = self._way[-1]
        return children[at]

    @property
    def is_last(self) -> bool:
        return all(at == len(children) - 1 for children, at in self._way)

    def advance(self) -> bool:
        """Go to the next node; False where this is the last."""
        if self.is_last:
            return False
        while self._way[-1][1] == len(self._way[-1][0]) - 1:
            self._way.pop()
        children, at = self._way.pop()
        self._way.append((children, at + 1))
        self._descend("")
        return True


class _Floor(ABC, Generic[Part]):
    """What a level of a tree is made of."""

    @abstractmethod
    def opened(self, node: Child) -> Sequence[Part]:
        """What a node of this level holds."""

    @abstractmethod
    def key(self, part: Part) -> str: ...

    @abstractmethod
    def stored(self, parts: Sequence[Part]) -> Child:
        """A new node of this level."""


class _Leaves(_Floor[Entry]):
    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def opened(self, node: Child) -> Sequence[Entry]:
        return self._nodes.leaf(node.address).entries

    def key(self, part: Entry) -> str:
        return sort_key(part.path)

    def stored(self, parts: Sequence[Entry]) -> Child:
        return _store_leaf(self._nodes, parts)


class _Inners(_Floor[Child]):
    def __init__(self, nodes: Nodes, level: int) -> None:
        self._nodes, self._level = nodes, level

    def opened(self, node: Child) -> Sequence[Child]:
        return self._nodes.children(node.address, self._level)

    def key(self, part: Child) -> str:
        return part.last

    def stored(self, parts: Sequence[Child]) -> Child:
        return _store_inner(self._nodes, self._level, parts)


def _merged(
    floor: _Floor[Part], parts: Sequence[Part], changes: Sequence[tuple[str, Part | None]]
) -> list[Part]:
    if not changes:
        return list(parts)
    held: dict[str, Part | None] = {floor.key(part): part for part in parts}
    held.update(changes)
    return [part for _, part in sorted(held.items(), key=lambda item: item[0]) if part is not None]


def _split(parts: list[Part], keys: Sequence[str], level: int) -> tuple[list[list[Part]], list[Part]]:
    """Whole nodes, and what is left behind the end of the last one."""
    hashed = short_hash()
    whole: list[list[Part]] = []
    start = weight = 0
    for index, key in enumerate(keys):
        raw = key.encode()
        weight += _BASE + len(raw)
        if weight >= _LEAST and (weight >= _MOST or hashed(raw, level) % _ONE_IN == 0):
            whole.append(parts[start : index + 1])
            start, weight = index + 1, 0
    return whole, parts[start:]


def _store_leaf(nodes: Nodes, entries: Sequence[Entry]) -> Child:
    return _child_of_leaf(nodes.store.put_node(encode_leaf(entries)), entries)


def _child_of_leaf(address: bytes, entries: Sequence[Entry]) -> Child:
    return Child(
        address,
        sort_key(entries[0].path),
        sort_key(entries[-1].path),
        len(entries),
        sum([entry.size for entry in entries if entry.kind is EntryKind.FILE]),
    )


def _store_inner(nodes: Nodes, level: int, children: Sequence[Child]) -> Child:
    return _child_of_inner(nodes.store.put_node(encode_inner(level, children)), children)


def _child_of_inner(address: bytes, children: Sequence[Child]) -> Child:
    return Child(
        address,
        children[0].first,
        children[-1].last,
        sum([child.entries for child in children]),
        sum([child.size for child in children]),
    )
