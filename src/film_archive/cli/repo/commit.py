"""`repo commit -m MESSAGE`: make what is staged a commit."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.here import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("commit")(commit)


def commit(
    message: str = typer.Option(..., "--message", "-m", help="What was done, and why."),
    everything: bool = typer.Option(False, "--all", "-a", help="Also what was changed or removed and not staged."),
    branch: str | None = BRANCH,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Commit what is staged."""
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
