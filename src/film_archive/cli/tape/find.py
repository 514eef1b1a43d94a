"""`tape find QUERY`: what is on tape, without the tapes."""

from __future__ import annotations

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say, size_text, table
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("find")(find_verb)


def find_verb(
    query: str = typer.Argument("", metavar="[TEXT]", help="A part of a file's or folder's name, in any case."),
    digest: str | None = typer.Option(None, "--digest", help="Hex of an XXH3-128, SHA-1, SHA-256 or SHA-512, or md5:HEX."),
    since: str | None = typer.Option(None, "--since", metavar="DATE", help="Changed on this day or later: 2026-11-20."),
    until: str | None = typer.Option(None, "--until", metavar="DATE", help="Changed on this day or before."),
    timecode: str | None = typer.Option(None, "--tc", help="Clips that have this source timecode."),
    reel: str | None = typer.Option(None, "--reel", help="Clips of this reel."),
    tape_id: str | None = typer.Option(None, "--set", help="Only in this set."),
    once: bool = typer.Option(False, "--once", help="Only what is on no more than one cartridge."),
    limit: int = typer.Option(1000, "--limit", min=1, help="How many at most."),
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Files on cartridges by name, digest, date, timecode, reel; `--once`: what exists only once. 3 where there is none."""
    from film_archive.workflows.tape_finding import find_on_tape, query_of

    wanted = query_of(
        query, digest=digest, since=since, until=until, timecode=timecode, reel=reel, tape_id=tape_id,
        fewer_than=2 if once else None,
    )  # fmt: skip
    with opened(catalog, must_exist=True) as known:
        found = find_on_tape(known, wanted, limit=limit)
    if json:
        print_json(found.to_json())
        return 0 if found.found else 3
    rows = [
        (one.barcode, one.location, size_text(one.size), one.start_timecode or "", one.path) for one in found.found
    ]
    table(rows, right=(2,))
    say(f"{amount(len(found.found), 'file')}, {size_text(found.bytes)}.")
    return 0 if found.found else 3
