"""`plan_write`: what goes on which cartridge of a set, before anything is written. It looks at the set as it is by now.

A set is gone on with by planning again: files that it has are left, the rest begins on the last cartridge that has room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from film_archive.core.errors import Refused, UsageError
from film_archive.core.source import printable
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.drives.cartridge_config import POSITION, CartridgeConfig, new_config
from film_archive.tape.formats import MEDIA, Generation, Medium, default_reserve, generation
from film_archive.tape.gathering import Gathered
from film_archive.tape.holdings import Holding
from film_archive.tape.ltfs.label import BLOCK_SIZE
from film_archive.tape.ltfs.tree import TapeFile
from film_archive.tape.planning import PlannedFile, plan_set, seconds_to_write
from film_archive.tape.records import StepKind, TapeCartridge, TapeStep, WritePlan
from film_archive.tape.set_manifest import estimated
from film_archive.tape.shelf import SetMember, Shelf
from film_archive.tape.volumes import Membership, OpenTape

SPANNED_OFFSET = "ltfs.spannedFileOffset"
"""Attribute of a part of a split file: where it begins in the whole (LTFS Format Specification 2.4, annex F.1)."""
WHOLE = "film_archive.whole"
"""Attribute of a part of a split file: bytes of the whole."""
LARGEST_SPLIT = 9999
KnownOn = Callable[[TapeStep], tuple[str, ...]]
"""The serials of cartridges that have a file's content already, as far as that is known without reading it."""


@dataclass(frozen=True, slots=True)
class WriteWishes:
    """How a set is to be written. `capacity` is of file-backed cartridges that are smaller than the medium, in bytes."""

    medium: Medium
    copies: int = 1
    reserve: int | None = None
    capacity: int | None = None
    split: bool = False
    skip_duplicates: bool = False
    half_height: bool = False
    serials: tuple[str, ...] = ()
    """Serials for new cartridges, in the order of use."""


@dataclass(frozen=True, slots=True)
class SetState:
    """What a set has by now: for each copy the files by path, and its cartridges; the room of the last ones."""

    there: tuple[dict[str, tuple[str, TapeFile]], ...]
    """A mapping a copy: path → (serial, file)."""
    members: tuple[SetMember, ...]
    room: int | None
    """The least that a last cartridge takes; None where there is none."""
    last: int
    """The highest number of a cartridge; 0 without any."""

    def has(self, step: TapeStep) -> bool:
        """Whether every copy has a file; raises Refused where one has another file of that path."""
        return all(is_there(found, step) for found in self.there)


def is_there(found: dict[str, tuple[str, TapeFile]], step: TapeStep) -> bool:
    """Whether a copy of a set has this file; raises Refused where it has another one of that path."""
    known = found.get(step.path)
    if known is None:
        return False
    serial, file = known
    if (file.length, file.times.modified) != (step.size, step.mtime_ns):
        raise Refused(
            f"{printable(step.path)} is on {serial} already, with other bytes or of another time than {printable(step.source)}; "
            "nothing on tape is ever replaced. Write it under another path, or to another set."
        )
    return True


def state_of(
    shelf: Shelf,
    tape_id: str,
    copies: int,
    drives: Sequence[DriveAddress] = (),
    known: Iterable[Holding] = (),
) -> SetState:
    """Open the cartridges of a set and see what they have: those of the shelf, or those in drives, one for each copy.

    `known` are cartridges of the set that are not here, as a catalog has them.
    """
    if drives:
        return _state_in_drives(tape_id, copies, drives, tuple(known))
    there = _files_of(known, copies)
    members = shelf.members(tape_id)
    rooms: dict[int, int] = {}
    last = max((member.membership.number for member in members), default=0)
    for member in members:
        if member.membership.copy > copies:
            continue
        with OpenTape(member.address) as tape:
            there[member.membership.copy - 1].update((path, (tape.serial, file)) for path, file in tape.files())
            if member.membership.number == last:
                rooms[member.membership.copy] = tape.room
    room = min(rooms.values(), default=None)  # a copy whose cartridge a killed run did not make gets an empty one
    return SetState(tuple(there), tuple(members), room, last)


def _files_of(holdings: Iterable[Holding], copies: int) -> list[dict[str, tuple[str, TapeFile]]]:
    """For each copy the files of cartridges that are known: path → (serial, file)."""
    there: list[dict[str, tuple[str, TapeFile]]] = [{} for _ in range(copies)]
    for holding in holdings:
        if holding.membership is not None and holding.membership.copy <= copies:
            there[holding.membership.copy - 1].update((path, (holding.serial, file)) for path, file in holding.files.items())
    return there


