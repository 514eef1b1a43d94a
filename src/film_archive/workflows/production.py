"""Making archives and adding to them: plan, look for room, then fill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from film_archive.archive import folder, layout, unfinished
from film_archive.archive.continuing import Writer
from film_archive.archive.entries import parts_of
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import Archive, FolderArchive, is_folder, open_archive
from film_archive.archive.unfinished import Completed
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.digest import MultiHasher
from film_archive.core.errors import NoSpace, NotFound, Refused, UsageError
from film_archive.core.job import Plan, require_unchanged
from film_archive.core.ladder import Rung, parse_sizes
from film_archive.core.manifest import Member, Role
from film_archive.core.progress import Progress, quiet
from film_archive.core.source import printable
from film_archive.workflows.filling import DEFAULT_PROXIES, Enclosure, Made, fill, proxy_folder
from film_archive.workflows.gathering import (
    Found,
    Gathered,
    Kind,
    LeftOut,
    gather,
    gather_folder,
    grouped,
    refuse_clashes,
)
from film_archive.workflows.room import look_ahead, require_room
from film_archive.workflows.timelines import Carried, Cut, Joined, join_timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivingPlan(Plan):
    """What would be archived; see `CreatePlan` and `AddPlan`."""

    archive: Path
    """The archive."""
    steps: tuple[Found, ...]
    """Files, folders and links, in the order in which they are archived."""
    proxies: tuple[str, ...]
    """Sizes to make of each clip."""
    digests: tuple[str, ...]
    """Further digests of each member."""
    junk_skipped: int
    """Operating systems' leftovers that are not archived."""
    left_out: tuple[LeftOut, ...]
    """What can't be archived."""

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The proxy sizes."""
        return parse_sizes(",".join(self.proxies)) if self.proxies else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePlan(ArchivingPlan):
    """A new archive."""

    verb: ClassVar[str] = "create"
    in_place: bool
    """Whether the folder itself becomes the archive."""
    timeline: Carried | None
    """The timeline that it carries, and what that references."""
    enclosures: tuple[Enclosure, ...]
    """Members that are made for it: the timeline, relinked and as it was."""
    warnings: tuple[str, ...]
    """What is to be known of the timeline, each one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPlan(ArchivingPlan):
    """More for an archive that is there."""

    verb: ClassVar[str] = "add"
    generation: str | None
    """The archive and its generation that this adds to; null where an unfinished run is to be continued."""


def plan_archive(
    target: Path,
    sources: Sequence[Path] = (),
    *,
    in_place: bool = False,
    timeline: Cut | None = None,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
) -> CreatePlan:
    """Look at everything that would be archived; raises what `create_archive` would refuse.

    With a timeline the archive is an OTIO bundle too.
    """
    joined: Joined | None = None
    if in_place:
        if timeline is not None:
            raise UsageError(
                "A folder that is made an archive in place is no bundle: its media stay where they are. Leave out the "
                "timeline (one that lies in the folder is archived as it is), or make a zip."
            )
        if os.path.lexists(target / layout.MANIFEST) and not (target / layout.WORK).exists():
            raise Refused(f"{printable(target)} is an archive already; use `add` to list what is new in it.")
        gathered = gather_folder(target)
    else:
        if os.path.lexists(target) and not _journal_of(target).exists():
            raise _exists(target)
        if not sources and timeline is None:
            raise UsageError("Nothing to archive was named; give files or folders.")
        if not is_folder(target.parent):
            raise NotFound(f"There is no folder {printable(target.parent)} to put {printable(target.name)} into.")
        leave_out = (target, *_working_files(target))
        gathered = gather(sources, leave_out=leave_out)
        if timeline is not None:
            joined = join_timeline(timeline, gathered, leave_out=leave_out)
            gathered = joined.gathered
        _require_zip(gathered, may_be_empty=joined is not None)
    return CreatePlan(
        archive=target,
        in_place=in_place,
        timeline=None if joined is None else joined.carried,
        enclosures=() if joined is None else joined.enclosures,
        warnings=() if joined is None else tuple(joined.sentences()),
        **_planned(gathered, proxies, digests),
    )


