"""`LTOTapeManager`: plans sets of cartridges for files. Writing and reading cartridges is not in this version."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from film_archive.core import places
from film_archive.core.errors import NotSupported, Refused, UsageError
from film_archive.core.models import MediaFile, TapeArchive, TapeFormat
from film_archive.core.source import FileSource, printable
from film_archive.tape import planning
from film_archive.tape.formats import generation
from film_archive.tape.planning import PlannedFile

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


class LTOTapeManager:
    """Plans sets of cartridges. `tape_staging_dir` is the shelf, the folder in which file-backed cartridges lie."""

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
    ) -> NoReturn:
        """Raises NotSupported: this version plans cartridges and does not write them."""
        raise NotSupported(
            f"This version plans cartridges and can't write them yet; nothing of {tape_archive.tape_id} was written."
        )

    async def restore_from_tape(self, tape_id: str, patterns: Sequence[str], directory: Path) -> NoReturn:
        """Raises NotSupported: this version plans cartridges and does not read them."""
        raise NotSupported(
            f"This version can't read cartridges yet, so nothing of {tape_id} was restored; "
            "any machine with LTFS reads them."
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
