"""`film-archive library …`: one file a verb."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from film_archive.cli.loading import add_group

VERBS = ("ingest", "crawl", "dupes", "sort", "undo", "archive", "burned", "verify")


def register(app: typer.Typer, words: Sequence[str] = ()) -> None:
    """Make the verbs known to the command line, or the one that `words` begin with."""
    add_group(
        app,
        __name__,
        VERBS,
        words,
        name="library",
        help="Drives and folders: ingest, crawl, find duplicates, sort, pack volumes, verify.",
    )
