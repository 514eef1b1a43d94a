"""Contents: blobs by their address, whatever their layout, and how new ones are stored.

What is added becomes durable in `settle`, and only then its rows are written: a row never speaks of bytes that are not there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from film_archive.core.digest import KEY, MultiHasher, blake3_of, digest_source, key_of
from film_archive.core.errors import Damaged, SourceChanged
from film_archive.core.source import ByteSource, MemorySource, SliceSource
from film_archive.storage.database import Database, Row, Statements
from film_archive.versioning.entries import ADDRESS
from film_archive.versioning.metadata import now
from film_archive.versioning.packs import PackWriter
from film_archive.versioning.patterns import matches
from film_archive.versioning.stores.store import ObjectStore, OnBytes

if TYPE_CHECKING:  # numpy is loaded where chunks are met
    from film_archive.versioning.chunk_list import ChunkList
    from film_archive.versioning.chunking import Cuts

INLINE = 512
"""Contents of at most so many bytes are in the row itself."""
PACKED = 256 << 10
"""Contents of fewer bytes than this go into packs."""
_COLUMNS = "id, size, xxh128, layout, place, start, data, added"
_MOST_ASKED = 500
_MOST_ROWS = 100_000
"""Of blobs that wait to be written; of more than that the chunks are written before."""
_LOOKED_UP_AT = 8 << 20
"""Bytes of chunks of which it is asked together whether they are there."""
_INSERT = (
    "INSERT INTO blobs VALUES (:id, :size, :xxh128, :layout, :place, :start, :data, :added) ON CONFLICT (id) DO NOTHING"
)


class Layout(IntEnum):
    """Where a blob's bytes are."""

    INLINE = 0
    PACKED = 1
    WHOLE = 2
    CHUNKED = 4


class Blob(NamedTuple):
    """A row of `blobs`."""

    address: bytes
    size: int
    key: bytes
    layout: Layout
    place: bytes | None = None
    start: int | None = None
    data: bytes | None = None
    added: int = 0

    @classmethod
    def of(cls, row: Row) -> Blob:
        address, size, key, layout, place, start, data, added = row
        try:
            known = Layout(layout)
        except ValueError as error:
            raise Damaged(f"The content {bytes(address).hex()[:16]} has a layout that there is not, {layout}.") from error
        return cls(bytes(address), size, bytes(key), known, _bytes(place), start, _bytes(data), added)

    def values(self, added: int) -> Mapping[str, object]:
        return {
            "id": self.address,
            "size": self.size,
            "xxh128": self.key,
            "layout": int(self.layout),
            "place": self.place,
            "start": self.start,
            "data": self.data,
            "added": added,
        }


def _bytes(value: object) -> bytes | None:
    return None if value is None else bytes(value)  # type: ignore[call-overload]  # a memoryview of PostgreSQL's


