"""What an edit list says, and the list in another format: behind the verb `edl`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive.core import files
from film_archive.core.errors import RateUnknown, UsageError
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate, RateLike
from film_archive.editorial.edl_writing import write_edl
from film_archive.editorial.event import Diagnostic, EditList, Event
from film_archive.editorial.export import Export
from film_archive.editorial.oddities import Oddity, oddities_of, without_rate
from film_archive.editorial.otio_writing import write_otio
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import Resolved, ResolvedList, resolve
from film_archive.editorial.table_writing import write_ale, write_csv
from film_archive.editorial.usage import UsedMedia, used_media

FORMATS = ("otio", "edl", "ale", "csv")
"""That a list can be written in."""


@dataclass(frozen=True, slots=True)
class ListReport:
    """A list as it was read, counted where a rate is known, and what was written."""

    path: str
    edits: EditList
    resolved: ResolvedList | None
    """None where neither the list nor the caller gives a rate."""
    oddities: tuple[Oddity, ...]
    media: tuple[UsedMedia, ...]
    output: Path | None = None
    lost: tuple[Diagnostic, ...] = ()
    """What the written format could not hold."""

    @property
    def rate(self) -> FrameRate | None:
        return None if self.resolved is None else self.resolved.counting.rate

    @property
    def record_frames(self) -> int | None:
        """From the first record in to the last record out."""
        spans = [each.record for each in self.resolved or () if each.record is not None]
        return max(span.end for span in spans) - min(span.first for span in spans) if spans else None

    @property
    def source_frames(self) -> int | None:
        """Frames of media that are used, each counted once."""
        if self.resolved is None or any(each.frames is None for each in self.media):
            return None
        return sum(each.frames or 0 for each in self.media)

    @property
    def unread(self) -> tuple[Diagnostic, ...]:
        """Lines that could not be read and are in no event."""
        return tuple(each for each in self.edits.diagnostics if each.text is not None)

    @property
    def exit_status(self) -> int:
        """12 where something could not be read, or no event was found."""
        return 12 if self.unread or not self.edits.events else 0

    def to_json(self) -> dict[str, Any]:
        edits = self.edits
        resolved = self.resolved or [None] * len(edits)
        return {
            "list": self.path,
            "format": edits.format,
            "title": edits.title,
            "rate": None if self.rate is None else str(self.rate),
            "events": [_event_json(event, each) for event, each in zip(edits, resolved, strict=True)],
            "record_frames": self.record_frames,
            "source_frames": self.source_frames,
            "media": [_media_json(each) for each in self.media],
            "odd": [
                {"line": each.line, "event": each.event, "kind": each.kind, "what": each.what} for each in self.oddities
            ],
            "diagnostics": [{"line": each.line, "what": each.what, "text": each.text} for each in edits.diagnostics],
            "output": None if self.output is None else printable(self.output),
            "lost": [{"line": each.line, "what": each.what} for each in self.lost],
        }


def read_edit_list(
    path: str | os.PathLike[str],
    *,
    rate: RateLike | None = None,
    to: str | None = None,
    output: str | os.PathLike[str] | None = None,
    reel_width: int | None = 32,
) -> ListReport:
    """Read a list of any format; with `output`, write it as `to` (else as the output's extension says).

    Raises RateUnknown where it is to be written and has no rate, Refused where the output exists, and as `read_list` does.
    """
    target = None if output is None else Path(output)
    format_ = _format(to, target)
    edits = read_list(path, rate)
    resolved = None
    try:
        resolved = resolve(edits, rate)
    except RateUnknown:
        if target is not None:
            raise
    media = used_media(edits if resolved is None else resolved)
    odd = without_rate(edits) if resolved is None else oddities_of(resolved)
    lost: tuple[Diagnostic, ...] = ()
    if target is not None and resolved is not None:
        export = _written(resolved, format_, reel_width)
        files.write_atomically(target, export.data)
        lost = export.diagnostics
    return ListReport(printable(path), edits, resolved, odd, media, target, lost)


def _format(to: str | None, output: Path | None) -> str:
    """Which format is asked for; "" where nothing is to be written."""
    if output is None:
        if to is not None:
            raise UsageError(f"Say where to write the {to}: -o FILE.")
        return ""
    format_ = (to or output.suffix.removeprefix(".")).casefold()
    if format_ not in FORMATS:
        raise UsageError(f"A list is written as {', '.join(FORMATS)}, not as {format_[:20]!r}; say which: --to otio.")
    return format_


def _written(resolved: ResolvedList, format_: str, reel_width: int | None) -> Export:
    if format_ == "edl":
        return write_edl(resolved, reel_width=reel_width)
    return {"otio": write_otio, "ale": write_ale, "csv": write_csv}[format_](resolved)


def _event_json(event: Event, each: Resolved | None) -> dict[str, Any]:
    """The event's own fields, and what they count to where a rate is known."""
    source, record = (None, None) if each is None else (each.source, each.record)
    needed = None if each is None else each.needed
    timed = each is not None and event.speed is not None
    at_speed = float(record.count * abs(each.speed)) if timed and each is not None and record is not None else None
    return {
        **event.to_json(),
        "source_frames": None if source is None else source.count,
        "record_frames": None if record is None else record.count,
        "speed_ratio": float(each.speed) if timed and each is not None else None,
        "source_frames_needed_at_speed": at_speed,
        "source_range_written": None if each is None else each.written,
        "source_wraps_midnight": None if source is None else source.crosses_midnight,
        "needed_in": None if needed is None else str(needed.start_label),
        "needed_frames": None if needed is None else needed.count,
    }


def _media_json(each: UsedMedia) -> dict[str, Any]:
    return {
        "reel": each.reel,
        "source_file": each.source_file,
        "clip_names": list(each.clip_names),
        "events": list(each.events),
        "first": each.first,
        "end": each.end,
        "frames": each.frames,
    }
