"""Which paths can be beside each other: a tree with changes upon it, asked without walking through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from film_archive.core.names import fitting_name
from film_archive.versioning.entries import Entry, EntryKind, folders_of, sort_key
from film_archive.versioning.tree import Tree


class Naming:
    """What a tree holds when changes (path → entry, or None where it shall be gone) are made to it."""

    def __init__(self, tree: Tree, changes: Mapping[str, Entry | None] | None = None) -> None:
        self._tree = tree
        self._changed: dict[str, Entry | None] = {}
        self._below: dict[str, dict[str, Entry]] = {}
        for path, entry in (changes or {}).items():
            self.put(path, entry)

    def put(self, path: str, entry: Entry | None) -> None:
        """Make one more change. Of two changes of one key, what is there wins over what is gone."""
        key = sort_key(path)
        if entry is None and self._changed.get(key) is not None:
            return
        self._changed[key] = entry
        if entry is not None:
            for folder in folders_of(key):
                self._below.setdefault(folder, {})[key] = entry

    def alike(self, path: str) -> Entry | None:
        """The entry of this path, or of one that differs by case or Unicode form only."""
        key = sort_key(path)
        return self._changed[key] if key in self._changed else self._tree.alike(path)

    def below(self, folder: str) -> Iterator[Entry]:
        """Everything in a folder and its folders."""
        for entry in self._tree.below(folder):
            if sort_key(entry.path) not in self._changed:
                yield entry
        for key, entry in self._below.get(sort_key(folder), {}).items():
            if self._changed.get(key) is entry:
                yield entry

    def clashing(self, entry: Entry) -> Iterator[Entry]:
        """Entries that can't be in one archive with this one; its own path in the same spelling is none of them."""
        same = self.alike(entry.path)
        if same is not None and same.path != entry.path:
            yield same
        if entry.kind is not EntryKind.FOLDER:
            yield from self.below(entry.path)
        for folder in folders_of(entry.path):
            above = self.alike(folder)
            if above is not None and above.kind is not EntryKind.FOLDER:
                yield above

    def free_path(self, path: str, mark: str) -> str:
        """Where the source's side of a conflict goes: "shot.mov" of the branch "vfx/a" becomes "shot~vfx-a.mov"."""
        parts = path.split("/")
        mark = mark.replace("/", "-")
        at = self._file_on_the_way(parts)
        pure = PurePosixPath(parts[at])
        number = 1
        while True:
            counted = mark if number == 1 else f"{mark}-{number}"
            name = _fitting(pure.stem, f"~{counted}{pure.suffix}")
            candidate = Entry("/".join((*parts[:at], name, *parts[at + 1 :])))
            if self.alike(candidate.path) is None and not any(True for _ in self.clashing(candidate)):
                return candidate.path
            number += 1

    def _file_on_the_way(self, parts: list[str]) -> int:
        """Which part of a path needs another name: one where a file is in the place of a folder, else the last."""
        for count in range(1, len(parts)):
            there = self.alike("/".join(parts[:count]))
            if there is not None and there.kind is not EntryKind.FOLDER:
                return count - 1
        return len(parts) - 1


def _fitting(stem: str, ending: str) -> str:
    """A name of at most 255 bytes that keeps its ending, by which two of them are told apart."""
    room = 255 - len(ending.encode())
    if room < 8:
        return fitting_name(stem + ending)
    return stem.encode()[:room].decode("utf-8", "ignore") + ending
