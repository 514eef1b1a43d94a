"""Differences: what one state has otherwise than another, with renames found by content."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from film_archive.versioning.entries import Entry, EntryKind
from film_archive.versioning.tree import Change


@dataclass(frozen=True, slots=True)
class Differences:
    """What a branch has otherwise than another state: paths in order, and each change with both its sides.

    A file that was removed and one of the same content that was added are a rename and in neither list.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    modified: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """(from, to)."""
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)


def differences_of(changes: Iterable[Change]) -> Differences:
    """Sort changes, and pair what was removed with what was added of the same content."""
    listed = tuple(changes)
    gone: dict[tuple[int, bytes], list[Change]] = {}
    for change in listed:
        if change.after is None and change.before is not None and _can_move(change.before):
            gone.setdefault(_content(change.before), []).append(change)
    renamed = []
    paired: set[str] = set()
    for change in listed:
        if change.before is not None or change.after is None or not _can_move(change.after):
            continue
        candidates = gone.get(_content(change.after), [])
        for old in candidates:
            if old.before is not None and old.before.same_content(change.after):
                renamed.append((old.path, change.path))
                paired |= {old.path, change.path}
                candidates.remove(old)
                break
    single = [change for change in listed if change.path not in paired]
    return Differences(
        added=tuple(change.path for change in single if change.before is None),
        removed=tuple(change.path for change in single if change.after is None),
        modified=tuple(change.path for change in single if change.before is not None and change.after is not None),
        renamed=tuple(renamed),
        changes=listed,
    )


def _can_move(entry: Entry) -> bool:
    """Whether the same content elsewhere means anything: of empty files it does not."""
    return entry.kind is EntryKind.FILE and entry.key is not None and entry.size > 0


def _content(entry: Entry) -> tuple[int, bytes]:
    return entry.size, entry.key or b""
