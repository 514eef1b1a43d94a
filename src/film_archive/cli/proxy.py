"""`proxy (ARCHIVE | MEDIA…)`: small versions of clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from film_archive.cli import attach
from film_archive.cli.output import print_json, say
from film_archive.cli.proxy_options import ProxyOptions, sizes_of, with_proxy_options
from film_archive.core.wording import amount

if TYPE_CHECKING:
    from film_archive.workflows.proxies import ProxiesMade, ProxyPlan


def register(app: typer.Typer) -> None:
    app.command("proxy")(with_proxy_options(proxy_verb))
    attach.register(app)


def proxy_verb(
    *,
    media: list[Path] = typer.Argument(
        ..., help="Archives (their clips' proxies go into them), or media files, image sequences, folders of them."
    ),
    sizes: str | None = typer.Option(
        None,
        "--sizes",
        help="thumbnail, preview, editorial, 1280x720@3M, …; else thumbnail and preview, for the edit editorial.",
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="The folder for proxies of media files."
    ),
    program: str | None = typer.Option(
        None, "--for", help="resolve, premiere or avid: in the form and place where it looks for proxies of media files."
    ),
    how: ProxyOptions,
    rate: str | None = typer.Option(None, "--rate", help="The rate of images that have none: 24, 25, 30000/1001, …"),
    log: Path | None = typer.Option(
        None, "--log", help="An ALE or CSV list that tells start timecode and reel where the media files don't."
    ),
    workers: int | None = typer.Option(None, "--workers", min=1, help="How many pieces are made at once."),
    abandon: bool = typer.Option(False, "--abandon", help="Remove what a killed run has left, and stop."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be made."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make proxies from one decode of each clip; each is proven to have every frame and the start timecode.

    `proxy attach ORIGINAL FILE…` adopts proxies that were made elsewhere.
    """
    from film_archive.cli.create import show_abandoned
    from film_archive.cli.progress import progress
    from film_archive.proxy.companions import Program
    from film_archive.workflows.clip_logs import LogFile
    from film_archive.workflows.proxies import abandon_proxies, apply_proxies, as_planned, plan_proxies

    editor = None if program is None else Program.named(program)
    if abandon:
        return show_abandoned(abandon_proxies(media, output=output, program=editor), json, *media)
    recipe = how.recipe(None if editor is None else editor.codecs[0])
    plan = plan_proxies(
        media,
        sizes_of(sizes, recipe),
        output=output,
        recipe=recipe,
        program=editor,
        rate=rate,
        log=None if log is None else LogFile.at(log, rate),
    )
    if dry_run:
        done = as_planned(plan)
    else:
        with progress() as counted:
            done = apply_proxies(plan, progress=counted, workers=workers)
    if json:
        print_json({**done.to_json(), "plan": plan.to_json()} if dry_run else done.to_json())
    else:
        _show(done, plan, dry_run)
    return done.exit_status


def _show(done: ProxiesMade, plan: ProxyPlan, dry_run: bool) -> None:
    if dry_run:
        _show_plan(plan)
    for proxy in done.proxies:
        start = f"from {proxy.start_timecode}" if proxy.start_timecode else "without a start timecode"
        beside = f", and {amount(len(proxy.beside), 'file')} beside it" if proxy.beside else ""
        say(f"{proxy.output}: {proxy.width}×{proxy.height}, {amount(proxy.frames, 'frame')} {start}{beside}")
    for still in done.stills:
        say(f"{still.kind}: {', '.join(still.outputs)}")
    for note in done.notes:
        say(f"note: {note}")
    if done.damaged:
        many = "1 frame" if done.damaged == 1 else f"up to {amount(done.damaged, 'frame')}"
        say(f"note: {many} of a clip could not be decoded; its proxies show the frame before in that place")
    for failure in done.failed:
        say(failure.sentence())
    if done.current:
        say(f"{amount(done.current, 'proxy was', 'proxies were')} there already")
    if dry_run:
        count = sum(len(step.proxies) for step in plan.steps)
        say(f"Would make {amount(count, 'proxy', 'proxies')} of {amount(len(plan.steps), 'clip')}.")
    else:
        rate = f" ({done.fps:.0f} frames a second)" if done.fps else ""
        made = amount(len(done.proxies), "proxy", "proxies")
        say(f"{made}, {amount(done.frames, 'frame')} in {done.seconds:.1f} s{rate}")


def _show_plan(plan: ProxyPlan) -> None:
    for step in plan.steps:
        for wanted in step.proxies:
            say(f"{step.name}: would make {wanted.output} ({wanted.size}, {plan.recipe.codec}, {amount(step.frames, 'frame')})")
            for path in wanted.beside:
                say(f"{step.name}: would make {path}")
        for still in step.stills:
            say(f"{step.name}: would make {', '.join(still.outputs)}")
