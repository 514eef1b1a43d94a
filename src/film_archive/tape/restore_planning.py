"""`plan_restore`: which cartridges to fetch for what is wanted, and the order in which each is read.

Of the copies of a file the one is taken that needs the fewest cartridges, of those that are here. Each cartridge is read in
one pass: block after block, or, where the files are strewn over the tape, in two sweeps (`drives/motion.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.core.digest import KEY
from film_archive.core.errors import NotFound
from film_archive.core.source import printable
from film_archive.tape.choosing import Choice
from film_archive.tape.drives.drive import Position
from film_archive.tape.drives.motion import Motion, motion_of
from film_archive.tape.formats import MEDIA
from film_archive.tape.holding_sets import Holdings
from film_archive.tape.holdings import Holding
from film_archive.tape.ltfs.label import BLOCK_SIZE
from film_archive.tape.ltfs.tree import TapeFile
from film_archive.tape.records import FileStatus, PickedCartridge, RestorePlan, RestoreStep, TapeFileReport
from film_archive.tape.set_planning import WHOLE
from film_archive.tape.volumes import tape_order

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """Some frames of a clip, as a file of their own. `name` is what that is called, beside where the clip would be."""

    first_frame: int
    frames: int
    name: str
    rate: str | None = None
    """What the frames count at: sound has none by itself."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file to restore, or parts of it, and the cartridges that have it."""

    path: str
    file: TapeFile
    holders: tuple[Holding, ...]
    parts: tuple[Part, ...] = ()
    """Empty where the whole file is wanted."""
    clip_frames: int = 0
    """Of a clip of which parts are wanted: how many frames it has."""

    @property
    def size(self) -> int:
        """Bytes that are wanted, about."""
        if not self.parts or not self.clip_frames:
            return self.file.length
        return min(self.file.length, sum(part.frames for part in self.parts) * self.file.length // self.clip_frames)


def plan_restore(holdings: Holdings, choice: Choice, folder: Path) -> RestorePlan:
    """What is read for a choice, and from where. Raises NotFound where nothing of the kind is on any cartridge."""
    return plan_wanted(wanted_files(holdings, choice), holdings, folder)


def plan_wanted(wanted: Sequence[Wanted], holdings: Holdings, folder: Path) -> RestorePlan:
    """The same for files that were chosen, and parts of clips. Raises NotFound where there are none."""
    if not wanted:
        raise NotFound(
            "Nothing of what was asked for is on these cartridges"
            + (f" ({'; '.join(holdings.problems)})" if holdings.problems else "")
            + "; `tape ls` lists what is."
        )
    assigned, missing = _assigned(wanted)
    steps: list[RestoreStep] = []
    cartridges: list[PickedCartridge] = []
    for holding, files in assigned:
        ordered, seconds = reading_order(holding, files)
        steps += (step for one in ordered for step in _steps(one, holding, folder))
        cartridges.append(picked(holding, [one.size for one in files], seconds))
    for holding, files in _by_absent(missing):
        cartridges.append(picked(holding, [one.size for one in files], reading_order(holding, files)[1]))
    return RestorePlan(
        steps=tuple(steps),
        folder=str(folder),
        cartridges=tuple(cartridges),
        missing=tuple(_missing(one) for one in missing),
        problems=holdings.problems,
        expected_seconds=round(sum(one.seconds for one in cartridges if one.here), 3),
    )


def wanted_files(holdings: Holdings, choice: Choice) -> list[Wanted]:
    """The same path on several cartridges is one file where size and digest agree; else each is a file of its own."""
    matcher = choice.matcher()
    found: dict[tuple[str, int, str], tuple[TapeFile, list[Holding]]] = {}
    for holding in holdings.cartridges:
        for path, file in holding.files.items():
            if matcher.matches(path, file):
                key = (path, file.length, file.digests.get(KEY, f"{holding.uuid}"))
                found.setdefault(key, (file, []))[1].append(holding)
    return [Wanted(path, file, tuple(holders)) for (path, _, _), (file, holders) in found.items()]


def _assigned(wanted: Sequence[Wanted]) -> tuple[list[tuple[Holding, list[Wanted]]], list[Wanted]]:
    """Each file to one cartridge that is here, few cartridges in all; and the files that are on none that is here."""
    missing = [one for one in wanted if not any(holder.address for holder in one.holders)]
    left = {id(one): one for one in wanted if any(holder.address for holder in one.holders)}
    by_holding: dict[str, tuple[Holding, list[Wanted]]] = {}
    for one in left.values():
        for holder in one.holders:
            if holder.address is not None:
                by_holding.setdefault(holder.uuid, (holder, []))[1].append(one)
    assigned: list[tuple[Holding, list[Wanted]]] = []
    while left:
        counts = {uuid: sum(id(one) in left for one in files) for uuid, (_, files) in by_holding.items()}
        best = max(by_holding, key=lambda uuid: (counts[uuid], _rank(by_holding[uuid][0])))
        holding, files = by_holding.pop(best)
        taken = [one for one in files if left.pop(id(one), None) is not None]
        if taken:
            assigned.append((holding, taken))
    assigned.sort(key=lambda pair: _in_set(pair[0]))
    return assigned, missing


def _rank(holding: Holding) -> tuple[int, int, tuple[int, ...]]:
    """The first copy before others, lower numbers first."""
    member = holding.membership
    serial = tuple(-ord(sign) for sign in holding.serial)
    return (0, 0, serial) if member is None else (-member.copy, -member.number, serial)


def _in_set(holding: Holding) -> tuple[str, int, int, str]:
    """The order in which cartridges are fetched: as the set was written."""
    member = holding.membership
    return ("", 0, 0, holding.serial) if member is None else (member.tape_id, member.number, member.copy, holding.serial)


def _by_absent(missing: Iterable[Wanted]) -> list[tuple[Holding, list[Wanted]]]:
    found: dict[str, tuple[Holding, list[Wanted]]] = {}
    for one in missing:
        holder = one.holders[0]
        found.setdefault(holder.uuid, (holder, []))[1].append(one)
    return list(found.values())


def motion_for(holding: Holding) -> Motion | None:
    """How a drive moves over a cartridge; None for media that are not known."""
    medium = MEDIA.get(holding.barcode[6:])
    if medium is None:
        return None
    return motion_of(medium, holding.blocks or medium.usable // BLOCK_SIZE)


def reading_order(holding: Holding, files: Sequence[Wanted]) -> tuple[list[Wanted], float]:
    """Files in the order of reading, and how many seconds loading, locating and reading them takes."""
    ordered = sorted(files, key=lambda one: tape_order(one.file.extents))
    motion = motion_for(holding)
    if motion is None:
        return ordered, 0.0
    with_bytes = [one for one in ordered if one.file.length and one.file.extents]
    runs = [run_of(one.file) for one in with_bytes]
    order = motion.order(runs)
    without = [one for one in ordered if not (one.file.length and one.file.extents)]
    time = motion.load + motion.reading(runs[place] for place in order)
    return [*without, *(with_bytes[place] for place in order)], round(time / _SECOND, 3)


def run_of(file: TapeFile) -> tuple[Position, int, int]:
    """(first position, blocks, bytes) of a file's records, its first extent to its last."""
    extents = sorted(file.extents, key=lambda one: (one.partition, one.start_block))
    first, last = extents[0], extents[-1]
    end = last.start_block + last.blocks(BLOCK_SIZE)
    return Position(0 if first.partition == "a" else 1, first.start_block), max(1, end - first.start_block), file.length


def _steps(one: Wanted, holding: Holding, folder: Path) -> list[RestoreStep]:
    whole = _step(one, holding, folder)
    if not one.parts:
        return [whole]
    output = Path(whole.output)
    return [
        replace(
            whole,
            size=one.file.length * part.frames // max(1, one.clip_frames),
            output=str(output.with_name(part.name)),
            digest=None,
            first_frame=part.first_frame,
            frames=part.frames,
            rate=part.rate,
        )
        for part in one.parts
    ]


def _step(one: Wanted, holding: Holding, folder: Path) -> RestoreStep:
    position = run_of(one.file) if one.file.extents else (Position(1, 0), 0, 0)
    others = tuple(holder.serial for holder in one.holders if holder.uuid != holding.uuid and holder.address is not None)
    return RestoreStep(
        size=one.file.length,
        path=one.path,
        cartridge=holding.serial,
        uuid=holding.uuid,
        output=str(folder / one.path),
        digest=one.file.digests.get(KEY),
        partition=position[0].partition,
        block=position[0].block,
        blocks=position[1],
        mtime_ns=one.file.times.modified,
        whole=_whole(one.file),
        others=others,
    )


def _whole(file: TapeFile) -> int | None:
    said = file.attribute(WHOLE)
    return int(said) if said is not None and said.isdigit() and len(said) < 19 else None


def _missing(one: Wanted) -> TapeFileReport:
    return TapeFileReport(
        path=one.path,
        cartridge=one.holders[0].serial,
        status=FileStatus.MISSING,
        digest=one.file.digests.get(KEY),
        size=one.file.length,
    )


def picked(holding: Holding, sizes: Sequence[int], seconds: float) -> PickedCartridge:
    """A cartridge of a pick list."""
    member = holding.membership
    return PickedCartridge(
        volser=holding.serial,
        barcode=holding.barcode,
        files=len(sizes),
        bytes=sum(sizes),
        number=0 if member is None else member.number,
        copy=1 if member is None else member.copy,
        seconds=seconds,
        uuid=holding.uuid,
        here=holding.address is not None,
        location=holding.location,
    )


def sentence_of(missing: TapeFileReport, cartridges: Iterable[PickedCartridge]) -> str:
    """That a file is on a cartridge which is not here, with its barcode and where it was put last."""
    on = next((one for one in cartridges if one.volser == missing.cartridge and not one.here), None)
    where = f" ({on.location})" if on is not None and on.location else ""
    called = missing.cartridge if on is None else on.barcode
    return f"{printable(missing.path)} is on {called}{where}, which is not here."
