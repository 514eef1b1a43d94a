"""The shelf's catalog: made again from the cartridges, written out as CSV, JSON and a page, and where cartridges were put.

Where a cartridge was put is the one thing that no cartridge can say: it is written down in the shelf too (`locations.jsonl`),
so that a catalog that was lost is made again with it.
"""

from __future__ import annotations

import csv
import datetime
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json, to_json

from film_archive.catalog.cartridges import Cartridges, KnownCartridge, TapeQuery
from film_archive.catalog.catalog import Catalog
from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, UsageError
from film_archive.core.job import Failure, Report, status_of
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.tape.cataloguing import enter, seen_tape
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import OpenTape
from film_archive.workflows.tape_finding import FoundOnTape, find_on_tape

LOCATIONS = "locations.jsonl"
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeLocation(Record):
    """That a cartridge was put somewhere."""

    volser: str
    """Its volume serial: six of A-Z and 0-9."""
    barcode: str
    """Serial and medium: what its label says."""
    at: str
    """When, ISO 8601 in UTC."""
    place: str
    """vault, out, lost, or a user's own words."""
    note: str
    """What was said about it."""
    by: str
    """Who said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeLocations(Record):
    """Where cartridges are and were."""

    locations: tuple[TapeLocation, ...]
    """By cartridge, the latest last."""
    nowhere: tuple[str, ...]
    """Barcodes of cartridges of which nobody said where they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfEntered(Report):
    """The catalog, made again from the cartridges of a shelf."""

    cartridges: tuple[str, ...]
    """Barcodes of those that were entered."""
    files: int
    """Files on them."""
    locations: int
    """Notes of where cartridges were put."""
    failed: tuple[Failure, ...]
    """Cartridges that can't be opened."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.cartridges))


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogedCartridge(Record):
    """A cartridge as the catalog knows it."""

    volser: str
    """Its volume serial: six of A-Z and 0-9."""
    barcode: str
    """Serial and medium: what its label says."""
    uuid: str
    """The identity of its volume."""
    tape_id: str
    """Its set; "" for none of ours."""
    number: int
    """In the set, from 1."""
    copy: int
    """Which copy of the set it belongs to."""
    generation: int
    """Of the newest index that was read."""
    files: int
    """How many files, or which."""
    bytes: int
    """How many bytes."""
    location: str
    """Where it was put last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfContents(Record):
    """Everything on tape."""

    cartridges: tuple[CatalogedCartridge, ...]
    """The cartridges it is about."""
    files: tuple[FoundOnTape, ...]
    """By cartridge and path."""
    bytes: int
    """How many bytes."""


def put_cartridges(catalog: Catalog, shelf: Shelf, names: Sequence[str], place: str, note: str = "") -> None:
    """Note in the catalog and in the shelf that cartridges were put somewhere. Raises NotFound for one that is not known."""
    if not place.strip() or not place.isprintable() or not (note.isprintable() or not note):
        raise UsageError("Say where in words that can be read: --to vault, --to out, --to lost.")
    cartridges = Cartridges(catalog)
    found = [_named(cartridges, name) for name in names]
    files.make_folders(shelf.folder)
    for each in found:
        row = cartridges.put_at(each.holder, place, note)
        said = {"uuid": each.row.uuid, "serial": each.row.serial, "at": row.at, "who": row.who, "place": place, "note": note}
        _append(shelf.folder / LOCATIONS, to_json(said) + b"\n")


def _append(path: Path, line: bytes) -> None:
    with files.explaining(f"write {printable(path)}"), path.open("ab") as file:
        file.write(line)
        file.flush()
        files.sync(file.fileno())


def locations_of(catalog: Catalog, names: Sequence[str]) -> TapeLocations:
    """Where cartridges are and were; raises NotFound for one that is not known."""
    cartridges = Cartridges(catalog)
    found: list[TapeLocation] = []
    nowhere: list[str] = []
    for name in names:
        known = _named(cartridges, name)
        rows = cartridges.locations(known.holder)
        if not rows:
            nowhere.append(known.row.barcode)
        found += (
            TapeLocation(
                volser=known.row.serial, barcode=known.row.barcode, at=_iso(row.at), place=row.place, note=row.note, by=row.who
            )
            for row in rows
        )
    return TapeLocations(locations=tuple(found), nowhere=tuple(nowhere))


def _named(cartridges: Cartridges, name: str) -> KnownCartridge:
    for each in cartridges.all():
        if name in (each.row.serial, each.row.barcode, each.row.uuid):
            return each
    raise NotFound(f"The catalog {cartridges.catalog.name} knows no cartridge {printable(name)}.")


