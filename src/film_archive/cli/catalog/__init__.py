"""`film-archive catalog …`: one file a verb."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from film_archive.cli.loading import add_group

VERBS = ("rebuild", "export")


def register(app: typer.Typer, words: Sequence[str] = ()) -> None:
    """Make the verbs known to the command line, or the one that `words` begin with."""
    add_group(
        app,
        __name__,
        VERBS,
        words,
        name="catalog",
        help="The catalog: made again, written out.",
    )