def plan_add(
    target: Path,
    sources: Sequence[Path],
    *,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
) -> AddPlan:
    """Look at everything that would be added; raises what `add_to_archive` would refuse."""
    if not target.exists():
        raise NotFound(f"There is no archive {printable(target)}; make one with `create`.")
    if not sources:
        raise UsageError("Nothing to add was named; give files or folders.")
    if target.is_dir():
        gathered = _new_in_folder(target, sources)
    else:
        gathered = gather(sources, leave_out=(target, target.resolve(), *_working_files(target.resolve())))
        _require_zip(gathered)
    generation = None
    if not _has_unfinished(target):  # what an unfinished run has done already is not refused
        with open_archive(target) as archive:
            generation = _generation(archive)
            gathered = _without_present(archive, gathered)
    return AddPlan(archive=target, generation=generation, **_planned(gathered, proxies, digests))


def _planned(gathered: Gathered, proxies: Sequence[Rung], digests: Iterable[str]) -> dict[str, Any]:
    """What plans of both verbs have in common."""
    algorithms = tuple(digests)
    MultiHasher(algorithms)  # says which names are none
    return {
        "steps": gathered.entries,
        "proxies": tuple(map(str, proxies)),
        "digests": algorithms,
        "junk_skipped": gathered.junk,
        "left_out": gathered.left_out,
    }


def as_planned(plan: ArchivingPlan) -> Made:
    """What a dry run says: the report as far as it can be known."""
    return Made(
        archive=plan.archive,
        members=sum(1 for _ in grouped(plan.steps)) + len(_enclosures(plan)),
        bytes=plan.size + sum(len(each.data) for each in _enclosures(plan)),
        proxies=None if plan.proxies else 0,
        junk_skipped=plan.junk_skipped,
        left_out=plan.left_out,
        warnings=_warnings(plan),
    )


def _enclosures(plan: ArchivingPlan) -> tuple[Enclosure, ...]:
    return plan.enclosures if isinstance(plan, CreatePlan) else ()


def _warnings(plan: ArchivingPlan) -> tuple[str, ...]:
    return plan.warnings if isinstance(plan, CreatePlan) else ()


def create_archive(
    target: Path,
    sources: Sequence[Path] = (),
    *,
    in_place: bool = False,
    timeline: Cut | None = None,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
    progress: Progress | None = None,
    workers: int | None = None,
) -> Made:
    """Plan and make a new archive; continues one that a killed run left unfinished.

    With a timeline the archive is an OTIO bundle too. Raises Refused where the target exists, NoSpace before anything is
    written where it can't fit.
    """
    plan = plan_archive(target, sources, in_place=in_place, timeline=timeline, proxies=proxies, digests=digests)
    return apply_create(plan, progress=progress, workers=workers)


def apply_create(plan: CreatePlan, *, progress: Progress | None = None, workers: int | None = None) -> Made:
    """Make the archive of a plan. Raises SourceChanged where something is not what it was when it was planned."""
    target = plan.archive
    completed = folder.take_completed(target) if plan.in_place else unfinished.take_completed(target)
    if completed is not None and _is_done(completed, target, plan):
        files.remove_tree(proxy_folder(target))
        return _made_before(completed, plan)
    if not plan.in_place and os.path.lexists(target):
        raise _exists(target)

    def begin() -> Writer:
        if plan.in_place:
            return FolderWriter.create(target, algorithms=plan.digests)
        return ZipWriter.create(target, algorithms=plan.digests)

    return _fill(plan, target, begin, progress, workers)


def add_to_archive(
    target: Path,
    sources: Sequence[Path],
    *,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
    progress: Progress | None = None,
    workers: int | None = None,
) -> Made:
    """Plan, and put more files into an archive; what has the name of a member already is refused.

    Of a folder archive's own files those that are listed already, and did not change, are passed over.
    """
    plan = plan_add(target, sources, proxies=proxies, digests=digests)
    return apply_add(plan, progress=progress, workers=workers)


def apply_add(plan: AddPlan, *, progress: Progress | None = None, workers: int | None = None) -> Made:
    """Add what is planned. Raises SourceChanged where archive or files are not what they were when it was planned."""
    target = plan.archive.resolve()
    in_place = target.is_dir()
    completed = folder.take_completed(target) if in_place else unfinished.take_completed(target)
    if completed is not None and _is_done(completed, target, plan):
        files.remove_tree(proxy_folder(target))
        return _made_before(completed, plan)

    def begin() -> Writer:
        if in_place:
            return FolderWriter.add_to(target, algorithms=plan.digests)
        return ZipWriter.add_to(target, algorithms=plan.digests)

    return _fill(plan, target, begin, progress, workers)


