"""`edl LIST`: what a cut list says, and the list in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from film_archive.cli.output import print_json, say, table


def register(app: typer.Typer) -> None:
    app.command("edl")(edl_verb)


def edl_verb(
    edit_list: Path = typer.Argument(
        ..., metavar="LIST", help="EDL, ALE, FCPXML, CSV, OTIO, OTIOZ, OTIOD, AAF or FCP7 XML."
    ),
    rate: str | None = typer.Option(
        None, "--rate", help="What the list counts at (an EDL does not say): 24, 29.97df, …"
    ),
    to: str | None = typer.Option(None, "--to", help="Write it as otio, edl, ale or csv."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The file to write."),
    reel_width: int = typer.Option(32, "--reel-width", min=0, help="Of the EDL that is written; 0 cuts none."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Events, the media that they use, how many frames, and what is odd."""
    from film_archive.workflows.lists import read_edit_list

    report = read_edit_list(edit_list, rate=rate, to=to, output=output, reel_width=reel_width or None)
    if json:
        print_json(report.to_json())
    else:
        _show(report)
    return report.exit_status


def _show(report: Any) -> None:
    edits = report.edits
    counted = (
        f"at {report.rate.text} fps" if report.rate else "without a rate: give it with --rate to have frames counted"
    )
    say(f"{edits.title or report.path}: {len(edits)} events ({edits.format}), {counted}")
    table(_row(event) for event in edits)
    if report.media:
        say()
        say("Media:")
        table(_media_row(each) for each in report.media)
    if report.record_frames is not None:
        say()
        used = "" if report.source_frames is None else f", {report.source_frames} frames of media used"
        say(f"{report.record_frames} frames from first to last{used}")
    for heading, found in (("Odd:", report.oddities), ("Not read, or odd in the file:", edits.diagnostics)):
        if found:
            say()
            say(heading)
            for each in found:
                say(f"  {each}")
    if report.output is not None:
        say()
        say(f"Written to {report.output}")
        for each in report.lost:
            say(f"  lost: {each.what}")


def _row(event: Any) -> list[str]:
    speed = ""
    if event.speed is not None:
        known = event.speed.ratio is not None
        speed = f"{float(event.speed.ratio) * 100:.4g} %" if known else f"{float(event.speed.frames_per_second):g} fps"
    duration = str(event.transition_duration) if event.transition_duration else ""
    record = [event.record_in or "", event.record_out or ""]
    name = event.source_file or event.clip_name or ""
    columns = [event.event, event.reel or "–", event.channels or "", event.transition, duration]
    return [*columns, event.source_in, event.source_out, *record, speed, name]


def _media_row(each: Any) -> list[str]:
    frames = "" if each.frames is None else ("1 frame" if each.frames == 1 else f"{each.frames} frames")
    span = f"{each.first} – {each.end}" if each.first else ""
    count = f"{len(each.events)} events" if len(each.events) > 1 else "1 event"
    return ["  " + (each.source_file or ", ".join(each.clip_names) or "–"), each.reel or "", count, frames, span]
