"""Events of Final Cut Pro's FCPXML: projects, and clips of the browser where there is none.

Everything is rational seconds. An element lies at `offset` in its parent's time, its own time begins at `start`, and it takes
`duration` of its parent's time; `timeMap` leads from its own time to the original's, and `conform-rate` plays another frame
rate frame by frame. Compound, synchronized and multicam clips are opened up: an event is always one media file. An
asset's time is its timecode, `tcStart` a sequence's.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element

from film_archive.core.errors import Damaged, UsageError
from film_archive.core.timecode import FrameRate, RateLike
from film_archive.core.xml import parse_xml
from film_archive.editorial.counting import Counting
from film_archive.editorial.event import Diagnostic, EditList, Event
from film_archive.editorial.fcpxml_elements import (
    DEEPEST,
    STORY,
    Context,
    Local,
    Place,
    Shown,
    browser_clips,
    called,
    channels_of,
    conformed,
    inside,
    lane_of,
    markers_of,
    track_of,
)
from film_archive.editorial.fcpxml_resources import Resources, TimeMap, reel_of, seconds
from film_archive.editorial.otio_clips import file_name
from film_archive.editorial.placing import Crossing, Placed, numbered

MAXIMUM = 1 << 28
"""Bytes of a document; bookmarks make them long."""
_ZERO = Fraction(0)
_NO_RATE = FrameRate(1)


def read_fcpxml(data: bytes, name: str = "the list", rate: RateLike | None = None) -> EditList:
    """The events of a document. `rate` is what the record side counts at; without it the sequence's own.

    Raises Damaged where it is no FCPXML, NotSupported where it declares entities.
    """
    root = parse_xml(data, name, maximum=MAXIMUM, document_types=("fcpxml",))
    if root.tag != "fcpxml":
        raise Damaged(f"{name} is XML but no FCPXML: its root is {root.tag[:60]}.")
    given = None if rate is None else Counting.of(rate)
    reading = _Reading(Resources.of(root), patience=20_000 + len(data) // 16)
    projects = list(root.iter("project"))
    sequences = [sequence for project in projects for sequence in project.findall("sequence")[:1]]
    events: list[Event] = []
    for project, sequence in zip(projects, sequences, strict=False):
        events += reading.project(
            sequence, given, f"{project.get('name')}: " if len(sequences) > 1 else "", len(events)
        )
    if not sequences:
        events += reading.browser(root, given)
    title = projects[0].get("name") if projects else None
    counted, drop = reading.counting or (None, None)
    return EditList(title, tuple(events), (), tuple(reading.diagnostics), "fcpxml", None, counted, drop)


@dataclass(slots=True)
class _Reading:
    resources: Resources
    patience: int
    """How many elements are looked at; compound clips could be nested into billions."""
    clips: list[Placed] = field(default_factory=list)
    crossings: list[Crossing] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    counting: tuple[FrameRate, bool] | None = None
    rate: FrameRate = _NO_RATE
    """Of the sequence that is being read."""

    def project(self, sequence: Element, given: Counting | None, prefix: str, before: int) -> list[Event]:
        rate = given.rate if given is not None else self.resources.rate(sequence.get("format"))
        if rate is None:
            self._say(f"{prefix}the sequence's format has no frame rate; its events need one, like --rate 24")
            return []
        drop = sequence.get("tcFormat") == "DF" and rate.can_drop
        if given is not None and given.drop is not None:
            drop = given.drop
        self.counting = self.counting or (rate, drop)
        self.rate = self.resources.rate(sequence.get("format")) or rate
        self.clips, self.crossings = [], []
        place = Place(_ZERO, _ZERO, Fraction(1), _ZERO, None)
        for spine in sequence.findall("spine"):
            self._story(spine, place, Context())
        events, odd = numbered(self.clips, self.crossings, rate, drop)
        self.diagnostics += [replace(each, line=each.line + before) for each in odd]
        return [
            replace(each, line=each.line + before, event=f"{place + before:03d}", track=f"{prefix}{each.track}")
            for place, each in enumerate(events, 1)
        ]

    def browser(self, root: Element, given: Counting | None) -> list[Event]:
        """The clips of the browser: source ranges without a place in record."""
        events: list[Event] = []
        for clip in browser_clips(root):
            own = self.resources.assets.get(clip.get("ref", ""))
            rate = self.resources.rate(clip.get("format")) or (None if own is None else own.rate)
            rate = rate or (None if given is None else given.rate)
            if rate is None:
                self._say(f"{called(clip)} has no frame rate; it needs one, like --rate 24")
                continue
            self.rate = rate
            self.clips, self.crossings = [], []
            if clip.get("duration") is None and own is not None and own.duration is not None:
                clip.set("duration", f"{own.duration.numerator}/{own.duration.denominator}s")
            self._element(clip, _ZERO, Place(_ZERO, _ZERO, Fraction(1), _ZERO, None), Context())
            found, odd = numbered(self.clips, self.crossings, rate, False)
            self.diagnostics += [replace(each, line=each.line + len(events)) for each in odd]
            for event in found:
                number = len(events) + 1
                free = replace(event, record_in=None, record_out=None, record_rate=None, track=None)
                events.append(replace(free, line=number, event=f"{number:03d}"))
        return events

    def _say(self, what: str) -> None:
        self.diagnostics.append(Diagnostic(0, what))

    def _story(self, spine: Element, place: Place, context: Context) -> None:
        """A storyline: one element after the other, transitions over the cuts between them."""
        at = _ZERO
        ends: list[Fraction] = []
        transitions: list[tuple[Fraction, Fraction]] = []
        for element in spine:
            if element.tag == "transition":
                length = seconds(element.get("duration")) or _ZERO
                begin = seconds(element.get("offset"))
                transitions.append((at - length / 2 if begin is None else begin, length))
            elif element.tag in STORY:
                offset = seconds(element.get("offset"))
                at = at if offset is None else offset
                ends.append(at)
                self._element(element, at, place, context)
                at += self._duration(element)
                ends.append(at)
        for begin, length in transitions:
            within = [end for end in ends if begin <= end <= begin + length]
            if within:
                cut = min(within, key=lambda end: abs(end - begin - length / 2))
                before, after = (cut - begin) / place.scale, (begin + length - cut) / place.scale
                for sound in (False, True):
                    self.crossings.append(Crossing(track_of(context.lane, sound), place.record(cut), before, after))
            else:
                self._say("a transition lies over no cut; it is left out")

    def _duration(self, element: Element) -> Fraction:
        if element.tag == "audition":
            return next((self._duration(child) for child in element if child.tag in STORY), _ZERO)
        length = seconds(element.get("duration"))
        if length is None:
            asset = self.resources.assets.get(element.get("ref", ""))
            length = asset.duration if asset is not None else None
        return max(_ZERO, length or _ZERO)

    def _element(self, element: Element, at: Fraction, place: Place, context: Context) -> None:
        """An element at a second `at` of its parent's time, with what hangs on it."""
        self.patience -= 1
        if self.patience < 0 or context.depth > DEEPEST:
            if self.patience == -1 or context.depth > DEEPEST:
                self._say("clips are nested in each other without end; the rest is left out")
            return
        if element.tag == "audition":
            active = next((child for child in element if child.tag in STORY), None)
            if active is not None:
                self._element(active, at, place, context)
            return
        if element.get("enabled") == "0":
            self._say(f"{called(element)} is disabled; it is left out")
            return
        if element.tag == "spine":
            inner = replace(place, origin=place.record(at), zero=_ZERO)
            self._story(element, inner, context)
            return
        begin, high = place.record(at), place.record(at + self._duration(element))
        low = max(begin, place.low)
        if place.high is not None:
            high = min(high, place.high)
        local = Local(begin, low, high, self._start(element), place.scale)
        if high > low:
            self._shown(element, local, context)
        anchored = Place(begin, local.start, place.scale, place.low, place.high)
        for child in element:
            lane = lane_of(child)
            if lane and child.tag in STORY and element.tag not in ("video", "audio"):
                offset = seconds(child.get("offset"))
                self._element(child, local.start if offset is None else offset, anchored, inside(context, lane=lane))

    def _start(self, element: Element) -> Fraction:
        """Where an element's own time begins; without the attribute, where its media does."""
        start = seconds(element.get("start"))
        if start is not None:
            return start
        reference = element.get("ref", "")
        if reference in self.resources.assets:
            return self.resources.assets[reference].start
        if reference in self.resources.media:
            return seconds(self.resources.media[reference].get("tcStart")) or _ZERO
        return _ZERO

    def _shown(self, element: Element, local: Local, context: Context) -> None:
        """What is seen or heard of an element between record seconds."""
        tag = element.tag
        retimed = self._retimed(element, local)
        named = inside(context, reel=reel_of(element) or context.reel, name=element.get("name"))
        if tag in ("asset-clip", "video", "audio", "title"):
            self._media(element, retimed, named)
        elif tag in ("clip", "sync-clip"):
            self._inner(element, retimed, named)
        elif tag == "ref-clip":
            sequence = self.resources.media.get(element.get("ref", ""))
            if sequence is None:
                self._say(f"{called(element)} refers to a compound clip that is not there")
                return
            place = self._inner_place(element, retimed)
            for spine in sequence.findall("spine"):
                self._story(spine, place, inside(named, depth=1))
        elif tag == "mc-clip":
            self._multicam(element, retimed, named)

    def _retimed(self, element: Element, local: Local) -> Shown:
        """From record seconds to the original's time: speed, and what is shown at the first of them."""
        scale = local.scale
        conform = element.find("conform-rate")
        if conform is not None and conform.get("scaleEnabled", "1") != "0" and conform.get("srcFrameRate"):
            try:
                scale *= conformed(FrameRate.of(conform.get("srcFrameRate", "")), self.rate)
            except UsageError:
                self._say(
                    f"{called(element)} conforms a frame rate of {conform.get('srcFrameRate')!r:.20}, which is none"
                )
        first = local.start + (local.low - local.begin) * scale
        end = local.start + (local.high - local.begin) * scale
        time_map = TimeMap.of(element)
        if time_map is None:
            return Shown(local.low, local.high, first, scale)
        speed = (time_map.at(end) - time_map.at(first)) / (end - first) * scale
        if not time_map.is_straight(first, end):
            self._say(f"the speed of {called(element)} changes within it; its event has the mean, {float(speed):.4g}")
        return Shown(local.low, local.high, time_map.at(first), speed)

    def _inner_place(self, element: Element, shown: Shown) -> Place:
        scale = shown.speed
        if scale <= 0:
            self._say(f"{called(element)} holds other clips and is frozen or reversed; they are given at normal speed")
            scale = Fraction(1)
        return Place(shown.low, shown.source, scale, shown.low, shown.high)

    def _inner(self, element: Element, shown: Shown, context: Context) -> None:
        """The contents of a clip or synchronized clip: what lies in it without a lane."""
        contents = [child for child in element if child.tag in STORY and not lane_of(child)]
        if element.tag == "clip" and len(contents) == 1 and contents[0].tag in ("video", "audio"):
            (child,) = contents
            start = self._start(child) if child.get("start") is not None or child.get("ref") else _ZERO
            offset = seconds(child.get("offset")) or _ZERO
            self._media(child, replace(shown, source=start + shown.source - offset), context, clip=element)
            return
        place = self._inner_place(element, shown)
        for child in contents:
            if child.tag == "spine":
                self._story(child, place, context)
            else:
                self._element(child, seconds(child.get("offset")) or _ZERO, place, context)

    def _multicam(self, element: Element, shown: Shown, context: Context) -> None:
        multicam = self.resources.media.get(element.get("ref", ""))
        if multicam is None:
            self._say(f"{called(element)} refers to a multicam clip that is not there")
            return
        angles = {angle.get("angleID"): angle for angle in multicam.findall("mc-angle")}
        wanted = [(source.get("angleID"), source.get("srcEnable", "all")) for source in element.findall("mc-source")]
        if not wanted and angles:
            wanted = [(next(iter(angles)), "all")]
        place = self._inner_place(element, shown)
        for identity, enabled in wanted:
            angle = angles.get(identity)
            if angle is None:
                self._say(f"{called(element)} takes an angle that its multicam clip does not have")
            elif enabled != "none":
                self._story(angle, place, inside(context, depth=1, enabled=enabled))

    def _media(self, element: Element, shown: Shown, context: Context, clip: Element | None = None) -> None:
        """The event of a media file, or of what Final Cut makes itself."""
        outer = element if clip is None else clip
        asset = self.resources.assets.get(element.get("ref", ""))
        channels = channels_of(element, outer, asset, context.enabled)
        if channels is None:
            return
        rate = (asset.rate if asset is not None else None) or self.resources.rate(outer.get("format")) or self.rate
        drop = outer.get("tcFormat") == "DF" and rate.can_drop
        facts: dict[str, Any] = {
            "from_clip_name": outer.get("name")
            or element.get("name")
            or (context.names[-1] if context.names else None),
            "reel": context.reel or (asset.reel if asset is not None else None),
            "markers": tuple(markers_of(outer)),
        }
        if asset is None:
            facts["is_generated"] = True
        else:
            facts["media"] = asset.references(rate)
            facts["source_file"] = next((file_name(url) for url, original in asset.urls if original), None)
            facts["from_media_start"] = asset.start == 0
        self.clips.append(
            Placed(
                track=track_of(context.lane, channels == "A"),
                channels=channels,
                start=shown.low,
                length=shown.high - shown.low,
                source=shown.source * rate,
                rate=rate,
                drop=drop,
                speed=shown.speed,
                facts=facts,
            )
        )
