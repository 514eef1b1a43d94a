"""`bundle (write | read | info | check)`: OTIO bundles, one file a verb."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from film_archive.cli.loading import add_group

VERBS = ("write", "read", "info", "check")


def register(app: typer.Typer, words: Sequence[str] = ()) -> None:
    """Make the verbs known to the command line, or the one that `words` begin with."""
    add_group(
        app,
        __name__,
        VERBS,
        words,
        name="bundle",
        help="OTIO bundles: a timeline and the media that it references, in one .otioz file or one .otiod folder.",
    )
