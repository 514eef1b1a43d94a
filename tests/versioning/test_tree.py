"""Trees against a dictionary: the same map makes the same nodes, changes and comparisons cost what they change."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.digest import blake3_of
from film_archive.core.errors import Damaged
from film_archive.versioning.entries import Entry, EntryKind, sort_key
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.nodes import Inner, decode, encode_leaf, node_problem
from film_archive.versioning.tree import Tree


class Memory:
    """Nodes in a dictionary; counts what is written and read."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, bytes] = {}
        self.reads = 0

    def put_node(self, data: bytes) -> bytes:
        address = blake3_of(data)
        self.nodes[address] = data
        return address

    def get_node(self, address: bytes) -> bytes:
        self.reads += 1
        return self.nodes[address]

    def get_nodes(self, addresses: Sequence[bytes]) -> dict[bytes, bytes]:
        return {address: self.get_node(address) for address in addresses}


def entry(path: str, number: int = 0) -> Entry:
    key = (number + 1).to_bytes(16, "big")
    return Entry(path, size=number, mtime_ns=number, mode=0o644, key=key, blake3=bytes([number % 256]) * 32)


def frames(count: int, folder: str = "plates/sh010") -> list[Entry]:
    return [entry(f"{folder}/sh010_comp_v001.{number:07}.exr", number) for number in range(count)]


NAMES = st.one_of(
    st.integers(0, 3000).map("reel/clip.{:05}.exr".format),
    st.text(alphabet="abÄß/é漢.~", min_size=1, max_size=12).filter(lambda name: "\0" not in name),
    st.integers(0, 50).map(lambda number: "long/" + "n" * 240 + str(number)),
)


@settings(max_examples=40, deadline=None)
@given(
    start=st.integers(0, 3000),
    steps=st.lists(st.dictionaries(NAMES, st.none() | st.integers(0, 9), max_size=60), max_size=5),
)
def test_a_changed_tree_is_the_one_that_is_built_anew(start: int, steps: list[dict[str, int | None]]) -> None:
    nodes = Nodes(Memory())
    held = {sort_key(one.path): one for one in frames(start, "reel")}
    tree = Tree.of(nodes, held.values())
    for step in steps:
        before, old = dict(held), tree
        changes = {}
        for path, number in step.items():
            here = held.get(sort_key(path))
            if number is None:
                if here is not None:
                    changes[here.path] = None
                    del held[sort_key(path)]
            elif here is None or here.path == path:
                changes[path] = held[sort_key(path)] = entry(path, number)
        tree = tree.with_changes(changes)
        assert tree.address == Tree.of(nodes, held.values()).address
        assert list(tree) == [held[key] for key in sorted(held)]
        assert (len(tree), tree.size) == (len(held), sum(one.size for one in held.values()))
        different = {key for key in before.keys() | held.keys() if before.get(key) != held.get(key)}
        assert {sort_key(path) for path in old.changes_to(tree)} == different
        assert Tree.load(nodes, tree.address).get("reel/clip.00007.exr") == held.get("reel/clip.00007.exr")


@pytest.mark.parametrize("count", [0, 1, 60, 5000, 40_000])
def test_what_was_stored_is_read_again(count: int) -> None:
    nodes = Nodes(Memory())
    made = Tree.of(nodes, frames(count))
    tree = Tree.load(nodes, made.address)
    assert len(tree) == count
    assert [one.size for one in tree.between("", None)] == list(range(count))
    assert len(list(tree.below("plates/SH010"))) == count
    assert list(tree.below("plates/sh01")) == []
    assert Tree.empty(nodes).changes_to(tree).keys() == {one.path for one in tree}
    assert tree.with_changes({one.path: None for one in frames(count)}).address == ""


