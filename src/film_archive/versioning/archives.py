"""Archives that a repository borrows bytes from: where they are, what they hold, and proof that they still hold it.

An archive is known by its id, not by its path; where it was seen is a hint that can be given anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, pairwise, repeat
from pathlib import Path
from types import TracebackType
from typing import Self

from film_archive.archive import layout
from film_archive.archive.reader import Archive, open_archive
from film_archive.core.cycles import no_cycles
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused
from film_archive.core.manifest import archive_id
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, printable
from film_archive.storage.database import Database, Statements
from film_archive.versioning.entries import NOTHING, Borrowed, Entry, EntryKind, sort_key
from film_archive.versioning.metadata import now

_MOST_PLACES = 8
FindArchive = Callable[[str, Sequence[Path]], Iterable[Path]]
"""Where an archive may be that is at none of the places at which it was seen: its id and those places → paths to try."""


class Places:
    """Where the archives of a repository were seen, and which of their members were copied in or proven."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, transaction: Statements, archive: str, path: Path) -> None:
        """Remember that an archive was seen here."""
        transaction.execute(
            "INSERT INTO places VALUES (:archive, :path, :seen) "
            "ON CONFLICT (archive, path) DO UPDATE SET seen = excluded.seen",
            {"archive": archive, "path": os.fsencode(path), "seen": self._next(transaction)},
        )

    def _next(self, transaction: Statements) -> int:
        rows = transaction.execute("SELECT max(seen) FROM places")
        return max(now(), (rows[0][0] or 0) + 1)

    def of(self, archive: str) -> list[Path]:
        """The paths at which an archive was seen, the last one first."""
        rows = self._database.execute(
            "SELECT path FROM places WHERE archive = :archive ORDER BY seen DESC", {"archive": archive}
        )
        return [Path(os.fsdecode(bytes(path))) for (path,) in rows[:_MOST_PLACES]]

    def archives(self) -> list[str]:
        """The ids of all archives that were seen."""
        return [row[0] for row in self._database.execute("SELECT DISTINCT archive FROM places ORDER BY archive")]

    def adopted(self, borrowed: Borrowed) -> bytes | None:
        """The blob that borrowed bytes were copied to, if they were."""
        rows = self._database.execute(
            "SELECT blob FROM adopted WHERE archive = :archive AND member = :member",
            {"archive": borrowed.archive_id, "member": borrowed.member},
        )
        return bytes(rows[0][0]) if rows else None

    def all_adopted(self) -> dict[Borrowed, bytes]:
        """All borrowed bytes that were copied in."""
        rows = self._database.execute("SELECT archive, member, blob FROM adopted")
        return {Borrowed(archive, member): bytes(blob) for archive, member, blob in rows}

    def note_adopted(self, transaction: Statements, borrowed: Borrowed, blob: bytes) -> None:
        transaction.execute(
            "INSERT INTO adopted VALUES (:archive, :member, :blob) ON CONFLICT (archive, member) DO NOTHING",
            {"archive": borrowed.archive_id, "member": borrowed.member, "blob": blob},
        )

    def is_proven(self, borrowed: Borrowed, identity: str) -> bool:
        """Whether borrowed bytes were read and compared, in the very file that `identity` names."""
        rows = self._database.execute(
            "SELECT identity FROM proven WHERE archive = :archive AND member = :member",
            {"archive": borrowed.archive_id, "member": borrowed.member},
        )
        return bool(rows) and rows[0][0] == identity

    def note_proven(self, proven: Iterable[tuple[Borrowed, str]]) -> None:
        self._database.execute_many(
            "INSERT INTO proven VALUES (:archive, :member, :identity) "
            "ON CONFLICT (archive, member) DO UPDATE SET identity = excluded.identity",
            [
                {"archive": borrowed.archive_id, "member": borrowed.member, "identity": identity}
                for borrowed, identity in proven
            ],
        )


def identity_of(archive: Archive) -> str:
    """The archive's own id; of a zip without our manifest one made from its members' paths, sizes and CRCs."""
    if archive.header is not None:
        return archive.header.archive_id
    made_of = [(member.path, {KEY: f"{member.size} {member.get('crc32')}"}) for member in archive.members()]
    return f"zip-{archive_id(made_of)}"


# What a first commit holds