def _state_in_drives(tape_id: str, copies: int, drives: Sequence[DriveAddress], known: Sequence[Holding]) -> SetState:
    """What is in drives, and what is known of the others. A cartridge that is here speaks for itself: it may be new again."""
    seen: list[tuple[Membership | None, SetMember, dict[str, tuple[str, TapeFile]]]] = []
    rooms = []
    for copy, address in enumerate(drives, 1):
        with OpenTape(address) as tape:
            rooms.append(tape.room)
            found = require_for_set(tape, tape_id, copy)
            files = {} if found is None else {path: (tape.serial, file) for path, file in tape.files()}
            seen.append((found, SetMember(address, tape.serial, found or Membership(tape_id, 0, copy), tape.barcode), files))
    away = [one for one in known if one.serial not in {member.serial for _, member, _ in seen}]
    last = max((one.membership.number for one in away if one.membership is not None), default=0)
    there = _files_of(away, copies)
    members: list[SetMember] = []
    for (found, member, files), its in zip(seen, there, strict=True):
        its.update(files)
        of = found or replace(member.membership, number=last + 1)
        members.append(replace(member, membership=of))
    numbers = sorted({member.membership.number for member in members})
    if len(numbers) > 1:
        told = ", ".join(f"{one.serial} is number {one.membership.number}" for one in members)
        raise Refused(
            f"The cartridges in the drives do not belong together: {told} of {tape_id}. Nothing was written; put in cartridges "
            "of one number."
        )
    return SetState(tuple(there), tuple(members), min(rooms), numbers[0])


def require_for_set(tape: OpenTape, tape_id: str, copy: int) -> Membership | None:
    """What a cartridge in a drive is of a set's copy, None for an empty one; raises Refused where it is anything else."""
    found = tape.membership
    if found is None:
        if any(True for _ in tape.files()):
            raise Refused(
                f"The cartridge {tape.serial} in {tape.address} has files of no set; nothing was written. Put in an empty one."
            )
    elif (found.tape_id, found.copy) != (tape_id, copy):
        raise Refused(
            f"The cartridge {tape.serial} in {tape.address} is number {found.number} of copy {found.copy} of {found.tape_id}; "
            f"nothing was written. Put in one for copy {copy} of {tape_id}."
        )
    return found


def config_of(wishes: WriteWishes) -> CartridgeConfig:
    """The kind of new file-backed cartridges."""
    return new_config(wishes.medium, wishes.capacity)


