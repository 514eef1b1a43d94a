"""Looking without changing anything: what clips are, what an archive holds, and whether it is what it was."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive.archive import layout
from film_archive.archive.check import CheckResult, Kind, Problem, check_archive
from film_archive.archive.reader import Archive, open_archive
from film_archive.core.errors import Damaged, FilmArchiveError, NotMedia
from film_archive.core.facts import MediaFacts, frame_ranges
from film_archive.core.frame_index import FrameIndex
from film_archive.core.job import Failure, Report, status_of
from film_archive.core.manifest import Member, Role
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import RateLike
from film_archive.workflows.clip_logs import ClipLog
from film_archive.workflows.locating import locate, split

# Clips


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed(Record):
    """A clip, and its media facts."""

    path: str
    """The file, the sequence's pattern, or ARCHIVE::MEMBER."""
    facts: MediaFacts
    """What is known of it."""

    def to_json(self) -> dict[str, Any]:
        """The facts' keys beside the path."""
        return {"path": self.path, **self.facts.to_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Record):
    """What `probe` found."""

    media: tuple[Probed, ...]
    """The clips."""
    failed: tuple[Failure, ...]
    """What was named, or looked like media, and could not be read."""

    @property
    def exit_status(self) -> int:
        """0; the status that all failures share where nothing could be probed; 12 where some could and some not."""
        return status_of(self.failed, any_done=bool(self.media))


def probe_all(named: Iterable[str], *, rate: RateLike | None = None, log: ClipLog | None = None) -> Inspection:
    """Probe each; a folder means the clips in it (what is no media there is passed over).

    `rate` counts timecode that a file keeps without one (sound, image headers). `log` completes what a clip does not say.
    """
    clips: list[Probed] = []
    failed: list[Failure] = []
    for what in named:
        try:
            for path, facts in _probe(what, rate):
                if isinstance(facts, MediaFacts):
                    facts = facts if log is None else log.completed(path, facts)
                    clips.append(Probed(path=path, facts=facts))
                else:
                    failed.append(Failure.of(path, facts))
        except FilmArchiveError as error:
            failed.append(Failure.of(printable(what), error))
    return Inspection(media=tuple(clips), failed=tuple(failed))


def _probe(what: str, rate: RateLike | None) -> Iterator[tuple[str, MediaFacts | FilmArchiveError]]:
    from film_archive.media.probe import probe, probe_path

    if split(what)[1]:
        with locate(what) as located:
            yield what, located.facts if located.facts is not None else probe(located.source, rate=rate)
        return
    found = probe_path(what, rate=rate)
    if not found:
        raise NotMedia(f"There is no media in {printable(what)}.")
    for clip in found:
        if clip.facts is not None:
            yield printable(clip.clip.name), clip.facts
        elif clip.problem is not None:
            yield printable(clip.clip.name), clip.problem


# Archives


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds(Record):
    """An archive as `ls` shows it; its members come one by one."""

    archive: str
    """Its path."""
    generation: int | None
    """1, and one more with each `add`; null in a foreign zip."""
    foreign: bool
    """Whether another program made it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """An open archive's members: the lines of its manifest, or of a foreign zip's directory, in order."""

    holds: Holds
    members: Iterator[Member]


@contextmanager
def list_members(archive: Path) -> Iterator[Listing]:
    """Open an archive to list it; raises NotFound, Damaged (also while members are taken)."""
    with open_archive(archive) as opened:
        head = opened.header
        generation = None if head is None else head.generation
        holds = Holds(archive=printable(archive), generation=generation, foreign=opened.is_foreign)
        yield Listing(holds, opened.members())


def is_own(member: Member) -> bool:
    """Whether a member is the archive's own data: format mark, proxy, frame index."""
    return layout.is_own(member.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Record):
    """Something that is not as it was."""

    path: str
    """A member, or a part of the archive."""
    what: str
    """What is wrong with it."""
    kind: Kind
    """"damaged"; "unreadable" where this program can't tell; "unfinished" where an add was interrupted."""

    def sentence(self) -> str:
        return self.what if self.path in self.what else f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Report):
    """What `check` found."""

    archive: str
    """Its path."""
    ok: bool
    """True if nothing was found."""
    members_checked: int
    """How many members were checked: media, folders and links, and our own data. One that can't be read is not among them."""
    bytes: int
    """The sum of all members' sizes."""
    problems: tuple[Found, ...]
    """What was found; the exit status is then 11, or 5 where something could not be read, or 12 for an unfinished add."""

    @property
    def verdict(self) -> str:
        """What it comes to, in a few words."""
        if self.ok:
            return "all as it was"
        if self._result.of(Kind.DAMAGED):
            return f"{len(self.problems)} problems; `repair` can mend structure, not media"
        if self._result.of(Kind.UNREADABLE):
            return f"all as it was, but {len(self.problems)} could not be read"
        return "all as it was when the archive was last finished; something was begun behind it"

    @property
    def exit_status(self) -> int:
        """That of the worst problem; 0 where there is none."""
        return self._result.exit_status

    @property
    def _result(self) -> CheckResult:
        found = tuple(Problem(problem.path, problem.what, problem.kind) for problem in self.problems)
        return CheckResult(self.members_checked, found)


def _frame_problems(archive: Archive) -> Iterator[Found]:
    """The frames of clips that are not what their digests say."""
    from film_archive.media.frame_sums import differing

    clips = {layout.sums_path(member.path): member for member in archive.originals() if member.get("media")}
    for member in archive.members():
        clip = clips.get(member.path)
        if member.role != Role.FRAMES or clip is None:
            continue
        try:
            index = FrameIndex.from_bytes(archive.read(layout.index_path(clip.path)))
            with archive.source(clip) as source:
                runs = frame_ranges(differing(source, index, archive.read(member.path)))
        except FilmArchiveError as error:
            yield Found(path=printable(clip.path), what=f"its frames could not be told apart: {error}", kind=Kind.DAMAGED)
            continue
        if runs:
            count = sum(run.count for run in runs)
            listed = ", ".join(str(run.first) if run.count == 1 else f"{run.first}–{run.end - 1}" for run in runs[:10])
            what = f"{count} of its {index.frames} frames changed: {listed}{', …' if len(runs) > 10 else ''}"
            yield Found(path=printable(clip.path), what=what, kind=Kind.DAMAGED)


def check(archive: Path, *, frames: bool = False, progress: Progress | None = None) -> Checked:
    """Read every byte of an archive again and compare; never stops at the first problem.

    With `frames` clips that have digests of their frames are held against these, too, which tells where the damage is.
    Raises NotFound where there is no archive; one that can't even be opened is a problem that is reported.
    """
    begun = time.monotonic()
    progress = progress or quiet()
    count = size = 0
    try:
        with open_archive(archive) as opened:
            for member in opened.members():
                count, size = count + 1, size + member.size
            progress.expect(Phase.VERIFYING, size)
            result = check_archive(opened, on_bytes=progress.counting(Phase.VERIFYING))
            told = tuple(_frame_problems(opened)) if frames and not opened.is_foreign else ()
        problems = tuple(Found(path=found.path, what=found.what, kind=found.kind) for found in result.problems) + told
    except Damaged as error:
        problems = (Found(path="archive", what=str(error), kind=Kind.DAMAGED),)
    return Checked(
        archive=printable(archive),
        ok=not problems,
        members_checked=count - sum(problem.kind is Kind.UNREADABLE for problem in problems),
        bytes=size,
        problems=problems,
        seconds=time.monotonic() - begun,
    )
