"""Archives that a repository borrows bytes from: where they are, what they hold, and proof that they still hold it.

    archives/<archive id>.json   where the archive was seen, last place first

That file is a hint that can be written anew at any time: an archive is known by its id and not by its path.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pydantic_core import to_json

from film_archive.archive import layout
from film_archive.archive.reader import Archive, open_archive
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused
from film_archive.core.manifest import Member, Role, archive_id
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.versioning.locking import locked
from film_archive.versioning.objects import SCHEMA_VERSION, read_record
from film_archive.versioning.tree import Borrowed, Entry, EntryKind

_KIND = "archive places"
_ID = re.compile(r"(zip-)?[0-9a-f]{32}")
_MOST_PLACES = 8


class Places:
    """Where the archives of a repository were seen."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "archives"

    def note(self, archive: str, path: Path) -> None:
        """Remember that an archive was seen here."""
        with locked(self._root / "refs.lock"):
            with files.explaining(f"make the folder {printable(self._folder)}"):
                self._folder.mkdir(exist_ok=True)
            known = [path, *(other for other in self.of(archive) if other != path)][:_MOST_PLACES]
            shown = bytes(sign for sign in range(0x20, 0x7F) if sign != 0x25)
            record = {
                "film_archive": _KIND,
                "schema_version": SCHEMA_VERSION,
                "paths": [quote_from_bytes(os.fsencode(place), safe=shown) for place in known],
            }
            files.write_atomically(self._file(archive), to_json(record), replace=True)

    def of(self, archive: str) -> list[Path]:
        """The paths at which an archive was seen, the last one first."""
        place = self._file(archive)
        if not place.is_file():
            return []
        with FileSource(place) as source:
            data = source.read_at(0, 1 << 20)
        name = f"The file {printable(place)}"
        try:
            return [Path(os.fsdecode(unquote_to_bytes(path))) for path in read_record(data, _KIND, name)["paths"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(f"{name} can't be read ({error}).") from error

    def _file(self, archive: str) -> Path:
        if not _ID.fullmatch(archive):
            raise Damaged(f"{archive[:80]!r} is not the id of an archive.")
        return self._folder / f"{archive}.json"


def identity_of(archive: Archive) -> str:
    """The archive's own id; of a zip without our manifest one made from its members' paths, sizes and CRCs."""
    if archive.header is not None:
        return archive.header.archive_id
    made_of = [(member.path, {KEY: f"{member.size} {member.get('crc32')}"}) for member in archive.members()]
    return f"zip-{archive_id(made_of)}"


def entries_of(archive: Archive) -> list[Entry]:
    """What a first commit holds of an archive: originals (each frame of a sequence), folders and links, borrowed.

    Raises Refused where two paths clash or one leads out of the archive.
    """
    borrowed_from = identity_of(archive)
    entries = []
    for member in _members(archive):
        layout.check_member_name(member.path, own=not member.is_original)
        entries.append(_entry_of(member, borrowed_from))
    for one, other in layout.clashes(entry.path for entry in entries):
        raise Refused(f"{archive.name} has both {printable(one)} and {printable(other)}; it can't be branched from.")
    return entries


_BRANCHED = (Role.FOLDER, Role.SYMLINK, Role.TIMELINE, Role.STRUCTURE)
"""Beside originals; of what is not ours the last two are a bundle's timeline and version."""


def _members(archive: Archive) -> Iterator[Member]:
    for member in archive.members():
        if layout.is_own(member.path):
            continue  # proxies and indexes: they are made from the originals
        if member.sequence is not None and member.is_original:
            yield from member.frame_members()
        elif member.is_original or member.role in _BRANCHED:
            yield member


def _entry_of(member: Member, borrowed_from: str) -> Entry:
    kind = {Role.FOLDER: EntryKind.FOLDER, Role.SYMLINK: EntryKind.SYMLINK}.get(Role(member.role), EntryKind.FILE)
    more = {key: member.get(key) for key in ("target", "raw_name", "raw_target")}
    is_file = kind is EntryKind.FILE
    return Entry(
        path=member.path,
        kind=kind,
        size=member.size if is_file else 0,
        digests=_digests(member) if is_file else {},
        borrowed=Borrowed(borrowed_from, member.path) if is_file else None,
        mtime_ns=member.mtime_ns,
        mode=member.mode,
        more={key: value for key, value in more.items() if value is not None},
    )


def _digests(member: Member) -> dict[str, str]:
    crc = member.crc32
    return {**member.digests, **({} if crc is None else {"crc32": f"{crc:08x}"})}


class Lender:
    """The archives that bytes are read from, each opened once. Use it as a context manager."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._open: dict[str, Archive] = {}
        self._members: dict[str, dict[str, Member]] = {}

    def member(self, entry: Entry, borrowed: Borrowed) -> Member:
        """The member that an entry's bytes were borrowed as.

        Raises NotFound where the archive is at none of its places, Damaged where the member is another by now.
        """
        archive = self._archive(borrowed.archive_id)
        members = self._members.get(borrowed.archive_id)
        if members is None:  # all at once: looking one up in a large archive reads its whole manifest
            members = {member.path: member for member in _members(archive)}
            self._members[borrowed.archive_id] = members
        member = members.get(borrowed.member)
        if member is None:
            raise Damaged(f"{archive.name} has no {printable(borrowed.member)} any more, from which a branch borrows.")
        there = _digests(member)
        if member.size != entry.size or any(
            there[name] != value for name, value in entry.digests.items() if name in there
        ):
            raise Damaged(f"{archive.name}::{printable(member.path)} is not what it was when the branch was made.")
        return member

    def source(self, entry: Entry, borrowed: Borrowed) -> ByteSource:
        """An entry's bytes in their archive; they are proven by who reads them."""
        return self._archive(borrowed.archive_id).source(self.member(entry, borrowed))

    def _archive(self, wanted: str) -> Archive:
        found = self._open.get(wanted)
        if found is None:
            found = self._open[wanted] = self._find(wanted)
        return found

    def _find(self, wanted: str) -> Archive:
        problems = []
        for path in self._places.of(wanted):
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
        raise NotFound(
            f"The archive {wanted}, from which bytes are borrowed, is not where it was: {'; '.join(problems)}. "
            "Bring it back, or tell where it is now with `locate_archive`."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for archive in self._open.values():
            archive.close()
