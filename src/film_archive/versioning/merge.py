"""Merging: what a target branch would have to change to have the source's changes too, and where both disagree.

Three-way against the common ancestor. Where there are several (after merges crosswise), a path on which those differ is
a conflict unless both sides agree. Paths that can't be in one archive (they differ in case only, or one is a folder on
the other's way) are conflicts as well. The cost follows what was changed, not what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from film_archive.core.errors import UsageError
from film_archive.versioning.entries import Entry, sort_key
from film_archive.versioning.naming import Naming
from film_archive.versioning.tree import Tree


class Resolution(StrEnum):
    """How conflicts are settled: by one side, or by keeping both (the source's under a name of its own), or
    by merging what is in it (lists and timelines; what can't be stays a conflict)."""

    SOURCE = "source"
    TARGET = "target"
    BOTH = "both"
    CONTENT = "content"

    @classmethod
    def named(cls, name: str | None) -> Resolution | None:
        """The resolution of this name; None is none. Raises UsageError."""
        try:
            return None if name is None else cls(name)
        except ValueError as error:
            known = ", ".join(repr(str(member)) for member in cls)
            raise UsageError(f"Conflicts can't be settled by {name!r}; there are {known}.") from error


Settling = Callable[[str], Resolution | None]
"""How the conflict on a path is settled; None: not at all."""


def settling(everywhere: Resolution | None, by_pattern: Iterable[tuple[str, Resolution]] = ()) -> Settling:
    """Settle by the first pattern (as in a shell; "*" crosses folders) that a path matches, else everywhere alike."""
    rules = tuple(by_pattern)

    def settle(path: str) -> Resolution | None:
        return next((resolution for pattern, resolution in rules if fnmatchcase(path, pattern)), everywhere)

    return settle


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path on which two branches disagree; None is a side that does not have it.

    Where `target` has another path than `source`, the two can't be in one archive.
    """

    path: str
    base: Entry | None
    source: Entry | None
    target: Entry | None
    resolution: Resolution | None = None
    """By which it was settled; None where it was not."""
    reasons: tuple[str, ...] = ()
    """Why it could not be merged by content, where that was asked for."""


@dataclass(slots=True)
class Merge:
    """What a merge comes to: the target's changes, and the conflicts, settled or not."""

    changes: dict[str, Entry | None] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def is_settled(self) -> bool:
        """Whether `changes` can be made."""
        return all(conflict.resolution is not None for conflict in self.conflicts)


def merge_trees(bases: Sequence[Tree], source: Tree, target: Tree, settle: Settling, source_name: str) -> Merge:
    """Work out a merge."""
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
            resolution = settle(path)
            reasons: tuple[str, ...] = ()
            if path in doubtful and resolution is Resolution.CONTENT:  # changed against what?
                resolution, reasons = None, ("the branches were merged crosswise: their common ancestors differ on it",)
            merge.conflicts.append(Conflict(path, bases[0].get(path), ours, theirs, resolution, reasons))
        else:
            merge.changes[path] = ours
    naming = Naming(target, merge.changes)
    for conflict in merge.conflicts:
        _settle(conflict, merge, naming, source_name)
    _settle_clashes(merge, target, settle, source_name)
    return merge


def _agree(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.same_content(other)


def _settle(conflict: Conflict, merge: Merge, naming: Naming, source_name: str) -> None:
    if conflict.resolution is Resolution.SOURCE or (conflict.resolution is Resolution.BOTH and conflict.target is None):
        merge.changes[conflict.path] = conflict.source
        naming.put(conflict.path, conflict.source)
    elif conflict.resolution is Resolution.BOTH and conflict.source is not None:
        other = naming.free_path(conflict.path, source_name)
        merge.changes[other] = conflict.source.at(other)
        naming.put(other, merge.changes[other])


def _settle_clashes(merge: Merge, target: Tree, settle: Settling, source_name: str) -> None:
    """Find paths that come in and can't be beside one that stays, and settle those too."""
    for entry in _coming(merge, target):
        staying = Naming(target, {path: None for path, change in merge.changes.items() if change is None})
        coming = {path: change for path, change in merge.changes.items() if change is not None}
        for there in list(staying.clashing(entry)):
            if any(sort_key(path) == sort_key(there.path) and path != entry.path for path in coming):
                continue  # it is replaced itself
            resolution = settle(entry.path)
            if resolution is Resolution.CONTENT:  # it is the paths that are in each other's way
                resolution = None
            merge.conflicts.append(Conflict(entry.path, None, entry, there, resolution))
            if resolution is Resolution.SOURCE:
                merge.changes[there.path] = None
            elif resolution is not None:
                merge.changes.pop(entry.path, None)
            if resolution is Resolution.BOTH:
                other = Naming(target, merge.changes).free_path(entry.path, source_name)
                merge.changes[other] = entry.at(other)
                break


def _coming(merge: Merge, target: Tree) -> list[Entry]:
    """Entries that the target did not have, or had as something else."""
    found = []
    for entry in merge.changes.values():
        if entry is not None:
            there = target.get(entry.path)
            if there is None or there.kind is not entry.kind:
                found.append(entry)
    return found
