"""`apply_write`: putting a planned set on its cartridges, one after the other, all copies at once.

What is reported as written is named by an index on the tape. A run that was killed, or that failed, is gone on with by
planning and applying again: the cartridges themselves tell what is there. Beside the files a cartridge gets an ASC MHL
generation and the manifest of its set, before the next one is begun.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError, NoSpace, Refused, UsageError
from film_archive.core.job import Failure, identity_at, require_unchanged
from film_archive.core.journal import Journal
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import ByteSource, FileSource, SliceSource, printable
from film_archive.tape.cartridge_lists import UNLISTED_TIMES, write_lists
from film_archive.tape.clip_facts import is_media_name, probed
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.fan import Fan
from film_archive.tape.holdings import Holding
from film_archive.tape.ltfs.feeding import ALGORITHMS, COMMIT_EVERY, Fed, WrittenFile, feed
from film_archive.tape.ltfs.ring import FileToWrite
from film_archive.tape.ltfs.tree import TapeAttribute, TapeFile, Times
from film_archive.tape.records import (
    FileStatus,
    StepKind,
    TapeCartridge,
    TapeFileReport,
    TapeStep,
    TapeWritten,
    WritePlan,
)
from film_archive.tape.set_manifest import estimated
from film_archive.tape.set_planning import SPANNED_OFFSET, WHOLE, SetState, config_of, state_of, wishes_of
from film_archive.tape.shelf import Shelf
from film_archive.tape.verifying import check_files
from film_archive.tape.volumes import Membership, OpenTape

OnTape = Callable[[OpenTape], None]
"""What hears of a cartridge whose index is final for now: whoever keeps a catalog."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a plan is applied."""

    algorithms: tuple[str, ...] = ALGORITHMS
    commit_every: int = COMMIT_EVERY
    verify: bool = False
    """Whether everything is read back, from cartridges that were closed and opened again."""
    allow_large: bool = False
    """The yes to file-backed cartridges of more than 100 GB."""
    drives: tuple[DriveAddress, ...] = ()
    """Drives with one cartridge each for a copy; without them cartridges are made in the shelf."""
    known: tuple[Holding, ...] = ()
    """Cartridges of the set that are not here, as a catalog has them."""
    ring: int = 256 << 20
    """Bytes that are read ahead."""
    facts: bool = True
    """Whether clips are probed, and what they are is put beside them."""


def apply_write(
    plan: WritePlan,
    shelf: Shelf,
    options: WriteOptions = WriteOptions(),
    *,
    on_tape: OnTape | None = None,
    open_step: Callable[[TapeStep], ByteSource] | None = None,
    attributes_of: Callable[[TapeStep], tuple[TapeAttribute, ...]] | None = None,
    digests_of: Callable[[TapeStep], Mapping[str, str]] = lambda step: {},
    progress: Progress | None = None,
) -> TapeWritten:
    """Write a set as planned; files that can't be read are left out and told.

    `open_step` opens what is no file here, `attributes_of` has the attributes of files that are not to be probed,
    `digests_of` what is known of files before they are read: what is not that is not put on tape.

    Raises Refused where another job writes the set or uses a cartridge, and what drives raise: what was committed before is
    on tape, and the same plan made again goes on.
    """
    if options.drives and len(options.drives) != plan.copies:
        raise UsageError(f"{plan.copies} copies need as many drives, and {len(options.drives)} are given.")
    begun = time.monotonic()
    with files.explaining(f"make the shelf {printable(shelf.folder)}"):
        shelf.folder.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(plan.tape_id.encode()).hexdigest()[:16]
    place = files.temporary_name(shelf.folder / f"set-{key}", "journal")
    with Journal.open(place, {"job": "tape write", "set": plan.tape_id}) as journal:
        opener, counted = open_step or open_source, progress or quiet()
        run = _Run(plan, shelf, options, journal, on_tape, opener, attributes_of, digests_of, counted)
        run.write()
        verified = run.verify() if options.verify else None
        journal.remove()
    return run.report(time.monotonic() - begun, verified)


def open_source(step: TapeStep) -> ByteSource:
    """A step's bytes; raises SourceChanged where the file is not what was planned."""
    require_unchanged(printable(step.source), step.identity, identity_at(Path(step.source)))
    source = FileSource(step.source)
    return source if step.offset is None else SliceSource(source, step.offset, step.size)


