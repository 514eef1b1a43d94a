"""Making proxies of what is there already, as planned (see `proxy_plans`): embedded into archives, or as files."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.folder import FolderWriter
from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import Archive, open_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, StorageError, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.job import IN_PART, Failure, Report, identity_of, require_unchanged, status_of
from film_archive.core.ladder import Rung, parse_sizes
from film_archive.core.manifest import Member
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.proxy import embedding, making
from film_archive.proxy.making import Proxy
from film_archive.workflows.leftovers import abandon_unfinished, proxy_folder, saying_what_is_left
from film_archive.workflows.locating import is_archive
from film_archive.workflows.proxy_plans import EncodeStep, ProxyPlan, identity_of_member, plan_proxies
from film_archive.workflows.room import size_of

__all__ = [
    "MadeProxy",
    "ProxiesMade",
    "ProxyPlan",
    "abandon_proxies",
    "apply_proxies",
    "as_planned",
    "make_proxies",
    "plan_proxies",
]
"""The whole face of a verb, its plan among it."""

_TOLERATED = (NotSupported, Damaged, NotFound)
"""What keeps one clip from having proxies, and not the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeProxy(Record):
    """A proxy that was made, and proven to have every frame and the start timecode of its original."""

    source: str
    """The media file, or the member."""
    size: str
    """"preview", or "1280x720"."""
    output: str
    """The file, or ARCHIVE::MEMBER."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    frames: int
    """As many as the original has."""
    start_timecode: str | None
    """Of the first frame; null where the original has none."""
    verified: bool
    """Whether every frame of the original could be decoded."""
    corrupt: tuple[int, ...]
    """Frames that could not be decoded; the proxy shows the one before in their place."""
    chunks: int
    """Pieces that it was made in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxiesMade(Report):
    """What `proxy` made, and what could not be."""

    proxies: tuple[MadeProxy, ...]
    """What was made."""
    current: int
    """Proxies that were in the archives already and would be made as they are."""
    failed: tuple[Failure, ...]
    """What has no proxies."""
    notes: tuple[str, ...]
    """What is to be known of single clips, each one sentence."""
    frames: int
    """Frames of originals that were decoded."""
    workers: int
    """How many pieces were made at once."""
    fps: float | None
    """Frames of originals a second, over all; null where nothing was made."""

    @property
    def damaged(self) -> int:
        """Frames that could not be decoded, of the clip that has most of them."""
        return max((len(proxy.corrupt) for proxy in self.proxies), default=0)

    @property
    def exit_status(self) -> int:
        done = bool(self.proxies or self.current)
        return status_of(self.failed, any_done=done) or (IN_PART if self.damaged else 0)


