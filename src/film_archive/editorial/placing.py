"""From clips as timelines place them, in exact seconds, to events as lists number them. Defined here and only here.

Timelines (OTIO, FCPXML) let a transition lie over a cut; in an event list the incoming event begins where the transition
begins, and the outgoing one ends there. Frames are whole in a list: a range between frames is widened to whole ones, and
said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from film_archive.core.timecode import FrameRate, Timecode
from film_archive.editorial.event import Diagnostic, Event, ExactRange, Speed

_NEARLY = Fraction(1, 100)
"""Of a frame: what rounding in other programs' decimals amounts to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A clip where a timeline has it. Times are exact seconds of record since midnight."""

    track: str
    channels: str
    start: Fraction
    length: Fraction
    source: Fraction
    """The source frame shown at `start`, counted since midnight at `rate`."""
    rate: FrameRate
    drop: bool = False
    speed: Fraction = Fraction(1)
    facts: dict[str, Any] = field(default_factory=dict)
    """Further fields of the event."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A transition over the cut at `cut` of a track, reaching so many seconds before and after it."""

    track: str
    cut: Fraction
    before: Fraction
    after: Fraction
    kind: str = "D"


@dataclass(slots=True)
class _Numbering:
    rate: FrameRate
    drop: bool
    events: list[Event] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def add(
        self, clip: Placed, crossing: Crossing | None, next_crossing: Crossing | None, outgoing: Placed | None
    ) -> None:
        start, length, source = clip.start, clip.length, clip.source
        if crossing is not None:
            start, length = start - crossing.before, length + crossing.before
            source -= crossing.before * clip.rate * clip.speed
        if next_crossing is not None:
            length -= next_crossing.before
        number = len(self.events) + 1
        if length < 0:
            self.diagnostics.append(
                Diagnostic(number, "the transitions on both sides overlap; the clip is cut to nothing")
            )
            length = Fraction(0)
        first, end, exact = self._source(clip, source, length, number)
        facts = dict(clip.facts)
        if crossing is not None:
            facts["to_clip_name"] = facts.get("from_clip_name")
            facts["from_clip_name"] = None if outgoing is None else outgoing.facts.get("from_clip_name")
        event = Event(
            line=number,
            event=f"{number:03d}",
            channels=clip.channels,
            track=clip.track,
            transition="C" if crossing is None else crossing.kind,
            transition_duration=0 if crossing is None else self._frames(crossing.before + crossing.after),
            source_in=str(Timecode.from_frame(first, clip.rate, clip.drop)),
            source_out=_end_label(end, clip.rate, clip.drop),
            record_in=str(Timecode.from_frame(self._frames(start), self.rate, self.drop)),
            record_out=_end_label(self._frames(start + length), self.rate, self.drop),
            speed=None if clip.speed == 1 else Speed(ratio=clip.speed),
            source_rate=clip.rate,
            record_rate=self.rate,
            source_range=exact,
            **facts,
        )
        self.events.append(event)

    def fade_out(self, crossing: Crossing, outgoing: Placed) -> None:
        """The black that a transition with nothing behind it goes to."""
        number = len(self.events) + 1
        frames = self._frames(crossing.before + crossing.after)
        start = self._frames(crossing.cut - crossing.before)
        self.events.append(
            Event(
                line=number,
                event=f"{number:03d}",
                reel="BL",
                channels=outgoing.channels,
                track=outgoing.track,
                transition=crossing.kind,
                transition_duration=frames,
                source_in=str(Timecode.from_frame(0, self.rate, self.drop)),
                source_out=_end_label(frames, self.rate, self.drop),
                record_in=str(Timecode.from_frame(start, self.rate, self.drop)),
                record_out=_end_label(start + frames, self.rate, self.drop),
                from_clip_name=outgoing.facts.get("from_clip_name"),
                source_rate=self.rate,
                record_rate=self.rate,
            )
        )

    def _frames(self, seconds: Fraction) -> int:
        return round(seconds * self.rate)

    def _source(self, clip: Placed, source: Fraction, length: Fraction, number: int) -> tuple[int, int, ExactRange]:
        """Whole frames and the exact range of what a clip shows. A freeze has one frame; backwards, the range as it is
        in the media."""
        frames = length * clip.rate * abs(clip.speed)
        if clip.speed == 0:
            frames = Fraction(1) if length else Fraction(0)
        elif clip.speed < 0:
            source = source + 1 - frames
        if source < 0:
            what = (
                f"a transition needs {math.ceil(-source)} frames from before the source's midnight; they are left out"
            )
            self.diagnostics.append(Diagnostic(number, what))
            source, frames = Fraction(0), max(Fraction(0), frames + source)
        exact = ExactRange(source, frames, clip.rate)
        first, end = _floor(source), _ceil(exact.end)
        whole = clip.speed == 1 and clip.rate == self.rate and clip.channels[:1] in ("V", "B")
        if whole and (abs(first - source) > _NEARLY or abs(end - exact.end) > _NEARLY):
            where = f"{float(source):.3f}, {float(frames):.3f} long"
            what = f"the source range lies between frames ({where}); it is widened to whole ones"
            self.diagnostics.append(Diagnostic(number, what))
        return first, end, exact


def numbered(
    clips: Iterable[Placed], crossings: Iterable[Crossing], rate: FrameRate, drop: bool
) -> tuple[tuple[Event, ...], tuple[Diagnostic, ...]]:
    """The events of clips and transitions, by track in the order in which tracks come, then by record time."""
    tracks: dict[str, list[Placed]] = {}
    for clip in clips:
        tracks.setdefault(clip.track, []).append(clip)
    over: dict[tuple[str, int], Crossing] = {}
    for crossing in crossings:
        over[crossing.track, round(crossing.cut * rate)] = crossing
    numbering = _Numbering(rate, drop)
    for track, placed in tracks.items():
        placed.sort(key=lambda clip: clip.start)
        before: Placed | None = None
        for place, clip in enumerate(placed):
            begin, end = round(clip.start * rate), round((clip.start + clip.length) * rate)
            outgoing = before if before is not None and round((before.start + before.length) * rate) == begin else None
            numbering.add(clip, over.get((track, begin)), over.get((track, end)), outgoing)
            behind = placed[place + 1] if place + 1 < len(placed) else None
            if (track, end) in over and (behind is None or round(behind.start * rate) != end):
                numbering.fade_out(over[track, end], clip)
            before = clip
    return tuple(numbering.events), tuple(numbering.diagnostics)


def _floor(frames: Fraction) -> int:
    return math.floor(frames + _NEARLY)


def _ceil(frames: Fraction) -> int:
    return math.ceil(frames - _NEARLY)


def _end_label(frame: int, rate: FrameRate, drop: bool) -> str:
    """An exclusive end; 24:00:00:00 rather than the next day's beginning."""
    end = Timecode.from_frame(frame, rate, drop)
    return f"24{str(end)[2:]}" if frame and end.total_frames == 0 else str(end)
