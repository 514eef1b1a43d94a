"""`repo gc`: remove what nothing leads to."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import DRY_RUN, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("gc")(gc)


def gc(
    keep: str = typer.Option("90d", "--keep", help="How long what a branch once was at can be brought back: 90d, 12h."),
    grace: str = typer.Option("14d", "--grace", help="How old something has to be to be removed."),
    dry_run: bool = DRY_RUN,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Remove contents, nodes and commits that no branch, stage or recent move leads to, and what killed runs left."""
    from film_archive.cli.output import print_json, say, size_text
    from film_archive.cli.repo.here import here
    from film_archive.versioning.collecting import clean_up, days

    done = clean_up(here(repo).repository.opened, keep_days=days(keep), grace_days=days(grace), dry_run=dry_run)
    if json:
        print_json(done.to_json())
    else:
        say(f"{done.objects} things, {size_text(done.bytes)}, {'were removed' if done.removed else 'would be removed'}.")
    return 0
