"""Comparing trees against comparing dictionaries, entry by entry; and what a comparison decodes."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.errors import Damaged
from film_archive.versioning.comparing import Side, differing_entries
from film_archive.versioning.entries import Entry, EntryKind, sort_key
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.nodes import Leaf, decode, decode_differing, encode_leaf
from film_archive.versioning.tree import Change, Tree
from tests.versioning.test_tree import Memory, frames

KINDS = st.sampled_from(["own", "borrowed", "elsewhere", "lent as another", "keyless", "folder", "link"])


def made(path: str, kind: str, number: int) -> Entry:
    """An entry of each sort that there is; of one number all that it says is one."""
    key = bytes([number % 3]) * 15 + b"k"
    match kind:
        case "folder":
            return Entry(path, EntryKind.FOLDER, mode=0o750 + number % 2)
        case "link":
            return Entry(path, EntryKind.SYMLINK, mtime_ns=number, more={"target": f"t{number % 3}"})
        case "own":
            return Entry(path, size=number, mtime_ns=number, mode=0o644, key=key, blake3=bytes([number % 4]) * 32)
        case "borrowed":
            return Entry(path, size=number, mtime_ns=number, mode=0o644, key=key, archive="one")
        case "elsewhere":
            return Entry(path, size=number, key=key, archive="two")
        case "lent as another":
            return Entry(path, size=number, key=key, archive="one", more={"member": f"m{number % 2}"})
    return Entry(path, size=number, archive="one", more={"digests": {"crc32": f"{number % 5:08x}"}})


NAMES = st.integers(0, 400).map("reel/clip.{:05}.exr".format) | st.text(alphabet="abÄß/é漢.~", min_size=1, max_size=8)
ENTRIES = st.dictionaries(NAMES, st.tuples(KINDS, st.integers(0, 7)), max_size=80)


def by_key(entries: dict[str, tuple[str, int]]) -> dict[str, Entry]:
    found = [made(path, kind, number) for path, (kind, number) in entries.items()]
    return {sort_key(one.path): one for one in found}


def slowly(before: dict[str, Entry], after: dict[str, Entry]) -> dict[str, Change]:
    """What `changes_to` has to come to: each key looked at."""
    found = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None and old.path != new.path:
            found[old.path] = Change(old.path, old, None)
            found[new.path] = Change(new.path, None, new)
        elif old is None or new is None or not old.same_content(new):
            path = (old or new).path  # type: ignore[union-attr]
            if old != new:
                found[path] = Change(path, old, new)
    return found


@settings(max_examples=150, deadline=None)
@given(filler=st.sampled_from([0, 40, 900]), kind=KINDS, one=ENTRIES, other=ENTRIES, kept=ENTRIES)
def test_a_comparison_is_that_of_each_entry(
    filler: int,
    kind: str,
    one: dict[str, tuple[str, int]],
    other: dict[str, tuple[str, int]],
    kept: dict[str, tuple[str, int]],
) -> None:
    many = {f"plates/{number:06}.exr": (kind, number % 7) for number in range(filler)}
    before, after = by_key({**many, **kept, **one}), by_key({**many, **kept, **other})
    nodes = Nodes(Memory())
    first, second = Tree.of(nodes, before.values()), Tree.of(nodes, after.values())
    assert first.changes_to(second) == slowly(before, after)
    assert second.changes_to(first) == slowly(after, before)
    assert first.changes_to(Tree.empty(nodes)) == slowly(before, {})
    assert Tree.empty(Nodes(Memory())).changes_to(second) == slowly({}, after)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(KINDS, st.integers(0, 3)), min_size=1, max_size=12), st.data())
def test_of_two_leaves_only_rows_that_both_have_are_left_out(rows: list[tuple[str, int]], data: st.DataObject) -> None:
    uniform = data.draw(st.booleans())
    entries = [made(f"f/{index:03}", rows[0][0] if uniform else kind, number) for index, (kind, number) in enumerate(rows)]
    changed = list(entries)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(changed) - 1))
        if data.draw(st.booleans()) and len(changed) > 1:
            del changed[at]
        else:
            changed[at] = made(changed[at].path, data.draw(KINDS), data.draw(st.integers(0, 3)))
    mine, theirs = decode_differing(encode_leaf(entries), encode_leaf(changed), "it")
    for leaf, whole, twin in ((mine, entries, changed), (theirs, changed, entries)):
        assert leaf.keys == [sort_key(one.path) for one in leaf.entries]
        assert [one for one in whole if one not in twin] == [one for one in leaf.entries if one not in twin]
        assert all(one in whole for one in leaf.entries)


def test_one_changed_row_is_what_is_decoded() -> None:
    nodes = Nodes(Memory())
    plain = [one._replace(blake3=None, archive="one", key=bytes([one.size % 256]) * 16) for one in frames(5000)]
    before = Tree.of(nodes, plain)
    path = plain[2500].path
    after = before.with_changes({path: plain[2500]._replace(key=b"other" * 3 + b"!")})
    one, other = (Side(Nodes(nodes.store), tree._root, tree._level) for tree in (before, after))
    old, new = differing_entries(one, other)
    assert [entry.path for entry in old.values()] == [entry.path for entry in new.values()] == [path]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_leaf_beside_a_whole_one_is_damaged_and_nothing_else(data: st.DataObject) -> None:
    good = encode_leaf(frames(40))
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(0, len(bad) - 1) | st.integers(0, 20))] = data.draw(st.integers(0, 255))
    cut = bytes(bad[: data.draw(st.integers(0, len(bad)) | st.just(len(bad)))])
    pair = data.draw(st.permutations([good, cut]))
    try:
        leaves = decode_differing(*pair, "it")
    except Damaged:
        return
    assert all(isinstance(leaf, Leaf) for leaf in (*leaves, decode(good, "it")))
