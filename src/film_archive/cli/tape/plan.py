"""`tape plan SET SOURCE…`: what goes on which cartridge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json, say, size_text, table
from film_archive.cli.tape.options import (
    CAPACITY,
    FORMAT,
    RESERVE,
    SHELF,
    drives_of,
    medium_of,
    minutes_text,
    shelf_of,
    size_of,
)
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.tape.records import WritePlan


def register(app: typer.Typer) -> None:
    app.command("plan")(plan_verb)


def plan_verb(
    tape_id: str = typer.Argument(..., metavar="SET", help="What the set of cartridges is called; a set is gone on with."),
    sources: list[str] = typer.Argument(
        ..., metavar="SOURCE…", help="Files, folders, archives; REPOSITORY@BRANCH is a branch's files."
    ),
    format: str = FORMAT,
    copies: int = typer.Option(1, "--copies", min=1, help="How many sets of the same files are written at once."),
    split: bool = typer.Option(False, "--split", help="Cut a file that is larger than a cartridge; restoring joins it."),
    skip_duplicates: bool = typer.Option(False, "--skip-duplicates", help="Leave out what the catalog knows to be on tape."),
    half_height: bool = typer.Option(False, "--half-height", help="Reckon with a half-height drive's speed."),
    reserve: str | None = RESERVE,
    capacity: str | None = CAPACITY,
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Lay files out over a set of cartridges; nothing is written. Clips and sequences stay together where one takes them."""
    plan = make_plan(
        tape_id, sources, shelf, catalog, format=format, copies=copies, split=split, skip_duplicates=skip_duplicates,
        half_height=half_height, reserve=reserve, capacity=capacity,
    )  # fmt: skip
    return show_plan(plan, json=json)


def make_plan(
    tape_id: str,
    sources: list[str],
    shelf: Path | None,
    catalog: str | None,
    *,
    format: str,
    copies: int,
    split: bool,
    skip_duplicates: bool,
    half_height: bool,
    reserve: str | None,
    capacity: str | None,
    drives: list[str] | None = None,
) -> WritePlan:
    """The plan that both `plan` and `write` make."""
    from contextlib import nullcontext

    from film_archive.tape.set_planning import WriteWishes
    from film_archive.workflows.taping import plan_set_of

    wishes = WriteWishes(
        medium_of(format), copies, size_of(reserve), size_of(capacity), split, skip_duplicates, half_height
    )
    known = opened_if_any(catalog)
    with known or nullcontext():
        return plan_set_of(tape_id, sources, wishes, shelf_of(shelf), known, drives=drives_of(drives or []))


def plan_document(plan: WritePlan) -> dict[str, Any]:
    """What `plan` and `write --dry-run` print as JSON."""
    from film_archive.tape.records import planned

    return {**planned(plan).to_json(), "plan": plan.to_json()}


def show_plan(plan: WritePlan, *, json: bool) -> int:
    """Print a plan; returns the status."""
    from film_archive.tape.records import planned

    done = planned(plan)
    if json:
        print_json(plan_document(plan))
        return done.exit_status
    rows = [
        (one.barcode, f"copy {one.copy}, cartridge {one.number}", amount(one.files, "file"), size_text(one.bytes),
         minutes_text(one.seconds)) for one in plan.cartridges
    ]  # fmt: skip
    table(rows, right=(2, 3, 4))
    for step in plan.steps:
        if step.on_tape:
            say(f"on tape already ({', '.join(step.on_tape)}): {step.path}")
    for failed in plan.failed:
        say(failed.sentence())
    files = sum(one.files for one in plan.cartridges) // plan.copies
    said = f"{plan.tape_id}: {amount(files, 'file')}, {size_text(plan.size)} on {amount(len(plan.cartridges), 'cartridge')}"
    there = f"; there already: {amount(len(plan.there), 'file')}" if plan.there else ""
    say(f"{said}, about {minutes_text(plan.expected_seconds)} to write and as long to verify{there}.")
    if plan.duplicates:
        say(f"{amount(plan.duplicates, 'file')}, {size_text(plan.duplicate_bytes)}, are on tape already.")
    return done.exit_status
