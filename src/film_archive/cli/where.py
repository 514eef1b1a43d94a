"""`where FILE`: every known copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.report_option import REPORT, require_report, write_report

if TYPE_CHECKING:
    from film_archive.library.finding import KnownCopy


def register(app: typer.Typer) -> None:
    app.command("where")(where_verb)


def where_verb(
    file: str = typer.Argument(..., help="A file, the name of one on a drive that is not here, or an XXH3-128 in hex."),
    catalog: str | None = CATALOG,
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Where a file is: on which device, under which path, when it was last verified; and where it had been."""
    from film_archive.library.finding import where

    require_report(report)
    with opened(catalog, must_exist=True) as known:
        found = where(known, file)
    write_report(report, f"Where is {file}?", found)
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
