"""Filling an archive that is being written: each file with its facts, its frame index and its proxies, in a fixed order.

The order matters: a run that was killed and is begun again asks the writer for each member in turn, and gets back those that
are finished.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_archive.archive import layout
from film_archive.archive.entries import EPOCH_NS
from film_archive.archive.writer import Writer
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, NotMedia, NotSupported, ShortRead, SourceChanged
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.ladder import LADDER, Rung
from film_archive.core.manifest import Member, Role
from film_archive.core.source import FileSource, printable
from film_archive.media.clips import clip_of_sequence
from film_archive.proxy import embedding, making
from film_archive.workflows.gathering import Found, FoundSequence, Gathered, Kind, grouped, identity_of

OnBytes = Callable[[int], None]

DEFAULT_PROXIES = (LADDER["thumbnail"], LADDER["preview"])
INDEX_VERSION = 1


@dataclass(slots=True)
class Made:
    """What `create` or `add` did."""

    archive: Path
    members: int = 0
    bytes: int = 0
    proxies: int = 0
    generation: int = 1
    seconds: float = 0.0
    junk: int = 0
    reused: int = 0
    """Members that a killed run had finished already."""
    left_out: tuple[tuple[str, str], ...] = ()
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "archive": printable(self.archive),
            "members": self.members,
            "bytes": self.bytes,
            "proxies": self.proxies,
            "generation": self.generation,
            "seconds": round(self.seconds, 3),
            "junk_skipped": self.junk,
            "reused": self.reused,
            "left_out": [{"path": path, "reason": why} for path, why in self.left_out],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A small member that is made, not found; it goes in before all that was gathered."""

    path: str
    data: bytes
    role: Role
    mtime_ns: int = EPOCH_NS
    of: str | None = None
    raw_name: str | None = None

    @property
    def identity(self) -> str:
        """Changes when its bytes do."""
        hasher = MultiHasher()
        hasher.update(self.data)
        return f"enclosure {hasher.digests()[KEY]}"


def proxy_folder(target: Path) -> Path:
    """Where the proxies of an archive are made before they go into it; pieces of a killed run wait there."""
    return target / layout.WORK / "proxies" if target.is_dir() else files.temporary_name(target, "proxies")


def fill(
    archive: Writer,
    gathered: Gathered,
    rungs: Sequence[Rung],
    work: Path,
    begun: float,
    on_bytes: OnBytes | None = None,
    enclosures: Sequence[Enclosure] = (),
) -> Made:
    """Put everything that was gathered into an archive and finish it. `work` holds proxies in the making."""
    for each in enclosures:
        archive.add_bytes(
            each.path,
            each.data,
            identity=each.identity,
            role=each.role,
            mtime_ns=each.mtime_ns,
            of=each.of,
            raw_name=each.raw_name,
        )
    filling = _Filling(archive, tuple(rungs), work, on_bytes or (lambda count: None), Made(archive.target))
    sequences = {member.path for member in archive.base_members() if member.sequence is not None}
    for entry in grouped(gathered.entries, sequences):
        if isinstance(entry, FoundSequence):
            filling.sequence(entry)
        elif entry.kind == Kind.FILE:
            filling.file(entry)
        elif entry.kind == Kind.SYMLINK:
            filling.symlink(entry)
        else:
            filling.folder(entry)
    files.remove_tree(work)  # all are in the archive now; behind its end nobody would remove them after a kill
    made, sealed = filling.made, archive.finish()
    made.members, made.bytes, made.generation = sealed.members, sealed.bytes, sealed.generation
    made.junk, made.left_out, made.reused = gathered.junk, gathered.left_out, archive.reused
    made.seconds = time.monotonic() - begun
    return made


