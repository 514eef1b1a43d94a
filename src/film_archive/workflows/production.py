"""Making archives and adding to them, as planned; see `archiving_plans`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from film_archive.archive import folder, unfinished
from film_archive.archive.continuing import Writer
from film_archive.archive.entries import parts_of
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import open_archive
from film_archive.archive.unfinished import Completed
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.job import require_unchanged
from film_archive.core.ladder import Rung
from film_archive.core.member import Member, Role
from film_archive.core.progress import Progress, quiet
from film_archive.media.clips import part_name
from film_archive.proxy.recipe import PLAIN, Recipe
from film_archive.workflows.archiving_plans import (
    AddPlan,
    ArchivingPlan,
    CreatePlan,
    already_there,
    generation_of,
    is_below,
    plan_add,
    plan_archive,
    without_present,
)
from film_archive.workflows.filled import Made
from film_archive.workflows.filling import DEFAULT_PROXIES, fill
from film_archive.workflows.gathering import Found, Gathered, Kind, grouped
from film_archive.workflows.leftovers import (
    abandon_unfinished,
    has_unfinished,
    proxy_folder,
    saying_what_is_left,
    working_files,
)
from film_archive.workflows.room import look_ahead, require_room
from film_archive.workflows.timelines import Cut

__all__ = [
    "AddPlan",
    "ArchivingPlan",
    "CreatePlan",
    "abandon_unfinished",
    "add_to_archive",
    "apply_add",
    "apply_create",
    "as_planned",
    "create_archive",
    "plan_add",
    "plan_archive",
]
"""The whole face of two verbs, plans among it."""

def as_planned(plan: ArchivingPlan) -> Made:
    """What a dry run says: the report as far as it can be known."""
    return Made(
        archive=plan.archive,
        members=sum(1 for _ in grouped(plan.steps)) + len(plan.enclosures),
        bytes=plan.size + sum(len(each.data) for each in plan.enclosures),
        proxies=None if plan.proxies else 0,
        junk_skipped=plan.junk_skipped,
        left_out=plan.left_out,
        warnings=plan.warnings,
    )


def create_archive(
    target: Path,
    sources: Sequence[Path] = (),
    *,
    in_place: bool = False,
    timeline: Cut | None = None,
    proxies: Sequence[Rung] = DEFAULT_PROXIES,
    digests: Iterable[str] = (),
    recipe: Recipe = PLAIN,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Made:
    """Plan and make a new archive; continues one that a killed run left unfinished.

    With a timeline the archive is an OTIO bundle too. Raises Refused where the target exists, NoSpace before anything is
    written where it can't fit.
    """
    plan = plan_archive(
        target, sources, in_place=in_place, timeline=timeline, proxies=proxies, digests=digests, recipe=recipe
    )
    return apply_create(plan, progress=progress, workers=workers)


def apply_create(plan: CreatePlan, *, progress: Progress | None = None, workers: int | None = None) -> Made:
    """Make the archive of a plan. Raises SourceChanged where something is not what it was when it was planned."""
    target = plan.archive
    completed = folder.take_completed(target) if plan.in_place else unfinished.take_completed(target)
    if completed is not None and _is_done(completed, target, plan):
        files.remove_tree(proxy_folder(target))
        return _made_before(completed, plan)
    if not plan.in_place and os.path.lexists(target):
        raise already_there(target)

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
    recipe: Recipe = PLAIN,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Made:
    """Plan, and put more files into an archive; what has the name of a member already is refused.

    Of a folder archive's own files those that are listed already, and did not change, are passed over.
    """
    plan = plan_add(target, sources, proxies=proxies, digests=digests, recipe=recipe)
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
    with saying_what_is_left(lambda: has_unfinished(target)):
        outlook = look_ahead(grouped(plan.steps), plan.rungs, plan.recipe)
        log = None if plan.log is None else plan.log.open()
        require_room(target, plan.steps, outlook, (*working_files(target), work))
        with begin() as archive:
            entries = _still_to_add(archive, plan) if isinstance(plan, AddPlan) else plan.steps
            taken = {member.path for member in archive.base_members() if member.sequence is not None or _begins_clip(member)}
            together = tuple(grouped(entries, taken))
            made = fill(
                archive,
                together,
                plan.rungs,
                outlook,
                work,
                progress or quiet(),
                enclosures=plan.enclosures,
                recipe=plan.recipe,
                workers=workers,
                log=log,
                frame_digests=plan.frame_digests,
            )
    return replace(
        made,
        archive=plan.archive,
        junk_skipped=plan.junk_skipped,
        left_out=plan.left_out,
        warnings=(*made.warnings, *plan.warnings),
    )


def _begins_clip(member: Member) -> bool:
    """Whether more parts of a spanned clip may be tied to a member."""
    return member.is_original and member.part_of is None and part_name(member.path) is not None


def require_room_for(plan: ArchivingPlan) -> None:
    """Refuse with NoSpace, as applying the plan would, where its disk has no room for it; opens the clips for their length."""
    target = plan.archive.resolve() if plan.archive.exists() else plan.archive
    outlook = look_ahead(grouped(plan.steps), plan.rungs, plan.recipe)
    require_room(target, plan.steps, outlook, (*working_files(target), proxy_folder(target)))


def _still_to_add(archive: Writer, plan: AddPlan) -> tuple[Found, ...]:
    """What is to be added, now that nobody else writes the archive."""
    with open_archive(archive.target) as before:
        if plan.generation is not None:
            require_unchanged(before.name, plan.generation, generation_of(before))
        return without_present(before, Gathered(plan.steps, 0, ())).entries


def _is_done(completed: Completed, target: Path, plan: ArchivingPlan) -> bool:
    """Whether a run that was killed when it had finished had the very job that is asked for now."""
    with open_archive(target) as archive:
        present = {part.path: part for member in archive.members() for part in parts_of(member)}

    def is_done(entry: Found) -> bool:
        member = present.get(entry.member)
        if entry.kind != Kind.FILE or member is None:
            return member is not None
        listed = (entry.size, entry.mtime_ns) == (member.size, member.mtime_ns)
        if completed.nameless or (target.is_dir() and is_below(entry.path, target)):
            return listed  # a folder's own files that were listed before are no part of the job
        return completed.identities.get(entry.member) == entry.identity

    if any(completed.identities.get(each.path) != each.identity for each in plan.enclosures):
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
        warnings=plan.warnings,
    )
