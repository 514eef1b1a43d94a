"""`film-archive`: the list of verbs, and what becomes of an error."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import typer

from film_archive.cli.direct import direct
from film_archive.core.process import all_written, outlast_readers, stop_on_sigterm, stopped_status


def run(arguments: list[str] | None = None) -> NoReturn:
    """The console script. Ends with the exit status of the error tree; never with a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    outlast_readers()
    if arguments == ["--version"]:  # without loading anything
        from film_archive import __version__

        print(f"film-archive {__version__}")
        sys.exit(0)
    try:
        stop_on_sigterm()
        work = _work(arguments)
    except KeyboardInterrupt:
        print("film-archive: Stopped before anything was begun.", file=sys.stderr)
        sys.exit(stopped_status())
    # Listings of a hundred thousand files hold no cycles; looking for some at each 700 new values took a fifth of the time.
    gc.set_threshold(100_000, 20, 20)
    sys.exit(all_written("film-archive", work()))


def _work(arguments: list[str]) -> Callable[[], int]:
    """What is to be run, with what it needs loaded."""
    debug = bool(os.environ.get("FILM_ARCHIVE_DEBUG"))
    plain = direct(arguments)
    if plain is not None:
        from film_archive.cli.ending import status_of

        return partial(status_of, plain, "film-archive", arguments, debug=debug)
    from film_archive.cli.running import run_app

    return partial(run_app, application(arguments), "film-archive", arguments, debug=debug)


VERBS = (
    "demo", "probe", "create", "add", "ls", "check", "repair", "unpack", "proxy", "extract", "edl", "pull", "repo",
    "bundle", "serve", "offload", "safe", "where", "find", "library", "catalog", "tape",
)  # fmt: skip
"""In the order in which help lists them."""


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line, with the verb that the arguments begin with, else with all."""
    import typer

    from film_archive.cli.loading import add_verbs
    from film_archive.cli.running import Verbs

    app = typer.Typer(
        name="film-archive",
        cls=Verbs,
        help="Keeps a film, from the camera card to the tape shelf.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def options(
        version: bool = typer.Option(False, "--version", help="Print the version."),
    ) -> None:
        """Keeps a film, from the camera card to the tape shelf."""

    add_verbs(app, "film_archive.cli", VERBS, arguments)
    return app
