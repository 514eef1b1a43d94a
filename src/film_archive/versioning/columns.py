"""A leaf's columns as they are stored, and how far two leaves are alike: what need not be decoded to compare them."""

from __future__ import annotations

from typing import NamedTuple

OWN = 0
"""The code of a row whose bytes are a blob."""


class Columns(NamedTuple):
    """A leaf as its bytes have it: a column a field, of so many rows."""

    rows: int
    prefix: str
    names: bytes
    codes: bytes
    sizes: bytes
    times: bytes
    modes: bytes
    keys: bytes
    blobs: bytes
    """Of the rows that are `OWN` only."""
    extra: bytes

    def between(self, start: int, end: int) -> Columns:
        """Some of the rows, in a leaf whose `extra` says nothing of single rows."""
        first, last = self.codes[:start].count(OWN), self.codes[:end].count(OWN)
        return Columns(
            end - start,
            self.prefix,
            b"\0".join(self.names.split(b"\0")[start:end]),
            self.codes[start:end],
            self.sizes[8 * start : 8 * end],
            self.times[8 * start : 8 * end],
            self.modes[2 * start : 2 * end],
            self.keys[16 * start : 16 * end],
            self.blobs[32 * first : 32 * last],
            self.extra,
        )


def _even(one: Columns, other: Columns) -> tuple[tuple[bytes, bytes, int], ...]:
    """The columns that have a value of so many bytes for every row."""
    return (
        (one.codes, other.codes, 1),
        (one.sizes, other.sizes, 8),
        (one.times, other.times, 8),
        (one.modes, other.modes, 2),
        (one.keys, other.keys, 16),
    )


def alike_at_the_beginning(one: Columns, other: Columns) -> int:
    """With how many equal rows both begin, where they have one prefix and one `extra`."""
    count = min(_same_beginning(left, right) // width for left, right, width in _even(one, other))
    if one.names != other.names:
        count = min(count, one.names.count(b"\0", 0, _same_beginning(one.names, other.names)))
    blobs = _same_beginning(one.blobs, other.blobs) // 32
    while one.codes.count(OWN, 0, count) > blobs:
        count = one.codes.rfind(OWN, 0, count)
    return count


def alike_at_the_end(one: Columns, other: Columns) -> int:
    """With how many equal rows both end, where they have one prefix and one `extra`."""
    count = min(_same_end(left, right) // width for left, right, width in _even(one, other))
    if one.names != other.names:
        count = min(count, one.names.count(b"\0", len(one.names) - _same_end(one.names, other.names)))
    blobs = _same_end(one.blobs, other.blobs) // 32
    while one.codes.count(OWN, one.rows - count) > blobs:
        count = one.rows - one.codes.find(OWN, one.rows - count) - 1
    return count


def _same_beginning(one: bytes, other: bytes) -> int:
    """With how many equal bytes both begin."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    different = int.from_bytes(one[:most], "little") ^ int.from_bytes(other[:most], "little")
    return ((different & -different).bit_length() - 1) // 8


def _same_end(one: bytes, other: bytes) -> int:
    """With how many equal bytes both end."""
    most = min(len(one), len(other))
    one, other = one[len(one) - most :], other[len(other) - most :]
    if one == other:
        return most
    different = int.from_bytes(one, "big") ^ int.from_bytes(other, "big")
    return ((different & -different).bit_length() - 1) // 8
