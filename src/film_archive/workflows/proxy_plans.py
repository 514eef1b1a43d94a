"""What `proxy` would make: of which clips which sizes are missing or stale, and what can't have any."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from film_archive.archive import layout
from film_archive.archive.reader import Archive, ZipArchive, open_archive
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, Refused, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.job import Failure, Plan, Step
from film_archive.core.ladder import Rung, parse_sizes
from film_archive.core.member import Member
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.proxy import companions, embedding, making
from film_archive.proxy.companions import Program
from film_archive.proxy.recipe import PLAIN, STILL_FILES, Recipe, Still
from film_archive.workflows.clip_logs import ClipLog, LogFile
from film_archive.workflows.filled import WithoutProxies, reason_without_proxies
from film_archive.workflows.locating import is_archive, split
from film_archive.workflows.made_before import MadeBefore
from film_archive.workflows.originals import Images, NamedClip, clips_at
from film_archive.workflows.room import proxy_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedProxy(Record):
    """A proxy that is to be made."""

    size: str
    """"preview", or "1280x720@3000000" with bits a second."""
    output: str
    """Where it goes: a file, or ARCHIVE::MEMBER."""
    beside: tuple[str, ...] = ()
    """Further files that it consists of: for Avid the sound tracks, and last the ALE."""

    @property
    def rung(self) -> Rung:
        (rung,) = parse_sizes(self.size)
        return rung


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedStill(Record):
    """A still that is to be made."""

    kind: Still
    """"poster", "strip" or "sheet"."""
    outputs: tuple[str, ...]
    """Where its files go, in the order of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeStep(Step):
    """One clip, and the proxies that are made of it from one decode."""

    source: Path
    """The media file, the first file of an image sequence, or the archive."""
    member: str | None
    """The archive's member; null for a media file."""
    images: Images | None = None
    """Of an image sequence that is no archive's: its first and last number."""
    proxies: tuple[WantedProxy, ...]
    """Which proxies are made."""
    stills: tuple[WantedStill, ...] = ()
    """Which stills are made."""
    frames: int
    """Frames of the clip, each of which every proxy will have."""
    expected: int
    """Bytes that all of them will have, by their nominal bit rates."""

    @property
    def name(self) -> str:
        if self.images is not None:
            return printable(self.images.pattern)
        return printable(self.source) if self.member is None else printable(self.member)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPlan(Plan):
    """Which proxies would be made."""

    verb: ClassVar[str] = "proxy"
    sizes: tuple[str, ...]
    """The sizes that were asked for."""
    recipe: Recipe = PLAIN
    """How they are made."""
    output: Path | None
    """The folder for proxies of media files."""
    program: Program | None = None
    """The editing program whose places and names they get."""
    rate: str | None = None
    """The rate of images that have none."""
    log: LogFile | None = None
    """A list that tells of clips what their files don't."""
    archives: tuple[Path, ...] = ()
    """The archives that were named."""
    steps: tuple[EncodeStep, ...]
    """One step a clip that has not all of its proxies yet."""
    current: int
    """Proxies that are in the archives already and would be made as they are."""
    failed: tuple[Failure, ...]
    """What can't have proxies."""
    notes: tuple[str, ...]
    """What is to be known of single clips, each one sentence."""


def plan_proxies(
    named: Sequence[Path],
    rungs: Sequence[Rung],
    *,
    output: Path | None = None,
    recipe: Recipe = PLAIN,
    program: Program | None = None,
    rate: str | None = None,
    log: LogFile | None = None,
) -> ProxyPlan:
    """Look at what would be made; changes nothing.

    In an archive only what is missing or stale is made. Raises UsageError where files are named without `output` or
    `program`, Refused where `output` is there and no folder.
    """
    if not rungs:
        raise UsageError("No proxy size was named; there are thumbnail, preview, editorial, and sizes like 1280x720.")
    recipe = recipe.looked_at()
    if program is not None:
        _require_fitting(program, rungs, recipe, output)
    if output is not None:
        files.require_folder_at(output)
    planning = _Planning(tuple(rungs), recipe, output, program, rate, None if log is None else log.open())
    for path in named:
        planning.add(path)
    return ProxyPlan(
        sizes=tuple(map(str, rungs)),
        recipe=recipe,
        output=output,
        program=program,
        rate=rate,
        log=log,
        archives=tuple(planning.archives),
        steps=tuple(planning.steps),
        current=planning.current,
        failed=tuple(planning.failed),
        notes=tuple(planning.without.sentences()),
    )