class Contents:
    """All blobs of a repository."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self.store = store

    def transaction(self) -> AbstractContextManager[Statements]:
        """To write rows of what is settled."""
        return self._database.transaction()

    def find(self, address: bytes) -> Blob | None:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM blobs WHERE id = :id", {"id": address})
        return Blob.of(rows[0]) if rows else None

    def find_all(self, addresses: Iterable[bytes]) -> dict[bytes, Blob]:
        """The same for many that are asked for together; without those that are not there."""
        wanted = list(dict.fromkeys(addresses))
        found: dict[bytes, Blob] = {}
        for start in range(0, len(wanted), _MOST_ASKED):
            values = {f"a{number}": address for number, address in enumerate(wanted[start : start + _MOST_ASKED])}
            names = ", ".join(f":{name}" for name in values)
            for row in self._database.execute(f"SELECT {_COLUMNS} FROM blobs WHERE id IN ({names})", values):
                blob = Blob.of(row)
                found[blob.address] = blob
        return found

    def all(self, *, after: bytes = b"") -> Iterator[Blob]:
        """All blobs by address, those behind `after`."""
        rows = self._database.stream(f"SELECT {_COLUMNS} FROM blobs WHERE id > :after ORDER BY id", {"after": after})
        return map(Blob.of, rows)

    def has_size(self, size: int, *, chunked: bool = True) -> bool:
        """Whether there is any blob of so many bytes; with `chunked` False, any that is not chunks."""
        layout = -1 if chunked else int(Layout.CHUNKED)
        statement = "SELECT 1 FROM blobs WHERE size = :size AND layout <> :layout LIMIT 1"
        return bool(self._database.execute(statement, {"size": size, "layout": layout}))

    def source(self, address: bytes, name: str) -> ByteSource:
        """A blob's bytes, not proven; raises Damaged where they are missing or have another size."""
        blob = self.find(address)
        if blob is None:
            raise Damaged(f"The content of {name} is not in the repository; restore it from a copy.")
        return self.open(blob, name)

    def open(self, blob: Blob, name: str) -> ByteSource:
        if blob.layout is Layout.INLINE and blob.data is not None:
            source: ByteSource = MemorySource(blob.data, name)
        elif blob.layout in (Layout.WHOLE, Layout.PACKED) and blob.place is not None:
            source = self.store.source(blob.place.hex(), name)
        elif blob.layout is Layout.CHUNKED:
            source = self._chunked(blob, name)
        else:
            raise Damaged(f"The content of {name} lies nowhere; restore the repository's database from a copy.")
        if blob.layout is Layout.PACKED:
            start = blob.start or 0
            if start + blob.size > source.size:
                source.close()
                raise Damaged(f"The pack that holds the content of {name} is cut short; restore it from a copy.")
            return _Part(source, start, blob.size, name)
        if source.size != blob.size:
            size = source.size
            source.close()
            raise Damaged(f"{name} has {size} bytes in the repository instead of the {blob.size} that were stored.")
        return source

    def _chunked(self, blob: Blob, name: str) -> ByteSource:
        from film_archive.versioning.chunked import ChunkedSource

        return ChunkedSource(
            self.chunks_of(blob, name), self.find_all, lambda place: self.store.source(place.hex(), f"a chunk of {name}"), name
        )

    def chunks_of(self, blob: Blob, name: str) -> ChunkList:
        """The chunks that a blob is; raises Damaged where their list is missing or not what it was."""
        from film_archive.versioning.chunk_list import read_chunk_list

        address = blob.data or b""
        listed = self.find(address)
        if listed is None or listed.layout is Layout.CHUNKED:
            raise Damaged(f"The list of the chunks that {name} is is missing; restore the repository from a copy.")
        with self.open(listed, f"the list of the chunks of {name}") as source:
            data = source.read_at(0, source.size)
        if blake3_of(data) != address:
            raise Damaged(f"The list of the chunks that {name} is is damaged; restore it from a copy.")
        return read_chunk_list(data, blob.size, name)

    def also_needed(self, blob: Blob) -> set[bytes]:
        """The other blobs that a blob is made of: its chunks, and their list."""
        if blob.layout is not Layout.CHUNKED:
            return set()
        return {blob.data or b"", *self.chunks_of(blob, blob.address.hex()[:16]).all_addresses()}


class _Part(SliceSource):
    """A part of an object, which is closed with it."""

    def close(self) -> None:
        self._base.close()


