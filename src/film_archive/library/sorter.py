"""`Sorter`, and sorting: moving duplicates out of trees that are no masters, into a quarantine that keeps their paths.

Nothing leaves a master, nothing is removed or overwritten, and of each content a copy stays that is not moved. A card, a
clip with its sidecars, a sequence moves whole or not at all. Right before the first file of it moves, every file is
compared, byte by byte, with the copy that stays. All is written down first (`moves.py`), so that a killed run is completed
and any run undone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from film_archive.core.errors import Refused, UsageError
from film_archive.core.job import Failure, Plan, Report, Step, status_of
from film_archive.core.progress import Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.library.dupe_finder import DupeSet, Duplicates, Known, find_duplicates
from film_archive.library.listing import Entry, join
from film_archive.library.masters import Masters
from film_archive.library.moves import Move, Moved, Moving, identity_of_entry, new_job, unfinished
from film_archive.library.units import Unit, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class SortStep(Step):
    """A card, clip, sequence or file that is moved whole."""

    name: str
    """What it is called."""
    folder: str
    """Where it is."""
    moves: tuple[Move, ...]
    """Its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays(Record):
    """What has duplicates and is not moved."""

    name: str
    """The card, clip, sequence or file."""
    folder: str
    """Where it is."""
    reason: str
    """Why, one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SortPlan(Plan):
    """What is moved into the quarantine."""

    verb: ClassVar[str] = "library sort"
    job: str
    """The job's name, a folder of the quarantine."""
    quarantine: str
    """Where duplicates go."""
    masters: tuple[str, ...]
    """The trees that nothing leaves."""
    steps: tuple[SortStep, ...]
    """What is moved, in order."""
    stays: tuple[Stays, ...]
    """What has duplicates and stays, and why."""
    failed: tuple[Failure, ...]
    """What could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted(Report):
    """What was moved."""

    job: str | None
    """The job, for `library undo`; null where nothing was to be moved."""
    moved: tuple[Moved, ...]
    """The files that were moved, those of a killed run that was completed first among them."""
    bytes: int
    """Their bytes."""
    units: int
    """Cards, clips, sequences and files that they are."""
    stays: tuple[Stays, ...]
    """What has duplicates and stays, and why."""
    failed: tuple[Failure, ...]
    """What could not be moved; it is where it was."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.moved))


class Sorter:
    """Moves duplicates out of trees that are no masters: `Sorter(["/Archive"], "/data/duplicates", duplicates).sort()`."""

    def __init__(
        self,
        masters: Iterable[str | os.PathLike[str]],
        target: str | os.PathLike[str],
        duplicates: Duplicates | Sequence[DupeSet],
    ) -> None:
        self.masters = tuple(map(Path, masters))
        self.target = Path(target)
        self.sets = duplicates.sets if isinstance(duplicates, Duplicates) else tuple(duplicates)

    def plan(self) -> SortPlan:
        """What would be moved."""
        return plan_sort_of(self.sets, masters=self.masters, quarantine=self.target)

    def sort(self) -> Sorted:
        """Move the duplicates."""
        return sort(self.plan, self.target)


