"""`repo import ARCHIVE`: what an archive holds, as a commit."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.repo.options import BRANCH, DRY_RUN, JSON, REPO


def register(app: typer.Typer) -> None:
    app.command("import")(import_verb)


def import_verb(
    archive: Path = typer.Argument(..., help="An archive of ours in either form, or any zip."),
    folder: str = typer.Option("", "--under", help="The folder of the branch that gets it; without it, the branch's root."),
    copy: bool = typer.Option(False, "--adopt", help="Copy the bytes into the repository, too; else they are borrowed."),
    message: str | None = typer.Option(None, "--message", "-m", help="The commit's message."),
    dry_run: bool = DRY_RUN,
    branch: str | None = BRANCH,
    repo: Path | None = REPO,
    json: bool = JSON,
) -> int:
    """Commit what an archive holds. Only its manifest or directory is read, unless its bytes shall be copied in."""
    import time

    from film_archive.cli.output import print_json, say, size_text
    from film_archive.cli.progress import progress
    from film_archive.cli.repo.here import here
    from film_archive.versioning.importing import import_archive
    from film_archive.versioning.reports import ImportReport

    at = here(repo)
    target = at.branch(branch)
    work = at.work if at.work is not None and at.work.branch_id == target.id else None
    begun = time.monotonic()
    with progress() as counted:
        made = import_archive(
            at.repository,
            archive,
            target,
            folder=folder.strip("/"),
            message=message,
            copy=copy,
            work=work,
            dry_run=dry_run,
            progress=counted,
        )
    found = made.differences
    report = ImportReport(
        branch=made.branch.name,
        commit=made.branch.head,
        added=found.added,
        modified=found.modified,
        adopted=0 if made.adopted is None else made.adopted.bytes,
        seconds=time.monotonic() - begun,
    )
    if json:
        print_json(report.to_json())
    elif not found:
        say(f"{report.branch} has all of it already.")
    else:
        would = "would bring" if dry_run else "brought"
        say(f"The import {would} {report.branch} {len(found.added)} added and {len(found.modified)} modified.")
    if not json and made.adopted is not None:
        say(f"{size_text(report.adopted)} were copied in.")
    return 0
