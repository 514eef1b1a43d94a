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
    plan = plan_archive(target, source or (), in_place=in_place is not None)
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
        say(f"{size_text(entry.size):>10}  {entry.member}")
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