def _fill(
    plan: ArchivingPlan, target: Path, begin: Callable[[], Writer], progress: Progress | None, workers: int | None
) -> Made:
    work = proxy_folder(target)
    with saying_what_is_left(lambda: _has_unfinished(target)):
        outlook = look_ahead(grouped(plan.steps), plan.rungs)
        require_room(target, plan.steps, outlook, (*_working_files(target), work))
        with begin() as archive:
            entries = _still_to_add(archive, plan) if isinstance(plan, AddPlan) else plan.steps
            sequences = {member.path for member in archive.base_members() if member.sequence is not None}
            together = tuple(grouped(entries, sequences))
            made = fill(
                archive,
                together,
                plan.rungs,
                outlook,
                work,
                progress or quiet(),
                enclosures=_enclosures(plan),
                workers=workers,
            )
    return replace(
        made,
        archive=plan.archive,
        junk_skipped=plan.junk_skipped,
        left_out=plan.left_out,
        warnings=(*made.warnings, *_warnings(plan)),
    )


def _still_to_add(archive: Writer, plan: AddPlan) -> tuple[Found, ...]:
    """What is to be added, now that nobody else writes the archive."""
    with open_archive(archive.target) as before:
        if plan.generation is not None:
            require_unchanged(before.name, plan.generation, _generation(before))
        return _without_present(before, Gathered(plan.steps, 0, ())).entries


def _generation(archive: Archive) -> str:
    """By which an archive is known to be as it was, whatever an unfinished run has put behind its end."""
    header = archive.require_manifest("be added to")
    return f"{header.archive_id} generation {header.generation}"


@contextlib.contextmanager
def saying_what_is_left(is_left: Callable[[], bool]) -> Iterator[None]:
    """Where the disk is full and something unfinished is kept, say what continues and what removes it."""
    try:
        yield
    except NoSpace as error:
        if not is_left():
            raise
        raise NoSpace(
            f"{str(error).rstrip('.')}; run the same command again when there is room, or with --abandon to remove what "
            "is unfinished."
        ) from error


def abandon_unfinished(target: Path) -> bool:
    """Remove what a killed create or add has left; False where there was nothing."""
    if not target.is_dir():
        target = target.resolve() if target.exists() else target
        done = unfinished.take_completed(target) is not None or unfinished.abandon(target)
        pieces = proxy_folder(target)
        done = pieces.is_dir() or done
        files.remove_tree(pieces)
        return done
    if not (target / layout.WORK).exists():
        return False
    if folder.take_completed(target) is None and (target / layout.WORK).exists():
        listed = (target / layout.MANIFEST).exists()
        with FolderWriter.add_to(target) if listed else FolderWriter.create(target) as begun:
            begun.abandon()
    return True


def _exists(target: Path) -> Refused:
    return Refused(f"{printable(target)} exists already; use `add` to put more into it, or another name.")


def _require_zip(gathered: Gathered, *, may_be_empty: bool = False) -> None:
    """Refuse what an archive in its zip form is not for: nothing at all, and more than a zip should have."""
    if not gathered.entries and not may_be_empty:
        raise UsageError("There is nothing to archive in what was named.")
    if len(gathered.entries) > layout.MOST_MEMBERS:
        raise Refused(
            f"These are {len(gathered.entries)} files and folders, and an archive in its zip form is for up to "
            f"{layout.MOST_MEMBERS}; use `create --in-place`, or several archives. Nothing was written."
        )


def _is_done(completed: Completed, target: Path, plan: ArchivingPlan) -> bool:
    """Whether a run that was killed when it had finished had the very job that is asked for now."""
    with open_archive(target) as archive:
        present = {part.path: part for member in archive.members() for part in parts_of(member)}

    def is_done(entry: Found) -> bool:
        member = present.get(entry.member)
        if entry.kind != Kind.FILE or member is None:
            return member is not None
        listed = (entry.size, entry.mtime_ns) == (member.size, member.mtime_ns)
        if completed.nameless or (target.is_dir() and _is_below(entry.path, target)):
            return listed  # a folder's own files that were listed before are no part of the job
        return completed.identities.get(entry.member) == entry.identity

    if any(completed.identities.get(each.path) != each.identity for each in _enclosures(plan)):
        return False
    return all(map(is_done, plan.steps))


