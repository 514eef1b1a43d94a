"""Laying out a pull: for each event that has found its media a range, for ranges a cut, for each cut a name.

Changes nothing. An archive's clips are known from its manifest; what only opening tells is looked at once a clip.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from film_archive.core import files
from film_archive.core.errors import (
    FilmArchiveError,
    NotFound,
    NotSupported,
)
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.editorial import matching
from film_archive.editorial.mapping import MediaMapping
from film_archive.editorial.matching import Match
from film_archive.editorial.naming import NameTemplate
from film_archive.editorial.pulling import Group, Request, covered_by, grouped, is_covered, request_of
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import ResolvedList, resolve
from film_archive.media.cutting.recoding import Mode, in_mode
from film_archive.workflows import pull_records
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.clips import OpenedClip, open_to_cut
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
from film_archive.workflows.pull_names import CutNames, clip_stem
from film_archive.workflows.pull_plans import (
    NOT_SUPPORTED,
    UNCHANGED,
    PulledEvent,
    PullPlan,
    PullStep,
    PullWishes,
)
from film_archive.workflows.pull_sound import Recordings
from film_archive.workflows.pull_sources import SourceClip, Sources, gather_sources

_TOLD_BY_FACTS = ("mov", "mp4")
"""Containers of which a clip's facts tell all that a plan needs; others are opened, since they decide what a cut can be."""


def plan_pull(list_path: Path, sources: Sequence[str], folder: Path, wishes: PullWishes | None = None) -> PullPlan:
    """Match every event and lay out the cuts; changes nothing.

    Raises RateUnknown where neither the list, `rate` nor the media tell how the list counts, UsageError for templates and
    mappings that are none, Refused where two cuts would have one name, or one has a name that is taken.
    """
    wishes = wishes or PullWishes()
    files.require_folder_at(folder)
    template = NameTemplate.parse(wishes.template)
    edits = read_list(list_path, wishes.rate)
    if not edits.events:
        raise NotFound(f"There is no event in {printable(list_path)} that could be read; `film-archive edl` shows what is in it.")
    log = None if wishes.log is None else ClipLog.read(wishes.log, wishes.rate)
    mapping = mapping_at(wishes.mapping)
    counting = wishes.rate if wishes.rate is not None else None if edits.rate is None else str(edits.rate)
    with OpenArchives() as archives:
        found = gather_sources(sources, archives, rate=counting, log=log, leave_out=folder)
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
        failed=(*unread(edits, list_path), *found.failed),
        notes=(*notes, *found.notes, *planning.notes),
    )


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
            event = event_of(match)
            if match.status == matching.MATCHED:
                event, request = self._asked(place, match, event)
                if request is not None and is_covered(request, before):
                    event = replace(event, status=UNCHANGED, reason="The older list had all of its frames.")
                elif request is not None:
                    self.requests.append(request)
            self.events.append(event)

    def _asked(self, place: int, match: Match, event: PulledEvent) -> tuple[PulledEvent, Request | None]:
        assert match.candidate is not None
        request = request_of(place, match, self.wishes.handles)
        reason = why_not_by_timecode(self.found.clips[match.candidate.path], request.wanted)
        if reason is not None:
            return replace(event, status=NOT_SUPPORTED, reason=reason), None
        known = self._known(match.candidate.path)
        if isinstance(known, NotSupported):
            return replace(event, status=NOT_SUPPORTED, reason=str(known)), None
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
                source_in=source_in(match),
                reason=shortfall(match, request, self.wishes.handles),
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
        names = CutNames(self.folder, self.list_path)
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
                "clip": clip_stem(clip.what),
                "name": first.event.clip_name or clip_stem(clip.what),
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
            for clip, frames in recordings.during(_start_of(step), step.frames):
                known = self._known(clip.what)
                if isinstance(known, NotSupported):
                    self.notes.append(f"{printable(clip.what)} is not pulled along: {known}")
                    continue
                frames = FrameRange(frames.first, min(frames.end, known.frames))
                name = f"{step.output.stem if known.suffix else step.output.name}_{clip_stem(clip.what)}"
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


def _start_of(step: PullStep) -> Timecode | None:
    if step.start_timecode is None or step.clip_start_rate is None:
        return None
    return Timecode.from_string(step.start_timecode, FrameRate.of(step.clip_start_rate))


def _label(known: _Known, frame: int) -> Timecode:
    assert known.start is not None
    rate = known.rate or known.start.rate
    return known.start + int(Fraction(frame) * known.start.rate / rate)
