"""Reading an archive, in either form: its members, and the bytes of each as a ByteSource."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from film_archive.archive import directory, layout, packing, zipformat
from film_archive.archive.directory import Directory
from film_archive.archive.entries import member_of_entry
from film_archive.archive.folder_reader import FolderArchive
from film_archive.archive.lookup import LineIndex
from film_archive.archive.opened import Archive
from film_archive.archive.unpacked import UnpackedSource
from film_archive.archive.zipformat import Entry
from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported
from film_archive.core.manifest import Header, member_lines, read_manifest
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, FileSource, SliceSource, printable

__all__ = ["Archive", "FolderArchive", "ZipArchive", "is_folder", "manifest_chunks", "open_archive"]

_CACHED_MEMBERS = 20_000
_MANIFEST_RATIO = 300
_MANIFEST_SMALL = 1 << 26


def _can_be_a_path(path: str) -> bool:
    """Whether a text can stand in a manifest: a command line's bytes that are not UTF-8 can't."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def open_archive(path: str | os.PathLike[str]) -> Archive:
    """Open an archive of either form, or a foreign zip.

    Raises NotFound where there is nothing or no archive, Damaged where its structure does not hold.
    """
    where = Path(path)
    return FolderArchive(where) if is_folder(where) else ZipArchive(where)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; a name that can't even be looked up is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def begins_as_ours(path: Path) -> bool:
    """Whether what lies at a path is an archive of ours, whatever became of it since; False where it can't be read."""
    if is_folder(path):
        return True
    try:
        with FileSource(path) as source:
            return directory.begins_as_ours(source.read_at(0, zipformat.ALIGNMENT))
    except FilmArchiveError:
        return False