def _made_before(completed: Completed, plan: ArchivingPlan) -> Made:
    """What is reported where a run that was killed at its very end had done all."""
    with open_archive(completed.sealed.path) as archive:
        done = [member for member in archive.members() if member.path in completed.identities]
    return Made(
        archive=plan.archive,
        members=completed.sealed.members,
        bytes=completed.sealed.bytes,
        clips=sum(member.is_original and bool(member.get("media")) for member in done),
        proxies=sum(member.role == Role.PROXY for member in done),
        generation=completed.sealed.generation,
        junk_skipped=plan.junk_skipped,
        reused=len(completed.identities),
        left_out=plan.left_out,
        warnings=_warnings(plan),
    )


def _new_in_folder(target: Path, sources: Sequence[Path]) -> Gathered:
    """What an add to a folder archive means: files inside it are listed where they are, others are copied in."""
    inside = [source for source in sources if _is_below(source, target)]
    outside = [source for source in sources if source not in inside]
    parts = [gather(outside)] if outside else []
    for source in inside:
        relative = Path(os.path.realpath(source)).relative_to(os.path.realpath(target))
        if relative == Path():
            parts.append(gather_folder(target))
        else:
            parts.append(gather([source], root="" if relative.parent == Path() else str(relative.parent)))
    # What a killed run had copied in already is found twice; the writer compares it with where it came from.
    found: dict[str, Found] = {}
    for part in parts:
        for entry in part.entries:
            found.setdefault(entry.member, entry)
    entries = list(found.values())
    refuse_clashes(entries)
    return Gathered(
        tuple(entries),
        sum(part.junk for part in parts),
        tuple(item for part in parts for item in part.left_out),
    )


def _is_below(path: str | Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _without_present(archive: Archive, gathered: Gathered) -> Gathered:
    """What is to be added: without folders that are listed, and in the folder form without files that are.

    Raises Refused where another file has a member's name, or a listed file has changed.
    """
    wanted = {layout.fold(entry.member): entry for entry in gathered.entries}
    present = set()
    for member in archive.members():
        for part in parts_of(member):
            entry = wanted.get(layout.fold(part.path))
            if entry is None:
                continue
            if not _is_listed(archive, entry, part):
                raise Refused(
                    f"{archive.name} has a member {printable(part.path)} already; nothing was changed. "
                    "Rename the new file, or put it below a folder."
                )
            present.add(entry.member)
    entries = tuple(entry for entry in gathered.entries if entry.member not in present)
    return replace(gathered, entries=entries)


def _is_listed(archive: Archive, entry: Found, member: Member) -> bool:
    if entry.kind == Kind.FOLDER or member.role == Role.FOLDER:
        return entry.kind == Kind.FOLDER and member.role == Role.FOLDER and entry.member == member.path
    if not isinstance(archive, FolderArchive) or not _is_below(entry.path, archive.path):
        return False
    if entry.kind == Kind.SYMLINK:
        return member.role == Role.SYMLINK and (entry.target, entry.target_bytes) == (member.target, member.raw_target)
    if (entry.member, entry.size, entry.mtime_ns) != (member.path, member.size, member.mtime_ns):
        raise Refused(
            f"{printable(entry.path)} has changed since it was archived; nothing was changed. Run `check`, and put the "
            "file back as it was, or keep the new one under another name."
        )
    return True


def _has_unfinished(target: Path) -> bool:
    """Whether a run has left something that the next one continues."""
    if target.is_dir():
        return (target / layout.WORK).exists()
    target = target.resolve()
    return any(path.exists() for path in (*_working_files(target), proxy_folder(target)))


def _working_files(target: Path) -> tuple[Path, Path]:
    return files.temporary_name(target, "work"), _journal_of(target)


def _journal_of(target: Path) -> Path:
    return files.temporary_name(target, "journal")
