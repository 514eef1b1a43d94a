"""What `proxy` would make: of which clips which sizes are missing or stale, and what can't have any."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from film_archive.archive import layout
from film_archive.archive.reader import Archive, ZipArchive, open_archive
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, Refused, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.job import Failure, Plan, Step, identity_of
from film_archive.core.ladder import Rung, parse_sizes
from film_archive.core.manifest import Member
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.proxy import making
from film_archive.workflows.filling import WithoutProxies, reason_without_proxies
from film_archive.workflows.locating import is_archive
from film_archive.workflows.room import proxy_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedProxy(Record):
    """A proxy that is to be made."""

    size: str
    """"preview", or "1280x720@3000000" with bits a second."""
    output: str
    """Where it goes: a file, or ARCHIVE::MEMBER."""

    @property
    def rung(self) -> Rung:
        (rung,) = parse_sizes(self.size)
        return rung


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeStep(Step):
    """One clip, and the proxies that are made of it from one decode."""

    source: Path
    """The media file, or the archive."""
    member: str | None
    """The archive's member; null for a media file."""
    proxies: tuple[WantedProxy, ...]
    """Which proxies are made."""
    frames: int
    """Frames of the clip, each of which every proxy will have."""
    expected: int
    """Bytes that all of them will have, by their nominal bit rates."""

    @property
    def name(self) -> str:
        return printable(self.source) if self.member is None else printable(self.member)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPlan(Plan):
    """Which proxies would be made."""

    verb: ClassVar[str] = "proxy"
    sizes: tuple[str, ...]
    """The sizes that were asked for."""
    output: Path | None
    """The folder for proxies of media files."""
    steps: tuple[EncodeStep, ...]
    """One step a clip that has not all of its proxies yet."""
    current: int
    """Proxies that are in the archives already and would be made as they are."""
    failed: tuple[Failure, ...]
    """What can't have proxies."""
    notes: tuple[str, ...]
    """What is to be known of single clips, each one sentence."""


def plan_proxies(named: Sequence[Path], rungs: Sequence[Rung], *, output: Path | None = None) -> ProxyPlan:
    """Look at what would be made; changes nothing.

    In an archive only what is missing or stale is made. Raises UsageError where files are named without `output`.
    """
    if not rungs:
        raise UsageError("No proxy size was named; there are thumbnail, preview, editorial, and sizes like 1280x720.")
    planning = _Planning(tuple(rungs), output)
    for path in named:
        if is_archive(path):
            if output is not None:
                raise UsageError(f"{printable(path)} is an archive; its proxies go into it, so leave out -o.")
            planning.archive(path)
        elif output is None:
            raise UsageError(f"Say where the proxies of media files go ({printable(path)}): -o DIR.")
        else:
            planning.file(path, output)
    return ProxyPlan(
        sizes=tuple(map(str, rungs)),
        output=output,
        steps=tuple(planning.steps),
        current=planning.current,
        failed=tuple(planning.failed),
        notes=tuple(planning.without.sentences()),
    )


class _Planning:
    """What has been looked at so far."""

    def __init__(self, rungs: tuple[Rung, ...], output: Path | None) -> None:
        self.rungs = rungs
        self.steps: list[EncodeStep] = []
        self.failed: list[Failure] = []
        self.without = WithoutProxies()
        self.current = 0
        self._outputs: dict[Path, Path] = {}

    def archive(self, path: Path) -> None:
        with _opened(path) as archive:
            archive.require_manifest("hold proxies")
            if isinstance(archive, ZipArchive) and not archive.sealed:
                raise Damaged(f"{archive.name} was altered by another program or is damaged; run `repair` before adding to it.")
            current: dict[str, dict[str, object]] = {}
            for member in archive.members():  # proxies stand behind their originals, or in an earlier place: twice round
                if member.get("proxy"):
                    current[member.path] = member.get("proxy")
            for member in archive.members():
                if member.is_original:
                    self._member(path, member, current)

    def _member(self, path: Path, member: Member, current: dict[str, dict[str, object]]) -> None:
        facts = member.media
        if facts is None or not making.can_have_proxies(facts):
            self.without.add(member.path, facts)
            return
        missing = [rung for rung in self.rungs if not _is_current(current, member, rung)]
        self.current += len(self.rungs) - len(missing)
        if missing:
            outputs = {rung: f"{path}::{layout.proxy_path(member.path, rung.name)}" for rung in missing}
            self.steps.append(
                EncodeStep(
                    source=path,
                    member=member.path,
                    identity=identity_of_member(member),
                    size=member.size,
                    proxies=_wanted(outputs),
                    frames=facts.frames or 0,
                    expected=_expected(facts, missing),
                )
            )

    def file(self, path: Path, output: Path) -> None:
        """Proxies of one file as `STEM_SIZE.mp4` in a folder; nothing there is overwritten."""
        from film_archive.media.probe import probe

        try:
            targets = [output / layout.fitting_name(f"{path.stem}_{rung.name}.mp4") for rung in self.rungs]
            for target in targets:
                if os.path.lexists(target):
                    raise Refused(f"{printable(target)} exists already; nothing was made of {printable(path)}.")
                if target in self._outputs:
                    other = printable(self._outputs[target])
                    raise Refused(f"{printable(path)} and {other} would both become {printable(target)}; rename one.")
            with FileSource(path) as source:
                facts = probe(source)
                if not making.can_have_proxies(facts):
                    raise NotSupported(f"{source.name} has no proxies: {_reason(facts)}.")
                self._outputs.update(dict.fromkeys(targets, path))
                self.steps.append(
                    EncodeStep(
                        source=path,
                        member=None,
                        identity=identity_of(source.status),
                        size=source.size,
                        proxies=_wanted(dict(zip(self.rungs, map(str, targets), strict=True))),
                        frames=facts.frames or 0,
                        expected=_expected(facts, self.rungs),
                    )
                )
        except FilmArchiveError as error:
            self.failed.append(Failure.of(printable(path), error))


def _opened(path: Path) -> Archive:
    try:
        return open_archive(path)
    except NotFound as error:
        if not path.is_dir():
            raise
        raise NotFound(
            f"{printable(path)} is a folder and no archive; make it one with `create --in-place`, or name its media files "
            "and, with -o, where their proxies go."
        ) from error


def _is_current(proxies: dict[str, dict[str, object]], original: Member, rung: Rung) -> bool:
    """Whether a proxy of this size is there, was made from these bytes, and as it would be made now (or was given)."""
    line = proxies.get(layout.proxy_path(original.path, rung.name), {})
    return line.get("of_digest") == original.digests.get(KEY) and line.get("made") in (making.settings(rung), "given")


def identity_of_member(member: Member) -> str:
    """Changes when a member's bytes do, wherever in its archive they lie."""
    return f"{member.size}:{member.digests.get(KEY)}"


def _wanted(outputs: Mapping[Rung, str]) -> tuple[WantedProxy, ...]:
    return tuple(WantedProxy(size=str(rung), output=output) for rung, output in outputs.items())


def _expected(facts: MediaFacts, rungs: Sequence[Rung]) -> int:
    return proxy_bytes(rungs, facts.seconds or Fraction(0))


def _reason(facts: MediaFacts) -> str:
    return reason_without_proxies(facts) or "it has no picture"
