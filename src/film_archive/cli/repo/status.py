"""`repo status`: what is otherwise than committed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.repo.here import BRANCH, JSON, REPO

if TYPE_CHECKING:
    from film_archive.versioning.worktree import Status


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(branch: str | None = BRANCH, repo: Path | None = REPO, json: bool = JSON) -> int:
    """Compare the work tree with what was committed; without a work tree, what is staged for a branch."""
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
