"""Adopting: borrowed bytes are copied into the repository, so that their archive need not be at hand any more.

Trees and commits stay as they are; all branches and commits that borrow the same member profit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import NotFound
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.versioning.entries import ADDRESS, Borrowed, Entry
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.reading import Bytes, require_same

_AT_ONCE = 1 << 30
"""Bytes after which what was copied is made durable and noted, so that a killed run goes on from there."""


@dataclass(slots=True)
class Adopted:
    """What became of it."""

    paths: list[str] = field(default_factory=list)
    bytes: int = 0
    missing: list[str] = field(default_factory=list)


def adopt(repository: OpenRepository, entries: Iterable[Entry], progress: Progress | None = None) -> Adopted:
    """Copy in what is borrowed of these; raises Damaged where bytes are not what they were when they were borrowed."""
    progress = progress or quiet()
    done = Adopted()
    wanted = [entry for entry in entries if entry.archive is not None][::-1]
    progress.expect(Phase.WRITING, sum(entry.size for entry in wanted))
    with Bytes(repository) as found:
        while wanted:
            wanted = _some(repository, found, wanted, done, progress)
    return done


def _some(
    repository: OpenRepository, found: Bytes, wanted: list[Entry], done: Adopted, progress: Progress
) -> list[Entry]:
    """Copy a gigabyte or so; returns what is left."""
    rows: list[tuple[Borrowed, bytes]] = []
    size = 0
    with repository.adding() as adding:
        while wanted and size < _AT_ONCE:
            entry = wanted.pop()
            borrowed = entry.borrowed
            if borrowed is None or found.places.adopted(borrowed) is not None:
                continue
            try:
                source = found.source(entry)
            except NotFound:
                done.missing.append(entry.path)
                continue
            with source:
                blob = adding.add(source, entry.path, on_bytes=progress.counting(Phase.WRITING))
                require_same(entry, _known(entry, blob.key, blob.address, found), source.name)
            rows.append((borrowed, blob.address))
            done.paths.append(entry.path)
            size += entry.size
        adding.settle()
        with repository.database.transaction() as transaction:
            adding.write(transaction)
            for borrowed, address in rows:
                found.places.note_adopted(transaction, borrowed, address)
    done.bytes += size
    return wanted


def _known(entry: Entry, key: bytes, address: bytes, found: Bytes) -> dict[str, str]:
    """The digests of what was copied; of a foreign zip's member its CRC is computed from the copy's source."""
    computed = {KEY: key.hex(), ADDRESS: address.hex()}
    if not computed.keys() & entry.digests.keys():
        with found.source(entry) as source:
            computed |= digest_source(source, ("crc32",))
    return computed
