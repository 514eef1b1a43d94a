"""Events of an OpenTimelineIO timeline, read from its JSON itself.

Schemas are known by name, whatever their version, so that a document of a later OpenTimelineIO (whose markers this one's
library refuses) still gives its media list. Nested stacks and tracks are opened up: an event is always a clip, trimmed by
what is around it. Times are exact: values and rates are taken as the decimals that they are written as.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from film_archive.core.errors import Damaged, UsageError
from film_archive.core.timecode import FrameRate, RateLike
from film_archive.editorial.comments import color_decision
from film_archive.editorial.counting import Counting
from film_archive.editorial.event import Diagnostic, EditList, Event, Marker, MediaReference
from film_archive.editorial.placing import Crossing, Placed, numbered

_DEEPEST = 64
_PATTERN = re.compile(r"%0\d{1,2}d", re.ASCII)
_FASTEST = 100_000
_SOUND = 1000
"""From which rate on a time counts samples and not frames."""


def read_otio(data: bytes, name: str = "the timeline", rate: RateLike | None = None) -> EditList:
    """The events of a document. `rate` is what the record side counts at; without it the timeline's own.

    Raises Damaged where it is no JSON, or no OTIO object is in it.
    """
    root = parse_otio(data, name)
    reading = _Reading()
    for timeline in _timelines(root):
        reading.timeline(timeline)
    counted, drop = reading.rate, False
    if rate is not None:
        counting = Counting.of(rate)
        counted, drop = counting.rate, bool(counting.drop)
    elif counted is not None:
        drop = drops(counted)
    events: tuple[Event, ...] = ()
    odd: tuple[Diagnostic, ...] = ()
    if counted is not None:
        clips = [clip if clip.rate < _SOUND else _at(clip, counted) for clip in reading.clips]
        events, odd = numbered(clips, reading.crossings, counted, drop)
    elif reading.clips:
        reading.odd.append("the timeline counts nothing but samples; its events need a rate, like --rate 24")
    diagnostics = (*(Diagnostic(0, what) for what in reading.odd), *odd)
    return EditList(_text(root.get("name")), events, (), diagnostics, "otio", None, counted, drop if counted else None)


def parse_otio(data: bytes, name: str) -> dict[str, Any]:
    """The document's root object. Raises Damaged."""
    try:
        root = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} is not readable as OpenTimelineIO: {error}.") from error
    if not isinstance(root, dict) or not isinstance(root.get("OTIO_SCHEMA"), str):
        raise Damaged(f"{name} is not readable as OpenTimelineIO: it is JSON without an OTIO_SCHEMA.")
    return root


def drops(rate: FrameRate) -> bool:
    """Whether OpenTimelineIO writes labels of this rate as drop-frame (its `to_timecode` infers it from the rate)."""
    return rate.can_drop and rate.denominator == 1001


def schema_of(value: object) -> str:
    """The schema's name without its version: "Clip" of "Clip.2"; empty where it is no object."""
    schema = value.get("OTIO_SCHEMA") if isinstance(value, dict) else None
    return schema.split(".")[0] if isinstance(schema, str) else ""


