"""Offloading a card: a verbatim copy to every destination in one read, read back, with an ASC MHL, under a name that appears
only when all of that is done.

A card's copy is built in a hidden folder beside its name, with a journal of what is whole. A killed run is gone on with,
inside a file too. A destination that fails does not keep the others from being finished. The card is only read.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from film_archive.catalog.catalog import Catalog
from film_archive.core import devices, files
from film_archive.core.digest import with_key
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused, SourceChanged, UsageError
from film_archive.core.executors.inline import InlineExecutor
from film_archive.core.job import IN_PART, Failure, Plan, Report, Step, status_of
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.library import mhl
from film_archive.library.cards import card_kind
from film_archive.library.destination import Destination, is_begun
from film_archive.library.fan_out import Copy, copy_to_all, read_back
from film_archive.library.listing import Listing, join, list_tree
from film_archive.library.recording_dates import recorded

LAYOUT = "{date}/{camera}/{card}"
_TOLERANCE = 2_000_000_000
"""FAT keeps times to two seconds."""
_DATED = frozenset(("mov", "mp4", "mxf", "r3d", "ari", "arx", "braw", "crm", "wav", "jpg", "jpeg", "arw", "cr3", "nef", "dng"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFile(Step):
    """A file of a card."""

    path: str
    """From the card's root."""
    mtime_ns: int
    """Modification time, nanoseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFolder(Record):
    """A folder of a card; empty ones are kept too."""

    path: str
    """From the card's root."""
    mtime_ns: int
    """Modification time, nanoseconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OffloadPlan(Plan):
    """A card and the names that its copies get."""

    verb: ClassVar[str] = "offload"
    card: str
    """The card's root."""
    kind: str | None
    """What card it is; null where its structure is none that is known."""
    name: str
    """What the card is called."""
    date: str
    """The day of its first recording."""
    date_source: str
    """What the day was taken from: "media", "name", "mtime"."""
    destinations: tuple[str, ...]
    """The folder that each copy gets."""
    already: tuple[str, ...]
    """Folders that have all of it already."""
    digests: tuple[str, ...]
    """What is computed."""
    steps: tuple[CardFile, ...]
    """Its files."""
    folders: tuple[CardFolder, ...]
    """Its folders."""
    failed: tuple[Failure, ...]
    """What is on it and can't be copied."""
    notes: tuple[str, ...]
    """What is to be known, each one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCopy(Record):
    """A copy of a card that is whole, read back, and has its name."""

    path: str
    """Its folder."""
    device: str
    """The identity of the device that it is on."""
    files: int
    """How many there are."""
    bytes: int
    """Their bytes."""
    mhl: str | None
    """The ASC MHL generation; null where the copy was there already."""
    already: bool
    """Whether it was there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offloaded(Report):
    """What became of a card."""

    card: str
    """The card's root."""
    kind: str | None
    """What card it is."""
    name: str
    """What it is called."""
    date: str
    """The day of its first recording."""
    files: int
    """Files on it."""
    bytes: int
    """Their bytes."""
    copies: tuple[CardCopy, ...]
    """The copies that are whole."""
    resumed: int
    """Files that a killed run had copied, and that were not copied again."""
    failed: tuple[Failure, ...]
    """What could not be read, and destinations that could not be finished; the same command goes on with them."""
    notes: tuple[str, ...]
    """What is to be known, each one sentence."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.copies)) or (0 if self.copies else IN_PART)


def plan_offload(
    card: Path,
    destinations: Sequence[Path],
    *,
    name: str | None = None,
    layout: str = LAYOUT,
    digests: Iterable[str] = (),
) -> OffloadPlan:
    """Look at a card and say what its copies will be called.

    Raises NotFound where the card or a destination is not there (nothing is written where a drive is not mounted), Refused
    where a destination is in the card, or has something else under the name.
    """
    if not destinations:
        raise UsageError("Name at least one destination.")
    if not card.is_dir():
        raise NotFound(f"There is no card {printable(card)}; is it mounted?")
    root = os.path.realpath(card)
    listings = _listed(root)
    steps, folders = _contents(root, listings)
    kind = card_kind(card)
    called = _word(name or os.path.basename(root) or "card")  # noqa: PTH119
    day, source = _day(root, steps)
    below = _below(layout, day, "camera" if kind is None else kind.camera, called)
    finals = [_final(place, below, root) for place in destinations]
    if len(set(finals)) < len(finals):
        raise UsageError("Two of the destinations are one folder; name each once.")
    already = tuple(final for final in finals if _has_all(Path(final), steps))
    for final in finals:
        if final not in already and os.path.lexists(final):
            raise Refused(
                f"{printable(final)} is there already and is not a copy of this card; nothing was changed. Give the card "
                "another name with --name."
            )
    return OffloadPlan(
        card=root,
        kind=None if kind is None else kind.name,
        name=called,
        date=day,
        date_source=source,
        destinations=tuple(finals),
        already=already,
        digests=with_key((*digests, *mhl.formats_of(Path(root)))),
        steps=steps,
        folders=folders,
        failed=tuple(failure for listing in listings for failure in listing.failed),
        notes=tuple(_notes(kind is None, destinations)),
    )


def _listed(root: str) -> list[Listing]:
    found: list[Listing] = []
    for listed in list_tree(root, InlineExecutor):
        if listed.unread:
            raise Refused(f"{listed.unread[0].sentence()} All of a card is copied, or nothing.")
        found += listed.listings
    return sorted(found, key=lambda listing: listing.path)


def _contents(root: str, listings: Iterable[Listing]) -> tuple[tuple[CardFile, ...], tuple[CardFolder, ...]]:
    steps, folders = [], []
    for listing in listings:
        relative = listing.path[len(root.rstrip("/")) + 1 :]
        if relative == mhl.FOLDER:
            continue  # the history that the card came with is continued, not copied as media
        if relative:
            folders.append(CardFolder(path=relative, mtime_ns=Path(listing.path).stat().st_mtime_ns))
        for entry in listing.entries or ():
            steps.append(
                CardFile(
                    path=f"{relative}/{entry.name}" if relative else entry.name,
                    size=entry.size,
                    mtime_ns=entry.mtime_ns,
                    identity=f"{entry.size}:{entry.mtime_ns}",
                )
            )
    return tuple(steps), tuple(folders)


def _day(root: str, steps: Sequence[CardFile]) -> tuple[str, str]:
    """The day of the first recording: of the first file that is media by its name, else of the oldest file."""
    media = [step for step in steps if step.path.rpartition(".")[2].lower() in _DATED and step.size]
    if media:
        first = min(media, key=lambda step: step.path)
        found = recorded(Path(join(root, first.path)), min(step.mtime_ns for step in media))
        return found.day, str(found.source)
    oldest = min((step.mtime_ns for step in steps), default=0)
    return recorded(Path(root, "no media"), oldest).day, "mtime"


def _below(layout: str, day: str, camera: str, card: str) -> str:
    words = {"date": day, "year": day[:4], "month": day[5:7], "day": day[8:], "camera": camera, "card": card}
    try:
        below = layout.format_map(words).strip("/")
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise UsageError(f"The layout {layout!r} can't be filled in; it may have {{{'}, {'.join(words)}}}.") from error
    if not below or any(part in ("", ".", "..") for part in below.split("/")):
        raise UsageError(f"The layout {layout!r} names no folder below the destination.")
    return below


def _word(text: str) -> str:
    """A name that can be a folder's everywhere."""
    word = re.sub(r'[\x00-\x1f/\\:*?"<>|]', "_", text).strip(" .")
    if not word:
        raise UsageError(f"{text!r} can't be the name of a card.")
    return word


