"""Cartridges in the catalog: what each is, its indexes generation by generation, where it was put, what is on few of them."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from film_archive.catalog import schema
from film_archive.catalog.catalog import Catalog, content_key, holder_of, who
from film_archive.catalog.lookup import like_pattern, looking
from film_archive.catalog.names import from_text, to_text
from film_archive.catalog.rows import Content, Holder, Kind, Place
from film_archive.core.errors import FilmArchiveError
from film_archive.core.timecode import FrameRate, Timecode

_PIECE = 1 << 20
_MOST_XML = 1 << 33


@dataclass(frozen=True, slots=True)
class CartridgeRow:
    """A cartridge as its newest index that was read says. Sizes are bytes, times nanoseconds since 1970."""

    uuid: str
    serial: str
    barcode: str
    tape_id: str
    number: int
    copy: int
    generation: int
    updated: int
    files: int
    size: int
    room: int | None
    seen: str
    """Where it was seen: a drive, a folder, the list that it was imported from."""


@dataclass(frozen=True, slots=True)
class KnownCartridge:
    """A cartridge with the place where it was put last."""

    holder: Holder
    row: CartridgeRow
    place: str
    """"" where nobody said."""


@dataclass(frozen=True, slots=True)
class LocationRow:
    """Where a cartridge was put; `at` is seconds since 1970."""

    at: int
    who: str
    place: str
    note: str


@dataclass(frozen=True, slots=True)
class ClipRow:
    """Facts of a clip; `first` is its start timecode in frames at `rate`."""

    codec: str = ""
    rate: str = ""
    start: str = ""
    first: int | None = None
    frames: int | None = None
    reel: str = ""
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class TapePlace:
    """A file on a cartridge."""

    place: Place
    xxh128: bytes | None
    clip: ClipRow | None


@dataclass(frozen=True, slots=True)
class TapeQuery:
    """What is looked for; all that is given has to hold. Times are nanoseconds since 1970, `until` is exclusive."""

    text: str = ""
    """A part of the name, or of its folder's."""
    digest: tuple[str, str] | None = None
    """(algorithm, hex)."""
    since: int | None = None
    until: int | None = None
    timecode: str | None = None
    """A source timecode that the clip has."""
    reel: str | None = None
    tape_id: str | None = None
    fewer_than: int | None = None
    """Only contents that are on fewer cartridges than this."""

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """As SQL, but for what rates have a say in."""
        file, folder, content, clip, cartridge = schema.FILE, schema.FOLDER, schema.CONTENT, schema.CLIP, schema.CARTRIDGE
        found: list[sa.ColumnElement[bool]] = []
        if self.text:
            pattern = like_pattern(self.text)
            within = file.c.folder.in_(sa.select(folder.c.id).where(folder.c.name.ilike(pattern, escape="\\")))
            found.append(file.c.name.ilike(pattern, escape="\\") | within)
        if self.digest is not None and self.digest[0] == "xxh128":
            found.append(content.c.xxh128 == bytes.fromhex(self.digest[1]))
        elif self.digest is not None:
            digest = schema.DIGEST
            with_it = sa.select(digest.c.content).where(digest.c.algorithm == self.digest[0], digest.c.value == self.digest[1])
            found.append(file.c.content.in_(with_it))
        if self.since is not None:
            found.append(file.c.mtime_ns >= self.since)
        if self.until is not None:
            found.append(file.c.mtime_ns < self.until)
        if self.timecode is not None:
            found.append(clip.c.first.is_not(None))
        if self.reel is not None:
            found.append(sa.func.lower(clip.c.reel) == to_text(self.reel).lower())
        if self.tape_id is not None:
            found.append(folder.c.holder.in_(sa.select(cartridge.c.holder).where(cartridge.c.tape_id == to_text(self.tape_id))))
        return found

    def is_at(self, first: int | None, frames: int | None, rate: str | None) -> bool:
        """Whether a clip has the timecode that is looked for, counted at its own rate."""
        if self.timecode is None:
            return True
        if first is None or frames is None or not rate:
            return False
        try:
            label = Timecode.from_string(self.timecode, FrameRate.of(rate)).total_frames
        except (FilmArchiveError, ValueError):
            return False  # no label of this clip's rate
        return first <= label < first + frames


