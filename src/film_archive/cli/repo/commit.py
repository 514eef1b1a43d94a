"""`repo commit -m MESSAGE`: make what is staged a commit."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.committing import make_commit
from film_archive.cli.repo.options import BRANCH, JSON, REPO


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
    return make_commit(message=message, everything=everything, branch=branch, repo=repo, json=json)
