"""`bundle info BUNDLE`: the timeline as a table, and as a picture."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text, table
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("info")(info)


def info(
    bundle: Path = typer.Argument(..., help="An .otioz or .otiod, whoever wrote it, or a timeline alone."),
    svg: Path | None = typer.Option(None, "--svg", help="Write a picture of the timeline here; missing media are red."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Tell what a bundle holds: tracks, clips, and each of its media with where it is."""
    from film_archive.workflows.bundle_contents import bundle_info


    found = bundle_info(bundle, svg=svg)
    if json:
        print_json(found.to_json())
        return 0
    title = found.name or bundle.name
    rate = "" if found.frame_rate is None else f" at {found.frame_rate}"
    counts = f"{amount(found.tracks, 'track')}, {amount(found.clips, 'clip')}"
    say(f"{title}: {counts}, {found.duration_timecode}{rate}")
    table(
        [
            (track.name, track.kind, amount(track.clips, "clip"), f"{track.missing} missing" if track.missing else "")
            for track in reversed(found.track_list)
        ]
    )
    if found.media:
        say()
    table(
        [(medium.status, size_text(medium.size), _files(medium.files, medium.lacking), medium.name) for medium in found.media],
        right=(1,),
    )
    for sentence in found.diagnostics:
        say(sentence)
    if svg is not None:
        say(f"The timeline's picture is {svg}.")
    return 0


def _files(there: int, lacking: int) -> str:
    text = f"{there} files" if there != 1 else ""
    return f"{text}, {lacking} lacking" if lacking else text