_BRANCHED = (Role.FOLDER, Role.SYMLINK, Role.TIMELINE, Role.STRUCTURE)
"""Beside originals; of what is not ours the last two are a bundle's timeline and version."""
_PLAIN = re.compile(
    rb'^\{"path":"([^"\\\x00-\x1f\x7f-\xff]+)",'
    rb'"role":"original","size":(\d{1,18}),"digests":\{"xxh128":"([0-9a-f]{32})"\},"crc32":"[0-9a-f]{8}",'
    rb'"mtime_ns":(-?[1-8]?\d{1,18}),"mode":(\d{1,4})([,}].*)$',
    re.MULTILINE,
)
"""A line as our writer makes nearly all of them: an original with a plain name in ASCII. What is the least unusual, or
could be (`_UNUSUAL`, in what is behind), is parsed; a test holds both ways equal."""
_UNUSUAL = re.compile(rb'"(?:sequence|raw_name|table|path|role|size|digests|mtime_ns|mode)":')
_PECULIAR = (b"\n.", b"\n/", b"//", b"/.", b"/\n", b":")
"""What paths, a line each, may have that no member's has, or that has to be looked at."""
_NEW: Callable[[Iterable[object]], Entry] = partial(tuple.__new__, Entry)
_LONGEST_PLAIN = 4096
_LINES = 1000
"""So many are looked at together: a hundred thousand a second each by itself, three times as many so."""


def entries_of(archive: Archive) -> list[Entry]:
    """What a first commit holds of an archive: originals (each frame of a sequence), folders and links, borrowed.

    Sorted as a tree is. Raises Refused where two paths clash or one leads out of the archive.
    """
    with no_cycles():
        return _entries_of_all(archive)


def _entries_of_all(archive: Archive) -> list[Entry]:
    borrowed_from = identity_of(archive)
    lines = archive.manifest_lines()
    if lines is None:
        found = [_entry_of(member, borrowed_from) for member in _members(archive.members(), archive.name)]
    else:
        version, texts = lines
        found = []
        while batch := list(islice(texts, _LINES)):
            plain = _plain_entries(batch, borrowed_from)
            if plain is None:
                members = _members(archive.parsed_lines(batch, version), archive.name)
                plain = [_entry_of(member, borrowed_from) for member in members]
            found += plain
    found.sort(key=lambda entry: sort_key(entry.path))
    _refuse_clashes(found, archive.name)
    return found


def _plain_entries(lines: list[bytes], borrowed_from: str) -> list[Entry] | None:
    """The entries of lines that are all plain; None where one is not."""
    rows = _PLAIN.findall(b"\n".join(lines))
    if len(rows) != len(lines):
        return None
    paths, sizes, keys, times, modes, rest = zip(*rows, strict=True)
    if _UNUSUAL.search(b"\n".join(rest)) is not None or max(map(len, paths)) > _LONGEST_PLAIN:
        return None
    named = b"\n".join((b"", *paths, b""))
    if any(sign in named for sign in _PECULIAR):
        return None
    digests = bytes.fromhex(b"".join(keys).decode())
    columns = zip(
        named.decode()[1:-1].split("\n"),
        repeat(EntryKind.FILE),
        map(int, sizes),
        map(int, times),
        map(int, modes),
        [digests[at : at + 16] for at in range(0, len(digests), 16)],
        repeat(None),
        repeat(borrowed_from),
        repeat(NOTHING),
        strict=False,
    )
    return list(map(_NEW, columns))


def _refuse_clashes(entries: list[Entry], name: str) -> None:
    """Raise Refused where two entries, sorted, can't be in one tree."""
    keys = [sort_key(entry.path) for entry in entries]
    for index, (one, other) in enumerate(pairwise(keys)):
        if one == other:
            first, second = entries[index].path, entries[index + 1].path
            raise Refused(f"{name} has both {printable(first)} and {printable(second)}; it can't be branched from.")
    folders: set[str] = set()
    last = ""
    for key in keys:
        above = key.rpartition("/")[0]
        if above != last:
            last = above
            while above and above not in folders:
                folders.add(above)
                above = above.rpartition("/")[0]
    for key, entry in zip(keys, entries, strict=True):
        if key in folders and entry.kind is not EntryKind.FOLDER:
            raise Refused(f"In {name} the {entry.kind} {printable(entry.path)} is a folder, too; it can't be branched from.")


def _members(members: Iterable[Member], name: str) -> Iterator[Member]:
    for member in members:
        if layout.is_own(member.path):
            continue  # proxies and indexes: they are made from the originals
        if member.sequence is not None and member.is_original:
            for frame in member.frame_members():
                layout.check_member_name(frame.path)
                yield frame
        elif member.is_original or member.role in _BRANCHED:
            layout.check_member_name(member.path, own=not member.is_original)
            yield member


