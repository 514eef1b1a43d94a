"""Writing OpenTimelineIO: a timeline of a list's events, in schema versions that every release since 0.12 reads.

Times are frames at their exact rate as a float, which is how the format has them. An event's transition becomes a
Transition over its beginning; a line of no length, which an EDL needs before it, goes. What overlaps on a track lies on
a further one.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from typing import Any

from film_archive.core.timecode import FrameRate
from film_archive.editorial.channels import shows_picture, tracks_of, tracks_of_channels
from film_archive.editorial.event import Event, EventMedia, ImageNames
from film_archive.editorial.export import Export, Losses, with_record
from film_archive.editorial.otio_values import OWN, range_json, time_json
from film_archive.editorial.resolving import Resolved, ResolvedList

_SOUND = re.compile(r"A\d+(?: |$)", re.ASCII)


def write_otio(events: ResolvedList) -> Export:
    """A timeline as JSON. Its global start is the first record in."""
    losses = Losses()
    placed = [each for each in with_record(events, losses) if _is_shown(each, losses)]
    start = min((each.record.first for each in placed if each.record is not None), default=0)
    rate = events.counting.rate
    rows: dict[str, list[Resolved]] = {}
    for each in sorted(placed, key=lambda each: each.record.first if each.record is not None else 0):
        for track in _tracks(each.event):
            rows.setdefault(_free_row(rows, track, each, losses), []).append(each)
    tracks = [
        _track(name, rows[name], start, rate, losses)
        for name in sorted(rows, key=lambda name: _order(name, rows[name]))
    ]
    timeline = {
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": {OWN: {"format": events.edits.format}},
        "name": events.edits.title or "",
        "global_start_time": time_json(start, rate),
        "tracks": {
            "OTIO_SCHEMA": "Stack.1",
            "children": tracks,
            "effects": [],
            "markers": [],
            "metadata": {},
            "name": "tracks",
            "source_range": None,
        },
    }
    return Export((json.dumps(timeline, indent=1, ensure_ascii=False) + "\n").encode(), tuple(losses.found))


def _is_shown(each: Resolved, losses: Losses) -> bool:
    if each.record is None or each.source is None:
        losses.event(each, "its timecodes do not exist at the rate; it is left out")
        return False
    return each.record.count > 0


def _tracks(event: Event) -> tuple[str, ...]:
    """The tracks that an event is on; picture and sound of one clip are on two."""
    if event.track is None:
        return tracks_of(event) or ("V",)
    both = shows_picture(event) and any(track.startswith("A") for track in tracks_of_channels(event.channels or "V"))
    return (event.track, f"{event.track} sound") if both else (event.track,)


def _is_sound(name: str, events: list[Resolved]) -> bool:
    return (
        name.endswith(" sound")
        or not any(shows_picture(each.event) for each in events)
        or _SOUND.match(name) is not None
    )


def _order(name: str, events: list[Resolved]) -> tuple[bool, list[int], str]:
    """Pictures below sound, then by number."""
    return _is_sound(name, events), [int(number) for number in re.findall(r"-?\d{1,9}", name)], name


def _free_row(rows: dict[str, list[Resolved]], track: str, each: Resolved, losses: Losses) -> str:
    """The track, or a further one where another event is there already."""
    name, count = track, 1
    while name in rows and _end(rows[name][-1]) > _begin(each):
        count += 1
        name = f"{track} ({count})"
    if name != track:
        losses.event(each, f"it lies over another one on {track}; it is on a track {name}")
    return name


def _begin(each: Resolved) -> int:
    return each.record.first if each.record is not None else 0


def _end(each: Resolved) -> int:
    return each.record.end if each.record is not None else 0


def _track(name: str, events: list[Resolved], start: int, rate: FrameRate, losses: Losses) -> dict[str, Any]:
    children: list[dict[str, Any]] = []
    at = start
    for each in events:
        if _begin(each) > at:
            children.append(_gap(_begin(each) - at, rate))
        if each.event.transition[:1] in "DW" and each.event.transition_duration:
            if not children:
                children.append(_gap(0, rate))  # a transition is between two
            children.append(_transition(each, rate))
        children.append(_gap(_end(each) - _begin(each), rate) if each.event.is_black else _clip(each, rate, losses))
        at = _end(each)
    kind = "Audio" if _is_sound(name, events) else "Video"
    return {
        "OTIO_SCHEMA": "Track.1",
        "children": children,
        "effects": [],
        "kind": kind,
        "markers": [],
        "metadata": {},
        "name": name,
        "source_range": None,
    }


def _gap(frames: int, rate: FrameRate) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Gap.1",
        "effects": [],
        "markers": [],
        "metadata": {},
        "name": "",
        "source_range": range_json(0, frames, rate),
    }


def _transition(each: Resolved, rate: FrameRate) -> dict[str, Any]:
    dissolve = each.event.transition == "D"
    return {
        "OTIO_SCHEMA": "Transition.1",
        "in_offset": time_json(0, rate),
        "metadata": {} if dissolve else {OWN: {"transition": each.event.transition}},
        "name": each.event.transition,
        "out_offset": time_json(min(each.event.transition_duration, _end(each) - _begin(each)), rate),
        "transition_type": "SMPTE_Dissolve" if dissolve else "Custom_Transition",
    }


def _clip(each: Resolved, rate: FrameRate, losses: Losses) -> dict[str, Any]:
    event, source = each.event, each.source
    assert source is not None, "left out by _is_shown"
    exact = event.source_range
    first: Fraction | int = source.first if exact is None else exact.start
    length: Fraction | int = _end(each) - _begin(each)
    if source.rate.nominal != rate.nominal:
        length = length * source.rate / rate
    own: dict[str, Any] = {"event": event.event, "line": event.line, "channels": event.channels}
    if event.speed is not None and each.written is not None:
        own["source_range_written"] = each.written
    comments = [line.text for line in event.comments]
    if comments:
        own["comments"] = comments
    metadata: dict[str, Any] = {OWN: own}
    if event.reel and event.names_reel:
        metadata["cmx_3600"] = {"reel": event.reel}
    if event.color is not None and event.color.slope is not None:
        metadata["cdl"] = _cdl(each)
    return {
        "OTIO_SCHEMA": "Clip.1",
        "effects": _effects(each),
        "markers": [
            _marker(name, text, color, frames, first, source.rate) for name, text, color, frames in _marks(event)
        ],
        "media_reference": _media(event, losses, each),
        "metadata": metadata,
        "name": event.clip_name or event.source_file or (event.reel if event.names_reel else "") or "",
        "source_range": range_json(first, length, source.rate),
    }


def _marks(event: Event) -> list[tuple[str, str, str, int]]:
    return [
        (mark.name or mark.text, mark.text, (mark.color or "WHITE").removeprefix("ResolveColor").upper(), mark.frames)
        for mark in event.markers
    ]


def _marker(name: str, text: str, color: str, frames: int, first: Fraction | int, rate: FrameRate) -> dict[str, Any]:
    return {
        "OTIO_SCHEMA": "Marker.2",
        "color": color,
        "marked_range": range_json(first, frames, rate),
        "metadata": {OWN: {"text": text}} if text != name else {},
        "name": name,
    }


def _effects(each: Resolved) -> list[dict[str, Any]]:
    if each.event.speed is None:
        return []
    frozen = each.speed == 0
    return [
        {
            "OTIO_SCHEMA": "FreezeFrame.1" if frozen else "LinearTimeWarp.1",
            "effect_name": "FreezeFrame" if frozen else "LinearTimeWarp",
            "metadata": {},
            "name": "",
            "time_scalar": 0.0 if frozen else float(each.speed),
        }
    ]


def _cdl(each: Resolved) -> dict[str, Any]:
    color = each.event.color
    if color is None or color.slope is None or color.offset is None or color.power is None:
        return {}
    sop = {"slope": color.slope, "offset": color.offset, "power": color.power}
    cdl: dict[str, Any] = {"asc_sop": {part: [float(number) for number in group] for part, group in sop.items()}}
    if color.saturation is not None:
        cdl["asc_sat"] = float(color.saturation)
    return cdl


def _media(event: Event, losses: Losses, each: Resolved) -> dict[str, Any]:
    """The active reference; a clip of this version has one."""
    if event.is_generated:
        generated: dict[str, Any] = {
            "generator_kind": "",
            "parameters": {},
            "available_range": None,
            "metadata": {},
            "name": "",
        }
        return {"OTIO_SCHEMA": "GeneratorReference.1", **generated}
    if len(event.media) > 1:
        losses.event(each, "only the media reference that the list plays is kept")
    media = next((media for media in event.media if media.active), None)
    if media is None:
        media = EventMedia(event.source_file, event.from_clip_path or event.from_file)
    available = None
    if media.start is not None and media.frames is not None and media.rate is not None:
        available = range_json(media.start, media.frames, media.rate)
    kept = {} if media.trimmed_from is None else {OWN: {"trimmed_from": media.trimmed_from.to_json()}}
    common = {"available_range": available, "metadata": kept, "name": media.name or ""}
    if media.url and re.search(r"%0\d{1,2}d", media.url):
        losses.event(each, "its image sequence is written as a URL with a frame pattern")
    if not media.url:
        return {"OTIO_SCHEMA": "MissingReference.1", **common}
    if media.images is not None and media.rate is not None:
        return {"OTIO_SCHEMA": "ImageSequenceReference.1", **_images(media.images, media.url, media.rate), **common}
    return {"OTIO_SCHEMA": "ExternalReference.1", "target_url": media.url, **common}


def _images(images: ImageNames, folder: str, rate: FrameRate) -> dict[str, Any]:
    return {
        "target_url_base": folder,
        "name_prefix": images.prefix,
        "name_suffix": images.suffix,
        "start_frame": images.first,
        "frame_step": 1,
        "rate": float(rate),
        "frame_zero_padding": images.digits,
        "missing_frame_policy": "error",
    }
