"""`demo [DIR]`: see it work on real media."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("demo")(demo_verb)


def demo_verb(
    folder: Path | None = typer.Argument(None, help="A new folder for it (default: ./film-archive-demo)."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make small real footage, then archive, check and cut it: the main job, in a minute."""
    from film_archive.cli.progress import progress
    from film_archive.workflows.demo import free_folder, run_demo

    where = folder if folder is not None else free_folder()
    with progress() as counted:
        done = run_demo(where, (lambda text: print(text, file=sys.stderr)) if json else say, progress=counted)
    if json:
        print_json(done.to_json())
    return 0
