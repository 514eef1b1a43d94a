"""What killed runs leave beside an archive in its zip form, and what becomes of it: continued, undone, or only forgotten.

A journal is believed only where it is that of this very archive: it names the seal of the generation that it began on, and
where its bytes begin. Bytes behind an archive's end are cut off only where that holds, or where they can't be anything but
an add that was killed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive.archive import salvage
from film_archive.archive.continuing import Sealed
from film_archive.archive.journal import MemberJournal, peek
from film_archive.archive.reader import Archive, FolderArchive, ZipArchive
from film_archive.archive.verdict import Kind, Problem
from film_archive.core import files
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported
from film_archive.core.wording import amount


@dataclass(frozen=True, slots=True)
class Region:
    """A run of an archive file's bytes."""

    offset: int
    end: int


def manifest_region(archive: ZipArchive) -> Region:
    """From the manifest's local header to the end of the file: what an add replaces."""
    entry = archive.manifest_entry
    assert entry is not None
    return Region(entry.header_offset, archive.directory.end.end)


def listing_bytes(archive: Archive) -> int:
    """How many bytes an archive's listing has, all of which the next generation writes anew (a folder's twice)."""
    if isinstance(archive, FolderArchive):
        return 2 * archive.manifest_path.stat().st_size
    if not isinstance(archive, ZipArchive) or archive.manifest_entry is None:
        return 0
    region = manifest_region(archive)
    return region.end - region.offset


def seal_of(base: ZipArchive) -> str:
    """By which a journal knows the generation that it was begun on."""
    return base.directory.end.comment.decode("ascii", "replace")


def head_of_add(journal: MemberJournal, base: ZipArchive) -> dict[str, Any] | None:
    """The journal's first line, if it is that of an add to this very generation of this very archive."""
    head = journal.head()
    return head if head is not None and is_head_of_add(head, base) else None


def is_head_of_add(head: Mapping[str, Any], base: ZipArchive) -> bool:
    """Whether a journal's first line is that of an add to this very generation of this very archive."""
    if head.get("seal") != seal_of(base):
        return False
    starts = {"append": base.directory.end.end, "clone": manifest_region(base).offset}
    return head["head"] in starts and head.get("start") == starts[head["head"]]


def is_add_under_way(archive: ZipArchive) -> bool:
    """Whether the journal beside an archive is that of an add to it, going on or killed."""
    with contextlib.suppress(FilmArchiveError):  # what can't be read is as good as none
        head = peek(files.temporary_name(archive.path.resolve(), "journal"))
        return head is not None and is_head_of_add(head, archive)
    return False


def behind_the_end(archive: ZipArchive, found: int) -> Problem:
    """What the bytes behind a sealed archive's end are, and what to do; `found`: how many problems the archive itself has."""
    header = archive.require_manifest("be checked")
    end, count = archive.directory.end.end, archive.directory.trailing
    state = f"has {found} problem{'s' if found > 1 else ''}" if found else "is whole"
    before = f"generation {header.generation} before them {state}"
    what = f"{count} bytes stand behind the archive's end; {before}, and is what this program opens: "
    if is_add_under_way(archive):
        what += "an `add` is under way, or was interrupted; repeat it to continue, or remove them with `add --abandon`"
        return Problem("end", what, Kind.UNFINISHED)
    chain = salvage.unfinished_add(archive.file, end)
    if chain is not None and chain.originals:
        kept = amount(chain.originals, "whole file")
        what += f"an `add` was interrupted, they were copied during one, or their end is missing; `repair` keeps the {kept} there"
        return Problem("end", what, Kind.UNFINISHED)
    if chain is not None:
        what += "an `add` was interrupted, or they were copied during one; `repair` removes them, the next `add` too"
        return Problem("end", what, Kind.UNFINISHED)
    return Problem("end", what + "they may be a newer generation that is damaged; run `repair`")


