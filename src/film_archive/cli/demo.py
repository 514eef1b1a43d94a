"""`demo [DIR]`: see it work on real media."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text
from film_archive.core.source import printable


def register(app: typer.Typer) -> None:
    app.command("demo")(demo_verb)


def demo_verb(
    folder: Path | None = typer.Argument(None, help="A new folder for it (default: ./film-archive-demo)."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be made, and where."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make small real footage, then archive, check and cut it: the main job, in a minute."""
    from film_archive.cli.progress import progress
    from film_archive.workflows.demo import as_planned, free_folder, plan_demo, run_demo

    where = folder if folder is not None else free_folder()
    if dry_run:
        plan = plan_demo(where)
        if json:
            print_json({**as_planned(plan).to_json(), "plan": plan.to_json()})
            return 0
        say(f"In {printable(where)}, up to {size_text(plan.bytes)}, it would:")
        for step in plan.steps:
            say(f"    {step.does}")
        return 0
    with progress() as counted:
        done = run_demo(where, (lambda text: print(text, file=sys.stderr)) if json else say, progress=counted)
    if json:
        print_json(done.to_json())
    return 0