@dataclass(frozen=True, slots=True)
class _Filling:
    archive: Writer
    rungs: tuple[Rung, ...]
    work: Path
    on_bytes: OnBytes
    made: Made

    def folder(self, entry: Found) -> None:
        self.archive.add_folder(
            entry.member,
            empty=entry.empty,
            mtime_ns=entry.mtime_ns,
            mode=entry.mode,
            raw_name=_hex(entry.raw_name),
        )

    def symlink(self, entry: Found) -> None:
        self.archive.add_symlink(
            entry.member,
            entry.target or "",
            mtime_ns=entry.mtime_ns,
            raw_name=_hex(entry.raw_name),
            raw_target=_hex(entry.raw_target),
        )

    def sequence(self, sequence: FoundSequence) -> None:
        """All frames of an image sequence, as one member."""
        from film_archive.media.probe import probe_clip

        for number, frame in sequence.frames:
            with _unchanged(frame) as source:
                self.archive.add_frame(
                    frame.member,
                    number,
                    source,
                    identity=frame.identity,
                    mtime_ns=frame.mtime_ns,
                    mode=frame.mode,
                    on_bytes=self.on_bytes,
                )
        facts = None
        with contextlib.suppress(NotMedia, NotSupported, Damaged):  # then it is archived without facts
            facts = probe_clip(clip_of_sequence(sequence.images))
        self.archive.end_sequence(sequence.name, media=facts, original_path=sequence.original)

    def file(self, entry: Found) -> None:
        """A file, and what is made of it."""
        member = self.archive.reuse(entry.member, entry.identity)
        with _unchanged(entry) as source:
            if member is None:
                facts, problem = _facts(source)
                member = self.archive.add(
                    entry.member,
                    source,
                    identity=entry.identity,
                    mtime_ns=entry.mtime_ns,
                    mode=entry.mode,
                    on_bytes=self.on_bytes,
                    raw_name=_hex(entry.raw_name),
                    media=facts,
                    media_problem=problem,
                    original_path=entry.original,
                )
            else:
                self.on_bytes(member.size)
            if member.get("media_problem"):
                self.made.warnings.append(f"{entry.member}: {member.get('media_problem')}")
            index = self.index(member, source)
            if index is not None:
                self.proxies(member, source, index)

    def index(self, member: Member, source: FileSource) -> FrameIndex | None:
        """The frame index of a clip, beside it."""
        from film_archive.media.probe import index

        if not member.get("media"):
            return None
        try:
            frames = index(source)
        except (NotSupported, Damaged) as error:
            self.made.warnings.append(f"{member.path}: no frame index: {error}")
            return None
        identity = f"index {INDEX_VERSION} {member.digests.get(KEY)}"
        self.archive.add_bytes(
            layout.index_path(member.path),
            frames.to_bytes(),
            identity=identity,
            role=Role.FRAMES,
            of=member.path,
            mtime_ns=member.mtime_ns,
        )
        return frames

    def proxies(self, member: Member, source: FileSource, index: FrameIndex) -> None:
        """A clip's proxies, beside it; those that a killed run has put in are not made again."""
        facts = member.media
        if not self.rungs or facts is None or not making.can_have_proxies(facts):
            return
        missing = list(self.rungs)
        while missing and self.archive.reuse(layout.proxy_path(member.path, missing[0].name), _identity(missing[0], member)):
            missing.pop(0)
            self.made.proxies += 1
        if not missing:
            return
        folder = self.work / str(member.digests.get(KEY))
        try:
            made = making.make(source, facts, index, missing, folder)
        except (NotSupported, Damaged) as error:
            self.made.warnings.append(f"{member.path}: no proxies: {error}")
            return
        for proxy in made:
            embedding.add(self.archive, member, proxy, _identity(proxy.rung, member))
            self.made.proxies += 1
            if proxy.corrupt:
                self.made.warnings.append(
                    f"{member.path}: {len(proxy.corrupt)} frames could not be decoded (the first is {proxy.corrupt[0]})"
                )
        files.remove_tree(folder)


@contextlib.contextmanager
def _unchanged(entry: Found) -> Iterator[FileSource]:
    """A file, opened; raises SourceChanged where it is not what it was when it was gathered."""
    with FileSource(entry.path) as source:
        if identity_of(source.status) != entry.identity:
            raise SourceChanged(f"{source.name} changed since it was looked at; try again when nothing writes to it.")
        try:
            yield source
        except ShortRead:
            source.check_unchanged()  # it became shorter: that says more
            raise


def _facts(source: FileSource) -> tuple[MediaFacts | None, str | None]:
    """What a probe knows of a file, and why it knows nothing where it should."""
    from film_archive.media.probe import probe

    if source.size == 0:
        return None, None
    try:
        return probe(source), None
    except NotMedia:
        return None, None
    except (Damaged, NotSupported) as error:
        return None, str(error)


def _identity(rung: Rung, member: Member) -> str:
    return f"{making.settings(rung)} {member.digests.get(KEY)}"


def _hex(raw: bytes | None) -> str | None:
    return None if raw is None else raw.hex()
