"""`Holding`: what a cartridge holds, whether it is here or only known from its index: what restoring chooses from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from film_archive.tape.cartridge_lists import is_own
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.ltfs.tree import TapeFile
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
