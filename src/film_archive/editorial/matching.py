"""Which media an event means. Pure: it works on facts that are given as values and opens nothing.

The event's timecode must lie inside the media, always. Among those that hold it the names decide: by file (SOURCE FILE, a
media reference), then reel (exact, then its short forms, then the cameras' naming), then clip name. The best one is chosen
only if no other fits as well. A name without timecode, and timecode without a name, are reported and never chosen; a mapping
settles them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from film_archive.core.timecode import FrameRange
from film_archive.editorial.candidates import Candidate, Counted, Spans, Wanted, wanted_in
from film_archive.editorial.identity import (
    CLIP,
    EXACT,
    FILE,
    PATH,
    PATTERN,
    SHORT,
    STEM,
    Names,
    names_of_event,
    names_of_media,
    shared,
)
from film_archive.editorial.mapping import MediaMapping
from film_archive.editorial.resolving import Resolved, ResolvedList

MATCHED = "matched"
TIE = "tie"
OUTSIDE = "outside"
"""Names fit, and the timecode lies in none of what they name."""
NO_TIMECODE = "no_timecode"
"""A name fits media that has no timecode."""
NO_NAME = "no_name"
"""Timecode fits, and what the event calls its source names none of them."""
NOT_FOUND = "not_found"
NO_MEDIA = "no_media"
"""Black, generated, of no length, or with timecodes that do not exist."""

_RIVALS = 10
"""That are named in a report."""
_FEW = 24
"""Candidates of one name that are looked at one by one."""

_EVIDENCE = (
    {PATH: "path", FILE: "file", STEM: "file without extension"},
    {EXACT: "reel", SHORT: "short reel", PATTERN: "reel by the camera's naming"},
    {CLIP: "clip name"},
)


@dataclass(frozen=True, slots=True)
class Match:
    """What became of an event."""

    event: Resolved
    status: str
    candidate: Candidate | None = None
    """Chosen; None unless `status` is MATCHED."""
    frames: FrameRange | None = None
    """Of the candidate, from 0: what the event needs, cut off at the media's ends."""
    short_head: int = 0
    """Frames that it needs from before the media's first."""
    short_tail: int = 0
    evidence: tuple[str, ...] = ()
    """Why: what fits besides the timecode, the surest first; "mapping" or "only candidate" where that settled it."""
    rivals: tuple[Candidate, ...] = ()
    """Those that could not be told apart, or that lack something; at most ten."""
    reason: str = ""
    """Why none was chosen: a sentence."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """A candidate that holds an event's frames, and how well its names fit."""

    score: tuple[int, int, int]
    place: int
    first: int
    """Where in its frames the event's first one lies."""


_Form = tuple[int, str]
"""A kind of names (file, reel, clip) and a form."""


def _forms(names: Names) -> Iterator[_Form]:
    for kind, own in enumerate(names.kinds):
        yield from ((kind, form) for form in own)


