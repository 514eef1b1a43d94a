"""Merging: what a target branch would have to change to have the source's changes too, and where both disagree.

Three-way against the common ancestor. Where there are several (after merges crosswise), a path on which those differ is
a conflict unless both sides agree. Paths that can't be in one archive (they differ in case only, or one is a folder on
the other's way) are conflicts as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import PurePosixPath

from film_archive.archive import layout
from film_archive.core.errors import UsageError
from film_archive.versioning.tree import Entry, EntryKind, Tree


class Resolution(StrEnum):
    """How conflicts are settled: by one side, or by keeping both (the source's under a name of its own)."""

    SOURCE = "source"
    TARGET = "target"
    BOTH = "both"

    @classmethod
    def named(cls, name: str | None) -> Resolution | None:
        """The resolution of this name; None is none. Raises UsageError."""
        try:
            return None if name is None else cls(name)
        except ValueError as error:
            known = ", ".join(repr(str(member)) for member in cls)
            raise UsageError(f"Conflicts can't be settled by {name!r}; there are {known}.") from error


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path on which two branches disagree; None is a side that does not have it.

    Where `target` has another path than `source`, the two can't be in one archive.
    """

    path: str
    base: Entry | None
    source: Entry | None
    target: Entry | None


@dataclass(slots=True)
class Merge:
    """What a merge comes to: the target's changes, and the conflicts, settled or not."""

    changes: dict[str, Entry | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)


def merge_trees(
    bases: Sequence[Tree], source: Tree, target: Tree, resolution: Resolution | None, source_name: str
) -> Merge:
    """Work out a merge; with conflicts and no resolution its `changes` are not to be used."""
    merge = Merge()
    from_source = bases[0].changes_to(source)
    from_target = bases[0].changes_to(target)
    doubtful = {path for other in bases[1:] for path in bases[0].changes_to(other)}
    for path in sorted(from_source.keys() | doubtful):
        ours = from_source[path].after if path in from_source else source.get(path)
        theirs = from_target[path].after if path in from_target else target.get(path)
        if _agree(ours, theirs):
            continue
        if path in doubtful or path in from_target:
            merge.conflicts.append(Conflict(path, bases[0].get(path), ours, theirs))
        else:
            merge.changes[path] = ours
    naming = Naming([*_staying(merge, target), *_coming(merge, target)])
    for conflict in merge.conflicts:
        _settle(conflict, merge, resolution, naming, source_name)
    _settle_clashes(merge, target, resolution, source_name)
    return merge


def _agree(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.same_content(other)


def _settle(
    conflict: Conflict, merge: Merge, resolution: Resolution | None, naming: Naming, source_name: str
) -> None:
    if resolution is Resolution.SOURCE or (resolution is Resolution.BOTH and conflict.target is None):
        merge.changes[conflict.path] = conflict.source
    elif resolution is Resolution.BOTH and conflict.source is not None:
        other = naming.free_path(conflict.path, source_name)
        merge.changes[other] = replace(conflict.source, path=other)


def _settle_clashes(merge: Merge, target: Tree, resolution: Resolution | None, source_name: str) -> None:
    """Find paths that come in and can't be beside one that stays, and settle those too."""
    coming = _coming(merge, target)
    if not coming:
        return
    staying = _staying(merge, target)
    naming = Naming(staying)
    free = Naming([*staying, *coming])
    for entry in coming:
        for there in naming.clashing(entry):
            merge.conflicts.append(Conflict(entry.path, None, entry, there))
            if resolution is Resolution.SOURCE:
                merge.changes[there.path] = None
            elif resolution is not None:
                merge.changes.pop(entry.path, None)
            if resolution is Resolution.BOTH:
                other = free.free_path(entry.path, source_name)
                merge.changes[other] = replace(entry, path=other)
                break


def _staying(merge: Merge, target: Tree) -> list[Entry]:
    return [entry for entry in target if merge.changes.get(entry.path, entry) is not None]


def _coming(merge: Merge, target: Tree) -> list[Entry]:
    """Entries that the target did not have, or had as something else."""
    found = []
    for entry in merge.changes.values():
        if entry is not None:
            there = target.get(entry.path)
            if there is None or there.kind is not entry.kind:
                found.append(entry)
    return found


class Naming:
    """Which paths can be beside those that there are."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_fold: dict[str, Entry] = {}
        self._below: dict[str, list[Entry]] = {}
        for entry in entries:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        folded = layout.fold(entry.path)
        self._by_fold[folded] = entry
        for folder in _folders(folded):
            self._below.setdefault(folder, []).append(entry)

    def clashing(self, entry: Entry) -> Iterator[Entry]:
        """Entries that can't be in one archive with this one; its own path in the same spelling is none of them."""
        folded = layout.fold(entry.path)
        same = self._by_fold.get(folded)
        if same is not None and same.path != entry.path:
            yield same
        if entry.kind is not EntryKind.FOLDER:
            yield from self._below.get(folded, ())
        for folder in _folders(folded):
            above = self._by_fold.get(folder)
            if above is not None and above.kind is not EntryKind.FOLDER:
                yield above

    def free_path(self, path: str, source_name: str) -> str:
        """Where the source's side of a conflict goes: "shot.mov" of the branch "vfx/a" becomes "shot~vfx-a.mov"."""
        parts = path.split("/")
        mark = source_name.replace("/", "-")
        at = self._file_on_the_way(parts)
        pure = PurePosixPath(parts[at])
        number = 1
        while True:
            counted = mark if number == 1 else f"{mark}-{number}"
            name = layout.fitting_name(f"{pure.stem}~{counted}{pure.suffix}")
            candidate = Entry(path="/".join((*parts[:at], name, *parts[at + 1 :])))
            if layout.fold(candidate.path) not in self._by_fold and not any(self.clashing(candidate)):
                self._take(candidate)
                return candidate.path
            number += 1

    def _file_on_the_way(self, parts: list[str]) -> int:
        """Which part of a path needs another name: one where a file is in the place of a folder, else the last."""
        for count in range(1, len(parts)):
            there = self._by_fold.get(layout.fold("/".join(parts[:count])))
            if there is not None and there.kind is not EntryKind.FOLDER:
                return count - 1
        return len(parts) - 1


def _folders(path: str) -> list[str]:
    return [str(folder) for folder in PurePosixPath(path).parents][:-1]
