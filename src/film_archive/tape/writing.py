"""`apply_write`: putting a planned set on its cartridges, one after the other, all copies at once.

What is reported as written is named by an index on the tape. A run that was killed, or that failed, is gone on with by
planning and applying again: the cartridges themselves tell what is there. Beside the files a cartridge gets an ASC MHL
generation and the manifest of its set, before the next one is begun.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError, NoSpace, Refused, UsageError
from film_archive.core.job import identity_at, require_unchanged
from film_archive.core.journal import Journal
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import ByteSource, FileSource, SliceSource, printable
from film_archive.tape.cartridge_lists import UNLISTED_TIMES, write_lists
from film_archive.tape.clip_facts import is_media_name, probed, sequence_lengths
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.fan import Fan
from film_archive.tape.holdings import Holding
from film_archive.tape.known_sets import keep_manifest
from film_archive.tape.loading import Loader
from film_archive.tape.ltfs.feeding import ALGORITHMS, COMMIT_EVERY, Fed, WrittenFile, feed, require_named
from film_archive.tape.ltfs.ring import FileToWrite
from film_archive.tape.ltfs.tree import TapeAttribute, TapeFile, Times
from film_archive.tape.records import (
    FileStatus,
    StepKind,
    TapeStep,
    TapeWritten,
    WritePlan,
)
from film_archive.tape.set_manifest import estimated
from film_archive.tape.set_planning import SPANNED_OFFSET, WHOLE, SetState, state_of
from film_archive.tape.shelf import Shelf
from film_archive.tape.verifying import check_files
from film_archive.tape.volumes import Membership, OpenTape
from film_archive.tape.write_tally import Tally

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
    """Cartridges of the set that are not here, as a catalog or the shelf has them."""
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
    require_named(options.algorithms)
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
        self._frames_from = sequence_lengths(step.path for step in self._files) if options.facts else {}
        """Path of the first image of a sequence → its frames."""
        self._loader = Loader(
            plan, shelf, journal, self._state, options.drives, options.known, allow_large=options.allow_large
        )
        self._tally = Tally(plan)

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
                self._tally.waits = True
                return
            number += 1

    def _write_cartridge(self, number: int, remaining: list[TapeStep]) -> tuple[list[TapeStep], bool]:
        """Write what goes on one cartridge (of each copy); returns what is left, and whether it is full."""
        later = [step.cartridge for step in remaining]
        last = not later or max(later) <= number or bool(self._options.drives)
        todo = [step for step in remaining if last or step.cartridge <= number]
        rest = [] if last else [step for step in remaining if step.cartridge > number]
        tapes = self._loader.open(number)
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
        self._tally.feds.append(fed)
        for failed in fed.failed:
            self._tally.failed(todo[failed.place], failed.error)
        if fan.ended is not None:
            self._tally.problems.append(str(fan.ended))
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
        """What a clip is, so that it can be searched for without its cartridge; of a sequence its first image says so."""
        if self._attributes_of is not None:
            return self._attributes_of(step)
        frames = self._frames_from.get(step.path)
        if not self._options.facts or step.offset is not None or not (frames or is_media_name(step.path)):
            return ()
        try:
            with self._open_step(step) as source:
                found = probed(source)
        except FilmArchiveError:  # changed while it was read, or gone since: the reader of its bytes tells
            return ()
        if found is None:
            return ()
        return (replace(found, frames=frames or found.frames).attribute(),)

    def _committed(self, written: Sequence[WrittenFile], fan: Fan, todo: Sequence[TapeStep]) -> None:
        for one in written:
            step = todo[one.place]
            for copy, file in fan.on_tapes.pop(one.path).items():
                serial = fan.tapes[copy].serial
                self._state.there[copy][step.path] = (serial, file)
                self._tally.written(step, serial, one.digests[KEY])

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
            there = self._state.there[copy - 1]
            try:
                write_lists(
                    tape,
                    Membership(self._plan.tape_id, number, copy),
                    there,
                    [step for step in left if step.path not in there],
                    self._loader.cartridges(copy, planned),
                )
            except NoSpace as error:
                self._tally.problems.append(f"{tape.serial} has no room for its lists: {error}")
            if self._options.drives:
                keep_manifest(self._shelf, tape, Membership(self._plan.tape_id, number, copy))
            self._tally.used(tape, copy, number)
            if self._on_tape is not None:
                self._on_tape(tape)

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
            address = self._loader.address(serial)
            if address is not None:  # what is on cartridges that are out was read back when they were in
                good = self._read_back(address, serial, wanted) and good
        return good

    def _read_back(self, address: DriveAddress, serial: str, wanted: Sequence[str]) -> bool:
        good = True
        with OpenTape(address) as tape:
            listed = tape.in_order(wanted)
            for path in sorted(set(wanted) - {path for path, _ in listed} - {path for path, file in tape.files() if file.target}):
                good = False
                self._tally.problems.append(f"{printable(path)} is not on {serial} any more, which was opened to be read back.")
            self._progress.expect(Phase.VERIFYING, sum(file.length for _, file in listed))
            for found in check_files(tape, listed, self._progress):
                if found.status is not FileStatus.OK:
                    good = False
                    self._tally.problems.append(f"{printable(found.path)} on {serial}: {found.status} when it was read back.")
        return good

    def report(self, seconds: float, verified: bool | None) -> TapeWritten:
        return self._tally.report(self._state.there, seconds, verified)
