"""What cartridges hold, here or known from the catalog: the list of the shelf, the files of cartridges, finding files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from film_archive.catalog.cartridges import Cartridges, KnownCartridge
from film_archive.catalog.catalog import Catalog
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError, NotFound
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.tape.cataloguing import known_holding
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.holding_sets import gather_holdings
from film_archive.tape.holdings import Holding, holding_of
from film_archive.tape.records import FileStatus, TapeFileReport
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import OpenTape


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCartridge(Record):
    """A cartridge of a shelf."""

    volser: str
    """Its volume serial."""
    barcode: str
    """Serial and medium: what its label says."""
    files: int
    """Files on it."""
    bytes: int
    """How many bytes."""
    uuid: str
    """The identity of its volume."""
    tape_id: str
    """The set that it belongs to; "" for none of ours."""
    number: int
    """Its number in the set, from 1; 0 in none."""
    copy: int
    """Which copy of the set it belongs to."""
    here: bool
    """Whether it is in the shelf or in a drive."""
    location: str
    """Where it was put last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeListing(Record):
    """Cartridges, and with names given what is on them."""

    cartridges: tuple[ListedCartridge, ...]
    """The cartridges it is about."""
    files: tuple[TapeFileReport, ...]
    """In the order of paths; empty where only cartridges were asked for."""
    listed: bool
    """Whether files were asked for."""
    problems: tuple[str, ...]
    """What is wrong, one sentence each."""


def list_cartridges(
    shelf: Shelf,
    names: Sequence[str] = (),
    tape_id: str | None = None,
    *,
    drives: Sequence[DriveAddress] = (),
    catalog: Catalog | None = None,
) -> TapeListing:
    """All cartridges of the shelf and the catalog; with names, drives or a set the files on those, also offline."""
    problems: list[str] = []
    found: dict[str, Holding] = {}
    if names or drives:
        for address in drives:
            with OpenTape(address) as tape:
                found[tape.uuid] = holding_of(tape)
        for name in names:
            holding = _named(shelf, name, catalog)
            found[holding.uuid] = holding
    else:
        gathered = gather_holdings(shelf, tape_id)
        problems += gathered.problems
        found = {one.uuid: one for one in gathered.cartridges}
        for known in () if catalog is None else Cartridges(catalog).all(tape_id):
            if known.row.uuid not in found and catalog is not None:
                found[known.row.uuid] = _from_catalog(catalog, known)
    places = {} if catalog is None else {one.row.uuid: one.place for one in Cartridges(catalog).all()}
    is_listing = bool(names or drives or tape_id is not None)
    if tape_id is not None and not found:
        raise NotFound(f"No cartridge of {printable(tape_id)} is in the shelf {printable(shelf.folder)}, nor in the catalog.")
    ordered = sorted(found.values(), key=_order)
    return TapeListing(
        cartridges=tuple(_cartridge(one, places.get(one.uuid, "")) for one in ordered),
        files=tuple(report for one in ordered for report in _files(one)) if is_listing else (),
        listed=is_listing,
        problems=tuple(problems),
    )


def _named(shelf: Shelf, name: str, catalog: Catalog | None) -> Holding:
    """A cartridge by its serial, barcode or folder, else as the catalog knows it."""
    try:
        with OpenTape(shelf.find(name)) as tape:
            return holding_of(tape)
    except NotFound:
        for known in () if catalog is None else Cartridges(catalog).all():
            if catalog is not None and name in (known.row.serial, known.row.barcode, known.row.uuid):
                return _from_catalog(catalog, known)
        raise


def _from_catalog(catalog: Catalog, known: KnownCartridge) -> Holding:
    try:
        return known_holding(catalog, known)
    except FilmArchiveError:  # a damaged copy of an index: the cartridge is listed without files
        return Holding(known.row.serial, known.row.barcode, known.row.uuid, None, {}, None, known.place)


def _order(holding: Holding) -> tuple[str, int, int, str]:
    member = holding.membership
    return ("", 0, 0, holding.serial) if member is None else (member.tape_id, member.copy, member.number, holding.serial)


def _cartridge(holding: Holding, location: str) -> ListedCartridge:
    member = holding.membership
    return ListedCartridge(
        volser=holding.serial,
        barcode=holding.barcode,
        files=len(holding.files),
        bytes=sum(file.length for file in holding.files.values()),
        uuid=holding.uuid,
        tape_id="" if member is None else member.tape_id,
        number=0 if member is None else member.number,
        copy=1 if member is None else member.copy,
        here=holding.address is not None,
        location=location or holding.location,
    )


def _files(holding: Holding) -> list[TapeFileReport]:
    return [
        TapeFileReport(
            path=path, cartridge=holding.serial, status=FileStatus.THERE, digest=file.digests.get(KEY), size=file.length
        )
        for path, file in sorted(holding.files.items())
    ]