def _final(destination: Path, below: str, card: str) -> str:
    if not destination.is_dir():
        raise NotFound(f"There is no destination {printable(destination)}; is its drive mounted? Nothing was written.")
    final = os.path.join(os.path.realpath(destination), below)  # noqa: PTH118
    if final == card or final.startswith(join(card, "")):
        raise Refused(f"{printable(destination)} is on the card itself; nothing was written.")
    return final


def _has_all(final: Path, steps: Sequence[CardFile]) -> bool:
    """Whether a folder is a finished copy: its history is there, and every file with its size and time."""
    if not mhl.has_history(final):
        return False
    for step in steps:
        try:
            status = (final / step.path).lstat()
        except OSError:
            return False
        if status.st_size != step.size or abs(status.st_mtime_ns - step.mtime_ns) > _TOLERANCE:
            return False
    return True


def _notes(is_unknown: bool, destinations: Sequence[Path]) -> Iterable[str]:
    if is_unknown:
        yield "This is the structure of no card that is known; all that is in the folder is copied as it is."
    identities = [devices.locate(place).device.identity for place in destinations]
    if len(set(identities)) < len(identities):
        yield "Some destinations are on one device: together they count as one copy."


def apply_offload(
    plan: OffloadPlan, catalog: Catalog | None = None, *, partial: bool = False, progress: Progress | None = None
) -> Offloaded:
    """Make the copies that are planned; a killed run is gone on with.

    With `partial`, copies get their names although some files could not be read from the card. Raises NoSpace before the
    first byte is written where a destination is too small.
    """
    begun = time.monotonic()
    wanted = [final for final in plan.destinations if final not in plan.already or is_begun(Path(final))]
    with ExitStack() as stack:
        run = _Offload(plan, progress or quiet(), [stack.enter_context(Destination.open(Path(final))) for final in wanted])
        run.require_room()
        run.copy_all()
        complete = partial or not run.unread
        copies = [run.finished(each, catalog) for each in run.alive()] if complete else []
    if not complete:
        run.failed += (
            Failure(path=final, reason=f"{printable(final)} waits unfinished for what could not be read.", status=IN_PART)
            for final in wanted
        )
    return replace(
        as_planned(plan),
        copies=(
            *(_there(final, plan) for final in plan.already if final not in wanted),
            *(copy for copy in copies if copy is not None),
        ),
        resumed=run.resumed,
        failed=(*plan.failed, *run.failed),
        seconds=time.monotonic() - begun,
    )


