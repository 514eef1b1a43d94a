"""`repo status`: what is otherwise than committed."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.committing import show_status
from film_archive.cli.repo.options import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("status")(status)


def status(branch: str | None = BRANCH, repo: Path | None = REPO, json: bool = JSON) -> int:
    """Compare the work tree with what was committed; without a work tree, what is staged for a branch."""
    return show_status(branch=branch, repo=repo, json=json)
