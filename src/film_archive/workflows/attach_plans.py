"""What `proxy attach` would adopt: proxies that are the original's by all that is seen without decoding."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from film_archive.archive import layout
from film_archive.archive.reader import open_archive
from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, NotFound, Refused, StorageError, UsageError
from film_archive.core.job import Failure, Plan, Step, identity_of, require_unchanged
from film_archive.core.member import Member
from film_archive.core.source import FileSource, printable
from film_archive.proxy import adopting
from film_archive.proxy.adopting import Given
from film_archive.proxy.original import Original
from film_archive.proxy.recipe import PLAIN, Recipe
from film_archive.workflows.clip_logs import ClipLog, LogFile
from film_archive.workflows.locating import is_archive, only_clip, split
from film_archive.workflows.made_before import MadeBefore
from film_archive.workflows.originals import Images, NamedClip, clips_at, known, opened_clip, opened_member
from film_archive.workflows.proxy_plans import identity_of_member


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
    with opened_place(place, None, rate, known_by_log) as (clip, identity, there, member):
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where an original is, and where its proxies go."""

    path: Path
    member: str | None
    images: Images | None
    output: Path | None = None
    stem: str = ""
    identity: str | None = None
    """Of a clip of the file system, when it was looked at."""


def _located(named: str, output: Path | None) -> Place:
    text, member = split(named)
    path = Path(text)
    if member or (is_archive(path) and (path.is_file() or os.path.lexists(path / layout.MANIFEST))):
        if output is not None:
            raise UsageError(f"{printable(path)} is an archive; proxies go into it, so leave out -o.")
        with open_archive(path) as archive:
            return Place(path, (archive.member(member) if member else only_clip(archive)).path, None)
    found = clips_at(path, None, None)
    if len(found) != 1:
        raise UsageError(f"{printable(path)} holds {len(found)} clips; name the one that these are proxies of.")
    clip = found[0]
    if not isinstance(clip, NamedClip):
        raise clip[1]
    if output is not None:
        files.require_folder_at(output)
        return Place(clip.path, None, clip.images, output, clip.stem, clip.identity)
    for above in clip.path.absolute().parents:
        if os.path.lexists(above / layout.MANIFEST):
            return Place(above, _member_at(above, clip.path.absolute()), None)
    raise UsageError(f"{printable(path)} lies in no archive; say with -o DIR where its proxies go.")


def _member_at(folder: Path, path: Path) -> str:
    name, _ = layout.member_name(path.relative_to(folder))
    with open_archive(folder) as archive:
        member = archive.member(name)
        return member.path if member.is_original and member.of is None else str(member.of or member.path)


@contextmanager
def opened_place(
    place: Place, identity: str | None, rate: str | None, log: ClipLog | None
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


def given_of(source: FileSource) -> Given:
    from film_archive.media.probe import index, probe

    return Given(source, probe(source, sidecars=()), index(source))


def _step(path: Path, original: Original, place: Place, there: MadeBefore | None, member: Member | None) -> AttachStep:
    with FileSource(path) as source:
        given = given_of(source)
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
