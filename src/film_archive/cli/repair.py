"""`repair ARCHIVE`: make the newest whole generation the archive again."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("repair")(repair_verb)


def repair_verb(
    archive: Path = typer.Argument(..., help="An archive of either form."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be done."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Mend an archive's structure; the members' own bytes are never changed."""
    from film_archive.workflows.mending import apply_repair, as_planned, plan_repair

    plan = plan_repair(archive)
    result = as_planned(plan) if dry_run else apply_repair(plan)
    if json:
        print_json({**result.to_json(), "plan": plan.to_json()} if dry_run else result.to_json())
        return result.exit_status
    if dry_run:
        for step in plan.steps:
            say(f"Would {step.would}.")
    else:
        for sentence in result.done:
            say(sentence)
    for lost in result.lost:
        say(f"lost: {lost.path}: {lost.what}")
    if not plan.steps:
        what = "The structure is whole" if result.lost else "Nothing was wrong with the structure"
        say(f"{what}; nothing is to be done." if dry_run else f"{what}.")
        say("The members' bytes were not read: `check` does that, and what it finds damaged comes from another copy.")
    if result.generation is not None:
        say(f"Generation {result.generation} with {amount(result.members or 0, 'member')}.")
    return result.exit_status
