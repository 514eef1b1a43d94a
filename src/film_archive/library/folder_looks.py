"""Folders as values that can be compared: equal where the same files lie in the same places below them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from film_archive.library.listing import join

UNIQUE = "unique"
"""Stands for the digest of a file that has no duplicate, and may not have been read."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a folder comes to: the same key, the same files in the same places."""

    key: tuple[Any, ...]
    files: int
    size: int


class FolderLooks:
    """Folders as values that can be compared; None for one that has a file with no duplicate."""

    def __init__(
        self,
        tree: Mapping[str, Sequence[tuple[str, int, str | None]]],
        children: Mapping[str, tuple[str, ...]],
    ) -> None:
        """`tree`: folder → (name, size, digest) of its files, None for empty ones, `UNIQUE` for those with no duplicate;
        `children`: folder → names of the folders in it, as far as they are known.
        """
        self._tree = tree
        self._below: dict[str, set[str]] = {folder: set(names) for folder, names in children.items()}
        for folder in tree:  # an index has no list of folders
            above, _, name = folder.rpartition("/")
            while above and above not in tree and above not in self._below:
                self._below.setdefault(above, set()).add(name)
                above, _, name = above.rpartition("/")
            if name:
                self._below.setdefault(above or "/", set()).add(name)
        self._looks: dict[str, Look | None] = {}
        self._keys: dict[tuple[Any, ...], int] = {}
        for folder in sorted({*tree, *self._below}, key=lambda path: -path.count("/")):
            self._looks[folder] = self._made(folder)

    def folders(self) -> Iterable[str]:
        return self._looks

    def of(self, folder: str) -> Look | None:
        return self._looks.get(folder)

    def _made(self, folder: str) -> Look | None:
        parts: list[tuple[Any, ...]] = []
        files = size = 0
        for name, length, digest in self._tree.get(folder, ()):
            if digest == UNIQUE:
                return None
            parts.append((name, length, digest))
            files += 1
            size += length
        for name in sorted(self._below.get(folder, ())):
            look = self._looks.get(join(folder, name))
            if look is None:
                return None
            # A number for each look that was met keeps a deep tree's keys small.
            parts.append((name, self._keys.setdefault(look.key, len(self._keys))))
            files += look.files
            size += look.size
        return Look(tuple(sorted(parts, key=lambda part: (part[0], len(part)))), files, size)