def _timelines(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What in a document is a timeline of its own."""
    if schema_of(root) == "SerializableCollection":
        yield from (child for child in _list(root.get("children")) if isinstance(child, dict))
    else:
        yield root


@dataclass(frozen=True, slots=True)
class _Time:
    """A RationalTime or a TimeRange's part: a count at a rate."""

    value: Fraction
    rate: FrameRate

    @property
    def seconds(self) -> Fraction:
        return self.value / self.rate


@dataclass(frozen=True, slots=True)
class _Range:
    start: _Time
    duration: _Time


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a composition's own time lies in record time: `origin` is the record second of its second `zero`."""

    origin: Fraction
    zero: Fraction
    scale: Fraction
    """Seconds of its own for a second of record."""
    low: Fraction
    high: Fraction | None
    """What of record time is seen of it."""

    def record(self, own: Fraction) -> Fraction:
        return self.origin + (own - self.zero) / self.scale


@dataclass(frozen=True, slots=True)
class _Seen:
    """Record seconds: where an item begins and ends, and what of that is seen."""

    begin: Fraction
    end: Fraction
    low: Fraction
    high: Fraction


@dataclass(slots=True)
class _Reading:
    rate: FrameRate | None = None
    clips: list[Placed] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    lengths: dict[int, Fraction] = field(default_factory=dict)

    def timeline(self, timeline: dict[str, Any]) -> None:
        start = _time(timeline.get("global_start_time"))
        if self.rate is None:
            self.rate = _frame_rate(start) or _first_rate(timeline)
        place = _Place(Fraction(0) if start is None else start.seconds, Fraction(0), Fraction(1), Fraction(0), None)
        top = timeline.get("tracks") if schema_of(timeline) == "Timeline" else timeline
        if not isinstance(top, dict):
            self.odd.append(f"{_called(timeline)} has no tracks")
            return
        if schema_of(top) == "Stack":
            self._item(top, Fraction(0), place, None, 0)
        else:
            self._item(top, Fraction(0), place, self._track_name(top), 0)

    def _track_name(self, track: dict[str, Any]) -> str:
        """ "V1", "A2", …: by kind, counted from below."""
        kind = "A" if str(track.get("kind", "")).casefold().startswith("audio") else "V"
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}{self.counts[kind]}"

    def _item(self, item: dict[str, Any], at: Fraction, place: _Place, track: str | None, depth: int) -> None:
        """A child that begins at a second `at` of its parent."""
        if depth > _DEEPEST:
            self.odd.append(f"{_called(item)} is nested more than {_DEEPEST} deep; it is left out")
            return
        if item.get("enabled") is False:
            self.odd.append(f"{_called(item)} is disabled; it is left out")
            return
        schema = schema_of(item)
        length = self._length(item, depth)
        begin = place.record(at)
        low, high = max(place.low, begin), place.record(at + length)
        if place.high is not None:
            high = min(high, place.high)
        if high <= low or schema in ("Gap", "Filler"):
            return
        speed = self._speed(item)
        trimmed = _range(item.get("source_range"))
        if isinstance(item.get("children"), list):
            scale = place.scale * speed
            if scale <= 0:
                what = "holds other clips and is frozen or reversed; they are given at normal speed"
                self.odd.append(f"{_called(item)} {what}")
                scale = place.scale
            zero = trimmed.start.seconds if trimmed is not None else Fraction(0)
            self._children(item, _Place(begin, zero, scale, low, high), track, depth)
        else:
            seen = _Seen(begin, place.record(at + length), low, high)
            self._clip(item, trimmed or _available(item), seen, place.scale * speed, track or "V1")

    def _children(self, item: dict[str, Any], place: _Place, track: str | None, depth: int) -> None:
        parallel = schema_of(item) == "Stack"
        at = Fraction(0)
        for child in item["children"]:
            if not isinstance(child, dict):
                continue
            if schema_of(child) == "Transition":
                self._transition(child, at, place, track or "V1")
                continue
            named = self._track_name(child) if track is None and parallel else track
            self._item(child, Fraction(0) if parallel else at, place, named, depth + 1)
            at += self._length(child, depth + 1)

    def _transition(self, transition: dict[str, Any], at: Fraction, place: _Place, track: str) -> None:
        before, after = _time(transition.get("in_offset")), _time(transition.get("out_offset"))
        if before is None or after is None or before.value < 0 or after.value < 0:
            self.odd.append(f"the transition {_called(transition)} has no offsets; it is read as a cut")
            return
        cut = place.record(at)
        if cut < place.low or (place.high is not None and cut > place.high):
            return
        kind = "W001" if "wipe" in str(transition.get("transition_type", "")).casefold() else "D"
        self.crossings.append(Crossing(track, cut, before.seconds / place.scale, after.seconds / place.scale, kind))

    def _length(self, item: dict[str, Any], depth: int) -> Fraction:
        """Seconds that an item takes in its parent."""
        known = self.lengths.get(id(item))
        if known is None:
            known = self.lengths[id(item)] = self._counted_length(item, depth)
        return known

    def _counted_length(self, item: dict[str, Any], depth: int) -> Fraction:
        if schema_of(item) == "Transition" or depth > _DEEPEST:
            return Fraction(0)
        trimmed = _range(item.get("source_range")) or _available(item)
        if trimmed is not None:
            return max(Fraction(0), trimmed.duration.seconds)
        children = [child for child in _list(item.get("children")) if isinstance(child, dict)]
        lengths = [self._length(child, depth + 1) for child in children]
        if schema_of(item) == "Stack":
            return max(lengths, default=Fraction(0))
        return sum(lengths, Fraction(0))

    def _speed(self, item: dict[str, Any]) -> Fraction:
        speed = Fraction(1)
        for effect in _list(item.get("effects")):
            schema = schema_of(effect)
            if schema == "FreezeFrame":
                return Fraction(0)
            if schema == "LinearTimeWarp":
                scalar = _number(effect.get("time_scalar"))
                if scalar is None or abs(scalar) > _FASTEST:
                    self.odd.append(f"{_called(item)} has a time warp without a possible scalar; it is passed over")
                else:
                    speed *= scalar
            elif schema == "TimeEffect":
                self.odd.append(f"{_called(item)} has a time effect that is not linear; it is given at normal speed")
            elif schema == "Effect":
                speed *= _remapped(effect)
        return speed

    def _clip(
        self,
        item: dict[str, Any],
        shown: _Range | None,
        seen: _Seen,
        speed: Fraction,
        track: str,
    ) -> None:
        """A clip; backwards, its source range is taken as it lies in the media, and played from its end."""
        available = _available(item)
        if shown is None:
            self.odd.append(f"{_called(item)} has no range; it is left out")
            return
        rate = shown.start.rate
        source = shown.start.value
        if available is not None and available.start.rate.nominal != rate.nominal and available.start.rate < _SOUND:
            source, rate = source * available.start.rate / rate, available.start.rate
        if speed < 0:
            source += (seen.end - seen.begin) * -speed * rate - 1
        references, generated = _references(item)
        from_start = available is None or available.start.value == 0
        facts = _facts(item, references)
        facts |= {"media": references, "is_generated": generated, "from_media_start": from_start}
        self.clips.append(
            Placed(
                track=track,
                channels="V"
                if track == "V1"
                else track
                if track.startswith("V")
                else "A" + track[1:].removeprefix("1"),
                start=seen.low,
                length=seen.high - seen.low,
                source=source + (seen.low - seen.begin) * speed * rate,
                rate=rate,
                drop=drops(rate),
                speed=speed,
                facts=facts,
            )
        )