def plan_write(
    shelf: Shelf,
    tape_id: str,
    gathered: Gathered,
    wishes: WriteWishes,
    *,
    used: Iterable[str] = (),
    known_on: KnownOn | None = None,
    state: SetState | None = None,
) -> WritePlan:
    """Lay out what was gathered. `used` are serials that are taken elsewhere, `known_on` tells duplicates.

    Raises Refused where a file is larger than a cartridge and is not to be split, where the set has another file of a path.
    """
    require_tape_id(tape_id)
    if wishes.copies < 1:
        raise UsageError(f"{wishes.copies} copies can't be written.")
    made = replace(generation(wishes.medium.format), medium=wishes.medium)
    config = config_of(wishes)
    usable = wishes.medium.usable if wishes.capacity is None else config.data_capacity - config.index_capacity // 2
    reserve = default_reserve(usable) if wishes.reserve is None else wishes.reserve
    record = POSITION if wishes.capacity is not None else 1
    if state is None:
        state = state_of(shelf, tape_id, wishes.copies)
    capacity = usable - reserve
    steps, runs, there, duplicates = _wanted(gathered, wishes, state, known_on, capacity // BLOCK_SIZE * BLOCK_SIZE)
    files = [step for step in steps if step.kind is StepKind.FILE]
    lists = sum(map(estimated, (step.path for step in files)))
    first = None if state.room is None else max(0, state.room - reserve // 2 - lists)
    laid = plan_set(
        [PlannedFile(printable(step.path), step.size) for step in files],
        made, usable=usable, reserve=reserve, runs=runs, record=record, first=first,
    )  # fmt: skip
    number_of = {place: number for number, cartridge in enumerate(laid.cartridges) for place in cartridge.files}
    begin = max(1, state.last)
    numbers = [begin + number_of[place] for place in range(len(files))]
    serials = _serials(shelf, wishes, state, begin, len(laid.cartridges), used)
    return WritePlan(
        steps=tuple(_numbered(steps, numbers, begin)),
        tape_id=tape_id,
        medium=wishes.medium.code,
        capacity=laid.capacity,
        reserve=reserve,
        copies=wishes.copies,
        cartridges=tuple(_cartridges(files, numbers, serials, made, wishes)),
        there=tuple(there),
        failed=tuple(gathered.failed),
        junk=gathered.junk,
        duplicates=sum(bool(step.on_tape) for step in files) + duplicates[0],
        duplicate_bytes=sum(step.size for step in files if step.on_tape) + duplicates[1],
        expected_seconds=_seconds(sum(step.size for step in files), made, wishes),
        cartridge_capacity=wishes.capacity,
    )


def require_tape_id(tape_id: str) -> None:
    """Raise UsageError for what can't name a set."""
    if not tape_id.strip() or not tape_id.isprintable() or len(tape_id.encode()) > 200:
        raise UsageError(f"{tape_id!r} can't name a set of cartridges: it needs a name that can be read, of at most 200 bytes.")


def _wanted(
    gathered: Gathered, wishes: WriteWishes, state: SetState, known_on: KnownOn | None, largest: int
) -> tuple[list[TapeStep], list[int], list[str], tuple[int, int]]:
    """The steps that are still to be done with their runs, the files that are there, (number, bytes) of left duplicates."""
    steps: list[TapeStep] = []
    runs: list[int] = []
    there: list[str] = []
    left = left_bytes = 0
    lengths = iter(gathered.runs)
    rest, kept = 0, 0
    for step in gathered.steps:
        if step.kind is not StepKind.FILE:
            if not all(step.path in found for found in state.there):
                steps.append(step)
            continue
        if rest == 0:
            rest, kept = next(lengths), 0
        rest -= 1
        parts = [step] if not wishes.split or step.size <= largest else list(_split(step, largest))
        for part in parts:
            if state.has(part):
                there.append(part.path)
                continue
            on_tape = () if known_on is None else known_on(part)
            if on_tape and wishes.skip_duplicates:
                left, left_bytes = left + 1, left_bytes + part.size
                continue
            steps.append(part if not on_tape else replace(part, on_tape=on_tape))
            kept += 1
        if rest == 0 and kept:
            runs += [kept] if len(parts) == 1 else [1] * kept
    return steps, runs, there, (left, left_bytes)


def _split(step: TapeStep, largest: int) -> Iterable[TapeStep]:
    """The parts of a file that is larger than a cartridge, called as annex F.1 has it."""
    count = -(-step.size // largest)
    if count > LARGEST_SPLIT:
        raise Refused(f"{printable(step.source)} would be split into {count} parts; use larger cartridges.")
    for number in range(count):
        offset = number * largest
        size = min(largest, step.size - offset)
        yield replace(step, path=f"{step.path}-LTFSseg{number + 1}", size=size, offset=offset, whole=step.size)


def _numbered(steps: Sequence[TapeStep], numbers: Sequence[int], begin: int) -> Iterable[TapeStep]:
    """Steps with their cartridges; folders and links go where the next file goes."""
    places = iter(numbers)
    last = begin
    waiting: list[TapeStep] = []
    for step in steps:
        if step.kind is not StepKind.FILE:
            waiting.append(step)
            continue
        last = next(places)
        yield from (replace(one, cartridge=last) for one in waiting)
        waiting = []
        yield replace(step, cartridge=last)
    yield from (replace(one, cartridge=last) for one in waiting)


def _serials(
    shelf: Shelf, wishes: WriteWishes, state: SetState, begin: int, count: int, used: Iterable[str]
) -> dict[tuple[int, int], str]:
    """(copy, number) → serial: those of cartridges that are there, and new ones."""
    known = {(one.membership.copy, one.membership.number): one.serial for one in state.members}
    wanted = [(copy, number) for number in range(begin, begin + max(1, count)) for copy in range(1, wishes.copies + 1)]
    missing = [key for key in wanted if key not in known]
    given = list(wishes.serials)
    serials = [*given[: len(missing)], *shelf.new_serials(max(0, len(missing) - len(given)), [*used, *given])]
    return {**known, **dict(zip(missing, serials, strict=True))}


def _cartridges(
    files: Sequence[TapeStep],
    numbers: Sequence[int],
    serials: dict[tuple[int, int], str],
    made: Generation,
    wishes: WriteWishes,
) -> Iterable[TapeCartridge]:
    totals: dict[int, list[int]] = {}
    for step, number in zip(files, numbers, strict=True):
        total = totals.setdefault(number, [0, 0])
        total[0] += 1
        total[1] += step.size
    for copy in range(1, wishes.copies + 1):
        for number, (count, size) in totals.items():
            serial = serials[copy, number]
            seconds = _seconds(size, made, wishes)
            yield TapeCartridge(
                volser=serial, barcode=f"{serial}{wishes.medium.code}", files=count, bytes=size, number=number, copy=copy,
                seconds=seconds,
            )  # fmt: skip


def _seconds(size: int, made: Generation, wishes: WriteWishes) -> float:
    """At the drive's speed, to a thousandth, as plans are printed."""
    return round(float(seconds_to_write(size, made, half_height=wishes.half_height)), 3)


def wishes_of(plan: WritePlan) -> WriteWishes:
    """What a plan was made with, as far as it matters for new cartridges."""
    return WriteWishes(MEDIA[plan.medium], plan.copies, plan.reserve, plan.cartridge_capacity)


