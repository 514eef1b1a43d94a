"""`Ingester`, and ingesting: what lies in a drop folder, into folders by date, under names of date and digest.

Loose files, clips with their sidecars and sequences are moved (or copied); cards that are met are offloaded verbatim. What
belongs together stays together; what is in the target already is recognised and stays in the drop folder. Moves are written
down first, so that a killed run is completed and any run undone (`moves.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from film_archive.archive import layout
from film_archive.catalog.catalog import Catalog
from film_archive.core import files
from film_archive.core.copying import verified_copy
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError, NotFound, Refused, SourceChanged, StorageError
from film_archive.core.job import Failure, Plan, Report, Step, status_of
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.library import hashing
from film_archive.library.cards import CardFinder
from film_archive.library.chain_of_custody import Proven, write_generation
from film_archive.library.hashing import Wanted
from film_archive.library.listing import join, list_tree
from film_archive.library.masters import Masters
from film_archive.library.mhl import can_hold
from film_archive.library.moves import Move, Moved, Moving, identity_of_entry, new_job, unfinished
from film_archive.library.offload import Offloaded, apply_offload, plan_offload
from film_archive.library.recording_dates import recorded
from film_archive.library.units import Unit, Units
from film_archive.library.workers import Workers

_DIGITS = 16
"""Of the digest, in a name."""
_LATEST = 253_402_300_799 * 10**9
"""The last moment that a date in XML can have; a file's time may be later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestStep(Step):
    """A file, clip or sequence."""

    name: str
    """What it was called."""
    date: str
    """When it was recorded, ISO 8601 without a zone."""
    date_source: str
    """What the date was taken from: "media", "name", "mtime"."""
    date_detail: str
    """The tag, the name, or the zone."""
    moves: tuple[Move, ...]
    """Its files."""
    digests: tuple[str, ...]
    """XXH3-128 of each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Already(Record):
    """A file that the target has already."""

    path: str
    """In the drop folder, where it stays."""
    same_as: str
    """In the target."""
    digest: str
    """Its XXH3-128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestPlan(Plan):
    """What goes where."""

    verb: ClassVar[str] = "library ingest"
    job: str
    """The job's name."""
    drop: str
    """The drop folder."""
    target: str
    """The folder that is organised by date."""
    copy: bool
    """Whether files are copied, and the drop folder is left as it is."""
    steps: tuple[IngestStep, ...]
    """Files, clips and sequences."""
    cards: tuple[str, ...]
    """Cards, which are offloaded."""
    already: tuple[Already, ...]
    """What the target has."""
    failed: tuple[Failure, ...]
    """What stays, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated(Record):
    """What a file, clip or sequence became."""

    name: str
    """What it was called."""
    to: str
    """What its first file is called now."""
    date: str
    """When it was recorded."""
    date_source: str
    """What the date was taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested(Report):
    """What was ingested."""

    job: str | None
    """The job, for `library undo --from TARGET`; null where nothing was moved."""
    moved: tuple[Moved, ...]
    """The files; with --copy they are where they were too."""
    bytes: int
    """Their bytes."""
    dates: tuple[Dated, ...]
    """What each became, and from where its date is."""
    cards: tuple[Offloaded, ...]
    """Cards that were offloaded."""
    already: tuple[Already, ...]
    """What the target has already; it stays in the drop folder."""
    mhl: str | None
    """The ASC MHL generation; null where nothing is new."""
    failed: tuple[Failure, ...]
    """What stays in the drop folder, and why."""

    @property
    def exit_status(self) -> int:
        failed = (*self.failed, *(failure for card in self.cards for failure in card.failed))
        return status_of(failed, any_done=bool(self.moved or self.cards or self.already))


class Ingester:
    """Takes what lies in a drop folder: `Ingester("/data/drop", "/data/photos").ingest()`."""

    def __init__(
        self,
        ingest_directory: str | os.PathLike[str],
        target_directory: str | os.PathLike[str],
        *,
        catalog: str | os.PathLike[str] | None = None,
        copy: bool = False,
    ) -> None:
        self.ingest_directory = Path(ingest_directory)
        self.target_directory = Path(target_directory)
        self.catalog = catalog
        self.copy = copy

    def plan(self) -> IngestPlan:
        """What would go where."""
        return plan_ingest(self.ingest_directory, self.target_directory, copy=self.copy)

    def ingest(self) -> Ingested:
        """Move, or copy, everything."""
        with ExitStack() as stack:
            catalog = None if self.catalog is None else stack.enter_context(Catalog.open(self.catalog))
            return ingest(self.ingest_directory, self.target_directory, catalog, copy=self.copy)