def file_name(url: str) -> str | None:
    """The file's name at the end of a URL or path, percent-decoded where it is an encoded one; a frame pattern stays."""
    name = PurePosixPath(url.replace("\\", "/")).name
    return (name if _PATTERN.search(name) else unquote(name)) or None


def _at(clip: Placed, rate: FrameRate) -> Placed:
    """A clip that counts samples, in frames."""
    return replace(clip, source=clip.source * rate / clip.rate, rate=rate, drop=drops(rate))


def _facts(item: dict[str, Any], references: tuple[MediaReference, ...]) -> dict[str, Any]:
    """Further fields of the event: names, reel, markers, colour."""
    active = next((each for each in references if each.active), None)
    facts: dict[str, Any] = {"from_clip_name": _text(item.get("name"))}
    if active is not None and active.url:
        facts["source_file"] = file_name(active.url)
    facts["reel"] = _reel(item)
    facts["markers"] = tuple(_marker(each) for each in _list(item.get("markers")) if isinstance(each, dict))
    cdl = _dict(_dict(item.get("metadata")).get("cdl"))
    sop, sat = _sop(cdl.get("asc_sop")), cdl.get("asc_sat")
    if sop is not None:
        facts["asc_sop"] = sop
    if isinstance(sat, int | float):
        facts["asc_sat"] = str(sat)
    if "asc_sop" in facts or "asc_sat" in facts:
        facts["color"] = color_decision(facts.get("asc_sop"), facts.get("asc_sat"))
    return facts


_REELS = (
    ("cmx_3600", "reel"),
    ("ALE", "Tape"),
    ("ALE", "Reel"),
    ("fcp_xml", "timecode", "reel", "name"),
    ("fcp_xml", "reel", "name"),
    ("AAF", "UserComments", "Tape"),
    ("AAF", "SourceID", "TapeName"),
    ("Resolve_OTIO", "Reel Name"),
    ("film-archive", "reel"),
)
"""Where adapters and programs keep the reel in metadata."""


def _reel(item: dict[str, Any]) -> str | None:
    """The reel that the clip's metadata, or its media reference's, name."""
    for holder in (item, *(reference for _, reference, _ in _raw_references(item))):
        metadata = _dict(holder.get("metadata"))
        for path in _REELS:
            value: object = metadata
            for key in path:
                value = _dict(value).get(key)
            if isinstance(value, str) and value.strip():
                return value.strip()
    return None


def _sop(value: object) -> str | None:
    groups = [_list(_dict(value).get(part)) for part in ("slope", "offset", "power")]
    if any(len(group) != 3 or not all(isinstance(number, int | float) for number in group) for group in groups):
        return None
    return "".join(f"({' '.join(str(number) for number in group)})" for group in groups)


def _marker(marker: dict[str, Any]) -> Marker:
    color = marker.get("color")
    marked = _range(marker.get("marked_range"))
    frames = 1 if marked is None else max(1, int(marked.duration.value))
    name = color.get("name") if isinstance(color, dict) else color
    return Marker(_text(marker.get("comment")) or "", None, _text(name), _text(marker.get("name")), frames)


