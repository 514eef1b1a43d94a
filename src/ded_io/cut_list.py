"""Shots from editorial's lists: each picture event of an EDL, OTIO, ALE or CSV becomes a cut of the clip that it means.

Which clip that is, matching decides (`workflows.pull_matching`): by timecode and names, never by guessing. Lists write out
points that are exclusive; they are made inclusive here, and only here. A retime's cut is the range of the clip that it
plays from, as it was shot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ded_io.looks import document_of
from ded_io.models import EditorialCutInfo
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.source import printable
from film_archive.core.timecode import RateLike
from film_archive.editorial import matching
from film_archive.editorial.channels import shows_picture
from film_archive.editorial.event import Event
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import Resolved
from film_archive.workflows.locating import OpenArchives
from film_archive.workflows.pull_matching import mapping_at, matches_of, resolved_by_media, unread
from film_archive.workflows.pull_sources import gather_sources

SHOT_NAMES = "{number:03}0"
"""Shots by their place in the list: 0010, 0020 and so on."""
_FIELD = re.compile(r"\{(\w+)(?::0?(\d{1,2}))?\}")


@dataclass(frozen=True, slots=True)
class CutShots:
    """What a list comes to."""

    cuts: tuple[EditorialCutInfo, ...]
    problems: tuple[str, ...]
    """Events that become no shot, each a sentence."""
    notes: tuple[str, ...]


def shots_of_list(
    path: Path,
    media: Sequence[str],
    *,
    sequence: str,
    names: str = SHOT_NAMES,
    rate: RateLike | None = None,
    handles: int | None = None,
    mapping: Path | None = None,
    look: Path | None = None,
) -> CutShots:
    """The shots of a list, whose clips lie in `media` (files, folders, archives).

    `names` is a template for the shots' names: `{number}` counts the picture events from 1, `{event}` is the event's own
    number, `{clip}` and `{reel}` what it names, `{name}` a locator's or comment's word where the list names its shots so.
    `look` is the look of all; without one, an event's own ASC CDL is its shot's.
    Raises RateUnknown where nothing tells how the list counts, NotFound where it has no event, UsageError for a template
    that is none.
    """
    edits = read_list(path, rate)
    if not edits.events:
        raise NotFound(f"There is no event in {printable(path)} that could be read.")
    counting = rate if rate is not None else None if edits.rate is None else str(edits.rate)
    with OpenArchives() as archives:
        found = gather_sources(media, archives, rate=counting)
        resolved, notes = resolved_by_media(edits, rate, found, printable(path))
        matches = list(matches_of(resolved, found, mapping_at(mapping)))
    naming = _Naming(names, sequence)
    cuts: list[EditorialCutInfo] = []
    said = [*notes, *found.notes]
    problems = [failure.reason for failure in unread(edits, path)] + [failure.sentence() for failure in found.failed]
    for match in matches:
        event = match.event.event
        if not shows_picture(event) or match.status == matching.NO_MEDIA:
            continue
        if match.status != matching.MATCHED or match.candidate is None or match.frames is None:
            problems.append(f"Event {event.event}, line {event.line}: {match.reason}")
            continue
        if match.short_head or match.short_tail:
            problems.append(
                f"Event {event.event}, line {event.line}: {match.candidate.path} lacks "
                f"{match.short_head + match.short_tail} of the frames that it needs; the shot has the others."
            )
        name = naming.name(event)
        cdl = _cdl(event, f"{sequence}{name}", said) if look is None else None
        cuts.append(_cut(match, sequence, name, handles, look, cdl))
    _require_names(cuts, names)
    return CutShots(tuple(cuts), tuple(problems), tuple(said))


def _cut(
    match: matching.Match, sequence: str, name: str, handles: int | None, look: Path | None, cdl: str | None
) -> EditorialCutInfo:
    """The shot of an event whose clip was found."""
    event = match.event.event
    assert match.candidate is not None
    assert match.frames is not None
    return EditorialCutInfo(
        sequence=sequence,
        shot=name,
        source_file=Path(match.candidate.path),
        in_point=match.frames.first,
        out_point=match.frames.end - 1,
        notes=_notes(match.event),
        head_handles=handles,
        tail_handles=handles,
        look_file=look,
        look_cdl=cdl,
        clip=event.clip_name or Path(match.candidate.path).stem,
        speed=None if match.event.speed == 1 else match.event.speed,
        record_in=event.record_in,
        record_out=event.record_out,
    )


def _cdl(event: Event, name: str, notes: list[str]) -> str | None:
    """The event's own look; None where it has none. One that is none is told in `notes`."""
    written = " ".join(filter(None, (event.asc_sop, event.asc_sat)))
    if not written:
        return None
    try:
        if event.color is None:
            raise UsageError("it can't be read")
        return document_of(event.color, name)
    except UsageError as error:
        notes.append(f"Event {event.event}, line {event.line}: the CDL {printable(written)} is left out: {error}.")
        return None


class _Naming:
    """Names of shots, from the events in their order."""

    FIELDS = ("number", "event", "clip", "reel", "name")

    def __init__(self, template: str, sequence: str) -> None:
        for match in _FIELD.finditer(template):
            if match[1] not in self.FIELDS:
                raise UsageError(f"A shot's name has no field {{{match[1]}}}; there are {', '.join(self.FIELDS)}.")
        if not _FIELD.search(template) or re.search(r"[^A-Za-z0-9-]", _FIELD.sub("", template)):
            raise UsageError(f"{template!r} makes no names of shots; it needs a field like {{number:03}}, letters and digits.")
        self.template, self.sequence, self.count = template, sequence, 0

    def name(self, event: Event) -> str:
        self.count += 1
        values = {
            "number": str(self.count),
            "event": event.event,
            "clip": event.clip_name or "",
            "reel": event.reel or "",
            "name": self._named(event) or "",
        }

        def value(match: re.Match[str]) -> str:
            clean = re.sub(r"[^A-Za-z0-9-]", "", values[match[1]])
            return clean.zfill(int(match[2])) if match[2] and clean.isdecimal() else clean

        made = _FIELD.sub(value, self.template).strip("-")
        if not made:
            raise UsageError(f"{self.template!r} makes no name of event {event.event}, line {event.line}; choose another.")
        return made.removeprefix(self.sequence) or made

    @staticmethod
    def _named(event: Event) -> str | None:
        """The first word of the event's first locator or marker: what many editors put a shot's name into."""
        texts = [marker.text or marker.name or "" for marker in event.markers]
        texts += [" ".join(locator.split()[2:]) for locator in event.locators]
        return next((word for text in texts for word in text.split() if re.search(r"\d", word)), None)


def _notes(each: Resolved) -> str:
    """What the list says of an event beside its clip."""
    said = list(each.problems)
    if each.speed not in (1, 0):
        said.append(f"retime {float(each.speed) * 100:g} %")
    if each.speed == 0:
        said.append("freeze frame")
    said += [marker.text for marker in each.event.markers if marker.text]
    return "; ".join(said)


def _require_names(cuts: Iterable[EditorialCutInfo], names: str) -> None:
    seen: set[str] = set()
    for cut in cuts:
        if cut.code in seen:
            raise UsageError(f"{names!r} gives two events the name {cut.code}; put {{number}} into the template.")
        seen.add(cut.code)


def speed_text(speed: Fraction | None) -> str:
    """A retime as a count sheet says it."""
    if speed is None or speed == 1:
        return ""
    return "freeze" if speed == 0 else f"{float(speed) * 100:g} %"
