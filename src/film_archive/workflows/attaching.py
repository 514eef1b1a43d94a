"""`proxy attach`: proxies that were made elsewhere, adopted after they have proven to be the original's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from film_archive.archive import layout
from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import open_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core import copying
from film_archive.core.errors import FilmArchiveError, NotFound, Refused, StorageError, UsageError
from film_archive.core.job import Failure, Plan, Report, Step, identity_of, require_unchanged, status_of
from film_archive.core.manifest import Member
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.proxy import adopting, embedding
from film_archive.proxy.adopting import Given
from film_archive.proxy.embedding import GIVEN, ProxyLine
from film_archive.proxy.original import Original
from film_archive.proxy.proof import Proof
from film_archive.proxy.recipe import PLAIN, Recipe
from film_archive.workflows.clip_logs import ClipLog, LogFile
from film_archive.workflows.leftovers import forget_completed
from film_archive.workflows.locating import is_archive, only_clip, split
from film_archive.workflows.originals import Images, NamedClip, clips_at, known, opened_clip, opened_member
from film_archive.workflows.proxies import locked
from film_archive.workflows.proxy_plans import MadeBefore, identity_of_member

__all__ = ["AttachPlan", "AttachStep", "Attached", "AttachedProxy", "apply_attach", "attach", "attach_as_planned", "plan_attach"]
"""The whole face of a verb."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachStep(Step):
    """One proxy that is to be adopted."""

    file: Path
    """The proxy that was brought."""
    proxy_size: str
    """"preview", or "1280x720"."""
    codec: str
    """"h264", "prores_proxy", "dnxhr_lb", or what else it is coded in."""
    output: str
    """Where it goes: a file, or ARCHIVE::MEMBER."""
    replaces: str | None
    """The archive's proxy of this size and codec that it takes the place of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachPlan(Plan):
    """Which proxies would be adopted; frames, rate and timecode were compared already, pictures will be."""

    verb: ClassVar[str] = "proxy attach"
    original: Path
    """The archive, or the media file (of an image sequence the first)."""
    member: str | None
    """The archive's member."""
    images: Images | None
    """Of an image sequence that is no archive's."""
    identity: str
    """Changes when the original does."""
    recipe: Recipe
    """What was done to the colours."""
    graded: bool
    """Whether something was that nobody knows."""
    rate: str | None
    """The rate of images that have none."""
    log: LogFile | None
    """A list that tells of the original what it does not say itself."""
    steps: tuple[AttachStep, ...]
    """One step a file."""
    failed: tuple[Failure, ...]
    """What is not a proxy of this original."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedProxy(Record):
    """A proxy that was adopted."""

    file: str
    """The file that was brought."""
    size: str
    """"preview", or "1280x720"."""
    codec: str
    """"h264", "prores_proxy", "dnxhr_lb", or what else it is coded in."""
    output: str
    """Where it is now: a file, or ARCHIVE::MEMBER."""
    frames: int
    """As many as the original has."""
    start_timecode: str | None
    """Of the first frame; null where the original has none."""
    pictures_compared: int
    """Pictures that were held against the original's; 0 where it can't be decoded here."""
    not_compared: str | None
    """Why pictures were not compared, else null."""
    replaced: bool
    """Whether it took the place of another proxy of this size and codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached(Report):
    """What `proxy attach` adopted, and what not and why."""

    original: str
    """The original: a file, or ARCHIVE::MEMBER."""
    attached: tuple[AttachedProxy, ...]
    """What was adopted."""
    failed: tuple[Failure, ...]
    """What was not."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.attached))


def attach(original: str, named: Sequence[Path], **more: Any) -> Attached:
    """Plan and adopt; see `plan_attach`."""
    return apply_attach(plan_attach(original, named, **more))


def plan_attach(
    original: str,
    named: Sequence[Path],
    *,
    output: Path | None = None,
    recipe: Recipe = PLAIN,
    graded: bool = False,
    rate: str | None = None,
    log: LogFile | None = None,
) -> AttachPlan:
    """Compare all that can be compared without decoding; changes nothing.

    `original` is ARCHIVE::MEMBER, a media file, or an image sequence. A file that lies in a folder archive is that archive's
    member; proxies of others go to `output`. `recipe` says what was done to the colours, `graded` that nobody knows.
    """
    if not named:
        raise UsageError("Name the proxies that are to be attached.")
    if recipe.burn_in or recipe.stills or recipe.audio_map or recipe.hardware:
        raise UsageError("To attach proxies only what was done to their colours is asked for: --lut, --cdl, --view.")
    recipe = recipe.looked_at()
    known_by_log = None if log is None else log.open()
    place = _located(original, output)
    steps: list[AttachStep] = []
    failed: list[Failure] = []
    with _opened(place, None, rate, known_by_log) as (clip, identity, there, member):
        outputs: set[str] = set()
        for path in named:
            try:
                step = _step(path, clip, place, there, member)
                if step.output in outputs:
                    raise Refused(f"{printable(path)} has size and codec of another one that was named; it was not attached.")
                outputs.add(step.output)
                steps.append(step)
            except StorageError:
                raise
            except FilmArchiveError as error:
                failed.append(Failure.of(printable(path), error))
    return AttachPlan(
        original=place.path,
        member=place.member,
        images=place.images,
        identity=identity,
        recipe=recipe,
        graded=graded,
        rate=rate,
        log=log,
        steps=tuple(steps),
        failed=tuple(failed),
    )


def apply_attach(plan: AttachPlan) -> Attached:
    """Compare pictures, and put in what proves to be the original's; nothing is kept of what does not."""
    begun = time.monotonic()
    failed = list(plan.failed)
    log = None if plan.log is None else plan.log.open()
    place = _Place(plan.original, plan.member, plan.images)
    proven: list[_Proven] = []
    if plan.member is not None:
        forget_completed(plan.original)
    with _opened(place, plan.identity, plan.rate, log) as (clip, _, _, member):
        for step in plan.steps:
            try:
                with FileSource(step.file) as source:
                    require_unchanged(source.name, step.identity, identity_of(source.status))
                    given = _given(source)
                    proof = adopting.prove_given(clip, given, plan.recipe, graded=plan.graded)
                    source.check_unchanged()
                proven.append(_Proven(step, proof, given))
            except StorageError:
                raise
            except FilmArchiveError as error:
                failed.append(Failure.of(printable(step.file), error))
        clip.check_unchanged()
        treatment = plan.recipe.treatment(clip.facts)
    if proven and member is not None:
        done = {} if treatment is None else dict(treatment.record)
        _embed(plan, member, proven, done | ({"colours": "changed elsewhere"} if plan.graded else {}))
    elif proven:
        _copy(proven)
    return Attached(
        original=f"{printable(plan.original)}::{plan.member}" if plan.member is not None else printable(plan.original),
        attached=tuple(map(_attached, proven)),
        failed=tuple(failed),
        seconds=time.monotonic() - begun,
    )


