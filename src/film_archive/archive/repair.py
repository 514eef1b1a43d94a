"""Mending an archive's structure: the newest whole generation is made the archive again.

Ways back; the first that holds is taken:

1. A sealed directory. Damaged local headers and gaps are written anew; an unfinished add behind its end is cut off, if its
   journal is there or it has no whole original.
2. A manifest that says of itself where it lies: directory and local headers follow from its lines.
3. A directory without its manifest: it tells which members there are, and an older manifest tells more of some.
4. Neither: the chain of local headers, from the beginning or from behind the last whole manifest.

For 3 and 4 a new manifest is written behind all that is there, as a new generation. No byte of a member is changed (but
the format mark, whose bytes are the same in every archive, is written anew), and no byte is cut off that is not known to
be an unfinished add's. What a newer generation had dropped is never brought back: only derived data (proxies, indexes)
are ever dropped, and where no directory tells which of them are current, none is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.archive import directory, layout, mending, salvage, zipformat
from film_archive.archive.directory import Directory
from film_archive.archive.entries import entries_of
from film_archive.archive.folder_repair import plan_folder_repair, repair_folder
from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import ZipArchive, is_folder
from film_archive.archive.salvage import Broken, Chain, FoundManifest
from film_archive.archive.unfinished import forget_unfinished, is_add_under_way, left_behind
from film_archive.archive.verdict import Problem
from film_archive.archive.zipformat import Entry
from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, NotSupported
from film_archive.core.manifest import Header
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, FileSource
from film_archive.core.wording import amount

_KEPT_WITHOUT_DIRECTORY = {Role.ORIGINAL, Role.TIMELINE, Role.FOLDER, Role.SYMLINK, Role.STRUCTURE}


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What was done. `generation` is the one that the archive has now."""

    done: tuple[str, ...]
    """Each one sentence; empty where nothing was wrong."""
    lost: tuple[Problem, ...]
    generation: int
    members: int


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `repair_archive` would do, each in a few words (nothing where nothing is wrong), and what is lost."""

    would: tuple[str, ...]
    lost: tuple[Problem, ...] = ()


def diagnose(path: Path) -> Diagnosis:
    """Look at what is wrong with an archive's structure; reads, changes nothing. Raises what `repair_archive` raises."""
    if is_folder(path):
        return Diagnosis(plan_folder_repair(path))
    with FileSource(path) as source:
        case = _diagnose(source, path)
    would = [] if case.plan is None else [case.plan]
    if case.plan is None:
        with ZipArchive(path) as archive:
            would += [patch.would for patch in mending.sealed_damage(archive)]
            if mending.has_unused_changes(archive):
                would.append("take note of changed bytes that no member uses, in a new generation")
    if any(place.exists() for place in left_behind(path.resolve())):
        would.append("remove the working files of an unfinished run")
    return Diagnosis(tuple(would), case.lost)


def repair_archive(path: Path) -> RepairResult:
    """Mend an archive's structure in place; raises Damaged where there is nothing to build on."""
    if is_folder(path):
        done, header = repair_folder(path)
        return RepairResult(done, (), header.generation, header.members)
    with FileSource(path) as source:
        case = _diagnose(source, path)  # before there is a journal beside what may be no archive at all
    path = path.resolve()
    journal = MemberJournal(files.temporary_name(path, "journal"))
    try:
        sentences = [*case.apply(path)]
        mended, changed = mending.mend_sealed(path)
        sentences += mended
        if changed:
            with ZipArchive(path) as archive:
                base, members = archive.header, list(archive.members())
            mending.write_generation(path, base, members, rebuilt=False)
            sentences.append("Took note of changed bytes that no member uses, in a new generation.")
        if forget_unfinished(path, journal):
            sentences.append("Removed the working files of an unfinished run.")
    finally:
        journal.remove_if_empty()
    with ZipArchive(path) as archive:
        header = archive.require_manifest("be repaired")
        return RepairResult(tuple(sentences), case.lost, header.generation, header.members)


@dataclass(frozen=True, slots=True)
class _Case:
    """A diagnosis: what would be done, how, and what can't be brought back."""

    plan: str | None
    """None where the directory holds, so that only headers and gaps can be damaged."""
    apply: Callable[[Path], Iterable[str]]
    lost: tuple[Problem, ...] = field(default=())


def _diagnose(source: ByteSource, path: Path) -> _Case:
    try:
        found: Directory | None = directory.find_directory(source)
    except (NotFound, Damaged):
        found = None
    _require_ours(source, found)
    if found is not None and found.sealed:
        return _of_sealed(source, found, path)
    if found is not None:
        named = salvage.manifest_named_by(source, found.end)
        last = named if named is not None else salvage.last_manifest(source)
        entries = _entries(source, found)
        if entries is not None:
            if last is not None and _covers(source, last, entries):
                return _from_manifest(source, last)
            return _from_directory(source, entries, last)
    else:
        last = salvage.last_manifest(source)
    if last is None:
        return _from_chain(source, None, salvage.follow_headers(source))
    chain = salvage.follow_headers(source, last.end)
    return _from_chain(source, last, chain) if chain.members or chain.saw_manifest else _from_manifest(source, last)


