"""A list's events led to other media: to what was pulled for them, counted as that counts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from film_archive.core.timecode import FrameRate, Timecode
from film_archive.editorial.event import EventMedia, ImageNames, TrimmedFrom
from film_archive.editorial.resolving import Resolved, ResolvedList, Span


@dataclass(frozen=True, slots=True)
class NewMedia:
    """A cut that has an event's frames."""

    name: str
    url: str
    start: Timecode | None
    """Of the cut's first frame; without one its frames are counted from 0."""
    rate: FrameRate
    """At which its frames play."""
    frames: int
    source_in: int
    """The cut's frame, from 0, at which the event's source in point lies."""
    images: ImageNames | None = None
    trimmed_from: TrimmedFrom | None = None


def relinked(events: ResolvedList, media: Mapping[int, NewMedia]) -> ResolvedList:
    """The list with some events, by their place in it, meaning other media; the others stay as they are."""
    return replace(
        events,
        events=tuple(
            _led_to(each, media[place]) if place in media else each for place, each in enumerate(events)
        ),
    )


def _led_to(each: Resolved, new: NewMedia) -> Resolved:
    source = each.source
    assert source is not None, "only events with a source have media"
    drop = new.start is not None and new.start.drop_frame
    begin = Fraction(0) if new.start is None else new.start.total_frames * new.rate / new.start.rate
    first = math.floor(begin) + new.source_in
    length = math.ceil(Fraction(source.count * new.rate.nominal, source.rate.nominal))
    span = Span(first, first + length, new.rate, drop)
    start, frames = Fraction(math.floor(begin)), Fraction(new.frames)
    reference = EventMedia(new.name, new.url, start, frames, new.rate, True, new.images, new.trimmed_from)
    event = replace(each.event, media=(reference,), source_range=None)
    return replace(each, source=span, event=event)
