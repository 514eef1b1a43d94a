"""Mending an archive's structure: what is wrong with it, and making it whole again. Members' own bytes are never changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from film_archive.archive import layout
from film_archive.archive.entries import parts_of
from film_archive.archive.reader import is_folder, open_archive
from film_archive.archive.repair import diagnose, repair_archive
from film_archive.core.job import DONE, IN_PART, Plan, Report, Step, identity_at, require_unchanged
from film_archive.core.member import Role
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.workflows.leftovers import abandon_unfinished, has_unfinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Record):
    """What can't be brought back."""

    path: str
    """A member, or a part of the archive."""
    what: str
    """What became of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MendStep(Step):
    """One thing that is mended."""

    would: str
    """What would be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPlan(Plan):
    """What is wrong with an archive's structure; without steps nothing is."""

    verb: ClassVar[str] = "repair"
    archive: Path
    """The archive."""
    identity: str
    """Changes when the archive does."""
    steps: tuple[MendStep, ...]
    """What would be mended."""
    lost: tuple[Lost, ...]
    """What can't be brought back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired(Report):
    """What `repair` did."""

    archive: Path
    """Its path."""
    would: tuple[str, ...] = ()
    """In a dry run: what would be done; empty where nothing is wrong."""
    done: tuple[str, ...]
    """What was done, each one sentence; empty where nothing was wrong."""
    lost: tuple[Lost, ...]
    """What could not be brought back; the exit status is then 12, of a dry run too."""
    generation: int | None
    """That the archive has now; null in a dry run."""
    members: int | None
    """How many it has now; null in a dry run."""

    @property
    def exit_status(self) -> int:
        return IN_PART if self.lost else DONE


def plan_repair(archive: Path) -> RepairPlan:
    """Look at what is wrong with an archive's structure.

    Raises NotSupported for what is no archive of ours, Damaged where there is nothing to build on.
    """
    identity = _identity(archive)
    found = diagnose(archive)
    gone = _gone(archive) if is_folder(archive) and not found.would else ()
    would = [*found.would]
    if is_folder(archive) and has_unfinished(archive):
        would.append("remove what an unfinished run has left")
    return RepairPlan(
        archive=archive,
        identity=identity,
        steps=tuple(MendStep(would=each) for each in would),
        lost=(*(Lost(path=problem.path, what=problem.what) for problem in found.lost), *gone),
    )


def _gone(folder: Path) -> Iterator[Lost]:
    """Files of a folder archive that are not there, or have another size; only another copy brings them back."""
    with open_archive(folder) as archive:
        for member in archive.members():
            for part in parts_of(member):
                if part.role in (Role.FOLDER, Role.SYMLINK):
                    continue
                try:
                    size = (folder / layout.place_of(part)).lstat().st_size
                except OSError:
                    yield Lost(path=printable(part.path), what="is not there; bring it back from another copy")
                    continue
                if size != part.size:
                    what = f"has {size} bytes instead of {part.size}; bring it back from another copy"
                    yield Lost(path=printable(part.path), what=what)


def apply_repair(plan: RepairPlan) -> Repaired:
    """Mend what is planned; an archive with nothing wrong is not touched.

    Raises SourceChanged where the archive is not what it was when it was looked at.
    """
    begun = time.monotonic()
    require_unchanged(printable(plan.archive), plan.identity, _identity(plan.archive))
    if not plan.steps:
        with open_archive(plan.archive) as archive:
            header = archive.require_manifest("be repaired")
        return replace(
            as_planned(plan), generation=header.generation, members=header.members, seconds=time.monotonic() - begun
        )
    result = repair_archive(plan.archive)
    done = list(result.done)
    if is_folder(plan.archive) and abandon_unfinished(plan.archive):
        done.append("Removed what an unfinished run had left; media that it had copied in stay.")
    return Repaired(
        archive=plan.archive,
        done=tuple(done),
        lost=tuple(Lost(path=problem.path, what=problem.what) for problem in result.lost),
        generation=result.generation,
        members=result.members,
        seconds=time.monotonic() - begun,
    )


def as_planned(plan: RepairPlan) -> Repaired:
    """What a dry run says."""
    return Repaired(
        archive=plan.archive,
        would=tuple(step.would for step in plan.steps),
        done=(),
        lost=plan.lost,
        generation=None,
        members=None,
    )


def repair(archive: Path) -> Repaired:
    """Plan and mend."""
    return apply_repair(plan_repair(archive))


def _identity(archive: Path) -> str:
    if not is_folder(archive):
        return identity_at(archive)
    places = [archive / name for name in (layout.MANIFEST, layout.MANIFEST_COPY)]
    return " ".join(identity_at(place) if place.exists() else "missing" for place in places)
