"""Nodes of a tree as bytes: leaves of entries, and inner nodes of children. docs/repository-format.md states both.

What is read may come from anywhere: each count is held against the bytes that back it, and what does not add up is
Damaged.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise, repeat
from typing import Any, NamedTuple, TypeVar

from film_archive.core.errors import Damaged
from film_archive.core.json_text import from_json, to_json
from film_archive.versioning.columns import OWN, Columns, alike_at_the_beginning, alike_at_the_end
from film_archive.versioning.entries import NOTHING, Entry, EntryKind, sort_key

Spread = TypeVar("Spread")

_NO_TIME = -(1 << 63)
_NO_MODE = 0xFFFF
_NO_KEY = bytes(16)
_BORROWED, _FOLDER, _LINK = range(1, 4)
_KINDS = (EntryKind.FILE, EntryKind.FILE, EntryKind.FOLDER, EntryKind.SYMLINK)
_CODES = {EntryKind.FOLDER: _FOLDER, EntryKind.SYMLINK: _LINK}
MOST_LEVELS = 40
"""A tree of a billion paths has 6; a damaged one must not lead in circles."""


class Child(NamedTuple):
    """A node as the one above names it."""

    address: bytes
    first: str
    """The key of its first entry."""
    last: str
    """The key of its last one."""
    entries: int
    size: int
    """Bytes of all files below."""


class Leaf(NamedTuple):
    """Entries, by key."""

    keys: list[str]
    entries: list[Entry]


class Inner(NamedTuple):
    """Children, by key; `level` is 1 above leaves."""

    level: int
    children: list[Child]


# Writing


def encode_leaf(entries: Sequence[Entry]) -> bytes:
    """A leaf of entries, of which there is at least one; they are sorted."""
    count = len(entries)
    paths, kinds, sizes, times, modes, keys, blobs, archives, mores = zip(*entries, strict=True)
    prefix = _common_beginning(min(paths), max(paths))
    cut = len(prefix)
    names = "\0".join([path[cut:] for path in paths]).encode() if cut else "\0".join(paths).encode()
    start = prefix.encode()
    files = EntryKind.FILE
    codes = bytes(
        [
            (OWN if archive is None else _BORROWED) if kind is files else _CODES[kind]
            for kind, archive in zip(kinds, archives, strict=True)
        ]
    )
    extra = _extra(archives, mores)
    return b"".join(
        (
            struct.pack("<BII", 0, count, len(start)),
            start,
            struct.pack("<I", len(names)),
            names,
            codes,
            struct.pack(f"<{count}Q", *sizes),
            struct.pack(f"<{count}q", *[_NO_TIME if time is None else time for time in times]),
            struct.pack(f"<{count}H", *[_NO_MODE if mode is None else mode & 0o7777 for mode in modes]),
            b"".join([_NO_KEY if key is None else key for key in keys]),
            b"".join([blob for blob, code in zip(blobs, codes, strict=True) if code == OWN]),
            struct.pack("<I", len(extra)),
            extra,
        )
    )


def _common_beginning(one: str, other: str) -> str:
    for at, sign in enumerate(one):
        if at >= len(other) or other[at] != sign:
            return one[:at]
    return one


def _extra(archives: Sequence[str | None], mores: Sequence[Any]) -> bytes:
    record: dict[str, Any] = {}
    known = list(dict.fromkeys(archive for archive in archives if archive is not None))
    if known:
        record["archives"] = known
        if len(known) > 1:
            places = {archive: number for number, archive in enumerate(known)}
            record["from"] = [places[archive] for archive in archives if archive is not None]
    if any(mores):
        record["more"] = {
            str(index): {name: more[name] for name in sorted(more)} for index, more in enumerate(mores) if more
        }
    return to_json(record)


def encode_inner(level: int, children: Sequence[Child]) -> bytes:
    """A node of children, of which there is at least one; they are sorted."""
    count = len(children)
    firsts = "\0".join([child.first for child in children]).encode()
    lasts = "\0".join([child.last for child in children]).encode()
    return b"".join(
        (
            struct.pack("<BII", level, count, len(firsts)),
            firsts,
            struct.pack("<I", len(lasts)),
            lasts,
            b"".join([child.address for child in children]),
            struct.pack(f"<{count}Q", *[child.entries for child in children]),
            struct.pack(f"<{count}Q", *[child.size for child in children]),
        )
    )


# Reading


class _Reader:
    """Takes fields off bytes, never more than there are."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._at = 0
        self._name = name

    def damaged(self, why: object) -> Damaged:
        return Damaged(f"{self._name} of a tree can't be read ({why}); restore the repository's database from a copy.")

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._data):
            raise self.damaged("it is cut short")
        found = self._data[self._at : end]
        self._at = end
        return found

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def block(self) -> bytes:
        return self.take(self.number())

    def numbers(self, code: str, count: int, width: int) -> tuple[int, ...]:
        return struct.unpack(f"<{count}{code}", self.take(count * width))

    def texts(self, block: bytes, count: int, prefix: str = "") -> list[str]:
        rest = block.decode().split("\0")
        if len(rest) != count:
            raise self.damaged(f"it has {len(rest)} names for {count} entries")
        return [prefix + name for name in rest] if prefix else rest

    def end(self) -> None:
        if self._at != len(self._data):
            raise self.damaged("something is behind its end")


def decode(data: bytes, name: str) -> Leaf | Inner:
    """A node; `name` is how errors call it. Raises Damaged."""
    reader = _Reader(data, name)
    try:
        level = reader.take(1)[0]
        node = _leaf(reader) if level == 0 else _inner(reader, level)
        reader.end()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise reader.damaged(error) from error
    return node


