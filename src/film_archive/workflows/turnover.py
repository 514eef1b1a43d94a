"""A vendor's package in one step: the media that a list means, found among sources, in a bundle whose timeline plays from them.

The list may be of any format that `edl` reads; sources are files, folders, archives and bundles, whose members are cut
where they lie. Which media an event means is settled as for a pull, with the same reports: what ties, or fits by name
alone, is never chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.archive import layout
from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.core.digest import MultiHasher
from film_archive.core.errors import NotFound
from film_archive.core.handles import require_handles
from film_archive.core.member import Role
from film_archive.core.source import printable
from film_archive.core.wording import amount
from film_archive.editorial import matching
from film_archive.editorial.event import EventMedia
from film_archive.editorial.matching import Match
from film_archive.editorial.otio_writing import write_otio
from film_archive.editorial.pulling import Request, request_of
from film_archive.editorial.reading import read_list
from film_archive.editorial.relinking import NewMedia, relinked
from film_archive.editorial.resolving import ResolvedList
from film_archive.workflows.bundling import BundlePlan, Form, ListedEvent, require_countable, require_free
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.filled import Enclosure
from film_archive.workflows.locating import OpenArchives
from film_archive.workflows.pull_matching import (
    event_of,
    mapping_at,
    matches_of,
    resolved_by_media,
    shortfall,
    source_in,
    unread,
    why_not_by_timecode,
)
from film_archive.workflows.pull_plans import NOT_SUPPORTED, PLANNED
from film_archive.workflows.pull_sources import Sources, gather_sources
from film_archive.workflows.timelines import Carried, MissingReference, version_mark
from film_archive.workflows.turnover_media import Laying

_LISTED = 20


@dataclass(frozen=True, slots=True)
class Turnover:
    """What a package is made of, as a user asks for it."""

    list: Path
    sources: Sequence[str]
    rate: str | None = None
    """At which the list counts; without it the list's own, or that of media that all count alike."""
    handles: int | None = None
    """With it only the frames that are used go in, and so many more on each side; else whole media."""
    policy: MediaReferencePolicy = MediaReferencePolicy.ERROR_IF_NOT_FILE
    mapping: Path | None = None
    """CSV or JSON that says which media is meant where names do not tell."""
    log: Path | None = None
    """An ALE or CSV list that tells start timecode and reel where clips don't."""
    with_sound: bool = False
    """Whether the recordings come along whose timecode overlaps the pictures'."""


def plan_turnover(wanted: Turnover, target: Path, *, mhl: bool = False, digests: Iterable[str] = ()) -> BundlePlan:
    """Match every event and lay out the bundle; changes nothing.

    Raises NotFound where an event's media are not found and the policy does not allow that, RateUnknown, Refused where the
    target exists, UsageError for mappings and logs that are none.
    """
    form, algorithms, handles = Form.of(target), tuple(digests), wanted.handles or 0
    require_handles(handles)
    MultiHasher(algorithms)  # says which names are none
    require_free(target, form)
    edits = read_list(wanted.list, wanted.rate)
    if not edits.events:
        name = printable(wanted.list)
        raise NotFound(f"There is no event in {name} that could be read; `film-archive edl` shows what is in it.")
    log = None if wanted.log is None else ClipLog.read(wanted.log, wanted.rate)
    mapping = mapping_at(wanted.mapping)
    counting = wanted.rate if wanted.rate is not None else None if edits.rate is None else str(edits.rate)
    with OpenArchives() as archives:
        found = gather_sources(wanted.sources, archives, rate=counting, log=log)
        resolved, notes = resolved_by_media(edits, wanted.rate, found, printable(wanted.list))
        matches = list(matches_of(resolved, found, mapping))
        if wanted.policy is MediaReferencePolicy.ALL_MISSING:
            matches = [replace(each, status=matching.NO_MEDIA, candidate=None, frames=None) for each in matches]
        asked = [_asked(place, match, found, handles) for place, match in enumerate(matches)]
        events = tuple(event for event, _ in asked)
        lost = [event for event in events if event.status not in (matching.MATCHED, matching.NO_MEDIA)]
        if lost and wanted.policy is MediaReferencePolicy.ERROR_IF_NOT_FILE:
            raise _not_found(wanted.list, lost, found)
        requests = [request for _, request in asked if request is not None]
        laying = Laying(found, archives, counting, log, wanted.handles is not None, wanted.with_sound)
        laying.lay_out(requests, {request.place: source_in(matches[request.place]) for request in requests})
    require_countable(len(laying.steps), form)
    content, odd = _content(resolved, laying.placed)
    return BundlePlan(
        bundle=target,
        form=form,
        timeline=Carried(
            path=wanted.list,
            references=len(requests),
            media=(),
            missing=tuple(MissingReference(url=f"event {each.event}", reason=each.reason or "") for each in lost),
        ),
        steps=tuple(laying.steps),
        enclosures=(version_mark(), content),
        renamed=(),
        proxies=(),
        mhl=mhl,
        digests=algorithms,
        trimmed=tuple(laying.trimmed),
        warnings=(
            *notes,
            *(failure.sentence() for failure in (*unread(edits, wanted.list), *found.failed)),
            *found.notes,
            *(f"event {each.event}: {each.reason}" for each in events if each.reason and each.status != matching.NO_MEDIA),
            *dict.fromkeys((*laying.notes, *odd)),
        ),
        events=events,
    )


