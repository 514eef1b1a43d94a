"""What `pull` would do: every event of a list with the media that it means, and the cuts that answer them.

Matching is `editorial.matching`'s: what ties, or fits by name alone, is reported with its reason and never chosen.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from film_archive.archive import layout
from film_archive.core.errors import (
    FilmArchiveError,
    NotFound,
    NotSupported,
    PartlyDone,
    RateUnknown,
    Refused,
    from_os_error,
)
from film_archive.core.job import Failure, Plan
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, FrameRate, RateLike, Timecode
from film_archive.editorial import matching
from film_archive.editorial.candidates import common_counting
from film_archive.editorial.channels import shows_picture
from film_archive.editorial.event import EditList
from film_archive.editorial.identity import media_name, stem_of
from film_archive.editorial.mapping import MediaMapping, read_mapping
from film_archive.editorial.matching import Match, Matcher
from film_archive.editorial.naming import DEFAULT, NameTemplate
from film_archive.editorial.pulling import Group, Request, covered_by, grouped, is_covered, request_of
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import Resolved, ResolvedList, resolve
from film_archive.media.cutting.recoding import Mode, in_mode
from film_archive.workflows import pull_records
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.clips import OpenArchives, OpenedClip, open_to_cut
from film_archive.workflows.cuts import discontinuous
from film_archive.workflows.extraction import CutStep
from film_archive.workflows.pull_sound import Recordings
from film_archive.workflows.pull_sources import SourceClip, Sources, gather_sources

SPEED = 300_000_000
"""Bytes a second that estimates take a disk to copy; where blocks are shared it is done at once."""

_TOLD_BY_FACTS = ("mov", "mp4")
"""Containers of which a clip's facts tell all that a plan needs; others are opened, since they decide what a cut can be."""

UNCHANGED, NOT_SUPPORTED, PLANNED = "unchanged", "not_supported", "planned"
FAILING: Mapping[str, int] = {
    matching.TIE: 3,
    matching.NO_TIMECODE: 3,
    matching.NO_NAME: 3,
    matching.NOT_FOUND: 3,
    matching.OUTSIDE: 7,
    NOT_SUPPORTED: 5,
}
"""Statuses of events that get no cut although they should, and the exit status that each alone ends with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullStep(CutStep):
    """One cut: of picture, or with `--with-sound` of a recording that ran meanwhile."""

    events: tuple[int, ...]
    """The events that it answers, by their place in `events`, from 0."""
    sound_of: str | None = None
    """Of a recording that is pulled along: the name of the cut whose picture it belongs to."""
    digest: str | None = None
    """XXH3-128 of the whole clip, where its archive has it."""
    frame_rate: str
    """At which the clip's frames play."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledEvent(Record):
    """An event of the list, and what becomes of it. Frame numbers are those of its media, from 0."""

    event: str
    """Its number, as the list has it."""
    line: int
    """Its line in the list."""
    clip: str | None
    """The media that it means, as it can be opened."""
    status: str
    """"planned"; then "cut", or "there" where an earlier run had cut it; "failed". Without a cut: "unchanged" (with
    `--changed-since`), "no_media" (black, generated), "tie", "no_name", "no_timecode", "outside", "not_found",
    "not_supported"."""
    output: Path | None = None
    """The cut that has its frames."""
    first_frame: int | None = None
    """The first frame that it asks for, handles counted in."""
    frames: int | None = None
    """How many, handles counted in."""
    head_handle: int = 0
    """Frames of handle before, as many as the media has."""
    tail_handle: int = 0
    """Frames of handle behind."""
    source_in: int | None = None
    """The frame at which its source in point lies."""
    in_cut: int | None = None
    """Which frame of the cut, from 0, that is."""
    evidence: tuple[str, ...] = ()
    """What told which media is meant, besides the timecode."""
    reason: str | None = None
    """Why it gets no cut, or what is to be known of it; a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullPlan(Plan):
    """What would be pulled."""

    verb: ClassVar[str] = "pull"
    list: Path
    """The list."""
    list_digest: str
    """XXH3-128 of what it says as it was read; a list that changed since is refused."""
    title: str | None
    """The list's title."""
    rate: str
    """What the list is counted at."""
    given_rate: str | None
    """The rate that was given for it."""
    folder: Path
    """Where the cuts go."""
    handles: int
    """Frames that were asked for on each side."""
    events: tuple[PulledEvent, ...]
    """All events, in the list's order."""
    steps: tuple[PullStep, ...]
    """The cuts."""
    failed: tuple[Failure, ...]
    """Sources that look like media and can't be read."""
    notes: tuple[str, ...]
    """What is to be known, each one sentence."""

    @property
    def expected_seconds(self) -> float:
        """How long it may take where every byte is copied."""
        return self.size / SPEED


