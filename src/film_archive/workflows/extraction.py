"""Cutting a timecode range out of a file or an archive's member."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive.core.errors import RateUnknown, UsageError
from film_archive.core.files import OnBytes
from film_archive.core.source import printable
from film_archive.core.timecode import Timecode, parse_rate
from film_archive.media.cutting.cuttable import CutResult, Cuttable
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.ranges import Clip, Selection, select
from film_archive.workflows.locating import locate


@dataclass(frozen=True, slots=True)
class Extracted:
    """What was cut. Frame numbers are those of the source, from 0."""

    output: Path
    selection: Selection
    result: CutResult | None
    start: Timecode
    seconds: float
    diagnostics: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "output": printable(self.output),
            "first_frame": self.selection.frames.first,
            "frames": self.selection.frames.count,
            "start_timecode": str(self.start),
            "head_handle": self.selection.head_handle,
            "tail_handle": self.selection.tail_handle,
            "mode": "plan" if self.result is None else self.result.mode,
            "stored_from": None if self.result is None else self.result.stored_from,
            "bytes_read": 0 if self.result is None else self.result.bytes_read,
            "bytes_shared": 0 if self.result is None else self.result.shared,
            "diagnostics": list(self.diagnostics),
            "seconds": round(self.seconds, 3),
        }


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
    dry_run: bool = False,
    on_bytes: OnBytes | None = None,
) -> Extracted:
    """Cut SOURCE[::MEMBER] from `in_point` to just before `out_point` (or for `duration`), with handles, into `output`.

    `start` gives the media a start timecode that it does not have; `rate` the rate that it counts at.
    """
    begun = time.monotonic()
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
        label = clip.label(selection.frames.first)
        if dry_run:
            return Extracted(output, selection, None, label, time.monotonic() - begun, tuple(notes))
        result = cuttable.starting_at(clip.require_start()).cut(selection.frames, output, on_bytes=on_bytes)
    return Extracted(output, selection, result, label, time.monotonic() - begun, (*notes, *result.diagnostics))


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