def attach_as_planned(plan: AttachPlan) -> Attached:
    """What a dry run says."""
    name = f"{printable(plan.original)}::{plan.member}" if plan.member is not None else printable(plan.original)
    return Attached(original=name, attached=(), failed=plan.failed)


@dataclass(frozen=True, slots=True)
class _Proven:
    """A proxy that has proven to be the original's."""

    step: AttachStep
    proof: Proof
    given: Given

    def line(self, treatment: dict[str, Any]) -> ProxyLine:
        facts, proof, size = self.given.facts, self.proof, self.given.source.size
        more: dict[str, Any] = {"proof": proof.to_json(), "file": self.step.file.name}
        return ProxyLine(
            size=self.step.proxy_size,
            width=facts.width or 0,
            height=facts.height or 0,
            bit_rate=round(size * 8 / proof.seconds) if proof.seconds else 0,
            frames=proof.frames,
            start=None if proof.first is None else str(proof.first),
            made=GIVEN,
            codec=self.step.codec,
            more=more | ({"treatment": treatment} if treatment else {}),
        )

    @contextmanager
    def opened(self) -> Iterator[FileSource]:
        """Its file, which is what was compared."""
        with FileSource(self.step.file) as source:
            require_unchanged(source.name, self.step.identity, identity_of(source.status))
            yield source


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an original is, and where its proxies go."""

    path: Path
    member: str | None
    images: Images | None
    output: Path | None = None
    stem: str = ""
    identity: str | None = None
    """Of a clip of the file system, when it was looked at."""


def _located(named: str, output: Path | None) -> _Place:
    text, member = split(named)
    path = Path(text)
    if member or (is_archive(path) and (path.is_file() or os.path.lexists(path / layout.MANIFEST))):
        if output is not None:
            raise UsageError(f"{printable(path)} is an archive; proxies go into it, so leave out -o.")
        with open_archive(path) as archive:
            return _Place(path, (archive.member(member) if member else only_clip(archive)).path, None)
    found = clips_at(path, None, None)
    if len(found) != 1:
        raise UsageError(f"{printable(path)} holds {len(found)} clips; name the one that these are proxies of.")
    clip = found[0]
    if not isinstance(clip, NamedClip):
        raise clip[1]
    if output is not None:
        return _Place(clip.path, None, clip.images, output, clip.stem, clip.identity)
    for above in clip.path.absolute().parents:
        if os.path.lexists(above / layout.MANIFEST):
            return _Place(above, _member_at(above, clip.path.absolute()), None)
    raise UsageError(f"{printable(path)} lies in no archive; say with -o DIR where its proxies go.")


def _member_at(folder: Path, path: Path) -> str:
    name, _ = layout.member_name(path.relative_to(folder))
    with open_archive(folder) as archive:
        member = archive.member(name)
        return member.path if member.is_original and member.of is None else str(member.of or member.path)


@contextmanager
def _opened(
    place: _Place, identity: str | None, rate: str | None, log: ClipLog | None
) -> Iterator[tuple[Original, str, MadeBefore | None, Member | None]]:
    """The original, its identity, and of an archive's what proxies it has; raises SourceChanged where it is another one."""
    if place.member is None:
        taken = identity or place.identity
        assert taken is not None
        with opened_clip(place.path, place.images, taken, rate, log) as original:
            yield original, taken, None, None
        return
    with open_archive(place.path) as archive:
        archive.require_manifest("hold proxies")
        member = archive.member(place.member)
        if not member.is_original or member.media is None:
            raise NotFound(f"{archive.name}::{printable(member.path)} is no clip; proxies belong to clips.")
        now = identity_of_member(member)
        if identity is not None:
            require_unchanged(f"{archive.name}::{printable(member.path)}", identity, now)
        facts = known(member.media, member.path, rate, log)
        with opened_member(archive, member, facts) as original:
            yield original, now, MadeBefore.of(archive), member


