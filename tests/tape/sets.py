"""Sets of small file-backed cartridges for tests: every position counts 512 KiB there, so a few hundred files fill one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from film_archive.tape.drives.cartridge_config import MIB
from film_archive.tape.formats import MEDIA
from film_archive.tape.gathering import gather
from film_archive.tape.holdings import holding_of
from film_archive.tape.records import TapeWritten, WritePlan
from film_archive.tape.set_planning import WriteWishes, plan_write
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import OpenTape
from film_archive.tape.writing import WriteOptions, apply_write

CAPACITY = 320 * MIB
WISHES = WriteWishes(MEDIA["L8"], capacity=CAPACITY, reserve=16 * MIB)
_PIECE = 4 << 20
QUICK = WriteOptions(ring=8 << 20, facts=False)


def make_files(folder: Path, sizes: Mapping[str, int]) -> Path:
    """Files of random bytes, by their paths below a folder."""
    for number, (path, size) in enumerate(sizes.items()):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            for part in range(0, size, _PIECE):  # all pieces differ
                data = random.Random(number * 1000 + part).randbytes(min(_PIECE, size - part, 64 << 10))
                file.write((data * (_PIECE // (64 << 10)))[: min(_PIECE, size - part)])
    return folder


def plan(shelf: Shelf, sources: Sequence[Path], wishes: WriteWishes = WISHES, tape_id: str = "FILM") -> WritePlan:
    return plan_write(shelf, tape_id, gather(sources), wishes)


def write(
    shelf: Shelf,
    sources: Sequence[Path],
    wishes: WriteWishes = WISHES,
    options: WriteOptions = QUICK,
    tape_id: str = "FILM",
) -> TapeWritten:
    return apply_write(plan(shelf, sources, wishes, tape_id), shelf, options)


def on_shelf(shelf: Shelf) -> dict[str, dict[str, bytes]]:
    """Serial → path → bytes of everything on the cartridges of a shelf, without their own lists."""
    found: dict[str, dict[str, bytes]] = {}
    for each in shelf.cartridges():
        with OpenTape(each.address) as tape:
            files = found.setdefault(tape.serial, {})
            for path in holding_of(tape).files:
                with tape.open_file(path) as source:
                    files[path] = source.read_at(0, source.size)
    return found


def below(folder: Path) -> dict[str, bytes]:
    """Path → bytes of all files below a folder, the folder's name first."""
    return {
        f"{folder.name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