def make_proxies(
    named: Sequence[Path],
    rungs: Sequence[Rung],
    *,
    output: Path | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> ProxiesMade:
    """Plan and make proxies of archives' clips, embedded, or of media files, below `output`."""
    return apply_proxies(plan_proxies(named, rungs, output=output), progress=progress, workers=workers)


def apply_proxies(plan: ProxyPlan, *, progress: Progress | None = None, workers: int | None = None) -> ProxiesMade:
    """Make what is planned; a clip that can't be decoded does not keep the others from having proxies.

    Raises SourceChanged where a clip is not what it was when it was planned, NoSpace, and Refused where another process
    writes the archive. A run that was killed is continued.
    """
    begun = time.monotonic()
    run = _Making(progress or quiet(), workers, parse_sizes(",".join(plan.sizes)), list(plan.failed))
    run.progress.expect(Phase.ENCODING, sum(step.frames for step in plan.steps))
    archives: dict[Path, list[EncodeStep]] = {}
    for step in plan.steps:
        if step.member is not None:
            archives.setdefault(step.source, []).append(step)
    for archive, steps in archives.items():
        with saying_what_is_left(lambda archive=archive: proxy_folder(archive.resolve()).exists()):  # type: ignore[misc]
            run.archive(archive, steps)
    for step in plan.steps:
        if step.member is None:
            assert plan.output is not None
            place = _work_of(step, plan.output)
            with saying_what_is_left(place.exists):
                run.file(step, place)
    seconds = time.monotonic() - begun
    return ProxiesMade(
        proxies=tuple(run.made),
        current=plan.current,
        failed=tuple(run.failed),
        notes=plan.notes,
        frames=run.frames,
        workers=making.workers_used(workers),
        seconds=seconds,
        fps=round(run.frames / seconds, 1) if seconds and run.frames else None,
    )


def as_planned(plan: ProxyPlan) -> ProxiesMade:
    """What a dry run says."""
    return ProxiesMade(
        proxies=(), current=plan.current, failed=plan.failed, notes=plan.notes, frames=0, workers=0, fps=None
    )


def abandon_proxies(named: Sequence[Path], *, output: Path | None = None) -> bool:
    """Remove what killed runs have left of proxies of these; False where there was nothing."""
    found = False
    for path in named:
        if is_archive(path):
            found = abandon_unfinished(path) or found
        elif output is not None:
            place = output / _work_name(path)
            found = place.is_dir() or found
            files.remove_tree(place)
        else:
            raise UsageError(f"Say where the proxies of media files were to go ({printable(path)}): -o DIR.")
    return found


class _Making:
    """What has been made so far."""

    def __init__(
        self, progress: Progress, workers: int | None, rungs: Sequence[Rung], failed: list[Failure]
    ) -> None:
        self.progress = progress
        self.workers = workers
        self.rungs = rungs
        self.failed = failed
        self.made: list[MadeProxy] = []
        self.frames = 0

    def archive(self, path: Path, steps: Sequence[EncodeStep]) -> None:
        """All are made before the archive is written to; no other process writes to it meanwhile."""
        target = path.resolve()
        work = proxy_folder(target)
        with _locked(target), _forgetting(work):
            _require_room(target if target.is_dir() else target.parent, steps, work, target, twice=True)
            with open_archive(target) as archive:
                ready = list(self._ready(archive, steps, work))
        if ready:
            with FolderWriter.add_to(target) if target.is_dir() else ZipWriter.add_to(target) as writer:
                present = {member.path for member in writer.base_members() if member.get("proxy")}
                for step, member, made in ready:
                    for proxy in made:
                        place = layout.proxy_path(member.path, proxy.rung.name)
                        if place in present:
                            writer.drop(place)
                        embedding.add(writer, member, proxy, f"{making.settings(proxy.rung)} {member.digests.get(KEY)}")
                        self._add(step, proxy)
                files.remove_tree(work)  # all are in the archive now; behind its end nobody would remove them after a kill
                writer.finish()
        files.remove_tree(work)

    def _ready(
        self, archive: Archive, steps: Sequence[EncodeStep], work: Path
    ) -> Iterator[tuple[EncodeStep, Member, list[Proxy]]]:
        for step in steps:
            member = archive.member(step.member or "")
            require_unchanged(f"{archive.name}::{step.name}", step.identity, identity_of_member(member))
            folder = work / str(member.digests.get(KEY))
            if member.sequence is not None:
                made = self._make_of_images(step, archive, member, folder)
            else:
                with archive.source(member) as source:
                    made = self._make(step, source, member.media, folder)
            if made:
                yield step, member, made

    def file(self, step: EncodeStep, place: Path) -> None:
        """Made in a hidden folder, then given their names."""
        from film_archive.media.probe import probe

        try:
            with _forgetting(place), FileSource(step.source) as source:
                require_unchanged(source.name, step.identity, identity_of(source.status))
                _require_room(place.parent, [step], place, step.source, twice=False)
                with files.explaining(f"write {printable(place.parent)}"):
                    place.mkdir(parents=True, exist_ok=True)
                for other in place.iterdir():
                    if other.name != _digest(step.identity or ""):  # of the file as it was before
                        files.remove_tree(other)
                made = self._make(step, source, probe(source), place / _digest(step.identity or ""))
                source.check_unchanged()
                for proxy, wanted in zip(made, step.proxies, strict=bool(made)):
                    files.rename(proxy.path, Path(wanted.output))
                    self._add(step, proxy)
            files.remove_tree(place)
        except StorageError:  # what was made is kept: the next run continues
            raise
        except FilmArchiveError as error:
            self.failed.append(Failure.of(step.name, error))

    def _make(self, step: EncodeStep, source: ByteSource, facts: MediaFacts | None, folder: Path) -> list[Proxy]:
        from film_archive.media.probe import index

        def make(known: MediaFacts) -> list[Proxy]:
            return making.make(
                source,
                known,
                index(source),
                [wanted.rung for wanted in step.proxies],
                folder,
                among=self.rungs,
                workers=self.workers,
                on_frames=self.progress.counting(Phase.ENCODING),
            )

        return self._tried(step, facts, folder, make)

    def _make_of_images(self, step: EncodeStep, archive: Archive, member: Member, folder: Path) -> list[Proxy]:
        """Of an image sequence in an archive, whose frames are members of their own to a reader."""
        names = member.sequence
        assert names is not None
        numbers = set(member.frame_table().numbers.tolist())

        def make(known: MediaFacts) -> list[Proxy]:
            first = min(numbers) if known.first_frame is None else known.first_frame
            return making.make_of_images(
                f"{archive.name}::{step.name}",
                known,
                lambda number: archive.source(names.path(first + number)) if first + number in numbers else None,
                [wanted.rung for wanted in step.proxies],
                folder,
                among=self.rungs,
                workers=self.workers,
                on_frames=self.progress.counting(Phase.ENCODING),
            )

        return self._tried(step, member.media, folder, make)

    def _tried(
        self, step: EncodeStep, facts: MediaFacts | None, folder: Path, make: Callable[[MediaFacts], list[Proxy]]
    ) -> list[Proxy]:
        """A clip that can't have proxies does not keep the others from having theirs."""
        self.progress.begin(Phase.ENCODING, step.name)
        try:
            if facts is None:
                raise NotSupported(f"{step.name} has no picture that can be decoded here; no proxies were made.")
            made = make(facts)
        except _TOLERATED as error:
            files.remove_tree(folder)
            self.failed.append(Failure.of(step.name, error))
            return []
        self.frames += made[0].frames
        return made

    def _add(self, step: EncodeStep, proxy: Proxy) -> None:
        (output,) = (wanted.output for wanted in step.proxies if wanted.rung == proxy.rung)
        self.made.append(
            MadeProxy(
                source=step.name,
                size=proxy.rung.name,
                output=output,
                width=proxy.width,
                height=proxy.height,
                frames=proxy.frames,
                start_timecode=None if proxy.start is None else str(proxy.start),
                verified=not proxy.corrupt,
                corrupt=proxy.corrupt,
                chunks=proxy.pieces,
            )
        )


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Nobody else writes the archive, nor makes proxies for it; raises Refused where somebody does."""
    work = target / layout.WORK
    in_place = target.is_dir()
    if in_place:
        with files.explaining(f"write {printable(work)}"):
            work.mkdir(parents=True, exist_ok=True)
    journal = MemberJournal(work / "journal" if in_place else files.temporary_name(target, "journal"))
    try:
        yield
    finally:
        journal.remove_if_empty()
        if in_place:
            files.remove_empty_folders(work)


@contextlib.contextmanager
def _forgetting(work: Path) -> Iterator[None]:
    """What is in the making stays where the disk failed or the run was stopped; of a refused run nothing stays."""
    try:
        yield
    except StorageError:
        raise
    except FilmArchiveError:
        files.remove_tree(work)
        raise


def _require_room(folder: Path, steps: Sequence[EncodeStep], work: Path, what: Path, *, twice: bool) -> None:
    """Proxies are there twice for a time: all of them where they go into an archive, else those of one clip."""
    needed = sum(step.expected for step in steps) + (sum if twice else max)(step.expected for step in steps)
    files.require_space(folder, needed - size_of(work), f"Making proxies of {printable(what)}")


def _work_name(path: Path) -> str:
    return files.helper_name("proxies", _digest(os.fspath(path.absolute())))


def _work_of(step: EncodeStep, output: Path) -> Path:
    """Where the proxies of a media file are made; pieces of a killed run wait there."""
    return output / _work_name(step.source)


def _digest(text: str) -> str:
    hasher = MultiHasher()
    hasher.update(text.encode("utf-8", "surrogateescape"))
    return hasher.digests()[KEY]