def test_nodes_have_4_to_16_kib_whatever_the_folders_are() -> None:
    store = Memory()
    Tree.of(Nodes(store), frames(50_000))
    sizes = sorted(map(len, store.nodes.values()))
    assert sizes[-1] <= 20_000
    assert sizes[len(sizes) // 2] >= 4096


def test_a_change_writes_a_node_a_level_and_a_comparison_reads_two() -> None:
    store = Memory()
    tree = Tree.of(Nodes(store), frames(50_000))
    written = len(store.nodes)
    new = entry("plates/sh010/new.exr")
    changed = tree.with_changes({"plates/sh010/sh010_comp_v001.0025000.exr": None, new.path: new})
    assert len(store.nodes) - written <= 8
    store.reads = 0
    nodes = Nodes(store)
    found = Tree.load(nodes, tree.address).changes_to(Tree.load(nodes, changed.address))
    assert list(found) == ["plates/sh010/new.exr", "plates/sh010/sh010_comp_v001.0025000.exr"]
    assert store.reads <= 16


def test_entries_keep_all_that_they_say() -> None:
    entries = [
        Entry("a", EntryKind.FOLDER, mode=0o755),
        Entry("a/b.mov", size=7, mtime_ns=-1, key=b"k" * 16, archive="one", more={"member": "x/b.mov"}),
        Entry("a/c.mov", size=1 << 40, archive="two", more={"digests": {"crc32": "01020304"}}),
        Entry("a/d%ff", size=0, blake3=b"b" * 32, more={"raw_name": "642fff"}),
        Entry("a/é", EntryKind.SYMLINK, more={"target": "b.mov"}),
    ]
    node = decode(encode_leaf(entries), "it")
    assert node[1] == entries
    assert node_problem(node) is None
    borrowed = entries[1].borrowed
    assert borrowed is not None
    assert borrowed == ("one", "x/b.mov")
    assert entries[1].at("x/b.mov").more == {}
    assert entries[2].at("z").borrowed == ("two", "a/c.mov")


def test_paths_alike_are_found_by_their_key() -> None:
    tree = Tree.of(Nodes(Memory()), [entry("Footage/Ä.mov"), entry("b")])
    found = tree.alike("footage/A\u0308.MOV")
    assert found is not None
    assert found.path == "Footage/Ä.mov"
    assert tree.get("footage/ä.mov") is None
    changed = tree.with_changes({"Footage/Ä.mov": None, "footage/ä.mov": entry("footage/ä.mov")})
    assert [one.path for one in changed] == ["b", "footage/ä.mov"]
    assert {path: (change.before is None, change.after is None) for path, change in tree.changes_to(changed).items()} == {
        "Footage/Ä.mov": (False, True),
        "footage/ä.mov": (True, False),
    }


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_node_is_damaged_and_nothing_else(data: st.DataObject) -> None:
    store = Memory()
    Tree.of(Nodes(store), frames(200))
    good = data.draw(st.sampled_from(sorted(store.nodes.values())))
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1) | st.integers(0, 12))] = data.draw(st.integers(0, 255))
    cut = bytes(bad[: data.draw(st.integers(0, len(bad)) | st.just(len(bad)))])
    try:
        node = decode(cut, "it")
    except Damaged:
        return
    assert isinstance(node, tuple)


def test_a_node_that_claims_more_than_it_has_is_damaged() -> None:
    counts = [(0, 1 << 31, 0), (200, 0, 0), (1, 5, 1 << 31)]
    for data in (b"", b"\0", *(struct.pack("<BII", *count) for count in counts)):
        with pytest.raises(Damaged):
            decode(data, "it")


def test_a_tree_that_leads_in_circles_is_damaged() -> None:
    store = Memory()
    tree = Tree.of(Nodes(store), frames(500))
    root = bytes.fromhex(tree.address)
    node = decode(store.nodes[root], "it")
    assert isinstance(node, Inner)
    store.nodes[node.children[0].address] = store.nodes[root]
    with pytest.raises(Damaged, match="wrong place"):
        list(Tree.load(Nodes(store), tree.address))
