"""`Catalog`: the database of what is where, open; putting into it what was found. `catalog/lookup.py` asks it.

No fact lives only here: `film-archive catalog rebuild` makes it again (docs/catalog.md says from what).
"""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from film_archive.catalog import schema
from film_archive.catalog.names import from_text, to_text
from film_archive.catalog.rows import Content, Event, FolderRows, Holder, Kind, SequenceRow
from film_archive.core.devices import Device
from film_archive.storage.engine import Engine

_Value = TypeVar("_Value")
_CHUNK = 500
"""Values in one IN (…)."""


class Catalog:
    """An open catalog. Use `Catalog.open`; close it, or use it as a context."""

    def __init__(self, engine: Engine, now: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self._now = now

    @classmethod
    def open(
        cls, where: str | os.PathLike[str], *, must_exist: bool = False, now: Callable[[], float] = time.time
    ) -> Self:
        """Open a catalog, a file or a database's URL; it is made where it is not there.

        Raises NotFound (`must_exist`), Refused on network shares and for other programs' databases, Damaged.
        """
        made = Engine(
            where,
            schema.METADATA,
            version=schema.VERSION,
            migrations=schema.MIGRATIONS,
            what="catalog",
            must_exist=must_exist,
        )
        return cls(made, now)

    @property
    def name(self) -> str:
        return self.engine.name

    def close(self) -> None:
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Holders and events

    def device(self, device: Device, label: str = "") -> Holder:
        """A file system as a holder; it was just seen."""
        return self.holder(Kind.DISK, device.identity, label, stable=device.stable)

    def holder(self, kind: Kind, identity: str, label: str = "", *, stable: bool = True) -> Holder:
        """A holder, made where it is not known; it was just seen."""
        now = int(self._now())
        table = schema.HOLDER
        values = {"kind": str(kind), "identity": identity, "label": to_text(label), "stable": stable}
        replaced = ["last_seen", *(["label"] if label else [])]
        with self.engine.writing() as connection:
            statement = self.engine.insert(table, key=("kind", "identity"), replace=replaced)
            connection.execute(statement, {**values, "first_seen": now, "last_seen": now})
            row = connection.execute(sa.select(table).where(table.c.kind == str(kind), table.c.identity == identity)).one()
        return holder_of(row)

    def holders(self) -> tuple[Holder, ...]:
        """All that is known, in the order in which it was met."""
        with self.engine.reading() as connection:
            return tuple(map(holder_of, connection.execute(sa.select(schema.HOLDER).order_by(schema.HOLDER.c.id))))

    def event(self, verb: str, subject: str, *, journal: str | None = None, at: int | None = None) -> Event:
        """Write down that something is done now."""
        values = {
            "at": int(self._now()) if at is None else at,
            "who": who(),
            "verb": verb,
            "subject": to_text(subject),
            "journal": None if journal is None else to_text(journal),
        }
        with self.engine.writing() as connection:
            made = connection.execute(schema.EVENT.insert().values(**values)).inserted_primary_key
        assert made is not None
        return Event(made[0], values["at"], values["who"], verb, subject, journal)  # type: ignore[arg-type]  # as just built

    def events(self, verb: str | None = None) -> tuple[Event, ...]:
        """What was done, the latest last."""
        statement = sa.select(schema.EVENT).order_by(schema.EVENT.c.id)
        with self.engine.reading() as connection:
            rows = connection.execute(statement if verb is None else statement.where(schema.EVENT.c.verb == verb))
            return tuple(map(event_of, rows))

    # Putting in

    def put(self, holder: Holder, folders: Iterable[FolderRows], event: Event) -> None:
        """Make the catalog say of these folders what was found in them, in one transaction.

        What a folder no longer holds is remembered as gone; what changed is no longer verified.
        """
        with self.engine.writing() as connection:
            _Putting(self.engine, connection, holder, event).put(folders)

    def verified(self, holder: Holder, outcomes: Mapping[str, str], event: Event) -> None:
        """Keep what a verification found: path in the holder → "ok", "differs", "missing", "unreadable".

        A file that is "ok" is verified from now on, one that is not is no longer.
        """
        with self.engine.writing() as connection:
            _Putting(self.engine, connection, holder, event).verified(outcomes)

    def moved(self, pairs: Iterable[tuple[tuple[Holder, str], tuple[Holder, str]]]) -> None:
        """Files have other paths now: ((holder, path) before, (holder, path) now). What is not known is passed over."""
        with self.engine.writing() as connection:
            by_holders: dict[tuple[Holder, Holder], list[tuple[str, str]]] = {}
            for (before, from_inner), (now, to_inner) in pairs:
                by_holders.setdefault((before, now), []).append((from_inner, to_inner))
            for (before, now), inners in by_holders.items():
                origin = _Putting(self.engine, connection, before, None)
                origin.move(_Putting(self.engine, connection, now, None), inners)

    def crawled(self, holder: Holder, inner: str) -> None:
        """A folder with all below it was just looked at."""
        with self.engine.writing() as connection:
            folder = _Putting(self.engine, connection, holder, None).folder_id(inner)
            statement = self.engine.insert(schema.ROOT, key=("folder",), replace=("crawled",))
            connection.execute(statement, {"folder": folder, "crawled": int(self._now())})

    def stands(self, archive: Holder, device: Holder, inner: str) -> None:
        """An archive lies at a path of a device."""
        with self.engine.writing() as connection:
            above, _, name = inner.rpartition("/")
            folder = _Putting(self.engine, connection, device, None).folder_id(above or "/")
            values = {"holder": archive.id, "folder": folder, "name": to_text(name)}
            connection.execute(self.engine.insert(schema.STANDING), values)


def holder_of(row: Any) -> Holder:
    return Holder(row.id, Kind(row.kind), row.identity, from_text(row.label), row.stable, row.last_seen)


def event_of(row: Any) -> Event:
    journal = None if row.journal is None else from_text(row.journal)
    return Event(row.id, row.at, row.who, row.verb, from_text(row.subject), journal)


def sequence_of(row: Any) -> SequenceRow:
    return SequenceRow.unpack(from_text(row.stem), row.digits, from_text(row.suffix), row.frames, row.packed)


def who() -> str:
    """The user of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may have no name for the user's number
        return str(os.getuid())


def content_key(xxh128: bytes) -> int:
    """The number under which a content is looked for first."""
    return int.from_bytes(xxh128[:8], "big", signed=True)


def next_key(key: int) -> int:
    """The number to look at where this one is taken by another content."""
    return key + 1 if key + 1 < 1 << 63 else -(1 << 63)


def chunks(values: Sequence[_Value], size: int = _CHUNK) -> Iterator[Sequence[_Value]]:
    return (values[start : start + size] for start in range(0, len(values), size))


@dataclass
class _Putting:
    """One transaction that writes."""

    engine: Engine
    connection: sa.Connection
    holder: Holder
    event: Event | None
    folder_ids: dict[str, int] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    """Folders that were made in this transaction: nothing of them is there to be compared."""

    def put(self, folders: Iterable[FolderRows]) -> None:
        folders = tuple(folders)
        contents = [row.content for folder in folders for row in folder.files if row.content is not None]
        keys = self.content_keys(contents)
        new: list[dict[str, Any]] = []
        signatures: list[dict[str, Any]] = []
        for folder in folders:
            number = self.folder_id(folder.inner)
            known = {} if number in self.fresh else self._known(number)
            for row in folder.files:
                key = None if row.content is None else keys[row.content]
                values = {"size": row.size, "mtime_ns": row.mtime_ns, "inode": row.inode, "content": key}
                name = to_text(row.name)
                before = known.pop(name, None)
                if before is None:
                    new.append({"folder": number, "name": name, **values})
                elif (before.size, before.mtime_ns, before.inode, before.content) != tuple(values.values()):
                    self._change(before, values)
            self._remove(number, known.values())
            self._put_sequences(number, folder.sequences)
            if folder.folders is not None:
                self._remove_folders(number, {to_text(name) for name in folder.folders})
            signatures.append({"folder": number, "now": folder.signature})
        if new:
            self.connection.execute(schema.FILE.insert(), new)
        if signatures:
            update = schema.FOLDER.update().where(schema.FOLDER.c.id == sa.bindparam("folder"))
            self.connection.execute(update.values(signature=sa.bindparam("now")), signatures)

    def folder_id(self, inner: str) -> int:
        """The number of a folder, made with those above it where it is not known."""
        found = self.folder_ids.get(inner)
        if found is not None:
            return found
        if inner == "/":
            parent, name = 0, ""
        else:
            above, _, name = inner.rpartition("/")
            parent, name = self.folder_id(above or "/"), to_text(name)
        values = {"holder": self.holder.id, "parent": parent, "name": name}
        table = schema.FOLDER
        made = None
        if parent not in self.fresh:
            conditions = [table.c[column] == value for column, value in values.items()]
            made = self.connection.execute(sa.select(table.c.id).where(*conditions)).scalar()
        if made is None:
            primary = self.connection.execute(table.insert().values(**values)).inserted_primary_key
            assert primary is not None
            made = int(primary[0])
            self.fresh.add(made)
        self.folder_ids[inner] = made
        return made

    def content_keys(self, contents: Iterable[Content]) -> dict[Content, int]:
        """The key of each content, which is there afterwards with all digests that are known of it."""
        wanted = {content: content_key(content.xxh128) for content in contents}
        keys: dict[Content, int] = {}
        taken: dict[int, Content] = {}
        while wanted:
            found = self._contents_at(sorted({key for key in wanted.values() if key not in taken}))
            later: dict[Content, int] = {}
            for content, key in wanted.items():
                holds = found.get(key) or taken.get(key)
                if holds is None:
                    taken[key] = content
                elif (holds.size, holds.xxh128) != (content.size, content.xxh128):
                    later[content] = next_key(key)
                    continue
                keys[content] = key
            wanted = later
        rows = [{"key": key, "xxh128": content.xxh128, "size": content.size} for key, content in taken.items()]
        if rows:
            self.connection.execute(schema.CONTENT.insert(), rows)
        digests = [
            {"content": key, "algorithm": name, "value": value}
            for content, key in keys.items()
            for name, value in content.others.items()
        ]
        if digests:
            self.connection.execute(self.engine.insert(schema.DIGEST), digests)
        return keys

    def verified(self, outcomes: Mapping[str, str]) -> None:
        assert self.event is not None
        results: list[dict[str, Any]] = []
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for inner, outcome in outcomes.items():
            above, _, name = inner.rpartition("/")
            row = {"folder": self.folder_id(above or "/"), "name": to_text(name)}
            results.append({"event": self.event.id, **row, "outcome": outcome})
            (good if outcome == "ok" else bad).append({"in_folder": row["folder"], "called": row["name"]})
        if results:
            statement = self.engine.insert(schema.RESULT, key=("event", "folder", "name"), replace=("outcome",))
            self.connection.execute(statement, results)
        table = schema.FILE
        update = table.update().where(table.c.folder == sa.bindparam("in_folder"), table.c.name == sa.bindparam("called"))
        for rows, event in ((good, self.event.id), (bad, None)):
            if rows:
                self.connection.execute(update.values(verified=event), rows)
        self._verified_sequences(good, bad)

    def move(self, target: _Putting, inners: Iterable[tuple[str, str]]) -> None:
        file, folder, sequence = schema.FILE, schema.FOLDER, schema.SEQUENCE
        names: dict[tuple[int, int], set[str]] = {}
        for before, now in inners:
            (above, _, name), (to_above, _, to_name) = before.rpartition("/"), now.rpartition("/")
            number, to_number = self.folder_id(above or "/"), target.folder_id(to_above or "/")
            if name == to_name:
                names.setdefault((number, to_number), set()).add(to_text(name))
            self.connection.execute(file.delete().where(file.c.folder == to_number, file.c.name == to_text(to_name)))
            which = file.update().where(file.c.folder == number, file.c.name == to_text(name))
            self.connection.execute(which.values(folder=to_number, name=to_text(to_name)))
            both = folder.update().where(folder.c.id.in_((number, to_number)))
            self.connection.execute(both.values(signature=None))  # the next crawl looks at both again
        for (number, to_number), moved in names.items():
            for row in self.connection.execute(sa.select(sequence).where(sequence.c.folder == number)).all():
                frames = {to_text(frame.name) for frame in sequence_of(row).frames.values()}
                if frames <= moved:
                    self.connection.execute(sequence.update().where(sequence.c.id == row.id).values(folder=to_number))

    def _verified_sequences(self, good: Iterable[Mapping[str, Any]], bad: Iterable[Mapping[str, Any]]) -> None:
        """A sequence is verified when all its frames were right at one event, until one of them is not."""
        assert self.event is not None
        right: dict[int, set[str]] = {}
        wrong: dict[int, set[str]] = {}
        for outcomes, names in ((good, right), (bad, wrong)):
            for outcome in outcomes:
                names.setdefault(outcome["in_folder"], set()).add(outcome["called"])
        table = schema.SEQUENCE
        for folder in {*right, *wrong}:
            for row in self.connection.execute(sa.select(table).where(table.c.folder == folder)).all():
                frames = {to_text(frame.name) for frame in sequence_of(row).frames.values()}
                whole = frames <= right.get(folder, set())
                if whole or frames & wrong.get(folder, set()):
                    verified = self.event.id if whole else None
                    self.connection.execute(table.update().where(table.c.id == row.id).values(verified=verified))

    def _contents_at(self, keys: Sequence[int]) -> dict[int, Content]:
        table = schema.CONTENT
        found: dict[int, Content] = {}
        for some in chunks(keys):
            for row in self.connection.execute(sa.select(table).where(table.c.key.in_(some))):
                found[row.key] = Content(row.size, bytes(row.xxh128))
        return found

    def _known(self, folder: int) -> dict[str, Any]:
        return {row.name: row for row in self.connection.execute(sa.select(schema.FILE).where(schema.FILE.c.folder == folder))}

    def _change(self, before: Any, values: dict[str, Any]) -> None:
        table = schema.FILE
        if before.content != values["content"]:
            self._remember(before.folder, [before])
            values = {**values, "verified": None}
        self.connection.execute(table.update().where(table.c.id == before.id).values(**values))

    def _remove(self, folder: int, rows: Iterable[Any]) -> None:
        rows = tuple(rows)
        if not rows:
            return
        self._remember(folder, rows)
        for some in chunks([row.id for row in rows]):
            self.connection.execute(schema.FILE.delete().where(schema.FILE.c.id.in_(some)))

    def _remember(self, folder: int, rows: Iterable[Any]) -> None:
        """That a content had been here."""
        assert self.event is not None
        gone = [
            {"folder": folder, "name": row.name, "content": row.content, "gone": self.event.id}
            for row in rows
            if row.content is not None
        ]
        if gone:
            self.connection.execute(schema.FORMER.insert(), gone)

    def _put_sequences(self, folder: int, sequences: Iterable[SequenceRow]) -> None:
        table = schema.SEQUENCE
        known = {}
        if folder not in self.fresh:
            rows = self.connection.execute(sa.select(table).where(table.c.folder == folder))
            known = {(row.stem, row.digits, row.suffix, row.first): row for row in rows}
        for sequence in sequences:
            packed = sequence.pack()
            path = (to_text(sequence.stem), sequence.digits, to_text(sequence.suffix), min(sequence.frames))
            before = known.get(path)
            if before is not None and before.packed == packed:
                del known[path]
                continue
            if before is not None:
                self._remove_sequence(before.id)
                del known[path]
            made = self.connection.execute(
                table.insert().values(
                    **dict(zip(("stem", "digits", "suffix", "first"), path, strict=True)),
                    folder=folder,
                    frames=len(sequence.frames),
                    size=sum(row.size for row in sequence.frames.values()),
                    packed=packed,
                )
            ).inserted_primary_key
            assert made is not None
            keys = {content_key(row.content.xxh128) for row in sequence.frames.values() if row.content is not None}
            self.connection.execute(schema.FRAME.insert(), [{"key": key, "sequence": made[0]} for key in keys])
        for row in known.values():
            self._remove_sequence(row.id)

    def _remove_sequence(self, number: int) -> None:
        self.connection.execute(schema.FRAME.delete().where(schema.FRAME.c.sequence == number))
        self.connection.execute(schema.SEQUENCE.delete().where(schema.SEQUENCE.c.id == number))

    def _remove_folders(self, folder: int, there: set[str]) -> None:
        """Folders that are no longer in a folder: what was in them is gone. The folders stay, for the memory of it."""
        if folder in self.fresh:
            return
        table = schema.FOLDER
        rows = self.connection.execute(sa.select(table.c.id, table.c.name).where(table.c.parent == folder)).all()
        going = [row.id for row in rows if row.name not in there]
        while going:
            below: list[int] = []
            for number in going:
                self._remove(number, self._known(number).values())
                self._put_sequences(number, ())
                below += self.connection.execute(sa.select(table.c.id).where(table.c.parent == number)).scalars()
                self.connection.execute(table.update().where(table.c.id == number).values(signature=None))
            going = below

