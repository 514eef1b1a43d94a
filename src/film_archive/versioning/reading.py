"""The bytes of entries, wherever they lie: a blob, a member of an archive, or that member's copy in the repository."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from film_archive.core.digest import digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, Unreachable
from film_archive.core.member import Member
from film_archive.core.source import ByteSource, printable
from film_archive.versioning.archives import Lender, Places
from film_archive.versioning.contents import Blob, Contents, Layout
from film_archive.versioning.entries import Borrowed, Entry
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.stores.store import ObjectStore


class Bytes:
    """Opens entries' bytes; archives are opened once. Use it as a context manager: no cleaning up moves bytes meanwhile."""

    def __init__(self, repository: OpenRepository) -> None:
        self.places = Places(repository.database)
        self._contents: Contents = repository.contents
        self.lender = Lender(self.places, repository.find_archive)
        self._proven: list[tuple[Borrowed, str]] = []
        self._database = repository.database
        self._held = ExitStack()

    def source(self, entry: Entry) -> ByteSource:
        """A file's bytes, not proven; raises NotFound where an archive that lends them is missing, Damaged."""
        name = printable(entry.path)
        if entry.blake3 is not None:
            return self._contents.source(entry.blake3, name)
        borrowed = entry.borrowed
        if borrowed is None:
            raise Damaged(f"{name} lies nowhere; restore the repository's database from a copy.")
        blob = self.places.adopted(borrowed)
        return self._contents.source(blob, name) if blob is not None else self.lender.source(entry, borrowed)

    def lent(self, entry: Entry) -> Member | None:
        """The member of an archive that an entry's bytes are, where they are not in the repository."""
        borrowed = entry.borrowed
        if borrowed is None or self.places.adopted(borrowed) is not None:
            return None
        return self.lender.member(entry, borrowed)

    def problem(self, entry: Entry) -> str | None:
        """Why a file's bytes can't be had, without reading them; None where they can. Raises Unreachable."""
        try:
            self.source(entry).close()
        except Unreachable:
            raise
        except FilmArchiveError as error:
            return str(error)
        return None

    def at_hand(self, entries: Iterable[Entry]) -> set[bytes]:
        """Of the blobs that entries are, those whose bytes are there; why others are not, `problem` says."""
        found = self._contents.find_all([entry.blake3 for entry in entries if entry.blake3 is not None])
        sizes = ObjectSizes(self._contents.store)
        return {address for address, blob in found.items() if sizes.has(blob)}

    # what was proven

    def is_proven(self, entry: Entry, source: ByteSource) -> bool:
        """Whether a borrowed file's bytes were read and compared before, in this very file."""
        borrowed, identity = entry.borrowed, _identity(source)
        return borrowed is not None and identity is not None and self.places.is_proven(borrowed, identity)

    def note_proven(self, entry: Entry, source: ByteSource) -> None:
        borrowed, identity = entry.borrowed, _identity(source)
        if borrowed is not None and identity is not None:
            self._proven.append((borrowed, identity))

    def __enter__(self) -> Self:
        self._held.enter_context(self._database.sharing())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            self.lender.__exit__(kind, error, trace)
            if self.lender.found:
                with self._database.transaction() as transaction:
                    for archive, path in self.lender.found:
                        self.places.note(transaction, archive, path)
            if self._proven and error is None:
                self.places.note_proven(self._proven)


class ObjectSizes:
    """How large objects are, each asked for once."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._packs: dict[bytes, int | None] = {}

    def has(self, blob: Blob) -> bool:
        """Whether a blob's bytes are where its row says. Raises Unreachable."""
        if blob.layout is Layout.INLINE:
            return blob.data is not None
        if blob.place is None or blob.layout not in (Layout.WHOLE, Layout.PACKED):
            return False
        if blob.layout is Layout.WHOLE:
            return self._size(blob.place) == blob.size
        if blob.place not in self._packs:
            self._packs[blob.place] = self._size(blob.place)
        size = self._packs[blob.place]
        return size is not None and (blob.start or 0) + blob.size <= size

    def _size(self, place: bytes) -> int | None:
        try:
            return self._store.size_of(place.hex(), "an object")
        except Unreachable:
            raise
        except FilmArchiveError:
            return None


def _identity(source: ByteSource) -> str | None:
    """By what the file in which bytes lie is known to be unchanged."""
    extent = source.extent()
    if extent is None or extent.identity is None:
        return None
    return ":".join(map(str, (*extent.identity, extent.offset)))


def prove(entry: Entry, source: ByteSource) -> None:
    """Read a file's bytes and compare every digest that its entry has; raises Damaged."""
    wanted = dict(entry.digests)
    found = digest_source(source, tuple(wanted))
    require_same(entry, found, source.name)


def require_same(entry: Entry, found: dict[str, str], name: str) -> None:
    """Raise Damaged where computed digests are not those of an entry, or where there is none to compare."""
    shared = found.keys() & entry.digests.keys()
    if not shared or any(found[algorithm] != entry.digests[algorithm] for algorithm in shared):
        raise Damaged(f"{name} does not hold what its digest says.")