def _columns(reader: _Reader) -> Columns:
    count = reader.number()
    prefix = reader.block().decode()
    names = reader.block()
    codes = reader.take(count)
    return Columns(
        count,
        prefix,
        names,
        codes,
        reader.take(8 * count),
        reader.take(8 * count),
        reader.take(2 * count),
        reader.take(16 * count),
        reader.take(32 * codes.count(OWN)),
        reader.block(),
    )


def _leaf(reader: _Reader) -> Leaf:
    return _rows(_columns(reader), reader)


def _rows(read: Columns, reader: _Reader) -> Leaf:
    if not read.rows:
        return Leaf([], [])
    count, prefix, codes, keys, blobs = read.rows, read.prefix, read.codes, read.keys, read.blobs
    paths = reader.texts(read.names, count, prefix)
    sizes = struct.unpack(f"<{count}Q", read.sizes)
    times = struct.unpack(f"<{count}q", read.times)
    modes = struct.unpack(f"<{count}H", read.modes)
    extra = from_json(read.extra)
    archives: list[str] = extra.get("archives", [])
    origin: list[int] | None = extra.get("from")
    borrowed = codes.count(_BORROWED)
    if origin is not None and len(origin) != borrowed:
        raise ValueError("it does not say where all borrowed bytes are")
    more: dict[str, Any] = extra.get("more", {})
    if not all(isinstance(archive, str) for archive in archives) or not all(isinstance(value, dict) for value in more.values()):
        raise ValueError("what it says beside its columns is something else")
    said: Iterable[Any] = [more.get(str(index), NOTHING) for index in range(count)] if more else repeat(NOTHING)
    digests: Iterable[bytes | None] = [keys[at : at + 16] for at in range(0, 16 * count, 16)]
    if _NO_KEY in digests:
        digests = [None if key == _NO_KEY else key for key in digests]
    columns = zip(
        paths,
        [_KINDS[code] for code in codes],
        sizes,
        times if _NO_TIME not in times else [None if time == _NO_TIME else time for time in times],
        modes if _NO_MODE not in modes else [None if mode == _NO_MODE else mode for mode in modes],
        digests,
        _spread(codes, OWN, [blobs[at : at + 32] for at in range(0, len(blobs), 32)]),
        _spread(codes, _BORROWED, _origins(archives, origin, borrowed)),
        said,
        strict=False,
    )
    entries = list(map(_NEW, columns))
    return Leaf([path.lower() for path in paths] if _are_ascii(prefix, read.names) else list(map(sort_key, paths)), entries)


_NEW: Callable[[Iterable[object]], Entry] = partial(tuple.__new__, Entry)
"""Fifty entries a leaf, a thousand leaves a comparison: a constructor's arguments would cost more than all the rest."""


def _origins(archives: list[str], origin: list[int] | None, count: int) -> list[str]:
    """The archive of each borrowed file."""
    if count == 0:
        return []
    return [archives[0]] * count if origin is None else [archives[number] for number in origin]


def _spread(codes: bytes, code: int, values: Sequence[Spread]) -> Iterable[Spread | None]:
    """Values of the entries of one kind, with None for the others."""
    if len(values) == len(codes):
        return values
    left = iter(values)
    return [next(left) if one == code else None for one in codes] if values else repeat(None)


def _are_ascii(prefix: str, names: bytes) -> bool:
    return prefix.isascii() and names.isascii()


def _inner(reader: _Reader, level: int) -> Inner:
    if level > MOST_LEVELS:
        raise ValueError(f"no tree has {level} levels")
    count = reader.number()
    firsts = reader.texts(reader.block(), count)
    lasts = reader.texts(reader.block(), count)
    addresses = reader.take(32 * count)
    entries = reader.numbers("Q", count, 8)
    sizes = reader.numbers("Q", count, 8)
    return Inner(
        level,
        [
            Child(addresses[32 * index : 32 * index + 32], firsts[index], lasts[index], entries[index], sizes[index])
            for index in range(count)
        ],
    )


def decode_differing(one: bytes, other: bytes, name: str) -> tuple[Leaf, Leaf]:
    """Of two leaves the rows between those with which both begin and those with which both end; raises Damaged.

    What is left of both is the same as of both whole leaves, but for rows that both have.
    """
    reader, second = _Reader(one, name), _Reader(other, name)
    try:
        if reader.take(1)[0] or second.take(1)[0]:
            raise ValueError("it is no leaf")
        mine, theirs = _columns(reader), _columns(second)
        start = end = 0
        if mine.prefix == theirs.prefix and mine.extra == theirs.extra and not _says_of_rows(mine.extra):
            start = alike_at_the_beginning(mine, theirs)
            end = min(alike_at_the_end(mine, theirs), mine.rows - start, theirs.rows - start)
        leaves = tuple(
            _rows(columns.between(start, columns.rows - end), at) if start or end else _rows(columns, at)
            for columns, at in ((mine, reader), (theirs, second))
        )
        reader.end()
        second.end()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise reader.damaged(error) from error
    return leaves[0], leaves[1]


def _says_of_rows(extra: bytes) -> bool:
    """Whether what stands beside the columns could be about rows by their number."""
    return b'"from"' in extra or b'"more"' in extra


def node_problem(node: Leaf | Inner) -> str | None:
    """What is wrong with a node that can be read: keys out of order, a name that no path may have."""
    keys = node.keys if isinstance(node, Leaf) else [key for child in node.children for key in (child.first, child.last)]
    strictly = isinstance(node, Leaf)
    for one, other in pairwise(keys):
        if one > other or (strictly and one == other):
            return f"{other[:80]!r} stands behind {one[:80]!r}"
    return None
