"""`apply_restore`: reading planned files from cartridges, one reader a cartridge, each file proven while it is read.

A file gets its name when it is whole and what its digest says. What can't be read from one cartridge is read from another
that has it. What is there already, and is right, is left: so a run that was stopped is gone on with by the same command.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.core import files
from film_archive.core.copying import pour, verified_copy
from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, NoSpace, NotFound, Refused
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import ByteSource, ConcatSource, FileSource, printable
from film_archive.core.timecode import FrameRange
from film_archive.tape.choosing import segment
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.holding_sets import Holdings
from film_archive.tape.holdings import Holding
from film_archive.tape.records import FileStatus, RestorePlan, RestoreStep, TapeFileReport, TapeRestored
from film_archive.tape.restore_planning import sentence_of
from film_archive.tape.volumes import OpenTape


@dataclass(frozen=True, slots=True)
class _Outcome:
    report: TapeFileReport
    reason: str = ""
    whole: int | None = None
    """Of a part of a split file: bytes of the whole."""


def apply_restore(plan: RestorePlan, holdings: Holdings, *, progress: Progress | None = None) -> TapeRestored:
    """Restore what a plan has. Raises Refused or NoSpace before anything is written where the folder can't take it."""
    begun = time.monotonic()
    run = _Run(plan, {one.uuid: one for one in holdings.cartridges}, progress or quiet())
    run.restore()
    return run.report(time.monotonic() - begun)


class _Run:
    def __init__(self, plan: RestorePlan, holdings: dict[str, Holding], progress: Progress) -> None:
        self._plan = plan
        self._holdings = holdings
        self._by_serial = {one.serial: one for one in holdings.values() if one.address is not None}
        self._progress = progress
        self._outcomes: list[_Outcome] = []
        self._problems: list[str] = []
        self._read = 0

    def restore(self) -> None:
        folder = Path(self._plan.folder)
        files.require_folder_at(folder)
        files.make_folders(folder)
        files.require_space(folder, sum(step.size for step in self._plan.steps if not _exists(step)), "the restored files")
        for step in self._plan.steps:
            self._progress.expect(Phase.READING, step.size)
        waiting: Sequence[RestoreStep] = self._plan.steps
        while waiting:
            again: list[RestoreStep] = []
            for uuid, steps in _by_cartridge(waiting):
                again += self._from_cartridge(uuid, steps)
            waiting = again
        self._outcomes = list(_joined(self._outcomes, self._problems))

    def _from_cartridge(self, uuid: str, steps: Sequence[RestoreStep]) -> list[RestoreStep]:
        """Restore steps from one cartridge; returns those that are to be tried on another."""
        again: list[RestoreStep] = []
        try:
            tape = OpenTape(self._address(uuid, steps[0].cartridge))
        except FilmArchiveError as error:
            return [other for step in steps for other in self._elsewhere(step, error)]
        with tape:
            before = tape.bytes_read
            for step in steps:
                self._progress.begin(Phase.READING, step.path)
                try:
                    if tape.uuid != step.uuid:
                        raise NotFound(
                            f"{tape.address} has {tape.serial} ({tape.uuid}), and not {step.cartridge} ({step.uuid})."
                        )
                    self._outcomes.append(self._one(tape, step))
                except NoSpace:
                    raise
                except FilmArchiveError as error:
                    again += self._elsewhere(step, error)
            if before is not None and tape.bytes_read is not None:
                self._read += tape.bytes_read - before
        return again

    def _address(self, uuid: str, serial: str) -> DriveAddress:
        holding = self._holdings.get(uuid)
        if holding is None or holding.address is None:
            raise NotFound(f"The cartridge {serial} is not here.")
        return holding.address

    def _elsewhere(self, step: RestoreStep, error: FilmArchiveError) -> Iterable[RestoreStep]:
        """The same step on another cartridge; without one, why it failed is told."""
        while step.others:
            serial, *rest = step.others
            step = replace(step, others=tuple(rest))
            holding = self._by_serial.get(serial)
            if holding is not None and not isinstance(error, Refused):
                why = f"{printable(step.path)} could not be read from {step.cartridge}: {error}"
                self._problems.append(f"{why} It was read from {serial}.")
                return [replace(step, cartridge=serial, uuid=holding.uuid)]
        status = FileStatus.UNREADABLE if isinstance(error, Damaged) else FileStatus.FAILED
        if isinstance(error, Damaged) and "differs" in str(error):
            status = FileStatus.DIFFERS
        self._outcomes.append(_Outcome(_report(step, status), str(error)))
        return []

    def _one(self, tape: OpenTape, step: RestoreStep) -> _Outcome:
        target = Path(step.output)
        if step.first_frame is not None and step.frames is not None:
            return self._part(tape, step, FrameRange(step.first_frame, step.first_frame + step.frames))
        if os.path.lexists(target):
            self._require_same(target, step)
            self._progress.add(Phase.READING, step.size)
            return _Outcome(_report(step, FileStatus.THERE), whole=step.whole)
        files.make_folders(target.parent)
        with tape.open_file(step.path) as source:
            digest = restore_file(source, target, step, progress=self._progress)
        return _Outcome(replace(_report(step, FileStatus.RESTORED), digest=digest), whole=step.whole)

    def _part(self, tape: OpenTape, step: RestoreStep, frames: FrameRange) -> _Outcome:
        """Some frames of a clip, cut from the cartridge: only what they need is read."""
        from film_archive.media.cutting.opening import open_clip

        target = Path(step.output)
        files.make_folders(target.parent)
        with tape.open_file(step.path) as source:
            clip = open_clip(source, rate=step.rate)
            if clip.suffixes and target.suffix.lower() not in clip.suffixes:
                target = target.with_suffix(clip.suffixes[0])
            status = FileStatus.RESTORED
            if os.path.lexists(target):
                if clip.verify(frames, target) is None:
                    raise Refused(f"{printable(target)} is there already and is not these frames; nothing was changed.")
                status = FileStatus.THERE
            else:
                clip.cut(frames, target, on_bytes=self._progress.counting(Phase.READING))
        report = replace(_report(step, status), output=str(target), size=target.stat().st_size)
        return _Outcome(report)

    def _require_same(self, target: Path, step: RestoreStep) -> None:
        """Raise Refused unless what is there is the file that would be restored."""
        with FileSource(target) as there:
            same = there.size == step.size and (step.digest is not None and digest_source(there)[KEY] == step.digest)
        if not same:
            raise Refused(f"{printable(target)} is there already and is not the file on tape; nothing was changed.")

    def report(self, seconds: float) -> TapeRestored:
        missing = [_Outcome(one, sentence_of(one, self._plan.cartridges)) for one in self._plan.missing]
        outcomes = [*self._outcomes, *missing]
        reasons = [f"{printable(one.report.path)}: {one.reason}" if printable(one.report.path) not in one.reason else one.reason
                   for one in outcomes if one.reason]  # fmt: skip
        restored = [one.report for one in outcomes if one.report.status is FileStatus.RESTORED]
        return TapeRestored(
            folder=self._plan.folder,
            cartridges=self._plan.cartridges,
            files=tuple(one.report for one in outcomes),
            problems=(*self._plan.problems, *self._problems, *reasons),
            failed=self._plan.failed,
            bytes=sum(one.size for one in restored),
            bytes_read=self._read,
            seconds=seconds,
        )


