"""`pull LIST SOURCE… -o DIR`: every event of a list, cut from the media that it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from film_archive.cli.output import print_json, say, size_text, table
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("pull")(pull_verb)


def pull_verb(
    edit_list: Path = typer.Argument(
        ..., metavar="LIST", help="EDL, ALE, FCPXML, CSV, OTIO, OTIOZ, OTIOD, AAF or FCP7 XML."
    ),
    sources: list[str] = typer.Argument(None, metavar="SOURCE…", help="Archives, folders and files with the media."),
    output: Path = typer.Option(..., "--output", "-o", help="The folder for the cuts."),
    handles: int = typer.Option(0, "--handles", help="Frames more on each side, as far as the media has them."),
    rate: str | None = typer.Option(
        None, "--rate", help="What the list counts at (an EDL does not say): 24, 29.97df, … Else as the media count."
    ),
    mapping: Path | None = typer.Option(
        None, "--mapping", help="CSV or JSON that says which media is meant where names do not tell."
    ),
    names: str | None = typer.Option(
        None, "--names", help="Template of the cuts' names, like {event:03}_{reel}_{clip}_{start}."
    ),
    merge: bool = typer.Option(False, "--merge", help="One cut for all ranges of a clip that overlap or touch."),
    with_sound: bool = typer.Option(
        False, "--with-sound", help="Pull along the recordings whose timecode overlaps the picture's."
    ),
    changed_since: Path | None = typer.Option(
        None, "--changed-since", metavar="LIST", help="Leave out what a pull of this older list had."
    ),
    log: Path | None = typer.Option(
        None, "--log", help="An ALE or CSV list that tells start timecode and reel where clips don't."
    ),
    link: bool = typer.Option(False, "--link", help="Hard-link sequences' files where the file system can."),
    mode: str = typer.Option(
        "copy", "--mode", help="Of clips whose frames need each other: copy, smart or encode, as in `extract`."
    ),
    workers: int | None = typer.Option(None, "--workers", min=1, help="How many cuts are made at once."),
    abandon: bool = typer.Option(
        False, "--abandon", help="Remove what a killed run of this pull has left, its cuts too, and stop."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only print the pull list: frames, bytes, time, what is missing."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Cut every event with handles; the very bytes of its frames. Killed, or failed in part, the same command goes on."""
    from film_archive.cli.create import show_abandoned
    from film_archive.cli.progress import progress
    from film_archive.core.errors import UsageError
    from film_archive.editorial.naming import DEFAULT
    from film_archive.workflows.extraction import mode_of
    from film_archive.workflows.pull import PullWishes, abandon_pull, apply_pull, as_planned, plan_pull

    if abandon:
        return show_abandoned(abandon_pull(edit_list, output), json, output)
    if not sources:
        raise UsageError("Name the archives, folders or files that have the media: pull LIST SOURCE… -o DIR.")
    wishes = PullWishes(
        handles=handles,
        rate=rate,
        mapping=mapping,
        template=DEFAULT if names is None else names,
        merge=merge,
        with_sound=with_sound,
        changed_since=changed_since,
        log=log,
        link=link,
        mode=mode_of(mode),
    )
    plan = plan_pull(edit_list, sources, output, wishes)
    if dry_run:
        done = as_planned(plan)
    else:
        with progress() as counted:
            done = apply_pull(plan, workers=workers, progress=counted)
    if json:
        print_json({**done.to_json(), "plan": plan.to_json()} if dry_run else done.to_json())
        return done.exit_status
    _show(done, plan, dry_run)
    return done.exit_status


def _show(done: Any, plan: Any, dry_run: bool) -> None:
    table(_row(event) for event in done.events if event.output is not None or event.status == "unchanged")
    sound = [step for step in plan.steps if step.sound_of is not None]
    if sound:
        say()
        say("Sound:")
        table([f"  {step.output.name}", amount(step.frames, "frame"), step.start_timecode or ""] for step in sound)
    for event in done.events:
        if event.output is not None and event.reason and event.status != "failed":
            say(f"note: event {event.event}: {event.reason}")
    for note in done.notes:
        say(f"note: {note}")
    if done.missing:
        say()
        say("Missing:" if dry_run else "Failed:")
        table([f"  {event.event}", f"line {event.line}", event.status, event.reason or ""] for event in done.missing)
    for failure in done.failed:
        say(failure.sentence())
    say()
    cuts = sum(step.frames for step in plan.steps)
    if dry_run:
        minutes = f"{done.expected_seconds:.0f} s" if done.expected_seconds < 120 else f"{done.expected_seconds / 60:.0f} min"
        say(
            f"Would pull {amount(len(plan.steps), 'cut')}, {amount(cuts, 'frame')}, about {size_text(done.bytes)} into "
            f"{done.folder}: about {minutes} where bytes are copied at 300 MB/s, at once where blocks are shared; "
            f"{amount(len(done.missing), 'event')} missing."
        )
        return
    there = sum(event.status == "there" for event in done.events)
    say(
        f"{amount(len(done.cuts), 'cut')} in {done.folder}: {size_text(done.bytes)} made ({size_text(done.bytes_read)} read, "
        f"{size_text(done.bytes_shared)} shared) in {done.seconds:.1f} s"
        + (f"; there already: {amount(there, 'event')}" if there else "")
        + (f"; failed: {amount(len(done.missing), 'event')}." if done.missing else ".")
    )


def _row(event: Any) -> list[str]:
    if event.output is None:
        return [event.event, event.status, "", "", event.clip or ""]
    frames = f"{amount(event.frames, 'frame')} ({event.head_handle} + {event.tail_handle})"
    return [event.event, event.status, event.output.name, frames, event.clip or ""]