class Cartridges:
    """The tape side of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._engine = catalog.engine

    def put(self, row: CartridgeRow, index: Iterable[bytes] | None = None) -> Holder:
        """Enter a cartridge with the XML of its index; an index of a generation that is there is left as it is."""
        holder = self.catalog.holder(Kind.CARTRIDGE, row.uuid, row.barcode or row.serial)
        values = {
            "holder": holder.id, "serial": row.serial, "barcode": to_text(row.barcode), "tape_id": to_text(row.tape_id),
            "number": row.number, "copy": row.copy, "generation": row.generation, "updated": row.updated, "files": row.files,
            "size": row.size, "room": row.room, "seen": to_text(row.seen),
        }  # fmt: skip
        packed = None if index is None else b"".join(_deflated(index))
        with self._engine.writing() as connection:
            replaced = [name for name in values if name != "holder"]
            connection.execute(self._engine.insert(schema.CARTRIDGE, key=("holder",), replace=replaced), values)
            if packed is not None:
                raw = {"holder": holder.id, "generation": row.generation, "updated": row.updated, "packed": packed}
                connection.execute(self._engine.insert(schema.TAPE_INDEX), raw)
        return holder

    def all(self, tape_id: str | None = None) -> tuple[KnownCartridge, ...]:
        """All cartridges, or those of a set, by set, copy and number."""
        table, holder = schema.CARTRIDGE, schema.HOLDER
        statement = sa.select(table, holder).join(holder, holder.c.id == table.c.holder)
        if tape_id is not None:
            statement = statement.where(table.c.tape_id == to_text(tape_id))
        statement = statement.order_by(table.c.tape_id, table.c.copy, table.c.number, table.c.serial)
        with self._engine.reading() as connection:
            places = self._places(connection)
            return tuple(_known(row, places) for row in connection.execute(statement).all())

    def _places(self, connection: sa.Connection) -> dict[int, str]:
        rows = connection.execute(sa.select(schema.LOCATION).order_by(schema.LOCATION.c.at, schema.LOCATION.c.id))
        return {row.holder: from_text(row.place) for row in rows}

    def index(self, holder: Holder, generation: int | None = None) -> Iterator[bytes]:
        """The XML of an index in pieces, the newest that was read or one of a generation; nothing where there is none."""
        table = schema.TAPE_INDEX
        statement = sa.select(table.c.packed).where(table.c.holder == holder.id)
        if generation is not None:
            statement = statement.where(table.c.generation == generation)
        with self._engine.reading() as connection:
            packed = connection.execute(statement.order_by(table.c.generation.desc()).limit(1)).scalar()
        return iter(()) if packed is None else _inflated(bytes(packed))

    def generations(self, holder: Holder) -> tuple[tuple[int, int], ...]:
        """(generation, when it was written in nanoseconds) of the indexes that are kept, oldest first."""
        table = schema.TAPE_INDEX
        statement = sa.select(table.c.generation, table.c.updated).where(table.c.holder == holder.id)
        with self._engine.reading() as connection:
            return tuple((row.generation, row.updated) for row in connection.execute(statement.order_by(table.c.generation)))

    # Where cartridges are

    def put_at(self, holder: Holder, place: str, note: str = "", *, at: int | None = None, by: str | None = None) -> LocationRow:
        """A cartridge was put somewhere."""
        row = LocationRow(int(time.time()) if at is None else at, who() if by is None else by, place, note)
        values = {"holder": holder.id, "at": row.at, "who": row.who, "place": to_text(place), "note": to_text(note)}
        with self._engine.writing() as connection:
            connection.execute(self._engine.insert(schema.LOCATION), values)
        return row

    def locations(self, holder: Holder) -> tuple[LocationRow, ...]:
        """Where a cartridge was, the latest last."""
        table = schema.LOCATION
        statement = sa.select(table).where(table.c.holder == holder.id).order_by(table.c.at, table.c.id)
        with self._engine.reading() as connection:
            rows = connection.execute(statement).all()
        return tuple(LocationRow(row.at, row.who, from_text(row.place), from_text(row.note)) for row in rows)

    # Clips

    def put_clips(self, clips: Mapping[Content, ClipRow]) -> None:
        """Facts of contents that the catalog has."""
        rows = [
            {
                "content": content_key(content.xxh128), "codec": clip.codec, "rate": clip.rate, "start": clip.start,
                "first": clip.first, "frames": clip.frames, "reel": to_text(clip.reel), "width": clip.width,
                "height": clip.height,
            }
            for content, clip in clips.items()
        ]  # fmt: skip
        if rows:
            with self._engine.writing() as connection:
                connection.execute(self._engine.insert(schema.CLIP), rows)

    def clips(self) -> dict[bytes, ClipRow]:
        """XXH3-128 → facts, of all clips."""
        table, content = schema.CLIP, schema.CONTENT
        statement = sa.select(table, content.c.xxh128).join(content, content.c.key == table.c.content)
        with self._engine.reading() as connection:
            return {bytes(row.xxh128): _clip(row) for row in connection.execute(statement)}

    # Copies

    def counts(self, least: int = 2) -> Iterator[tuple[int, bytes, int]]:
        """(cartridges that have it, XXH3-128, size) of contents that are on fewer than `least` cartridges, but on one."""
        file, folder, holder, content = schema.FILE, schema.FOLDER, schema.HOLDER, schema.CONTENT
        many = sa.func.count(sa.distinct(folder.c.holder))
        statement = (
            sa.select(many.label("many"), content.c.xxh128, content.c.size)
            .select_from(file)
            .join(folder, folder.c.id == file.c.folder)
            .join(holder, holder.c.id == folder.c.holder)
            .join(content, content.c.key == file.c.content)
            .where(holder.c.kind == str(Kind.CARTRIDGE))
            .group_by(content.c.key, content.c.xxh128, content.c.size)
            .having(many < least)
        )
        with self._engine.reading() as connection:
            for row in connection.execute(statement):
                yield row.many, bytes(row.xxh128), row.size


    # Finding

    def search(self, query: TapeQuery) -> Iterator[TapePlace]:
        """Files on cartridges that a query means, by cartridge and path."""
        file, folder, holder, content, clip = schema.FILE, schema.FOLDER, schema.HOLDER, schema.CONTENT, schema.CLIP
        statement = (
            sa.select(file, content.c.xxh128, clip)
            .select_from(file)
            .join(folder, folder.c.id == file.c.folder)
            .join(holder, holder.c.id == folder.c.holder)
            .outerjoin(content, content.c.key == file.c.content)
            .outerjoin(clip, clip.c.content == file.c.content)
            .where(holder.c.kind == str(Kind.CARTRIDGE), *query.conditions())
            .order_by(holder.c.label, file.c.folder, file.c.name)
        )
        counts = None
        if query.fewer_than is not None:
            counts = {key: many for many, key, _ in self.counts(query.fewer_than)}
        with looking(self.catalog) as lookup:
            for row in lookup.rows(statement):
                key = None if row.xxh128 is None else bytes(row.xxh128)
                if counts is not None and (key is None or key not in counts):
                    continue
                if not query.is_at(row.first, row.frames, row.rate):
                    continue
                place = lookup.place_of(row)
                yield TapePlace(place, key, None if row.codec is None else _clip(row))


def _known(row: Any, places: Mapping[int, str]) -> KnownCartridge:
    holder = holder_of(row)
    made = CartridgeRow(
        holder.identity, row.serial, from_text(row.barcode), from_text(row.tape_id), row.number, row.copy, row.generation,
        row.updated, row.files, row.size, row.room, from_text(row.seen),
    )  # fmt: skip
    return KnownCartridge(holder, made, places.get(holder.id, ""))


def _clip(row: Any) -> ClipRow:
    return ClipRow(row.codec, row.rate, row.start, row.first, row.frames, from_text(row.reel), row.width, row.height)


def _deflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(1)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def _inflated(packed: bytes) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    waiting, total = packed, 0
    while waiting or not unpacker.eof:
        piece = unpacker.decompress(waiting, _PIECE)
        waiting = unpacker.unconsumed_tail
        total += len(piece)
        if not piece and not waiting:
            return
        if total > _MOST_XML:
            return
        yield piece
