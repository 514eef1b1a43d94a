"""`LTOTapeManager`: sets of cartridges in a shelf: planned, written, read back and restored."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import places
from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.core.models import MediaFile, TapeArchive, TapeFormat
from film_archive.core.source import FileSource, printable
from film_archive.tape import planning
from film_archive.tape.choosing import Choice
from film_archive.tape.formats import generation
from film_archive.tape.gathering import gather_as
from film_archive.tape.holding_sets import gather_holdings
from film_archive.tape.planning import PlannedFile
from film_archive.tape.records import FileStatus
from film_archive.tape.restore_planning import plan_restore
from film_archive.tape.restoring import apply_restore
from film_archive.tape.set_planning import WriteWishes, plan_write, state_of
from film_archive.tape.shelf import Shelf
from film_archive.tape.writing import WriteOptions, apply_write

Named = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class TapeRequirements:
    """What a set of cartridges takes. Sizes are decimal bytes."""

    format: TapeFormat
    files: int
    total_size: int
    cartridges: int
    capacity_per_cartridge: int
    """Bytes of files that a cartridge takes: what LTFS leaves of it, less the reserve for indexes."""
    write_seconds: float
    """At the drive's native speed, or the source's where that is slower."""
    verify_seconds: float
    """Reading everything back."""
    keeps_streaming: bool
    """False where the source is so slow that the drive stops and rewinds over and over."""


@dataclass(frozen=True, slots=True)
class TapeWriteResult:
    """What became of writing a set."""

    tape_id: str
    written_files: list[str]
    """Paths on tape of the files that are there for good, those of earlier runs among them."""
    errors: list[str]
    """What went wrong, one sentence each."""
    write_speed_mbps: float
    """Megabytes a second over the whole run, reading back included; 0 where nothing was left to write."""
    duration_seconds: float
    verified: bool
    """Whether all that this run wrote was read back and is right; False too where that was not asked for."""
    cartridges: list[str]
    """Serials of the cartridges that have the files."""


@dataclass(frozen=True, slots=True)
class TapeRestoreResult:
    """What came back from a set."""

    tape_id: str
    restored_files: list[Path]
    """Where the files are, those that were there already and are right among them."""
    errors: list[str]
    missing: list[str]
    """Paths on tape of files whose cartridges are not in the shelf."""
    duration_seconds: float


class LTOTapeManager:
    """Plans, writes and restores sets of cartridges.

    `tape_staging_dir` is the shelf, the folder in which file-backed cartridges lie.
    """

    def __init__(self, tape_staging_dir: Path | None = None) -> None:
        self._shelf = None if tape_staging_dir is None else Path(tape_staging_dir)

    @property
    def shelf(self) -> Path:
        """Where file-backed cartridges lie; it is not made by asking."""
        return places.shelf() if self._shelf is None else self._shelf

    async def prepare_tape_archive(
        self, tape_id: str, format: TapeFormat, files_to_archive: Sequence[Named | MediaFile]
    ) -> TapeArchive:
        """A set of cartridges for these files, laid out; nothing is written. `spans` says which file goes where.

        A cartridge gets its serial when it is formatted, so `cartridges` is still empty. Raises NotFound for a file
        that is not there, NotSupported for what is not a file, Refused where a file is larger than a cartridge or is
        named twice.
        """
        return await asyncio.to_thread(_prepare, tape_id, format, list(files_to_archive))

    @staticmethod
    def calculate_tape_span_distribution(
        files: Iterable[tuple[Named, int]], format: TapeFormat
    ) -> list[list[int]]:
        """For each cartridge the places in the list of the files that go on it: whole files, in order.

        `files` are (path, bytes) pairs; none is looked at. Raises Refused where one is larger than a cartridge.
        """
        plan = planning.plan_set(_planned(files), generation(format))
        return [list(span) for span in plan.spans]

    @staticmethod
    def estimate_tape_requirements(
        files: Iterable[tuple[Named, int]] | int,
        format: TapeFormat,
        *,
        half_height: bool = False,
        source_speed: int | None = None,
    ) -> TapeRequirements:
        """How many cartridges (path, bytes) pairs need, and how long they take to write and to verify.

        A number of bytes alone gives the fewest cartridges that could hold it. `source_speed` is in bytes a second.
        """
        made = generation(format)
        if isinstance(files, int):
            if files < 0:
                raise UsageError(f"{files} bytes can't be put on tape.")
            count, size, capacity = 0, files, planning.usable_capacity(made.medium)
            cartridges = -(-size // capacity)
        else:
            plan = planning.plan_set(_planned(files), made)
            count, size, capacity, cartridges = len(plan.files), plan.size, plan.capacity, len(plan.cartridges)
        return TapeRequirements(
            format=made.format,
            files=count,
            total_size=size,
            cartridges=cartridges,
            capacity_per_cartridge=capacity,
            write_seconds=float(
                planning.seconds_to_write(size, made, half_height=half_height, source_speed=source_speed)
            ),
            verify_seconds=float(planning.seconds_to_write(size, made, half_height=half_height)),
            keeps_streaming=source_speed is None or planning.keeps_streaming(made, source_speed),
        )

    async def write_to_tape(
        self, tape_archive: TapeArchive, files: Sequence[tuple[Named, str]], verify: bool = True
    ) -> TapeWriteResult:
        """Write files to the set, each under its path on tape; with `verify` everything is read back.

        Cartridges are made in the shelf as they are needed. Called again with the same files it goes on where it stopped.
        """
        return await asyncio.to_thread(self._write, tape_archive, list(files), verify)

    async def restore_from_tape(self, tape_id: str, patterns: Sequence[str], directory: Named) -> TapeRestoreResult:
        """Restore files of a set by patterns ("archive/*", "*.mov"; none: everything), each proven by its digest.

        What lies on cartridges that are not in the shelf is named in `missing`. Raises NotFound where the set has nothing
        of the kind.
        """
        return await asyncio.to_thread(self._restore, tape_id, tuple(patterns), Path(directory))

    def _write(self, tape_archive: TapeArchive, named: Sequence[tuple[Named, str]], verify: bool) -> TapeWriteResult:
        shelf = Shelf(self.shelf)
        gathered = gather_as(named)
        wishes = WriteWishes(generation(tape_archive.format).medium)
        plan = plan_write(shelf, tape_archive.tape_id, gathered, wishes)
        done = apply_write(plan, shelf, WriteOptions(verify=verify))
        state = state_of(shelf, tape_archive.tape_id, 1)
        there = state.there[0]
        written = [step.path for step in gathered.files if step.path in there]
        problems = [*done.problems, *(failure.sentence() for failure in done.failed)]
        return TapeWriteResult(
            tape_id=tape_archive.tape_id,
            written_files=written,
            errors=problems,
            write_speed_mbps=done.bytes / 10**6 / done.seconds if done.seconds > 0 else 0.0,
            duration_seconds=done.seconds,
            verified=bool(done.verified),
            cartridges=list(dict.fromkeys(there[path][0] for path in written)),
        )

    def _restore(self, tape_id: str, patterns: tuple[str, ...], directory: Path) -> TapeRestoreResult:
        holdings = gather_holdings(Shelf(self.shelf), tape_id)
        if not holdings.cartridges and not holdings.problems:
            raise NotFound(f"There is no cartridge of {printable(tape_id)} in {printable(self.shelf)}; nothing was restored.")
        done = apply_restore(plan_restore(holdings, Choice(patterns), directory), holdings)
        good = [file for file in done.files if file.status in (FileStatus.RESTORED, FileStatus.THERE)]
        return TapeRestoreResult(
            tape_id=tape_id,
            restored_files=[Path(file.output) for file in good if file.output is not None],
            errors=list(done.problems),
            missing=[file.path for file in done.files if file.status is FileStatus.MISSING],
            duration_seconds=done.seconds,
        )


def _prepare(tape_id: str, format: TapeFormat, files: Sequence[Named | MediaFile]) -> TapeArchive:
    made = generation(format)
    paths = [file.file_path if isinstance(file, MediaFile) else Path(file) for file in files]
    seen: set[Path] = set()
    listed = []
    for path in paths:
        with FileSource(path) as source:  # also says what is no file, and what can't be read
            listed.append(PlannedFile(source.name, source.size))
        real = path.resolve()
        if real in seen:
            raise Refused(f"{printable(path)} is named twice; nothing was planned.")
        seen.add(real)
    plan = planning.plan_set(listed, made)
    return TapeArchive(
        tape_id=tape_id, format=made.format, files=tuple(paths), total_size=plan.size, spans=plan.spans
    )


def _planned(files: Iterable[tuple[Named, int]]) -> Iterable[PlannedFile]:
    return (PlannedFile(printable(path), size) for path, size in files)