@dataclass(frozen=True, slots=True, kw_only=True)
class PullWishes:
    """How a pull is to be made, as a user asks for it."""

    handles: int = 0
    rate: str | None = None
    mapping: Path | None = None
    template: str = DEFAULT
    merge: bool = False
    with_sound: bool = False
    changed_since: Path | None = None
    log: Path | None = None
    link: bool = False
    mode: Mode = Mode.COPY


def plan_pull(list_path: Path, sources: Sequence[str], folder: Path, wishes: PullWishes | None = None) -> PullPlan:
    """Match every event and lay out the cuts; changes nothing.

    Raises RateUnknown where neither the list, `rate` nor the media tell how the list counts, UsageError for templates and
    mappings that are none, Refused where two cuts would have one name, or one has a name that is taken.
    """
    wishes = wishes or PullWishes()
    template = NameTemplate.parse(wishes.template)
    edits = read_list(list_path, wishes.rate)
    if not edits.events:
        raise NotFound(f"There is no event in {printable(list_path)} that could be read; `film-archive edl` shows what is in it.")
    log = None if wishes.log is None else ClipLog.read(wishes.log, wishes.rate)
    mapping = _mapping(wishes.mapping)
    counting = wishes.rate if wishes.rate is not None else None if edits.rate is None else str(edits.rate)
    with OpenArchives() as archives:
        found = gather_sources(sources, archives, rate=counting, log=log)
        resolved, notes = resolved_by_media(edits, wishes.rate, found, printable(list_path))
        planning = _Planning(list_path, folder, wishes, template, found, archives, resolved, counting)
        planning.match(mapping)
        planning.lay_out()
    return PullPlan(
        list=list_path,
        list_digest=pull_records.digest_of_list(edits),
        title=edits.title,
        rate=str(resolved.counting.rate),
        given_rate=wishes.rate,
        folder=folder,
        handles=wishes.handles,
        events=tuple(planning.events),
        steps=tuple(planning.steps),
        failed=(*_unread(edits, list_path), *found.failed),
        notes=(*notes, *found.notes, *planning.notes),
    )


def _unread(edits: EditList, path: Path) -> Iterable[Failure]:
    """The lines of a list that could not be read, each of which may have been an event."""
    for each in edits.diagnostics:
        if each.text is not None:
            reason = f"line {each.line} of {printable(path)} could not be read: {each.what}."
            yield Failure(path=printable(path), reason=reason, status=PartlyDone.exit_status)


def _mapping(path: Path | None) -> MediaMapping | None:
    if path is None:
        return None
    try:
        return read_mapping(path.read_bytes(), printable(path))
    except OSError as error:
        raise from_os_error(error, f"read {printable(path)}") from error


def resolved_by_media(
    edits: EditList, rate: RateLike | None, found: Sources, name: str
) -> tuple[ResolvedList, tuple[str, ...]]:
    """The list, counted: at the rate that is given, else its own, else that at which all pictures count."""
    if rate is not None or edits.rate is not None:
        return resolve(edits, rate), ()
    common = common_counting(found.pictures()) or common_counting(found.all())
    if common is None:
        rates = sorted({candidate.rate.text for candidate in found.pictures()})
        differ = f"the media count at {', '.join(rates)}" if len(rates) > 1 else "neither do the media"
        raise RateUnknown(f"{name} does not say its frame rate, and {differ}; give it, like --rate 24 or --rate 29.97df.")
    said = f"{name} does not say its frame rate; it is counted at {common.rate.text}, as all the media do"
    return resolve(edits, common.rate), (said,)


