"""Cleaning up: what nothing leads to is found from refs, stages and the recent reflog, and removed when it is old enough.

Who stores something holds the repository together with others until what it stored is referred to; who cleans up holds it
alone. So nothing is removed that somebody is about to use.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from film_archive.core.errors import UsageError
from film_archive.core.records import Record
from film_archive.core.source import MemorySource
from film_archive.versioning.archives import Places
from film_archive.versioning.commits import history
from film_archive.versioning.contents import Blob, Layout
from film_archive.versioning.entries import ADDRESS, Entry
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.packs import PackWriter
from film_archive.versioning.tree import Tree

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleanup(Record):
    """What no branch leads to."""

    objects: int
    """How many things were, or would be, removed: contents, nodes, commits, unfinished files."""
    bytes: int
    """What they take."""
    removed: bool
    """Whether they were removed; False for a dry run."""
    repacked: int = 0
    """Packs that were written anew without what is gone."""


@dataclass(slots=True)
class _Marked:
    """What has to stay."""

    objects: set[bytes] = field(default_factory=set)
    blobs: set[bytes] = field(default_factory=set)


def clean_up(repository: OpenRepository, *, keep_days: float, grace_days: float, dry_run: bool) -> Cleanup:
    """Remove what no branch, no stage and no move of the last `keep_days` leads to, if it is older than `grace_days`."""
    with repository.database.alone():
        moment = time.time()
        oldest = moment - grace_days * DAY
        marked = _mark(repository, since=int(moment - keep_days * DAY) + 1, young=oldest)
        _mark_parts(repository, marked, oldest)
        objects = list(_dead_objects(repository, marked, oldest))
        blobs = [blob for blob in repository.contents.all() if blob.address not in marked.blobs and blob.added <= oldest]
        places = _places_in_use(repository, blobs)
        orphans = [
            thing
            for thing in repository.store.stored()
            if bytes.fromhex(thing.address) not in places and thing.modified <= oldest
        ]
        unfinished = [left for left in repository.store.unfinished() if left.modified <= oldest]
        count = len(objects) + len(blobs) + len(unfinished)
        count += sum(not _is_of(thing.address, blobs) for thing in orphans)
        size = sum(length for _, length in objects) + sum(blob.size for blob in blobs if blob.layout is Layout.INLINE)
        size += sum(thing.size for thing in (*orphans, *unfinished))
        if dry_run:
            return Cleanup(objects=count, bytes=size, removed=False)
        _forget(repository, [address for address, _ in objects], [blob.address for blob in blobs])
        for thing in orphans:
            repository.store.remove(thing.address)
        for left in unfinished:
            repository.store.remove_unfinished(left)
        repacked, saved = _repack(repository)
        return Cleanup(objects=count, bytes=size + saved, removed=True, repacked=repacked)


def _is_of(address: str, blobs: Iterable[Blob]) -> bool:
    """Whether an object is the place of a blob that is counted already."""
    return any(blob.layout is Layout.WHOLE and blob.address.hex() == address for blob in blobs)


def _mark(repository: OpenRepository, since: int, young: float) -> _Marked:
    """What refs, stages, moves since then and commits younger than the grace time lead to."""
    marked = _Marked()
    objects = repository.objects()
    nodes = Nodes(objects)
    heads = {branch.head for branch in repository.refs.all()} | {branch.first for branch in repository.refs.all()}
    for move in repository.refs.moves(since=since):
        heads |= {head for head in (move.old, move.new) if head}
    commits = repository.database.execute("SELECT id FROM objects WHERE kind = 1 AND added > :young", {"young": young})
    heads |= {bytes(row[0]).hex() for row in commits}  # else one could stay whose parent is removed
    adopted = Places(repository.database).all_adopted()

    def mark(entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.blake3 is not None:
                marked.blobs.add(entry.blake3)
            elif adopted and entry.borrowed is not None and (blob := adopted.get(entry.borrowed)) is not None:
                marked.blobs.add(blob)

    for commit in history(objects, *_there(repository, heads)):
        marked.objects.add(bytes.fromhex(commit.id))
        for address, level in Tree.load(nodes, commit.tree).addresses_but(marked.objects):
            marked.objects.add(address)
            if level == 0:
                mark(nodes.leaf(address).entries)
    mark(repository.stages.all())
    return marked


def _mark_parts(repository: OpenRepository, marked: _Marked, oldest: float) -> None:
    """What the contents that stay are made of: those that are marked, and those that are too young to go."""
    chunked = [blob for blob in repository.contents.all() if blob.layout is Layout.CHUNKED]
    for blob in chunked:
        if blob.address in marked.blobs or blob.added > oldest:
            marked.blobs |= repository.contents.also_needed(blob)


def _there(repository: OpenRepository, heads: Iterable[str]) -> Iterator[str]:
    """Those commits that are still there: of old moves some were cleaned up by an earlier run that kept less."""
    current = {branch.head for branch in repository.refs.all()}
    for head in heads:
        rows = repository.database.execute("SELECT 1 FROM objects WHERE id = :id", {"id": bytes.fromhex(head)})
        if rows or head in current:
            yield head


def _dead_objects(repository: OpenRepository, marked: _Marked, oldest: float) -> Iterator[tuple[bytes, int]]:
    rows = repository.database.stream("SELECT id, length(data) FROM objects WHERE added <= :oldest", {"oldest": oldest})
    for address, size in rows:
        if bytes(address) not in marked.objects:
            yield bytes(address), size


def _places_in_use(repository: OpenRepository, dead: Iterable[Blob]) -> set[bytes]:
    gone = {blob.address for blob in dead}
    return {
        blob.place for blob in repository.contents.all() if blob.place is not None and blob.address not in gone
    }


def _forget(repository: OpenRepository, objects: list[bytes], blobs: list[bytes]) -> None:
    """Remove rows first: what has no row is nobody's, while a row without its bytes would be damage."""
    with repository.database.transaction() as transaction:
        transaction.execute_many("DELETE FROM objects WHERE id = :id", [{"id": address} for address in objects])
        transaction.execute_many("DELETE FROM adopted WHERE blob = :id", [{"id": address} for address in blobs])
        transaction.execute_many("DELETE FROM blobs WHERE id = :id", [{"id": address} for address in blobs])


