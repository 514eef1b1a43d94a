"""Changing bytes the way damage and malice do: the same changes for the same dice."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_HEAD = 4096
_TAIL = 1024
_LONGEST = 1 << 20
"""A sample never grows beyond its own size and this."""
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def mutate(data: bytes, dice: random.Random, others: Sequence[bytes] = ()) -> bytes:
    """The bytes with one to six changes; `others` are what pieces may be taken from."""
    changed = bytearray(data)
    most = len(data) + _LONGEST
    for _ in range(dice.choice((1, 1, 1, 2, 3, 6))):
        dice.choice(_CHANGES)(changed, dice, others)
        del changed[most:]
    return bytes(changed)


def _place(data: bytearray, dice: random.Random) -> int:
    """Somewhere; mostly where structure is, at the beginning or the end."""
    where = dice.random()
    if where < 0.45:
        return dice.randrange(min(len(data), _HEAD) + 1)
    if where < 0.65:
        return max(0, len(data) - dice.randrange(_TAIL))
    return dice.randrange(len(data) + 1)


def _length(dice: random.Random) -> int:
    return dice.choice((1, 2, 4, 8, dice.randrange(1, 64), dice.randrange(1, 4096)))


def _flip(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    at = _place(data, dice)
    data[at : at + 1] = bytes(byte ^ 1 << dice.randrange(8) for byte in data[at : at + 1])


def _set(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    at, length = _place(data, dice), min(_length(dice), 16)
    data[at : at + length] = dice.randbytes(len(data[at : at + length]))


def _truncate(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    del data[_place(data, dice) :]


def _cut_out(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    at = _place(data, dice)
    del data[at : at + _length(dice)]


def _double(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    at = _place(data, dice)
    data[at:at] = bytes(data[at : at + _length(dice)]) * dice.choice((1, 1, 2, 50))


def _move(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    at, length = _place(data, dice), _length(dice)
    piece = bytes(data[at : at + length])
    del data[at : at + length]
    to = _place(data, dice)
    data[to:to] = piece


def _overwrite(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    """A piece of it, or of another sample, over other bytes."""
    other = dice.choice(others) if others and dice.random() < 0.5 else bytes(data)
    start, at, length = dice.randrange(len(other) + 1), _place(data, dice), _length(dice)
    piece = other[start : start + length]
    data[at : at + len(piece)] = piece


def _splice(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    """The beginning of one and the end of another."""
    other = dice.choice(others) if others else bytes(data)
    data[_place(data, dice) :] = other[dice.randrange(len(other) + 1) :]


def _run(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    at = _place(data, dice)
    there = data[at : at + _length(dice)]
    data[at : at + len(there)] = dice.choice((b"\0", b"\xff")) * len(there)


def _number(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    """What may be a length or a count: other by a little, by much, or a number that is an edge somewhere."""
    width = dice.choice((1, 2, 4, 4, 8))
    at = _place(data, dice)
    field = bytes(data[at : at + width])
    order = dice.choice(("little", "big"))
    value = int.from_bytes(field, order)  # type: ignore[arg-type]  # one of the two
    kind = dice.randrange(4)
    if kind == 0:
        value += dice.choice((-1, 1, -4, 4, 8, 100))
    elif kind == 1:
        value *= dice.choice((2, 10, 1000, 1 << 16))
    elif kind == 2:
        value = dice.choice(_NUMBERS)
    else:
        value = len(data) + dice.randrange(-20, 20)
    data[at : at + width] = (value % (1 << 8 * len(field))).to_bytes(len(field), order)  # type: ignore[arg-type]


def _digits(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> None:
    """A number that is written out, in text."""
    places = [at for at in range(len(data)) if 0x30 <= data[at] <= 0x39] if len(data) < 1 << 16 else []
    if places:
        at = dice.choice(places)
        data[at : at + 1] = dice.choice((b"0", b"9", b"-", b"99999999999", b"1e999", b".5", b"", b'"', b"null", b"[]", b"{}"))


_CHANGES: tuple[Callable[[bytearray, random.Random, Sequence[bytes]], None], ...] = (
    *(_flip, _set, _truncate, _cut_out, _double, _move, _overwrite, _splice, _run, _number, _number, _digits),
)
