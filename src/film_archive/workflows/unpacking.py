"""Taking members out of an archive again, as the files they were.

A journal in the target, hidden, lists the files that have their names: a run that was killed is continued without reading
them again. It is removed when the run has ended.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic_core import to_json

from film_archive.archive import layout
from film_archive.archive.entries import parts_of
from film_archive.archive.reader import Archive, FolderArchive, open_archive
from film_archive.archive.unpack import choose_members, require_place, unpack_members
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, FilmArchiveError, NoSpace
from film_archive.core.job import (
    DONE,
    IN_PART,
    Plan,
    Report,
    Step,
    identity_at,
    identity_of,
    require_unchanged,
)
from film_archive.core.journal import Journal
from film_archive.core.member import Member, Role
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackStep(Step):
    """One file, folder or link to write."""

    member: str
    """The member's path."""
    role: str
    """What it is: "original", "folder", "symlink", …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackPlan(Plan):
    """What would be written, and where."""

    verb: ClassVar[str] = "unpack"
    archive: Path
    """The archive."""
    identity: str
    """Changes when the archive does."""
    folder: Path
    """Where to."""
    steps: tuple[UnpackStep, ...]
    """Members, in the archive's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped(Record):
    """A member that was left out, or is damaged."""

    path: str
    """The member."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked(Report):
    """What `unpack` did."""

    folder: Path
    """Where to."""
    written: tuple[str, ...]
    """Paths of the members that were written."""
    already_there: tuple[str, ...]
    """Members whose file was there already and is the same."""
    skipped: tuple[Skipped, ...]
    """Links that were not made; the exit status is then 12."""
    failed: tuple[Skipped, ...]
    """Members that are damaged; the exit status is then 11."""
    bytes: int
    """How many were written; in a dry run how many would be."""
    caution: str | None = None
    """Why this may not be all: an older generation, or a copy of the manifest, is what can be read; else null."""

    @property
    def exit_status(self) -> int:
        if self.failed:
            return Damaged.exit_status
        return IN_PART if self.skipped else DONE


Opener = Callable[[Path], Archive]


def plan_unpack(
    archive: Path,
    folder: Path,
    *,
    everything: bool = False,
    only: Iterable[str] | None = None,
    opener: Opener = open_archive,
) -> UnpackPlan:
    """Look at what would be written, after all checks of names, sizes, place and room.

    Our own data are among it only with `everything`; `only` names members. `opener` is how what is unpacked is opened.
    Raises Refused, NotSupported, NoSpace.
    """
    with opener(archive) as opened:
        chosen = choose_members(opened, everything=everything, only=only)
        require_place(opened, folder, chosen)
        return UnpackPlan(
            archive=archive,
            identity=_identity(opened),
            folder=folder,
            steps=tuple(UnpackStep(member=member.path, role=member.role, size=member.size) for member in chosen),
        )


def apply_unpack(plan: UnpackPlan, *, progress: Progress | None = None, opener: Opener = open_archive) -> Unpacked:
    """Write what is planned, each file proven by its digest; a damaged member does not keep the others from being written.

    Raises SourceChanged where the archive is not what it was when it was planned, Refused where something else is there.
    """
    begun = time.monotonic()
    progress = progress or quiet()
    with opener(plan.archive) as archive:
        require_unchanged(archive.name, plan.identity, _identity(archive))
        chosen = list(_chosen(archive, plan))
        require_place(archive, plan.folder, chosen)
        progress.expect(Phase.WRITING, plan.size)
        with files.explaining(f"write {printable(plan.folder)}"):
            plan.folder.mkdir(parents=True, exist_ok=True)
        with _journaled(plan) as journal:
            finished = {entry["member"]: entry["file"] for entry in journal.entries()}
            files_of = [member for member in chosen if member.role not in (Role.FOLDER, Role.SYMLINK)]

            def known(member: Member, place: Path) -> bool:
                return member.path in finished and finished[member.path] == _identity_at(place)

            def written(member: Member, place: Path) -> None:
                finished[member.path] = found = _identity_at(place)
                journal.append({"member": member.path, "file": found})

            with _saying_what_is_missing(archive, plan, files_of, finished):
                done = unpack_members(
                    archive,
                    plan.folder,
                    chosen,
                    on_bytes=_naming(progress, files_of),
                    known=known,
                    on_written=written,
                )
    return Unpacked(
        folder=plan.folder,
        written=done.written,
        already_there=done.already_there,
        skipped=tuple(Skipped(path=path, reason=reason) for path, reason in done.skipped),
        failed=tuple(Skipped(path=path, reason=reason) for path, reason in done.failed),
        bytes=done.bytes,
        caution=archive.caution,
        seconds=time.monotonic() - begun,
    )


def as_planned(plan: UnpackPlan) -> Unpacked:
    """What a dry run says."""
    return Unpacked(folder=plan.folder, written=(), already_there=(), skipped=(), failed=(), bytes=plan.size)


def unpack_archive(
    archive: Path,
    folder: Path,
    *,
    everything: bool = False,
    only: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Unpacked:
    """Plan and write."""
    return apply_unpack(plan_unpack(archive, folder, everything=everything, only=only), progress=progress)


def abandon_unpack(archive: Path, folder: Path) -> bool:
    """Remove the unfinished file and the journal of a killed run; files that are whole stay. False where there was nothing."""
    found = False
    if not folder.is_dir():
        return found
    with open_archive(archive) as opened:
        for member in opened.members():
            for part in parts_of(member):
                if part.role not in (Role.FOLDER, Role.SYMLINK) and layout.name_problem(part.path) is None:
                    place = files.temporary_name(folder / layout.place_of(part), "unpack")
                    if place.is_file():
                        files.remove(place)
                        found = True
    for place in folder.glob(files.helper_name("unpack", "*")):
        files.remove(place)
        found = True
    return found


def _identity(archive: Archive) -> str:
    if isinstance(archive, FolderArchive):
        return identity_at(archive.manifest_path)
    return identity_at(archive.path / layout.BUNDLE_CONTENT if archive.path.is_dir() else archive.path)


def _identity_at(place: Path) -> str | None:
    try:
        return identity_of(place.lstat())
    except OSError:
        return None


def _chosen(archive: Archive, plan: UnpackPlan) -> Iterator[Member]:
    wanted = {step.member for step in plan.steps}
    for member in archive.members():
        for part in parts_of(member):
            if part.path in wanted:
                yield part


@contextlib.contextmanager
def _journaled(plan: UnpackPlan) -> Iterator[Journal]:
    """The journal of this very job; it stays only where the run was stopped after it had written something."""
    head = {"verb": plan.verb, "archive": printable(plan.archive.resolve()), "identity": plan.identity}
    hasher = MultiHasher()
    hasher.update(to_json(head))
    with Journal.open(plan.folder / files.helper_name("unpack", hasher.digests()[KEY][:16]), head) as journal:
        try:
            yield journal
        except BaseException:
            if len(journal) == 0:
                with contextlib.suppress(FilmArchiveError):  # what went wrong first says more
                    journal.remove()
            raise
        journal.remove()


def _naming(progress: Progress, members: Sequence[Member]) -> Callable[[int], None]:
    """Counts bytes that are written, and says of which member they are."""
    rest = iter(members)
    left = 0

    def count(amount: int) -> None:
        nonlocal left
        while left <= 0 and (member := next(rest, None)) is not None:
            progress.begin(Phase.WRITING, member.path)
            left = member.size
        left -= amount
        progress.add(Phase.WRITING, amount)

    return count


@contextlib.contextmanager
def _saying_what_is_missing(
    archive: Archive, plan: UnpackPlan, members: Sequence[Member], finished: dict[str, Any]
) -> Iterator[None]:
    """A full disk is said with what all that is still to be written needs."""
    try:
        yield
    except NoSpace as error:
        whole = sum(member.path in finished for member in members)
        rest = sum(member.size for member in members if member.path not in finished)
        missing = max(1, rest - files.free_space(plan.folder))
        raise NoSpace(
            f"{str(error).rstrip('.')}; {whole} of {len(members)} files of {archive.name} are written and whole, the rest "
            f"needs {missing} bytes more than there are. Run the same command again when there is room, or with --abandon "
            "to remove what is unfinished."
        ) from error
