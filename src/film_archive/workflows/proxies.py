"""Making proxies of what is there already, as planned (see `proxy_plans`): embedded into archives, or as files."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.continuing import Writer
from film_archive.archive.folder import FolderWriter
from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import Archive, open_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import (
    Damaged,
    FilmArchiveError,
    NotFound,
    NotSupported,
    SourceChanged,
    StorageError,
    UsageError,
)
from film_archive.core.job import Failure, require_unchanged
from film_archive.core.ladder import Rung, parse_sizes
from film_archive.core.member import Member
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import printable
from film_archive.proxy import avid, embedding, making, stills
from film_archive.proxy.companions import Program, files_for
from film_archive.proxy.making import Proxy
from film_archive.proxy.original import Original
from film_archive.proxy.recipe import PLAIN, Recipe, Still
from film_archive.workflows.clip_logs import LogFile
from film_archive.workflows.leftovers import abandon_unfinished, forget_completed, proxy_folder, saying_what_is_left
from film_archive.workflows.locating import is_archive
from film_archive.workflows.made_before import MadeBefore
from film_archive.workflows.originals import NamedClip, clips_at, opened_clip, opened_member
from film_archive.workflows.proxy_plans import EncodeStep, ProxyPlan, identity_of_member, plan_proxies
from film_archive.workflows.proxy_reports import MadeProxy, MadeStill, ProxiesMade
from film_archive.workflows.room import size_of

__all__ = [
    "MadeProxy",
    "MadeStill",
    "ProxiesMade",
    "ProxyPlan",
    "abandon_proxies",
    "apply_proxies",
    "as_planned",
    "make_proxies",
    "plan_proxies",
]
"""The whole face of a verb, its plan among it."""

_TOLERATED = (NotSupported, Damaged, NotFound, UsageError)
"""What keeps one clip from having proxies, and not the others."""


def make_proxies(
    named: Sequence[Path],
    rungs: Sequence[Rung],
    *,
    output: Path | None = None,
    recipe: Recipe = PLAIN,
    program: Program | None = None,
    rate: str | None = None,
    log: LogFile | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
) -> ProxiesMade:
    """Plan and make proxies of archives' clips, embedded, or of media files, below `output` or for an editing program."""
    plan = plan_proxies(named, rungs, output=output, recipe=recipe, program=program, rate=rate, log=log)
    return apply_proxies(plan, progress=progress, workers=workers)


def apply_proxies(plan: ProxyPlan, *, progress: Progress | None = None, workers: int | None = None) -> ProxiesMade:
    """Make what is planned; a clip that can't be decoded does not keep the others from having proxies.

    Raises SourceChanged where a clip is not what it was when it was planned, NoSpace, and Refused where another process
    writes the archive. A run that was killed is continued.
    """
    begun = time.monotonic()
    run = _Making(plan, progress or quiet(), workers)
    run.progress.expect(Phase.ENCODING, sum(step.frames for step in plan.steps))
    for archive in plan.archives:
        forget_completed(archive)
    archives: dict[Path, list[EncodeStep]] = {}
    for step in plan.steps:
        if step.member is not None:
            archives.setdefault(step.source, []).append(step)
    for archive, steps in archives.items():
        with saying_what_is_left(lambda archive=archive: proxy_folder(archive.resolve()).exists()):  # type: ignore[misc]
            run.archive(archive, steps)
    for step in plan.steps:
        if step.member is None:
            place = _work_of(step)
            with saying_what_is_left(place.exists):
                run.file(step, place)
    seconds = time.monotonic() - begun
    return ProxiesMade(
        proxies=tuple(run.made),
        stills=tuple(run.stills),
        current=plan.current,
        failed=tuple(run.failed),
        notes=(*plan.notes, *run.notes),
        frames=run.frames,
        workers=making.workers_used(workers),
        seconds=seconds,
        fps=round(run.frames / seconds, 1) if seconds and run.frames else None,
    )


def as_planned(plan: ProxyPlan) -> ProxiesMade:
    """What a dry run says."""
    return ProxiesMade(
        proxies=(), stills=(), current=plan.current, failed=plan.failed, notes=plan.notes, frames=0, workers=0, fps=None
    )


