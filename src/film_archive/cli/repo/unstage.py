"""`repo unstage [PATH…]`: forget what is staged."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("unstage")(unstage)


def unstage(
    path: list[Path] = typer.Argument(None, help="Files and folders of the work tree; without one, all."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Forget what is staged; files on disk stay as they are."""
    from film_archive.cli.output import print_json, say
    from film_archive.cli.repo.here import here
    from film_archive.versioning.reports import StagedReport

    work = here(repo).require_work()
    gone = work.unstage(path or ())
    if json:
        print_json(StagedReport(branch=work.branch.name, staged=gone).to_json())
    else:
        say(f"{len(gone)} paths are no longer staged.")
    return 0
