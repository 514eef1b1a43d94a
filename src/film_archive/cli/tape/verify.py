"""`tape verify CARTRIDGE…`: read back."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any, seconds_of
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.tape.options import DRIVE, SHELF, drives_of, share_of, shelf_of
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("verify")(verify_verb)


def verify_verb(
    cartridges: list[str] = typer.Argument(
        None, metavar="[CARTRIDGE…]", help="Serials, barcodes or folders; else the whole shelf."
    ),
    drive: list[str] = DRIVE,
    sample: str | None = typer.Option(
        None, "--sample", metavar="5%", help="Only so many of the files, those longest unread first."
    ),
    budget: str | None = typer.Option(None, "--budget", metavar="2h", help="Stop after this time; the next run goes on."),
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Read every file back in the order of the tape and compare digests; check labels, indexes and memory. 11 where not right."""
    from film_archive.cli.progress import progress
    from film_archive.tape.verifying import Scrub
    from film_archive.workflows.taping import verify_cartridges

    scrub = Scrub(share_of(sample), seconds_of(budget))
    known = opened_if_any(catalog)
    with known or nullcontext(), progress() as counted:
        done = verify_cartridges(
            shelf_of(shelf), cartridges or [], scrub, drives=drives_of(drive), catalog=known, progress=counted
        )
    if json:
        print_json(done.to_json())
        return done.exit_status
    for problem in done.problems:
        say(problem)
    for one in done.cartridges:
        say(f"{one.barcode or 'A cartridge'}: {amount(one.files, 'file')}, {size_text(one.bytes)} read")
    unread = sum(file.status == "not read" for file in done.files)
    left = f"; {amount(unread, 'file')} left for the next time" if unread else ""
    unproven = sum(file.status == "unproven" for file in done.files)
    left += f"; {amount(unproven, 'file')} without a digest" if unproven else ""
    say(f"{'All is right' if not done.problems else amount(len(done.problems), 'problem')} ({done.seconds:.1f} s){left}.")
    return done.exit_status
