"""`catalog export FILE`: all that the catalog knows to be somewhere, as CSV, JSON or Parquet."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("export")(export_verb)


def export_verb(
    target: Path = typer.Argument(..., help="A .csv, .json or .parquet; an older one is replaced."),
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Write device, path, size, hash and time of every file that is known, offline ones too."""
    from film_archive.library.exporting import export

    with opened(catalog, must_exist=True) as known:
        done = export(known, target)
    if json:
        print_json(done.to_json())
        return 0
    say(f"{done.output}: {done.files} files on {done.holders} devices, cartridges and archives.")
    return 0
