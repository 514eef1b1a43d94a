"""`gather_holdings`: the cartridges to choose from, here in the shelf or in drives, and those of their sets that are not here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from film_archive.core.errors import FilmArchiveError
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.holdings import Absent, Holding, holding_of
from film_archive.tape.known_sets import head_of_newest, told_by
from film_archive.tape.set_manifest import SetHeader
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import OpenTape


@dataclass(frozen=True, slots=True)
class Holdings:
    """Cartridges to choose from, and those that are here and can't be opened."""

    cartridges: tuple[Holding, ...]
    problems: tuple[str, ...] = ()


def gather_holdings(
    shelf: Shelf,
    tape_id: str | None = None,
    *,
    drives: Sequence[DriveAddress] = (),
    serials: Sequence[str] = (),
    known: Absent | None = None,
) -> Holdings:
    """The cartridges of a set (or those named, or all), here in the shelf or in drives, else as they are known.

    What is not here is known from a catalog, else from the manifests that the other cartridges of its set have. One that
    can't be opened is told, and taken as it is known.
    """
    found: dict[str, Holding] = {}
    headers: dict[str, SetHeader | None] = {}
    problems: list[str] = []
    for address in [*drives, *map(shelf.find, serials)] or _of_shelf(shelf, tape_id):
        try:
            with OpenTape(address) as tape:
                holding = holding_of(tape)
                head = None if serials or holding.membership is None else head_of_newest(tape)
        except FilmArchiveError as error:
            problems.append(str(error))
            continue
        if tape_id is None or (holding.membership is not None and holding.membership.tape_id == tape_id):
            found[holding.uuid] = holding
            headers[holding.uuid] = head
    if not serials:
        here = list(found.values())
        for holding in known(tape_id) if known is not None else ():
            found.setdefault(holding.uuid, holding)
        for holding in told_by([(one, headers[one.uuid]) for one in here], found.values()):
            found.setdefault(holding.uuid, holding)
    return Holdings(tuple(found.values()), tuple(problems))


def _of_shelf(shelf: Shelf, tape_id: str | None) -> list[DriveAddress]:
    if tape_id is None:
        return [each.address for each in shelf.cartridges() if each.barcode]
    pool = tape_id.encode()[:160].decode("utf-8", "ignore")
    return [each.address for each in shelf.cartridges() if each.pool == pool]
