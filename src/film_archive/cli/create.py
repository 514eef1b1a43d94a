"""`create ARCHIVE SOURCE…`: make an archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli.output import print_json, say, size_text
from film_archive.cli.proxy_options import ProxyOptions, sizes_of, with_proxy_options
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.workflows.clip_logs import LogFile
    from film_archive.workflows.filled import Made
    from film_archive.workflows.production import ArchivingPlan


def register(app: typer.Typer) -> None:
    app.command("create")(with_proxy_options(create))


def create(
    *,
    archive: Path | None = typer.Argument(None, help="The archive to make (a zip)."),
    source: list[Path] = typer.Argument(
        None, help="Files and folders: a folder goes in with its name and all below it."
    ),
    in_place: Path | None = typer.Option(
        None, "--in-place", help="Make this folder itself the archive; nothing is copied."
    ),
    proxies: str | None = typer.Option(
        None,
        "--proxies",
        help="Sizes to embed: thumbnail, preview, editorial, 1280x720@3M, … or none; else thumbnail and preview.",
    ),
    how: ProxyOptions,
    timeline: Path | None = typer.Option(
        None, "--timeline", help="Carry this OTIO timeline: the archive is an .otioz too, the timeline's media under media/."
    ),
    media_policy: str = typer.Option(
        "error", "--media-policy", help="A reference of the timeline that leads to no file: error, missing or all-missing."
    ),
    media_base: Path | None = typer.Option(None, "--media-base", help="The folder in which relative references begin."),
    log: Path | None = typer.Option(
        None, "--log", help="An ALE or CSV list that tells start timecode, reel and length where the clips don't."
    ),
    rate: str | None = typer.Option(None, "--rate", help="What the log's timecode counts at, where it does not say."),
    digest: list[str] = typer.Option([], "--digest", help="A further digest of each member: md5, sha256, xxh64, c4, blake3."),
    frame_digests: bool = typer.Option(
        False, "--frame-digests", help="A digest of each frame, by which `check --frames` and cuts can be told frame by frame."
    ),
    abandon: bool = typer.Option(False, "--abandon", help="Remove what a killed run of this archive has left, and stop."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be archived."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make an archive of files and folders, with their facts, frame indexes and proxies in it."""
    from film_archive.cli.progress import progress
    from film_archive.core.errors import UsageError
    from film_archive.workflows.production import apply_create, plan_archive

    if in_place is not None and (archive is not None or source):
        raise UsageError("--in-place takes one folder and nothing else.")
    target = in_place if in_place is not None else archive
    if target is None or (in_place is None and not target.name):
        raise UsageError("Name the archive to make and what goes into it: film-archive create ARCHIVE SOURCE…")
    if abandon:
        return abandon_run(target, json)
    cut = None
    if timeline is not None:
        from film_archive.bundles.policy import MediaReferencePolicy
        from film_archive.workflows.timelines import Cut

        cut = Cut(timeline, MediaReferencePolicy.parse(media_policy), media_base)
    elif media_base is not None or media_policy != "error":
        raise UsageError("--media-policy and --media-base say what becomes of a timeline's references; give --timeline too.")
    recipe = how.recipe()
    plan = plan_archive(
        target,
        source or (),
        in_place=in_place is not None,
        timeline=cut,
        proxies=sizes_of(proxies, recipe),
        recipe=recipe,
        digests=digest,
        log=log_file(log, rate),
        frame_digests=frame_digests,
    )
    if dry_run:
        return show_plan(plan, json)
    with progress() as counted:
        made = apply_create(plan, progress=counted)
    return show_made(made, json)


def log_file(path: Path | None, rate: str | None) -> LogFile | None:
    """The log of --log, which --rate belongs to."""
    from film_archive.core.errors import UsageError
    from film_archive.workflows.clip_logs import LogFile

    if path is None and rate is not None:
        raise UsageError("--rate says what the timecode of a log counts at; give --log too.")
    return None if path is None else LogFile.at(path, rate)


def abandon_run(target: Path, json: bool) -> int:
    """Remove what a killed run has left of an archive, and say whether there was anything."""
    from film_archive.workflows.production import abandon_unfinished

    return show_abandoned(abandon_unfinished(target), json, target)


def show_abandoned(removed: bool, json: bool, *named: Path) -> int:
    """What `--abandon` prints."""
    from film_archive.core.job import Abandoned

    if json:
        print_json(Abandoned(named=tuple(map(str, named)), abandoned=removed).to_json())
    else:
        say("Removed what was unfinished." if removed else "There was nothing unfinished.")
    return 0


def show_plan(plan: ArchivingPlan, json: bool) -> int:
    """What a dry run prints."""
    from film_archive.workflows.production import as_planned, require_room_for

    require_room_for(plan)
    made = as_planned(plan)
    if json:
        print_json({**made.to_json(), "plan": plan.to_json()})
        return made.exit_status
    for step in plan.steps:
        say(f"{size_text(step.size):>10}  {step.member}{f'  ({step.original})' if step.original else ''}")
    _say_left_out(made)
    for warning in made.warnings:
        say(f"note: {warning}")
    carried = getattr(plan, "timeline", None)
    if carried is not None:
        say(f"{carried.path}: {amount(carried.references, 'reference')} to {amount(len(carried.media), 'file')}.")
    sizes = f", and make proxies ({', '.join(plan.proxies)})" if plan.proxies else ""
    say(f"Would archive {amount(made.members, 'member')}, {size_text(made.bytes)}, in {plan.archive}{sizes}.")
    return made.exit_status


def show_made(made: Made, json: bool) -> int:
    """What `create` and `add` print when they are done."""
    if json:
        print_json(made.to_json())
        return made.exit_status
    _say_left_out(made)
    for warning in made.warnings:
        say(f"note: {warning}")
    if made.reused > 1:
        say(f"{amount(made.reused, 'member')} of the run before kept")
    say(
        f"{made.archive}: {amount(made.members, 'member')}, {size_text(made.bytes)}; {amount(made.clips, 'clip')} and "
        f"{amount(made.proxies or 0, 'proxy', 'proxies')} of this run, {made.seconds:.1f} s"
    )
    return made.exit_status


def _say_left_out(made: Made) -> None:
    for left in made.left_out:
        say(f"{'note' if left.ours else 'left out'}: {left.path} {left.reason}")
    if made.junk_skipped:
        say(f"{made.junk_skipped} leftovers of operating systems skipped (.DS_Store and the like)")
