"""Which media a list uses, and how much of each. Defined here and only here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from film_archive.editorial.event import EditList, Event
from film_archive.editorial.resolving import Resolved, ResolvedList, Span


@dataclass(frozen=True, slots=True)
class UsedMedia:
    """One source: what names it, and the frames of it that are shown."""

    reel: str | None
    source_file: str | None
    clip_names: tuple[str, ...]
    events: tuple[str, ...]
    first: str | None
    """Timecode of the first frame that is used; None without a rate."""
    end: str | None
    """Exclusive."""
    frames: int | None
    """How many frames are used, each counted once; None without a rate."""


@dataclass(slots=True)
class _Gathering:
    event: Event
    names: dict[str, None] = field(default_factory=dict)
    numbers: dict[str, None] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)


def used_media(events: ResolvedList | EditList) -> tuple[UsedMedia, ...]:
    """The media in the order of their first use. Sources are one where their file, else their reel, else their clip name is.

    Black and what programs make themselves is no media.
    """
    found: dict[tuple[str, str], _Gathering] = {}
    pairs: Iterable[tuple[Event, Resolved | None]] = (
        ((event, None) for event in events) if isinstance(events, EditList) else ((each.event, each) for each in events)
    )
    for event, resolved in pairs:
        if event.is_black or event.is_generated or (resolved is not None and not resolved.has_media):
            continue
        gathered = found.setdefault(_identity(event), _Gathering(event))
        gathered.numbers[event.event] = None
        if event.clip_name:
            gathered.names[event.clip_name] = None
        if resolved is not None and resolved.needed is not None:
            gathered.spans.append(resolved.needed)
    return tuple(_used(each) for each in found.values())


def _identity(event: Event) -> tuple[str, str]:
    if event.source_file:
        return "file", event.source_file.casefold()
    if event.names_reel:
        return "reel", (event.reel or "").strip().casefold()
    return "clip", (event.clip_name or "").casefold()


def _used(each: _Gathering) -> UsedMedia:
    spans = sorted(each.spans, key=lambda span: span.first)
    same = all((span.rate, span.drop) == (spans[0].rate, spans[0].drop) for span in spans)
    last = max(spans, key=lambda span: span.end, default=None)
    return UsedMedia(
        reel=each.event.reel if each.event.names_reel else None,
        source_file=each.event.source_file,
        clip_names=tuple(each.names),
        events=tuple(each.numbers),
        first=str(spans[0].start_label) if spans else None,
        end=None if last is None else str(last.end_label),
        frames=covered(spans) if spans and same else None,
    )


def covered(spans: Iterable[Span]) -> int:
    """How many frames lie in at least one of these; sorted by their first frame."""
    total = reached = 0
    for span in spans:
        total += max(0, span.end - max(span.first, reached))
        reached = max(reached, span.end)
    return total
