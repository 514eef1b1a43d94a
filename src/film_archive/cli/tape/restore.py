"""`tape restore PATTERN… -o DIR`: files back from cartridges."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json, say, size_text, table
from film_archive.cli.tape.options import DRIVE, SHELF, drives_of, minutes_text, shelf_of
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.tape.records import RestorePlan, TapeRestored


def register(app: typer.Typer) -> None:
    app.command("restore")(restore_verb)


def restore_verb(
    patterns: list[str] = typer.Argument(
        None, metavar="[PATTERN…]", help="Paths, folders, names; with * and ?. None: everything."
    ),
    output: Path = typer.Option(..., "--output", "-o", help="The folder for what is restored."),
    tape_id: str | None = typer.Option(None, "--set", help="Only from this set."),
    cartridge: list[str] = typer.Option([], "--cartridge", help="Only from these: serials, barcodes or folders."),
    digest: list[str] = typer.Option([], "--digest", help="What has this digest: hex, eight signs or more."),
    edl: Path | None = typer.Option(None, "--edl", metavar="LIST", help="The media of an EDL, ALE, FCPXML, CSV, OTIO or AAF."),
    start: str | None = typer.Option(None, "--in", metavar="TC", help="Only from this source timecode of each clip."),
    end: str | None = typer.Option(None, "--out", metavar="TC", help="Up to this timecode, which is not included."),
    duration: str | None = typer.Option(None, "--duration", metavar="TC", help="So long, instead of --out."),
    handles: int = typer.Option(0, "--handles", min=0, help="Frames more on each side of a range or an event."),
    whole: bool = typer.Option(False, "--whole", help="Of an EDL: whole clips instead of the frames of its events."),
    rate: str | None = typer.Option(None, "--rate", help="What the list and clips count at, where they do not say."),
    drive: list[str] = DRIVE,
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print the pick list: barcodes, bytes, minutes."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Restore files, or only the frames that are meant, each proven while it is read. 12 where cartridges are missing."""
    from film_archive.cli.progress import progress
    from film_archive.tape.choosing import Choice
    from film_archive.workflows.tape_restore import RestoreWishes, apply_restoring, plan_restoring
    from film_archive.workflows.taping import holdings_of

    choice = Choice(tuple(patterns or ()), tuple(digest))
    wishes = RestoreWishes(choice, start, end, duration, handles, edl, whole, rate)
    known = opened_if_any(catalog)
    with known or nullcontext():
        holdings = holdings_of(shelf_of(shelf), tape_id, drives=drives_of(drive), cartridges=cartridge, catalog=known)
    plan = plan_restoring(holdings, wishes, output)
    if not json:
        _show_plan(plan)
    if dry_run:
        if json:
            from film_archive.tape.records import planned_restore

            print_json({**planned_restore(plan).to_json(), "plan": plan.to_json()})
        return 0 if not plan.missing else 12 if plan.steps else 3
    with progress() as counted:
        done = apply_restoring(plan, holdings, progress=counted)
    if json:
        print_json(done.to_json())
        return done.exit_status
    _show(done)
    return done.exit_status


def _show_plan(plan: RestorePlan) -> None:
    """The pick list."""
    say("Pick list:")
    table(
        [
            (f"  {one.barcode}", amount(one.files, "file"), size_text(one.bytes), minutes_text(one.seconds),
             "here" if one.here else f"not here{f' ({one.location})' if one.location else ''}")
            for one in plan.cartridges
        ],
        right=(1, 2, 3),
    )  # fmt: skip


def _show(done: TapeRestored) -> None:
    for problem in (*done.problems, *(one.sentence() for one in done.failed)):
        say(problem)
    good = [file for file in done.files if file.status in ("restored", "there")]
    missing = sum(file.status == "missing" for file in done.files)
    bad = len(done.files) - len(good) - missing
    say(
        f"{amount(len(good), 'file')} in {done.folder}: {size_text(done.bytes)} ({size_text(done.bytes_read)} read from tape) in "
        f"{done.seconds:.1f} s"
        + (f"; missing: {amount(missing, 'file')}" if missing else "")
        + (f"; failed: {amount(bad, 'file')}" if bad else "")
        + "."
    )
