"""`film-archive library …`: one file a verb."""

from __future__ import annotations

import typer

from film_archive.cli.library import archive, burned, crawl, dupes, ingest, sort, undo, verify


def register(app: typer.Typer) -> None:
    library = typer.Typer(
        help="Drives and folders: ingest, crawl, find duplicates, sort, pack volumes, verify.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for verb in (ingest, crawl, dupes, sort, undo, archive, burned, verify):
        verb.register(library)
    app.add_typer(library, name="library")
