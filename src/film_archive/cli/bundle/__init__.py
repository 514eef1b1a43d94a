"""`bundle (write | read | info | check)`: OTIO bundles, one file a verb."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    from film_archive.cli.bundle import check, info, read, write

    verbs = typer.Typer(
        name="bundle",
        help="OTIO bundles: a timeline and the media that it references, in one .otioz file or one .otiod folder.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for verb in (write, read, info, check):
        verb.register(verbs)
    app.add_typer(verbs)
