"""`tape write SET SOURCE…`: files onto a set of cartridges."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.tape.options import CAPACITY, DRIVE, FORMAT, RESERVE, SHELF, drives_of, shelf_of, size_of
from film_archive.cli.tape.plan import make_plan, show_plan
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.tape.records import TapeWritten


def register(app: typer.Typer) -> None:
    app.command("write")(write_verb)


def write_verb(
    tape_id: str = typer.Argument(..., metavar="SET", help="What the set of cartridges is called; a set is gone on with."),
    sources: list[str] = typer.Argument(
        ..., metavar="SOURCE…", help="Files, folders, archives; REPOSITORY@BRANCH is a branch's files."
    ),
    format: str = FORMAT,
    copies: int = typer.Option(1, "--copies", min=1, help="Write so many sets at once, from one read."),
    drive: list[str] = DRIVE,
    verify: bool = typer.Option(False, "--verify", help="Read everything back from cartridges that were opened again."),
    digest: list[str] = typer.Option([], "--digest", help="Another digest beside XXH3-128 and SHA-256: md5, sha1, blake3 …"),
    commit_every: str = typer.Option("36GiB", "--commit-every", metavar="SIZE", help="Bytes between two indexes."),
    split: bool = typer.Option(False, "--split", help="Cut a file that is larger than a cartridge; restoring joins it."),
    skip_duplicates: bool = typer.Option(False, "--skip-duplicates", help="Leave out what the catalog knows to be on tape."),
    no_facts: bool = typer.Option(False, "--no-facts", help="Don't probe clips for what they are."),
    yes: bool = typer.Option(False, "--yes", help="Yes, file-backed cartridges of more than 100 GB (a file each 512 KiB)."),
    reserve: str | None = RESERVE,
    capacity: str | None = CAPACITY,
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print the plan."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Write a set, each source read once. Killed, failed in part or out of cartridges, the same command goes on."""
    from film_archive.cli.progress import progress
    from film_archive.tape.ltfs.feeding import ALGORITHMS
    from film_archive.tape.writing import WriteOptions
    from film_archive.workflows.taping import apply_set

    plan = make_plan(
        tape_id, sources, shelf, catalog, format=format, copies=copies, split=split, skip_duplicates=skip_duplicates,
        half_height=False, reserve=reserve, capacity=capacity, drives=drive,
    )  # fmt: skip
    if dry_run:
        return show_plan(plan, json=json)
    options = WriteOptions(
        algorithms=tuple(dict.fromkeys((*ALGORITHMS, *digest))),
        commit_every=size_of(commit_every) or 1,
        verify=verify,
        allow_large=yes,
        drives=drives_of(drive),
        facts=not no_facts,
    )
    known = opened_if_any(catalog)
    with known or nullcontext(), progress() as counted:
        done = apply_set(plan, shelf_of(shelf), options, catalog=known, progress=counted)
    if json:
        print_json(done.to_json())
        return done.exit_status
    show_written(done)
    return done.exit_status


def show_written(done: TapeWritten) -> None:
    """What was written, for people."""
    for one in done.cartridges:
        say(f"{one.barcode}: copy {one.copy}, cartridge {one.number}: {amount(one.files, 'file')}, {size_text(one.bytes)}")
    for failed in done.failed:
        say(failed.sentence())
    for problem in done.problems:
        say(problem)
    if done.waits_for_cartridge:
        say("The cartridge is full: put the next one into the drive and give the same command again.")
    speed = f", {size_text(done.bytes / done.seconds)}/s" if done.seconds > 0 and done.bytes else ""
    proven = {True: "; read back and right", False: "; READ BACK AND NOT RIGHT", None: ""}[done.verified]
    say(
        f"{done.tape_id}: {size_text(done.bytes)} written to {amount(len(done.cartridges), 'cartridge')} in "
        f"{done.seconds:.1f} s{speed}; the drive starved {amount(done.starved, 'time')}{proven}."
    )
