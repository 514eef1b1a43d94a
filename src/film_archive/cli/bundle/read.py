"""`bundle read BUNDLE DIR`: the timeline and its media as files."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text


def register(app: typer.Typer) -> None:
    app.command("read")(read)


def read(
    bundle: Path = typer.Argument(..., help="An .otioz or .otiod, whoever wrote it."),
    folder: Path = typer.Argument(..., help="Where to: a new or an empty folder."),
    relink: bool = typer.Option(False, "--relink", help="Make the timeline reference the extracted media by absolute URLs."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be written."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Extract an OTIO bundle; a run that was stopped is continued by the same command."""
    from film_archive.cli.progress import progress
    from film_archive.cli.unpack import show_left_out, show_would_write
    from film_archive.core.wording import amount
    from film_archive.workflows.bundle_reading import apply_bundle_read, bundle_read_as_planned, plan_bundle_read

    plan = plan_bundle_read(bundle, folder, relink=relink)
    if dry_run:
        if json:
            print_json({**bundle_read_as_planned(plan).to_json(), "plan": plan.to_json()})
            return 0
        show_would_write(plan)
        return 0
    with progress() as counted:
        done = apply_bundle_read(plan, progress=counted)
    if json:
        print_json(done.to_json())
        return done.exit_status
    show_left_out(done)
    already = f", {len(done.already_there)} were there already" if done.already_there else ""
    relinked = f"; {amount(done.relinked, 'reference')} relinked" if plan.relink else ""
    say(f"{done.timeline}: {amount(len(done.written), 'file')}, {size_text(done.bytes)}, written{already}{relinked}.")
    return done.exit_status