def _require_fitting(program: Program, rungs: Sequence[Rung], recipe: Recipe, output: Path | None) -> None:
    """Refuse what an editing program would not link."""
    if output is not None and program is not Program.AVID:
        raise UsageError(f"{program.product} looks for proxies beside the clips; leave out -o.")
    if len(rungs) != 1:
        raise UsageError(f"{program.product} links one proxy to a clip; name one size.")
    if recipe.codec not in program.codecs:
        raise UsageError(f"Proxies for {program.product} are {' or '.join(program.codecs)}, not {recipe.codec}.")
    if recipe.stills:
        raise UsageError("Stills are not made for editing programs; make them with -o, or in an archive.")


class _Planning:
    """What has been looked at so far."""

    def __init__(
        self,
        rungs: tuple[Rung, ...],
        recipe: Recipe,
        output: Path | None,
        program: Program | None,
        rate: str | None,
        log: ClipLog | None,
    ) -> None:
        self.rungs, self.recipe = rungs, recipe
        self.output, self.program = output, program
        self.rate, self.log = rate, log
        self.archives: list[Path] = []
        self.steps: list[EncodeStep] = []
        self.failed: list[Failure] = []
        self.without = WithoutProxies()
        self.current = 0
        self._outputs: dict[Path, Path] = {}
        self._sequences: set[tuple[Path, Images | None]] = set()

    def add(self, path: Path) -> None:
        """Look at one thing that was named."""
        outside = self.output is not None or self.program is not None
        inside, member = split(os.fspath(path))
        if member and is_archive(Path(inside)):
            raise UsageError(
                f"{printable(path)} is a member of an archive, and the proxies of those go into it: name {printable(inside)} "
                "alone, without -o; or take the clip out with `unpack --member`."
            )
        if is_archive(path) and not (outside and path.is_dir() and not os.path.lexists(path / layout.MANIFEST)):
            if outside:
                raise UsageError(f"{printable(path)} is an archive; its proxies go into it, so leave out -o and --for.")
            if self.rate is not None or self.log is not None:
                raise UsageError("The facts of an archive's clips stand in it; --rate and --log are for media files.")
            self.archive(path)
        elif not outside:
            raise UsageError(f"Say where the proxies of media files go ({printable(path)}): -o DIR.")
        else:
            self.files(path)

    def archive(self, path: Path) -> None:
        with _opened(path) as archive:
            archive.require_manifest("hold proxies")
            if isinstance(archive, ZipArchive) and not archive.sealed:
                raise Damaged(f"{archive.name} was altered by another program or is damaged; run `repair` before adding to it.")
            self.archives.append(path)
            there = MadeBefore.of(archive)
            for member in archive.members():
                if member.is_original:
                    self._member(path, member, there)

    def _member(self, path: Path, member: Member, there: MadeBefore) -> None:
        facts = member.media
        if facts is None or not making.can_have_proxies(facts):
            if not there.has_any(member, self.recipe):  # dailies that were attached do
                self.without.add(member.path, facts)
            return
        missing = [rung for rung in self.rungs if not there.has(member, rung, self.recipe)]
        shown = [kind for kind in self.recipe.stills if not there.has_still(member, kind, self.recipe)]
        self.current += len(self.rungs) - len(missing)
        if missing or shown:
            outputs = {rung: f"{path}::{embedding.place_of(member.path, rung, self.recipe)}" for rung in missing}
            self.steps.append(
                EncodeStep(
                    source=path,
                    member=member.path,
                    identity=identity_of_member(member),
                    size=member.size,
                    proxies=tuple(WantedProxy(size=str(rung), output=output) for rung, output in outputs.items()),
                    stills=tuple(
                        WantedStill(
                            kind=kind,
                            outputs=tuple(f"{path}::{embedding.still_place(member.path, name)}" for name in STILL_FILES[kind]),
                        )
                        for kind in shown
                    ),
                    frames=(facts.frames or 0) if missing else 0,
                    expected=proxy_bytes(missing, facts, self.recipe),
                )
            )

    def files(self, path: Path) -> None:
        """Proxies of a clip, or of the clips in a folder, as files; nothing that is there is overwritten."""
        try:
            for found in clips_at(path, self.rate, self.log):
                if isinstance(found, NamedClip):
                    self._file(found)
                else:
                    name, problem = found
                    self.failed.append(Failure.of(name, problem))
        except FilmArchiveError as error:
            self.failed.append(Failure.of(printable(path), error))

    def _file(self, clip: NamedClip) -> None:
        name = printable(clip.clip.name)
        if clip.images is not None and (clip.path, clip.images) in self._sequences:
            return  # another frame of it was named
        self._sequences.add((clip.path, clip.images))
        try:
            wanted, shown = self._outputs_of(clip)
            targets = [Path(path) for each in wanted for path in (each.output, *each.beside)]
            targets += [Path(path) for each in shown for path in each.outputs]
            for target in targets:
                if os.path.lexists(target):
                    raise Refused(f"{printable(target)} exists already; nothing was made of {name}.")
                if target in self._outputs:
                    other = printable(self._outputs[target])
                    raise Refused(f"{name} and {other} would both become {printable(target)}; rename one.")
            if not making.can_have_proxies(clip.facts):
                raise NotSupported(f"{name} has no proxies: {_reason(clip.facts)}.")
            self._outputs.update(dict.fromkeys(targets, Path(clip.clip.name)))
            self.steps.append(
                EncodeStep(
                    source=clip.path,
                    member=None,
                    images=clip.images,
                    identity=clip.identity,
                    size=clip.size,
                    proxies=wanted,
                    stills=shown,
                    frames=clip.facts.frames or 0,
                    expected=proxy_bytes(self.rungs, clip.facts, self.recipe),
                )
            )
        except FilmArchiveError as error:
            self.failed.append(Failure.of(name, error))

    def _outputs_of(self, clip: NamedClip) -> tuple[tuple[WantedProxy, ...], tuple[WantedStill, ...]]:
        """Where the proxies and stills of a clip go: `STEM_SIZE.mp4` in a folder, or where an editing program looks."""
        if self.program is not None:
            (rung,) = self.rungs
            channels = sum(track.channels for track in clip.facts.audio)
            place, *beside = companions.files_for(self.program, clip.path, clip.stem, channels, self.output)
            return (WantedProxy(size=str(rung), output=str(place), beside=tuple(map(str, beside))),), ()
        assert self.output is not None
        folder = self.output

        def place_of(what: str) -> str:
            return str(folder / layout.fitting_name(f"{clip.stem}_{what}"))

        wanted = [WantedProxy(size=str(rung), output=place_of(f"{rung.name}.{self.recipe.extension}")) for rung in self.rungs]
        shown = [
            WantedStill(kind=kind, outputs=tuple(place_of(name) for name in STILL_FILES[kind])) for kind in self.recipe.stills
        ]
        return tuple(wanted), tuple(shown)


def _opened(path: Path) -> Archive:
    try:
        return open_archive(path)
    except NotFound as error:
        if not path.is_dir():
            raise
        raise NotFound(
            f"{printable(path)} is a folder and no archive; make it one with `create --in-place`, or say with -o where the "
            "proxies of the media in it go."
        ) from error


def identity_of_member(member: Member) -> str:
    """Changes when a member's bytes do, wherever in its archive they lie."""
    return f"{member.size}:{member.digests.get(KEY)}"


def _reason(facts: MediaFacts) -> str:
    return (reason_without_proxies(facts) or "it has no picture").rstrip(".")
