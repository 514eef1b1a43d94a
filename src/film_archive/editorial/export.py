"""A list written in another format: its bytes, and what that format could not hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from film_archive.core.timecode import Timecode
from film_archive.editorial.event import Diagnostic
from film_archive.editorial.resolving import Resolved, ResolvedList, Span


@dataclass(frozen=True, slots=True)
class Export:
    """What was written."""

    data: bytes
    diagnostics: tuple[Diagnostic, ...] = ()
    """What the format could not hold, by the event's line in the list that was read."""


@dataclass(slots=True)
class Losses:
    """What is lost on the way, each kind said once for an event."""

    found: list[Diagnostic] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def event(self, each: Resolved, what: str) -> None:
        self.found.append(Diagnostic(each.event.line, f"event {each.event.event}: {what}"))

    def once(self, what: str) -> None:
        """Of the whole list."""
        if what not in self.said:
            self.said.add(what)
            self.found.append(Diagnostic(0, what))


def with_record(events: ResolvedList, losses: Losses) -> list[Resolved]:
    """The events, those without a place in record laid one after the other from 01:00:00:00 (or where record ends)."""
    if all(each.record is not None for each in events):
        return list(events)
    rate = events.counting.rate
    drop = bool(events.counting.drop)
    at = Timecode(1, 0, 0, 0, rate, drop).total_frames
    at = max([at, *(each.record.end for each in events if each.record is not None)])
    placed = []
    for each in events:
        if each.record is None and each.source is not None and each.event.record_in is None:
            losses.once("the list has no record side; its events are laid one after the other from 01:00:00:00")
            length = (
                each.source.count
                if each.source.rate.nominal == rate.nominal
                else round(each.source.count * rate / each.source.rate)
            )
            if each.speed > 0 and each.event.speed is not None:
                length = max(1, round(length / each.speed))
            span = Span(at, at + length, rate, drop)
            at = span.end
            event = replace(each.event, record_in=str(span.start_label), record_out=str(span.end_label))
            each = replace(each, record=span, event=event)
        placed.append(each)
    return placed
