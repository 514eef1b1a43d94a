"""Asking the catalog: where a content is, what a folder holds, what is called so, what had been where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from film_archive.catalog import schema
from film_archive.catalog.catalog import Catalog, chunks, content_key, event_of, holder_of, next_key, sequence_of
from film_archive.catalog.names import from_text, to_text
from film_archive.catalog.rows import Content, Event, FileRow, Holder, Kind, Place, SequenceRow

_FILE, _FOLDER, _CONTENT, _SEQUENCE, _EVENT = schema.FILE, schema.FOLDER, schema.CONTENT, schema.SEQUENCE, schema.EVENT


@dataclass(frozen=True, slots=True)
class KnownFolder:
    """What the catalog has of a folder: name → file, sequences' frames among them."""

    signature: bytes | None
    files: dict[str, FileRow]


class Lookup:
    """One state of a catalog, to be asked. Use it as `with looking(catalog) as lookup`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._paths: dict[int, str] = {}
        self._holder_of_folder: dict[int, int] = {}
        self._holders: dict[int, Holder] = {}
        self._events: dict[int, Event] = {}

    # Contents

    def content(self, xxh128: bytes, size: int | None = None) -> tuple[Content, ...]:
        """The contents with this digest (and size): one, unless two collide; none where it is not known."""
        key = content_key(xxh128)
        found: list[Content] = []
        while True:
            row = self._connection.execute(sa.select(_CONTENT).where(_CONTENT.c.key == key)).one_or_none()
            if row is None:
                return tuple(found)
            if row.xxh128 == xxh128 and size in (None, row.size):
                found.append(Content(row.size, xxh128, self._digests(key)))
            key = next_key(key)

    def with_digest(self, algorithm: str, value: str) -> tuple[Content, ...]:
        """The contents that have this digest of another kind; this looks at all of them."""
        digest = schema.DIGEST
        rows = self._connection.execute(
            sa.select(_CONTENT)
            .join(digest, digest.c.content == _CONTENT.c.key)
            .where(digest.c.algorithm == algorithm, digest.c.value == value)
        ).all()
        return tuple(Content(row.size, bytes(row.xxh128), self._digests(row.key)) for row in rows)

    def places(self, content: Content, *, former: bool = False) -> tuple[Place, ...]:
        """Everywhere that a content is, by holder and path; with `former` also where it had been."""
        found = [*self._file_places(content), *self._frame_places(content)]
        if former:
            found += self._former_places(content)
        return tuple(sorted(found, key=lambda place: (place.gone is not None, place.holder.id, place.inner)))

    def _key(self, content: Content) -> int | None:
        key = content_key(content.xxh128)
        while True:
            row = self._connection.execute(sa.select(_CONTENT).where(_CONTENT.c.key == key)).one_or_none()
            if row is None or (row.xxh128 == content.xxh128 and row.size == content.size):
                return None if row is None else int(row.key)
            key = next_key(key)

    def _file_places(self, content: Content) -> Iterator[Place]:
        key = self._key(content)
        if key is None:
            return
        for row in self._connection.execute(sa.select(_FILE).where(_FILE.c.content == key)).all():
            holder, path = self._path(row.folder, row.name)
            yield Place(holder, path, row.size, row.mtime_ns, self._event(row.verified))

    def _frame_places(self, content: Content) -> Iterator[Place]:
        statement = (
            sa.select(_SEQUENCE)
            .join(schema.FRAME, schema.FRAME.c.sequence == _SEQUENCE.c.id)
            .where(schema.FRAME.c.key == content_key(content.xxh128))
        )
        for row in self._connection.execute(statement).all():
            sequence = sequence_of(row)
            for frame in sequence.frames.values():
                if frame.content == content:
                    holder, path = self._path(row.folder, to_text(frame.name))
                    yield Place(holder, path, frame.size, frame.mtime_ns, self._event(row.verified), sequence.name)

    def _former_places(self, content: Content) -> Iterator[Place]:
        key = self._key(content)
        if key is None:
            return
        table = schema.FORMER
        for row in self._connection.execute(sa.select(table).where(table.c.content == key)).all():
            holder, path = self._path(row.folder, row.name)
            yield Place(holder, path, content.size, 0, None, gone=self._event(row.gone))

    def standing(self, archive: Holder) -> tuple[tuple[Holder, str], ...]:
        """Where an archive lies: (device, path in it)."""
        table = schema.STANDING
        rows = self._connection.execute(sa.select(table).where(table.c.holder == archive.id)).all()
        return tuple(self._path(row.folder, row.name) for row in rows)

    def devices(self, place: Place) -> frozenset[str]:
        """The identities of the devices that a place's bytes are on: an archive's is the one on which it lies."""
        if place.holder.kind is Kind.ARCHIVE:
            return frozenset(device.identity for device, _ in self.standing(place.holder))
        return frozenset((place.holder.identity,))

    # Folders

    def known(self, holder: Holder, inner: str) -> KnownFolder | None:
        """What the catalog has of a folder; None where it does not know it."""
        number = self.folder(holder, inner)
        if number is None:
            return None
        signature = self._connection.execute(sa.select(_FOLDER.c.signature).where(_FOLDER.c.id == number)).scalar()
        files = {row.name: row for row in self._files_in(number)}
        for sequence in self._sequences_in(number):
            files.update((frame.name, frame) for frame in sequence.frames.values())
        return KnownFolder(signature, files)

    def folder(self, holder: Holder, inner: str) -> int | None:
        """The number of a folder; None where it is not known."""
        number = 0
        for name in ["", *filter(None, inner.split("/"))]:
            found = self._connection.execute(
                sa.select(_FOLDER.c.id).where(
                    _FOLDER.c.holder == holder.id, _FOLDER.c.parent == number, _FOLDER.c.name == to_text(name)
                )
            ).scalar()
            if found is None:
                return None
            number = int(found)
        return number

    def folders_below(self, holder: Holder, inner: str) -> dict[str, tuple[int, bytes | None]]:
        """Path → (number, signature) of a folder and all below it."""
        top = self.folder(holder, inner)
        if top is None:
            return {}
        children: dict[int, list[Any]] = {}
        statement = sa.select(_FOLDER.c.id, _FOLDER.c.parent, _FOLDER.c.name, _FOLDER.c.signature)
        for row in self._connection.execute(statement.where(_FOLDER.c.holder == holder.id)):
            children.setdefault(row.parent, []).append(row)
        signature = self._connection.execute(sa.select(_FOLDER.c.signature).where(_FOLDER.c.id == top)).scalar()
        found = {inner: (top, signature)}
        waiting = [(top, inner.rstrip("/"))]
        while waiting:
            number, path = waiting.pop()
            for row in children.get(number, ()):
                below = f"{path}/{from_text(row.name)}"
                found[below] = (row.id, row.signature)
                waiting.append((row.id, below))
        return found

    def files_below(self, holder: Holder, inner: str) -> Iterator[tuple[str, FileRow]]:
        """(path in the holder, file) of all files below a folder, frames of sequences among them."""
        for path, (number, _) in sorted(self.folders_below(holder, inner).items()):
            above = path.rstrip("/")
            rows = list(self._files_in(number))
            for sequence in self._sequences_in(number):
                rows += sequence.frames.values()
            for row in sorted(rows, key=lambda row: row.name):
                yield f"{above}/{row.name}", row

    def crawled(self) -> tuple[tuple[Holder, str, int], ...]:
        """(holder, path, when) of all folders that were crawled."""
        rows = self._connection.execute(sa.select(schema.ROOT)).all()
        return tuple((*self._path(row.folder, None), row.crawled) for row in rows)

    def find(self, text: str, *, limit: int = 1000) -> tuple[Place, ...]:
        """Files and sequences in whose name, or in whose folder's name, a text is found, whatever its case."""
        pattern = like_pattern(text)
        named = _FILE.c.name.ilike(pattern, escape="\\")
        within = _FILE.c.folder.in_(sa.select(_FOLDER.c.id).where(_FOLDER.c.name.ilike(pattern, escape="\\")))
        found = []
        for row in self._connection.execute(sa.select(_FILE).where(named | within).limit(limit)).all():
            holder, path = self._path(row.folder, row.name)
            found.append(Place(holder, path, row.size, row.mtime_ns, self._event(row.verified)))
        found += self._find_sequences(text, limit)
        return tuple(sorted(found, key=lambda place: (place.holder.id, place.inner)))[:limit]

    def _find_sequences(self, text: str, limit: int) -> Iterator[Place]:
        """Sequences by their name or their folder's, and by the name of a frame; one that is named in full is that frame."""
        # A frame's number is in no column: it is looked for without, and then in the names.
        called = (_SEQUENCE.c.stem + _SEQUENCE.c.suffix).ilike(like_pattern(re.sub(r"[0-9]+", "", text)), escape="\\")
        within = _SEQUENCE.c.folder.in_(sa.select(_FOLDER.c.id).where(_FOLDER.c.name.ilike(like_pattern(text), escape="\\")))
        statement = sa.select(_SEQUENCE, within.label("within")).where(called | within).limit(limit)
        for row in self._connection.execute(statement).all():
            sequence = sequence_of(row)
            named = [frame for frame in sequence.frames.values() if text.casefold() in frame.name.casefold()]
            whole = [frame for frame in named if frame.name == text]
            if not named and not row.within and text.casefold() not in sequence.name.casefold():
                continue
            holder, path = self._path(row.folder, to_text(whole[0].name if whole else sequence.name))
            size = whole[0].size if whole else row.size
            yield Place(holder, path, size, 0, self._event(row.verified), sequence.name)

    def results(self, holder: Holder, inner: str) -> tuple[tuple[Event, str], ...]:
        """(event, outcome) of each verification of a file, the latest last."""
        above, _, name = inner.rpartition("/")
        number = self.folder(holder, above or "/")
        if number is None:
            return ()
        table = schema.RESULT
        statement = sa.select(table.c.event, table.c.outcome).where(table.c.folder == number, table.c.name == to_text(name))
        rows = self._connection.execute(statement.order_by(table.c.event)).all()
        return tuple((event, row.outcome) for row in rows if (event := self._event(row.event)) is not None)

    def last_results(self, holder: Holder, inner: str) -> dict[str, int]:
        """Path → when (seconds since 1970) it was verified last, of all that ever was below a folder."""
        paths = {number: path.rstrip("/") for path, (number, _) in self.folders_below(holder, inner).items()}
        table = schema.RESULT
        statement = (
            sa.select(table.c.folder, table.c.name, sa.func.max(_EVENT.c.at).label("at"))
            .join(_EVENT, _EVENT.c.id == table.c.event)
            .group_by(table.c.folder, table.c.name)
        )
        return {
            f"{paths[row.folder]}/{from_text(row.name)}": row.at
            for row in self._connection.execute(statement)
            if row.folder in paths
        }

    # For other questions than these

    def rows(self, statement: sa.Select[Any]) -> Iterator[Any]:
        """The rows of a statement, in the state that is looked at."""
        return iter(self._connection.execute(statement).all())

    def place_of(self, row: Any) -> Place:
        """Where a row of the table of files is."""
        holder, path = self._path(row.folder, row.name)
        return Place(holder, path, row.size, row.mtime_ns, self._event(row.verified))

    # inside

    def _files_in(self, folder: int) -> Iterator[FileRow]:
        statement = (
            sa.select(_FILE, _CONTENT.c.xxh128)
            .outerjoin(_CONTENT, _CONTENT.c.key == _FILE.c.content)
            .where(_FILE.c.folder == folder)
        )
        rows = self._connection.execute(statement).all()
        others = self._digests_of([row.content for row in rows if row.content is not None])
        for row in rows:
            content = None
            if row.content is not None:
                content = Content(row.size, bytes(row.xxh128), others.get(row.content, {}))
            yield FileRow(from_text(row.name), row.size, row.mtime_ns, row.inode, content)

    def _sequences_in(self, folder: int) -> Iterator[SequenceRow]:
        rows = self._connection.execute(sa.select(_SEQUENCE).where(_SEQUENCE.c.folder == folder)).all()
        return map(sequence_of, rows)

    def _digests(self, key: int) -> dict[str, str]:
        return self._digests_of([key]).get(key, {})

    def _digests_of(self, keys: Iterable[int]) -> dict[int, dict[str, str]]:
        digest = schema.DIGEST
        found: dict[int, dict[str, str]] = {}
        for some in chunks(sorted(set(keys))):
            for row in self._connection.execute(sa.select(digest).where(digest.c.content.in_(some))):
                found.setdefault(row.content, {})[row.algorithm] = row.value
        return found

    def _path(self, folder: int, name: str | None) -> tuple[Holder, str]:
        """(holder, path) of a name as the catalog writes it, in a folder; None for the folder itself."""
        above = self._paths.get(folder)
        if above is None:
            names = []
            number = folder
            while True:
                row = self._connection.execute(sa.select(_FOLDER).where(_FOLDER.c.id == number)).one()
                if row.parent == 0:
                    break
                names.append(from_text(row.name))
                number = row.parent
            above = "".join(f"/{part}" for part in reversed(names))
            self._paths[folder] = above
            self._holder_of_folder[folder] = row.holder
        holder = self._holder(self._holder_of_folder[folder])
        return holder, (above or "/") if name is None else f"{above}/{from_text(name)}"

    def _holder(self, number: int) -> Holder:
        if number not in self._holders:
            row = self._connection.execute(sa.select(schema.HOLDER).where(schema.HOLDER.c.id == number)).one()
            self._holders[number] = holder_of(row)
        return self._holders[number]

    def _event(self, number: int | None) -> Event | None:
        if number is None:
            return None
        if number not in self._events:
            row = self._connection.execute(sa.select(_EVENT).where(_EVENT.c.id == number)).one()
            self._events[number] = event_of(row)
        return self._events[number]



def like_pattern(text: str) -> str:
    """What LIKE takes for names in which a text is."""
    return "%" + to_text(text).replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"


@contextmanager
def looking(catalog: Catalog) -> Iterator[Lookup]:
    """Ask a catalog; what others write meanwhile is not seen."""
    with catalog.engine.reading() as connection:
        yield Lookup(connection)
