"""`add ARCHIVE SOURCE…`: put more into an archive."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.proxy_options import ProxyOptions, sizes_of, with_proxy_options


def register(app: typer.Typer) -> None:
    app.command("add")(with_proxy_options(add))


def add(
    *,
    archive: Path = typer.Argument(..., help="An archive of either form."),
    source: list[Path] = typer.Argument(None, help="Files and folders, named as for create."),
    proxies: str | None = typer.Option(
        None, "--proxies", help="Sizes to embed for the new clips, or none; else thumbnail and preview."
    ),
    how: ProxyOptions,
    log: Path | None = typer.Option(
        None, "--log", help="An ALE or CSV list that tells start timecode, reel and length where the clips don't."
    ),
    rate: str | None = typer.Option(None, "--rate", help="What the log's timecode counts at, where it does not say."),
    digest: list[str] = typer.Option([], "--digest", help="A further digest of each new member."),
    frame_digests: bool = typer.Option(
        False, "--frame-digests", help="A digest of each frame, by which `check --frames` and cuts can be told frame by frame."
    ),
    abandon: bool = typer.Option(False, "--abandon", help="Undo what a killed add has begun, and stop."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be added."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Put more files into an archive. Killed, it leaves the old archive readable, and the same command completes it."""
    from film_archive.cli.create import abandon_run, log_file, show_made, show_plan
    from film_archive.cli.progress import progress
    from film_archive.workflows.production import apply_add, plan_add

    if abandon:
        return abandon_run(archive, json)
    recipe = how.recipe()
    plan = plan_add(
        archive,
        source or (),
        proxies=sizes_of(proxies, recipe),
        recipe=recipe,
        digests=digest,
        log=log_file(log, rate),
        frame_digests=frame_digests,
    )
    if dry_run:
        return show_plan(plan, json)
    with progress() as counted:
        made = apply_add(plan, progress=counted)
    return show_made(made, json)
