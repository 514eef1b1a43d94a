"""`film-archive repo …`: branches of archives and folders. One file a verb."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Make the verbs known to the command line."""
    from film_archive.cli.repo import (
        add,
        adopt,
        branch,
        branches,
        checkout,
        commit,
        diff,
        export,
        gc,
        init,
        lock,
        log,
        merge,
        mv,
        rm,
        stats,
        status,
        unlock,
        unstage,
        verify,
        where,
    )

    repo = typer.Typer(
        name="repo",
        help="Branches of archives and folders: what changes is stored, the rest stays where it is.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    verbs = (init, branch, branches, add, rm, mv, unstage, commit, status, diff, merge, log, checkout, export, adopt)
    for verb in (*verbs, lock, unlock, gc, verify, stats, where):
        verb.register(repo)
    app.add_typer(repo, name="repo")