def times_of(step: TapeStep) -> Times:
    return Times.all_of(step.mtime_ns)


@dataclass(slots=True)
class _Totals:
    files: int = 0
    bytes: int = 0
    written: list[str] = field(default_factory=list)
    """Paths, to be read back."""


class _Run:
    def __init__(
        self,
        plan: WritePlan,
        shelf: Shelf,
        options: WriteOptions,
        journal: Journal,
        on_tape: OnTape | None,
        open_step: Callable[[TapeStep], ByteSource],
        attributes_of: Callable[[TapeStep], tuple[TapeAttribute, ...]] | None,
        digests_of: Callable[[TapeStep], Mapping[str, str]],
        progress: Progress,
    ) -> None:
        self._plan = plan
        self._shelf = shelf
        self._options = options
        self._journal = journal
        self._on_tape = on_tape
        self._open_step = open_step
        self._attributes_of = attributes_of
        self._digests_of = digests_of
        self._progress = progress
        self._state: SetState = state_of(
            shelf, plan.tape_id, plan.copies, options.drives, options.known
        )
        self._folders = {step.path: times_of(step) for step in plan.steps if step.kind is StepKind.FOLDER}
        self._files = [step for step in plan.steps if step.kind is StepKind.FILE]
        self._others = [step for step in plan.steps if step.kind is not StepKind.FILE]
        self._used: dict[tuple[int, int], tuple[DriveAddress, TapeCartridge]] = {}
        """(copy, number) → the cartridge that was written."""
        self._totals: dict[str, _Totals] = {}
        self._reports: list[TapeFileReport] = []
        self._failed: list[Failure] = list(plan.failed)
        self._problems: list[str] = []
        self._feds: list[Fed] = []
        self._waits = False

    # Writing

    def write(self) -> None:
        remaining = [step for step in self._files if not self._state.has(step)]
        for step in remaining:
            self._progress.expect(Phase.WRITING, step.size)
        number = max(1, self._state.last)
        if not remaining and not self._others and not self._state.last:
            return
        while True:
            remaining, is_full = self._write_cartridge(number, remaining)
            if not remaining:
                return
            if self._options.drives and is_full:
                self._waits = True
                return
            number += 1

    def _write_cartridge(self, number: int, remaining: list[TapeStep]) -> tuple[list[TapeStep], bool]:
        """Write what goes on one cartridge (of each copy); returns what is left, and whether it is full."""
        later = [step.cartridge for step in remaining]
        last = not later or max(later) <= number or bool(self._options.drives)
        todo = [step for step in remaining if last or step.cartridge <= number]
        rest = [] if last else [step for step in remaining if step.cartridge > number]
        tapes = self._open(number)
        try:
            fan = Fan(
                tapes,
                self._state.there,
                {step.path: step.size for step in todo},
                self._folders,
                lambda: self._room_for_lists(todo),
            )
            was_empty = not any(tape.serial in self._serials_with_files for tape in tapes)
            self._make_others(tapes, number, everything=not rest)
            fed = self._feed(fan, todo, tapes)
            left = todo[fed.next :] if fed.full else []
            if fed.full and was_empty and not fed.written and fed.next == 0:
                step = todo[0]
                raise Refused(
                    f"{printable(step.source)} has {step.size} bytes, and the empty cartridge {tapes[0].serial} takes "
                    f"{tapes[0].room}, its own lists among them; use larger cartridges, or `--split`."
                )
            self._finish(tapes, number, [*left, *rest])
        finally:
            for tape in tapes:
                tape.close()
        return [*left, *rest], fed.full

    @property
    def _serials_with_files(self) -> set[str]:
        return {serial for there in self._state.there for serial, _ in there.values()}

    def _feed(self, fan: Fan, todo: Sequence[TapeStep], tapes: Sequence[OpenTape]) -> Fed:
        fed = feed(
            fan,
            [self._to_write(step) for step in todo],
            algorithms=self._options.algorithms,
            commit_every=self._options.commit_every,
            ring=self._options.ring,
            on_bytes=self._progress.counting(Phase.WRITING),
            on_committed=lambda written: self._committed(written, fan, todo),
        )
        self._feds.append(fed)
        for failed in fed.failed:
            step = todo[failed.place]
            self._failed.append(Failure.of(step.source, failed.error))
            self._reports.append(TapeFileReport(path=step.path, cartridge=None, status=FileStatus.FAILED, size=step.size))
        if fan.ended is not None:
            self._problems.append(str(fan.ended))
        return fed

    def _to_write(self, step: TapeStep) -> FileToWrite:
        attributes: tuple[TapeAttribute, ...] = ()
        if step.offset is not None:
            said = ((SPANNED_OFFSET, step.offset), (WHOLE, step.whole))
            attributes = tuple(TapeAttribute(key, str(value).encode()) for key, value in said)
        return FileToWrite(
            step.path, lambda: self._open_step(step), times_of(step), step.readonly, attributes, lambda: self._facts(step),
            lambda: self._digests_of(step),
        )  # fmt: skip

    def _facts(self, step: TapeStep) -> tuple[TapeAttribute, ...]:
        """What a clip is, so that it can be searched for without its cartridge."""
        if self._attributes_of is not None:
            return self._attributes_of(step)
        if not self._options.facts or step.offset is not None or not is_media_name(step.path):
            return ()
        try:
            with self._open_step(step) as source:
                found = probed(source)
        except FilmArchiveError:  # changed while it was read, or gone since: the reader of its bytes tells
            return ()
        return () if found is None else (found.attribute(),)

    def _committed(self, written: Sequence[WrittenFile], fan: Fan, todo: Sequence[TapeStep]) -> None:
        for one in written:
            step = todo[one.place]
            for copy, file in fan.on_tapes.pop(one.path).items():
                serial = fan.tapes[copy].serial
                self._state.there[copy][step.path] = (serial, file)
                totals = self._totals.setdefault(serial, _Totals())
                totals.files += 1
                totals.bytes += step.size
                totals.written.append(step.path)
                self._reports.append(
                    TapeFileReport(
                        path=step.path, cartridge=serial, status=FileStatus.WRITTEN, digest=one.digests[KEY], size=step.size
                    )
                )

    def _make_others(self, tapes: Sequence[OpenTape], number: int, *, everything: bool) -> None:
        """Folders (for the empty ones) and links that go on this cartridge."""
        now = [step for step in self._others if everything or step.cartridge <= number]
        self._others = [step for step in self._others if not (everything or step.cartridge <= number)]
        for tape, there in zip(tapes, self._state.there, strict=True):
            for step in now:
                if step.kind is StepKind.FOLDER:
                    tape.make_folder(step.path, times_of(step))
                elif step.path not in there and step.target is not None:
                    tape.make_link(step.path, step.target, times_of(step))
                    there[step.path] = (tape.serial, TapeFile(0, 0, times_of(step), target=step.target))

    def _room_for_lists(self, todo: Sequence[TapeStep]) -> int:
        if self._lists_size is None:
            self._lists_size = sum(estimated(step.path) for step in self._files) + UNLISTED_TIMES
            self._lists_size += sum(estimated(path) for path in self._state.there[0])
        return self._lists_size

    _lists_size: int | None = None

    def _finish(self, tapes: Sequence[OpenTape], number: int, left: Sequence[TapeStep]) -> None:
        """Write a cartridge's own lists, and tell whoever keeps a catalog."""
        planned = max([number, *(step.cartridge for step in self._files), *(max(step.cartridge, number + 1) for step in left)])
        for copy, tape in enumerate(tapes, 1):
            serials = [member.serial for member in self._state.members if member.membership.copy == copy]
            serials += [one.volser for (of, _), (_, one) in self._used.items() if of == copy]
            try:
                write_lists(
                    tape,
                    Membership(self._plan.tape_id, number, copy),
                    self._state.there[copy - 1],
                    [step for step in left if step.path not in self._state.there[copy - 1]],
                    tuple(dict.fromkeys([*serials, tape.serial])),
                    planned,
                )
            except NoSpace as error:
                self._problems.append(f"{tape.serial} has no room for its lists: {error}")
            totals = self._totals.setdefault(tape.serial, _Totals())
            described = TapeCartridge(
                volser=tape.serial, barcode=tape.barcode, files=totals.files, bytes=totals.bytes, number=number, copy=copy,
                room=tape.room,
            )  # fmt: skip
            self._used[copy, number] = (tape.address, described)
            if self._on_tape is not None:
                self._on_tape(tape)

    # Cartridges

    def _open(self, number: int) -> list[OpenTape]:
        """The cartridges of this number, a copy each, open for writing; new ones are made."""
        tapes: list[OpenTape] = []
        try:
            for copy in range(1, self._plan.copies + 1):
                tapes.append(self._open_one(Membership(self._plan.tape_id, number, copy)))
        except BaseException:
            for tape in tapes:
                tape.close()
            raise
        return tapes

    def _open_one(self, membership: Membership) -> OpenTape:
        if self._options.drives:
            return self._in_drive(self._options.drives[membership.copy - 1], membership)
        for member in self._state.members:
            if member.membership == membership:
                return OpenTape(member.address, writable=True, allow_large=self._options.allow_large)
        serial = self._serial(membership)
        return self._shelf.make(
            serial, config_of(wishes_of(self._plan)), membership, allow_large=self._options.allow_large
        )

    def _serial(self, membership: Membership) -> str:
        """The serial of a new cartridge: what a killed run had chosen for it, what the plan says, else the next."""
        begun = {(entry["copy"], entry["number"]): str(entry["serial"]) for entry in self._journal.entries()}
        key = (membership.copy, membership.number)
        if key in begun:
            return begun[key]
        planned = {(one.copy, one.number): one.volser for one in self._plan.cartridges}
        chosen = planned.get(key)
        if chosen is None or chosen in set(begun.values()):
            chosen = self._shelf.new_serials(1, [*begun.values(), *planned.values()])[0]
        self._journal.append({"serial": chosen, "copy": key[0], "number": key[1]}, sync=True)
        return chosen

    def _in_drive(self, address: DriveAddress, wanted: Membership) -> OpenTape:
        """The cartridge in a drive, if it is one to write this set on."""
        tape = OpenTape(address, writable=True, allow_large=self._options.allow_large)
        try:
            found = tape.membership
            if found is None:
                if any(True for _ in tape.files()):
                    raise Refused(
                        f"The cartridge {tape.serial} in {address} has files of no set; nothing was written. Put in an empty one."
                    )
                tape.join_set(wanted)
            elif (found.tape_id, found.copy) != (wanted.tape_id, wanted.copy):
                raise Refused(
                    f"The cartridge {tape.serial} in {address} is number {found.number} of copy {found.copy} of {found.tape_id}; "
                    f"nothing was written. Put in one for copy {wanted.copy} of {wanted.tape_id}."
                )
            there = self._state.there[wanted.copy - 1]
            there.update((path, (tape.serial, file)) for path, file in tape.files())
        except BaseException:
            tape.close()
            raise
        return tape

    # The end

    def verify(self) -> bool:
        """Read back all that was planned, also what earlier runs had written, from cartridges that are opened again."""
        good = True
        paths: dict[str, list[str]] = {}
        for there in self._state.there:
            for path in (*self._plan.there, *(step.path for step in self._files)):
                if path in there:
                    paths.setdefault(there[path][0], []).append(path)
        for serial, wanted in paths.items():
            with OpenTape(self._address(serial)) as tape:
                listed = tape.in_order(wanted)
                self._progress.expect(Phase.VERIFYING, sum(file.length for _, file in listed))
                for found in check_files(tape, listed, self._progress):
                    if found.status is not FileStatus.OK:
                        good = False
                        self._problems.append(f"{printable(found.path)} on {serial}: {found.status} when it was read back.")
        return good

    def _address(self, serial: str) -> DriveAddress:
        for address, cartridge in self._used.values():
            if cartridge.volser == serial:
                return address
        return next(member.address for member in self._state.members if member.serial == serial)

    def _there(self) -> Iterator[TapeFileReport]:
        for path in self._plan.there:
            for there in self._state.there:
                serial, file = there[path]
                yield TapeFileReport(
                    path=path, cartridge=serial, status=FileStatus.THERE, digest=file.digests.get(KEY), size=file.length
                )

    def report(self, seconds: float, verified: bool | None) -> TapeWritten:
        return TapeWritten(
            tape_id=self._plan.tape_id,
            cartridges=tuple(one for _, one in self._used.values() if one.files),
            files=(*self._there(), *self._reports),
            problems=tuple(self._problems),
            failed=tuple(self._failed),
            bytes=sum(fed.size for fed in self._feds),
            starved=sum(fed.starved for fed in self._feds),
            starved_seconds=sum(fed.starved_seconds for fed in self._feds),
            verified=verified,
            waits_for_cartridge=self._waits,
            seconds=seconds,
        )
