"""Making archives and adding to them: plan, look for room, then fill."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from film_archive.archive import folder, layout, unfinished
from film_archive.archive.continuing import Writer
from film_archive.archive.entries import parts_of
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import open_archive
from film_archive.archive.unfinished import Completed
from film_archive.archive.writer import ZipWriter
from film_archive.core import copying, files
from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.core.ladder import Rung
from film_archive.core.manifest import Member, Role
from film_archive.core.source import printable
from film_archive.workflows.filling import DEFAULT_PROXIES, Enclosure, Made, OnBytes, fill, proxy_folder
from film_archive.workflows.gathering import Found, Gathered, Kind, gather, gather_folder, refuse_clashes
from film_archive.workflows.timelines import Cut, Joined, join_timeline


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """What would be archived."""

    archive: Path
    gathered: Gathered
    timeline: Joined | None = None

    @property
    def enclosures(self) -> tuple[Enclosure, ...]:
        return () if self.timeline is None else self.timeline.enclosures

    def to_json(self) -> dict[str, Any]:
        return {
            "archive": printable(self.archive),
            "files": [{"path": entry.member, "size": entry.size} for entry in self.gathered.entries if entry.kind == Kind.FILE],
            "bytes": self.gathered.bytes,
            "junk_skipped": self.gathered.junk,
            "left_out": [{"path": path, "reason": why} for path, why in self.gathered.left_out],
            "timeline": None if self.timeline is None else self.timeline.to_json(),
        }


def plan_archive(
    target: Path, sources: Sequence[Path], *, in_place: bool = False, timeline: Cut | None = None
) -> ArchivePlan:
    """Look at everything that would be archived; raises what `create_archive` would refuse."""
    if in_place:
        if timeline is not None:
            raise UsageError(
                "A folder that is made an archive in place is no bundle: its media stay where they are. Leave out the "
                "timeline (one that lies in the folder is archived as it is), or make a zip."
            )
        return ArchivePlan(target, gather_folder(target))
    if os.path.lexists(target) and not _journal_of(target).exists():
        raise _exists(target)
    if not sources and timeline is None:
        raise UsageError("Nothing to archive was named; give files or folders.")
    leave_out = (target, *_working_files(target))
    gathered = gather(sources, leave_out=leave_out)
    if timeline is None:
        return ArchivePlan(target, _of_a_zip(gathered))
    joined = join_timeline(timeline, gathered, leave_out=leave_out)
    return ArchivePlan(target, _of_a_zip(joined.gathered, may_be_empty=True), joined)


def plan_add(target: Path, sources: Sequence[Path]) -> ArchivePlan:
    """Look at everything that would be added; raises what `add_to_archive` would refuse before it opens the archive."""
    if not target.exists():
        raise NotFound(f"There is no archive {printable(target)}; make one with `create`.")
    if not sources:
        raise UsageError("Nothing to add was named; give files or folders.")
    target = target.resolve()
    if target.is_dir():
        return ArchivePlan(target, _new_in_folder(target, sources))
    return ArchivePlan(target, _of_a_zip(gather(sources, leave_out=(target, *_working_files(target)))))


def create_archive(
    target: Path,
    sources: Sequence[Path] = (),
    *,
    in_place: bool = False,
    timeline: Cut | None = None,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
    plan: ArchivePlan | None = None,
    on_bytes: OnBytes | None = None,
) -> Made:
    """Make a new archive; continues one that a killed run left unfinished.

    With a timeline the archive is an OTIO bundle too. `plan` is that of `plan_archive`, if it was made already. Raises
    Refused where the target exists, NoSpace before anything is written where it can't fit.
    """
    begun = time.monotonic()
    if plan is None:
        plan = plan_archive(target, sources, in_place=in_place, timeline=timeline)
    completed = folder.take_completed(target) if in_place else unfinished.take_completed(target)
    if completed is not None and _is_done(completed, target, plan.gathered, plan.enclosures):
        files.remove_tree(proxy_folder(target))
        return _made_before(completed, plan.gathered, begun)
    if in_place:
        archive: Writer = FolderWriter.create(target, algorithms=digests)
    else:
        if os.path.lexists(target):
            raise _exists(target)
        _require_room(target, plan.gathered)
        archive = ZipWriter.create(target, algorithms=digests)
    with archive:
        made = fill(archive, plan.gathered, proxies, proxy_folder(target), begun, on_bytes, plan.enclosures)
    if plan.timeline is not None:
        made.warnings += plan.timeline.sentences()
    return made


def add_to_archive(
    target: Path,
    sources: Sequence[Path],
    *,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
    plan: ArchivePlan | None = None,
    on_bytes: OnBytes | None = None,
) -> Made:
    """Put more files into an archive; what has the name of a member already is refused.

    Of a folder archive's own files those that are listed already, and did not change, are passed over.
    """
    begun = time.monotonic()
    if plan is None:
        plan = plan_add(target, sources)
    target, gathered = plan.archive, plan.gathered
    in_place = target.is_dir()
    completed = folder.take_completed(target) if in_place else unfinished.take_completed(target)
    if completed is not None and _is_done(completed, target, gathered):
        files.remove_tree(proxy_folder(target))
        return _made_before(completed, gathered, begun)
    if in_place:
        archive: Writer = FolderWriter.add_to(target, algorithms=digests)
    else:
        _require_room(target, gathered)
        archive = ZipWriter.add_to(target, algorithms=digests)
    with archive:
        return fill(archive, _without_present(archive, gathered), proxies, proxy_folder(target), begun, on_bytes)


def abandon_unfinished(target: Path) -> bool:
    """Remove what a killed create or add has left; False where there was nothing."""
    if not target.is_dir():
        target = target.resolve() if target.exists() else target
        done = unfinished.take_completed(target) is not None or unfinished.abandon(target)
        pieces = proxy_folder(target)
        done = done or pieces.is_dir()
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


def _of_a_zip(gathered: Gathered, *, may_be_empty: bool = False) -> Gathered:
    if not gathered.entries and not may_be_empty:
        raise UsageError("There is nothing to archive in what was named.")
    if len(gathered.entries) > layout.MOST_MEMBERS:
        raise Refused(
            f"These are {len(gathered.entries)} files and folders, and an archive in its zip form is for up to "
            f"{layout.MOST_MEMBERS}; use `create --in-place`, or several archives. Nothing was written."
        )
    return gathered


def _is_done(
    completed: Completed, target: Path, gathered: Gathered, enclosures: Iterable[Enclosure] = ()
) -> bool:
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

    if any(completed.identities.get(each.path) != each.identity for each in enclosures):
        return False
    return all(map(is_done, gathered.entries))


def _made_before(completed: Completed, gathered: Gathered, begun: float) -> Made:
    return Made(
        completed.sealed.path,
        members=completed.sealed.members,
        bytes=completed.sealed.bytes,
        generation=completed.sealed.generation,
        seconds=time.monotonic() - begun,
        junk=gathered.junk,
        reused=len(completed.identities),
        left_out=gathered.left_out,
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


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _without_present(archive: Writer, gathered: Gathered) -> Gathered:
    """What is to be added: without folders that are listed, and in the folder form without files that are.

    Raises Refused where another file has a member's name, or a listed file has changed.
    """
    wanted = {layout.fold(entry.member): entry for entry in gathered.entries}
    present = set()
    for member in archive.base_members():
        for part in parts_of(member):
            entry = wanted.get(layout.fold(part.path))
            if entry is None:
                continue
            if not _is_listed(archive, entry, part):
                raise Refused(
                    f"{printable(archive.target)} has a member {printable(part.path)} already; nothing was changed. "
                    "Rename the new file, or put it below a folder."
                )
            present.add(entry.member)
    entries = tuple(entry for entry in gathered.entries if entry.member not in present)
    return replace(gathered, entries=entries)


def _is_listed(archive: Writer, entry: Found, member: Member) -> bool:
    if entry.kind == Kind.FOLDER or member.role == Role.FOLDER:
        return entry.kind == Kind.FOLDER and member.role == Role.FOLDER and entry.member == member.path
    if not isinstance(archive, FolderWriter) or not _is_below(entry.path, archive.target):
        return False
    if entry.kind == Kind.SYMLINK:
        return member.role == Role.SYMLINK and (entry.target, entry.raw_target) == (member.target, member.raw_target)
    if (entry.member, entry.size, entry.mtime_ns) != (member.path, member.size, member.mtime_ns):
        raise Refused(
            f"{printable(entry.path)} has changed since it was archived; nothing was changed. Run `check`, and put the "
            "file back as it was, or keep the new one under another name."
        )
    return True


def _require_room(target: Path, gathered: Gathered) -> None:
    """Refuse before writing where the disk has no room, unless blocks can be shared with the sources."""
    folder = target.parent
    if not folder.is_dir():
        raise NotFound(f"There is no folder {printable(folder)} to put {printable(target.name)} into.")
    biggest = max((entry for entry in gathered.entries if entry.kind == Kind.FILE), key=lambda e: e.size, default=None)
    done = sum(path.stat().st_size for path in _working_files(target) if path.exists())
    needed = gathered.bytes - done
    if needed <= files.free_space(folder) or (biggest is not None and copying.can_share(biggest.path, folder)):
        return
    files.require_space(folder, needed, f"{printable(target)}")


def _working_files(target: Path) -> tuple[Path, Path]:
    return files.temporary_name(target, "work"), _journal_of(target)


def _journal_of(target: Path) -> Path:
    return files.temporary_name(target, "journal")
