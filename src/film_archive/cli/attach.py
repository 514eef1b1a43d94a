"""`proxy attach ORIGINAL FILE…`: proxies that were made elsewhere, adopted after they have proven to be the original's."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("proxy attach")(attach_verb)


def attach_verb(
    original: str = typer.Argument(..., help="ARCHIVE::MEMBER, or a clip's file: of a folder archive, or any with -o."),
    file: list[Path] = typer.Argument(..., help="Proxies of it, as a lab made them."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The folder for proxies of a file that is in no archive."),
    lut: Path | None = typer.Option(None, "--lut", help="The look-up table that the lab put the pictures through."),
    cdl: Path | None = typer.Option(None, "--cdl", help="The ASC CDL that it corrected them by."),
    view: str | None = typer.Option(None, "--view", help="The OpenColorIO view that it showed them through."),
    source_colorspace: str | None = typer.Option(None, "--source-colorspace", help="What the view starts from."),
    config: str | None = typer.Option(None, "--config", help="The OpenColorIO config of the view."),
    graded: bool = typer.Option(False, "--graded", help="Colours were changed in ways that nobody knows: compare shapes only."),
    log: Path | None = typer.Option(
        None, "--log", help="An ALE or CSV list that tells start timecode and length where the original doesn't."
    ),
    rate: str | None = typer.Option(None, "--rate", help="The rate of images that have none, and of the log."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Compare frames and timecode, and say what would be attached."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Adopt proxies that were made elsewhere, after proving frames, timecode and, where it can be decoded, pictures."""
    from film_archive.proxy.recipe import Recipe
    from film_archive.workflows.attaching import apply_attach, attach_as_planned, plan_attach
    from film_archive.workflows.clip_logs import LogFile

    plan = plan_attach(
        original,
        file,
        output=output,
        recipe=Recipe(lut=lut, cdl=cdl, view=view, space=source_colorspace, config=config),
        graded=graded,
        rate=rate,
        log=None if log is None else LogFile.at(log, rate),
    )
    done = attach_as_planned(plan) if dry_run else apply_attach(plan)
    if json:
        print_json({**done.to_json(), "plan": plan.to_json()} if dry_run else done.to_json())
        return done.exit_status
    if dry_run:
        for step in plan.steps:
            say(f"{step.file}: would become {step.output}")
    for proxy in done.attached:
        start = f"from {proxy.start_timecode}" if proxy.start_timecode else "without a start timecode"
        count = amount(proxy.pictures_compared, "picture")
        compared = f"{count} compared" if proxy.not_compared is None else "pictures not compared"
        say(f"{proxy.file}: attached as {proxy.output} ({amount(proxy.frames, 'frame')} {start}, {compared})")
        if proxy.not_compared is not None:
            say(f"note: {proxy.not_compared}")
    for failure in done.failed:
        say(failure.sentence())
    return done.exit_status
