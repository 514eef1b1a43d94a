"""Volumes: how much fits on a disc, and packing folders so that they stay whole where they fit.

A BD-R holds 2048-byte sectors; a UDF file takes a sector for its entry, room in its folder, and its data rounded up. Drives
that keep spare sectors for defects have less than the nominal size, so 96 % of it is filled unless all is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from film_archive.core.errors import UsageError

SIZES: Mapping[str, int] = {
    "bd25": 25_025_314_816,
    "bd50": 50_050_629_632,
    "bd100": 100_103_356_416,
    "bd128": 128_001_769_472,
}
"""Nominal bytes of BD-R SL, DL, XL TL and XL QL."""
SECTOR = 2048
_PER_FILE = 2 * SECTOR
_PER_LINE = 512
"""Bytes of a file's lines in the index and in the checksums, at most of its path's length more."""
_FILL_PERCENT = 96
_OVERHEAD = 8 << 20
"""The file system's own, and the index' and checksums' entries."""


@dataclass(frozen=True, slots=True)
class Packable:
    """Files that go onto one volume together: a folder, or what is directly in it, or a clip."""

    path: str
    """Its path, by which what is in date order is ordered."""
    size: int
    """Bytes that it takes on a volume."""
    files: tuple[str, ...]


def capacity(name: str, *, full: bool = False) -> int:
    """How many bytes are filled of a volume: a name of `SIZES`, or a number of bytes, which is taken as it is."""
    if name.lower() in SIZES:
        size = SIZES[name.lower()]
        return size if full else size * _FILL_PERCENT // 100
    if not (name.isascii() and name.isdigit() and int(name) > 0):
        raise UsageError(f"{name!r} is no volume; name one of {', '.join(SIZES)}, or its bytes.")
    return int(name)


def room(size: int, path: str) -> int:
    """Bytes that a file takes on a volume."""
    return -(-size // SECTOR) * SECTOR + _PER_FILE + _PER_LINE + 2 * len(path)


def usable(total: int, image: int = 0) -> int:
    """What a volume of so many bytes has for files; a small one's overhead is smaller.

    `image` are the bytes that an image of it needs beside. Raises UsageError where nothing is left.
    """
    left = total - max(min(_OVERHEAD, total // 50), image)
    if left <= 0:
        raise UsageError(f"A volume of {total} bytes has no room for a file; name a larger one.")
    return left


def first_fit_decreasing(items: Iterable[Packable], size: int) -> list[list[Packable]]:
    """The largest first, each where it fits first: within 11/9 of the fewest volumes, and 6/9 more (Dósa, 2007)."""
    return _fit(sorted(items, key=lambda item: (-item.size, item.path)), size, only_last=False)


def in_order(items: Iterable[Packable], size: int) -> list[list[Packable]]:
    """In the order of their paths, each onto the last volume or a new one: the volumes are in that order too."""
    return _fit(sorted(items, key=lambda item: item.path), size, only_last=True)


def _fit(items: Iterable[Packable], size: int, *, only_last: bool) -> list[list[Packable]]:
    volumes: list[list[Packable]] = []
    left: list[int] = []
    for item in items:
        among = range(max(0, len(left) - 1), len(left)) if only_last else range(len(left))
        place = next((number for number in among if left[number] >= item.size), None)
        if place is None:
            volumes.append([])
            left.append(size)
            place = len(left) - 1
        volumes[place].append(item)
        left[place] -= item.size
    return volumes


def wasted(volumes: Sequence[Sequence[Packable]], size: int) -> int:
    """Bytes that stay empty on all volumes but the last, and on that too."""
    return sum(size - sum(item.size for item in volume) for volume in volumes)
