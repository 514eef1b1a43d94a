"""Reading an archive, in either form: its members, and the bytes of each as a ByteSource."""

from __future__ import annotations

import os
import threading
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from film_archive.archive import directory, layout, zipformat
from film_archive.archive.directory import Directory
from film_archive.archive.inflate import InflateSource
from film_archive.archive.lookup import LineIndex
from film_archive.archive.zipformat import Entry
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused
from film_archive.core.manifest import (
    Header,
    Member,
    Role,
    read_manifest,
    seal_of,
)
from film_archive.core.source import ByteSource, FileSource, SliceSource, printable

_CACHED_MEMBERS = 20_000
_MANIFEST_LIMIT = 1 << 33
_MANIFEST_RATIO = 300
_MANIFEST_SMALL = 1 << 26
_INFLATE_STEP = 1 << 20
_MOST_DEFLATED = 1032
"""To one; more than this deflate can't do."""


class Archive(ABC):
    """An archive that is open for reading. Use it as a context manager, or close it."""

    path: Path
    header: Header | None
    """The manifest's first line; None in a foreign zip."""

    @property
    def name(self) -> str:
        return printable(self.path)

    @property
    def is_foreign(self) -> bool:
        """Whether there is no manifest: a zip that another program made."""
        return self.header is None

    def require_manifest(self, doing: str) -> Header:
        """The header, or NotSupported with a hint where the archive has no manifest."""
        if self.header is None:
            raise NotSupported(
                f"{self.name} is a zip without our manifest, so it can't {doing}; "
                "make an archive of its files with `create`."
            )
        return self.header

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """All members, as a stream, in the order in which they were added."""

    @abstractmethod
    def member(self, path: str) -> Member:
        """The member of this path; raises NotFound."""

    @abstractmethod
    def source(self, member: Member | str) -> ByteSource:
        """A member's bytes; close the source when done. It works as long as the archive is open."""

    @abstractmethod
    def close(self) -> None: ...

    def originals(self) -> Iterator[Member]:
        return (member for member in self.members() if member.is_original)

    def read(self, path: str) -> bytes:
        """All bytes of a (small) member."""
        with self.source(path) as source:
            return source.read_at(0, source.size)

    def _named(self, member: Member | str) -> Member:
        member = self.member(member) if isinstance(member, str) else member
        if member.sequence is not None:
            raise NotSupported(f"{self.name}::{printable(member.path)} is an image sequence; name one of its frames.")
        return member

    def _frame_named(self, path: str, sequences: Iterable[Member]) -> Member:
        """A frame of one of the archive's image sequences; raises NotFound."""
        for member in sequences:
            frame = member.frame_member(path)
            if frame is not None:
                return frame
        raise self._no_member(path)

    def _no_member(self, path: str) -> NotFound:
        return NotFound(f"{self.name} has no member {printable(path)}; `film-archive ls` shows what it has.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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

    def members(self) -> Iterator[Member]:
        return self.manifest_members() if self.sealed else self._members_of_directory()

    def member(self, path: str) -> Member:
        if not _can_be_a_path(path):
            raise self._no_member(path)
        if self._by_path is None and self.sealed and self.header is not None and self.header.members > _CACHED_MEMBERS:
            return self._search(path)
        if self._by_path is None:
            self._by_path = {member.path: member for member in self.members()}
        found = self._by_path.get(path)
        return found if found is not None else self._frame_named(path, self._by_path.values())

    def source(self, member: Member | str) -> ByteSource:
        member = self._named(member)
        name = f"{self.name}::{printable(member.path)}"
        if member.role in (Role.FOLDER, Role.SYMLINK):
            raise NotSupported(f"{name} is a {member.role} and has no bytes.")
        if member.get("encrypted"):
            raise NotSupported(f"{name} is encrypted; unpack it with the program that made the zip.")
        if member.offset is None:
            raise Damaged(f"{name} has no place in the archive; run `film-archive check`.")
        if member.offset + member.packed_size > self.file.size:
            raise Damaged(f"{name} should end behind the end of the archive; run `film-archive check`.")
        packed = SliceSource(self.file, member.offset, member.packed_size, name)
        if member.method == zipformat.STORED:
            if member.packed_size != member.size:
                raise Damaged(f"{name} states two sizes, {member.packed_size} and {member.size} bytes.")
            return packed
        if member.method == zipformat.DEFLATED:
            if member.size > _MOST_DEFLATED * (member.packed_size + 1):
                raise Damaged(f"{name} can't have the {member.size} bytes that it claims.")
            return InflateSource(packed, member.size, name)
        raise NotSupported(
            f"{name} is packed with method {member.method}, which is not supported; unpack it with 7z and archive it anew."
        )

    def close(self) -> None:
        self.file.close()

    def _find_manifest(self) -> Entry | None:
        """Our manifest is the directory's last entry; in an altered archive it may stand anywhere."""
        if self.directory.sealed:
            return directory.manifest_entry(self.file, self.directory.end)
        found = None
        for entry in self.entries():
            if entry.name == layout.MANIFEST.encode():
                found = entry
        return found

    def manifest_members(self) -> Iterator[Member]:
        """The members as the manifest lists them, whatever the zip's directory says."""
        return read_manifest(self._manifest_chunks())[1]

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
                text = InflateSource(packed, entry.size, f"{self.name}::{layout.MANIFEST}")
                self._index = LineIndex(self._manifest_chunks(), text, header.schema_version)
        found = self._index.find(path)
        return found if found is not None else self._frame_named(path, self._index.sequences())

    def _members_of_directory(self) -> Iterator[Member]:
        """What the zip's directory says, with the manifest's facts where it still speaks of the same bytes."""
        known: dict[str, Member] = {}
        if self.header is not None:
            for member in self.manifest_members():
                known.update((part.path, part) for part in member.frame_members())
                if member.sequence is None:
                    known[member.path] = member
        for entry in self.entries():
            if entry.name == layout.MANIFEST.encode():
                continue
            try:
                member = member_of_entry(entry, directory.payload_offset(self.file, entry))
            except Damaged:  # it is listed, and can't be read
                member = member_of_entry(entry, None)
            stated = known.pop(member.path, None)
            if stated is not None and stated.size == member.size and stated.crc32 in (None, member.crc32):
                member = stated.changed(
                    offset=member.offset, packed_size=member.get("packed_size"), method=member.get("method")
                )
            yield member
        yield from (member for member in known.values() if member.offset is None)


def manifest_chunks(packed: ByteSource, entry: Entry) -> Iterator[bytes]:
    """The bytes of a manifest; raises Damaged where it is broken or claims what no manifest has."""
    if entry.size > min(_MANIFEST_LIMIT, max(_MANIFEST_SMALL, _MANIFEST_RATIO * entry.packed_size)):
        raise Damaged(f"{packed.name}: the manifest claims {entry.size} bytes.")
    return inflate_checked(packed, entry)


def inflate_checked(packed: ByteSource, entry: Entry) -> Iterator[bytes]:
    """All bytes of a stored or deflated entry in steps; raises Damaged at the end where size or CRC differ."""
    from isal import isal_zlib

    crc, size = 0, 0
    chunks = _steps(packed) if entry.method == zipformat.STORED else _inflated(packed)
    for chunk in chunks:
        size += len(chunk)
        crc = isal_zlib.crc32(chunk, crc)
        if size > entry.size:
            raise Damaged(f"{packed.name} is larger than the {entry.size} bytes that the directory states.")
        yield chunk
    if (size, crc) != (entry.size, entry.crc32):
        raise Damaged(f"{packed.name} does not have the size and CRC that the directory states.")


def _inflated(packed: ByteSource) -> Iterator[bytes]:
    """The whole of a deflate stream, in steps."""
    inflater = zlib.decompressobj(-15)
    for data in _steps(packed):
        if inflater.eof:
            raise Damaged(f"{packed.name} is packed in fewer bytes than the directory states.")
        while data and not inflater.eof:
            yield from _inflate_step(inflater, data, packed.name)
            data = inflater.unconsumed_tail
        if inflater.unused_data:
            raise Damaged(f"{packed.name} is packed in fewer bytes than the directory states.")
    while not inflater.eof and (chunk := b"".join(_inflate_step(inflater, b"", packed.name))):
        yield chunk  # what the last input had in store beyond a step


def _inflate_step(inflater: Any, data: bytes, name: str) -> Iterator[bytes]:
    try:
        chunk = inflater.decompress(data, _INFLATE_STEP)
    except zlib.error as error:
        raise Damaged(f"{name} can't be inflated: {error}.") from error
    if chunk:
        yield chunk


def _steps(source: ByteSource) -> Iterator[bytes]:
    for position in range(0, source.size, _INFLATE_STEP):
        yield source.read_at(position, _INFLATE_STEP)


def member_of_entry(entry: Entry, offset: int | None) -> Member:
    """A member as a zip's directory alone knows it; without an offset where its bytes are not found."""
    path = entry.path
    if entry.is_folder:
        return Member.make(path.rstrip("/"), Role.FOLDER, 0, mtime_ns=entry.mtime * 10**9, mode=entry.mode & 0o7777 or None)
    role = Role.SYMLINK if entry.is_symlink else role_of_path(path)
    return Member.make(
        path,
        role,
        entry.size,
        crc32=f"{entry.crc32:08x}",
        mtime_ns=entry.mtime * 10**9,
        mode=entry.mode & 0o7777 or None,
        of=original_of(path),
        offset=offset,
        packed_size=entry.packed_size if entry.packed_size != entry.size else None,
        method=entry.method or None,
        encrypted=entry.encrypted or None,
    )


def role_of_path(path: str) -> Role:
    """What a member is for, from where it lies (used where no manifest says)."""
    if path == layout.FORMAT:
        return Role.STRUCTURE
    if path.startswith(f"{layout.OWN}/proxies/"):
        stem = path.rsplit("/", 1)[-1]
        if stem.startswith("poster"):
            return Role.POSTER
        if stem.startswith("strip"):
            return Role.STRIP
        return Role.PROOF if stem.endswith(".proof.json") else Role.PROXY
    if path.startswith(f"{layout.OWN}/frames/"):
        return Role.FRAMES
    if path.startswith(f"{layout.OWN}/timelines/") or path == layout.BUNDLE_CONTENT:
        return Role.TIMELINE
    return Role.ORIGINAL


def original_of(path: str) -> str | None:
    """The original that a member of ours was made from, from where it lies."""
    if path.startswith(f"{layout.OWN}/proxies/"):
        return path.removeprefix(f"{layout.OWN}/proxies/").rsplit("/", 1)[0]
    if path.startswith(f"{layout.OWN}/frames/"):
        return path.removeprefix(f"{layout.OWN}/frames/").rsplit(".", 1)[0]
    return None


class FolderArchive(Archive):
    """The folder form: media where they are, and `.film-archive/` beside them."""

    header: Header

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._root = os.path.realpath(self.path)
        manifest = self.path / layout.MANIFEST
        if not manifest.is_file():
            raise NotFound(
                f"{self.name} is a folder without {layout.MANIFEST}; make an archive of it with `create --in-place`."
            )
        self.header = read_folder_manifest(manifest)
        self._by_path: dict[str, Member] | None = None

    def members(self) -> Iterator[Member]:
        return read_manifest(file_chunks(self.path / layout.MANIFEST))[1]

    def member(self, path: str) -> Member:
        if self._by_path is None:
            self._by_path = {member.path: member for member in self.members()}
        found = self._by_path.get(path)
        return found if found is not None else self._frame_named(path, self._by_path.values())

    def file_of(self, member: Member) -> Path:
        """Where a member's file is on disk; refuses a path, or a link on its way, that leads out of the folder."""
        place = self.path / layout.place_of(member)
        real = os.path.realpath(place.parent if member.role == Role.SYMLINK else place)
        if not (real + os.sep).startswith(self._root.rstrip(os.sep) + os.sep):
            raise Refused(f"{self.name}::{printable(member.path)} leads out of the folder through a link; it is not read.")
        return place

    def source(self, member: Member | str) -> ByteSource:
        member = self._named(member)
        name = f"{self.name}::{printable(member.path)}"
        if member.role in (Role.FOLDER, Role.SYMLINK):
            raise NotSupported(f"{name} is a {member.role} and has no bytes.")
        source = FileSource(self.file_of(member), name)
        if source.size != member.size:
            source.close()
            raise Damaged(f"{name} has {source.size} bytes instead of the {member.size} that were archived.")
        return source

    def close(self) -> None:
        """Nothing is held open; each source has its own file."""


def read_folder_manifest(path: Path) -> Header:
    """The first line of a folder archive's manifest, all of which is proven by its seal; raises Damaged."""
    header, _ = read_manifest(file_chunks(path))
    if header.seal is None or seal_of(file_chunks(path)) != header.seal:
        raise Damaged(f"{printable(path)} was altered or is damaged; run `repair` on the folder.")
    return header


def file_chunks(path: Path) -> Iterator[bytes]:
    with FileSource(path) as file:
        yield from _steps(file)
