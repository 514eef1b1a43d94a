"""`find QUERY`: what is called so, wherever it is."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.catalog_option import CATALOG, opened
from film_archive.cli.output import print_json, say
from film_archive.cli.report_option import REPORT, require_report, write_report
from film_archive.cli.where import line_of


def register(app: typer.Typer) -> None:
    app.command("find")(find_verb)


def find_verb(
    query: str = typer.Argument(..., help="A part of a file's or folder's name, in any case."),
    limit: int = typer.Option(1000, "--limit", min=1, help="How many at most."),
    catalog: str | None = CATALOG,
    report: Path | None = REPORT,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Files and sequences by a part of their name, on drives that are here and on those that are not. 3 where there are none."""
    from film_archive.library.finding import find

    require_report(report)
    with opened(catalog, must_exist=True) as known:
        found = find(known, query, limit=limit)
    write_report(report, f"What is called {query}", found, clips=[each.path for each in found.found if each.online])
    if json:
        print_json(found.to_json())
        return 0 if found.found else 3
    for copy in found.found:
        say(line_of(copy))
    if not found.found:
        say(f"Nothing is called {query}.")
    return 0 if found.found else 3
