"""`repo stats`: what a repository holds and saves."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("stats")(stats)


def stats(repo: Path | None = REPO, json: bool = JSON) -> int:
    """Tell what branches would take as copies and what they take, what is borrowed and what of that is offline."""
    from film_archive.cli.output import print_json, size_text, table
    from film_archive.cli.repo.here import here
    from film_archive.versioning.holdings import savings

    found = savings(here(repo).repository.opened)
    if json:
        print_json(found.to_json())
        return 0
    rows = [
        ("branches", str(found.branches)),
        ("their files", size_text(found.referenced)),
        ("different contents", size_text(found.unique)),
        ("stored here", size_text(found.stored)),
        ("borrowed from archives", size_text(found.borrowed)),
        ("of that offline", size_text(found.offline)),
        ("database", size_text(found.metadata)),
        ("saved", size_text(found.saved)),
    ]
    table(rows, right=(1,))
    return 0
