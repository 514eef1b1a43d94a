"""The files of an image sequence, as one packed table: number, size, digest, time and place in the archive."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from film_archive.core.columns import ColumnReader, Longs, pack
from film_archive.core.errors import Damaged

_COLUMNS = 6
_DIGEST = 16
_LIMIT = 20_000_000
_MOST_DIGITS = 255


@dataclass(frozen=True, slots=True)
class FrameFile:
    """One file of a sequence. `offset` is None where the archive is a folder."""

    number: int
    size: int
    offset: int | None
    crc32: int
    xxh128: str
    mtime_ns: int
    mode: int


@dataclass(frozen=True, slots=True)
class SequenceName:
    """How the files of a sequence are called: prefix, number with at least `digits` digits, suffix."""

    prefix: str
    digits: int
    suffix: str
    negative_digits: int | None = None
    """The least number of digits behind a minus, where that is not the same (C's `%04d` writes -005)."""

    @property
    def pattern(self) -> str:
        """In printf's form, for people and as the member path."""
        return f"{self.prefix}%0{self.digits}d{self.suffix}"

    def ranged(self, first: int, last: int) -> str:
        """The same with the range in front of the number: for a further sequence that is called as another one is."""
        return f"{self.prefix}{first}-{last}%0{self.digits}d{self.suffix}"

    def path(self, number: int) -> str:
        if number < 0:
            digits = self.digits if self.negative_digits is None else self.negative_digits
            return f"{self.prefix}-{-number:0{digits}d}{self.suffix}"
        return f"{self.prefix}{number:0{self.digits}d}{self.suffix}"

    def number(self, path: str) -> int | None:
        """The number in a frame's path; None where it is not of this sequence."""
        if not (path.startswith(self.prefix) and path.endswith(self.suffix)):
            return None
        text = path[len(self.prefix) : len(path) - len(self.suffix)]
        digits = text.removeprefix("-")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 18:  # no frame number has more
            return None
        return int(text) if self.path(int(text)) == path else None

    def to_json(self) -> dict[str, Any]:
        more = {} if self.negative_digits is None else {"negative_digits": self.negative_digits}
        return {"prefix": self.prefix, "digits": self.digits, "suffix": self.suffix, **more}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SequenceName:
        below = data.get("negative_digits")
        negative = None if below is None else _digits(below)
        return cls(str(data["prefix"]), _digits(data["digits"]), str(data["suffix"]), negative)


def _digits(value: Any) -> int:
    digits = int(value)
    if not 0 <= digits <= _MOST_DIGITS:
        raise ValueError(f"no file's name has a number of {digits} digits")
    return digits


@dataclass(frozen=True, eq=False)
class FrameTable:
    """All files of a sequence, by number."""

    numbers: Longs
    sizes: Longs
    offsets: Longs
    """−1 throughout in a folder archive."""
    crcs: Longs
    times: Longs
    modes: Longs
    digests: bytes
    """XXH3-128 of each, 16 bytes one behind the other."""

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of(cls, frames: Sequence[FrameFile]) -> FrameTable:
        def column(values: Iterator[int]) -> Longs:
            return np.fromiter(values, np.int64, len(frames))

        return cls(
            column(frame.number for frame in frames),
            column(frame.size for frame in frames),
            column(-1 if frame.offset is None else frame.offset for frame in frames),
            column(frame.crc32 for frame in frames),
            column(frame.mtime_ns for frame in frames),
            column(frame.mode for frame in frames),
            b"".join(bytes.fromhex(frame.xxh128) for frame in frames),
        )

    def frame(self, index: int) -> FrameFile:
        """The file at a place in the table."""
        offset = int(self.offsets[index])
        return FrameFile(
            int(self.numbers[index]),
            int(self.sizes[index]),
            None if offset < 0 else offset,
            int(self.crcs[index]),
            self.digests[index * _DIGEST : (index + 1) * _DIGEST].hex(),
            int(self.times[index]),
            int(self.modes[index]),
        )

    def find(self, number: int) -> FrameFile | None:
        index = int(np.searchsorted(self.numbers, number))
        return self.frame(index) if index < len(self) and int(self.numbers[index]) == number else None

    def __iter__(self) -> Iterator[FrameFile]:
        return (self.frame(index) for index in range(len(self)))

    def to_text(self) -> str:
        """As a string for a line of JSON."""
        columns = (self.numbers, self.sizes, self.offsets, self.crcs, self.times, self.modes)
        body = b"".join(pack(np.diff(column, prepend=0)) for column in columns) + self.digests
        return base64.b85encode(zlib.compress(body, 6)).decode("ascii")

    @classmethod
    def from_text(cls, text: str, count: int) -> FrameTable:
        """Read what `to_text` wrote; raises Damaged where it is not a table of `count` frames."""
        if not 0 <= count <= _LIMIT:
            raise Damaged(f"A sequence of {count} frames is not possible.")
        expected = count * (8 * _COLUMNS + _DIGEST)
        try:
            body = zlib.decompressobj().decompress(base64.b85decode(text), expected + 1)
        except (ValueError, zlib.error) as error:
            raise Damaged(f"A sequence's table of frames can't be read ({error}).") from error
        if len(body) != expected:
            raise Damaged("A sequence's table of frames is cut short or too long.")
        reader = ColumnReader(body)
        numbers, sizes, offsets, crcs, times, modes = (np.cumsum(reader.take(count)) for _ in range(_COLUMNS))
        return cls(numbers, sizes, offsets, crcs, times, modes, reader.take_bytes(count * _DIGEST))