class Matcher:
    """Candidates, indexed for the names that some events use."""

    def __init__(self, candidates: Sequence[Candidate], events: Iterable[Resolved]) -> None:
        self._candidates = candidates
        self._events = tuple(events)  # held, since they are known by their identity
        self._wanted = {id(each): names_of_event(each.event, each.called) for each in self._events}
        used: tuple[set[str], ...] = (set(), set(), set())
        for wanted in self._wanted.values():
            for kind, known in zip(wanted.kinds, used, strict=True):
                known.update(kind)
        self._by_form: dict[_Form, list[int]] = {}
        self._names: dict[int, Names] = {}
        for place, candidate in enumerate(candidates):
            names = names_of_media(candidate.path, candidate.reel, candidate.names)
            for which, own in enumerate(names.kinds):
                for form in used[which].intersection(own):
                    self._names[place] = names
                    self._by_form.setdefault((which, form), []).append(place)
        self._spans: dict[_Form, Spans] = {}
        self._all: Spans | None = None

    def match(self, each: Resolved, mapping: MediaMapping | None = None) -> Match:
        """The media of an event. A mapping that names some settles what names can't; timecode still has to fit."""
        if not each.has_media:
            return Match(each, NO_MEDIA, reason="It shows no frames of any media.")
        counted: dict[Counted, Wanted | None] = {}
        if mapping is not None:
            settled = mapping.media_of(each.event)
            if settled is not None:
                return self._mapped(each, settled, mapping, counted)
        names = self._wanted.get(id(each)) or names_of_event(each.event, each.called)
        fits = self._named(each, names, counted)
        if fits:
            best = max(fit.score for fit in fits)
            top = [fit for fit in fits if fit.score == best]
            if len(top) == 1:
                return self._chosen(each, top[0], _evidence(best))
            return self._tie(each, [fit.place for fit in top], _evidence(best))
        if names:
            return self._named_only(each, names, counted)
        return self._timecode_only(each, counted)

    def _named(self, each: Resolved, names: Names, counted: dict[Counted, Wanted | None]) -> list[_Fit]:
        """Candidates that share a name with the event and hold its frames."""
        places: set[int] = set()
        for form in _forms(names):
            holders = self._by_form.get(form, [])
            if len(holders) <= _FEW:
                places.update(holders)
                continue
            if form not in self._spans:
                self._spans[form] = Spans(self._candidates, holders)
            places.update(self._spans[form].holding(counted, each))
        fits = []
        for place in places:
            first = _inside(each, self._candidates[place], counted)
            score = shared(names, self._names[place])
            if first is not None and any(score):
                fits.append(_Fit(score, place, first))
        return fits

    def _chosen(self, each: Resolved, fit: _Fit, evidence: tuple[str, ...]) -> Match:
        return _placed(each, self._candidates[fit.place], fit.first, evidence)

    def _tie(self, each: Resolved, places: list[int], evidence: tuple[str, ...]) -> Match:
        rivals = sorted((self._candidates[place] for place in places), key=lambda candidate: candidate.path)
        by = " and ".join(evidence)
        reason = (
            f"{len(rivals)} media fit equally well by timecode and {by}: {_listed(rivals)}; a mapping file settles it."
        )
        return Match(each, TIE, evidence=evidence, rivals=tuple(rivals[:_RIVALS]), reason=reason)

    def _named_only(self, each: Resolved, names: Names, counted: dict[Counted, Wanted | None]) -> Match:
        """Names fit and timecode does not, or the other way round."""
        places: dict[int, None] = {}
        for form in _forms(names):
            for place in islice(self._by_form.get(form, []), 1000):
                if any(shared(names, self._names[place])):
                    places[place] = None
        if each.event.from_media_start:
            found = [place for place in places if shared(names, self._names[place])[0] >= FILE]
            match = self._from_start(each, found)
            if match is not None:
                return match
        named = sorted(
            (self._candidates[place] for place in places),
            key=lambda candidate: (candidate.start is not None, candidate.path),
        )
        without = [candidate for candidate in named if candidate.start is None]
        if without and len(without) == len(named):
            reason = f"{_listed(named)} fits by name and has no timecode; give it, or name it in a mapping file."
            return Match(each, NO_TIMECODE, rivals=tuple(named[:_RIVALS]), reason=reason)
        if named and each.source is not None and all(_counts_otherwise(each, candidate) for candidate in named):
            counted_at = " and ".join(sorted({candidate.rate.text for candidate in named}))
            reason = (
                f"What fits by name counts at {counted_at}, and the list's source at {each.source.rate.text}: "
                f"{_listed(named)}; is the list's rate right?"
            )
            return Match(each, OUTSIDE, rivals=tuple(named[:_RIVALS]), reason=reason)
        if named:
            ranges = ", ".join(f"{candidate.path} ({_extent(candidate)})" for candidate in named[:3])
            reason = f"{_label(each)} lies outside of what fits by name: {ranges}{' …' if len(named) > 3 else ''}."
            return Match(each, OUTSIDE, rivals=tuple(named[:_RIVALS]), reason=reason)
        holding = self._holding(each, counted)
        if holding:
            reason = (
                f"{_label(each)} lies in {_listed(holding)}, but no name of the event ({_called(names)}) is theirs; "
                "a mapping file settles it."
            )
            return Match(each, NO_NAME, rivals=tuple(holding[:_RIVALS]), reason=reason)
        return Match(
            each, NOT_FOUND, reason=f"Nothing is called {_called(names)}, and {_label(each)} lies in none of the media."
        )

    def _from_start(self, each: Resolved, places: list[int]) -> Match | None:
        """A list that may count from the media's first frame, and names the file: the one that is long enough."""
        source = each.source
        if source is None:
            return None
        long_enough = []
        for place in places:
            candidate = self._candidates[place]
            wanted = wanted_in(each, candidate.rate, False)
            if wanted is not None and wanted.first + wanted.frames <= candidate.frames:
                long_enough.append((place, wanted.first))
        if len(long_enough) != 1:
            return None
        place, first = long_enough[0]
        return _placed(each, self._candidates[place], first, ("file", "counted from the media's first frame"))

    def _timecode_only(self, each: Resolved, counted: dict[Counted, Wanted | None]) -> Match:
        """An event that calls its source nothing: chosen where there is but one."""
        holding = self._holding(each, counted)
        if not holding:
            return Match(each, NOT_FOUND, reason=f"{_label(each)} lies in none of the media, and the event names none.")
        first = _inside(each, holding[0], counted)
        if len(holding) == 1 and first is not None:
            return _placed(each, holding[0], first, ("only candidate",))
        reason = f"{_label(each)} lies in {_listed(holding)}, and the event names none; a mapping file settles it."
        return Match(each, TIE, rivals=tuple(holding[:_RIVALS]), reason=reason)

    def _holding(self, each: Resolved, counted: dict[Counted, Wanted | None]) -> list[Candidate]:
        """Candidates that hold an event's frames, whatever they are called; no more than a report names, and one."""
        if self._all is None:
            self._all = Spans(self._candidates, range(len(self._candidates)))
        places = islice(self._all.holding(counted, each), _RIVALS + 1)
        return sorted((self._candidates[place] for place in places), key=lambda candidate: candidate.path)

    def _mapped(
        self, each: Resolved, settled: str, mapping: MediaMapping, counted: dict[Counted, Wanted | None]
    ) -> Match:
        """What a mapping names, if the timecode lies inside."""
        found = mapping.among(self._candidates, settled)
        holding = [candidate for candidate in found if _inside(each, candidate, counted) is not None]
        if len(holding) == 1:
            first = _inside(each, holding[0], counted)
            return _placed(each, holding[0], first or 0, ("mapping",))
        if len(holding) > 1:
            reason = f"The mapping's {settled!r} means {_listed(holding)}; write its whole path."
            return Match(each, TIE, rivals=tuple(holding[:_RIVALS]), reason=reason)
        if not found:
            return Match(each, NOT_FOUND, reason=f"The mapping names {settled!r}, which is not among the media.")
        if all(candidate.start is None for candidate in found):
            reason = f"The mapping names {settled!r}, which has no timecode; give it."
            return Match(each, NO_TIMECODE, rivals=tuple(found[:_RIVALS]), reason=reason)
        reason = f"{_label(each)} lies outside of what the mapping names: {found[0].path} ({_extent(found[0])})."
        return Match(each, OUTSIDE, rivals=tuple(found[:_RIVALS]), reason=reason)