class _Planning:
    """What has been found out so far."""

    def __init__(
        self,
        list_path: Path,
        folder: Path,
        wishes: PullWishes,
        template: NameTemplate,
        found: Sources,
        archives: OpenArchives,
        resolved: ResolvedList,
        counting: str | None,
    ) -> None:
        self.list_path, self.folder, self.wishes, self.template = list_path, folder, wishes, template
        self.found, self.archives, self.resolved, self.counting = found, archives, resolved, counting
        self.events: list[PulledEvent] = []
        self.requests: list[Request] = []
        self.steps: list[PullStep] = []
        self.notes: list[str] = []
        self._probed: dict[str, _Known | NotSupported] = {}

    def match(self, mapping: MediaMapping | None) -> None:
        """An entry for each event, and a request for each that found its media."""
        before = self._pulled_before(mapping)
        for place, match in enumerate(matches_of(self.resolved, self.found, mapping)):
            event = _event_of(match)
            if match.status == matching.MATCHED:
                event, request = self._asked(place, match, event)
                if request is not None and is_covered(request, before):
                    event = replace(event, status=UNCHANGED, reason="The older list had all of its frames.")
                elif request is not None:
                    self.requests.append(request)
            self.events.append(event)

    def _asked(self, place: int, match: Match, event: PulledEvent) -> tuple[PulledEvent, Request | None]:
        assert match.candidate is not None
        known = self._known(match.candidate.path)
        if isinstance(known, NotSupported):
            return replace(event, status=NOT_SUPPORTED, reason=str(known)), None
        request = request_of(place, match, self.wishes.handles)
        facts = self.found.clips[match.candidate.path].facts
        if facts.continuous_frames is not None and request.wanted.end > facts.continuous_frames:
            name = printable(match.candidate.path)
            reason = discontinuous(name, facts.continuous_frames, facts.start_timecode)
            return replace(event, status=NOT_SUPPORTED, reason=reason), None
        frames = FrameRange(request.frames.first, min(request.frames.end, known.frames))
        if request.wanted.count == 0 or frames.count <= 0:
            return replace(event, status=matching.OUTSIDE, reason="None of the frames that it needs is there."), None
        return (
            replace(
                event,
                first_frame=frames.first,
                frames=frames.count,
                head_handle=request.head_handle,
                tail_handle=request.tail_handle,
                source_in=_source_in(match),
                reason=_shortfall(match, request, self.wishes.handles),
            ),
            replace(request, frames=frames),
        )

    def _pulled_before(self, mapping: MediaMapping | None) -> Mapping[str, Sequence[FrameRange]]:
        """The frames that a pull of the older list had, with the same handles."""
        older = self.wishes.changed_since
        if older is None:
            return {}
        edits = read_list(older, self.wishes.rate)
        resolved = resolve(edits, self.wishes.rate or edits.rate or self.resolved.counting.rate)
        matched = [
            request_of(place, match, self.wishes.handles)
            for place, match in enumerate(matches_of(resolved, self.found, mapping))
            if match.status == matching.MATCHED
        ]
        return covered_by(matched)

    def lay_out(self) -> None:
        """A step for each cut, with its name; raises Refused where names collide or are taken."""
        names = _Names(self.folder, self.list_path)
        for group in grouped(self.requests, merge=self.wishes.merge):
            step = self._step(group)
            names.take(step, self.events)
            for request in group.requests:
                self.events[request.place] = replace(
                    self.events[request.place],
                    output=step.output,
                    in_cut=(self.events[request.place].source_in or 0) - step.first_frame,
                )
            self.steps.append(step)
        if self.wishes.with_sound:
            for step in self._sound():
                names.take(step, self.events)
                self.steps.append(step)
        names.require_free()

    def _step(self, group: Group) -> PullStep:
        known = self._known(group.clip.path)
        assert isinstance(known, _Known), "what is not supported makes no request"
        clip = self.found.clips[group.clip.path]
        first = group.requests[0]
        start = None if known.start is None else _label(known, group.frames.first)
        name = self.template.name(
            {
                "event": first.event.event,
                "reel": (first.event.reel if first.event.names_reel else None) or clip.facts.reel or "",
                "clip": _stem(clip.what),
                "name": first.event.clip_name or _stem(clip.what),
                "start": "" if start is None else str(start).replace(":", "").replace(";", ""),
                "first": str(group.frames.first),
                "frames": str(group.frames.count),
                "track": first.event.track or first.event.channels or "",
                "line": str(first.event.line),
                "list": self.list_path.stem,
            }
        )
        return self._cut_step(clip, known, group.frames, start, name).changed(
            head_handle=group.head_handle,
            tail_handle=group.tail_handle,
            events=tuple(request.place for request in group.requests),
        )

    def _cut_step(
        self, clip: SourceClip, known: _Known, frames: FrameRange, start: Timecode | None, name: str
    ) -> _Draft:
        return _Draft(
            {
                "source": clip.what,
                "identity": known.identity,
                "size": known.size * frames.count // max(1, known.frames),
                "output": self.folder / f"{name}{known.suffix}",
                "first_frame": frames.first,
                "frames": frames.count,
                "start_timecode": None if start is None else str(start),
                "clip_start": None if known.start is None else str(known.start),
                "clip_start_rate": None if known.start is None else str(known.start.rate),
                "reel": known.reel,
                "rate": self.counting,
                "link": self.wishes.link,
                "mode": self.wishes.mode,
                "digest": clip.digest,
                "frame_rate": str(known.rate or clip.candidate.rate),
            }
        )

    def _sound(self) -> Iterable[PullStep]:
        """The parts of recordings that ran while pulled pictures were shot."""
        recordings = Recordings(self.found.recordings())
        for step in tuple(self.steps):
            picture = self.found.clips[step.source]
            if picture.is_sound:
                continue
            for clip, frames in recordings.during(step):
                known = self._known(clip.what)
                if isinstance(known, NotSupported):
                    self.notes.append(f"{printable(clip.what)} is not pulled along: {known}")
                    continue
                frames = FrameRange(frames.first, min(frames.end, known.frames))
                name = f"{step.output.stem if known.suffix else step.output.name}_{_stem(clip.what)}"
                yield self._cut_step(clip, known, frames, _label(known, frames.first), name).changed(
                    head_handle=0, tail_handle=0, events=step.events, sound_of=step.output.name
                )

    def _known(self, what: str) -> _Known | NotSupported:
        """What cutting a clip needs to know of it; the reason where it can't be cut."""
        if what not in self._probed:
            self._probed[what] = self._looked_at(what)
        return self._probed[what]

    def _looked_at(self, what: str) -> _Known | NotSupported:
        source = self.found.clips[what]
        facts = source.facts
        if facts.vfr:
            return NotSupported(
                f"{printable(what)} shows its frames for different times, so that its timecode does not tell them apart; "
                "convert it to a constant rate, or cut it by numbers of frames with `extract`."
            )
        reel = facts.reel if facts.reel_source != "file name" else None
        told = facts.container in _TOLD_BY_FACTS and not source.is_sound and self.wishes.mode is Mode.COPY
        if source.identity is not None and told:
            rate, start = facts.frame_rate or source.candidate.rate, facts.start_timecode
            return _Known(source.identity, source.size, facts.frames or 0, rate, start, reel, ".mov")
        try:
            with open_to_cut(what, rate=self.counting, archives=self.archives) as opened:
                in_mode(opened.clip, self.wishes.mode)
                return _Known.of(opened, facts.start_timecode, reel)
        except FilmArchiveError as error:
            return error if isinstance(error, NotSupported) else NotSupported(str(error))