def roll_back(target: Path, work: Path, base: ZipArchive, journal: MemberJournal) -> None:
    """Undo an unfinished add that can't be continued: nothing stays behind the archive's end."""
    files.remove(work)
    if not base.directory.trailing:
        return
    if head_of_add(journal, base) is None:
        chain = salvage.unfinished_add(base.file, base.directory.end.end)
        if chain is None or chain.originals:
            what = "not those of an unfinished add" if chain is None else f"{amount(chain.originals, 'whole file')} and more"
            raise Damaged(
                f"{base.name} has {base.directory.trailing} bytes behind its end that are {what}; "
                "run `repair` before adding to it."
            )
    with files.explaining(f"cut {base.directory.trailing} unfinished bytes off {base.name}"):
        descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, base.directory.end.end)
            files.sync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Completed:
    """A run that was killed when the archive was whole, and only its journal was left."""

    identities: Mapping[str, str]
    """Member path → what it was made from."""
    sealed: Sealed
    nameless: bool = False
    """Whether the journal was gone already, so that what members were made from is not known."""


def take_completed(target: Path) -> Completed | None:
    """Remove the journal of a run that was killed right after it had finished the archive; None where there is none."""
    journal_path = files.temporary_name(target, "journal")
    if not journal_path.exists() or not target.is_file():
        return None
    journal = MemberJournal(journal_path)
    try:
        with ZipArchive(target) as archive:
            completed = _completed(journal, archive)
        if completed is not None:
            files.remove(files.temporary_name(target, "work"))
            journal.remove()
        return completed
    except (Damaged, NotFound):
        return None
    finally:
        journal.close()


def journaled(journal: MemberJournal) -> tuple[dict[str, str], dict[str, int | None]]:
    """What a run has done: (path → what it was made from, of files and frames; path → offset, of members)."""
    identities: dict[str, str] = {}
    members: dict[str, int | None] = {}
    for _, record in journal.lines():
        line = record.get("member")
        if line is not None:
            identities[line["path"]] = record["identity"]
            members[line["path"]] = line.get("offset")
        elif "frame" in record:
            identities[record["path"]] = record["identity"]
    return identities, members


def _completed(journal: MemberJournal, archive: ZipArchive) -> Completed | None:
    head, header = journal.head(), archive.header
    if head is None or header is None or not archive.sealed or head.get("generation") != header.generation - 1:
        return None
    identities, missing = journaled(journal)
    for member in archive.members():
        if missing.get(member.path, -1) == member.offset:
            del missing[member.path]
    if missing:
        return None
    return Completed(identities, Sealed(archive.path, header.members, header.bytes, header.generation))


def left_behind(target: Path) -> tuple[Path, Path, Path]:
    """What a killed run may leave beside a zip: the archive in the making, its journal, and the folder of its proxies."""
    work, journal, proxies = (files.temporary_name(target, purpose) for purpose in ("work", "journal", "proxies"))
    return work, journal, proxies


def forget_unfinished(target: Path, journal: MemberJournal) -> bool:
    """Remove all that is left of a run that will not be continued; False if there was nothing."""
    work, _, proxies = left_behind(target)
    there = journal.head() is not None or work.exists() or proxies.exists()
    files.remove(work)
    files.remove_tree(proxies)
    journal.remove()
    return there


def abandon(target: Path) -> bool:
    """Remove what an unfinished create or add has left; an archive that is there is as before. False if there was nothing."""
    work, journal_path = files.temporary_name(target, "work"), files.temporary_name(target, "journal")
    if not work.exists() and not journal_path.exists():
        return False
    journal = MemberJournal(journal_path)
    try:
        with contextlib.suppress(NotFound, Damaged, NotSupported), ZipArchive(target) as base:
            if head_of_add(journal, base) is not None:
                roll_back(target, work, base, journal)
        files.remove(work)
        journal.remove()
    finally:
        journal.close()
    return True
