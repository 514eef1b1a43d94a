"""`library undo [JOB] --from QUARANTINE`: what a sort has moved is where it was."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened, opened_if_any
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report


def register(app: typer.Typer) -> None:
    app.command("undo")(undo_verb)


def undo_verb(
    job: str | None = typer.Argument(None, help="The job, as `sort` names it; without it the last one."),
    quarantine: Path | None = typer.Option(
        None, "--from", metavar="QUARANTINE", help="The quarantine; without it the one that the catalog was last told of."
    ),
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be moved back."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Move back what a job has moved. What has another file in its place by now stays in the quarantine, and is told."""
    from film_archive.cli.progress import progress
    from film_archive.library.undoing import note_moves, quarantine_of, undo

    require_report(report, dry_run=dry_run)
    with progress() as counted:
        if quarantine is None:
            with opened(catalog, must_exist=True) as known:
                quarantine = quarantine_of(known, job)
        done = undo(quarantine, job, dry_run=dry_run, progress=counted)
    if done.moved and not dry_run and (told := opened_if_any(catalog)) is not None:
        with told:
            told.event("undo", os.path.realpath(quarantine), journal=done.job)
            note_moves(told, done.moved)
    write_report(report, f"Moved back from {quarantine}", done, clips=[each.to for each in done.moved])
    if json:
        print_json(done.to_json())
        return done.exit_status
    for each in done.moved:
        say(f"{each.from_} -> {each.to}")
    for failed in done.failed:
        say(failed.sentence())
    would = "would be " if dry_run else ""
    say(f"{len(done.moved)} files, {size_text(sum(each.size for each in done.moved))}, {would}moved back.")
    return done.exit_status
