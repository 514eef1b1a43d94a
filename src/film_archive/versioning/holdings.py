"""What a repository holds and saves, and where a content is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import FilmArchiveError
from film_archive.core.records import Record
from film_archive.core.source import FileSource
from film_archive.versioning.archives import Places
from film_archive.versioning.commits import history
from film_archive.versioning.contents import Layout
from film_archive.versioning.entries import ADDRESS, Borrowed, Entry
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.reading import Bytes
from film_archive.versioning.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSavings(Record):
    """What branches would take as full copies, and what they take. Bytes."""

    branches: int
    """How many there are."""
    referenced: int
    """Of all files of all branches, each branch counted by itself."""
    unique: int
    """Of the different contents among them."""
    borrowed: int
    """Of different contents that lie in archives."""
    offline: int
    """Of those, what lies in archives that are not at hand."""
    stored: int
    """Of contents in the repository itself, those of old commits among them."""
    metadata: int
    """Of its database."""
    saved: int
    """What full copies would take beyond what is stored."""


def nothing_saved() -> StorageSavings:
    """Of a repository that was not begun."""
    return StorageSavings(
        branches=0, referenced=0, unique=0, borrowed=0, offline=0, stored=0, metadata=0, saved=0
    )


def savings(repository: OpenRepository) -> StorageSavings:
    """Look through all branches."""
    referenced = 0
    contents: dict[object, int] = {}
    borrowed: dict[object, int] = {}
    offline = 0
    branches = repository.refs.all()
    objects = repository.objects()
    with Bytes(repository) as found:
        for branch in branches:
            tree = repository.tree_of(objects, branch.head)
            referenced += tree.size
        adopted = Places(repository.database).all_adopted()
        away = {archive for archive in found.places.archives() if not _is_here(found, archive)}
        for entry in _entries(repository):
            identity = _identity(entry)
            contents[identity] = entry.size
            if entry.borrowed is not None and entry.borrowed not in adopted and identity not in borrowed:
                borrowed[identity] = entry.size
                offline += entry.size if entry.archive in away else 0
    stored = sum(blob.size for blob in repository.contents.all() if blob.layout is not Layout.CHUNKED)
    return StorageSavings(
        branches=len(branches),
        referenced=referenced,
        unique=sum(contents.values()),
        borrowed=sum(borrowed.values()),
        offline=offline,
        stored=stored,
        metadata=repository.database.size(),
        saved=referenced - stored,
    )


def _identity(entry: Entry) -> tuple[int, bytes | Borrowed | None]:
    return entry.size, entry.key if entry.key is not None else entry.blake3 or entry.borrowed


def _is_here(found: Bytes, archive: str) -> bool:
    try:
        found.lender.archive(archive)
    except FilmArchiveError:
        return False
    return True


def _entries(repository: OpenRepository) -> Iterator[Entry]:
    """The files of all branches; what several share comes once."""
    objects = repository.objects()
    nodes = Nodes(objects)
    known: set[bytes] = set()
    for branch in repository.refs.all():
        for address, level in repository.tree_of(objects, branch.head).addresses_but(known):
            if level == 0:
                yield from (entry for entry in nodes.leaf(address).entries if entry.is_file)
            known.add(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Record):
    """Where a content is."""

    path: str
    """Its path there."""
    branch: str
    """The branch that holds it; "" where only older commits do."""
    commit: str
    """The newest commit that holds it there."""
    archive: str
    """The id of the archive that its bytes lie in; "" where the repository has them itself."""


def places_of(repository: OpenRepository, wanted: Entry, *, history_too: bool = True) -> list[Place]:
    """Every branch, and every older commit, that holds the content of an entry."""
    objects = repository.objects()
    nodes = Nodes(objects)
    branches = {branch.head: branch.name for branch in reversed(repository.refs.all())}
    found: dict[tuple[str, str], Place] = {}
    leaves: dict[bytes, list[Entry]] = {}
    heads = [branch.head for branch in repository.refs.all()]
    for commit in history(objects, *heads):
        if commit.id not in branches and not history_too:
            continue
        for address, level in Tree.load(nodes, commit.tree).addresses():
            if level:
                continue
            if address not in leaves:
                leaves[address] = [
                    entry for entry in nodes.leaf(address).entries if entry.is_file and entry.same_content(wanted)
                ]
            for entry in leaves[address]:
                name = branches.get(commit.id, "")
                if name or not any(path == entry.path for _, path in found):
                    found.setdefault(
                        (name, entry.path),
                        Place(path=entry.path, branch=name, commit=commit.id, archive=entry.archive or ""),
                    )
    return list(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts(Record):
    """Where a content is."""

    path: str
    """What was asked for."""
    places: tuple[Place, ...]
    """Every place, the newest commits first."""


def content_of_file(path: Path) -> Entry:
    """What a file on disk holds, as an entry to look for."""
    with FileSource(path) as source:
        digests = digest_source(source, (KEY, ADDRESS))
        return Entry(
            path.name, size=source.size, key=bytes.fromhex(digests[KEY]), blake3=bytes.fromhex(digests[ADDRESS])
        )
