"""Writing tables: ALE and CSV pull lists, under the headers that `columns` reads again."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

from film_archive.editorial.channels import tracks_of_channels
from film_archive.editorial.event import Event
from film_archive.editorial.export import Export, Losses
from film_archive.editorial.resolving import Resolved, ResolvedList

_BREAKS = re.compile(r"[\t\r\n\0\x0b\x0c\x1a]+")


def write_ale(events: ResolvedList) -> Export:
    """The clips that a list uses, as an Avid Log Exchange. It has neither record side nor transitions nor speeds."""
    losses = Losses()
    rate = events.counting.rate
    columns: dict[str, Callable[[Event], str | None]] = {
        "Name": lambda event: event.clip_name or event.source_file or event.reel or event.event,
        "Tape": lambda event: event.reel if event.names_reel else None,
        "Tracks": _avid_tracks,
        "Start": lambda event: event.source_in,
        "End": lambda event: event.source_out,
        "Source File": lambda event: event.source_file,
        "FPS": lambda event: event.source_rate.text if event.source_rate not in (None, rate) else None,
        "ASC_SOP": lambda event: event.asc_sop,
        "ASC_SAT": lambda event: event.asc_sat,
    }
    rows = []
    for each in events:
        if each.event.is_black or each.event.is_generated or each.event.source_in == each.event.source_out:
            losses.event(each, "it shows no media; it is left out")
            continue
        if each.source is None:
            losses.event(each, "its source timecodes do not exist at the rate; it is left out")
            continue
        _tell(losses, each)
        rows.append([_BREAKS.sub(" ", value(each.event) or "").strip() for value in columns.values()])
    heading = ["Heading", "FIELD_DELIM\tTABS", "VIDEO_FORMAT\t1080", "AUDIO_FORMAT\t48khz", f"FPS\t{rate.text}"]
    table = ["\t".join(columns), "", "Data", *("\t".join(row) for row in rows)]
    text = "\r\n".join([*heading, "", "Column", *table]) + "\r\n"
    return Export(text.encode(), tuple(losses.found))


def _tell(losses: Losses, each: Resolved) -> None:
    event = each.event
    if event.record_in is not None:
        losses.once("an ALE has no record side; the order and place of events is lost")
    if event.speed is not None:
        losses.event(each, "its speed is lost")
    if event.transition != "C":
        losses.event(each, "its transition is lost")
    if event.markers:
        losses.event(each, "its markers are lost")


def _avid_tracks(event: Event) -> str:
    """ "VA1A2" as Avid writes it."""
    tracks = dict.fromkeys(
        (*tracks_of_channels(event.channels or "V"), *(f"A{number}" for number in event.audio_channels))
    )
    return "".join(track if track[0] in "VA" else "V" for track in tracks) or "V"


def write_csv(events: ResolvedList) -> Export:
    """A pull list with everything that is said about each event in a column; UTF-8, lines ending in CR LF (RFC 4180)."""
    losses = Losses()
    columns: dict[str, Callable[[Event], str | None]] = {
        "event": lambda event: event.event,
        "reel": lambda event: event.reel,
        "clip name": lambda event: event.from_clip_name,
        "to clip name": lambda event: event.to_clip_name,
        "source file": lambda event: event.source_file,
        "source in": lambda event: event.source_in,
        "source out": lambda event: event.source_out,
        "record in": lambda event: event.record_in,
        "record out": lambda event: event.record_out,
        "fps": lambda event: str(event.source_rate or events.counting.rate),
        "channels": lambda event: event.channels,
        "transition": lambda event: event.transition,
        "transition duration": lambda event: str(event.transition_duration),
        "speed": lambda event: None,
        "asc_sop": lambda event: event.asc_sop,
        "asc_sat": lambda event: event.asc_sat,
        "notes": lambda event: "\n".join(line.text for line in event.comments),
    }
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for each in events:
        if each.event.markers:
            losses.event(each, "its markers are lost")
        row = {name: (value(each.event) or "").replace("\0", "") for name, value in columns.items()}
        row["speed"] = "" if each.event.speed is None else str(each.speed)
        writer.writerow(row.values())
    return Export(buffer.getvalue().encode(), tuple(losses.found))
