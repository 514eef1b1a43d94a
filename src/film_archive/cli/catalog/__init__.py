"""`film-archive catalog …`: one file a verb."""

from __future__ import annotations

import typer

from film_archive.cli.catalog import export, rebuild


def register(app: typer.Typer) -> None:
    catalog = typer.Typer(help="The catalog: made again, written out.", no_args_is_help=True, rich_markup_mode=None)
    for verb in (rebuild, export):
        verb.register(catalog)
    app.add_typer(catalog, name="catalog")
