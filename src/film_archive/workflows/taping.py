"""Tapes as the command line has them: sets planned, written, verified and restored, with a catalog kept along.

`tape/` does the work; here it meets the catalog, which learns of every cartridge that was written or read back.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from film_archive.catalog.cartridges import Cartridges
from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Kind
from film_archive.core import devices, files, places
from film_archive.core.errors import NotFound
from film_archive.core.progress import Progress
from film_archive.core.source import ByteSource, printable
from film_archive.tape.cartridge_lists import is_own
from film_archive.tape.cataloguing import absent_holdings, enter, known_verified, seen_tape
from film_archive.tape.drives.address import DriveAddress, DriveKind, parse_address
from film_archive.tape.drives.cartridge_config import FILE_NAME, new_config, read_config
from film_archive.tape.drives.file_backed import FileBackedDrive, create_cartridge
from film_archive.tape.drives.mounted import LtfsPrograms, format_mounted
from film_archive.tape.formats import MEDIA, Medium
from film_archive.tape.gathering import Gathered
from film_archive.tape.holding_sets import Holdings, gather_holdings
from film_archive.tape.holdings import Holding
from film_archive.tape.known_sets import kept_holdings
from film_archive.tape.ltfs.tree import TapeAttribute
from film_archive.tape.ltfs.volume import Volume
from film_archive.tape.planning import barcode, require_serial
from film_archive.tape.records import (
    FileStatus,
    FormatPlan,
    FormatStep,
    TapeFormatted,
    TapeStep,
    TapeVerified,
    TapeWritten,
    WritePlan,
)
from film_archive.tape.set_planning import WriteWishes, plan_write, state_of
from film_archive.tape.shelf import Shelf
from film_archive.tape.verifying import CartridgeCheck, Scrub, verify_tapes
from film_archive.tape.volumes import OpenTape
from film_archive.tape.writing import WriteOptions, apply_write
from film_archive.workflows.tape_sources import SourceOpener, gather_all


def shelf_at(folder: Path | None) -> Shelf:
    """The shelf in a folder, else the user's own."""
    return Shelf(places.shelf() if folder is None else folder)


# Making


def plan_format(
    shelf: Shelf,
    medium: Medium,
    *,
    serial: str | None = None,
    name: str = "",
    drive: DriveAddress | None = None,
    capacity: int | None = None,
    erase: bool = False,
    catalog: Catalog | None = None,
) -> FormatPlan:
    """The cartridge in a drive, or a new file-backed one in the shelf; `serial` is counted where none is given."""
    chosen = require_serial(serial) if serial is not None else shelf.new_serials(1, used_serials(catalog))[0]
    address = DriveAddress(DriveKind.FILE, str(shelf.folder / chosen)) if drive is None else drive
    if address.kind is DriveKind.FILE and (address.folder / FILE_NAME).exists():
        medium = read_config(address.folder).medium
    step = FormatStep(
        volser=chosen, barcode=barcode(chosen, medium), name=name, medium=medium.code,
        place=f"{address.kind}:{address.place}", capacity=capacity, erase=erase,
    )  # fmt: skip
    return FormatPlan(steps=(step,))


def format_tape(plan: FormatPlan, *, catalog: Catalog | None = None) -> TapeFormatted:
    """Format as planned. Raises Refused where something is on the cartridge and it is not to be erased."""
    begun = time.monotonic()
    (step,) = plan.steps
    address = parse_address(step.place)
    if address.kind is DriveKind.LTFS:
        format_mounted(address.place, step.volser, step.name, erase=step.erase, software=LtfsPrograms())
    else:
        folder = address.folder
        if not (folder / FILE_NAME).exists():
            files.make_folders(folder.parent)
            create_cartridge(folder, new_config(MEDIA[step.medium], step.capacity))
        with FileBackedDrive(folder) as opened, Volume.format(opened, step.volser, step.name, erase=step.erase):
            pass
    with OpenTape(address) as tape:
        if catalog is not None:
            enter(catalog, seen_tape(tape), "tape format")
        return TapeFormatted(
            volser=tape.serial, barcode=tape.barcode, name=tape.name, uuid=tape.uuid, place=str(address), room=tape.room,
            seconds=time.monotonic() - begun,
        )  # fmt: skip


