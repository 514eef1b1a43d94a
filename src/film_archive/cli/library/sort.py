"""`library sort ROOT… --master DIR… --to QUARANTINE`: duplicates out of the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report

if TYPE_CHECKING:
    from film_archive.library.sorter import Sorted


def register(app: typer.Typer) -> None:
    app.command("sort")(sort_verb)


def sort_verb(
    roots: list[Path] = typer.Argument(None, metavar="[ROOT…]", help="Folders out of which duplicates are moved."),
    master: list[Path] = typer.Option([], "--master", help="A folder that nothing leaves; its copies are the ones to keep."),
    to: Path = typer.Option(..., "--to", metavar="QUARANTINE", help="Where duplicates go; their paths are kept below it."),
    listed: Path | None = typer.Option(None, "--list", help="Move what this list (of `dupes --list`) says, and nothing else."),
    catalog: str | None = CATALOG,
    workers: int | None = typer.Option(None, "--workers", min=1, help="Processes that read at once."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be moved."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Move duplicates into a quarantine, each compared byte by byte with the copy that stays. Nothing is removed; `undo` puts
    all back. A killed run is completed by the same command."""
    from film_archive.cli.progress import progress
    from film_archive.core.errors import UsageError
    from film_archive.library.dupe_list import read_list
    from film_archive.library.known_files import known_in
    from film_archive.library.sorter import SortPlan, as_planned, plan_sort, plan_sort_of, sort
    from film_archive.library.undoing import note_moves

    require_report(report, dry_run=dry_run)
    if (not roots) == (listed is None):
        raise UsageError("Name the folders to sort, or a list with --list; one of both.")

    with progress() as counted:

        def plan() -> SortPlan:
            if listed is not None:
                return plan_sort_of(read_list(listed), masters=master, quarantine=to)
            with known_in(opened_if_any(catalog)) as known:
                return plan_sort(roots, masters=master, quarantine=to, known=known, workers=workers, progress=counted)

        if dry_run:
            made = plan()
            if json:
                print_json({**as_planned(made).to_json(), "plan": made.to_json()})
                return 0
            return _show(as_planned(made), "would be ")
        done = sort(plan, to, progress=counted)
    if done.moved and (told := opened_if_any(catalog)) is not None:
        with told:
            told.event("sort", os.path.realpath(to), journal=done.job)
            note_moves(told, done.moved)
    write_report(report, f"Duplicates moved to {to}", done, clips=[each.to for each in done.moved])
    if json:
        print_json(done.to_json())
        return done.exit_status
    return _show(done, "")


def _show(done: Sorted, would: str) -> int:
    for each in done.moved:
        say(f"{each.from_} -> {each.to}")
    for stays in done.stays:
        say(f"stays: {stays.folder}/{stays.name}: {stays.reason}")
    for failed in done.failed:
        say(failed.sentence())
    say(f"{done.units} clips and files ({len(done.moved)} files, {size_text(done.bytes)}) {would}moved.")
    if done.job is not None:
        say(f"`film-archive library undo --from QUARANTINE {done.job}` moves them back.")
    return done.exit_status
