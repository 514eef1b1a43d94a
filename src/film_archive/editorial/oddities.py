"""What is odd about a list: overlaps and gaps in record, order, events of no length, midnight. Defined here and only here.

Nothing here is an error: conform tools and people disagree about all of it, so it is told and left to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from film_archive.editorial.channels import tracks_of
from film_archive.editorial.event import EditList
from film_archive.editorial.resolving import Resolved, ResolvedList

KINDS = ("timecode", "order", "overlap", "gap", "empty", "midnight", "rate")


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something to look at."""

    line: int
    """Of the list; 0 where it is about the whole."""
    event: str | None
    kind: str
    """One of KINDS."""
    what: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.what}"


def oddities_of(events: ResolvedList) -> tuple[Oddity, ...]:
    """All of them, in the order of the lines."""
    found = [*_by_event(events), *_in_record(events)]
    return tuple(sorted(found, key=lambda each: each.line))


def without_rate(edits: EditList) -> tuple[Oddity, ...]:
    """What can be told of a list whose rate is not known."""
    labels = {label for event in edits for label in (event.source_in, event.source_out) if label.count(":") >= 2}
    most = max(
        (int(label[-2:]) for label in labels if label[-2:].isdecimal() and not label[-3].isdecimal()), default=None
    )
    if most is None:
        return ()
    what = f"the list does not say its rate; its highest frame label is {most}, so it is {most + 1} or more"
    return (Oddity(0, None, "rate", what),)


def _by_event(events: ResolvedList) -> Iterator[Oddity]:
    for each in events:
        event = each.event

        def odd(kind: str, what: str, each: Resolved = each) -> Oddity:
            return Oddity(each.event.line, each.event.event, kind, f"event {each.event.event}: {what}")

        for problem in each.problems:
            yield odd("timecode", problem)
        for side, span in (("source", each.source), ("record", each.record)):
            if span is not None and span.crosses_midnight:
                yield odd("midnight", f"its {side} runs over midnight ({span.start_label} to {span.end_label})")
        empty = each.record is not None and each.record.count == 0
        if (
            empty
            and not each.tail
            and each.continues is None
            and not event.is_black
            and not event.transition.startswith("K")
        ):
            yield odd("empty", "it has no length, and no transition follows")


def _in_record(events: ResolvedList) -> Iterator[Oddity]:
    """Per track: order in the list, and what overlaps or leaves a gap once sorted by record time."""
    tracks: dict[str, list[Resolved]] = {}
    latest: dict[str, Resolved] = {}
    for each in events:
        if each.record is None or each.record.count == 0 or each.event.transition.startswith("K"):
            continue
        out_of_order = None
        for track in tracks_of(each.event):
            before = latest.get(track)
            if before is not None and before.record is not None and each.record.first < before.record.first:
                out_of_order = before
            latest[track] = each
            tracks.setdefault(track, []).append(each)
        if out_of_order is not None:
            what = f"event {each.event.event}: it is before event {out_of_order.event.event} in record, and after it in the list"
            yield Oddity(each.event.line, each.event.event, "order", what)
    said: set[tuple[int, int, str]] = set()
    for track, placed in tracks.items():
        placed.sort(key=lambda each: each.record.first if each.record is not None else 0)
        for odd, key in _neighbours(track, placed):
            if key not in said:  # an event on picture and sound overlaps once
                said.add(key)
                yield odd


def _neighbours(track: str, placed: list[Resolved]) -> Iterator[tuple[Oddity, tuple[int, int, str]]]:
    before: Resolved | None = None
    for each in placed:
        if before is not None and before.record is not None and each.record is not None:
            frames = each.record.first - before.record.end
            names = f"event {before.event.event} to {each.event.event}"
            key = (before.event.line, each.event.line, "gap" if frames > 0 else "overlap")
            if frames > 0 and not track.startswith("A") and "sound" not in track:
                yield (
                    Oddity(each.event.line, each.event.event, "gap", f"{names}: a gap of {frames} frames on {track}"),
                    key,
                )
            elif frames < 0:
                what = f"{names}: they overlap by {min(-frames, each.record.count)} frames on {track}"
                yield Oddity(each.event.line, each.event.event, "overlap", what), key
        if before is None or _end(each) > _end(before):
            before = each


def _end(each: Resolved) -> int:
    return each.record.end if each.record is not None else 0
