"""`repo unlock PATH…`: the same as `repo lock --release`."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import BRANCH, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("unlock")(unlock)


def unlock(
    path: list[str] = typer.Argument(..., help="Paths and folders that are locked."),
    branch: str | None = BRANCH,
    force: bool = typer.Option(False, "--force", help="Another's lock, too."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Give up locks."""
    from film_archive.cli.repo.lock import lock

    return lock(path, reason="", branch=branch, release=True, force=force, repo=repo, json=json)
