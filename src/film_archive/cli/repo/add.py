"""`repo add PATH…`: stage files for the next commit."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("add")(add)


def add(
    path: list[Path] = typer.Argument(..., help="Files and folders of the work tree; with --branch any."),
    branch: str | None = BRANCH,
    name: str | None = typer.Option(None, "--as", help="With --branch: the path that one file shall have."),
    under: str = typer.Option("", "--under", help="With --branch: the folder of the branch that files go into."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Store contents and stage them. In a work tree a folder's new, changed and removed files are staged."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.progress import progress
    from film_archive.cli.repo.here import here
    from film_archive.versioning.reports import StagedReport
    from film_archive.versioning.staging import stage_on_branch

    at = here(repo)
    target = at.branch(branch)
    with progress() as counted:
        if at.work is not None and at.work.branch_id == target.id and name is None and not under:
            staged = at.work.add(path, counted)
        else:
            staged = stage_on_branch(at.repository, target, path, name=name, under=under, progress=counted)
    report = StagedReport(branch=target.name, staged=staged)
    if json:
        print_json(report.to_json())
    else:
        say(f"{len(staged)} paths are staged for {target.name}." if staged else "Nothing is new.")
    return 0
