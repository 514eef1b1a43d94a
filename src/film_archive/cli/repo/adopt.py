"""`repo adopt [BRANCH]`: copy borrowed bytes in."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG
from film_archive.cli.repo.options import JSON, REPO

_IN_PART = 12


def register(app: typer.Typer) -> None:
    app.command("adopt")(adopt)


def adopt(
    branch: str | None = typer.Argument(None, help="A branch or commit; without it, all branches."),
    pattern: list[str] = typer.Argument(None, help="Only paths or folders that match."),
    origin: Path | None = typer.Option(None, "--from", help="Where an archive is now that was moved."),
    catalog: str | None = CATALOG,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Copy what branches borrow from archives into the repository. What is not at hand is told (status 12)."""
    import time

    from film_archive.cli.output import print_json, say, size_text
    from film_archive.cli.progress import progress
    from film_archive.cli.repo.here import here
    from film_archive.versioning.adopting import adopt as adopt_entries
    from film_archive.versioning.reports import AdoptReport

    at = here(repo, catalog)
    begun = time.monotonic()
    if origin is not None:
        at.repository.locate_archive(origin)
    names = [branch] if branch is not None else [known.id for known in at.repository.branches()]
    entries = [entry for name in names for entry in at.repository.entries(name, pattern or ())]
    with progress() as counted:
        done = adopt_entries(at.repository.opened, entries, counted)
    report = AdoptReport(
        adopted=tuple(done.paths),
        bytes=done.bytes,
        missing=tuple(sorted(set(done.missing))),
        seconds=time.monotonic() - begun,
    )
    if json:
        print_json(report.to_json())
    else:
        say(f"{len(report.adopted)} files were copied in, {size_text(report.bytes)}.")
        for path in report.missing:
            say(f"not at hand: {path}")
    return _IN_PART if report.missing else 0
