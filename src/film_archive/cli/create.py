"""`create ARCHIVE SOURCE…`: make an archive."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text


def register(app: typer.Typer) -> None:
    app.command("create")(create)


def create(
    archive: Path | None = typer.Argument(None, help="The archive to make (a zip)."),
    source: list[Path] = typer.Argument(None, help="Files and folders: a folder goes in with its name and all below it."),
    in_place: Path | None = typer.Option(None, "--in-place", help="Make this folder itself the archive; nothing is copied."),
    proxies: str = typer.Option(
        "thumbnail,preview", "--proxies", help="Sizes to embed: thumbnail, preview, editorial, 1280x720@3M, … or none."
    ),
    timeline: Path | None = typer.Option(
        None, "--timeline", help="Carry this OTIO timeline: the archive is an .otioz too, the timeline's media under media/."
    ),
    media_policy: str = typer.Option(
        "error", "--media-policy", help="A reference of the timeline that leads to no file: error, missing or all-missing."
    ),
    media_base: Path | None = typer.Option(None, "--media-base", help="The folder in which relative references begin."),
    digest: list[str] = typer.Option([], "--digest", help="A further digest of each member: md5, sha256, xxh64, c4, blake3."),
    abandon: bool = typer.Option(False, "--abandon", help="Remove what a killed run of this archive has left, and stop."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be archived."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make an archive of files and folders, with their facts, frame indexes and proxies in it."""
    from film_archive.cli.progress import progress
    from film_archive.core.errors import UsageError
    from film_archive.core.ladder import parse_sizes
    from film_archive.workflows.production import abandon_unfinished, create_archive, plan_archive

    if in_place is not None and (archive is not None or source):
        raise UsageError("--in-place takes one folder and nothing else.")
    target = in_place if in_place is not None else archive
    if target is None or not target.name:
        raise UsageError("Name the archive to make and what goes into it: film-archive create ARCHIVE SOURCE…")
    if abandon:
        removed = abandon_unfinished(target)
        if json:
            print_json({"archive": str(target), "abandoned": removed})
        else:
            say("Removed what was unfinished." if removed else "There was nothing unfinished.")
        return 0
    sizes = parse_sizes(proxies)
    cut = None
    if timeline is not None:
        from film_archive.bundles.policy import MediaReferencePolicy
        from film_archive.workflows.timelines import Cut

        cut = Cut(timeline, MediaReferencePolicy.parse(media_policy), media_base)
    elif media_base is not None or media_policy != "error":
        raise UsageError("--media-policy and --media-base say what becomes of a timeline's references; give --timeline too.")
    plan = plan_archive(target, source or (), in_place=in_place is not None, timeline=cut)
    if dry_run:
        return show_plan(plan, json)
    with progress("archiving", plan.gathered.bytes) as on_bytes:
        made = create_archive(
            target,
            source or (),
            in_place=in_place is not None,
            proxies=sizes,
            digests=digest,
            plan=plan,
            on_bytes=on_bytes,
        )
    return show_made(made, json)


def show_plan(plan: object, json: bool) -> int:
    """What a dry run prints."""
    from film_archive.workflows.production import ArchivePlan

    assert isinstance(plan, ArchivePlan)
    if json:
        print_json(plan.to_json())
        return 0
    for entry in plan.gathered.entries:
        say(f"{size_text(entry.size):>10}  {entry.member}{f'  ({entry.original})' if entry.original else ''}")
    if plan.timeline is not None:
        for sentence in plan.timeline.sentences():
            say(f"note: {sentence}")
        say(f"{plan.timeline.cut.path}: {plan.timeline.references} references to {len(plan.timeline.media)} files.")
    say(f"Would archive {plan.gathered.files} files, {size_text(plan.gathered.bytes)}, in {plan.archive}.")
    return 0


def show_made(made: object, json: bool) -> int:
    """What `create` and `add` print when they are done."""
    from film_archive.workflows.filling import Made

    assert isinstance(made, Made)
    if json:
        print_json(made.to_json())
        return 0
    for path, why in made.left_out:
        say(f"left out: {path} {why}")
    for warning in made.warnings:
        say(f"note: {warning}")
    if made.junk:
        say(f"{made.junk} leftovers of operating systems skipped (.DS_Store and the like)")
    if made.reused > 1:
        say(f"{made.reused} members were finished by the run before")
    say(f"{made.archive}: {made.members} members, {size_text(made.bytes)}, {made.proxies} proxies, {made.seconds:.1f} s")
    return 0
