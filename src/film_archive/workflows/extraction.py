"""Cutting a range out of a file, an image sequence or an archive's member."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, NoSpace, PartlyDone, Refused, UsageError
from film_archive.core.files import OnBytes
from film_archive.core.job import Plan, Report, require_unchanged
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange
from film_archive.media.cutting.cuttable import CutResult, Cuttable
from film_archive.media.cutting.recoding import Mode, in_mode
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.clips import OpenedClip, open_to_cut
from film_archive.workflows.cut_records import record_of, sidecar_of, write_sidecar
from film_archive.workflows.cut_steps import CutStep
from film_archive.workflows.cuts import Cut, CutRequest, counted_as, find_cut
from film_archive.workflows.frame_proof import require_frames
from film_archive.workflows.locating import OpenArchives


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractPlan(Plan):
    """What would be cut."""

    verb: ClassVar[str] = "extract"
    steps: tuple[CutStep, ...]
    """One cut."""
    sidecar: bool = False
    """Whether it is written down beside the cut where it comes from."""
    diagnostics: tuple[str, ...]
    """How the timecodes were read, each one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted(Report):
    """What was cut. Frame numbers are those of the source, from 0."""

    output: Path
    """The file that was written; of a sequence the folder."""
    first_frame: int
    """Its first frame's number in the source, from 0, handles counted in."""
    frames: int
    """How many it has."""
    start_timecode: str | None
    """Of its first frame; null where the clip has no timecode."""
    head_handle: int
    """Frames of handle before that it really has."""
    tail_handle: int
    """Frames of handle behind."""
    mode: str
    """How it was cut: "copy" where no frame was encoded again, "smart" where those of partial GOPs were, "encode" where all
    were; "plan" with `--dry-run`."""
    stored_from: int | None
    """The first frame whose bytes are in the file: earlier than `first_frame` where decoding needs it."""
    bytes_read: int
    """Read from the source."""
    bytes_shared: int
    """Of these, shared with it instead of copied: as blocks or, with `--link`, as hard links."""
    frames_checked: int
    """Frames of the cut that were held against the archive's digests of them, and are what was archived."""
    sidecar: Path | None
    """Where it is written down what the cut was made from; null where that was not wished."""
    missing: tuple[int, ...]
    """Of a sequence, numbers of files that are not there, and so not in the cut."""
    diagnostics: tuple[str, ...]
    """What is to be known, each one sentence."""


def plan_extract(
    what: str,
    output: Path,
    *,
    in_point: str,
    out_point: str | None = None,
    duration: str | None = None,
    handles: int = 0,
    start: str | None = None,
    rate: str | None = None,
    log: ClipLog | None = None,
    link: bool = False,
    mode: Mode = Mode.COPY,
    sidecar: bool = False,
) -> ExtractPlan:
    """Find the frames of SOURCE[::MEMBER] from `in_point` to just before `out_point` (or for `duration`), with handles.

    Points are source timecode, or numbers of frames (of a sequence's files, else from 0). `start` gives the media a start
    timecode that it does not have, as a `log` may; `rate` the rate that it counts at. `mode` is for clips whose frames need
    each other. With `sidecar`, OUTPUT.json will say what the cut was made from. Raises OutOfRange, TimecodeUnknown, Refused
    where the output exists, NotSupported where it can't be cut so.
    """
    with open_to_cut(what, rate=rate, log=log) as opened:
        cut = find_cut(opened.clip, CutRequest(in_point, out_point, duration, handles, start, rate))
        output, notes = named(output, in_mode(opened.clip, mode))
        files.require_folder_for(output)
        for path in (output, sidecar_of(output)) if sidecar else (output,):
            if os.path.lexists(path):
                raise Refused(f"{printable(path)} exists already; nothing was changed.")
        step = CutStep(**step_of(what, opened, cut, rate), output=output, link=link, mode=mode)
    return ExtractPlan(steps=(step,), sidecar=sidecar, diagnostics=(*notes, *cut.notes))


def mode_of(text: str) -> Mode:
    """A mode as a user writes it. Raises UsageError."""
    try:
        return Mode(text)
    except ValueError:
        raise UsageError(f"There is no mode {text[:20]!r}; there are {', '.join(Mode)}.") from None


def step_of(what: str, opened: OpenedClip, cut: Cut, rate: str | None) -> dict[str, Any]:
    """What a step says of a cut that was found, but for where it goes."""
    selection, begins = cut.selection, cut.clip.start
    return {
        "source": what,
        "identity": opened.identity,
        "size": opened.size * selection.frames.count // max(1, opened.clip.frames),
        "first_frame": selection.frames.first,
        "frames": selection.frames.count,
        "head_handle": selection.head_handle,
        "tail_handle": selection.tail_handle,
        "start_timecode": None if cut.start is None else str(cut.start),
        "clip_start": None if begins is None else str(begins),
        "clip_start_rate": None if begins is None else str(begins.rate),
        "reel": cut.clip.reel,
        "rate": rate,
        "digest": opened.digest,
    }