def plan_sort(
    roots: Sequence[Path],
    *,
    masters: Sequence[Path],
    quarantine: Path,
    known: Known | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> SortPlan:
    """Find duplicates below the roots and masters, and plan to move those that are in no master.

    Raises Refused where the quarantine is in a master.
    """
    _require_apart(quarantine, Masters.of(masters))
    found = find_duplicates(
        [*roots, *masters], masters=masters, leave_out=[quarantine], known=known, workers=workers, progress=progress
    )
    return plan_sort_of(found.sets, masters=masters, quarantine=quarantine, roots=roots, failed=found.failed)


def plan_sort_of(
    sets: Sequence[DupeSet],
    *,
    masters: Sequence[Path],
    quarantine: Path,
    roots: Sequence[Path] | None = None,
    failed: Sequence[Failure] = (),
) -> SortPlan:
    """Plan to move what is double in a list of sets; with `roots`, only what is below them."""
    held = Masters.of(masters)
    _require_apart(quarantine, held)
    job = new_job("sort")
    planning = _Planning(held, sets, None if roots is None else [os.path.realpath(root) for root in roots])
    target = os.path.realpath(quarantine)
    steps = tuple(planning.step(unit, f"{target}/{job}") for unit in planning.chosen())
    return SortPlan(
        job=job,
        quarantine=target,
        masters=tuple(sorted(held.folders.values())),
        steps=steps,
        stays=tuple(planning.stays),
        failed=tuple(failed),
    )


def _require_apart(quarantine: Path, masters: Masters) -> None:
    place = quarantine
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if masters.holds(os.fspath(place)):
        raise Refused(f"{printable(quarantine)} is in a master; name a quarantine outside of all masters. Nothing was changed.")
    if os.path.lexists(quarantine) and not quarantine.is_dir():
        raise UsageError(f"{printable(quarantine)} is not a folder; name one for the quarantine.")


class _Planning:
    """Which units can go, each of whose contents has a copy that stays."""

    def __init__(self, masters: Masters, sets: Sequence[DupeSet], roots: Sequence[str] | None) -> None:
        self._masters = masters
        self._roots = roots
        self._sets: dict[str, int] = {}
        self._copies: dict[int, set[str]] = {}
        """The copies of each set that stay, as far as that is known by now."""
        self._keep = {each.keep for each in sets}
        for number, each in enumerate(sets):
            self._copies[number] = {each.keep, *each.duplicates}
            self._sets.update(dict.fromkeys(self._copies[number], number))
        self.stays: list[Stays] = []

    def chosen(self) -> list[Unit]:
        """The units that go: those first that hold nothing that was chosen to be kept, then the youngest."""
        movable = [path for path in self._sets if self._may_go(path)]
        tops = tuple(self._roots) if self._roots is not None else tuple({path.rpartition("/")[0] or "/" for path in movable})
        units = Units(tops).of(movable)
        return sorted(
            (unit for unit in sorted(units, key=self._rank) if self._goes(unit)),
            key=lambda unit: (unit.folder, unit.name),
        )

    def _may_go(self, path: str) -> bool:
        if self._roots is not None and not any(path.startswith(join(root, "")) for root in self._roots):
            return False
        return not self._masters.holds(path)

    def _rank(self, unit: Unit) -> tuple[object, ...]:
        kept = sum(path in self._keep for path, _ in unit.files)
        oldest = min(entry.mtime_ns for _, entry in unit.files)
        return (kept > 0, kept, -oldest, -unit.folder.count("/"), -len(unit.folder), unit.folder, unit.name)

    def _goes(self, unit: Unit) -> bool:
        paths = {path for path, _ in unit.files}
        if paths <= self._keep:
            return False
        reason = self._holding_back(unit, paths)
        if reason is not None:
            self.stays.append(Stays(name=unit.name, folder=unit.folder, reason=reason))
            return False
        for path in paths:
            if path in self._sets:
                self._copies[self._sets[path]].discard(path)
        return True

    def _holding_back(self, unit: Unit, paths: set[str]) -> str | None:
        """Why a unit can't go; None where it can."""
        for path, entry in unit.files:
            if not self._may_go(path):
                return f"{printable(path)}, which belongs to it, is in a master, or outside of the folders that are sorted."
            if entry.size == 0:
                continue  # goes along: there is nothing to lose
            number = self._sets.get(path)
            if number is None:
                return f"{printable(path)}, which belongs to it, has no duplicate."
            if not self._copies[number] - paths:
                return f"{printable(path)} is the copy that is kept."
        return None

    def step(self, unit: Unit, target: str) -> SortStep:
        moves = tuple(self._move(path, entry, target) for path, entry in unit.files)
        return SortStep(name=unit.name, folder=unit.folder, moves=moves, size=sum(move.size for move in moves))

    def _move(self, path: str, entry: Entry, target: str) -> Move:
        witness = None
        if entry.size:
            copies = self._copies[self._sets[path]]
            witness = min(copies, key=lambda copy: (not self._masters.holds(copy), copy not in self._keep, copy))
        return Move(
            from_=path,
            to=target + path,
            same_as=witness,
            size=entry.size,
            identity=identity_of_entry(entry),
        )


def apply_sort(plan: SortPlan, *, progress: Progress | None = None) -> Sorted:
    """Move what is planned; what has changed since stays. A killed run is completed by `sort` with the same quarantine."""
    begun = time.monotonic()
    if not plan.steps:
        return as_planned(plan)
    masters = Masters.of(map(Path, plan.masters))
    _require_apart(Path(plan.quarantine), masters)
    with Moving.begin(Path(plan.quarantine), plan.job, masters, progress or quiet()) as moving:
        moving.write_down((step.name, step.moves) for step in plan.steps)
        moving.go_on()
    return _sorted(plan, [moving], time.monotonic() - begun)


def sort(plan: Callable[[], SortPlan], quarantine: Path, *, progress: Progress | None = None) -> Sorted:
    """Complete what a killed run has left in a quarantine, then plan and move."""
    begun = time.monotonic()
    done = []
    for job in unfinished(quarantine):
        with Moving.again(quarantine, job, progress or quiet()) as moving:
            moving.go_on()
        done.append(moving)
    made = plan()
    if made.steps:
        masters = Masters.of(map(Path, made.masters))
        with Moving.begin(Path(made.quarantine), made.job, masters, progress or quiet()) as moving:
            moving.write_down((step.name, step.moves) for step in made.steps)
            moving.go_on()
        done.append(moving)
    return _sorted(made, done, time.monotonic() - begun)


def _sorted(plan: SortPlan, jobs: Sequence[Moving], seconds: float) -> Sorted:
    moved = tuple(move for job in jobs for move in job.moved)
    return Sorted(
        job=jobs[-1].job if jobs else None,
        moved=moved,
        bytes=sum(move.size for move in moved),
        units=sum(job.units for job in jobs),
        stays=plan.stays,
        failed=(*plan.failed, *(failure for job in jobs for failure in job.failed)),
        seconds=seconds,
    )


def as_planned(plan: SortPlan) -> Sorted:
    """What a dry run says."""
    moves = [move for step in plan.steps for move in step.moves]
    return Sorted(
        job=None,
        moved=tuple(Moved(from_=move.from_, to=move.to, size=move.size) for move in moves),
        bytes=plan.size,
        units=len(plan.steps),
        stays=plan.stays,
        failed=plan.failed,
    )
