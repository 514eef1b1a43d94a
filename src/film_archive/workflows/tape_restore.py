"""Restoring from tape: whole files by pattern or digest, and only the frames that a timecode range or an edit list means.

A clip on a cartridge is a source of bytes like any other, so a part of it is cut as from a disk: the frame index is read, then
the extents of its frames and nothing else. Of an image sequence the files of these frames are read, whole and under their names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from film_archive.core.errors import InvalidTimecode, NotFound, OutOfRange, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.job import Failure
from film_archive.core.progress import Progress
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRange, Timecode, frames_per_day
from film_archive.editorial import matching
from film_archive.editorial.candidates import Candidate
from film_archive.editorial.pulling import grouped, request_of
from film_archive.editorial.reading import read_list
from film_archive.media.cutting.ranges import Clip
from film_archive.tape.choosing import Choice
from film_archive.tape.holding_sets import Holdings
from film_archive.tape.records import RestorePlan, TapeRestored
from film_archive.tape.restore_planning import Wanted, plan_wanted, wanted_files
from film_archive.tape.restoring import apply_restore
from film_archive.workflows.pull_matching import matches_of, resolved_by_media
from film_archive.workflows.pull_sources import SourceClip, Sources
from film_archive.workflows.tape_clips import TapeClip, TapeClips, clips_among

_COUNTED = re.compile(r"[0-9]{1,9}|[0-9]{1,2}([:;.,][0-9]{1,3}){3}")
_Chosen = tuple[list[Wanted], list[Failure], list[str]]
"""What is read; what was asked for and is on no cartridge; what there is to say."""


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
        for text in (self.start, self.end, self.duration):
            if text is not None and not _COUNTED.fullmatch(text):
                raise UsageError(f"{text[:40]!r} is neither a timecode nor a number of frames; write 01:00:10:00 or 240.")
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
        wanted, failed, problems = _in_range(clips_among(wanted, wishes.rate), wishes, wishes.start)
    elif wishes.edit_list is not None:
        wanted, failed, problems = _of_list(clips_among(wanted, wishes.rate), wishes, wishes.edit_list)
    plan = plan_wanted(wanted, holdings, folder)
    return replace(plan, problems=(*plan.problems, *problems), failed=tuple(failed))


def apply_restoring(plan: RestorePlan, holdings: Holdings, *, progress: Progress | None = None) -> TapeRestored:
    """Restore as planned."""
    return apply_restore(plan, holdings, progress=progress)


# A range of timecode


def _in_range(clips: TapeClips, wishes: RestoreWishes, start: str) -> _Chosen:
    """The part of each clip that lies in a range; clips without any of it are left out."""
    found: list[Wanted] = []
    near: list[str] = []
    told: list[str] = []
    for clip in clips.found.values():
        notes: list[str] = []
        try:
            frames = _frames_of(clip, wishes, start, notes)
        except InvalidTimecode as error:  # a label that this clip does not have; another one may
            near.append(str(error).rstrip("."))
            continue
        if frames is None or frames.count <= 0:
            near.append(f"{printable(clip.name)} has {clip.facts.start or 'no timecode'}, {clip.frames} frames")
            continue
        read, said = clip.cut([frames])
        found += read
        told += [*said, *(f"{note}." for note in dict.fromkeys(notes))]
    if not found and not told:
        if not clips.found and not clips.unknown:
            raise NotFound("There is no clip among what was asked for; `tape ls` lists what is there.")
        reasons = "; ".join([*near[:5], *(one.rstrip(".") for one in list(clips.unknown.values())[:5])])
        raise OutOfRange(f"No clip has a frame from {start} on for what was asked: {reasons}.")
    return found, clips.failed(), told


def _frames_of(clip: TapeClip, wishes: RestoreWishes, start: str, notes: list[str]) -> FrameRange | None:
    """Frames of a clip in the range, with handles; None where it has none, or can't be counted.

    Timecode is read as the clip counts (drop-frame too), and may begin before it. Raises InvalidTimecode.
    """
    counted = clip.counted
    if counted.start is None and not start.isdigit():
        return None
    begin = _place(counted, start, notes)
    if wishes.duration is None:
        end = _place(counted, wishes.end or "", notes, after=begin)
    elif wishes.duration.isdigit():
        end = begin + int(wishes.duration)
    else:
        end = begin + counted.frames_of(counted.read_length(wishes.duration, notes=notes))
    if end <= begin:
        raise UsageError(f"The range from {start} to {wishes.end or wishes.duration} has no frames; its end is exclusive.")
    if end <= 0 or begin >= clip.frames:
        return None
    return FrameRange(max(0, begin - wishes.handles), min(clip.frames, end + wishes.handles))


def _place(counted: Clip, text: str, notes: list[str], *, after: int | None = None) -> int:
    """The frame that a number or a timecode names, counted from the clip's first: before it below 0; over midnight too.

    The end of a range is looked for behind its begin, `after`.
    """
    if text.isdigit():
        return int(text)
    start = counted.require_start()
    label = counted.read(text, out=after is not None, notes=notes)
    day = frames_per_day(start.rate.nominal, start.drop_frame)
    distance = (label.total_frames - start.total_frames) % day
    if (after is None and distance > day // 2) or (after is not None and after < 0 and distance - day > after):
        distance -= day
    return counted.frames_of(distance)


# An edit list


def _of_list(clips: TapeClips, wishes: RestoreWishes, path: Path) -> _Chosen:
    """What the events of a list need of the clips; events that find none are told."""
    edits = read_list(path, wishes.rate)
    sources = Sources(clips={name: _source(clip) for name, clip in clips.found.items()})
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
            f"{'; '.join(one.reason.rstrip('.') for one in failed[:5]) or 'it has none'}."
        )
    found: list[Wanted] = []
    told = list(notes)
    for name, frames in ranges.items():
        clip = clips.found[name]
        if wishes.whole:
            found += clip.files
            continue
        read, said = clip.cut(frames)
        found += read
        told += said
    return found, failed, told


def _source(clip: TapeClip) -> SourceClip:
    facts, rate = clip.facts, clip.rate
    start = Timecode.from_string(facts.start, rate) if facts.first is not None else None
    media = MediaFacts(
        container=PurePosixPath(clip.files[0].path).suffix.lstrip(".").lower(),
        codec=facts.codec or None,
        width=facts.width,
        height=facts.height,
        frame_rate=rate,
        frames=facts.frames,
        start_timecode=start,
        reel=facts.reel or None,
    )
    candidate = Candidate(clip.name, clip.frames, rate, start, facts.reel or None)
    return SourceClip(clip.name, media, None, None, clip.size, candidate)
