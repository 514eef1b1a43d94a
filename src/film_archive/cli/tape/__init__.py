"""`film-archive tape …`: one file a verb."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from film_archive.cli.loading import add_group

VERBS = ("plan", "format", "write", "verify", "ls", "find", "restore", "import_", "migrate", "catalog", "locate")


def register(app: typer.Typer, words: Sequence[str] = ()) -> None:
    """Make the verbs known to the command line, or the one that `words` begin with."""
    add_group(
        app,
        __name__,
        VERBS,
        words,
        name="tape",
        help="LTFS cartridges: plan sets, format, write, verify, find, restore, keep the shelf's catalog.",
    )
