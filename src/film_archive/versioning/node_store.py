"""Nodes by their address: where they are kept, and those that were decoded last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Protocol

from film_archive.core.errors import Damaged
from film_archive.versioning.nodes import Child, Inner, Leaf, decode

_CACHED = 512


class NodeStore(Protocol):
    """Where nodes are kept."""

    def put_node(self, data: bytes) -> bytes:
        """Keep a node; returns its address. It may be written later, but before anything that refers to it."""

    def get_node(self, address: bytes) -> bytes:
        """A node's bytes, proven; raises Damaged."""

    def get_nodes(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        """The same of many, asked for together."""


class Nodes:
    """Nodes of a store, decoded, the last ones held."""

    def __init__(self, store: NodeStore) -> None:
        self.store = store
        self._held: OrderedDict[bytes, Leaf | Inner] = OrderedDict()

    def get(self, address: bytes) -> Leaf | Inner:
        found = self._held.get(address)
        if found is None:
            found = decode(self.store.get_node(address), f"The node {address.hex()[:16]}")
            self._held[address] = found
            while len(self._held) > _CACHED:
                try:
                    self._held.popitem(last=False)
                except KeyError:  # another thread was as quick
                    break
        return found

    def leaf(self, address: bytes) -> Leaf:
        node = self.get(address)
        if not isinstance(node, Leaf):
            raise misplaced(address)
        return node

    def children(self, address: bytes, level: int) -> list[Child]:
        node = self.get(address)
        if not isinstance(node, Inner) or node.level != level:
            raise misplaced(address)
        return node.children

    def all_children(self, addresses: Iterable[bytes], level: int) -> list[Child]:
        """The children of many nodes of a level, in their order."""
        wanted = list(addresses)
        missing = [address for address in wanted if address not in self._held]
        if len(missing) < 2:
            return [child for address in wanted for child in self.children(address, level)]
        found = self.store.get_nodes(missing)
        children: list[Child] = []
        for address in wanted:
            data = found.get(address)
            node = self.get(address) if data is None else decode(data, f"The node {address.hex()[:16]}")
            if not isinstance(node, Inner) or node.level != level:
                raise misplaced(address)
            children += node.children
        return children


def misplaced(address: bytes) -> Damaged:
    return Damaged(
        f"The node {address.hex()[:16]} of a tree is in the wrong place; restore the repository's database from a copy."
    )
