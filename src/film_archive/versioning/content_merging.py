"""Merging by content: conflicts on lists and timelines that are settled by a document with both sides' changes."""

from __future__ import annotations

from dataclasses import replace

from film_archive.core.source import MemorySource
from film_archive.editorial.merging import MOST_BYTES, Merged, can_be_merged, merge_documents
from film_archive.versioning.contents import Adding
from film_archive.versioning.entries import Entry
from film_archive.versioning.merge import Conflict, Merge, Resolution
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.reading import Bytes, prove


def merge_contents(repository: OpenRepository, merge: Merge, adding: Adding) -> None:
    """Settle the conflicts that shall be settled by content; one that can't be says why and stays. Raises Damaged, NotFound."""
    if not any(conflict.resolution is Resolution.CONTENT for conflict in merge.conflicts):
        return
    with Bytes(repository) as found:
        for number, conflict in enumerate(merge.conflicts):
            if conflict.resolution is not Resolution.CONTENT:
                continue
            merged = _merged(conflict, found)
            if merged.data is None or conflict.target is None:
                merge.conflicts[number] = replace(conflict, resolution=None, reasons=merged.reasons)
            else:
                merge.changes[conflict.path] = _stored(adding, conflict.target, merged.data)


def _merged(conflict: Conflict, found: Bytes) -> Merged:
    sides = (conflict.base, conflict.source, conflict.target)
    present = [side for side in sides if side is not None and side.is_file]
    if len(present) < len(sides):
        return Merged(None, ("one side, or the common ancestor, does not have it as a file",))
    if not can_be_merged(conflict.path):
        return Merged(None, ("only .otio and .edl are merged by content",))
    if max(side.size for side in present) > MOST_BYTES:
        return Merged(None, ("it is too large to be merged by content",))
    base, source, target = (_read(side, found) for side in present)
    return merge_documents(conflict.path, base, source, target)


def _read(entry: Entry, found: Bytes) -> bytes:
    with found.source(entry) as source:
        prove(entry, source)
        return source.read_at(0, source.size)


def _stored(adding: Adding, target: Entry, data: bytes) -> Entry:
    with MemorySource(data) as source:
        blob = adding.add(source)
    return target._replace(
        size=blob.size, mtime_ns=None, key=blob.key, blake3=blob.address, archive=None, more=_kept(target)
    )


def _kept(target: Entry) -> dict[str, object]:
    """What an entry says of its name stays; what it said of its bytes does not."""
    return {name: value for name, value in target.more.items() if name == "raw_name"}