def used_serials(catalog: Catalog | None) -> tuple[str, ...]:
    """Serials of all cartridges that a catalog knows."""
    return () if catalog is None else tuple(each.row.serial for each in Cartridges(catalog).all())


def plan_set_of(
    tape_id: str,
    sources: Sequence[str | os.PathLike[str]],
    wishes: WriteWishes,
    shelf: Shelf,
    catalog: Catalog | None = None,
    *,
    drives: Sequence[DriveAddress] = (),
) -> WritePlan:
    """What goes on which cartridge of a set; duplicates are told as far as the catalog knows the sources.

    With `drives`, the set's files are those on the cartridges in them, and those that the catalog or the shelf knows.
    """
    return plan_gathered(tape_id, gather_all(sources), wishes, shelf, catalog, drives=drives)


def plan_gathered(
    tape_id: str,
    gathered: Gathered,
    wishes: WriteWishes,
    shelf: Shelf,
    catalog: Catalog | None = None,
    *,
    drives: Sequence[DriveAddress] = (),
) -> WritePlan:
    """The same for what was gathered already."""
    known = known_of_set(catalog, tape_id, shelf, wishes.copies) if drives else ()
    state = state_of(shelf, tape_id, wishes.copies, drives, known)
    if catalog is None:
        return plan_write(shelf, tape_id, gathered, wishes, state=state)
    known_on = _KnownOn(catalog).serials_of
    return plan_write(shelf, tape_id, gathered, wishes, used=used_serials(catalog), known_on=known_on, state=state)


def known_of_set(catalog: Catalog | None, tape_id: str, shelf: Shelf, copies: int) -> tuple[Holding, ...]:
    """A set's cartridges as the catalog knows them, and as the shelf does from writing them in drives."""
    known = () if catalog is None else tuple(absent_holdings(catalog, tape_id))
    return (*known, *kept_holdings(shelf, tape_id, copies, known))


