"""Events of an OpenTimelineIO timeline, read from its JSON itself.

Schemas are known by name, whatever their version, so that a document of a later OpenTimelineIO (whose markers this one's
library refuses) still gives its media list. Nested stacks and tracks are opened up: an event is always a clip, trimmed by
what is around it. Times are exact: values and rates are taken as the decimals that they are written as.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from film_archive.core.timecode import FrameRate, RateLike
from film_archive.editorial.counting import Counting
from film_archive.editorial.event import Diagnostic, EditList, Event
from film_archive.editorial.otio_clips import available_range, facts_of_clip, references_of
from film_archive.editorial.otio_times import DEEPEST, SOUND, ItemTimes, called
from film_archive.editorial.otio_values import (
    OtioRange,
    OtioTime,
    list_of,
    parse_otio,
    range_of,
    schema_of,
    text_of,
    time_of,
)
from film_archive.editorial.placing import Crossing, Placed, numbered


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
        clips = [clip if clip.rate < SOUND else _at(clip, counted) for clip in reading.clips]
        events, odd = numbered(clips, reading.crossings, counted, drop)
    elif reading.clips:
        reading.odd.append("the timeline counts nothing but samples; its events need a rate, like --rate 24")
    diagnostics = (*(Diagnostic(0, what) for what in reading.odd), *odd)
    return EditList(
        text_of(root.get("name")), events, (), diagnostics, "otio", None, counted, drop if counted else None
    )


def drops(rate: FrameRate) -> bool:
    """Whether OpenTimelineIO writes labels of this rate as drop-frame (its `to_timecode` infers it from the rate)."""
    return rate.can_drop and rate.denominator == 1001


def _timelines(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What in a document is a timeline of its own."""
    if schema_of(root) == "SerializableCollection":
        yield from (child for child in list_of(root.get("children")) if isinstance(child, dict))
    else:
        yield root


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
    times: ItemTimes = field(init=False)

    def __post_init__(self) -> None:
        self.times = ItemTimes(self.odd)

    def timeline(self, timeline: dict[str, Any]) -> None:
        start = time_of(timeline.get("global_start_time"))
        if self.rate is None:
            self.rate = _frame_rate(start) or _first_rate(timeline)
        place = _Place(Fraction(0) if start is None else start.seconds, Fraction(0), Fraction(1), Fraction(0), None)
        top = timeline.get("tracks") if schema_of(timeline) == "Timeline" else timeline
        if not isinstance(top, dict):
            self.odd.append(f"{called(timeline)} has no tracks")
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
        if depth > DEEPEST:
            self.odd.append(f"{called(item)} is nested more than {DEEPEST} deep; it is left out")
            return
        if item.get("enabled") is False:
            self.odd.append(f"{called(item)} is disabled; it is left out")
            return
        schema = schema_of(item)
        length = self.times.length(item, depth)
        begin = place.record(at)
        low, high = max(place.low, begin), place.record(at + length)
        if place.high is not None:
            high = min(high, place.high)
        if high <= low or schema in ("Gap", "Filler"):
            return
        speed = self.times.speed(item)
        trimmed = range_of(item.get("source_range"))
        if isinstance(item.get("children"), list):
            scale = place.scale * speed
            if scale <= 0:
                what = "holds other clips and is frozen or reversed; they are given at normal speed"
                self.odd.append(f"{called(item)} {what}")
                scale = place.scale
            zero = trimmed.start.seconds if trimmed is not None else Fraction(0)
            self._children(item, _Place(begin, zero, scale, low, high), track, depth)
        else:
            seen = _Seen(begin, place.record(at + length), low, high)
            self._clip(item, trimmed or available_range(item), seen, place.scale * speed, track or "V1")

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
            at += self.times.length(child, depth + 1)

    def _transition(self, transition: dict[str, Any], at: Fraction, place: _Place, track: str) -> None:
        before, after = time_of(transition.get("in_offset")), time_of(transition.get("out_offset"))
        if before is None or after is None or before.value < 0 or after.value < 0:
            self.odd.append(f"the transition {called(transition)} has no offsets; it is read as a cut")
            return
        cut = place.record(at)
        if cut < place.low or (place.high is not None and cut > place.high):
            return
        kind = "W001" if "wipe" in str(transition.get("transition_type", "")).casefold() else "D"
        self.crossings.append(Crossing(track, cut, before.seconds / place.scale, after.seconds / place.scale, kind))

    def _clip(
        self,
        item: dict[str, Any],
        shown: OtioRange | None,
        seen: _Seen,
        speed: Fraction,
        track: str,
    ) -> None:
        """A clip; backwards, its source range is taken as it lies in the media, and played from its end."""
        available = available_range(item)
        if shown is None:
            self.odd.append(f"{called(item)} has no range; it is left out")
            return
        rate = shown.start.rate
        source = shown.start.value
        if available is not None and available.start.rate.nominal != rate.nominal and available.start.rate < SOUND:
            source, rate = source * available.start.rate / rate, available.start.rate
        if speed < 0:
            source += (seen.end - seen.begin) * -speed * rate - 1
        references, generated = references_of(item)
        from_start = available is None or available.start.value == 0
        facts = facts_of_clip(item, references)
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


def _at(clip: Placed, rate: FrameRate) -> Placed:
    """A clip that counts samples, in frames."""
    return replace(clip, source=clip.source * rate / clip.rate, rate=rate, drop=drops(rate))


def _first_rate(item: object) -> FrameRate | None:
    """The rate of the first clip's range in a document, pictures' before sound's."""
    pending: list[object] = [item]
    sound: FrameRate | None = None
    while pending:
        current = pending.pop()
        if not isinstance(current, dict):
            continue
        found = range_of(current.get("source_range")) or available_range(current)
        if found is not None and schema_of(current) not in ("Gap", "Stack", "Track", "Sequence"):
            if found.start.rate < SOUND:
                return found.start.rate
            sound = sound or found.start.rate
        pending += [*reversed(list_of(current.get("children"))), current.get("tracks")]
    return None


def _frame_rate(time: OtioTime | None) -> FrameRate | None:
    return None if time is None or time.rate >= SOUND else time.rate
