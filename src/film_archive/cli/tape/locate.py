"""`tape locate CARTRIDGE --to PLACE`: where a cartridge was put, and where it was before."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say, table
from film_archive.cli.tape.options import SHELF, shelf_of


def register(app: typer.Typer) -> None:
    app.command("locate")(locate_verb)


def locate_verb(
    cartridges: list[str] = typer.Argument(..., metavar="CARTRIDGE…", help="Serials or barcodes, as the catalog has them."),
    to: str | None = typer.Option(None, "--to", metavar="PLACE", help="vault, out, lost, or any place in your own words."),
    note: str = typer.Option("", "--note", help="Who has it, which shelf, why."),
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Note where cartridges are put; without `--to` tell where they are and were."""
    from film_archive.workflows.tape_shelf import locations_of, put_cartridges

    with opened(catalog, must_exist=True) as known:
        if to is not None:
            put_cartridges(known, shelf_of(shelf), cartridges, to, note)
        found = locations_of(known, cartridges)
    if json:
        print_json(found.to_json())
        return 0
    table([(one.barcode, one.at, one.place, one.note, one.by) for one in found.locations])
    for barcode in found.nowhere:
        say(f"{barcode}: nobody said where it is.")
    return 0
