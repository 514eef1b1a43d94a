"""`film-archive repo …`: branches of archives and folders. One file a verb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

VERBS = (
    "init", "branch", "branches", "add", "rm", "mv", "unstage", "commit", "status", "diff", "merge", "log",
    "checkout", "export", "import_", "adopt", "chunking", "lock", "unlock", "gc", "verify", "stats", "where",
)


def register(app: typer.Typer, words: Sequence[str] = ()) -> None:
    """Make the verbs known to the command line, or the one that `words` begin with."""
    from film_archive.cli.loading import add_group

    add_group(
        app,
        __name__,
        VERBS,
        words,
        name="repo",
        help="Branches of archives and folders: what changes is stored, the rest stays where it is.",
    )