def match_events(
    events: ResolvedList, candidates: Sequence[Candidate], mapping: MediaMapping | None = None
) -> tuple[Match, ...]:
    """The media of each event, in the list's order."""
    matcher = Matcher(candidates, events)
    return tuple(matcher.match(each, mapping) for each in events)


def _inside(each: Resolved, candidate: Candidate, counted: dict[Counted, Wanted | None]) -> int | None:
    """Where in a candidate an event's first frame lies; None where its frames do not all lie in it."""
    key = candidate.counted
    if key is None:
        return None
    if key not in counted:
        counted[key] = wanted_in(each, *key)
    wanted = counted[key]
    return None if wanted is None else wanted.inside(candidate)


def _counts_otherwise(each: Resolved, candidate: Candidate) -> bool:
    """Whether an event's labels can't be counted as media counts: neither at its rate, nor is that a multiple."""
    if candidate.start is None or each.source is None or each.event.source_range is not None:
        return False
    return bool(candidate.start.rate.nominal % each.source.rate.nominal)


def _placed(each: Resolved, candidate: Candidate, first: int, evidence: tuple[str, ...]) -> Match:
    """The frames of the media that the event needs, cut off at its ends."""
    source, needed = each.source, each.needed
    if source is None or needed is None:
        return Match(each, NO_MEDIA)
    ratio = Fraction(candidate.rate.nominal, source.rate.nominal)
    begin = first + math.floor((needed.first - source.first) * ratio)
    end = begin + math.ceil(needed.count * ratio)
    low, high = min(max(0, begin), candidate.frames), min(candidate.frames, end)
    frames = FrameRange(low, max(low, high))
    return Match(
        each,
        MATCHED,
        candidate,
        frames,
        short_head=max(0, -begin),
        short_tail=max(0, end - candidate.frames),
        evidence=evidence,
    )


def _evidence(score: tuple[int, int, int]) -> tuple[str, ...]:
    return tuple(kinds[worth] for kinds, worth in zip(_EVIDENCE, score, strict=True) if worth)


def _label(each: Resolved) -> str:
    return f"{each.event.source_in} – {each.event.source_out}"


def _extent(candidate: Candidate) -> str:
    if candidate.start is None:
        return "no timecode"
    return f"{candidate.start} – {candidate.start + candidate.frames}"


def _called(names: Names) -> str:
    kinds: tuple[Mapping[str, int], ...] = (names.file, names.reel, names.clip)
    return ", ".join(repr(next(iter(kind))[:60]) for kind in kinds if kind)


def _listed(candidates: Sequence[Candidate]) -> str:
    shown = ", ".join(candidate.path for candidate in candidates[:3])
    return f"{shown} …" if len(candidates) > 3 else shown
