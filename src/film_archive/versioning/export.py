"""A branch as a real archive. Nothing has the archive's name unless every byte of it is there and was proven.

Borrowed bytes that were read and compared before, in the same unchanged file, are shared with it or copied by the system
and not read again; all others are read once, while they are put in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive.archive.entries import EPOCH_NS
from film_archive.archive.writer import Sealed, ZipWriter
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, NotFound, NotMedia, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.member import Member
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import ByteSource, printable
from film_archive.versioning.entries import Entry, EntryKind, folders_of
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.reading import Bytes, require_same


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    sealed: Sealed
    unread: int
    """Bytes that were shared or copied by the system, since they were proven before."""


def export_entries(
    repository: OpenRepository, entries: Iterable[Entry], target: Path, progress: Progress | None = None
) -> Exported:
    """Write files as a new archive, without proxies (`film-archive proxy` makes them).

    Raises Refused where the target exists, NotFound where an archive that lends bytes is missing, Damaged where bytes
    are not what they were; nothing has the target's name then.
    """
    progress = progress or quiet()
    wanted = list(entries)
    with Bytes(repository) as found:
        for entry in wanted:  # all of it is there before anything is written
            if entry.is_file:
                progress.expect(Phase.WRITING, entry.size)
                found.source(entry).close()
        with ZipWriter.create(target) as archive:
            try:
                unread = _write(wanted, archive, found, progress)
            except Damaged as error:
                archive.abandon()  # else the next run would keep what was found to be wrong
                raise Damaged(f"{str(error).rstrip('.')}; no archive was made.") from error
            return Exported(archive.finish(), unread)


def missing(repository: OpenRepository, entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
    """The files whose bytes can't be had at the moment, and why."""
    with Bytes(repository) as found:
        there = found.at_hand(entries)
        problems = [
            (entry, found.problem(entry)) for entry in entries if entry.is_file and entry.blake3 not in there
        ]
    return [(entry, problem) for entry, problem in problems if problem is not None]


def _write(entries: list[Entry], archive: ZipWriter, found: Bytes, progress: Progress) -> int:
    folders = []
    filled: set[str] = set()
    unread = 0
    for entry in entries:
        filled.update(folders_of(entry.path))
        if entry.kind is EntryKind.FOLDER:
            folders.append(entry)
        elif entry.kind is EntryKind.SYMLINK:
            archive.add_symlink(
                entry.path,
                str(entry.more.get("target", "")),
                mtime_ns=_time(entry),
                raw_name=entry.more.get("raw_name"),
                raw_target=entry.more.get("raw_target"),
            )
        else:
            with found.source(entry) as source:
                unread += _add(entry, source, archive, found, progress)
    for folder in folders:
        archive.add_folder(
            folder.path,
            empty=folder.path not in filled,
            mtime_ns=_time(folder),
            mode=0o755 if folder.mode is None else folder.mode,
            raw_name=folder.more.get("raw_name"),
        )
    return unread


def _add(entry: Entry, source: ByteSource, archive: ZipWriter, found: Bytes, progress: Progress) -> int:
    """One file; how many of its bytes were not read. What is read is proven to be what the entry says."""
    lent = found.lent(entry)
    facts = lent.media if lent is not None else _probed(entry, source)
    common: dict[str, Any] = {
        "identity": f"{entry.size} {sorted(entry.digests.items())}",
        "mtime_ns": _time(entry),
        "mode": 0o644 if entry.mode is None else entry.mode,
        "on_bytes": progress.counting(Phase.WRITING),
        "media": facts,
        "raw_name": entry.more.get("raw_name"),
    }
    if lent is not None and _is_known(lent) and found.is_proven(entry, source):
        archive.add_known(entry.path, source, lent, **common)
        return entry.size
    member = archive.add(entry.path, source, **common)
    computed = {KEY: member.digests[KEY], "crc32": f"{member.crc32:08x}"}
    require_same(entry, computed, source.name)
    if lent is not None:
        found.note_proven(entry, source)
    return 0


def _is_known(member: Member) -> bool:
    """Whether a member has all digests that a new one's line needs, and its bytes lie there as they are."""
    return member.crc32 is not None and KEY in member.digests and member.method == 0


def _probed(entry: Entry, source: ByteSource) -> MediaFacts | None:
    """What is known of a clip that no archive describes."""
    from film_archive.media.probe import probe

    if entry.size == 0:
        return None
    try:
        return probe(source)
    except (NotMedia, NotSupported, Damaged):
        return None  # it is archived all the same, as `create` would


def _time(entry: Entry) -> int:
    return EPOCH_NS if entry.mtime_ns is None else entry.mtime_ns


def require_all(repository: OpenRepository, entries: Sequence[Entry], doing: str) -> None:
    """Raise the error of the first file whose bytes can't be had, with how many there are."""
    gone = missing(repository, entries)
    if gone:
        first, problem = gone[0]
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise NotFound(f"Could not {doing}: the bytes of {printable(first.path)}{more} can't be had. {problem}")
