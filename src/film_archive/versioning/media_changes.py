"""What changed of a clip: its facts before and after, from the archive that lends it or from a probe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from film_archive.core.errors import FilmArchiveError
from film_archive.versioning.entries import Entry
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.reading import Bytes
from film_archive.versioning.reports import ChangeReport, MediaChange
from film_archive.versioning.tree import Change

_FACTS = ("container", "codec", "profile", "width", "height", "frame_rate", "frames", "start_timecode", "reel", "color", "audio")


def reported(repository: OpenRepository, changes: Iterable[Change], *, media: bool) -> Iterator[ChangeReport]:
    """Changes with both their sides; with `media` clips whose bytes can be had are looked into."""
    if not media:
        yield from map(ChangeReport.of, changes)
        return
    with Bytes(repository) as found:
        for change in changes:
            facts: tuple[MediaChange, ...] = ()
            if change.before is not None and change.after is not None:
                facts = tuple(_compared(_facts(found, change.before), _facts(found, change.after)))
            yield ChangeReport.of(change, facts)


def _facts(found: Bytes, entry: Entry) -> dict[str, Any]:
    from film_archive.media.probe import probe

    try:
        lent = found.lent(entry)
        facts = None if lent is None else lent.media
        if facts is None:
            with found.source(entry) as source:
                facts = probe(source)
    except FilmArchiveError:
        return {}  # not media, or not at hand: there is nothing to tell
    return facts.to_json()


def _compared(before: dict[str, Any], after: dict[str, Any]) -> Iterator[MediaChange]:
    for name in _FACTS:
        one, other = before.get(name), after.get(name)
        if one != other:
            yield MediaChange(what=name, before=_text(one), after=_text(other))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} tracks: " + ", ".join(_text(one) for one in value) if value else ""
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(one)}" for key, one in value.items() if one not in (None, [], ""))
    return "" if value is None else str(value)
