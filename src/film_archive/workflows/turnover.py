"""A vendor's package in one step: the media that a list means, found among sources, in a bundle whose timeline plays from them.

The list may be of any format that `edl` reads; sources are files, folders and archives, whose members are cut where they
lie. Which media an event means is settled by `editorial.matching`; what ties, or fits by name alone, is never chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath

from film_archive.archive import layout
from film_archive.archive.reader import open_archive
from film_archive.bundles.otioz import refuse_existing
from film_archive.bundles.policy import MediaReferencePolicy
from film_archive.bundles.urls import MEDIA, media_url
from film_archive.core.errors import FilmArchiveError, NotFound, NotSupported, RateUnknown
from film_archive.core.facts import MediaFacts
from film_archive.core.member import Role
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange
from film_archive.editorial.candidates import Candidate, common_counting
from film_archive.editorial.event import EditList, EventMedia
from film_archive.editorial.identity import base_name
from film_archive.editorial.matching import MATCHED, NO_MEDIA, Match, match_events
from film_archive.editorial.otio_writing import write_otio
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import ResolvedList, resolve
from film_archive.media.cutting.opening import open_clip
from film_archive.workflows.bundling import BundlePlan, Form, ListedEvent
from film_archive.workflows.filled import Enclosure
from film_archive.workflows.gathering import Found, Kind, refuse_clashes
from film_archive.workflows.locating import is_archive, locate, split, state_of
from film_archive.workflows.timelines import Carried, MissingReference, version_mark
from film_archive.workflows.trim import TrimmedMedium, merged


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


def plan_turnover(wanted: Turnover, target: Path, *, mhl: bool = False, digests: Iterable[str] = ()) -> BundlePlan:
    """Match every event and lay out the bundle; changes nothing.

    Raises NotFound where an event's media are not found and the policy does not allow that, RateUnknown, Refused where the
    target exists.
    """
    refuse_existing(target)
    edits = read_list(wanted.list, wanted.rate)
    if not edits.events:
        raise NotFound(f"There is no event in {printable(wanted.list)} that could be read.")
    candidates = [each for what in wanted.sources for each in _candidates(what)]
    resolved = _resolved(edits, wanted.rate, candidates, wanted.list)
    matches = list(match_events(resolved, candidates))
    if wanted.policy is MediaReferencePolicy.ALL_MISSING:
        matches = [replace(match, status=NO_MEDIA, candidate=None, frames=None) for match in matches]
    events = tuple(map(_event, matches))
    lost = [each for each in events if each.clip is None and each.status != NO_MEDIA]
    if lost and wanted.policy is MediaReferencePolicy.ERROR_IF_NOT_FILE:
        listed = "; ".join(f"event {each.event} (line {each.line}): {each.reason}" for each in lost[:20])
        raise NotFound(
            f"{len(lost)} events of {printable(wanted.list)} have no media: {listed} Nothing was written; name more sources, or "
            "carry on without with --media-policy missing."
        )
    laying = _Laying(wanted.handles)
    laying.lay_out(matches)
    return BundlePlan(
        bundle=target,
        form=Form.of(target),
        timeline=Carried(
            path=wanted.list,
            references=sum(each.clip is not None for each in events),
            media=(),
            missing=tuple(MissingReference(url=f"event {each.event}", reason=each.reason or "") for each in lost),
        ),
        steps=tuple(laying.steps),
        enclosures=(version_mark(), _content(resolved, matches, laying)),
        renamed=(),
        proxies=(),
        mhl=mhl,
        digests=tuple(digests),
        trimmed=tuple(laying.trimmed),
        warnings=(*(f"event {each.event}: {each.reason}" for each in lost), *dict.fromkeys(laying.notes)),
        events=events,
    )


def _candidates(what: str) -> Iterator[Candidate]:
    """The clips of a source, as matching needs them."""
    path, member = split(what)
    place = Path(path)
    if member or (is_archive(place) and (not place.is_dir() or (place / layout.MANIFEST).exists())):
        with open_archive(path) as archive:
            for each in [archive.member(member)] if member else list(archive.originals()):
                name = f"{path}::{each.path}"
                facts = each.media
                if facts is None and each.sequence is None and each.role == Role.ORIGINAL:
                    facts = _probed(name)
                if facts is not None:
                    yield from _candidate(name, facts)
        return
    from film_archive.media.probe import probe_path

    for clip in probe_path(what):
        if clip.facts is not None and clip.clip.sequence is None:
            yield from _candidate(clip.clip.name, clip.facts)


def _probed(what: str) -> MediaFacts | None:
    """What a member of an archive without facts is; None where that is no media."""
    from film_archive.media.probe import probe

    try:
        with locate(what) as located:
            return probe(located.source)
    except FilmArchiveError:  # then no event can mean it
        return None


def _candidate(name: str, facts: MediaFacts) -> Iterator[Candidate]:
    rate = facts.frame_rate or (None if facts.start_timecode is None else facts.start_timecode.rate)
    if rate is not None and facts.frames:
        own = base_name(name.rpartition("::")[2])
        yield Candidate(name, facts.frames, rate, facts.start_timecode, facts.reel, (own,))


def _resolved(edits: EditList, rate: str | None, candidates: Sequence[Candidate], path: Path) -> ResolvedList:
    if rate is None and edits.rate is None:
        counting = common_counting(candidates)
        if counting is None:
            name = printable(path)
            raise RateUnknown(f"{name} does not say its frame rate, and the media count differently; give it: --rate 24.")
        return resolve(replace(edits, rate=counting.rate, drop_frame=counting.drop))
    return resolve(edits, rate)


def _event(match: Match) -> ListedEvent:
    event = match.event.event
    clip = None if match.candidate is None else match.candidate.path
    return ListedEvent(event=event.event, line=event.line, clip=clip, status=match.status, reason=match.reason or None)


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where the frames of a medium are in the bundle."""

    url: str
    first: int
    """Of its frames in the medium."""
    frames: int