def apply_step(
    step: CutStep, *, on_bytes: OnBytes | None = None, archives: OpenArchives | None = None
) -> CutResult:
    """Cut what one step says. Raises SourceChanged where the clip is not what it was when it was planned, NoSpace, Refused.

    Where an archive has digests of the clip's frames, those of the cut are held against them; raises Damaged.
    """
    with open_to_cut(step.source, rate=step.rate, link=step.link, archives=archives) as opened:
        require_unchanged(opened.clip.name, step.identity, opened.identity)
        frames = FrameRange(step.first_frame, step.first_frame + step.frames)
        try:
            result = as_planned_clip(opened.clip, step).cut(frames, step.output, on_bytes=on_bytes)
        except NoSpace as error:
            raise NoSpace(
                f"{str(error).rstrip('.')}; nothing was left there. Run the same command again when there is room."
            ) from error
        return replace(result, frames_checked=require_frames(opened.clip.name, opened.frame_digests, result))


def as_planned_clip(clip: Cuttable, step: CutStep) -> Cuttable:
    """The clip with the start timecode and reel of the plan, which may be the caller's or a log's, to be cut in its mode."""
    return in_mode(counted_as(clip, step.clip_start, step.clip_start_rate, step.reel), step.mode)


def apply_extract(plan: ExtractPlan, *, progress: Progress | None = None) -> Extracted:
    """Cut what is planned. Raises SourceChanged where the clip is not what it was when it was planned, NoSpace, Refused."""
    begun = time.monotonic()
    progress = progress or quiet()
    (step,) = plan.steps
    progress.begin(Phase.CUTTING, printable(step.output.name))
    progress.expect(Phase.CUTTING, step.size)
    result = apply_step(step, on_bytes=progress.counting(Phase.CUTTING))
    return _extracted(
        step,
        sidecar=_written_down(step, result) if plan.sidecar else None,
        mode=result.mode,
        stored_from=result.stored_from,
        bytes_read=result.bytes_read,
        bytes_shared=result.shared,
        frames_checked=result.frames_checked,
        missing=result.missing,
        diagnostics=(*plan.diagnostics, *result.diagnostics),
        seconds=time.monotonic() - begun,
    )


def _written_down(step: CutStep, result: CutResult) -> Path:
    try:
        return write_sidecar(step.output.parent, record_of(step, result, read_back=False))
    except FilmArchiveError as error:
        raise PartlyDone(
            f"{printable(step.output)} is there and whole, but where it comes from could not be written down: {error}"
        ) from error


def as_planned(plan: ExtractPlan) -> Extracted:
    """What a dry run prints: the report as it would be."""
    (step,) = plan.steps
    return _extracted(
        step, mode="plan", stored_from=None, bytes_read=0, bytes_shared=0, frames_checked=0, missing=(),
        sidecar=sidecar_of(step.output) if plan.sidecar else None, diagnostics=plan.diagnostics,
    )  # fmt: skip


def _extracted(step: CutStep, **more: Any) -> Extracted:
    return Extracted(
        output=step.output,
        first_frame=step.first_frame,
        frames=step.frames,
        start_timecode=step.start_timecode,
        head_handle=step.head_handle,
        tail_handle=step.tail_handle,
        **more,
    )


def extract(
    what: str,
    output: Path,
    *,
    in_point: str,
    out_point: str | None = None,
    duration: str | None = None,
    handles: int = 0,
    start: str | None = None,
    rate: str | None = None,
    log: ClipLog | None = None,
    link: bool = False,
    mode: Mode = Mode.COPY,
    sidecar: bool = False,
    progress: Progress | None = None,
) -> Extracted:
    """Plan and cut."""
    plan = plan_extract(
        what,
        output,
        in_point=in_point,
        out_point=out_point,
        duration=duration,
        handles=handles,
        start=start,
        rate=rate,
        log=log,
        link=link,
        mode=mode,
        sidecar=sidecar,
    )
    return apply_extract(plan, progress=progress)


def named(output: Path, clip: Cuttable) -> tuple[Path, tuple[str, ...]]:
    """The name of a cut, which says what format it has, and a note where that is not the name asked for."""
    suffixes = clip.suffixes
    if not suffixes or output.suffix.lower() in suffixes:
        return output, ()
    path = output.with_name(f"{output.stem or output.name}{suffixes[0]}")
    return path, (f"the cut is a {suffixes[0]} file, so it is called {printable(path.name)} and not {printable(output.name)}",)
