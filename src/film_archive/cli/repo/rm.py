"""`repo rm PATH…`: stage removals."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("rm")(rm)


def rm(
    path: list[str] = typer.Argument(..., help="Files and folders of the work tree; with --branch paths of the branch."),
    keep: bool = typer.Option(False, "--keep", help="Leave the files on disk."),
    branch: str | None = BRANCH,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Stage the removal of paths. Files on disk are removed if they are as they were committed; commits keep theirs."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.repo.here import here
    from film_archive.versioning.reports import StagedReport
    from film_archive.versioning.staging import stage_removal

    at = here(repo)
    target = at.branch(branch)
    if at.work is not None and at.work.branch_id == target.id:
        staged = at.work.remove(map(Path, path), keep=keep)
    else:
        staged = stage_removal(at.repository, target, [one.rstrip("/") for one in path])
    if json:
        print_json(StagedReport(branch=target.name, staged=staged).to_json())
    else:
        say(f"{len(staged)} paths will be gone from {target.name} with the next commit.")
    return 0
