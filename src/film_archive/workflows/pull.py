"""Pulling: every event of a list cut from the media that it means, as planned (see `pull_plans`).

Cuts are made side by side, each whole or not at all. What is done is in a journal, then in the record, so that a run that
was killed, or failed in part, goes on where it was with the same command; a cut that fails does not keep the others from
being made.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from film_archive.core import files
from film_archive.core.digest import KEY, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, Refused, SourceChanged
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.job import Failure, Report, require_unchanged, status_of
from film_archive.core.journal import Journal
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRange, FrameRate, Timecode
from film_archive.editorial.event import ImageNames
from film_archive.editorial.otio_writing import write_otio
from film_archive.editorial.reading import read_list
from film_archive.editorial.relinking import NewMedia, relinked
from film_archive.editorial.resolving import ResolvedList, resolve
from film_archive.library.chain_of_custody import Proven, write_generation
from film_archive.media.cutting.cuttable import CutResult
from film_archive.workflows import pull_records
from film_archive.workflows.clips import open_to_cut
from film_archive.workflows.cut_records import CutRecord, record_of, sidecar_of, write_sidecar
from film_archive.workflows.extraction import apply_step, as_planned_clip
from film_archive.workflows.frame_proof import require_frames
from film_archive.workflows.locating import OpenArchives
from film_archive.workflows.pull_planning import plan_pull
from film_archive.workflows.pull_plans import FAILING, PLANNED, PulledEvent, PullPlan, PullStep, PullWishes
from film_archive.workflows.pull_records import Known, abandon_pull

__all__ = ["PullPlan", "PullWishes", "Pulled", "abandon_pull", "apply_pull", "as_planned", "plan_pull", "pull"]
"""The whole face of a verb, its plan among it."""

CUT, THERE, FAILED = "cut", "there", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled(Report):
    """What `pull` did, or with `--dry-run` would do."""

    list: Path
    """The list."""
    rate: str
    """What it was counted at."""
    folder: Path
    """Where the cuts are."""
    events: tuple[PulledEvent, ...]
    """Every event of the list."""
    cuts: tuple[CutRecord, ...]
    """The cuts that answer them, those of recordings that were pulled along too; of earlier runs those that were there."""
    bytes: int
    """Of all cuts that were made now; in a dry run about how many it would be."""
    bytes_read: int
    """Read from the sources."""
    bytes_shared: int
    """Of these, shared with the sources instead of copied."""
    expected_seconds: float | None
    """In a dry run: how long it may take where every byte is copied, at 300 MB a second."""
    record: Path | None
    """What was written down of it all."""
    timeline: Path | None
    """The list as an OpenTimelineIO timeline that plays from the cuts."""
    hash_list: Path | None
    """The ASC MHL generation that lists the new cuts; null where nothing was new."""
    failed: tuple[Failure, ...]
    """What could not be done beside the events: sources that can't be read, recordings, records."""
    notes: tuple[str, ...]
    """What is to be known, each one sentence."""
    statuses: Mapping[str, int] = field(default_factory=dict)
    """Of the cuts that failed: the exit status that each alone would end with, by its name."""

    @property
    def missing(self) -> tuple[PulledEvent, ...]:
        """The events that should have a cut and have none."""
        return tuple(event for event in self.events if event.status in FAILING or event.status == FAILED)

    @property
    def exit_status(self) -> int:
        """0 where every event with media has its cut; 12 where some have; else the status that all failures share."""
        failures = [*self.failed]
        for event in self.missing:
            status = FAILING.get(event.status) or self._status_of(event)
            failures.append(Failure(path=event.event, reason=event.reason or "", status=status))
        return status_of(failures, any_done=any(event.status in (CUT, THERE, PLANNED) for event in self.events))

    def _status_of(self, event: PulledEvent) -> int:
        name = "" if event.output is None else event.output.name
        return self.statuses.get(name, Damaged.exit_status)


def as_planned(plan: PullPlan) -> Pulled:
    """What a dry run says: the pull list."""
    return Pulled(
        list=plan.list,
        rate=plan.rate,
        folder=plan.folder,
        events=plan.events,
        cuts=(),
        bytes=plan.size,
        bytes_read=0,
        bytes_shared=0,
        expected_seconds=plan.expected_seconds,
        record=None,
        timeline=None,
        hash_list=None,
        failed=plan.failed,
        notes=plan.notes,
    )


