"""`proxy attach`: proxies that were made elsewhere, adopted after they have proven to be the original's."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive.archive.folder import FolderWriter
from film_archive.archive.reader import open_archive
from film_archive.archive.writer import ZipWriter
from film_archive.core import copying
from film_archive.core.errors import FilmArchiveError, StorageError
from film_archive.core.job import Failure, Report, identity_of, require_unchanged, status_of
from film_archive.core.member import Member
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.proxy import adopting, embedding
from film_archive.proxy.adopting import Given
from film_archive.proxy.embedding import GIVEN, ProxyLine
from film_archive.proxy.proof import Proof
from film_archive.workflows.attach_plans import AttachPlan, AttachStep, Place, given_of, opened_place, plan_attach
from film_archive.workflows.leftovers import forget_completed
from film_archive.workflows.proxies import locked
from film_archive.workflows.proxy_plans import identity_of_member

__all__ = ["AttachPlan", "AttachStep", "Attached", "AttachedProxy", "apply_attach", "attach", "attach_as_planned", "plan_attach"]
"""The whole face of a verb."""


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


def apply_attach(plan: AttachPlan) -> Attached:
    """Compare pictures, and put in what proves to be the original's; nothing is kept of what does not."""
    begun = time.monotonic()
    failed = list(plan.failed)
    log = None if plan.log is None else plan.log.open()
    place = Place(plan.original, plan.member, plan.images)
    proven: list[_Proven] = []
    if plan.member is not None:
        forget_completed(plan.original)
    with opened_place(place, plan.identity, plan.rate, log) as (clip, _, _, member):
        for step in plan.steps:
            try:
                with FileSource(step.file) as source:
                    require_unchanged(source.name, step.identity, identity_of(source.status))
                    given = given_of(source)
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
