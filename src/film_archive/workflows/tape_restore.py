"""Restoring from tape: whole files by pattern or digest, and only the frames that a timecode range or an edit list means.

A clip on a cartridge is a source of bytes like any other, so a part of it is cut as from a disk: the frame index is read, then
the extents of its frames and nothing else. What clips are is known from their attributes, without the cartridge; a clip
without them is looked at on its cartridge, if that is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from film_archive.core.errors import FilmArchiveError, NotFound, OutOfRange, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.job import Failure
from film_archive.core.progress import Progress
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.editorial import matching
from film_archive.editorial.candidates import Candidate
from film_archive.editorial.pulling import grouped, request_of
from film_archive.editorial.reading import read_list
from film_archive.tape.choosing import Choice
from film_archive.tape.clip_facts import ClipFacts, is_media_name, probed, read_facts
from film_archive.tape.holding_sets import Holdings
from film_archive.tape.holdings import Holding
from film_archive.tape.records import RestorePlan, TapeRestored
from film_archive.tape.restore_planning import Part, Wanted, plan_wanted, wanted_files
from film_archive.tape.restoring import apply_restore
from film_archive.tape.volumes import OpenTape
from film_archive.workflows.pull_matching import matches_of, resolved_by_media
from film_archive.workflows.pull_sources import SourceClip, Sources


@dataclass(frozen=True, slots=True)
class RestoreWishes:
    """What is wanted. `start`, `end` and `duration` are source timecodes; `end` is exclusive."""

    choice: Choice = field(default_factory=Choice)
    start: str | None = None
    end: str | None = None
    duration: str | None = None
    handles: int = 0
    edit_list: Path | None = None
    whole: bool = False
    rate: str | None = None

    def __post_init__(self) -> None:
        if self.start is None and (self.end is not None or self.duration is not None):
            raise UsageError("A range needs its begin: give --in with --out or --duration.")
        if self.start is not None and (self.end is None) == (self.duration is None):
            raise UsageError("A range needs one end: give --in with either --out or --duration.")
        if self.start is not None and self.edit_list is not None:
            raise UsageError("Give a timecode range or an edit list, not both.")


def plan_restoring(holdings: Holdings, wishes: RestoreWishes, folder: Path) -> RestorePlan:
    """The pick list, and what is read from each cartridge in which order.

    Raises NotFound where nothing is meant, OutOfRange where no clip has any frame of the range, RateUnknown for a list that
    does not say what it counts at.
    """
    wanted = wanted_files(holdings, wishes.choice)
    problems: Sequence[str] = ()
    failed: Sequence[Failure] = ()
    if wishes.start is not None:
        wanted, failed = _in_range(_Clips(wanted), wishes, wishes.start)
    elif wishes.edit_list is not None:
        wanted, failed, problems = _of_list(_Clips(wanted), wishes, wishes.edit_list)
    plan = plan_wanted(wanted, holdings, folder)
    return replace(plan, problems=(*plan.problems, *problems), failed=tuple(failed))


def apply_restoring(plan: RestorePlan, holdings: Holdings, *, progress: Progress | None = None) -> TapeRestored:
    """Restore as planned."""
    return apply_restore(plan, holdings, progress=progress)


class _Clips:
    """The clips among what was chosen, with their facts."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self.found: dict[str, tuple[Wanted, ClipFacts]] = {}
        self.unknown: list[str] = []
        for one in wanted:
            if not is_media_name(one.path):
                continue
            facts = read_facts(one.file) or _looked_at(one)
            if facts is None or not facts.frames or not facts.rate:
                self.unknown.append(one.path)
                continue
            name = one.path if one.path not in self.found else f"{one.holders[0].serial}::{one.path}"
            self.found[name] = (one, facts)

    def failed(self) -> list[Failure]:
        return [
            Failure(path=path, reason=f"What {printable(path)} is is not known; restore the whole file.", status=5)
            for path in self.unknown
        ]


def _looked_at(one: Wanted) -> ClipFacts | None:
    """What a clip is, from the clip on its cartridge; None where that is not here, or can't be told."""
    holder: Holding | None = next((each for each in one.holders if each.address is not None), None)
    if holder is None or holder.address is None:
        return None
    try:
        with OpenTape(holder.address) as tape, tape.open_file(one.path) as source:
            return probed(source)
    except FilmArchiveError:  # then it can't be restored either, and is told there
        return None


# A range of timecode


