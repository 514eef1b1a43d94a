"""`tape ls [CARTRIDGE…]`: cartridges, or what is on them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened_if_any
from film_archive.cli.output import print_json, say, size_text, table
from film_archive.cli.tape.options import DRIVE, SHELF, drives_of, shelf_of
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.workflows.tape_listing import ListedCartridge


def register(app: typer.Typer) -> None:
    app.command("ls")(ls_verb)
    app.command("list", hidden=True)(ls_verb)


def ls_verb(
    cartridges: list[str] = typer.Argument(None, metavar="[CARTRIDGE…]", help="Serials, barcodes or folders."),
    tape_id: str | None = typer.Option(None, "--set", help="All cartridges of this set."),
    drive: list[str] = DRIVE,
    shelf: Path | None = SHELF,
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Without a name, the cartridges of the shelf and the catalog; with one, or a set, the files on them, also offline."""
    from film_archive.workflows.tape_listing import list_cartridges

    known = opened_if_any(catalog)
    with known or nullcontext():
        done = list_cartridges(shelf_of(shelf), cartridges or [], tape_id, drives=drives_of(drive), catalog=known)
    if json:
        print_json(done.to_json())
        return 0
    if done.listed:
        table([(file.cartridge, size_text(file.size), file.path) for file in done.files], right=(1,))
    else:
        rows = [
            (one.barcode, one.tape_id, f"copy {one.copy}, cartridge {one.number}" if one.number else "",
             amount(one.files, "file"), size_text(one.bytes), _place(one))
            for one in done.cartridges
        ]  # fmt: skip
        table(rows, right=(3, 4))
    for problem in done.problems:
        say(problem)
    return 0


def _place(one: ListedCartridge) -> str:
    return ", ".join(filter(None, ("here" if one.here else "not here", one.location)))