def offload(
    card: Path, destinations: Sequence[Path], catalog: Catalog | None = None, *, progress: Progress | None = None
) -> Offloaded:
    """Plan and copy."""
    return apply_offload(plan_offload(card, destinations), catalog, progress=progress)


def as_planned(plan: OffloadPlan) -> Offloaded:
    """What a dry run says."""
    return Offloaded(
        card=plan.card,
        kind=plan.kind,
        name=plan.name,
        date=plan.date,
        files=len(plan.steps),
        bytes=plan.size,
        copies=tuple(_there(final, plan) for final in plan.already),
        resumed=0,
        failed=plan.failed,
        notes=plan.notes,
    )


def _there(final: str, plan: OffloadPlan) -> CardCopy:
    device = devices.locate(Path(final)).device.identity
    return CardCopy(path=final, device=device, files=len(plan.steps), bytes=plan.size, mhl=None, already=True)


class _Offload:
    """A run."""

    def __init__(self, plan: OffloadPlan, progress: Progress, destinations: Sequence[Destination]) -> None:
        self.plan = plan
        self.progress = progress
        self.destinations = destinations
        self.failed: list[Failure] = []
        self.unread: set[str] = set()
        self.resumed = 0

    def alive(self) -> list[Destination]:
        return [each for each in self.destinations if each.error is None]

    def require_room(self) -> None:
        needed: dict[int, int] = {}
        for each in self.destinations:
            if each.is_named:
                continue
            number = each.work.stat().st_dev
            needed[number] = needed.get(number, 0) + sum(step.size for step in self.plan.steps) - each.written()
            files.require_space(each.work, needed[number], f"Copying the card to {printable(each.final)}")

    def copy_all(self) -> None:
        for folder in self.plan.folders:
            for each in self.alive():
                if each.is_named:
                    continue
                files.make_folders(each.work / folder.path)
        unnamed = [each for each in self.destinations if not each.is_named]
        left = [(step, [each for each in unnamed if not each.has(step)]) for step in self.plan.steps]
        amount = sum(step.size for step, waiting in left if waiting)
        self.progress.expect(Phase.READING, 2 * amount)
        self.progress.expect(Phase.WRITING, sum(step.size * len(waiting) for step, waiting in left))
        self.progress.expect(Phase.VERIFYING, sum(step.size * len(waiting) for step, waiting in left))
        for step, waiting in left:
            self.resumed += not waiting
            waiting = [each for each in waiting if each.error is None]
            if not waiting:
                continue
            try:
                self._copy(step, waiting)
            except FilmArchiveError as error:
                if not self.alive():
                    raise
                self.unread.add(step.path)
                self.failed.append(Failure.of(join(self.plan.card, step.path), error))

    def _copy(self, step: CardFile, waiting: Sequence[Destination]) -> None:
        """One file to all that lack it, read back from each and from the card."""
        self.progress.begin(Phase.READING, step.path)
        path = Path(self.plan.card, step.path)
        with FileSource(path) as source:
            _require_planned(source, step)
            copies = [Copy(each.work / step.path) for each in waiting]

            def note(number: int, digest: str) -> None:
                for each in waiting:
                    each.note_piece(step, number, digest)

            try:
                digests = copy_to_all(
                    source,
                    copies,
                    self.plan.digests,
                    pieces=_common([each.pieces(step) for each in waiting]),
                    on_piece=note,
                    on_bytes=self._on_copied(len(copies)),
                )
            finally:
                for each, copy in zip(waiting, copies, strict=True):
                    if copy.error is not None:
                        self._lose(each, copy.error)
            if read_back(path, self.plan.digests, self.progress.counting(Phase.READING)) != digests:
                raise Damaged(
                    f"{source.name} reads differently each time; the copies of it are not kept. Try another card reader."
                )
            for each in waiting:
                if each.error is None:
                    self._prove(each, step, digests, source.status)

    def _prove(self, each: Destination, step: CardFile, digests: dict[str, str], status: os.stat_result) -> None:
        place = each.work / step.path
        try:
            if read_back(place, self.plan.digests, self.progress.counting(Phase.VERIFYING)) != digests:
                raise Damaged(
                    f"The copy of {step.path} in {printable(each.final)} does not read back the same. Do not trust this disk "
                    "or its cable; the same command tries again."
                )
            each.done(step, digests, status)
        except FilmArchiveError as error:
            self._lose(each, error)

    def _on_copied(self, count: int) -> Callable[[int], None]:
        def add(amount: int) -> None:
            self.progress.add(Phase.READING, amount)
            self.progress.add(Phase.WRITING, amount * count)

        return add

    def _lose(self, each: Destination, error: FilmArchiveError) -> None:
        """A destination that fails is left where it is; the others go on."""
        each.error = error
        self.failed.append(Failure.of(os.fspath(each.final), error))
        if not self.alive():
            raise error

    def finished(self, each: Destination, catalog: Catalog | None) -> CardCopy | None:
        """The copy under its name, with its history, and in the catalog."""
        try:
            return each.finish(self.plan, catalog)
        except FilmArchiveError as error:
            each.error = error
            self.failed.append(Failure.of(os.fspath(each.final), error))
            return None


def _common(pieces: Sequence[Sequence[str]]) -> list[str]:
    """What all have, from the start."""
    found = []
    for number in range(min(map(len, pieces))):
        if len({each[number] for each in pieces}) > 1:
            break
        found.append(pieces[0][number])
    return found


def _require_planned(source: FileSource, step: CardFile) -> None:
    if f"{source.status.st_size}:{source.status.st_mtime_ns}" != step.identity:
        raise SourceChanged(f"{source.name} changed since the card was looked at; it is in no copy. Try again.")
