"""Writing the folder form: media stay where they are, our own data go to `.film-archive/` beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from film_archive.archive import layout
from film_archive.archive.continuing import OnBytes, Sealed, Writer
from film_archive.archive.entries import EPOCH_NS
from film_archive.archive.folder_reader import FolderArchive, read_folder_manifest, refuse_lost
from film_archive.archive.folder_repair import copy_manifest, copy_problem
from film_archive.archive.journal import MemberJournal
from film_archive.archive.unfinished import Completed, journaled
from film_archive.core import copying, files
from film_archive.core.digest import KEY, MultiHasher, digest_source, read_ahead
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused
from film_archive.core.frame_table import FrameFile
from film_archive.core.manifest import member_line, sealed_lines
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, FileSource, printable


class FolderWriter(Writer):
    """Makes a folder an archive, or adds to one. Files of the folder are read, digested and listed, never touched."""

    def __init__(
        self, target: Path, journal: MemberJournal, base: FolderArchive | None, algorithms: Iterable[str] = ()
    ) -> None:
        super().__init__(target, journal, algorithms)
        self._base = base
        self._reads_back = True

    @classmethod
    def create(cls, folder: Path, *, algorithms: Iterable[str] = (), reads_back: bool = True) -> FolderWriter:
        """Begin, or continue what a killed run left unfinished.

        `reads_back` tells whether files that are copied in are proven by reading them again, which takes as long again.
        """
        if not folder.is_dir():
            raise NotFound(f"There is no folder {printable(folder)}.")
        if os.path.lexists(folder / layout.MANIFEST):
            raise Refused(f"{printable(folder)} is an archive already; use `add` to list what is new in it.")
        refuse_lost(folder)
        writer = cls._begin(folder, None, algorithms)
        writer._reads_back = reads_back
        return writer

    @classmethod
    def add_to(cls, folder: Path, *, algorithms: Iterable[str] = ()) -> FolderWriter:
        """Begin a new generation of a folder archive."""
        base = FolderArchive(folder)
        if base.manifest_problem is not None:
            raise Damaged(f"The manifest of {base.name} is lost or damaged; run `repair` before adding to it.")
        return cls._begin(folder, base, algorithms)

    @classmethod
    def _begin(cls, folder: Path, base: FolderArchive | None, algorithms: Iterable[str]) -> FolderWriter:
        work = folder / layout.WORK
        with files.explaining(f"write {printable(work)}"):
            work.mkdir(parents=True, exist_ok=True)
        journal = MemberJournal(work / "journal")
        wanted = {
            "head": "folder",
            "generation": 0 if base is None else base.header.generation,
            "seal": None if base is None else base.header.seal,
        }
        writer = cls(folder, journal, base, algorithms)
        writer._begun = True  # a journal that can't be read now is not thrown away
        try:
            resuming = journal.head() == wanted
            writer._begun = False
            if resuming:
                writer._start_reusing()
            else:
                journal.truncate(0)
                journal.append(wanted)
            if base is None:
                writer.add_bytes(layout.FORMAT, layout.FORMAT_TEXT, identity="format 1", role=Role.STRUCTURE)
                writer._begun = False
        except BaseException as error:
            writer.__exit__(type(error), error, error.__traceback__)
            raise
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
        layout.check_member_name(path, own=role != Role.ORIGINAL)
        place = self.target / layout.place_of(Member.make(path, role, 0, raw_name=facts.get("raw_name")))
        if self._lies_at(source, place):
            digests = self._digest(source, on_bytes)
        else:
            digests = self._put(source, place, mtime_ns, mode, replace=layout.is_own(path), on_bytes=on_bytes)
        crc = digests.pop("crc32")
        member = Member.make(path, role, source.size, crc32=crc, digests=digests, mtime_ns=mtime_ns, mode=mode, **facts)
        self._write_line(member, identity, source.size)
        return member

    def add_folder(self, path: str, *, empty: bool, mtime_ns: int, mode: int, raw_name: str | None = None) -> Member:
        """As the base class's; a folder that comes from elsewhere is made."""
        member = Member.make(path, Role.FOLDER, 0, mtime_ns=mtime_ns, mode=mode, raw_name=raw_name)
        place = self.target / layout.place_of(member)
        with files.explaining(f"make the folder {printable(place)}"):
            if not place.is_dir():
                place.mkdir(parents=True)
                place.chmod(mode & 0o777 | 0o700)
        return super().add_folder(path, empty=empty, mtime_ns=mtime_ns, mode=mode, raw_name=raw_name)

    def add_symlink(
        self, path: str, target: str, *, mtime_ns: int, raw_name: str | None = None, raw_target: str | None = None
    ) -> Member:
        """As the base class's; a link that comes from elsewhere is made."""
        member = Member.make(path, Role.SYMLINK, 0, target=target, raw_name=raw_name, raw_target=raw_target)
        place = self.target / layout.place_of(member)
        leads_to = os.fsdecode(layout.link_target(member))
        with files.explaining(f"make the link {printable(place)}"):
            if not os.path.lexists(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(leads_to)
                os.utime(place, ns=(mtime_ns, mtime_ns), follow_symlinks=False)
            elif not place.is_symlink() or os.fspath(place.readlink()) != leads_to:
                raise Refused(f"{printable(place)} exists already and is something else; nothing was changed.")
        return super().add_symlink(path, target, mtime_ns=mtime_ns, raw_name=raw_name, raw_target=raw_target)

    def _put_frame(
        self, path: str, number: int, source: ByteSource, mtime_ns: int, mode: int, on_bytes: OnBytes | None
    ) -> FrameFile:
        place = self.target / path
        if self._lies_at(source, place):
            digests = self._digest(source, on_bytes)
        else:
            digests = self._put(source, place, mtime_ns, mode, replace=False, on_bytes=on_bytes)
        return FrameFile(number, source.size, None, int(digests["crc32"], 16), digests[KEY], mtime_ns, mode)

    def finish(self) -> Sealed:
        self._next_pending()
        self._stop_reusing()
        base = None if self._base is None else self._base.header
        header = self._header(base, None, ())
        self._date_folders()
        with files.explaining(f"finish {printable(self.target)}", needed=self._still_to_write, folder=self.target):
            for name in (layout.MANIFEST_COPY, layout.MANIFEST):  # the copy first: whoever sees the manifest has both
                with files.AtomicFile(self.target / name, replace=True) as new:
                    for line in sealed_lines(header, lambda: map(member_line, self._listed())):
                        new.file.write(line)
                    new.commit()
            for path in self._dropped - {member.path for member in self._new_members()}:
                files.remove(self.target / path)
        self._finished = True
        self._remove_work()
        return Sealed(self.target, header.members, header.bytes, header.generation)

    def abandon(self) -> None:
        """Forget the unfinished listing; files of ours that were made for it are removed, media that were copied in stay."""
        listed = set() if self._base is None else {member.path for member in self._base.members()}
        for member in self._new_members():
            if layout.is_own(member.path) and member.path not in listed:
                files.remove(self.target / member.path)
        if self._base is None:
            files.remove(self.target / layout.MANIFEST_COPY)
        elif copy_problem(self.target) is not None or self._copy_is_ahead():
            copy_manifest(self.target, layout.MANIFEST, layout.MANIFEST_COPY)
        self._finished = True
        self._remove_work()
        files.remove_empty_folders(self.target / layout.OWN)

    # inside

    def _date_folders(self) -> None:
        """Give folders that files were copied into the times of where they came from."""
        for member in self._new_members():
            if member.role == Role.FOLDER and member.mtime_ns is not None:
                place = self.target / layout.place_of(member)
                with files.explaining(f"set the time of {printable(place)}"):
                    if place.stat().st_mtime_ns != member.mtime_ns:
                        os.utime(place, ns=(member.mtime_ns, member.mtime_ns))

    def _still_to_write(self) -> int:
        """Bytes of the manifest and its copy."""
        return 2 * sum(len(member_line(member)) for member in self._listed())

    def _copy_is_ahead(self) -> bool:
        base = self._base
        return base is not None and read_folder_manifest(self.target / layout.MANIFEST_COPY).seal != base.header.seal

    def _remove_work(self) -> None:
        """All in it, then the journal, whose lock keeps others away; then the folder, unless another process has begun."""
        work = self.target / layout.WORK
        for place in work.iterdir():
            if place.is_dir() and not place.is_symlink():
                files.remove_tree(place)
            elif place != self._journal.path:
                files.remove(place)
        self._journal.remove()
        files.remove_empty_folders(work)

    @staticmethod
    def _lies_at(source: ByteSource, place: Path) -> bool:
        extent = source.extent()
        return extent is not None and place.exists() and extent.path.samefile(place)

    def _digest(self, source: ByteSource, on_bytes: OnBytes | None) -> dict[str, str]:
        digests = digest_source(source, self._algorithms, on_bytes=on_bytes)
        source.check_unchanged()
        return digests

    def _put(
        self, source: ByteSource, place: Path, mtime_ns: int, mode: int, *, replace: bool, on_bytes: OnBytes | None
    ) -> dict[str, str]:
        """Copy a file to its place; one that a killed run has put there already is proven to be the same."""
        with files.explaining(f"write {printable(place)}"):
            place.parent.mkdir(parents=True, exist_ok=True)
        if not replace and os.path.lexists(place):
            digests = self._digest(source, on_bytes)
            with FileSource(place) as there:
                if there.size != source.size or digest_source(there, digests) != digests:
                    raise Refused(f"{printable(place)} exists already and is something else; nothing was changed.")
        elif self._reads_back or replace:
            digests = copying.verified_copy(
                source, place, algorithms=self._algorithms, replace=replace, on_bytes=on_bytes
            ).digests
        else:
            digests = copying.digested_copy(source, place, algorithms=self._algorithms, on_bytes=on_bytes).digests
        with files.explaining(f"set time and permissions of {printable(place)}"):
            os.utime(place, ns=(mtime_ns, mtime_ns))
            place.chmod(mode & 0o777)
        return digests

    @property
    def _position(self) -> int:
        return 0

    @_position.setter
    def _position(self, value: int) -> None:
        return None

    def base_members(self) -> Iterator[Member]:
        return iter(()) if self._base is None else self._base.members()

    def _truncate(self, position: int) -> None:
        return None

    def _sync_data(self) -> None:
        return None

    def _holds(self, member: Member) -> bool:
        """Originals are where they were; what we made ourselves is read again."""
        if not layout.is_own(member.path):
            place = self.target / layout.place_of(member)
            return member.role in (Role.FOLDER, Role.SYMLINK) or (place.is_file() and place.stat().st_size == member.size)
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


def take_completed(folder: Path) -> Completed | None:
    """Remove the working files of a run that was killed right after it had finished the folder's manifest."""
    work = folder / layout.WORK
    if not work.is_dir() or not (folder / layout.MANIFEST).exists():
        return None
    base = FolderArchive(folder)
    header = base.header
    sealed = Sealed(folder, header.members, header.bytes, header.generation)
    with files.explaining(f"look into {printable(work)}"):
        empty = not any(work.iterdir())
    if empty:  # killed between the last two steps
        files.remove_empty_folders(work)
        return Completed({}, sealed, nameless=True)
    journal = MemberJournal(work / "journal")
    try:
        head = journal.head()
        if head is not None and head.get("generation") == header.generation - 1:
            identities, members = journaled(journal)
            if members.keys() <= {member.path for member in base.members()}:
                FolderWriter(folder, journal, base)._remove_work()
                return Completed(identities, sealed)
    finally:
        journal.remove_if_empty()
    files.remove_empty_folders(work)
    return None