def plan_ingest(
    drop: Path,
    target: Path,
    *,
    copy: bool = False,
    only: frozenset[str] | None = None,
    progress: Progress | None = None,
) -> IngestPlan:
    """Look at all that lies in a drop folder, read it, and say what it will be called.

    With `only` (real paths), clips and cards of which a file is not among these are left for another time.
    Raises NotFound where one of the folders is not there, Refused where one is in the other.
    """
    for folder in (drop, target):
        if not folder.is_dir():
            raise NotFound(f"There is no folder {printable(folder)}; is its drive mounted? Nothing was changed.")
    origin, place = os.path.realpath(drop), os.path.realpath(target)
    if (origin + "/").startswith(place + "/") or (place + "/").startswith(origin + "/"):
        raise Refused(f"{printable(drop)} and {printable(target)} lie in each other; nothing was changed.")
    with ExitStack() as stack:
        planning = _Planning(origin, place, Workers(stack, None), progress or quiet(), only)
        steps = tuple(planning.steps())
    return IngestPlan(
        job=new_job("ingest"),
        drop=origin,
        target=place,
        copy=copy,
        steps=steps,
        cards=tuple(planning.cards),
        already=tuple(planning.already),
        failed=tuple(planning.failed),
    )


class _Planning:
    def __init__(
        self, drop: str, target: str, workers: Workers, progress: Progress, only: frozenset[str] | None = None
    ) -> None:
        self._only = only
        self._drop = drop
        self._target = target
        self._workers = workers
        self._progress = progress
        self._taken: dict[str, str] = {}
        """Path in the target → digest of what is planned to be there."""
        self.cards: list[str] = []
        self.already: list[Already] = []
        self.failed: list[Failure] = []

    def steps(self) -> Iterator[IngestStep]:
        units = self._units()
        digests = self._digests([Wanted(path, *entry[1:4]) for unit in units for path, entry in unit.files])
        for unit in units:
            if all(path in digests for path, _ in unit.files):
                step = self._step(unit, digests)
                if step is not None:
                    yield step

    def _units(self) -> list[Unit]:
        cards = CardFinder((self._drop,))
        waiting: set[str] = set()
        loose: list[str] = []
        for listed in list_tree(self._drop, self._workers):
            self.failed += listed.unread
            for listing in listed.listings:
                card = cards.card_of(listing.path)
                if card is not None:
                    if card not in self.cards:
                        self.cards.append(card)
                    if not all(self._is_wanted(join(listing.path, entry.name)) for entry in listing.entries or ()):
                        waiting.add(card)
                    continue
                self.failed += listing.failed
                loose += (join(listing.path, entry.name) for entry in listing.entries or ())
        self.cards = sorted({*self.cards} - waiting)
        # What is left lies on no card: without a root none is looked for.
        units = Units(()).of(loose)
        return [unit for unit in units if all(self._is_wanted(path) for path, _ in unit.files)]

    def _is_wanted(self, path: str) -> bool:
        return self._only is None or path in self._only

    def _digests(self, wanted: Sequence[Wanted]) -> dict[str, str]:
        found: dict[str, str] = {}
        self._progress.expect(Phase.READING, sum(file.size for file in wanted))
        parts = list(hashing.batches(wanted))
        for part, results in zip(parts, self._workers.read(_read_all, parts), strict=True):
            for file, result in zip(part, results, strict=True):
                if result.digests is not None:
                    found[file.path] = result.digests[KEY]
                elif result.failure is not None:
                    self.failed.append(result.failure)
            self._progress.add(Phase.READING, sum(file.size for file in part))
        return found

    def _step(self, unit: Unit, digests: dict[str, str]) -> IngestStep | None:
        main, entry = max(unit.files, key=lambda each: (each[1].size, each[0]))
        named = join(unit.folder, unit.name.rpartition("/")[2])
        if named in dict(unit.files):
            main, entry = named, dict(unit.files)[named]
        when = recorded(Path(main), entry.mtime_ns)
        name = f"{when.stamp}_{digests[main][:_DIGITS]}"
        below = f"{self._target}/{when.moment:%Y}/{when.moment:%m}"
        targets = dict(_names(unit, main, below, name))
        moves = []
        for path, each in unit.files:
            there = self._held(targets[path], digests[path], each.size)
            if there is False:
                reason = f"{printable(targets[path])} is there already, with other bytes; {printable(path)} stays, and its clip."
                self.failed.append(Failure(path=path, reason=reason, status=4))
                return None
            if there is None:
                moves.append(
                    Move(from_=path, to=targets[path], same_as=None, size=each.size, identity=identity_of_entry(each))
                )
            else:
                self.already.append(Already(path=path, same_as=targets[path], digest=digests[path]))
        self._taken.update((move.to, digests[move.from_]) for move in moves)
        if not moves:
            return None
        return IngestStep(
            name=unit.name,
            size=sum(move.size for move in moves),
            date=when.moment.isoformat(),
            date_source=str(when.source),
            date_detail=when.detail,
            moves=tuple(moves),
            digests=tuple(digests[move.from_] for move in moves),
        )

    def _held(self, target: str, digest: str, size: int) -> bool | None:
        """Whether the target has the same already; None where nothing is there."""
        if target in self._taken:
            return self._taken[target] == digest
        try:
            status = Path(target).lstat()
        except FileNotFoundError:
            return None
        if status.st_size != size:
            return False
        wanted = Wanted(target, size, status.st_mtime_ns, status.st_ino)
        (found,) = hashing.read_all([wanted], (KEY,))
        return found.digests is not None and found.digests[KEY] == digest


