"""Which media the events of a list mean, and what is to be said of each: a list and some sources become events of a pull.

Matching is `editorial.matching`'s: what ties, or fits by name alone, is reported with its reason and never chosen.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from film_archive.core.errors import (
    NotFound,
    PartlyDone,
    RateUnknown,
    from_os_error,
)
from film_archive.core.job import Failure
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, RateLike
from film_archive.editorial import matching
from film_archive.editorial.candidates import common_counting
from film_archive.editorial.channels import shows_picture
from film_archive.editorial.event import EditList
from film_archive.editorial.mapping import MediaMapping, read_mapping
from film_archive.editorial.matching import Match, Matcher
from film_archive.editorial.pulling import Request
from film_archive.editorial.resolving import Resolved, ResolvedList, resolve
from film_archive.workflows.cuts import discontinuous
from film_archive.workflows.pull_plans import (
    PLANNED,
    PulledEvent,
)
from film_archive.workflows.pull_sources import SourceClip, Sources


def resolved_by_media(
    edits: EditList, rate: RateLike | None, found: Sources, name: str
) -> tuple[ResolvedList, tuple[str, ...]]:
    """The list, counted: at the rate that is given, else its own, else that at which all pictures count."""
    if rate is not None or edits.rate is not None:
        return resolve(edits, rate), ()
    common = common_counting(found.pictures()) or common_counting(found.all())
    if not found.clips and found.failed:
        said = " ".join(failure.sentence() for failure in found.failed[:5])
        raise NotFound(f"There is no media among the sources. {said}")
    if common is None:
        rates = sorted({candidate.rate.text for candidate in found.pictures()})
        differ = f"the media count at {', '.join(rates)}" if len(rates) > 1 else "neither do the media"
        raise RateUnknown(f"{name} does not say its frame rate, and {differ}; give it, like --rate 24 or --rate 29.97df.")
    said = f"{name} does not say its frame rate; it is counted at {common.rate.text}, as all the media do"
    return resolve(edits, common.rate), (said,)


def unread(edits: EditList, path: Path) -> Iterable[Failure]:
    """The lines of a list that could not be read, each of which may have been an event."""
    for each in edits.diagnostics:
        if each.text is not None:
            reason = f"line {each.line} of {printable(path)} could not be read: {each.what}."
            yield Failure(path=printable(path), reason=reason, status=PartlyDone.exit_status)


def mapping_at(path: Path | None) -> MediaMapping | None:
    """The mapping of a file, where one was given."""
    if path is None:
        return None
    try:
        return read_mapping(path.read_bytes(), printable(path))
    except OSError as error:
        raise from_os_error(error, f"read {printable(path)}") from error


def matches_of(resolved: ResolvedList, found: Sources, mapping: MediaMapping | None) -> Iterable[Match]:
    """The media of each event, in the list's order. Events on picture tracks mean media with picture."""
    pictured = [each for each in resolved if shows_picture(each.event)]
    heard = [each for each in resolved if not shows_picture(each.event)]
    pictures = Matcher(found.pictures(), pictured)
    sounds = Matcher(found.all(), heard) if heard else pictures
    return [(pictures if shows_picture(each.event) else sounds).match(each, mapping) for each in resolved]


def event_of(match: Match) -> PulledEvent:
    """What becomes of an event, as far as matching tells."""
    event = match.event.event
    status = PLANNED if match.status == matching.MATCHED else match.status
    problems = "; ".join(match.event.problems) if status in (matching.NOT_FOUND, matching.NO_MEDIA) else ""
    reason = match.reason if not problems else f"{match.reason} ({problems})"
    return PulledEvent(
        event=event.event,
        line=event.line,
        clip=None if match.candidate is None else match.candidate.path,
        status=_honest(match),
        evidence=match.evidence,
        reason=reason or None,
    )


def _honest(match: Match) -> str:
    """An event whose timecodes do not exist is no event without media: something is wrong with it."""
    if match.status == matching.MATCHED:
        return PLANNED
    if match.status == matching.NO_MEDIA and match.event.source is None and _may_show(match.event):
        return matching.NOT_FOUND
    return match.status


def _may_show(each: Resolved) -> bool:
    return not each.event.is_black and not each.event.is_generated


def why_not_by_timecode(clip: SourceClip, wanted: FrameRange) -> str | None:
    """Why timecode does not find these frames of a clip, though they were matched; None where it does."""
    facts, name = clip.facts, printable(clip.what)
    if facts.vfr:
        return (
            f"{name} shows its frames for different times, so that its timecode does not tell them apart; "
            "convert it to a constant rate, or cut it by numbers of frames with `extract`."
        )
    if facts.continuous_frames is not None and wanted.end > facts.continuous_frames:
        return discontinuous(name, facts.continuous_frames, facts.start_timecode)
    return None


def source_in(match: Match) -> int:
    """The frame of the media at which an event's source in point lies: of a reversed one behind what it needs first."""
    source, needed = match.event.source, match.event.needed
    assert match.frames is not None, "only what was matched is pulled"
    assert match.candidate is not None, "only what was matched is pulled"
    assert source is not None, "only what was matched is pulled"
    assert needed is not None, "only what was matched is pulled"
    ratio = Fraction(match.candidate.rate.nominal, source.rate.nominal)
    begin = match.frames.first - match.short_head
    return begin - math.floor((needed.first - source.first) * ratio)


def shortfall(match: Match, request: Request, handles: int) -> str | None:
    """What the media does not have of what was asked for."""
    said = [problem[:1].upper() + problem[1:] for problem in match.event.problems]
    if match.event.speed > 0 and (match.short_head or match.short_tail):
        said.append(f"The media lacks {match.short_head + match.short_tail} of the frames that the event needs")
    if (request.head_handle, request.tail_handle) != (handles, handles):
        said.append(f"The media has no more than {request.head_handle} + {request.tail_handle} of {handles} handle frames")
    return "; ".join(said) + "." if said else None