def pull(
    list_path: Path,
    sources: Sequence[str],
    folder: Path,
    wishes: PullWishes | None = None,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Pulled:
    """Plan and pull."""
    return apply_pull(plan_pull(list_path, sources, folder, wishes), workers=workers, progress=progress)


def apply_pull(plan: PullPlan, *, workers: int | None = None, progress: Progress | None = None) -> Pulled:
    """Make the cuts of a plan, and write down what was made.

    What an earlier run of the same pull has made is not made again. Raises SourceChanged where the list is not what it was
    when it was planned, Refused where another process pulls the same list into the same folder.
    """
    begun = time.monotonic()
    progress = progress or quiet()
    events = _events_again(plan)
    with files.explaining(f"write {printable(plan.folder)}"):
        plan.folder.mkdir(parents=True, exist_ok=True)
    known = Known.read(plan.folder, plan.list)
    there = {step.output.name: record for step in plan.steps if (record := known.done(step)) is not None}
    with _journal(plan) as journal, OpenArchives() as archives:
        made = _make(plan, known, there, journal, archives, workers, progress)
        records = {**there, **{name: cut.record for name, cut in made.items() if isinstance(cut, _Made)}}
        problems = {name: error for name, error in made.items() if not isinstance(error, _Made)}
        failed = [*plan.failed, *_sound_failures(plan, problems)]
        after = tuple(_after(event, records, there, problems) for event in plan.events)
        kept = {**{name: cut for name, cut in known.cuts.items() if cut.is_there(plan.folder)}, **records}
        timeline = hash_list = written = None
        if kept:
            timeline = _write_timeline(plan, events, after, records)
            try:
                hash_list = _write_hashes(plan, kept)
            except FilmArchiveError as error:
                failed.append(Failure.of(f"{printable(plan.folder)}/ascmhl", error))
            written = pull_records.write_record(plan.folder, plan.list, _head(plan, after), _sorted(kept))
        journal.remove()
    done = [cut for cut in made.values() if isinstance(cut, _Made)]
    return Pulled(
        list=plan.list,
        rate=plan.rate,
        folder=plan.folder,
        events=after,
        cuts=tuple(records[step.output.name] for step in plan.steps if step.output.name in records),
        bytes=sum(cut.record.size for cut in done),
        bytes_read=sum(cut.bytes_read for cut in done),
        bytes_shared=sum(cut.bytes_shared for cut in done),
        expected_seconds=None,
        record=written,
        timeline=timeline,
        hash_list=hash_list,
        failed=tuple(failed),
        notes=plan.notes,
        statuses={name: error.exit_status for name, error in problems.items()},
        seconds=time.monotonic() - begun,
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """A cut that this run has made."""

    record: CutRecord
    bytes_read: int
    bytes_shared: int


_Outcome = _Made | FilmArchiveError


@contextlib.contextmanager
def _journal(plan: PullPlan) -> Iterator[Journal]:
    path = pull_records.journal_path(plan.folder, plan.list)
    with Journal.open(path, pull_records.journal_head(plan.list)) as journal:
        yield journal


def _make(
    plan: PullPlan,
    known: Known,
    there: Mapping[str, CutRecord],
    journal: Journal,
    archives: OpenArchives,
    workers: int | None,
    progress: Progress,
) -> dict[str, _Outcome]:
    """What became of each cut that was not there already, by its name."""
    wanted = [step for step in plan.steps if step.output.name not in there]
    progress.expect(Phase.CUTTING, sum(step.size for step in wanted))
    free = [step.output.name for step in wanted if not os.path.lexists(step.output)]
    journal.append({"begun": free}, sync=True)  # whatever has such a name from now on was made here

    def work(step: PullStep) -> tuple[PullStep, _Outcome]:
        try:
            return step, _cut(plan.folder, step, known, archives, progress)
        except FilmArchiveError as error:
            return step, error

    made: dict[str, _Outcome] = {}
    with ThreadExecutor(workers) as executor:
        for step, outcome in executor.map(work, wanted):
            made[step.output.name] = outcome
            if isinstance(outcome, _Made):
                journal.append({"cut": outcome.record.to_json()})
    return made


def _cut(folder: Path, step: PullStep, known: Known, archives: OpenArchives, progress: Progress) -> _Made:
    """Make one cut, read it back, and write its sidecar."""
    progress.begin(Phase.CUTTING, step.output.name)
    if os.path.lexists(step.output) and step.output.name in known.begun:
        result = _taken_over(step, archives)
        progress.add(Phase.CUTTING, step.size)
    else:
        result = apply_step(step, on_bytes=progress.counting(Phase.CUTTING), archives=archives)
    record = record_of(step, result, read_back=True)
    write_sidecar(folder, record)
    return _Made(record, result.bytes_read, result.shared)


def _taken_over(step: PullStep, archives: OpenArchives) -> CutResult:
    """What a stopped run had finished under a name, if it is the very cut; raises Refused where it is not."""
    with open_to_cut(step.source, rate=step.rate, link=step.link, archives=archives) as opened:
        require_unchanged(opened.clip.name, step.identity, opened.identity)
        clip, frames = as_planned_clip(opened.clip, step), FrameRange(step.first_frame, step.first_frame + step.frames)
        found = clip.verify(frames, step.output)
        if found is None:
            raise Refused(f"{printable(step.output)} exists already, and is not this cut; move it away. It was not changed.")
        return replace(found, frames_checked=require_frames(opened.clip.name, opened.frame_digests, found))


def _after(
    event: PulledEvent,
    records: Mapping[str, CutRecord],
    there: Mapping[str, CutRecord],
    problems: Mapping[str, FilmArchiveError],
) -> PulledEvent:
    if event.status != PLANNED or event.output is None:
        return event
    name = event.output.name
    if name in problems:
        return replace(event, status=FAILED, reason=str(problems[name]))
    said = " ".join((*([event.reason] if event.reason else []), *(f"{each}." for each in records[name].diagnostics)))
    return replace(event, status=THERE if name in there else CUT, reason=said or None)


def _sound_failures(plan: PullPlan, problems: Mapping[str, FilmArchiveError]) -> Iterator[Failure]:
    for step in plan.steps:
        if step.sound_of is not None and step.output.name in problems:
            yield Failure.of(step.output.name, problems[step.output.name])


# What is written of it


def _events_again(plan: PullPlan) -> ResolvedList:
    """The list once more, as it was when the plan was made."""
    edits = read_list(plan.list, plan.given_rate)
    if pull_records.digest_of_list(edits) != plan.list_digest:
        raise SourceChanged(f"{printable(plan.list)} changed since it was looked at; nothing was pulled. Plan again.")
    return resolve(edits, plan.given_rate or (None if edits.rate is not None else plan.rate))


def _sorted(cuts: Mapping[str, CutRecord]) -> list[CutRecord]:
    return [cuts[name] for name in sorted(cuts)]


def _head(plan: PullPlan, events: Sequence[PulledEvent]) -> dict[str, object]:
    return {
        "list": printable(plan.list.name),
        "title": plan.title,
        "rate": plan.rate,
        "handles": plan.handles,
        "events": [
            {**event.to_json(), "status": CUT if event.status == THERE else event.status, "output": _name(event)}
            for event in events
        ],
        "notes": list(plan.notes),
    }


def _name(event: PulledEvent) -> str | None:
    return None if event.output is None else event.output.name


def _write_timeline(
    plan: PullPlan, events: ResolvedList, after: Sequence[PulledEvent], records: Mapping[str, CutRecord]
) -> Path:
    """The list as a timeline whose events mean their cuts; where a cut is not there they mean what they meant."""
    steps = {step.output.name: step for step in plan.steps if step.sound_of is None}
    media = {}
    for place, event in enumerate(after):
        if event.status in (CUT, THERE) and event.output is not None and event.in_cut is not None:
            media[place] = _new_media(steps[event.output.name], records[event.output.name], event.in_cut, plan.folder)
    path = plan.folder / pull_records.timeline_name(plan.list)
    files.write_atomically(path, write_otio(relinked(events, media)).data, replace=True)
    return path


def _new_media(step: PullStep, record: CutRecord, source_in: int, folder: Path) -> NewMedia:
    start = None
    if step.start_timecode is not None and step.clip_start_rate is not None:
        start = Timecode.from_string(step.start_timecode, FrameRate.of(step.clip_start_rate))
    place = (folder / record.output).absolute()
    images = _images(record) if place.is_dir() else None
    url = place.as_uri() + ("/" if images is not None else "")
    return NewMedia(record.output, url, start, FrameRate.of(step.frame_rate), step.frames, source_in, images)


def _images(record: CutRecord) -> ImageNames | None:
    """How the files of a sequence's cut are called."""
    if not record.files:
        return None
    name = Path(record.files[0].path).name
    found = ImageNames.of(name)
    return None if found is None else ImageNames.of(name, sum(1 for number in record.missing if number < found.first))


def _write_hashes(plan: PullPlan, cuts: Mapping[str, CutRecord]) -> Path | None:
    """The cuts and their sidecars in the folder's ASC MHL history."""
    proven = []
    for record in _sorted(cuts):
        for file in record.files:
            assert file.xxh128 is not None  # a pull reads its cuts back
            proven.append(Proven(file.path, file.size, file.mtime_ns, file.xxh128))
        sidecar = sidecar_of(plan.folder / record.output)
        with FileSource(sidecar) as source:
            status = source.status
            proven.append(Proven(sidecar.name, source.size, status.st_mtime_ns, digest_source(source)[KEY]))
    own = ("*.pull.json", "*.pull.otio", ".*.film-archive-*")  # rewritten by each run, or gone when it ends
    return write_generation(plan.folder, proven, ignore=own, comment=f"pull of {plan.list.name}")
