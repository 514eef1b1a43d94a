"""What `create` and `add` would do: plans of archives, made by looking at everything and changing nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from film_archive.archive import layout
from film_archive.archive.entries import parts_of
from film_archive.archive.folder_reader import refuse_lost
from film_archive.archive.reader import Archive, FolderArchive, open_archive
from film_archive.core import files
from film_archive.core.digest import MultiHasher
from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.core.job import Plan
from film_archive.core.ladder import Rung, parse_sizes
from film_archive.core.member import Member, Role
from film_archive.core.source import printable
from film_archive.proxy.recipe import PLAIN, Recipe
from film_archive.workflows.clip_logs import LogFile
from film_archive.workflows.filled import Enclosure
from film_archive.workflows.filling import DEFAULT_PROXIES
from film_archive.workflows.gathering import Found, Gathered, Kind, LeftOut, gather, gather_folder, refuse_clashes
from film_archive.workflows.leftovers import has_unfinished, journal_of, working_files
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

    enclosures: tuple[Enclosure, ...] = ()
    """Members that are made for it: a timeline, relinked and as it was."""
    warnings: tuple[str, ...] = ()
    """What is to be known of it, each one sentence."""
    log: LogFile | None = None
    """A list that tells of clips what their files don't."""
    frame_digests: bool = False
    """Whether each frame of each clip gets a digest of its own."""
    recipe: Recipe = PLAIN
    """How proxies are made."""

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
    log: LogFile | None = None,
    frame_digests: bool = False,
    recipe: Recipe = PLAIN,
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
        refuse_lost(target)
    else:
        if os.path.lexists(target) and not journal_of(target).exists():
            raise already_there(target)
        if not sources and timeline is None:
            raise UsageError("Nothing to archive was named; give files or folders.")
        files.require_folder_for(target)
        leave_out = (target, *working_files(target))
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
        log=log,
        frame_digests=frame_digests,
        **_planned(gathered, proxies, digests, recipe),
    )


def plan_add(
    target: Path,
    sources: Sequence[Path],
    *,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
    log: LogFile | None = None,
    frame_digests: bool = False,
    recipe: Recipe = PLAIN,
) -> AddPlan:
    """Look at everything that would be added; raises what `add_to_archive` would refuse."""
    if not target.exists():
        if target.is_symlink():  # one that leads nowhere, or in a circle
            with files.explaining(f"open {printable(target)}"):
                target.stat()
        raise NotFound(f"There is no archive {printable(target)}; make one with `create`.")
    if not sources:
        raise UsageError("Nothing to add was named; give files or folders.")
    if target.is_file() and any(os.path.realpath(source) == os.path.realpath(target) for source in sources):
        raise Refused(f"{printable(target)} can't be added to itself; nothing was changed.")
    if target.is_dir():
        gathered = _new_in_folder(target, sources)
    else:
        gathered = gather(sources, leave_out=(target, target.resolve(), *working_files(target.resolve())))
        _require_zip(gathered)
    generation = None
    if not has_unfinished(target):  # what an unfinished run has done already is not refused
        with open_archive(target) as archive:
            generation = generation_of(archive)
            gathered = without_present(archive, gathered)
    planned = _planned(gathered, proxies, digests, recipe)
    return AddPlan(archive=target, generation=generation, log=log, frame_digests=frame_digests, **planned)


def _planned(
    gathered: Gathered, proxies: Sequence[Rung], digests: Iterable[str], recipe: Recipe
) -> dict[str, Any]:
    """What plans of both verbs have in common."""
    algorithms = tuple(digests)
    MultiHasher(algorithms)  # says which names are none
    if recipe.stills and not proxies:
        raise UsageError("Stills are made from a clip's proxies; name a size of proxy too.")
    return {
        "steps": gathered.entries,
        "proxies": tuple(map(str, proxies)),
        "digests": algorithms,
        "junk_skipped": gathered.junk,
        "left_out": gathered.left_out,
        "recipe": recipe.looked_at(),
    }


def already_there(target: Path) -> Refused:
    """What is said where an archive is to be made and something is."""
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


def generation_of(archive: Archive) -> str:
    """By which an archive is known to be as it was, whatever an unfinished run has put behind its end."""
    header = archive.require_manifest("be added to")
    return f"{header.archive_id} generation {header.generation}"


def without_present(archive: Archive, gathered: Gathered) -> Gathered:
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
    # A link's own place counts, wherever it leads.
    place = Path(entry.path).parent if entry.kind == Kind.SYMLINK else entry.path
    if not isinstance(archive, FolderArchive) or not is_below(place, archive.path):
        return False
    if entry.kind == Kind.SYMLINK:
        return member.role == Role.SYMLINK and (entry.target, entry.target_bytes) == (member.target, member.raw_target)
    if (entry.member, entry.size, entry.mtime_ns) != (member.path, member.size, member.mtime_ns):
        raise Refused(
            f"{printable(entry.path)} has changed since it was archived; nothing was changed. Run `check`, and put the "
            "file back as it was, or keep the new one under another name."
        )
    return True


def _new_in_folder(target: Path, sources: Sequence[Path]) -> Gathered:
    """What an add to a folder archive means: files inside it are listed where they are, others are copied in."""
    inside = [source for source in sources if is_below(source, target)]
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


def is_below(path: str | Path, folder: Path) -> bool:
    """Whether a path, links followed, is a folder or below it."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