def _raw_references(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """(key, reference, whether it is active) of a clip's media references, in both schemas' forms."""
    several = _dict(item.get("media_references"))
    if several:
        active = item.get("active_media_reference_key", "DEFAULT_MEDIA")
        for key, reference in several.items():
            if isinstance(reference, dict):
                yield key, reference, key == active
    elif isinstance(item.get("media_reference"), dict):
        yield "DEFAULT_MEDIA", item["media_reference"], True


def _references(item: dict[str, Any]) -> tuple[tuple[MediaReference, ...], bool]:
    """The clip's media, and whether its picture is made by the program (bars, a slate) and has none."""
    found = []
    generated = False
    for _, reference, active in _raw_references(item):
        schema = schema_of(reference)
        generated = generated or (active and schema == "GeneratorReference")
        available = _range(reference.get("available_range"))
        url = reference.get("target_url")
        if schema == "ImageSequenceReference":
            url = _sequence_url(reference)
        found.append(
            MediaReference(
                name=_text(reference.get("name")),
                url=_text(url),
                start=None if available is None else available.start.value,
                frames=None if available is None else available.duration.value,
                rate=None if available is None else available.start.rate,
                active=active,
            )
        )
    return tuple(found), generated


def _sequence_url(reference: dict[str, Any]) -> str:
    """base/prefix%04dsuffix"""
    keys = ("target_url_base", "name_prefix", "name_suffix")
    base, prefix, suffix = (_text(reference.get(key)) or "" for key in keys)
    padding = reference.get("frame_zero_padding")
    digits = padding if isinstance(padding, int) and 0 <= padding <= 20 else 0
    joint = "" if not base or base.endswith("/") else "/"
    return f"{base}{joint}{prefix}%0{digits}d{suffix}"


def _available(item: dict[str, Any]) -> _Range | None:
    for _, reference, active in _raw_references(item):
        if active:
            return _range(reference.get("available_range"))
    return None


def _remapped(effect: dict[str, Any]) -> Fraction:
    """The speed that Final Cut Pro 7's "Time Remap" filter says, as its adapter leaves it in metadata; 1 for others."""
    fcp = _dict(_dict(effect.get("metadata")).get("fcp_xml"))
    if fcp.get("effectid") != "timeremap":
        return Fraction(1)
    parameters = fcp.get("parameter")
    values = {
        str(each.get("parameterid")): each.get("value")
        for each in (parameters if isinstance(parameters, list) else [parameters])
        if isinstance(each, dict)
    }
    try:
        speed = Fraction(str(values.get("speed", "100"))[:40]) / 100
    except (ValueError, ZeroDivisionError):
        return Fraction(1)
    return -speed if str(values.get("reverse", "")).casefold() == "true" and speed > 0 else speed


def _first_rate(item: object) -> FrameRate | None:
    """The rate of the first clip's range in a document, pictures' before sound's."""
    pending: list[object] = [item]
    sound: FrameRate | None = None
    while pending:
        current = pending.pop()
        if not isinstance(current, dict):
            continue
        found = _range(current.get("source_range")) or _available(current)
        if found is not None and schema_of(current) not in ("Gap", "Stack", "Track", "Sequence"):
            if found.start.rate < _SOUND:
                return found.start.rate
            sound = sound or found.start.rate
        pending += [*reversed(_list(current.get("children"))), current.get("tracks")]
    return None


def _frame_rate(time: _Time | None) -> FrameRate | None:
    return None if time is None or time.rate >= _SOUND else time.rate


def _range(value: object) -> _Range | None:
    if not isinstance(value, dict):
        return None
    start, duration = _time(value.get("start_time")), _time(value.get("duration"))
    return None if start is None or duration is None else _Range(start, duration)


def _time(value: object) -> _Time | None:
    if not isinstance(value, dict):
        return None
    count, rate = _number(value.get("value")), value.get("rate")
    if count is None or isinstance(rate, bool) or not isinstance(rate, int | float):
        return None
    try:
        return _Time(count, FrameRate.of(rate))
    except (UsageError, OverflowError):
        return None


def _number(value: object) -> Fraction | None:
    """A number as it is written; None where it is none, not finite or beyond all times."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    exact = Fraction(repr(value))
    whole = round(exact)
    return Fraction(whole) if abs(exact - whole) < Fraction(1, 10_000) and whole else exact


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _called(item: dict[str, Any]) -> str:
    name = _text(item.get("name"))
    return f"{schema_of(item) or 'an object'} {name[:60]!r}" if name else f"a nameless {schema_of(item) or 'object'}"
