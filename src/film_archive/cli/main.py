"""`film-archive`: the list of verbs, and what becomes of an error."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def run(arguments: list[str] | None = None) -> NoReturn:
    """The console script. Ends with the exit status of the error tree; never with a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments == ["--version"]:  # without loading anything
        from film_archive import __version__

        print(f"film-archive {__version__}")
        sys.exit(0)
    try:
        signal.signal(signal.SIGTERM, _terminated)
        from film_archive.cli.running import run_app

        app = _app()
    except KeyboardInterrupt:
        print("film-archive: Stopped before anything was begun.", file=sys.stderr)
        sys.exit(130)
    sys.exit(run_app(app, "film-archive", arguments, debug=bool(os.environ.get("FILM_ARCHIVE_DEBUG"))))


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _app() -> object:
    import typer

    from film_archive.cli import (
        add,
        attach,
        bundle,
        catalog,
        check,
        create,
        demo,
        edl,
        extract,
        find,
        library,
        ls,
        offload,
        probe,
        proxy,
        pull,
        repair,
        repo,
        safe,
        serve,
        tape,
        unpack,
        where,
    )
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

    archives = (demo, probe, create, add, ls, check, repair, unpack, proxy, attach, extract, edl, pull, repo, bundle, serve)
    for verb in (*archives, offload, safe, where, find, library, catalog, tape):
        verb.register(app)
    return app