class ZipArchive(Archive):
    """The zip form. `directory` tells whether it is sealed, altered or foreign, and whether something stands behind its end."""

    def __init__(self, path: str | os.PathLike[str], source: ByteSource | None = None) -> None:
        self.path = Path(path)
        self.file = source if source is not None else FileSource(path)
        try:
            self.directory: Directory = directory.find_directory(self.file)
            self.header = None
            self.manifest_problem: str | None = None
            self._by_path: dict[str, Member] | None = None
            self._index: LineIndex | None = None
            self._index_lock = threading.Lock()
            self.manifest_entry = self._find_manifest()
            if self.manifest_entry is not None:
                self._read_header()
        except BaseException:
            self.file.close()
            raise

    def _read_header(self) -> None:
        """The manifest's first line; of an unsealed archive's manifest everything is proven first."""
        try:
            header, members = read_manifest(self._manifest_chunks())
            if not self.directory.sealed:
                for _ in members:
                    pass
        except Damaged as error:
            if self.directory.sealed:
                raise
            self.manifest_problem = str(error)
        else:
            self.header = header

    def require_manifest(self, doing: str) -> Header:
        if self.header is None and (self.directory.marked or self.manifest_problem is not None):
            raise Damaged(f"The manifest of {self.name} is damaged, so it can't {doing}; run `repair`.")
        return super().require_manifest(doing)

    @property
    def sealed(self) -> bool:
        """Whether directory and manifest are as our writer left them, so that the manifest is the truth."""
        return self.directory.sealed and self.header is not None

    def entries(self) -> Iterator[Entry]:
        """The zip directory's own entries, the manifest's among them."""
        return directory.read_entries(self.file, self.directory.end)

    @property
    def caution(self) -> str | None:
        if not self.sealed or not self.directory.trailing or self.header is None:
            return None
        return (
            f"{self.directory.trailing} bytes stand behind generation {self.header.generation} of {self.name}, which is what is "
            "read: an add under way or interrupted, or a newer generation that is damaged; `check` tells which"
        )

    def members(self) -> Iterator[Member]:
        return self.manifest_members() if self.sealed else self._members_of_directory()

    def member(self, path: str) -> Member:
        if not _can_be_a_path(path):
            raise self._no_member(path)
        if self._by_path is None and self._lines > _CACHED_MEMBERS:
            return self._search(path) if self.sealed else self._search_directory(path)
        if self._by_path is None:
            self._by_path = {member.path: member for member in self.members()}
        found = self._by_path.get(path)
        return found if found is not None else self._frame_named(path, self._by_path.values())

    @property
    def _lines(self) -> int:
        """How many members are listed: an image sequence is one line of the manifest."""
        return self.header.members if self.sealed and self.header is not None else self.directory.end.count

    def source(self, member: Member | str) -> ByteSource:
        member = self._named(member)
        name = f"{self.name}::{printable(member.path)}"
        if member.role in (Role.FOLDER, Role.SYMLINK):
            raise NotSupported(f"{name} is a {member.role} and has no bytes.")
        if member.get("encrypted"):
            raise NotSupported(f"{name} is encrypted; unpack it with the program that made the zip.")
        if member.offset is None:
            raise Damaged(f"{name} has no place: its header is not where the directory says; run `film-archive check`.")
        if member.offset + member.packed_size > self.file.size:
            raise Damaged(f"{name} should end behind the end of the archive; run `film-archive check`.")
        packed = SliceSource(self.file, member.offset, member.packed_size, name)
        packing.require_possible(name, member.method, member.packed_size, member.size)
        return packed if member.method == zipformat.STORED else UnpackedSource(packed, member.method, member.size, name)

    def close(self) -> None:
        self.file.close()

    def _find_manifest(self) -> Entry | None:
        """Our manifest is the directory's last entry; in an altered archive it may stand anywhere."""
        if self.directory.sealed:
            return directory.manifest_entry(self.file, self.directory.end)
        found = None
        if directory.mentions_manifest(self.file, self.directory.end):
            for entry in self.entries():
                if entry.name == layout.MANIFEST.encode():
                    found = entry
        return found

    def manifest_members(self) -> Iterator[Member]:
        """The members as the manifest lists them, whatever the zip's directory says."""
        return read_manifest(self._manifest_chunks())[1]

    def manifest_lines(self) -> tuple[int, Iterator[bytes]] | None:
        return member_lines(self._manifest_chunks()) if self.sealed else None

    def _manifest_chunks(self) -> Iterator[bytes]:
        entry = self.manifest_entry
        if entry is None:
            raise Damaged(f"{self.name} has no manifest.")
        offset = directory.payload_offset(self.file, entry)
        yield from manifest_chunks(
            SliceSource(self.file, offset, entry.packed_size, f"{self.name}::{layout.MANIFEST}"), entry
        )

    def _search(self, path: str) -> Member:
        """A member of a long manifest, which is not held in memory."""
        with self._index_lock:
            if self._index is None:
                entry, header = self.manifest_entry, self.require_manifest("be searched")
                assert entry is not None
                offset = directory.payload_offset(self.file, entry)
                packed = SliceSource(self.file, offset, entry.packed_size)
                text = UnpackedSource(packed, entry.method, entry.size, f"{self.name}::{layout.MANIFEST}")
                self._index = LineIndex(self._manifest_chunks(), text, header.schema_version)
        found = self._index.find(path)
        return found if found is not None else self._frame_named(path, self._index.sequences())

    def _search_directory(self, path: str) -> Member:
        """A member of a long directory without a manifest that holds: looked through each time, and not held in memory."""
        found = None
        if self.header is None:
            for entry in self.entries():
                if entry.path.rstrip("/") == path:
                    found = self._member_of(entry)
        else:
            for member in self._members_of_directory():
                found = member if member.path == path else found
        if found is None:
            raise self._no_member(path)
        return found

    def _member_of(self, entry: Entry, source: ByteSource | None = None) -> Member:
        try:
            return member_of_entry(entry, directory.payload_offset(source or self.file, entry))
        except Damaged:  # it is listed, and can't be read
            return member_of_entry(entry, None)

    def _members_of_directory(self) -> Iterator[Member]:
        """What the zip's directory says, with the manifest's facts where it still speaks of the same bytes."""
        known: dict[str, Member] = {}
        if self.header is not None:
            for member in self.manifest_members():
                known.update((part.path, part) for part in member.frame_members())
                if member.sequence is None:
                    known[member.path] = member
        headers = directory.HeaderSource(self.file)
        for entry in self.entries():
            if entry.name == layout.MANIFEST.encode() or (entry.is_folder and not entry.path):  # "./", the folder of all
                continue
            headers.expect(entry)
            member = self._member_of(entry, headers)
            stated = known.pop(member.path, None)
            if stated is not None and stated.size == member.size and stated.crc32 in (None, member.crc32):
                member = stated.changed(
                    offset=member.offset, packed_size=member.get("packed_size"), method=member.get("method")
                )
            yield member
        yield from (member for member in known.values() if member.offset is None)


def manifest_chunks(packed: ByteSource, entry: Entry) -> Iterator[bytes]:
    """The bytes of a manifest; raises Damaged where it is broken or claims what no manifest has."""
    if entry.size > min(layout.LARGEST_MANIFEST, max(_MANIFEST_SMALL, _MANIFEST_RATIO * entry.packed_size)):
        raise Damaged(f"{packed.name}: the manifest claims {entry.size} bytes.")
    if entry.method not in (zipformat.STORED, zipformat.DEFLATED):
        raise Damaged(f"{packed.name} is damaged: no manifest is packed by method {entry.method}.")
    return packing.unpack_checked(packed, entry)
