"""`repo chunking [PATTERN…]`: which files are stored as chunks."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("chunking")(chunking)


def chunking(
    patterns: list[str] | None = typer.Argument(
        None, metavar="[PATTERN]...", help="Paths as in a shell, '*.mov' or 'footage/*'; without one: show what is set."
    ),
    off: bool = typer.Option(False, "--off", help="Store no more files as chunks."),
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Store files of these paths as chunks, cut at coded frames: a header edit, trim or re-wrap then takes next to no space.

    From now on, whoever adds them; files of at least 4 MiB. What is stored stays as it is. Such files can't share blocks.
    """
    from film_archive.cli.output import print_json, say
    from film_archive.cli.repo.here import here
    from film_archive.core.errors import UsageError
    from film_archive.versioning.chunk_policy import ChunkingReport, chunking_of, set_chunking

    database = here(repo).repository.opened.database
    if off and patterns:
        raise UsageError("Patterns and --off contradict each other; nothing was changed.")
    if off or patterns:
        set_chunking(database, patterns or [])
    report = ChunkingReport(patterns=chunking_of(database))
    if json:
        print_json(report.to_json())
    elif report.patterns:
        say(f"Stored as chunks, from 4 MiB on: {', '.join(report.patterns)}.")
    else:
        say("No files are stored as chunks; `film-archive repo chunking '*.mov'` changes that.")
    return 0
