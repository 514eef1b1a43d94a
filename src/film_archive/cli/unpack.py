"""`unpack ARCHIVE DIR`: the files again, as they were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.output import print_json, say, size_text
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.workflows.unpacking import Unpacked, UnpackPlan


def register(app: typer.Typer) -> None:
    app.command("unpack")(unpack_verb)


def unpack_verb(
    archive: Path = typer.Argument(..., help="An archive, or any zip."),
    folder: Path = typer.Argument(
        ..., help="Where to; made where it is not there. Nothing in it is overwritten."
    ),
    member: list[str] = typer.Option([], "--member", "-m", help="Only this member, or all in this folder (again for more)."),
    everything: bool = typer.Option(False, "--all", help="Also our own data: manifest's proxies and frame indexes."),
    abandon: bool = typer.Option(False, "--abandon", help="Remove what a killed run left unfinished, and stop."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be written."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Write an archive's members as files, each proven by its digest; exit status 12 where links were left out."""
    from film_archive.cli.create import show_abandoned
    from film_archive.cli.progress import progress
    from film_archive.workflows.unpacking import abandon_unpack, apply_unpack, as_planned, plan_unpack

    if abandon:
        return show_abandoned(abandon_unpack(archive, folder), json, archive, folder)
    plan = plan_unpack(archive, folder, everything=everything, only=member or None)
    if dry_run:
        if json:
            print_json({**as_planned(plan).to_json(), "plan": plan.to_json()})
            return 0
        show_would_write(plan)
        return 0
    with progress() as counted:
        done = apply_unpack(plan, progress=counted)
    if json:
        print_json(done.to_json())
        return done.exit_status
    show_left_out(done)
    already = f", {len(done.already_there)} were there already" if done.already_there else ""
    left_out = f"; {amount(len(done.skipped), 'link')} left out" if done.skipped else ""
    say(f"{amount(len(done.written), 'file')}, {size_text(done.bytes)}, written below {folder}{already}{left_out}.")
    return done.exit_status


def show_would_write(plan: UnpackPlan) -> None:
    """What a dry run prints."""
    for step in plan.steps:
        say(f"{size_text(step.size):>10}  {step.member}")
    say(f"Would write {amount(len(plan.steps), 'member')}, {size_text(plan.size)}, below {plan.folder}.")


def show_left_out(done: Unpacked) -> None:
    """What was not written, and why, and whether that may not be all."""
    if done.caution is not None:
        say(f"note: {done.caution}")
    for left in done.skipped:
        say(f"left out: {left.path} {left.reason}")
    for failed in done.failed:
        say(failed.reason if failed.path in failed.reason else f"{failed.path}: {failed.reason}")
