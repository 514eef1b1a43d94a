"""`offload CARD DEST…`: verified copies of a card."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_offload_report


def register(app: typer.Typer) -> None:
    app.command("offload")(offload_verb)


def offload_verb(
    card: Path = typer.Argument(..., help="A camera's or recorder's card, or any folder that is to be copied as it is."),
    destinations: list[Path] = typer.Argument(..., metavar="DEST…", help="Folders, best on different drives."),
    name: str | None = typer.Option(None, "--name", help="What the card is called; without it as its folder is."),
    layout: str = typer.Option(
        "{date}/{camera}/{card}", "--layout", help="The folder below a destination: {date} {year} {month} {day} {camera} {card}."
    ),
    digest: list[str] = typer.Option([], "--digest", help="Another digest beside XXH3-128: md5, xxh64, c4, sha256 …"),
    partial: bool = typer.Option(False, "--partial", help="Finish copies although some files can't be read from the card."),
    catalog: str | None = CATALOG,
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be copied, and under which names."),
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Copy a card verbatim to all destinations in one read, read every copy and the card back, and write an ASC MHL.

    A copy has its name only when it is whole and proven. A killed run is gone on with by the same command, inside a file too.
    """
    from film_archive.cli.progress import progress
    from film_archive.library.offload import apply_offload, as_planned, plan_offload

    require_report(report, dry_run=dry_run)
    plan = plan_offload(card, destinations, name=name, layout=layout, digests=digest)
    if dry_run:
        if json:
            print_json({**as_planned(plan).to_json(), "plan": plan.to_json()})
            return 0
        for note in plan.notes:
            say(note)
        for place in plan.destinations:
            say(f"{place}: {'is there already' if place in plan.already else 'would be copied'}")
        say(f"{plan.kind or 'A folder'}: {len(plan.steps)} files, {size_text(plan.size)}, of {plan.date}.")
        return 0
    with opened(catalog) as known, progress() as counted:
        done = apply_offload(plan, known, partial=partial, progress=counted)
    write_offload_report(report, done)
    if json:
        print_json(done.to_json())
        return done.exit_status
    for note in done.notes:
        say(note)
    for copy in done.copies:
        state = "was there already" if copy.already else "copied, read back, sealed"
        say(f"{copy.path}: {copy.files} files, {size_text(copy.bytes)}, {state}")
    for failed in done.failed:
        say(failed.sentence())
    say(f"{done.kind or 'Folder'} {done.name}: {done.files} files, {size_text(done.bytes)}, {len(done.copies)} copies.")
    return done.exit_status
