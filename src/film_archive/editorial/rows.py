"""An event from a row of a table, whichever format the table has: ALE, CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from film_archive.core.errors import InvalidTimecode, UsageError
from film_archive.core.timecode import FrameRate, Timecode, parse_timecode
from film_archive.editorial.comments import color_decision
from film_archive.editorial.counting import Counting
from film_archive.editorial.event import Event, Speed
from film_archive.editorial.text import Line

_LABEL = re.compile(r"\d{1,2}[:;]\d{1,2}[:;]\d{1,2}[:;.,]\d{1,3}", re.ASCII)
_FRAMES = re.compile(r"\d{1,9}", re.ASCII)
_TRANSITION = re.compile(r"C|D|W\d{1,3}|K[BO]?", re.IGNORECASE | re.ASCII)
_SPEED = re.compile(r"([-+]?(?:\d{1,20}(?:\.\d{0,20}|/0{0,9}[1-9]\d{0,19})?|\.\d{1,9}))\s*(%?)", re.ASCII)
_FASTEST = 100_000


class UnreadRow(Exception):
    """Why a row is no event. Never leaves the readers."""


def event_of(cells: Mapping[str, str], line: int, position: int, counting: Counting | None) -> Event:
    """The event of a row's cells, by field (`columns.NAMES`); empty cells are absent. Raises UnreadRow."""
    first = _label(cells, "in", "source in")
    rate = _rate(cells.get("rate"))
    counted = rate or (None if counting is None else counting.rate)
    drop = None if counting is None else counting.drop
    has_end = "out" in cells
    end = _label(cells, "out", "source out") if has_end else _end_of(first, cells.get("duration"), counted, drop)
    record = [
        _label(cells, name, name.replace("_", " ")) if name in cells else None for name in ("record_in", "record_out")
    ]
    if record[0] is not None and record[1] is None and counted is not None:
        record[1] = _moved(record[0], _length(first, end, counted, drop), counted, drop)
    sop, sat = cells.get("asc_sop"), cells.get("asc_sat")
    return Event(
        line=line,
        event=cells.get("event") or f"{position:03d}",
        reel=cells.get("reel"),
        channels=cells.get("channels"),
        source_in=first,
        source_out=end,
        record_in=record[0] if record[1] is not None else None,
        record_out=record[1],
        transition=_transition(cells.get("transition")),
        transition_duration=_duration(cells.get("transition_duration")),
        speed=_speed(cells.get("speed")),
        to_clip_name=cells.get("to_clip"),
        from_clip_name=cells.get("clip"),
        source_file=cells.get("file"),
        asc_sop=sop,
        asc_sat=sat,
        color=color_decision(sop, sat),
        comments=(Line(line, cells["notes"]),) if "notes" in cells else (),
        source_rate=rate,
    )


def _label(cells: Mapping[str, str], field: str, called: str) -> str:
    text = cells.get(field)
    if text is None:
        raise UnreadRow(f"it has no {called}")
    if _LABEL.fullmatch(text) is None:
        raise UnreadRow(f"its {called} {text[:40]!r} is no timecode like 01:00:00:00")
    return text


def _rate(text: str | None) -> FrameRate | None:
    if text is None:
        return None
    try:
        return FrameRate.of(text.casefold().removesuffix("fps").strip())
    except UsageError:
        raise UnreadRow(f"its rate {text[:40]!r} is none") from None


def _speed(text: str | None) -> Speed | None:
    """Of "50%", "0.5", "1/3", "-100 %"; 1 and 100% are no motion effect."""
    if text is None:
        return None
    match = _SPEED.fullmatch(text)
    if match is None:
        raise UnreadRow(f"its speed {text[:40]!r} is neither a ratio nor per cent")
    ratio = Fraction(match[1]) / (100 if match[2] else 1)
    if abs(ratio) > _FASTEST:
        raise UnreadRow(f"its speed {text[:40]!r} is beyond {_FASTEST}")
    return None if ratio == 1 else Speed(ratio=ratio)


def _transition(text: str | None) -> str:
    if text is None:
        return "C"
    if _TRANSITION.fullmatch(text) is None:
        raise UnreadRow(f"its transition {text[:40]!r} is neither C, D, W001 … nor a key")
    return text.upper()


def _duration(text: str | None) -> int:
    if text is None:
        return 0
    if _FRAMES.fullmatch(text) is None:
        raise UnreadRow(f"its transition duration {text[:40]!r} is no number of frames")
    return int(text)


def _end_of(first: str, duration: str | None, rate: FrameRate | None, drop: bool | None) -> str:
    if duration is None:
        raise UnreadRow("it has neither a source out nor a duration")
    if rate is None:
        raise UnreadRow("it has a duration and no source out; to add them a rate is needed, like --rate 24")
    if _FRAMES.fullmatch(duration):
        frames = int(duration)
    elif _LABEL.fullmatch(duration):
        frames = _counted(duration, rate, drop).total_frames
    else:
        raise UnreadRow(f"its duration {duration[:40]!r} is neither frames nor a timecode")
    return _moved(first, frames, rate, drop)


def _length(first: str, end: str, rate: FrameRate, drop: bool | None) -> int:
    return _counted(first, rate, drop).frames_until(_counted(end, rate, drop))


def _moved(label: str, frames: int, rate: FrameRate, drop: bool | None) -> str:
    start = _counted(label, rate, drop)
    end = start + frames
    return "24:00:00:00" if end.total_frames == 0 and frames else str(end)


def _counted(label: str, rate: FrameRate, drop: bool | None) -> Timecode:
    if drop is None or not rate.can_drop:
        drop = any(sign in label for sign in ";,") and rate.can_drop
    try:
        return parse_timecode(label, rate, drop, out=True).timecode
    except InvalidTimecode as error:
        raise UnreadRow(str(error).rstrip(".")) from None
