"""`tape format`: an empty volume on a cartridge."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.tape.options import CAPACITY, DRIVE, FORMAT, SHELF, drives_of, medium_of, shelf_of, size_of


def register(app: typer.Typer) -> None:
    app.command("format")(format_verb)


def format_verb(
    serial: str | None = typer.Argument(None, metavar="[VOLSER]", help="Six of A-Z and 0-9; without it the shelf counts on."),
    name: str = typer.Option("", "--name", help="What the volume is called."),
    format: str = FORMAT,
    capacity: str | None = CAPACITY,
    drive: list[str] = DRIVE,
    erase: bool = typer.Option(False, "--erase", help="Also where something is on the cartridge: it is gone then."),
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be made."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make an empty LTFS volume: on the cartridge in a drive, or on a new file-backed one. `write` makes its own by itself."""
    from film_archive.workflows.taping import format_tape, plan_format

    if len(drive) > 1:
        raise typer.BadParameter("One cartridge is formatted at a time; give one --drive.")
    known = opened_if_any(catalog)
    given = drives_of(drive)
    with known or nullcontext():
        plan = plan_format(
            shelf_of(shelf), medium_of(format), serial=serial, name=name, drive=given[0] if given else None,
            capacity=size_of(capacity), erase=erase, catalog=known,
        )  # fmt: skip
        if dry_run:
            (step,) = plan.steps
            if json:
                print_json({"volser": step.volser, "barcode": step.barcode, "place": step.place, "plan": plan.to_json()})
            else:
                say(f"Would format {step.barcode} in {step.place}{', erasing it' if step.erase else ''}.")
            return 0
        done = format_tape(plan, catalog=known)
    if json:
        print_json(done.to_json())
        return 0
    say(f"{done.barcode} in {done.place}: {size_text(done.room)} for files, volume {done.uuid}.")
    return 0