class Adding:
    """Contents that are being stored. Nothing is visible before `settle`; `forget` drops what was not settled."""

    def __init__(self, contents: Contents, chunking: Sequence[str] = ()) -> None:
        self._contents = contents
        self._store = contents.store
        self._chunking = chunking
        self._pack = PackWriter()
        self._on_the_way: _PackOnTheWay | None = None
        self._rows: dict[bytes, Blob] = {}

    def add(self, source: ByteSource, path: str = "", *, on_bytes: OnBytes | None = None) -> Blob:
        """Store a content unless it is there; raises SourceChanged, NoSpace.

        `path` decides whether it is to be stored as chunks.
        """
        if source.size < PACKED:
            data = source.read_at(0, source.size)
            if len(data) != source.size:
                raise SourceChanged(f"{source.name} changed while it was read; nothing was stored of it.")
            source.check_unchanged()
            if on_bytes is not None:
                on_bytes(len(data))
            return self.add_bytes(data)
        cuts = self._cuts(source, path)
        if self._contents.has_size(source.size, chunked=cuts is None):
            # Perhaps the same: reading it once is cheaper than storing it twice.
            digests = digest_source(source, (KEY, ADDRESS))
            known = self._known(bytes.fromhex(digests[ADDRESS]))
            if known is not None:
                if on_bytes is not None:
                    on_bytes(source.size)
                return known
        if cuts is not None:
            return self._add_chunks(source, cuts, on_bytes)
        stored = self._store.put(source, on_bytes=on_bytes)
        return self._whole(source.size, stored)

    def _cuts(self, source: ByteSource, path: str) -> Cuts | None:
        """Where a content is cut; None where it is stored in one."""
        if not (path and self._chunking and matches(path, self._chunking)):
            return None
        from film_archive.versioning.chunking import cuts_of

        return cuts_of(source)

    def _add_chunks(self, source: ByteSource, cuts: Cuts, on_bytes: OnBytes | None) -> Blob:
        """Store those chunks of a content that are not there, and the list of all, in one reading."""
        from film_archive.versioning.chunk_list import LITERAL, ChunkListMaker
        from film_archive.versioning.chunking import OTHER, TrackCutter, parameters, runs_of

        digests = MultiHasher((KEY, ADDRESS))
        listed = ChunkListMaker()
        sound: dict[int, TrackCutter] = {}
        new = _NewChunks(self._add_new)
        for track, run in runs_of(source, cuts, while_reading=digests.update):
            if track != OTHER:
                listed.add_sound(track, len(run))
                for data in sound.setdefault(track, TrackCutter()).feed(run):
                    listed.add_sound_chunk(track, new.add(data), len(data))
            elif len(run) <= LITERAL:
                listed.add_literal(bytes(run))
            else:
                listed.add(new.add(bytes(run)), len(run))
            if on_bytes is not None:
                on_bytes(len(run))
        for track, cutter in sound.items():
            for data in cutter.finish():
                listed.add_sound_chunk(track, new.add(data), len(data))
        new.done()
        source.check_unchanged()
        if digests.size != source.size:
            raise SourceChanged(f"{source.name} changed while it was read; nothing was stored of it.")
        found = digests.digests()
        address = bytes.fromhex(found[ADDRESS])
        known = self._known(address)
        if known is not None:
            return known
        data = listed.data(parameters())
        if len(data) < PACKED:
            list_address = self.add_bytes(data).address
        else:
            stored = self._store.put(MemorySource(data, f"the list of the chunks of {source.name}"))
            list_address = self._whole(len(data), stored).address
        blob = Blob(address, source.size, bytes.fromhex(found[KEY]), Layout.CHUNKED, data=list_address)
        self._rows[address] = blob
        return blob

    def _add_new(self, chunks: Sequence[tuple[bytes, bytes]]) -> None:
        """Store those of some chunks that are not there."""
        there = self._contents.find_all([address for address, _ in chunks if address not in self._rows])
        for address, data in chunks:
            if address not in self._rows and address not in there:
                self._add_small(address, data)
        if len(self._rows) > _MOST_ROWS:  # of what is settled, rows may be written: without a list they lead nowhere
            self.settle()
            with self._contents.transaction() as transaction:
                self.write(transaction)
            self._rows.clear()

    def add_bytes(self, data: bytes) -> Blob:
        """Store a small content unless it is there."""
        address = blake3_of(data)
        found = self._known(address)
        return found if found is not None else self._add_small(address, data)

    def _add_small(self, address: bytes, data: bytes) -> Blob:
        if len(data) <= INLINE:
            blob = Blob(address, len(data), key_of(data), Layout.INLINE, data=data)
        else:
            blob = Blob(address, len(data), key_of(data), Layout.PACKED)
            self._pack.add(address, data)
        self._rows[address] = blob
        if self._pack.is_full:
            self._send_pack()
        return blob

    def _known(self, address: bytes) -> Blob | None:
        return self._rows.get(address) or self._contents.find(address)

    def _whole(self, size: int, digests: Mapping[str, str]) -> Blob:
        address = bytes.fromhex(digests[ADDRESS])
        blob = self._known(address) or Blob(address, size, bytes.fromhex(digests[KEY]), Layout.WHOLE, place=address)
        self._rows.setdefault(address, blob)
        return blob

    def _send_pack(self) -> None:
        """Store a full pack, while the next one is filled."""
        self._hear_of_pack()
        pack, self._pack = self._pack, PackWriter()
        self._on_the_way = _PackOnTheWay(self._store, pack)
        self._on_the_way.start()

    def _hear_of_pack(self) -> None:
        """Wait for the pack that is being stored; raises what storing it raised."""
        sent = self._on_the_way
        if sent is not None:
            sent.join()
            self._on_the_way = None
            self._note_place(sent.pack, sent.place())

    def _close_pack(self) -> None:
        self._hear_of_pack()
        pack, self._pack = self._pack, PackWriter()
        if pack.rows:
            self._note_place(pack, bytes.fromhex(self._store.put(pack.source())[ADDRESS]))

    def _note_place(self, pack: PackWriter, place: bytes) -> None:
        for row in pack.rows:
            self._rows[row.address] = self._rows[row.address]._replace(place=place, start=row.start)

    def settle(self) -> None:
        """Make all contents durable; `write` may follow."""
        self._close_pack()
        self._store.settle()

    def write(self, transaction: Statements) -> None:
        """Write the rows of what was settled, as part of a transaction; they are kept, for when that is undone."""
        added = now()
        transaction.execute_many(_INSERT, [blob.values(added) for blob in self._rows.values() if not blob.added])

    def forget(self) -> None:
        """Drop what was not settled."""
        if self._on_the_way is not None:
            self._on_the_way.join()
            self._on_the_way = None
        self._store.forget()
        self._pack = PackWriter()
        self._rows.clear()


