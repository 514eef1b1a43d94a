"""Merging into a branch that a work tree may be on: the files follow."""

from __future__ import annotations

from collections.abc import Iterable

from film_archive.core.errors import Refused
from film_archive.core.source import printable
from film_archive.versioning.differences import Differences, differences_of
from film_archive.versioning.merge import Settling
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import MergeResult, Repository
from film_archive.versioning.switching import switch
from film_archive.versioning.worktree import WorkTree


def merge_into(
    repository: Repository,
    source: str,
    target: Branch,
    settle: Settling,
    *,
    work: WorkTree | None = None,
    dry_run: bool = False,
    message: str | None = None,
) -> tuple[MergeResult, Differences]:
    """Merge, and bring the files of the work tree to the new commit.

    Raises Refused, with nothing changed, where something in the work tree is not committed that the merge changes.
    """
    named = {branch.name: branch.id for branch in repository.branches()}
    origin = named.get(source, source)
    if work is not None and not dry_run:
        planned = repository.merge_with(origin, target.id, settle, dry_run=True, message=message)
        require_clean(work, planned.changed, "merge", "merged")
    result = repository.merge_with(origin, target.id, settle, dry_run=dry_run, message=message)
    if work is not None and not dry_run and result.merged and result.commit is not None:
        switch(work, repository.branch(target.id))
    return result, differences_of(result.changes)


def require_clean(work: WorkTree, paths: Iterable[str], job: str, done: str) -> None:
    """Raise Refused where a work tree is not at its branch, or has something uncommitted at these paths."""
    branch = work.branch
    if branch.head != work.base:
        raise Refused(
            f"The branch {branch.name!r} has gone on since these files were checked out; nothing was {done}. "
            "Bring them up to it with `film-archive repo checkout` first."
        )
    found = work.look()
    touched = sorted(set(paths) & {*work.staged(), *found.modified, *found.untracked})
    if touched:
        raise Refused(f"{printable(touched[0])} is not committed, and the {job} changes it; nothing was {done}. Commit first.")
