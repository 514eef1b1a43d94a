"""`repo status` and `repo commit` behind their options: what is done all day, and must not wait for a parser to be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from film_archive.versioning.worktree import Status


def show_status(*, branch: str | None = None, repo: Path | None = None, json: bool = False) -> int:
    """Print what is otherwise than committed; returns the exit status."""
    from film_archive.cli.output import print_json
    from film_archive.cli.repo.here import here

    at = here(repo)
    target = at.branch(branch)
    if at.work is not None and at.work.branch_id == target.id:
        found = at.work.status()
    else:
        from film_archive.versioning.worktree import status_of_branch

        found = status_of_branch(at.repository, target)
    if json:
        print_json(found.to_json())
    else:
        _show(found)
    return 0


def make_commit(
    *, message: str, everything: bool = False, branch: str | None = None, repo: Path | None = None, json: bool = False
) -> int:
    """Commit what is staged, and say so; returns the exit status."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.progress import progress
    from film_archive.cli.repo.here import here
    from film_archive.versioning.commits import load_commit
    from film_archive.versioning.reports import CommittedReport

    at = here(repo)
    target = at.branch(branch)
    if at.work is not None and at.work.branch_id == target.id:
        with progress() as counted:
            moved = at.work.commit(message, everything=everything, progress=counted)
    else:
        moved = at.repository.commit_stage(target.id, target.id, message)
    numbers = load_commit(at.repository.opened.objects(), moved.head).statistics
    report = CommittedReport(
        branch=moved.name,
        commit=moved.head,
        added=numbers.added,
        modified=numbers.modified,
        removed=numbers.removed,
    )
    if json:
        print_json(report.to_json())
    else:
        say(
            f"{moved.name} is at {moved.head[:12]}: {numbers.added} added, {numbers.modified} modified, "
            f"{numbers.removed} removed."
        )
    return 0


def _show(found: Status) -> None:
    from film_archive.cli.output import say

    say(f"On {found.branch} at {found.commit[:12]}.")
    if found.behind:
        say("The branch has gone on meanwhile; `film-archive repo checkout` brings the files up to it.")
    unstaged = set(found.unstaged)
    for word, paths in (("added", found.added), ("modified", found.modified), ("removed", found.removed)):
        for path in paths:
            say(f"  {word:9} {path}" + ("   (not staged)" if path in unstaged else ""))
    for renamed in found.renamed:
        say(f"  renamed   {renamed.from_} → {renamed.to}")
    for path in found.untracked:
        say(f"  untracked {path}")
    if found.is_clean and not found.untracked:
        say("Everything is committed.")
