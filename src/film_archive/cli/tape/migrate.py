"""`tape migrate OLD… --to SET`: old cartridges onto a new set."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json
from film_archive.cli.tape.options import CAPACITY, FORMAT, RESERVE, SHELF, drives_of, medium_of, shelf_of, size_of
from film_archive.cli.tape.plan import show_plan
from film_archive.cli.tape.write import show_written


def register(app: typer.Typer) -> None:
    app.command("migrate")(migrate_verb)


def migrate_verb(
    old: list[str] = typer.Argument(None, metavar="[OLD…]", help="Old cartridges: serials, barcodes or folders."),
    to: str = typer.Option(..., "--to", metavar="SET", help="The set that they go to."),
    source: list[str] = typer.Option([], "--from-drive", metavar="DRIVE", help="An old cartridge in a drive."),
    format: str = FORMAT,
    copies: int = typer.Option(1, "--copies", min=1, help="Write so many sets at once, from one read."),
    yes: bool = typer.Option(False, "--yes", help="Yes, file-backed cartridges of more than 100 GB."),
    reserve: str | None = RESERVE,
    capacity: str | None = CAPACITY,
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print the plan."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Copy everything to a new set and prove it: against the old digests while reading, and by reading the new set back."""
    from film_archive.cli.progress import progress
    from film_archive.tape.set_planning import WriteWishes
    from film_archive.tape.writing import WriteOptions
    from film_archive.workflows.tape_migration import apply_migration, plan_migration

    place = shelf_of(shelf)
    wishes = WriteWishes(medium_of(format), copies, size_of(reserve), size_of(capacity))
    known = opened_if_any(catalog)
    with known or nullcontext():
        addresses = [*drives_of(source), *map(place.find, old or [])]
        if not addresses:
            raise typer.BadParameter("Name the old cartridges, or the drive that has one (--from-drive).")
        migration = plan_migration(place, addresses, to, wishes, catalog=known)
        if dry_run:
            return show_plan(migration.plan, json=json)
        with progress() as counted:
            done = apply_migration(migration, place, WriteOptions(allow_large=yes), catalog=known, progress=counted)
    if json:
        print_json(done.to_json())
    else:
        show_written(done)
    return done.exit_status
