"""`repo export BRANCH ARCHIVE`: a branch as a new archive."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG
from film_archive.cli.repo.options import JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("export")(export)


def export(
    branch: str = typer.Argument(..., help="A branch or commit."),
    archive: Path = typer.Argument(..., help="The new archive."),
    pattern: list[str] = typer.Argument(None, help="Only paths or folders that match (\"*\" crosses folders)."),
    catalog: str | None = CATALOG,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Write what a branch holds as an archive, every byte proven; where one is missing nothing is made."""
    import time

    from film_archive.cli.output import print_json, say, size_text
    from film_archive.cli.progress import progress
    from film_archive.cli.repo.here import here
    from film_archive.versioning.export import export_entries
    from film_archive.versioning.reports import ExportReport

    at = here(repo, catalog)
    begun = time.monotonic()
    with progress() as counted:
        made = export_entries(at.repository.opened, at.repository.entries(branch, pattern or ()), archive, counted)
    report = ExportReport(
        archive=str(made.sealed.path),
        branch=branch,
        members=made.sealed.members,
        bytes=made.sealed.bytes,
        unread=made.unread,
        seconds=time.monotonic() - begun,
    )
    if json:
        print_json(report.to_json())
    else:
        say(f"{report.archive} has {report.members} members, {size_text(report.bytes)}.")
    return 0
