"""`film-archive tape …`: one file a verb."""

from __future__ import annotations

import typer

from film_archive.cli.tape import format as format_
from film_archive.cli.tape import ls, plan, restore, verify, write


def register(app: typer.Typer) -> None:
    tape = typer.Typer(
        help="LTFS cartridges: plan sets, format, write, verify, find, restore, keep the shelf's catalog.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for verb in (plan, format_, write, verify, ls, restore):
        verb.register(tape)
    app.add_typer(tape, name="tape")