def _in_range(clips: _Clips, wishes: RestoreWishes, start: str) -> tuple[list[Wanted], list[Failure]]:
    """The part of each clip that lies in a range; clips without any of it are left out."""
    found: list[Wanted] = []
    near: list[str] = []
    for one, facts in clips.found.values():
        frames = _frames_of(facts, wishes, start)
        if frames is None or frames.count <= 0:
            near.append(f"{printable(one.path)} has {facts.start or 'no timecode'}, {facts.frames} frames")
            continue
        found.append(_with_parts(one, facts, [frames]))
    if not found:
        if not clips.found and not clips.unknown:
            raise NotFound("There is no clip among what was asked for; `tape ls` lists what is there.")
        told = "; ".join(near[:5]) or "; ".join(one.reason for one in clips.failed()[:5])
        raise OutOfRange(f"No clip has a frame from {start} on for what was asked: {told}.")
    return found, clips.failed()


def _frames_of(facts: ClipFacts, wishes: RestoreWishes, start: str) -> FrameRange | None:
    """Frames of a clip in the range, with handles; None where it has none, or can't be counted."""
    rate, total = FrameRate.of(facts.rate), facts.frames or 0
    if start.isdigit():
        begin, first = int(start), 0
    elif facts.first is None:
        return None
    else:
        label = _label(start, rate)
        begin, first = label.total_frames, facts.first
        begin -= first
    if wishes.duration is not None:
        length = int(wishes.duration) if wishes.duration.isdigit() else Timecode.from_string(wishes.duration, rate).total_frames
        end = begin + length
    else:
        text = wishes.end or ""
        end = int(text) if text.isdigit() else _label(text, rate).total_frames - first
    if end <= begin:
        raise UsageError(f"The range from {start} to {wishes.end or wishes.duration} has no frames; its end is exclusive.")
    if end <= 0 or begin >= total:
        return None
    return FrameRange(max(0, begin - wishes.handles), min(total, end + wishes.handles))


def _label(text: str, rate: FrameRate) -> Timecode:
    return Timecode.from_string(text, rate)


def _with_parts(one: Wanted, facts: ClipFacts, ranges: Sequence[FrameRange]) -> Wanted:
    parts = tuple(Part(each.first, each.count, _name(one.path, facts, each)) for each in ranges)
    return replace(one, parts=parts, clip_frames=facts.frames or 0)


def _name(path: str, facts: ClipFacts, frames: FrameRange) -> str:
    """The clip's name and the timecode at which the part begins, or its first frame."""
    place = PurePosixPath(path)
    if facts.first is not None and facts.start:
        start = Timecode.from_string(facts.start, FrameRate.of(facts.rate)) + frames.first
        mark = str(start).replace(":", "").replace(";", "")
    else:
        mark = str(frames.first)
    return f"{place.stem}_{mark}{place.suffix}"


# An edit list


def _of_list(clips: _Clips, wishes: RestoreWishes, path: Path) -> tuple[list[Wanted], list[Failure], Sequence[str]]:
    """What the events of a list need of the clips; events that find none are told."""
    edits = read_list(path, wishes.rate)
    sources = Sources(clips={name: _source(name, one, facts) for name, (one, facts) in clips.found.items()})
    resolved, notes = resolved_by_media(edits, wishes.rate, sources, printable(path))
    failed = clips.failed()
    requests = []
    for place, match in enumerate(matches_of(resolved, sources, None)):
        if match.status == matching.MATCHED:
            requests.append(request_of(place, match, wishes.handles))
        elif match.status != matching.NO_MEDIA:
            event = match.event.event
            reason = f"Event {event.event} (line {event.line}) of {printable(path)} was not restored: {match.reason}"
            failed.append(Failure(path=printable(path), reason=reason, status=NotFound.exit_status))
    ranges: dict[str, list[FrameRange]] = {}
    for group in grouped(requests, merge=True):
        ranges.setdefault(group.clip.path, []).append(group.frames)
    if not ranges:
        raise NotFound(
            f"No event of {printable(path)} finds its media on these cartridges: "
            f"{'; '.join(one.reason for one in failed[:5]) or 'it has none'}."
        )
    found = []
    for name, frames in ranges.items():
        one, facts = clips.found[name]
        found.append(one if wishes.whole else _with_parts(one, facts, frames))
    return found, failed, notes


def _source(name: str, one: Wanted, facts: ClipFacts) -> SourceClip:
    rate = FrameRate.of(facts.rate)
    start = Timecode.from_string(facts.start, rate) if facts.first is not None else None
    media = MediaFacts(
        container=PurePosixPath(one.path).suffix.lstrip(".").lower(),
        codec=facts.codec or None,
        width=facts.width,
        height=facts.height,
        frame_rate=rate,
        frames=facts.frames,
        start_timecode=start,
        reel=facts.reel or None,
    )
    candidate = Candidate(name, facts.frames or 0, rate, start, facts.reel or None)
    return SourceClip(name, media, None, None, one.file.length, candidate)