def _require_ours(source: ByteSource, found: Directory | None) -> None:
    head = source.read_at(0, zipformat.ALIGNMENT)
    if directory.begins_as_ours(head):
        return
    if found is None and not head.startswith(zipformat.LOCAL_SIGNATURE):
        raise Damaged(
            f"{source.name} does not begin as an archive does; nothing can be rebuilt from it. Copy it again."
        )
    if found is None or not found.sealed:
        raise NotSupported(
            f"{source.name} is a zip that another program made; `repair` mends only archives of ours. Get it again."
        )


def _of_sealed(source: ByteSource, found: Directory, path: Path) -> _Case:
    if not found.trailing:
        return _Case(None, lambda path: ())
    newer = salvage.last_manifest(source, found.end.end)
    if newer is not None:
        return _from_manifest(source, newer)
    chain = salvage.unfinished_add(source, found.end.end)
    if chain is not None and (not chain.originals or _is_known_add(path)):

        def cut(path: Path) -> Iterable[str]:
            mending.cut_off(path, found.end.end)
            return (f"Cut off {found.trailing} bytes of an unfinished add.",)

        return _Case(f"cut off {found.trailing} bytes of an unfinished add", cut)
    own = salvage.manifest_named_by(source, found.end)
    return _from_chain(source, own, salvage.follow_headers(source, found.end.end) if chain is None else chain)


def _is_known_add(path: Path) -> bool:
    """Whether the journal beside an archive says that what stands behind its end is an add's; else it may be all there is."""
    with ZipArchive(path) as archive:
        return is_add_under_way(archive)


def _from_manifest(source: ByteSource, found: FoundManifest) -> _Case:
    """The directory is written again behind its manifest, if nothing else can stand there."""
    if source.size - found.end <= mending.directory_size(source, found):
        return _Case(
            f"build the directory from the manifest of generation {found.header.generation}",
            lambda path: mending.write_directory_of(path, found),
        )
    return _new_generation(found.header, list(found.members(source)), (), rebuilt=False)


def _entries(source: ByteSource, found: Directory) -> list[Entry] | None:
    """The directory's entries without the manifest's, or None where it is broken."""
    try:
        entries = list(directory.read_entries(source, found.end))
    except Damaged:
        return None
    return [entry for entry in entries if entry.name != layout.MANIFEST.encode()]


def _covers(source: ByteSource, found: FoundManifest, entries: list[Entry]) -> bool:
    """Whether a manifest lists all members that a directory has; entries that lead nowhere are damage and don't count."""
    listed = {entry.header_offset for member in found.members(source) for entry, _ in entries_of(member)}
    listed.add(found.entry.header_offset)
    return all(entry.header_offset in listed or not salvage.leads_to_member(source, entry) for entry in entries)


def _from_directory(source: ByteSource, entries: list[Entry], older: FoundManifest | None) -> _Case:
    """The directory's members, with an older manifest's facts of those that it knows."""
    unknown = {entry.header_offset: entry for entry in entries}
    members: list[Member] = []
    for member in () if older is None else older.members(source):
        placed = [entry for entry, _ in entries_of(member)]
        if all(_same(unknown.get(entry.header_offset), entry) for entry in placed):
            if placed or member.role in _KEPT_WITHOUT_DIRECTORY:
                members.append(member)
            for entry in placed:
                del unknown[entry.header_offset]
    lost = []
    if unknown:
        what = f"was damaged: times, raw names and media facts of {amount(len(unknown), 'member')} are lost"
        lost.append(Problem(layout.MANIFEST, what))
    for entry in unknown.values():
        again = salvage.member_of(source, entry)
        if isinstance(again, Broken):
            lost.append(Problem(again.path, again.what))
        else:
            members.append(again)
    return _new_generation(None if older is None else older.header, members, lost)


def _same(stated: Entry | None, entry: Entry) -> bool:
    return stated is not None and (stated.name, stated.size, stated.crc32) == (entry.name, entry.size, entry.crc32)


def _from_chain(source: ByteSource, older: FoundManifest | None, chain: Chain) -> _Case:
    """An older manifest's members, and those whose headers were found behind it; derived data are left out."""
    members: dict[str, Member] = {}
    left_out = 0
    for member in (*(() if older is None else older.members(source)), *chain.members):
        if member.role in _KEPT_WITHOUT_DIRECTORY:
            members.pop(member.path, None)
            members[member.path] = member
        else:
            left_out += 1
    if all(member.role == Role.STRUCTURE for member in members.values()):
        raise Damaged(f"{source.name} has no directory, no manifest and no whole member; nothing can be rebuilt from it.")
    lost = [Problem(broken.path, broken.what) for broken in chain.broken]
    found = sum(members.get(member.path) is member for member in chain.members)
    if found:
        what = f"is lost: {amount(found, 'member has the name', 'members have the names')} of the headers, and no media facts"
        lost.insert(0, Problem(layout.MANIFEST, what))
    if left_out:
        what = amount(left_out, "proxy or index", "proxies and indexes")
        lost.append(Problem(layout.OWN, f"{what} left out: which were current is not known"))
    return _new_generation(None if older is None else older.header, list(members.values()), lost)


def _new_generation(
    base: Header | None, members: list[Member], lost: Iterable[Problem], *, rebuilt: bool = True
) -> _Case:
    def write(path: Path) -> Iterable[str]:
        done = mending.write_generation(path, base, members, rebuilt=rebuilt)
        return (f"Built manifest and directory anew from the {amount(len(members), 'member')} found.", *done)

    return _Case(f"build manifest and directory anew from {amount(len(members), 'member')}", write, tuple(lost))