class _KnownOn:
    """On which cartridges a source's content is: it must have been crawled, and be what it was then."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._serial = {each.holder.identity: each.row.serial for each in Cartridges(catalog).all()}
        self._folders: dict[str, Mapping[str, tuple[str, ...]]] = {}

    def serials_of(self, step: TapeStep) -> tuple[str, ...]:
        if not self._serial or step.identity is None:  # no file here
            return ()
        folder, _, name = step.source.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._in_folder(folder or "/")
        return self._folders[folder].get(f"{name}:{step.size}:{step.mtime_ns}", ())

    def _in_folder(self, folder: str) -> Mapping[str, tuple[str, ...]]:
        located = devices.locate(Path(folder))
        holder = next((one for one in self._catalog.holders() if one.identity == located.device.identity), None)
        if holder is None:
            return {}
        found = {}
        with looking(self._catalog) as lookup:
            known = lookup.known(holder, located.inner)
            for name, row in ({} if known is None else known.files).items():
                if row.content is None:
                    continue
                on_tape = [one for one in lookup.places(row.content) if one.holder.kind is Kind.CARTRIDGE and one.gone is None]
                serials = (self._serial.get(one.holder.identity, one.holder.label) for one in on_tape)
                found[f"{name}:{row.size}:{row.mtime_ns}"] = tuple(dict.fromkeys(serials))
        return found


def apply_set(
    plan: WritePlan,
    shelf: Shelf,
    options: WriteOptions | None = None,
    *,
    catalog: Catalog | None = None,
    progress: Progress | None = None,
    open_step: Callable[[TapeStep], ByteSource] | None = None,
    attributes_of: Callable[[TapeStep], tuple[TapeAttribute, ...]] | None = None,
) -> TapeWritten:
    """Write a planned set; the catalog learns of each cartridge when its index is final for now."""

    options = options or WriteOptions()
    if options.drives:
        options = replace(options, known=known_of_set(catalog, plan.tape_id, shelf, plan.copies))

    def on_tape(tape: OpenTape) -> None:
        if catalog is not None:
            enter(catalog, seen_tape(tape), "tape write")

    with SourceOpener() as sources:
        opener = open_step or sources.open
        return apply_write(
            plan, shelf, options, on_tape=on_tape, open_step=opener, attributes_of=attributes_of,
            digests_of=sources.digests, progress=progress,
        )  # fmt: skip


# Reading back


def verify_cartridges(
    shelf: Shelf,
    names: Sequence[str],
    scrub: Scrub | None = None,
    *,
    drives: Sequence[DriveAddress] = (),
    catalog: Catalog | None = None,
    progress: Progress | None = None,
) -> TapeVerified:
    """Read cartridges back, by serial or path (all of the shelf where none is named), with a dated result in the catalog."""
    addresses = [*drives, *map(shelf.find, names)] or [each.address for each in shelf.cartridges()]
    if not addresses:
        raise NotFound(f"There is no cartridge in the shelf {printable(shelf.folder)}; name one, or a drive.")
    kept = None if catalog is None else _Keeping(catalog)
    return verify_tapes(
        addresses,
        scrub or Scrub(),
        last=None if kept is None else kept.last,
        on_checked=None if kept is None else kept.checked,
        on_missing=None if kept is None else kept.missing,
        progress=progress,
    )


class _Keeping:
    """The catalog's side of reading back."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def last(self, uuid: str) -> Mapping[str, int]:
        holder = next((one for one in self._catalog.holders() if one.identity == uuid), None)
        if holder is None:
            return {}
        with looking(self._catalog) as lookup:
            return {path.lstrip("/"): at for path, at in lookup.last_results(holder, "/").items()}

    def missing(self, tape: OpenTape) -> Iterable[str]:
        """Where the catalog keeps a newer index of this volume than the cartridge has, or another one of its generation."""
        cartridges = Cartridges(self._catalog)
        known = next((one for one in cartridges.all() if one.holder.identity == tape.uuid), None)
        if known is None:
            return []
        if known.row.generation > tape.generation:
            behind = (
                f"{tape.serial} has generation {tape.generation} of its index, and the catalog has read generation "
                f"{known.row.generation} of it: what was written since is lost, or this is an older copy of the cartridge."
            )
            return [behind]
        raw = tape.raw_index()
        if raw is None or known.row.generation != tape.generation:
            return []
        kept = b"".join(cartridges.index(known.holder, tape.generation))
        if kept and kept != raw:
            return [f"The index of {tape.serial}, generation {tape.generation}, is not the one that the catalog has read."]
        return []

    def checked(self, tape: OpenTape, check: CartridgeCheck) -> None:
        if not any("the catalog has read" in problem for problem in check.problems):
            holder = enter(self._catalog, seen_tape(tape), "tape verify")
        else:
            holder = self._catalog.holder(Kind.CARTRIDGE, tape.uuid)
        words = {FileStatus.OK: "ok", FileStatus.DIFFERS: "differs", FileStatus.UNREADABLE: "unreadable"}
        outcomes = {file.path: words[file.status] for file in check.files if file.status in words and not is_own(file.path)}
        event = self._catalog.event("tape verify", tape.serial)
        known_verified(self._catalog, holder, outcomes, event)


# Restoring


def holdings_of(
    shelf: Shelf,
    tape_id: str | None,
    *,
    drives: Sequence[DriveAddress] = (),
    cartridges: Sequence[str] = (),
    catalog: Catalog | None = None,
) -> Holdings:
    """Cartridges to restore from: of a set, those named, or all; what is not here as the catalog or a set's manifest has it."""
    known = None if catalog is None else partial(absent_holdings, catalog)
    return gather_holdings(shelf, tape_id, drives=drives, serials=cartridges, known=known)