def _given(source: FileSource) -> Given:
    from film_archive.media.probe import index, probe

    return Given(source, probe(source, sidecars=()), index(source))


def _step(path: Path, original: Original, place: _Place, there: MadeBefore | None, member: Member | None) -> AttachStep:
    with FileSource(path) as source:
        given = _given(source)
        adopting.require_same_clip(original, given)
        extension = path.suffix.lower().lstrip(".") or given.facts.container
        ending = extension if given.codec == "h264" else f"{given.codec}.{extension}"
        size = given.size_of(original.facts)
        replaces = None
        if member is not None and there is not None:
            output = f"{place.path}::{layout.proxy_path(member.path, size, ending)}"
            replaces = there.path_of(member, size, given.codec)
        else:
            assert place.output is not None
            target = place.output / layout.fitting_name(f"{place.stem}_{size}.{ending}")
            if os.path.lexists(target):
                raise Refused(f"{printable(target)} exists already; {printable(path)} was not attached.")
            output = str(target)
        return AttachStep(
            file=path,
            proxy_size=size,
            codec=given.codec,
            output=output,
            replaces=replaces,
            identity=identity_of(source.status),
            size=source.size,
        )


def _embed(plan: AttachPlan, member: Member, proven: Sequence[_Proven], treatment: dict[str, Any]) -> None:
    target = plan.original.resolve()
    with locked(target), open_archive(target) as archive:
        now = identity_of_member(archive.member(member.path))
        require_unchanged(f"{archive.name}::{printable(member.path)}", plan.identity, now)
    with FolderWriter.add_to(target) if target.is_dir() else ZipWriter.add_to(target) as writer:
        for each in proven:
            if each.step.replaces is not None:
                writer.drop(each.step.replaces)
            with each.opened() as source:
                path = each.step.output.removeprefix(f"{plan.original}::")
                embedding.put(writer, member, path, source, f"{GIVEN} {embedding.identity_of(source)}", each.line(treatment))
        writer.finish()


def _copy(proven: Sequence[_Proven]) -> None:
    for each in proven:
        target = Path(each.step.output)
        target.parent.mkdir(parents=True, exist_ok=True)
        with each.opened() as source:
            copying.verified_copy(source, target)


def _attached(proven: _Proven) -> AttachedProxy:
    step, proof = proven.step, proven.proof
    return AttachedProxy(
        file=printable(step.file),
        size=step.proxy_size,
        codec=step.codec,
        output=step.output,
        frames=proof.frames,
        start_timecode=None if proof.first is None else str(proof.first),
        pictures_compared=proof.compared,
        not_compared=proof.not_compared,
        replaced=step.replaces is not None,
    )
