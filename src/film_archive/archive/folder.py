"""Writing the folder form: media stay where they are, our own data go to `.film-archive/` beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from film_archive.archive import layout
from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import FolderArchive
from film_archive.archive.writer import EPOCH_NS, OnBytes, Sealed, Writer
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher, digest_source, read_ahead
from film_archive.core.errors import FilmArchiveError, NotFound, Refused
from film_archive.core.frame_table import FrameFile
from film_archive.core.manifest import Member, Role
from film_archive.core.source import ByteSource, FileSource, printable


class FolderWriter(Writer):
    """Makes a folder an archive, or adds to one. Files of the folder are read, digested and listed, never touched."""

    def __init__(
        self, target: Path, journal: MemberJournal, base: FolderArchive | None, algorithms: Iterable[str] = ()
    ) -> None:
        super().__init__(target, journal, algorithms)
        self._base = base

    @classmethod
    def create(cls, folder: Path, *, algorithms: Iterable[str] = ()) -> FolderWriter:
        """Begin, or continue what a killed run left unfinished."""
        if not folder.is_dir():
            raise NotFound(f"There is no folder {printable(folder)}.")
        if (folder / layout.MANIFEST).exists():
            raise Refused(f"{printable(folder)} is an archive already; use `add` to list what is new in it.")
        return cls._begin(folder, None, algorithms)

    @classmethod
    def add_to(cls, folder: Path, *, algorithms: Iterable[str] = ()) -> FolderWriter:
        """Begin a new generation of a folder archive."""
        return cls._begin(folder, FolderArchive(folder), algorithms)

    @classmethod
    def _begin(cls, folder: Path, base: FolderArchive | None, algorithms: Iterable[str]) -> FolderWriter:
        work = folder / layout.WORK
        with files.explaining(f"write {printable(work)}"):
            work.mkdir(parents=True, exist_ok=True)
        journal = MemberJournal(work / "journal")
        generation = 0 if base is None or base.header is None else base.header.generation
        writer = cls(folder, journal, base, algorithms)
        head = next(journal.lines(), None)
        if head is not None and head[1].get("generation") == generation:
            writer._start_reusing()
        else:
            journal.truncate(0)
            journal.append({"head": "folder", "generation": generation})
        if base is None:
            writer.add_bytes(layout.FORMAT, layout.FORMAT_TEXT, identity="format 1", role=Role.STRUCTURE)
        return writer

    def add(
        self,
        path: str,
        source: ByteSource,
        *,
        identity: str,
        role: Role = Role.ORIGINAL,
        mtime_ns: int = EPOCH_NS,
        mode: int = 0o644,
        on_bytes: OnBytes | None = None,
        **facts: Any,
    ) -> Member:
        """As the zip form's; a file that is not in the folder yet is copied to its place, verified, never overwriting."""
        found = self.reuse(path, identity)
        if found is not None:
            return found
        place = self.target / os.fsdecode(bytes.fromhex(facts["raw_name"]) if facts.get("raw_name") else path.encode())
        if self._lies_at(source, place):
            digests = self._digest(source, on_bytes)
        else:
            digests = self._put(source, place, replace=layout.is_own(path), on_bytes=on_bytes)
            os.utime(place, ns=(mtime_ns, mtime_ns))
            os.chmod(place, mode & 0o777)
        crc = digests.pop("crc32")
        member = Member.make(path, role, source.size, crc32=crc, digests=digests, mtime_ns=mtime_ns, mode=mode, **facts)
        self._write_line(member, identity, source.size)
        return member

    def _put_frame(
        self, path: str, number: int, source: ByteSource, mtime_ns: int, mode: int, on_bytes: OnBytes | None
    ) -> FrameFile:
        place = self.target / path
        if self._lies_at(source, place):
            digests = self._digest(source, on_bytes)
        else:
            digests = self._put(source, place, replace=False, on_bytes=on_bytes)
            os.utime(place, ns=(mtime_ns, mtime_ns))
        return FrameFile(number, source.size, None, int(digests["crc32"], 16), digests[KEY], mtime_ns, mode)

    def finish(self) -> Sealed:
        self._next_pending()
        self._stop_reusing()
        base = None if self._base is None else self._base.header
        header = self._header(base, None, ())
        manifest = self.target / layout.MANIFEST
        with files.explaining(f"finish {printable(self.target)}"):
            with files.AtomicFile(manifest, replace=True) as new:
                for line in self._manifest(header):
                    new.file.write(line)
                new.commit()
            for path in self._dropped - {member.path for member in self._new_members()}:
                files.remove(self.target / path)
        self._finished = True
        self._journal.remove()
        files.remove_tree(self.target / layout.WORK)
        return Sealed(self.target, header.members, header.bytes, header.generation)

    def abandon(self) -> None:
        """Forget the unfinished listing; files of ours that were made for it are removed."""
        listed = set() if self._base is None else {member.path for member in self._base.members()}
        for member in self._new_members():
            if layout.is_own(member.path) and member.path not in listed:
                files.remove(self.target / member.path)
        self._journal.remove()
        files.remove_tree(self.target / layout.WORK)
        if self._base is None:
            files.remove_empty_folders(self.target / layout.OWN)

    # inside

    @staticmethod
    def _lies_at(source: ByteSource, place: Path) -> bool:
        extent = source.extent()
        return extent is not None and place.exists() and os.path.samefile(extent.path, place)

    def _digest(self, source: ByteSource, on_bytes: OnBytes | None) -> dict[str, str]:
        digests = digest_source(source, self._algorithms, on_bytes=on_bytes)
        source.check_unchanged()
        return digests

    def _put(self, source: ByteSource, place: Path, *, replace: bool, on_bytes: OnBytes | None) -> dict[str, str]:
        with files.explaining(f"write {printable(place)}"):
            place.parent.mkdir(parents=True, exist_ok=True)
        return files.verified_copy(
            source, place, algorithms=self._algorithms, replace=replace, on_bytes=on_bytes
        ).digests

    @property
    def _position(self) -> int:
        return 0

    @_position.setter
    def _position(self, value: int) -> None:
        return None

    def _base_members(self) -> Iterator[Member]:
        return iter(()) if self._base is None else self._base.members()

    def _truncate(self, position: int) -> None:
        return None

    def _sync_data(self) -> None:
        return None

    def _holds(self, member: Member) -> bool:
        """Originals are where they were; what we made ourselves is read again."""
        if not layout.is_own(member.path):
            return True
        hasher = MultiHasher()
        try:
            with FileSource(self.target / member.path) as source:
                for block in read_ahead(source):
                    hasher.update(block)
        except FilmArchiveError:
            return False
        return hasher.digests()[KEY] == member.digests.get(KEY)

    def _close(self) -> None:
        self._journal.close()