def _by_cartridge(steps: Iterable[RestoreStep]) -> list[tuple[str, list[RestoreStep]]]:
    """Steps by their volumes, in the order in which these come first."""
    found: dict[str, list[RestoreStep]] = {}
    for step in steps:
        found.setdefault(step.uuid, []).append(step)
    return list(found.items())


def restore_file(source: ByteSource, target: Path, step: RestoreStep, *, progress: Progress) -> str:
    """Write a source to a new file, which gets its name when it is what its digest says; returns that.

    Raises Damaged where it is not; nothing is then left there.
    """
    with files.AtomicFile(target, purpose="copy") as new:
        descriptor = new.file.fileno()
        with files.explaining(
            f"restore {printable(target)}",
            needed=lambda: files.unwritten(descriptor, source.size),
            folder=target.parent,
            state="nothing was left there",
        ):
            poured = pour(source, descriptor, 0, share=False, on_bytes=progress.counting(Phase.READING))
            os.utime(descriptor, ns=(step.mtime_ns, step.mtime_ns))
        if step.digest is not None and poured.digests[KEY] != step.digest:
            raise Damaged(f"{source.name} differs from its digest; it was not restored.")
        new.commit()
    return poured.digests[KEY]


def _exists(step: RestoreStep) -> bool:
    return os.path.lexists(step.output)


def _report(step: RestoreStep, status: FileStatus) -> TapeFileReport:
    return TapeFileReport(
        path=step.path, cartridge=step.cartridge, status=status, digest=step.digest, size=step.size, output=step.output
    )


# Split files


def _joined(outcomes: Sequence[_Outcome], problems: list[str]) -> Iterable[_Outcome]:
    """Outcomes with the parts of split files put together, where all of them are there."""
    parts: dict[str, dict[int, _Outcome]] = {}
    for outcome in outcomes:
        whole, number = segment(outcome.report.path)
        if number is None or outcome.report.output is None:
            yield outcome
        else:
            parts.setdefault(whole, {})[number] = outcome
    for whole, found in parts.items():
        good = (FileStatus.RESTORED, FileStatus.THERE)
        numbers = sorted(found)
        size = sum(one.report.size for one in found.values())
        complete = numbers == list(range(1, len(numbers) + 1)) and all(one.whole in (None, size) for one in found.values())
        if complete and all(one.report.status in good for one in found.values()):
            try:
                yield _join(whole, [found[number] for number in numbers])
                continue
            except FilmArchiveError as error:
                problems.append(f"The parts of {printable(whole)} were restored and can't be joined: {error}")
        else:
            problems.append(f"{printable(whole)} was split, and not all of its parts came back; those that did stay parts.")
        yield from found.values()


def _join(whole: str, parts: Sequence[_Outcome]) -> _Outcome:
    """One file of its parts, read back before they go."""
    places = [Path(str(one.report.output)) for one in parts]
    target = places[0].with_name(whole.rpartition("/")[2])
    sources = [FileSource(place) for place in places]
    try:
        with ConcatSource(sources, printable(whole)) as joined:
            poured = verified_copy(joined, target, like=sources[0].status)
    finally:
        for source in sources:
            source.close()
    for place in places:
        files.remove(place)
    return _Outcome(
        TapeFileReport(
            path=whole,
            cartridge=parts[-1].report.cartridge,
            status=FileStatus.RESTORED,
            digest=poured.digests[KEY],
            size=poured.size,
            output=str(target),
        )
    )
