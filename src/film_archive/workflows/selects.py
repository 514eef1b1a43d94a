"""Ranges of clips that somebody marked, written as an edit list: one event each, laid one after the other from 01:00:00:00."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from urllib.parse import quote

from film_archive.core.errors import OutOfRange, RateUnknown, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.editorial.edl_writing import write_edl
from film_archive.editorial.event import EditList, Event, EventMedia
from film_archive.editorial.otio_writing import write_otio
from film_archive.editorial.resolving import resolve
from film_archive.editorial.table_writing import write_ale, write_csv
from film_archive.editorial.text import Line
from film_archive.media.cutting.ranges import Clip

FORMATS = {"edl": write_edl, "otio": write_otio, "ale": write_ale, "csv": write_csv}
"""That selects can be written in: a list's name in file names → what writes it."""


@dataclass(frozen=True, slots=True)
class Select:
    """Frames `first` to before `end` of a clip, which lies at `path` and of which `facts` are known."""

    path: str
    facts: MediaFacts
    first: int
    end: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class WrittenSelects:
    """A list as a file: what to call it, its bytes, and what the format could not hold."""

    name: str
    data: bytes
    lost: tuple[str, ...]


def write_selects(selects: Sequence[Select], format_: str, title: str = "Selects") -> WrittenSelects:
    """Write selects as a list in one of `FORMATS`. The list counts at the first select's rate.

    A clip without a start timecode is counted from 00:00:00:00, and `lost` says so. Raises UsageError where there is nothing
    to write or the format is unknown, RateUnknown for clips without a rate, OutOfRange for frames that a clip does not have.
    """
    if format_ not in FORMATS:
        raise UsageError(f"Selects are written as {', '.join(FORMATS)}, not as {format_[:20]!r}.")
    if not selects:
        raise UsageError("There are no selects to write.")
    notes: list[str] = []
    rate, drop = _counting(selects[0])
    events = tuple(_events(selects, rate, drop, notes))
    # Each label says itself whether it is drop-frame: clips that count otherwise may stand in one list.
    edits = EditList(title=title, events=events, format="selects", rate=rate)
    export = FORMATS[format_](resolve(edits))
    if format_ == "edl" and any(each.facts.drop_frame not in (None, drop) for each in selects):
        notes.append("some clips count drop-frame and others non-drop; only the signs of their timecodes tell")
    lost = [*notes, *(each.what for each in export.diagnostics)]
    return WrittenSelects(f"{_file_name(title)}.{format_}", export.data, tuple(dict.fromkeys(lost)))


def _counting(select: Select) -> tuple[FrameRate, bool]:
    start = select.facts.start_timecode
    rate = start.rate if start is not None else select.facts.frame_rate
    if rate is None:
        raise RateUnknown(f"{select.path} does not say how many frames a second it has; it can't stand in a list.")
    return rate, start is not None and start.drop_frame


def _events(selects: Sequence[Select], rate: FrameRate, drop: bool, notes: list[str]) -> Iterator[Event]:
    at = Timecode(1, 0, 0, 0, rate, drop)
    digits = max(3, len(str(len(selects))))
    for number, select in enumerate(selects, start=1):
        source_in, source_out, start, length = _labels(select, notes)
        if start.rate.nominal != rate.nominal:
            length = max(1, round(Fraction(length) / start.rate * rate))
        facts = select.facts
        name = select.path.rpartition("/")[2]
        available = None if facts.frames is None else Fraction(facts.frames)
        yield Event(
            line=number,
            event=f"{number:0{digits}d}",
            reel=facts.reel or name.rpartition(".")[0] or name,
            channels="V",
            source_in=source_in,
            source_out=source_out,
            record_in=str(at),
            record_out=str(at + length),
            from_clip_name=name,
            source_file=name,
            comments=(Line(number, select.note),) if select.note else (),
            source_rate=start.rate,
            media=(EventMedia(name, quote(select.path), Fraction(start.total_frames), available, start.rate),),
        )
        at = at + length


def _labels(select: Select, notes: list[str]) -> tuple[str, str, Timecode, int]:
    """(source in, source out, the clip's start, labels between the two)."""
    facts = select.facts
    own, _ = _counting(select)
    if facts.frames is not None and not 0 <= select.first < select.end <= facts.frames:
        raise OutOfRange(
            f"Frames {select.first} to {select.end} are not in {select.path}, which has {facts.frames} frames."
        )
    start = facts.start_timecode
    if start is None:
        notes.append(f"{select.path} has no start timecode; its frames are counted from 00:00:00:00")
        start = Timecode.from_frame(0, own)
    clip = Clip(select.path, facts.frames or select.end, facts.frame_rate or own, start)
    first = clip.label(select.first)
    if clip.rate == start.rate:
        length = select.end - select.first
    else:  # labels that stand for more or less than a frame: to the whole ones around
        length = -(-Fraction(select.end) * start.rate // clip.rate) - int(Fraction(select.first) * start.rate / clip.rate)
        notes.append(f"{select.path} counts its timecode at {start.rate.text}; its select is rounded to whole labels")
    return str(first), str(first + length), start, int(length)


def _file_name(title: str) -> str:
    return re.sub(r"[^\w.-]+", "_", title).strip("._")[:80] or "selects"
