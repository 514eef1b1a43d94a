"""Making archives: gather, probe, copy and digest in one read, index frames, embed proxies, seal."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from film_archive.archive import layout, writer
from film_archive.archive.folder import FolderWriter
from film_archive.archive.writer import Writer, ZipWriter
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, NotFound, NotMedia, NotSupported, Refused, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.manifest import Member, Role
from film_archive.core.source import FileSource, printable
from film_archive.media.clips import clip_of_sequence
from film_archive.workflows.gathering import Found, FoundSequence, Gathered, Kind, gather, gather_folder, grouped

OnBytes = Callable[[int], None]
OnNote = Callable[[str], None]

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
class ArchivePlan:
    """What would be archived."""

    archive: Path
    gathered: Gathered

    def to_json(self) -> dict[str, Any]:
        return {
            "archive": printable(self.archive),
            "files": [{"path": entry.member, "size": entry.size} for entry in self.gathered.entries if entry.kind == Kind.FILE],
            "bytes": self.gathered.bytes,
            "junk_skipped": self.gathered.junk,
            "left_out": [{"path": path, "reason": why} for path, why in self.gathered.left_out],
        }


def plan_archive(target: Path, sources: Sequence[Path], *, in_place: bool = False) -> ArchivePlan:
    """Look at everything that would be archived; raises what `create_archive` would refuse."""
    if in_place:
        return ArchivePlan(target, gather_folder(target))
    if not sources:
        raise UsageError("Nothing to archive was named; give files or folders.")
    gathered = gather(sources, leave_out=(target, *_working_files(target)))
    if not gathered.entries:
        raise UsageError("There is nothing to archive in what was named.")
    return ArchivePlan(target, gathered)


def create_archive(
    target: Path,
    sources: Sequence[Path] = (),
    *,
    in_place: bool = False,
    digests: Iterable[str] = (),
    on_bytes: OnBytes | None = None,
    on_note: OnNote | None = None,
) -> Made:
    """Make a new archive; continues one that a killed run left unfinished.

    Raises Refused where the target exists, NoSpace before anything is written where it can't fit.
    """
    begun = time.monotonic()
    if not in_place and os.path.lexists(target) and not writer.finish_completed(target):
        raise Refused(f"{printable(target)} exists already; use `add` to put more into it, or another name.")
    plan = plan_archive(target, sources, in_place=in_place)
    if in_place:
        archive: Writer = FolderWriter.create(target, algorithms=digests)
    else:
        _require_room(target, plan.gathered)
        archive = ZipWriter.create(target, algorithms=digests)
    with archive:
        return _fill(archive, plan.gathered, begun, on_bytes, on_note)


def add_to_archive(
    target: Path,
    sources: Sequence[Path],
    *,
    digests: Iterable[str] = (),
    on_bytes: OnBytes | None = None,
    on_note: OnNote | None = None,
) -> Made:
    """Put more files into an archive; what has the name of a member already is refused."""
    begun = time.monotonic()
    if not target.exists():
        raise NotFound(f"There is no archive {printable(target)}; make one with `create`.")
    if target.is_dir():
        gathered = _new_in_folder(target, sources)
        archive: Writer = FolderWriter.add_to(target, algorithms=digests)
    else:
        gathered = gather(sources, leave_out=(target, *_working_files(target)))
        _require_room(target, gathered)
        archive = ZipWriter.add_to(target, algorithms=digests)
    with archive:
        _refuse_present(archive, gathered)
        return _fill(archive, gathered, begun, on_bytes, on_note)


def abandon_unfinished(target: Path) -> bool:
    """Remove what a killed create or add has left; False where there was nothing."""
    if target.is_dir():
        work = target / layout.WORK
        if not work.exists():
            return False
        with FolderWriter.add_to(target) if (target / layout.MANIFEST).exists() else FolderWriter.create(target) as folder:
            folder.abandon()
        return True
    return writer.abandon(target)


def _fill(
    archive: Writer, gathered: Gathered, begun: float, on_bytes: OnBytes | None, on_note: OnNote | None
) -> Made:
    made = Made(archive.target, junk=gathered.junk, left_out=gathered.left_out)
    for entry in grouped(gathered.entries):
        if isinstance(entry, FoundSequence):
            _add_sequence(archive, entry, on_bytes)
        elif entry.kind == Kind.FILE:
            _add_file(archive, entry, made, on_bytes, on_note)
        elif entry.kind == Kind.SYMLINK:
            archive.add_symlink(
                entry.member, entry.target or "", mtime_ns=entry.mtime_ns, raw_name=_hex(entry.raw_name)
            )
        else:
            archive.add_folder(
                entry.member,
                empty=entry.empty,
                mtime_ns=entry.mtime_ns,
                mode=entry.mode,
                raw_name=_hex(entry.raw_name),
            )
    sealed = archive.finish()
    made.members, made.bytes, made.generation = sealed.members, sealed.bytes, sealed.generation
    made.reused = archive.reused
    made.seconds = time.monotonic() - begun
    return made


def _add_sequence(archive: Writer, sequence: FoundSequence, on_bytes: OnBytes | None) -> None:
    """All frames of an image sequence, as one member."""
    from film_archive.media.probe import probe_clip

    for number, frame in sequence.frames:
        with FileSource(frame.path) as source:
            archive.add_frame(
                frame.member,
                number,
                source,
                identity=frame.identity,
                mtime_ns=frame.mtime_ns,
                mode=frame.mode,
                on_bytes=on_bytes,
            )
    facts = None
    with contextlib.suppress(NotMedia, NotSupported, Damaged):  # then it is archived without facts
        facts = probe_clip(clip_of_sequence(sequence.images))
    archive.end_sequence(sequence.name, media=facts)


def _add_file(
    archive: Writer, entry: Found, made: Made, on_bytes: OnBytes | None, on_note: OnNote | None
) -> None:
    member = archive.reuse(entry.member, entry.identity)
    if member is not None and on_bytes is not None:
        on_bytes(member.size)
    with FileSource(entry.path) as source:
        if member is None:
            facts, problem = _facts(source)
            if on_note is not None:
                on_note(f"{entry.member}")
            member = archive.add(
                entry.member,
                source,
                identity=entry.identity,
                mtime_ns=entry.mtime_ns,
                mode=entry.mode,
                on_bytes=on_bytes,
                raw_name=_hex(entry.raw_name),
                media=facts,
                media_problem=problem,
            )
        if member.get("media_problem"):
            made.warnings.append(f"{entry.member}: {member.get('media_problem')}")
        if member.get("media"):
            _add_index(archive, member, source)


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


def _add_index(archive: Writer, member: Member, source: FileSource) -> None:
    """The frame index of a clip, beside it."""
    from film_archive.media.probe import index

    path = layout.index_path(member.path)
    identity = f"index {INDEX_VERSION} {member.digests.get(KEY)}"
    if archive.reuse(path, identity) is not None:
        return
    try:
        frames = index(source)
    except (NotSupported, Damaged):
        return
    archive.add_bytes(
        path, frames.to_bytes(), identity=identity, role=Role.FRAMES, of=member.path, mtime_ns=member.mtime_ns
    )


def _new_in_folder(target: Path, sources: Sequence[Path]) -> Gathered:
    """What an add to a folder archive means: files inside it are listed where they are, others are copied in."""
    inside = [source for source in sources if _is_below(source, target)]
    outside = [source for source in sources if source not in inside]
    parts = [gather(outside)] if outside else []
    for source in inside:
        relative = Path(os.path.realpath(source)).relative_to(os.path.realpath(target))
        if relative == Path():
            parts.append(gather_folder(target))
        else:
            parts.append(gather([source], root="" if relative.parent == Path() else str(relative.parent)))
    return Gathered(
        tuple(entry for part in parts for entry in part.entries),
        sum(part.junk for part in parts),
        tuple(item for part in parts for item in part.left_out),
    )


def _is_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _refuse_present(archive: Writer, gathered: Gathered) -> None:
    present = {layout.fold(member.path): member for member in archive._base_members()}
    for entry in gathered.entries:
        there = present.get(layout.fold(entry.member))
        if there is None or (entry.kind == Kind.FOLDER and there.role == Role.FOLDER):
            continue
        raise Refused(
            f"{printable(archive.target)} has a member {printable(there.path)} already; nothing was changed. "
            "Rename the new file, or put it below a folder."
        )


def _require_room(target: Path, gathered: Gathered) -> None:
    """Refuse before writing where the disk has no room, unless blocks can be shared with the sources."""
    folder = target.parent
    if not folder.is_dir():
        raise NotFound(f"There is no folder {printable(folder)} to put {printable(target.name)} into.")
    biggest = max((entry for entry in gathered.entries if entry.kind == Kind.FILE), key=lambda e: e.size, default=None)
    done = sum(path.stat().st_size for path in _working_files(target) if path.exists())
    needed = gathered.bytes - done
    if needed <= files.free_space(folder) or (biggest is not None and files.can_share(biggest.path, folder)):
        return
    files.require_space(folder, needed, f"{printable(target)}")


def _working_files(target: Path) -> tuple[Path, Path]:
    return files.temporary_name(target, "work"), files.temporary_name(target, "journal")


def _hex(raw: bytes | None) -> str | None:
    return None if raw is None else raw.hex()