def enter_shelf(catalog: Catalog, shelf: Shelf) -> ShelfEntered:
    """Enter all cartridges of a shelf, and where they were put: what makes a catalog again that was lost."""
    begun = time.monotonic()
    entered: list[str] = []
    failed: list[Failure] = []
    count = 0
    for each in shelf.cartridges():
        try:
            with OpenTape(each.address) as tape:
                seen = seen_tape(tape)
                enter(catalog, seen, "tape catalog")
        except FilmArchiveError as error:
            failed.append(Failure.of(str(each.folder), error))
            continue
        entered.append(seen.row.barcode)
        count += seen.row.files
    return ShelfEntered(
        cartridges=tuple(entered), files=count, locations=_enter_locations(catalog, shelf), failed=tuple(failed),
        seconds=time.monotonic() - begun,
    )  # fmt: skip


def _enter_locations(catalog: Catalog, shelf: Shelf) -> int:
    path = shelf.folder / LOCATIONS
    if not path.exists():
        return 0
    cartridges = Cartridges(catalog)
    known = {each.row.uuid: each for each in cartridges.all()}
    count = 0
    with files.explaining(f"read {printable(path)}"), path.open("rb") as lines:
        for line in lines:
            said = _location(line, path)
            each = known.get(str(said["uuid"]))
            if each is not None:
                at = said["at"]
                assert isinstance(at, int)
                cartridges.put_at(each.holder, str(said["place"]), str(said["note"]), at=at, by=str(said["who"]))
                count += 1
    return count


def _location(line: bytes, path: Path) -> dict[str, object]:
    try:
        said = from_json(line) if len(line) <= _LONGEST else None
    except ValueError:
        said = None
    if not isinstance(said, dict) or not {"uuid", "at", "who", "place", "note"} <= set(said) or not isinstance(said["at"], int):
        raise Damaged(f"{printable(path)} has a line that is no note of where a cartridge was put; mend or remove that line.")
    return said


# Writing out


def all_on_tape(catalog: Catalog) -> Iterator[FoundOnTape]:
    """Everything that the catalog knows to be on tape, by cartridge and path."""
    return iter(find_on_tape(catalog, TapeQuery()).found)


def everything(catalog: Catalog) -> ShelfContents:
    """All cartridges, and all files on them."""
    found = find_on_tape(catalog, TapeQuery())
    cartridges = tuple(map(_listed, Cartridges(catalog).all()))
    return ShelfContents(cartridges=cartridges, files=found.found, bytes=found.bytes)


def _listed(each: KnownCartridge) -> CatalogedCartridge:
    return CatalogedCartridge(
        volser=each.row.serial, barcode=each.row.barcode, uuid=each.row.uuid, tape_id=each.row.tape_id, number=each.row.number,
        copy=each.row.copy, generation=each.row.generation, files=each.row.files, bytes=each.row.size, location=each.place,
    )  # fmt: skip


def write_csv(catalog: Catalog, target: Path) -> int:
    """All files on all cartridges as a table; returns how many. Replaces the file that is there."""
    text = io.StringIO()
    writer = csv.writer(text)
    names = (
        *("barcode", "volser", "set", "location", "path", "bytes", "xxh128", "modified", "start timecode", "frames"),
        *("rate", "reel", "verified"),
    )
    writer.writerow(names)
    count = 0
    for one in all_on_tape(catalog):
        row = (
            *(one.barcode, one.cartridge, one.tape_id, one.location, one.path, one.size, one.digest, one.modified),
            *(one.start_timecode, one.frames, one.frame_rate, one.reel, one.verified),
        )
        writer.writerow("" if value is None else _harmless(str(value)) for value in row)
        count += 1
    files.write_atomically(target, text.getvalue().encode("utf-8", "surrogateescape"), replace=True)
    return count


def _harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def write_index(catalog: Catalog, name: str, target: Path, generation: int | None = None) -> int:
    """The raw index of a cartridge, the newest that was read or one of a generation, as an XML file; returns its bytes.

    Raises NotFound where the catalog has none, Refused where the file exists.
    """
    cartridges = Cartridges(catalog)
    known = _named(cartridges, name)
    data = b"".join(cartridges.index(known.holder, generation))
    if not data:
        have = ", ".join(str(number) for number, _ in cartridges.generations(known.holder)) or "none"
        raise NotFound(f"The catalog has no index of {known.row.barcode} of that generation; it has {have}.")
    files.write_atomically(target, data)
    return len(data)


def now_text() -> str:
    """The time, for people."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")


