"""Whether an archive is what it was: every byte is read again and held against its digest."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.check import CheckResult, Kind, Problem, check_archive, unlisted
from film_archive.archive.reader import Archive, FolderArchive, begins_as_ours, open_archive
from film_archive.core.errors import Damaged, FilmArchiveError
from film_archive.core.facts import frame_ranges
from film_archive.core.frame_index import FrameIndex
from film_archive.core.job import Report
from film_archive.core.member import Role
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.wording import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Record):
    """Something that is not as it was."""

    path: str
    """A member, or a part of the archive."""
    what: str
    """What is wrong with it."""
    kind: Kind
    """"damaged"; "unreadable" where this program can't tell; "unfinished" where an add was interrupted. Of bundles also
    "lacking", a reference without media, and "outside", a range that the media do not have."""

    def sentence(self) -> str:
        """With its subject: what is wrong is a whole sentence that names it, or is said of it."""
        is_named = re.search(rf"(?<![^\s:/'\"]){re.escape(self.path)}(?![^\s:;,.'\"])", self.what) is not None
        return self.what if is_named and self.what.endswith(".") else f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(Report):
    """What `check` found."""

    archive: str
    """Its path."""
    ok: bool
    """True if nothing was found."""
    foreign: bool
    """Whether another program made it."""
    members_checked: int
    """How many members were checked: media, folders and links, and our own data. One that can't be read is not among them."""
    bytes: int
    """The sum of all members' sizes."""
    problems: tuple[Found, ...]
    """What was found. The exit status is that of the worst: 11 for damage, 3 for references without media, 7 for ranges
    that media do not have, 5 where something could not be read, 12 for an unfinished add."""
    unlisted: int = 0
    """Of a folder archive: files in its folder that are no members, so that nothing is known of them; no problem."""
    first_unlisted: str | None = None
    """One of them; null where there is none."""

    @property
    def verdict(self) -> str:
        """What it comes to, in a few words."""
        if self.ok:
            return "all as it was"
        if self._result.of(Kind.DAMAGED):
            hint = "get it again from where it came" if self.foreign else "`repair` can mend structure, not media"
            return f"{amount(len(self.problems), 'problem')}; {hint}"
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
            what = f"of its {amount(index.frames, 'frame')} {count} changed: {listed}{', …' if len(runs) > 10 else ''}"
            yield Found(path=printable(clip.path), what=what, kind=Kind.DAMAGED)


def check(archive: Path, *, frames: bool = False, progress: Progress | None = None) -> Checked:
    """Read every byte of an archive again and compare; never stops at the first problem.

    With `frames` clips that have digests of their frames are held against these, too, which tells where the damage is.
    Raises NotFound where there is no archive; one that can't even be opened is a problem that is reported.
    """
    begun = time.monotonic()
    progress = progress or quiet()
    count = size = others = 0
    first: str | None = None
    foreign = not begins_as_ours(archive)
    try:
        with open_archive(archive) as opened:
            foreign = foreign and opened.is_foreign
            for member in opened.members():
                count, size = count + 1, size + member.size
            progress.expect(Phase.VERIFYING, size)
            result = check_archive(opened, on_bytes=progress.counting(Phase.VERIFYING))
            told = tuple(_frame_problems(opened)) if frames and not opened.is_foreign else ()
            if isinstance(opened, FolderArchive):
                for path in unlisted(opened):
                    first, others = first or path, others + 1
        problems = tuple(Found(path=found.path, what=found.what, kind=found.kind) for found in result.problems) + told
    except Damaged as error:
        problems = (Found(path="archive", what=str(error), kind=Kind.DAMAGED),)
    return Checked(
        archive=printable(archive),
        ok=not problems,
        foreign=foreign,
        members_checked=count - sum(problem.kind is Kind.UNREADABLE for problem in problems),
        bytes=size,
        problems=problems,
        unlisted=others,
        first_unlisted=first,
        seconds=time.monotonic() - begun,
    )