def _names(unit: Unit, main: str, below: str, name: str) -> Iterator[tuple[str, str]]:
    """(path, path in the target) of a unit's files: a file with its sidecars under one stem, more in a folder of their own."""
    stem = main.rpartition("/")[2].rpartition(".")[0] or main.rpartition("/")[2]
    beside = [path.rpartition("/")[2] for path, _ in unit.files if path != main]
    if all(other.casefold().startswith(stem.casefold()) for other in beside) and unit.name == main.rpartition("/")[2]:
        for path, _ in unit.files:
            yield path, f"{below}/{name}{path.rpartition('/')[2][len(stem) :]}"
    else:  # spanned clips and sequences: their programs know them by their names
        for path, _ in unit.files:
            yield path, f"{below}/{name}/{path.rpartition('/')[2]}"


def ingest(
    drop: Path,
    target: Path,
    catalog: Catalog | None = None,
    *,
    copy: bool = False,
    only: frozenset[str] | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Complete what a killed run has left in the target, then plan and ingest; `only` as `plan_ingest` takes it."""
    shown = progress or quiet()
    before = [] if not target.is_dir() else [_go_on(target, job, shown) for job in unfinished(target)]
    done = apply_ingest(plan_ingest(drop, target, copy=copy, only=only, progress=shown), catalog, progress=shown)
    if not before:
        return done
    moved = (*(move for job, _ in before for move in job.moved), *done.moved)
    return replace(
        done,
        job=before[-1][0].job if done.job is None else done.job,
        moved=moved,
        bytes=sum(move.size for move in moved),
        mhl=done.mhl or before[-1][1],
        failed=(*done.failed, *(failure for job, _ in before for failure in job.failed)),
    )


def _go_on(target: Path, job: str, progress: Progress) -> tuple[Moving, str | None]:
    sealing = _Sealing(Path(os.path.realpath(target)), {})
    with Moving.again(target, job, progress) as moving:
        moving.go_on(sealing)
    return moving, sealing.written


def apply_ingest(plan: IngestPlan, catalog: Catalog | None = None, *, progress: Progress | None = None) -> Ingested:
    """Do what is planned; what has changed since stays in the drop folder."""
    begun = time.monotonic()
    shown = progress or quiet()
    target = Path(plan.target)
    digests = {move.to: digest for step in plan.steps for move, digest in zip(step.moves, step.digests, strict=True)}
    failed = list(plan.failed)
    moved: list[Moved] = []
    digests.update((each.same_as, each.digest) for each in plan.already)
    sealing = _Sealing(target, digests)
    if plan.copy:
        for step in plan.steps:
            _copied(step, moved, failed, shown)
        there_already = [Moved(from_=each.path, to=each.same_as, size=0) for each in plan.already]
        sealing([*moved, *there_already])  # among them what a killed run has copied
    elif plan.steps:
        with Moving.begin(target, plan.job, Masters({}), shown) as moving:
            moving.write_down((step.name, step.moves) for step in plan.steps)
            moving.go_on(sealing)
        moved, failed = moving.moved, [*failed, *moving.failed]
    cards = []
    for card in plan.cards:
        try:
            cards.append(apply_offload(plan_offload(Path(card), [target]), catalog, progress=shown))
        except FilmArchiveError as error:
            failed.append(Failure.of(card, error))
    there = {move.to for move in moved}
    return Ingested(
        job=plan.job if moved and not plan.copy else None,
        moved=tuple(moved),
        bytes=sum(move.size for move in moved),
        dates=tuple(
            Dated(name=step.name, to=step.moves[0].to, date=step.date, date_source=step.date_source)
            for step in plan.steps
            if step.moves[0].to in there
        ),
        cards=tuple(cards),
        already=plan.already,
        mhl=sealing.written,
        failed=tuple(failed),
        seconds=time.monotonic() - begun,
    )


def as_planned(plan: IngestPlan) -> Ingested:
    """What a dry run says."""
    moves = [move for step in plan.steps for move in step.moves]
    return Ingested(
        job=None,
        moved=tuple(Moved(from_=move.from_, to=move.to, size=move.size) for move in moves),
        bytes=plan.size,
        dates=tuple(
            Dated(name=step.name, to=step.moves[0].to, date=step.date, date_source=step.date_source) for step in plan.steps
        ),
        cards=(),
        already=plan.already,
        mhl=None,
        failed=plan.failed,
    )


def _copied(step: IngestStep, moved: list[Moved], failed: list[Failure], progress: Progress) -> None:
    """A unit's files, each read back; a killed run leaves some of them, which the next one finds there already."""
    for move, digest in zip(step.moves, step.digests, strict=True):
        try:
            files.make_folders(Path(move.to).parent)
            with FileSource(move.from_) as source:
                poured = verified_copy(
                    source,
                    Path(move.to),
                    like=source.status,
                    on_bytes=progress.counting(Phase.WRITING),
                    on_verified=progress.counting(Phase.VERIFYING),
                )
            if poured.digests[KEY] != digest:
                raise SourceChanged(f"{printable(move.from_)} changed since it was planned; {printable(move.to)} is the new one.")
        except StorageError:
            raise
        except FilmArchiveError as error:
            failed.append(Failure.of(move.from_, error))
            return
        moved.append(Moved(from_=move.from_, to=move.to, size=move.size))


class _Sealing:
    """Writes a generation with what is new in the target; digests that are not known are read."""

    def __init__(self, target: Path, digests: Mapping[str, str]) -> None:
        self._target = target
        self._digests = digests
        self.written: str | None = None

    def __call__(self, moved: Sequence[Moved]) -> None:
        members = list(self._members(moved))
        written = write_generation(self._target, members, ignore=(layout.OWN,)) if members else None
        self.written = None if written is None else os.fspath(written)

    def _members(self, moved: Iterable[Moved]) -> Iterator[Proven]:
        for move in moved:
            relative = move.to[len(os.fspath(self._target)) + 1 :]
            if not can_hold(relative):
                continue
            with files.explaining(f"look at {printable(move.to)}"):
                status = Path(move.to).lstat()
            digest = self._digests.get(move.to)
            if digest is None:
                (found,) = hashing.read_all([Wanted(move.to, status.st_size, status.st_mtime_ns, status.st_ino)], (KEY,))
                digest = None if found.digests is None else found.digests[KEY]
            if digest is not None:
                yield Proven(relative, status.st_size, min(max(0, status.st_mtime_ns), _LATEST), digest)


def _read_all(batch: Sequence[Wanted]) -> list[hashing.Read]:
    return hashing.read_all(batch, (KEY,))
