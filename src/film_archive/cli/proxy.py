"""`proxy (ARCHIVE | MEDIA…)`: small versions of clips."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say


def register(app: typer.Typer) -> None:
    app.command("proxy")(proxy_verb)


def proxy_verb(
    media: list[Path] = typer.Argument(..., help="Archives (their clips' proxies go into them), or media files."),
    sizes: str = typer.Option("thumbnail,preview", "--sizes", help="thumbnail, preview, editorial, 1280x720@3M, …"),
    output: Path | None = typer.Option(None, "--output", "-o", help="The folder for proxies of media files."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Make proxies from one decode of each clip; each is proven to have every frame and the start timecode."""
    from film_archive.core.ladder import parse_sizes
    from film_archive.workflows.proxies import make_proxies

    done = make_proxies(media, parse_sizes(sizes), output=output)
    if json:
        print_json(done.to_json())
        return done.exit_status
    for proxy in done.made:
        say(f"{proxy['output']}: {proxy['width']}×{proxy['height']}, {proxy['frames']} frames from {proxy['start_timecode']}")
    if done.damaged:
        say(f"note: up to {done.damaged} frames could not be decoded; the proxies show the frame before in their place")
    for path, error in done.failed:
        say(f"{path}: {error}")
    rate = done.frames / done.seconds if done.seconds else 0
    say(f"{len(done.made)} proxies, {done.frames} frames in {done.seconds:.1f} s ({rate:.0f} frames a second)")
    return done.exit_status
