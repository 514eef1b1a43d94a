"""`Holding`: what a cartridge holds, whether it is here or only known from its index: what restoring chooses from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from film_archive.core.errors import FilmArchiveError
from film_archive.tape.cartridge_lists import is_own
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.ltfs.tree import TapeFile
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import Membership, OpenTape


@dataclass(frozen=True, slots=True)
class Holding:
    """A cartridge's files. `address` is None where it is not here, `location` then says where it was put last."""

    serial: str
    barcode: str
    uuid: str
    membership: Membership | None
    files: dict[str, TapeFile]
    """Path → file, without links and the cartridge's own lists."""
    address: DriveAddress | None = None
    location: str = ""
    links: tuple[tuple[str, TapeFile], ...] = ()
    blocks: int = 0
    """How many blocks its data partition takes, where that is known."""


Absent = Callable[[str | None], Iterable[Holding]]
"""Cartridges of a set (or all) that are known, here or not: what a catalog answers."""


def holding_of(tape: OpenTape) -> Holding:
    """What an open cartridge holds."""
    files: dict[str, TapeFile] = {}
    links = []
    for path, file in tape.files():
        if file.target is not None:
            links.append((path, file))
        elif not is_own(path):
            files[path] = file
    return Holding(
        tape.serial, tape.barcode, tape.uuid, tape.membership, files, tape.address, links=tuple(links), blocks=tape.blocks
    )


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

    One that can't be opened is told, and taken as it is known.
    """
    found: dict[str, Holding] = {}
    problems: list[str] = []
    addresses = [*drives, *map(shelf.find, serials)]
    if not addresses:
        if tape_id is None:
            addresses = [each.address for each in shelf.cartridges() if each.barcode]
        else:
            pool = tape_id.encode()[:160].decode("utf-8", "ignore")
            addresses = [each.address for each in shelf.cartridges() if each.pool == pool]
    for address in addresses:
        try:
            with OpenTape(address) as tape:
                holding = holding_of(tape)
        except FilmArchiveError as error:
            problems.append(str(error))
            continue
        if tape_id is None or (holding.membership is not None and holding.membership.tape_id == tape_id):
            found[holding.uuid] = holding
    for holding in known(tape_id) if known is not None and not serials else ():
        found.setdefault(holding.uuid, holding)
    return Holdings(tuple(found.values()), tuple(problems))