def abandon_proxies(named: Sequence[Path], *, output: Path | None = None, program: Program | None = None) -> bool:
    """Remove what killed runs have left of proxies of these; False where there was nothing."""
    found = False
    for path in named:
        if output is None and program is None:
            if not is_archive(path):
                raise UsageError(f"Say where the proxies of media files were to go ({printable(path)}): -o DIR.")
            found = abandon_unfinished(path) or found
            continue
        for source in _sources(path):
            folder = output or Path()
            if program is not None:
                folder = files_for(program, source, source.stem, 0, output)[0].parent
            place = folder / _work_name(source)
            found = place.is_dir() or found
            files.remove_tree(place)
    return found


def _sources(path: Path) -> list[Path]:
    """The files that working folders are called after: of sequences the first; what can't be read is taken as it is named."""
    try:
        return [each.path for each in clips_at(path, None, None) if isinstance(each, NamedClip)] or [path]
    except FilmArchiveError:
        return [path]


class _Making:
    """What has been made so far."""

    def __init__(self, plan: ProxyPlan, progress: Progress, workers: int | None) -> None:
        self.plan = plan
        self.progress = progress
        self.workers = workers
        self.rungs = parse_sizes(",".join(plan.sizes))
        self.log = None if plan.log is None else plan.log.open()
        self.failed = list(plan.failed)
        self.notes: list[str] = []
        self.made: list[MadeProxy] = []
        self.stills: list[MadeStill] = []
        self.frames = 0

    def archive(self, path: Path, steps: Sequence[EncodeStep]) -> None:
        """All are made before the archive is written to; no other process writes to it meanwhile."""
        target = path.resolve()
        work = proxy_folder(target)
        with locked(target), _forgetting(work):
            _require_room(target if target.is_dir() else target.parent, steps, work, target, twice=True)
            with open_archive(target) as archive:
                ready = list(self._ready(archive, steps, work))
                there = MadeBefore.of(archive)
        if ready:
            with FolderWriter.add_to(target) if target.is_dir() else ZipWriter.add_to(target) as writer:
                for each in ready:
                    self._embed(writer, each, there)
                files.remove_tree(work)  # all are in the archive now; behind its end nobody would remove them after a kill
                writer.finish()
        files.remove_tree(work)

    def _embed(self, writer: Writer, ready: _Ready, there: MadeBefore) -> None:
        recipe, member = self.plan.recipe, ready.member
        for kind in dict.fromkeys(still.kind for still in ready.shown):
            for place in there.stills_of(member, kind):
                writer.drop(place)
        for still in ready.shown:
            embedding.add_still(writer, member, still, recipe)
        for proxy in ready.made:
            place_before = there.path(member, proxy.rung, recipe.codec)
            if place_before is not None:
                writer.drop(place_before)
            embedding.add(writer, member, proxy, recipe)
        self._report(ready.step, ready.made, {still.kind for still in ready.shown})

    def _ready(self, archive: Archive, steps: Sequence[EncodeStep], work: Path) -> Iterator[_Ready]:
        for step in steps:
            member = archive.member(step.member or "")
            require_unchanged(f"{archive.name}::{step.name}", step.identity, identity_of_member(member))
            folder = work / str(member.digests.get(KEY))
            with self._tolerating(step, folder), opened_member(archive, member) as original:
                made = self._make(step, original, folder)
                shown = list[stills.MadeStill]()
                with self._tolerating(step):
                    shown = self._stills(step, original, made, archive, member)
                yield _Ready(step, member, made, shown)

    def _stills(
        self, step: EncodeStep, original: Original, made: list[Proxy], archive: Archive, member: Member
    ) -> list[stills.MadeStill]:
        """The stills that are missing, from a proxy that was just made, else from one that is in the archive."""
        kinds, recipe = tuple(still.kind for still in step.stills), self.plan.recipe
        if not kinds:
            return []
        if made:
            return stills.make_stills(original, made, replace(recipe, stills=kinds))
        smallest = min((proxy for proxy in member.proxies if proxy.codec == recipe.codec), key=lambda proxy: proxy.width)
        with archive.source(smallest.path) as source:
            return stills.stills_from(original, source, recipe, kinds)

    def file(self, step: EncodeStep, place: Path) -> None:
        """Made in a hidden folder, then given their names."""
        plan = self.plan
        try:
            with (
                _forgetting(place),
                opened_clip(step.source, step.images, step.identity, plan.rate, self.log) as original,
            ):
                _require_room(place.parent, [step], place, step.source, twice=False)
                with files.explaining(f"write {printable(place.parent)}"):
                    place.mkdir(parents=True, exist_ok=True)
                for other in place.iterdir():
                    if other.name != _digest(step.identity or ""):  # of the file as it was before
                        files.remove_tree(other)
                self._named(step, original, place / _digest(step.identity or ""))
            files.remove_tree(place)
        except StorageError:  # what was made is kept: the next run continues
            raise
        except FilmArchiveError as error:
            files.remove_tree(place)
            self.failed.append(Failure.of(step.name, error))

    def _named(self, step: EncodeStep, original: Original, folder: Path) -> None:
        """Make all that a clip gets, and give it its names only then."""
        made = self._make(step, original, folder)
        named: list[tuple[Path, Path]] = []
        drawn: set[Still] = set()
        if step.stills:
            kinds = tuple(still.kind for still in step.stills)
            (image_name,) = [Path(still.outputs[0]).name for still in step.stills if still.kind is Still.STRIP] or [""]
            outputs = [Path(path) for still in step.stills for path in still.outputs]
            shown = list[stills.MadeStill]()
            with self._tolerating(step):
                shown = stills.make_stills(original, made, replace(self.plan.recipe, stills=kinds), image_name=image_name)
            for still, output in zip(shown, outputs, strict=bool(shown)):
                place = folder / still.name
                files.write_atomically(place, still.data, replace=True)
                named.append((place, output))
                drawn.add(still.kind)
        for proxy, wanted in zip(made, step.proxies, strict=True):
            if self.plan.program is Program.AVID:
                places = [Path(wanted.output), *map(Path, wanted.beside)]
                named += avid.package(proxy, original, places, folder / "avid")
            else:
                named.append((proxy.path, Path(wanted.output)))
        original.check_unchanged()
        for place, output in named:
            files.rename(place, output)
        self._report(step, made, drawn)

    def _make(self, step: EncodeStep, original: Original, folder: Path) -> list[Proxy]:
        self.progress.begin(Phase.ENCODING, step.name)
        if not step.proxies:
            return []
        made = original.proxies(
            [wanted.rung for wanted in step.proxies],
            folder,
            self.plan.recipe,
            among=self.rungs,
            workers=self.workers,
            on_frames=self.progress.counting(Phase.ENCODING),
        )
        self.frames += made[0].frames
        first = original.facts.first_frame or 0
        self.notes += [f"{step.name}: {sentence}" for sentence in making.shortcomings(made[0], first)]
        return made

    @contextlib.contextmanager
    def _tolerating(self, step: EncodeStep, folder: Path | None = None) -> Iterator[None]:
        """A clip that can't have proxies, or stills, does not keep the others from having theirs."""
        try:
            yield
        except SourceChanged:
            raise
        except _TOLERATED as error:
            if folder is not None:
                files.remove_tree(folder)
            self.failed.append(Failure.of(step.name, error))

    def _report(self, step: EncodeStep, made: Sequence[Proxy], drawn: Collection[Still]) -> None:
        for still in step.stills:
            if still.kind not in drawn:
                continue
            self.stills.append(MadeStill(source=step.name, kind=still.kind, outputs=still.outputs))
        for proxy in made:
            (wanted,) = (one for one in step.proxies if one.rung == proxy.rung)
            self.made.append(
                MadeProxy(
                    source=step.name,
                    size=proxy.rung.name,
                    codec=self.plan.recipe.codec,
                    output=wanted.output,
                    beside=wanted.beside,
                    width=proxy.width,
                    height=proxy.height,
                    frames=proxy.frames,
                    start_timecode=None if proxy.start is None else str(proxy.start),
                    verified=not proxy.corrupt and not proxy.cut_short,
                    corrupt=proxy.corrupt,
                    cut_short=proxy.cut_short,
                    chunks=proxy.pieces,
                )
            )


@dataclass(frozen=True, slots=True)
class _Ready:
    """What was made for a clip of an archive, and waits to be put in."""

    step: EncodeStep
    member: Member
    made: list[Proxy]
    shown: list[stills.MadeStill]


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
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


def _work_of(step: EncodeStep) -> Path:
    """Where the proxies of a media file are made; pieces of a killed run wait there."""
    return Path(step.proxies[0].output).parent / _work_name(step.source)


def _digest(text: str) -> str:
    hasher = MultiHasher()
    hasher.update(text.encode("utf-8", "surrogateescape"))
    return hasher.digests()[KEY]