@dataclass(slots=True)
class _Laying:
    """Lays out the media of a package."""

    handles: int | None
    steps: list[Found] = field(default_factory=list)
    trimmed: list[TrimmedMedium] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    placed: dict[int, _Placed] = field(default_factory=dict)
    """Number of a match → where its media are."""
    _names: set[str] = field(default_factory=set)

    def lay_out(self, matches: Sequence[Match]) -> None:
        """All media that were matched, each once."""
        media: dict[str, list[tuple[int, FrameRange]]] = {}
        for number, match in enumerate(matches):
            if match.status == MATCHED and match.candidate is not None and match.frames is not None:
                media.setdefault(match.candidate.path, []).append((number, match.frames))
                short = match.short_head + match.short_tail
                if short:
                    self.notes.append(f"event {match.event.event.event} needs {short} frames more than its media have")
        for what, uses in media.items():
            self._medium(what, uses)
        refuse_clashes(self.steps)

    def _medium(self, what: str, uses: Sequence[tuple[int, FrameRange]]) -> None:
        name = self._free_name(base_name(what.rpartition("::")[2]))
        identity, mtime_ns, mode = state_of(what)
        with locate(what) as located:
            clip = None
            try:
                clip = open_clip(located.source, index=located.index)
                cuts = [] if self.handles is None else merged(uses, self.handles, clip.frames)
                made = [clip.cut_bytes(cut.frames) for cut in cuts if cut.frames.count < clip.frames]
            except NotSupported as error:
                if self.handles is not None:
                    self.notes.append(f"{printable(what)} goes in whole: {error}")
                cuts, made = [], []
            if clip is None or not cuts or len(made) < len(cuts):
                self._step(what, name, located.source.size, identity, mtime_ns, mode)
                for number, _ in uses:
                    self.placed[number] = _Placed(media_url(name), 0, 0)
                return
            for cut, bytes_of in zip(cuts, made, strict=True):
                part = f"{PurePosixPath(name).stem}_f{cut.frames.first}-{cut.frames.end - 1}{bytes_of.suffix}"
                self._step(what, part, bytes_of.source.size, identity, mtime_ns, mode, cut.frames)
                for number, _ in cut.uses:
                    self.placed[number] = _Placed(media_url(part), cut.frames.first, cut.frames.count)
                self.trimmed.append(
                    TrimmedMedium(
                        path=printable(what),
                        member=f"{MEDIA}/{part}",
                        first_frame=cut.frames.first,
                        frames=cut.frames.count,
                        used_frames=cut.used,
                        of_frames=clip.frames,
                    )
                )

    def _step(
        self, what: str, name: str, size: int, identity: str, mtime_ns: int, mode: int, frames: FrameRange | None = None
    ) -> None:
        self.steps.append(
            Found(
                path=what,
                member=f"{MEDIA}/{name}",
                kind=Kind.FILE,
                size=size,
                mtime_ns=mtime_ns,
                mode=mode,
                identity=identity,
                original=printable(what),
                first_frame=None if frames is None else frames.first,
                frames=None if frames is None else frames.count,
            )
        )

    def _free_name(self, name: str) -> str:
        """The name, or with a number where another medium has it."""
        place, number, free = PurePosixPath(name), 1, name
        while layout.fold(free) in self._names:
            number += 1
            free = f"{place.stem}_{number}{place.suffix}"
        self._names.add(layout.fold(free))
        return free


def _content(resolved: ResolvedList, matches: Sequence[Match], laying: _Laying) -> Enclosure:
    """The timeline: the list's events, each with its media in the bundle, or none."""
    events = []
    for number, (each, match) in enumerate(zip(resolved, matches, strict=True)):
        candidate, placed = match.candidate, laying.placed.get(number)
        name = each.event.source_file or (None if candidate is None else base_name(candidate.path.rpartition("::")[2]))
        media = EventMedia(name, None)
        if candidate is not None and placed is not None:
            start = Fraction(0 if candidate.start is None else candidate.start.total_frames)
            rate = candidate.rate if candidate.start is None else candidate.start.rate
            frames = placed.frames or candidate.frames
            media = EventMedia(name, placed.url, start + placed.first, Fraction(frames), rate)
        events.append(replace(each, event=replace(each.event, media=(media,))))
    export = write_otio(replace(resolved, events=tuple(events)))
    laying.notes += [f"event at line {each.line}: {each.what}" for each in export.diagnostics]
    return Enclosure(path=layout.BUNDLE_CONTENT, data=export.data, role=Role.TIMELINE)