@dataclass(frozen=True, slots=True)
class _Draft:
    """A step's values, as far as they are known."""

    values: dict[str, Any]

    def changed(self, **more: Any) -> PullStep:
        return PullStep(**self.values, **more)


@dataclass(frozen=True, slots=True)
class _Known:
    """A clip that can be cut."""

    identity: str
    size: int
    frames: int
    rate: FrameRate | None
    start: Timecode | None
    reel: str | None
    suffix: str
    """Of its cuts; "" where they are folders."""

    @classmethod
    def of(cls, opened: OpenedClip, start: Timecode | None, reel: str | None) -> _Known:
        clip = opened.clip
        suffix = clip.suffixes[0] if clip.suffixes else ""
        begins = clip.start if clip.start is not None else start
        return cls(opened.identity, opened.size, clip.frames, clip.rate, begins, clip.reel or reel, suffix)


def _label(known: _Known, frame: int) -> Timecode:
    assert known.start is not None
    rate = known.rate or known.start.rate
    return known.start + int(Fraction(frame) * known.start.rate / rate)


def matches_of(resolved: ResolvedList, found: Sources, mapping: MediaMapping | None) -> Iterable[Match]:
    """The media of each event, in the list's order. Events on picture tracks mean media with picture."""
    pictured = [each for each in resolved if shows_picture(each.event)]
    heard = [each for each in resolved if not shows_picture(each.event)]
    pictures = Matcher(found.pictures(), pictured)
    sounds = Matcher(found.all(), heard) if heard else pictures
    return [(pictures if shows_picture(each.event) else sounds).match(each, mapping) for each in resolved]