def _asked(place: int, match: Match, found: Sources, handles: int) -> tuple[ListedEvent, Request | None]:
    """What becomes of an event, and what it needs of its media."""
    said = event_of(match)
    event = ListedEvent(
        event=said.event,
        line=said.line,
        clip=said.clip,
        status=matching.MATCHED if said.status == PLANNED else said.status,
        evidence=said.evidence,
        reason=said.reason,
    )
    if match.status != matching.MATCHED or match.candidate is None:
        return event, None
    request = request_of(place, match, handles)
    why = why_not_by_timecode(found.clips[match.candidate.path], request.wanted)
    if why is not None:
        return replace(event, clip=None, status=NOT_SUPPORTED, reason=why), None
    if request.wanted.count == 0 or request.frames.count == 0:
        return replace(event, clip=None, status=matching.OUTSIDE, reason="None of the frames that it needs is there."), None
    return (
        replace(
            event,
            first_frame=request.frames.first,
            frames=request.frames.count,
            head_handle=request.head_handle,
            tail_handle=request.tail_handle,
            reason=shortfall(match, request, handles),
        ),
        request,
    )


def _not_found(path: Path, lost: Sequence[ListedEvent], found: Sources) -> NotFound:
    listed = "; ".join(f"event {each.event} (line {each.line}): {each.reason}" for each in lost[:_LISTED])
    more = f"; and {len(lost) - _LISTED} more" if len(lost) > _LISTED else ""
    unreadable = "".join(f" {each.sentence()}" for each in found.failed[:_LISTED])
    return NotFound(
        f"{amount(len(lost), 'event')} of {printable(path)} without media: {listed}{more} Nothing was written; name more "
        f"sources, say which media is meant with --mapping, or carry on without with --media-policy missing.{unreadable}"
    )


def _content(resolved: ResolvedList, placed: Mapping[int, NewMedia]) -> tuple[Enclosure, tuple[str, ...]]:
    """The timeline: the list's events, each with its media in the bundle, or none; and what it can't say."""
    bare = tuple(
        replace(each, event=replace(each.event, media=(EventMedia(each.event.source_file or each.event.clip_name, None),)))
        for each in resolved
    )
    export = write_otio(relinked(replace(resolved, events=bare), placed))
    odd = tuple(f"event at line {each.line}: {each.what}" for each in export.diagnostics)
    return Enclosure(path=layout.BUNDLE_CONTENT, data=export.data, role=Role.TIMELINE), odd
