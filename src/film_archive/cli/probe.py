"""`probe MEDIA…`: what a clip is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from film_archive.cli.output import print_json, say
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("probe")(probe_verb)


def probe_verb(
    media: list[str] = typer.Argument(None, help="Files, folders, image sequences, ARCHIVE::MEMBER."),
    engine: bool = typer.Option(False, "--engine", help="Say what decodes and encodes here, instead of probing anything."),
    rate: str | None = typer.Option(
        None, "--rate", help="The rate that timecode kept without one counts at (sound, image headers): 24, 29.97df, …"
    ),
    log: Path | None = typer.Option(
        None, "--log", help="An ALE or CSV list that tells start timecode, reel and length where the clips don't."
    ),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Codec, size, rate, start timecode and reel, frames counted, sound, colour."""
    from film_archive.core.errors import UsageError

    if engine:
        if media:
            raise UsageError("--engine looks at this machine and not at media; leave the media out.")
        return _show_engines(json)
    if not media:
        raise UsageError("Name what is to be probed: film-archive probe MEDIA…")
    from film_archive.workflows.clip_logs import ClipLog
    from film_archive.workflows.probing import probe_all

    found = probe_all(media, rate=rate, log=None if log is None else ClipLog.read(log, rate))
    if json:
        print_json(found.to_json())
        return found.exit_status
    for clip in found.media:
        _show(clip.path, clip.facts)
    for left in found.left_out:
        say(f"left out: {left.path} {left.reason}")
    for failure in found.failed:
        say(failure.sentence())
    return found.exit_status


def _show_engines(json: bool) -> int:
    from film_archive.workflows.engines import engines

    found = engines()
    if json:
        print_json(found.to_json())
        return 0
    say(f"PyAV {found.pyav} with FFmpeg {found.ffmpeg}")
    say("  decoders: " + ", ".join(f"{codec}: {name or 'none'}" for codec, name in found.decoders.items()))
    say("  encoders: " + ", ".join(f"{codec}: {name or 'none'}" for codec, name in found.encoders.items()))
    say(found.prores)
    say("hardware: " + ", ".join(f"{name} {what}" for name, what in found.hardware.items()))
    say(f"--hardware uses {found.hardware_encoder or 'x264, as none of them works'}")
    say(f"OpenImageIO {found.images or 'is not there'}, OpenColorIO {found.colour or 'is not there'}")
    say(f"proxies are made by {found.workers} threads unless --workers says otherwise")
    return 0


def _show(path: str, facts: Any) -> None:
    say(path)
    size = f"{facts.width}×{facts.height}" if facts.width else ""
    rate = f"{facts.frame_rate.text} fps" if facts.frame_rate else ""
    depth = f"{facts.bit_depth} bit" if facts.bit_depth else ""
    words = [facts.container, facts.codec, facts.profile, size, rate, facts.scan, depth, "variable rate" if facts.vfr else ""]
    say("  " + "  ".join(str(word) for word in words if word))
    if facts.frames is not None or facts.start_timecode or facts.reel:
        frames = "" if facts.frames is None else f"{amount(facts.frames, 'frame')}{' ' if facts.start_timecode else ', '}"
        start = f"from {facts.start_timecode} ({facts.start_source})" if facts.start_timecode else "no start timecode"
        reel = f", reel {facts.reel} ({facts.reel_source})" if facts.reel else ""
        say(f"  {frames}{start}{reel}")
    for track in facts.audio:
        say(f"  sound: {track.codec}, {amount(track.channels, 'channel')}, {track.sample_rate} Hz")
    color = [facts.color.primaries, facts.color.transfer, facts.color.matrix, facts.color.range, facts.color.space]
    if any(color):
        say("  colour: " + " / ".join(str(tag or "–") for tag in color[:4]) + (f" {color[4]}" if color[4] else ""))
    if facts.missing:
        say("  missing: " + ", ".join(f"{hole.first}–{hole.end - 1}" for hole in facts.missing))
    if facts.created:
        say(f"  created {facts.created} ({facts.created_source})")
    for sentence in (*facts.diagnostics, *([facts.note] if facts.note else [])):
        say(f"  note: {sentence}")
