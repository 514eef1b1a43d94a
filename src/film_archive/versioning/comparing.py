"""Comparing two trees: the entries that one has and the other has not. What both have is passed over.

Nodes of a level are asked for together. Two leaves that stand at the same place are held against each other as they
are stored: of a leaf in which one frame of a hundred was replaced, one row is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from film_archive.versioning.entries import Entry
from film_archive.versioning.node_store import Nodes, misplaced
from film_archive.versioning.nodes import Child, Leaf, decode, decode_differing

_TOGETHER = 2000
"""So many pairs of leaves are held at once."""


class Side(NamedTuple):
    """One of two trees: its nodes, its root and the root's level."""

    nodes: Nodes
    root: Child | None
    level: int

    def row(self) -> dict[bytes, Child]:
        """The root, by its address, if there is one."""
        return {} if self.root is None else {self.root.address: self.root}


def differing_entries(one: Side, other: Side) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Key → entry on each side: all that the other does not have, and maybe some that both have."""
    mine, theirs = _differing_leaves(one, other)
    before: dict[str, Entry] = {}
    after: dict[str, Entry] = {}
    pairs = list(_paired(mine, theirs))
    for start in range(0, len(pairs), _TOGETHER):
        batch = pairs[start : start + _TOGETHER]
        found = one.nodes.store.get_nodes([left.address for left, _ in batch if left is not None])
        found |= other.nodes.store.get_nodes([right.address for _, right in batch if right is not None])
        for left, right in batch:
            if left is not None and right is not None:
                leaves = decode_differing(found[left.address], found[right.address], f"The node {left.address.hex()[:16]}")
                _put(before, leaves[0])
                _put(after, leaves[1])
            elif left is not None:
                _put(before, _leaf(found, left))
            elif right is not None:
                _put(after, _leaf(found, right))
    return before, after


def _put(entries: dict[str, Entry], leaf: Leaf) -> None:
    entries.update(zip(leaf.keys, leaf.entries, strict=True))


def _leaf(found: Mapping[bytes, bytes], child: Child) -> Leaf:
    node = decode(found[child.address], f"The node {child.address.hex()[:16]}")
    if not isinstance(node, Leaf):
        raise misplaced(child.address)
    return node


def _differing_leaves(one: Side, other: Side) -> tuple[list[Child], list[Child]]:
    """The leaves that only one of the two has, by key."""
    mine, theirs = one.row(), other.row()
    level = max(one.level, other.level)
    while True:
        left = mine if one.level >= level else {}
        right = theirs if other.level >= level else {}
        for address in left.keys() & right.keys():
            del left[address], right[address]
        if level == 0:
            return list(mine.values()), list(theirs.values())
        if one.level >= level:
            mine = {child.address: child for child in one.nodes.all_children(mine, level)}
        if other.level >= level:
            theirs = {child.address: child for child in other.nodes.all_children(theirs, level)}
        level -= 1


def _paired(mine: Sequence[Child], theirs: Sequence[Child]) -> Iterator[tuple[Child | None, Child | None]]:
    """Leaves that end, or else begin, with the same key stand at the same place; the others are alone."""
    by_last = {child.last: child for child in theirs}
    by_first = {child.first: child for child in theirs}
    taken = set()
    for child in mine:
        near = (by_last.get(child.last), by_first.get(child.first))
        twin = next((there for there in near if there is not None and there.address not in taken), None)
        if twin is not None:
            taken.add(twin.address)
        yield child, twin
    for child in theirs:
        if child.address not in taken:
            yield None, child
