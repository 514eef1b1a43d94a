"""Cutting a timecode range out of a file or an archive's member."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from film_archive.core.digest import KEY
from film_archive.core.errors import NoSpace, RateUnknown, Refused, UsageError
from film_archive.core.job import Plan, Report, Step, identity_of, require_unchanged
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRange, FrameRate, Timecode, parse_rate
from film_archive.media.cutting.cuttable import Cuttable
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.ranges import Clip, select
from film_archive.workflows.locating import Located, locate


@dataclass(frozen=True, slots=True, kw_only=True)
class CutStep(Step):
    """One range of one clip. Frame numbers are those of the clip, from 0."""

    source: str
    """The media file, or ARCHIVE::MEMBER."""
    output: Path
    """The file to write."""
    first_frame: int
    """The first frame, handles counted in."""
    frames: int
    """How many, handles counted in."""
    head_handle: int
    """Frames of handle before, as many as the clip has."""
    tail_handle: int
    """Frames of handle behind."""
    start_timecode: str
    """Of the first frame."""
    clip_start: str
    """The start timecode of the clip, or the one that was given for it."""
    clip_start_rate: str
    """The rate that it counts at."""
    rate: str | None
    """The rate that was given for a clip that does not say its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractPlan(Plan):
    """What would be cut."""

    verb: ClassVar[str] = "extract"
    steps: tuple[CutStep, ...]
    """One cut."""
    diagnostics: tuple[str, ...]
    """How the timecodes were read, each one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted(Report):
    """What was cut. Frame numbers are those of the source, from 0."""

    output: Path
    """The file that was written."""
    first_frame: int
    """Its first frame's number in the source, from 0, handles counted in."""
    frames: int
    """How many it has."""
    start_timecode: str
    """Of its first frame."""
    head_handle: int
    """Frames of handle before that it really has."""
    tail_handle: int
    """Frames of handle behind."""
    mode: str
    """How it was cut: "copy" where no frame was encoded again; "plan" with `--dry-run`."""
    stored_from: int | None
    """The first frame whose bytes are in the file: earlier than `first_frame` where decoding needs it."""
    bytes_read: int
    """Read from the source."""
    bytes_shared: int
    """Of these, shared with it instead of copied."""
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
) -> ExtractPlan:
    """Find the frames of SOURCE[::MEMBER] from `in_point` to just before `out_point` (or for `duration`), with handles.

    `start` gives the media a start timecode that it does not have; `rate` the rate that it counts at. Raises OutOfRange,
    TimecodeUnknown, Refused where the output exists.
    """
    if (out_point is None) == (duration is None):
        raise UsageError("Give either the out point (--out, exclusive) or the duration.")
    with locate(what) as located:
        cuttable = open_clip(located.source, index=located.index, rate=rate)
        output, notes = _named(output, cuttable)
        clip = _clip(cuttable, start, rate)
        first = clip.read(in_point, notes=notes)
        if out_point is not None:
            end = clip.read(out_point, out=True, notes=notes)
        else:
            assert duration is not None
            end = first + clip.read(duration)
        selection = select(clip, first, end, handles)
        if os.path.lexists(output):
            raise Refused(f"{printable(output)} exists already; nothing was changed.")
        begins = clip.require_start()
        step = CutStep(
            source=what,
            identity=_identity(located),
            size=located.source.size * selection.frames.count // max(1, cuttable.frames),
            output=output,
            first_frame=selection.frames.first,
            frames=selection.frames.count,
            head_handle=selection.head_handle,
            tail_handle=selection.tail_handle,
            start_timecode=str(clip.label(selection.frames.first)),
            clip_start=str(begins),
            clip_start_rate=str(begins.rate),
            rate=rate,
        )
    return ExtractPlan(steps=(step,), diagnostics=tuple(notes))


def apply_extract(plan: ExtractPlan, *, progress: Progress | None = None) -> Extracted:
    """Cut what is planned. Raises SourceChanged where the clip is not what it was when it was planned, NoSpace, Refused."""
    begun = time.monotonic()
    progress = progress or quiet()
    (step,) = plan.steps
    with locate(step.source) as located:
        require_unchanged(located.source.name, step.identity, _identity(located))
        cuttable = open_clip(located.source, index=located.index, rate=step.rate)
        start = Timecode.from_string(step.clip_start, FrameRate.of(step.clip_start_rate))
        progress.begin(Phase.CUTTING, printable(step.output.name))
        progress.expect(Phase.CUTTING, step.size)
        frames = FrameRange(step.first_frame, step.first_frame + step.frames)
        try:
            result = cuttable.starting_at(start).cut(frames, step.output, on_bytes=progress.counting(Phase.CUTTING))
        except NoSpace as error:
            raise NoSpace(
                f"{str(error).rstrip('.')}; nothing was left there. Run the same command again when there is room."
            ) from error
    return Extracted(
        output=step.output,
        first_frame=step.first_frame,
        frames=step.frames,
        start_timecode=step.start_timecode,
        head_handle=step.head_handle,
        tail_handle=step.tail_handle,
        mode=result.mode,
        stored_from=result.stored_from,
        bytes_read=result.bytes_read,
        bytes_shared=result.shared,
        diagnostics=(*plan.diagnostics, *result.diagnostics),
        seconds=time.monotonic() - begun,
    )


def as_planned(plan: ExtractPlan) -> Extracted:
    """What a dry run prints: the report as it would be."""
    (step,) = plan.steps
    return Extracted(
        output=step.output,
        first_frame=step.first_frame,
        frames=step.frames,
        start_timecode=step.start_timecode,
        head_handle=step.head_handle,
        tail_handle=step.tail_handle,
        mode="plan",
        stored_from=None,
        bytes_read=0,
        bytes_shared=0,
        diagnostics=plan.diagnostics,
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
    )
    return apply_extract(plan, progress=progress)


def _identity(located: Located) -> str:
    """Of a member its digest (its CRC in a foreign zip), wherever in its archive it lies; of a file its status."""
    member = located.member
    if member is not None:
        return f"{member.size}:{member.digests.get(KEY) or member.crc32}"
    assert isinstance(located.source, FileSource)
    return identity_of(located.source.status)


def _named(output: Path, cuttable: Cuttable) -> tuple[Path, list[str]]:
    """The name of a cut, which says what format it has, and notes where that is not the name asked for."""
    suffixes = cuttable.suffixes
    if not suffixes or output.suffix.lower() in suffixes:
        return output, []
    named = output.with_name(f"{output.stem or output.name}{suffixes[0]}")
    said = f"the cut is a {suffixes[0]} file, so it is called {printable(named.name)} and not {printable(output.name)}"
    return named, [said, *cuttable.notes]


def _clip(cuttable: Cuttable, start: str | None, rate_text: str | None) -> Clip:
    """The clip with the caller's start timecode where one is given; the media's own rate always counts."""
    name, rate, found = cuttable.name, cuttable.rate, cuttable.start
    if rate is None:
        raise RateUnknown(f"{name} does not say how many frames a second its timecode counts; give it: --rate 24.")
    if start is None:
        if rate_text is not None and found is None:
            raise UsageError(f"--rate says how timecode counts, and {name} has none; give --start, too.")
        return Clip(name, cuttable.frames, rate, found)
    counting, drop = (found.rate if found is not None else rate), None
    if rate_text is not None:
        counting, drop = parse_rate(rate_text)
    if counting.nominal == 0:
        raise RateUnknown("Give the rate at which the timecode counts (--rate).")
    return Clip(name, cuttable.frames, rate, Timecode.from_string(start, counting, drop))
