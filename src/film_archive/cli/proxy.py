"""`proxy (ARCHIVE | MEDIA…)`: small versions of clips."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("proxy")(proxy_verb)


def proxy_verb(
    media: list[Path] = typer.Argument(
        ..., help="Archives (their clips' proxies go into them), or media files."
    ),
    sizes: str = typer.Option("thumbnail,preview", "--sizes", help="thumbnail, preview, editorial, 1280x720@3M, …"),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="The folder for proxies of media files."
    ),
    workers: int | None = typer.Option(None, "--workers", min=1, help="How many pieces are made at once."),
    abandon: bool = typer.Option(False, "--abandon", help="Remove what a killed run has left, and stop."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be made."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make proxies from one decode of each clip; each is proven to have every frame and the start timecode."""
    from film_archive.cli.create import show_abandoned
    from film_archive.cli.progress import progress
    from film_archive.core.ladder import parse_sizes
    from film_archive.workflows.proxies import abandon_proxies, apply_proxies, as_planned, plan_proxies

    if abandon:
        return show_abandoned(abandon_proxies(media, output=output), json, *media)
    plan = plan_proxies(media, parse_sizes(sizes), output=output)
    if dry_run:
        done = as_planned(plan)
    else:
        with progress() as counted:
            done = apply_proxies(plan, progress=counted, workers=workers)
    if json:
        print_json({**done.to_json(), "plan": plan.to_json()} if dry_run else done.to_json())
        return done.exit_status
    if dry_run:
        for step in plan.steps:
            for wanted in step.proxies:
                say(f"{step.name}: would make {wanted.output} ({wanted.size}, {step.frames} frames)")
    for proxy in done.proxies:
        start = f"from {proxy.start_timecode}" if proxy.start_timecode else "without a start timecode"
        say(f"{proxy.output}: {proxy.width}×{proxy.height}, {proxy.frames} frames {start}")
    for note in done.notes:
        say(f"note: {note}")
    if done.damaged:
        say(f"note: up to {done.damaged} frames could not be decoded; the proxies show the frame before in their place")
    for failure in done.failed:
        say(failure.sentence())
    if done.current:
        say(f"{done.current} proxies were there already")
    count = sum(len(step.proxies) for step in plan.steps)
    rate = f" ({done.fps:.0f} frames a second)" if done.fps else ""
    if dry_run:
        say(f"Would make {count} proxies of {len(plan.steps)} clips.")
    else:
        say(f"{len(done.proxies)} proxies, {done.frames} frames in {done.seconds:.1f} s{rate}")
    return done.exit_status
