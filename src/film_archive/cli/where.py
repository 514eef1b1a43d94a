"""`where FILE`: every known copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say, size_text

if TYPE_CHECKING:
    from film_archive.library.finding import KnownCopy


def register(app: typer.Typer) -> None:
    app.command("where")(where_verb)


def where_verb(
    file: str = typer.Argument(..., help="A file, the name of one on a drive that is not here, or an XXH3-128 in hex."),
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Where a file is: on which device, under which path, when it was last verified; and where it had been."""
    from film_archive.library.finding import where

    with opened(catalog, must_exist=True) as known:
        found = where(known, file)
    if json:
        print_json(found.to_json())
        return 0
    for copy in found.copies:
        say(line_of(copy))
    say(f"{size_text(found.size)}, xxh128 {found.digests['xxh128']}; verified on {found.devices} devices.")
    return 0


def line_of(copy: KnownCopy) -> str:
    """A copy for people."""
    place = copy.path if copy.online else f"{copy.label or copy.device} (offline): {copy.path}"
    if copy.gone is not None:
        return f"{place}: was there until {copy.gone}"
    return f"{place}: {'never verified' if copy.verified is None else f'verified {copy.verified} by {copy.verified_by}'}"
