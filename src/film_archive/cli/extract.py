"""`extract SOURCE[::MEMBER]`: exactly these frames, by timecode."""

from __future__ import annotations

from pathlib import Path

import typer

from film_archive.cli.output import print_json, say, size_text
from film_archive.core.wording import amount


def register(app: typer.Typer) -> None:
    app.command("extract")(extract_verb)


def extract_verb(
    source: str = typer.Argument(..., help="A media file, a sequence (a.####.exr), or ARCHIVE::MEMBER."),
    in_point: str = typer.Option(..., "--in", help="First frame: source timecode, or its number."),
    out_point: str | None = typer.Option(None, "--out", help="The frame after the last one (exclusive)."),
    duration: str | None = typer.Option(None, "--duration", help="Length as timecode or in frames, instead of --out."),
    handles: int = typer.Option(0, "--handles", help="Frames more on each side, as far as the media has them."),
    output: Path = typer.Option(..., "--output", "-o", help="The file to write; of a sequence a folder."),
    start: str | None = typer.Option(None, "--start", help="The media's start timecode, where it has none."),
    rate: str | None = typer.Option(None, "--rate", help="The rate that --start counts at (24, 29.97df, 30000/1001)."),
    log: Path | None = typer.Option(
        None, "--log", help="An ALE or CSV list that tells start timecode and reel where the clip doesn't."
    ),
    link: bool = typer.Option(False, "--link", help="Hard-link a sequence's files where the file system can."),
    mode: str = typer.Option(
        "copy",
        "--mode",
        help="Of clips whose frames need each other: copy (whole GOPs, an edit list), smart (partial GOPs encoded), encode.",
    ),
    sidecar: bool = typer.Option(True, help="Write OUTPUT.json, which says what the cut was made from."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say what would be cut."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> int:
    """Cut a range out of a clip: the very bytes of its frames, its sound to the sample, its timecode shifted."""
    from film_archive.cli.progress import progress
    from film_archive.workflows.clip_logs import ClipLog
    from film_archive.workflows.extraction import apply_extract, as_planned, mode_of, plan_extract

    plan = plan_extract(
        source,
        output,
        in_point=in_point,
        out_point=out_point,
        duration=duration,
        handles=handles,
        start=start,
        rate=rate,
        log=None if log is None else ClipLog.read(log, rate),
        link=link,
        mode=mode_of(mode),
        sidecar=sidecar,
    )
    if dry_run:
        done = as_planned(plan)
    else:
        with progress() as counted:
            done = apply_extract(plan, progress=counted)
    if json:
        print_json({**done.to_json(), "plan": plan.to_json()} if dry_run else done.to_json())
        return 0
    start_text = f" from {done.start_timecode}" if done.start_timecode else ""
    say(
        f"{'Would cut' if dry_run else 'Cut'} {amount(done.frames, 'frame')}{start_text} (frame {done.first_frame} of "
        f"the clip, handles {done.head_handle} + {done.tail_handle}) to {done.output}"
    )
    if not dry_run:
        say(f"{size_text(done.bytes_read)} read, {size_text(done.bytes_shared)} shared, {done.seconds:.2f} s")
    if done.frames_checked:
        say(f"{amount(done.frames_checked, 'frame')} held against the archive's digests: what was archived")
    if done.stored_from is not None and done.stored_from < done.first_frame:
        say(
            f"note: frames {done.stored_from} to {done.first_frame - 1} lie in the file, too, since decoding begins there; "
            "players don't show them (--mode smart leaves them out)"
        )
    for sentence in done.diagnostics:
        say(f"note: {sentence}")
    if (done.head_handle, done.tail_handle) != (handles, handles):
        say(f"note: the clip has no more than {done.head_handle} + {done.tail_handle} of {handles} handle frames there")
    return 0