class _PackOnTheWay(threading.Thread):
    """A pack that is being stored."""

    def __init__(self, store: ObjectStore, pack: PackWriter) -> None:
        super().__init__(name="pack", daemon=True)
        self._store = store
        self.pack = pack
        self._place = b""
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._place = bytes.fromhex(self._store.put(self.pack.source())[ADDRESS])
        except BaseException as error:  # noqa: BLE001  raised by who waits
            self._error = error

    def place(self) -> bytes:
        """Where it lies, when it is stored; raises what storing it raised."""
        if self._error is not None:
            raise self._error
        return self._place


class _NewChunks:
    """Chunks that wait until it is asked of many together whether they are there."""

    def __init__(self, store: Callable[[Sequence[tuple[bytes, bytes]]], None]) -> None:
        self._store = store
        self._waiting: list[tuple[bytes, bytes]] = []
        self._size = 0

    def add(self, data: bytes) -> bytes:
        """Returns its address."""
        address = blake3_of(data)
        self._waiting.append((address, data))
        self._size += len(data)
        if self._size >= _LOOKED_UP_AT:
            self.done()
        return address

    def done(self) -> None:
        self._store(self._waiting)
        self._waiting, self._size = [], 0


def prove(source: ByteSource, address: bytes, key: bytes | None = None, *, on_bytes: OnBytes | None = None) -> None:
    """Read a blob's bytes and compare; raises Damaged."""
    found = digest_source(source, (KEY, ADDRESS), on_bytes=on_bytes)
    if found[ADDRESS] != address.hex() or (key is not None and found[KEY] != key.hex()):
        raise Damaged(f"{source.name} does not hold what its digest says; restore it from a copy.")


