"""`find QUERY`: what is called so, wherever it is."""

from __future__ import annotations

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say
from film_archive.cli.where import line_of


def register(app: typer.Typer) -> None:
    app.command("find")(find_verb)


def find_verb(
    query: str = typer.Argument(..., help="A part of a file's or folder's name, in any case."),
    limit: int = typer.Option(1000, "--limit", min=1, help="How many at most."),
    catalog: str | None = CATALOG,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Files and sequences by a part of their name, on drives that are here and on those that are not. 3 where there are none."""
    from film_archive.library.finding import find

    with opened(catalog, must_exist=True) as known:
        found = find(known, query, limit=limit)
    if json:
        print_json(found.to_json())
        return 0 if found.found else 3
    for copy in found.found:
        say(line_of(copy))
    if not found.found:
        say(f"Nothing is called {query}.")
    return 0 if found.found else 3
