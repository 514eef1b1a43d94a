"""`film-archive tape …`: one file a verb."""

from __future__ import annotations

import typer

from film_archive.cli.tape import catalog, find, import_, locate, ls, migrate, plan, restore, verify, write
from film_archive.cli.tape import format as format_


def register(app: typer.Typer) -> None:
    tape = typer.Typer(
        help="LTFS cartridges: plan sets, format, write, verify, find, restore, keep the shelf's catalog.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for verb in (plan, format_, write, verify, ls, find, restore, import_, migrate, catalog, locate):
        verb.register(tape)
    app.add_typer(tape, name="tape")