def _event_of(match: Match) -> PulledEvent:
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


def _source_in(match: Match) -> int:
    """The frame of the media at which an event's source in point lies: of a reversed one behind what it needs first."""
    source, needed = match.event.source, match.event.needed
    assert match.frames is not None, "only what was matched is pulled"
    assert match.candidate is not None, "only what was matched is pulled"
    assert source is not None, "only what was matched is pulled"
    assert needed is not None, "only what was matched is pulled"
    ratio = Fraction(match.candidate.rate.nominal, source.rate.nominal)
    begin = match.frames.first - match.short_head
    return begin - math.floor((needed.first - source.first) * ratio)


def _shortfall(match: Match, request: Request, handles: int) -> str | None:
    """What the media does not have of what was asked for."""
    said = [problem[:1].upper() + problem[1:] for problem in match.event.problems]
    if match.event.speed > 0 and (match.short_head or match.short_tail):
        said.append(f"The media lacks {match.short_head + match.short_tail} of the frames that the event needs")
    if (request.head_handle, request.tail_handle) != (handles, handles):
        said.append(f"The media has no more than {request.head_handle} + {request.tail_handle} of {handles} handle frames")
    return "; ".join(said) + "." if said else None


def _stem(what: str) -> str:
    """What a clip is called in the names of its cuts: its file without extension, a sequence without its number."""
    name = media_name(what)
    stem = stem_of(name)
    return name[: len(stem)] if name.casefold().startswith(stem) else stem


class _Names:
    """The names of a pull's cuts; each may be there once, and nothing may have it."""

    def __init__(self, folder: Path, list_path: Path) -> None:
        self._folder, self._list_path = folder, list_path
        self._taken: dict[str, str] = {}
        for name in pull_records.own_names(list_path):
            self._taken[layout.fold(name)] = "this pull's own record"
        self._steps: list[PullStep] = []

    def take(self, step: PullStep, events: Sequence[PulledEvent]) -> None:
        who = f"event {events[step.events[0]].event} (line {events[step.events[0]].line})"
        for name in (step.output.name, pull_records.sidecar_of(step.output).name):
            other = self._taken.setdefault(layout.fold(name), who)
            if other is not who:
                raise Refused(
                    f"{other} and {who} would both be called {printable(step.output.name)}; put more into the template "
                    "({line}, {start}, {track}), or --merge what overlaps. Nothing was written."
                )
        self._steps.append(step)

    def require_free(self) -> None:
        known = pull_records.Known.read(self._folder, self._list_path)
        for step in self._steps:
            for path in (step.output, pull_records.sidecar_of(step.output)):
                if os.path.lexists(path) and not known.may_be_ours(step):
                    raise Refused(
                        f"{printable(path)} exists already, and is not what this pull had made there; nothing was written. Pull "
                        "into another folder, or give another template."
                    )