def _entry_of(member: Member, borrowed_from: str) -> Entry:
    kind = {Role.FOLDER: EntryKind.FOLDER, Role.SYMLINK: EntryKind.SYMLINK}.get(Role(member.role), EntryKind.FILE)
    more = {key: value for key in ("target", "raw_name", "raw_target") if (value := member.get(key)) is not None}
    is_file = kind is EntryKind.FILE
    key = None
    times = (member.mtime_ns or 0, -(member.mtime_ns or 0))
    if not 0 <= member.size < 1 << 63 or max(times) >= 1 << 63 or not 0 <= (member.mode or 0) < 1 << 16:
        raise Damaged(f"What the manifest says of {printable(member.path)} is impossible.")
    if is_file:
        digests = _digests(member)
        key = _bytes_of(digests.pop(KEY, None), member)
        if key is not None:
            digests.pop("crc32", None)
        if digests:
            more["digests"] = digests
    return Entry(
        member.path,
        kind,
        member.size if is_file else 0,
        member.mtime_ns,
        member.mode,
        key,
        None,
        borrowed_from if is_file else None,
        more or NOTHING,
    )


def _bytes_of(key: str | None, member: Member) -> bytes | None:
    try:
        found = None if key is None else bytes.fromhex(key)
    except ValueError:
        found = b""
    if found is not None and len(found) != 16:
        raise Damaged(f"The digest of {printable(member.path)} in its manifest is none.")
    return found


def _digests(member: Member) -> dict[str, str]:
    crc = member.crc32
    return {**member.digests, **({} if crc is None else {"crc32": f"{crc:08x}"})}


class Lender:
    """The archives that bytes are read from, each opened once. Use it as a context manager."""

    def __init__(self, places: Places, find: FindArchive | None = None) -> None:
        self._places = places
        self._find_elsewhere = find
        self.found: list[tuple[str, Path]] = []
        """Archives that were somewhere else than where they had been seen, and where."""
        self._open: dict[str, Archive] = {}
        self._missing: dict[str, NotFound] = {}
        self._members: dict[str, dict[str, Member]] = {}

    def member(self, entry: Entry, borrowed: Borrowed) -> Member:
        """The member that an entry's bytes were borrowed as.

        Raises NotFound where the archive is at none of its places, Damaged where the member is another by now.
        """
        archive = self.archive(borrowed.archive_id)
        members = self._members.get(borrowed.archive_id)
        if members is None:  # all at once: looking one up in a large archive reads its whole manifest
            members = {member.path: member for member in _members(archive.members(), archive.name)}
            self._members[borrowed.archive_id] = members
        member = members.get(borrowed.member)
        if member is None:
            raise Damaged(f"{archive.name} has no {printable(borrowed.member)} any more, from which a branch borrows.")
        there, wanted = _digests(member), entry.digests
        if member.size != entry.size or any(there[name] != value for name, value in wanted.items() if name in there):
            raise Damaged(f"{archive.name}::{printable(member.path)} is not what it was when the branch was made.")
        return member

    def source(self, entry: Entry, borrowed: Borrowed) -> ByteSource:
        """An entry's bytes in their archive; they are proven by who reads them."""
        return self.archive(borrowed.archive_id).source(self.member(entry, borrowed))

    def archive(self, wanted: str) -> Archive:
        """The archive of this id, opened; raises NotFound."""
        found = self._open.get(wanted)
        if found is None:
            if wanted in self._missing:
                raise self._missing[wanted]
            try:
                found = self._open[wanted] = self._find(wanted)
            except NotFound as error:
                self._missing[wanted] = error
                raise
        return found

    def _find(self, wanted: str) -> Archive:
        problems: list[str] = []
        seen = self._places.of(wanted)
        there = self._first(wanted, seen, problems)
        if there is None and self._find_elsewhere is not None:
            there = self._elsewhere(wanted, seen, problems)
        if there is not None:
            return there
        raise NotFound(
            f"The archive {wanted}, from which bytes are borrowed, is not where it was: {'; '.join(problems)}. "
            "Bring it back, crawl the drive that it is on, or tell where it is now with `film-archive repo adopt --from ARCHIVE` "
            "or `locate_archive`."
        )

    def _elsewhere(self, wanted: str, seen: Sequence[Path], problems: list[str]) -> Archive | None:
        assert self._find_elsewhere is not None
        try:
            candidates = [path for path in self._find_elsewhere(wanted, seen) if path not in seen]
        except FilmArchiveError as error:
            problems.append(str(error).rstrip("."))
            return None
        archive = self._first(wanted, candidates, problems)
        if archive is not None:
            self.found.append((wanted, archive.path))
        return archive

    def _first(self, wanted: str, paths: Iterable[Path], problems: list[str]) -> Archive | None:
        """The first of some paths at which the archive is, opened."""
        for path in paths:
            try:
                archive = open_archive(path)
            except FilmArchiveError as error:
                problems.append(str(error).rstrip("."))
                continue
            found = identity_of(archive)
            if found == wanted:
                return archive
            archive.close()
            problems.append(f"{printable(path)} is another archive ({found}) by now")
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for archive in self._open.values():
            archive.close()