def _repack(repository: OpenRepository) -> tuple[int, int]:
    """Write packs anew of which less than half is in use: (how many, bytes that were saved)."""
    live: dict[bytes, list[Blob]] = {}
    for blob in repository.contents.all():
        if blob.layout is Layout.PACKED and blob.place is not None:
            live.setdefault(blob.place, []).append(blob)
    count = saved = 0
    for place, blobs in live.items():
        with repository.store.source(place.hex(), "a pack") as source:
            size = source.size
            if 2 * sum(blob.size for blob in blobs) >= size:
                continue
            pack = PackWriter()
            for blob in blobs:
                pack.add(blob.address, source.read_at(blob.start or 0, blob.size))
        data = pack.data()
        address = bytes.fromhex(repository.store.put(MemorySource(data, "a pack"))[ADDRESS])
        repository.store.settle()
        with repository.database.transaction() as transaction:
            transaction.execute_many(
                "UPDATE blobs SET place = :place, start = :start WHERE id = :id",
                [{"place": address, "start": row.start, "id": row.address} for row in pack.rows],
            )
        repository.store.remove(place.hex())
        count, saved = count + 1, saved + size - len(data)
    return count, saved


def days(text: str) -> float:
    """A time as a user gives it: "14d", "12h", "30m" or "0"; raises UsageError."""
    units = {"d": 1.0, "h": 1 / 24, "m": 1 / 1440}
    number, unit = (text[:-1], text[-1:]) if text[-1:] in units else (text, "d")
    if not number.isdecimal() or len(number) > 6:
        raise UsageError(f"{text!r} is no time; write it like 14d, 12h or 30m.")
    return int(number) * units[unit]
