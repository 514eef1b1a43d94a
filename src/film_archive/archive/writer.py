"""Writing an archive in its zip form.

The order of writing is what makes a kill harmless: a member's bytes, then its local header, then its line in the journal;
when all members are there the manifest, the directory and its seal, fsync, and only then the name that people see.

`add` works on a clone of the archive where the file system can share blocks, and gives it the archive's name at the end.
Elsewhere it appends behind the old directory, which stays untouched and is found again by the reader if the add is killed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from film_archive.archive import layout, sealing, zipformat
from film_archive.archive.continuing import OnBytes, Sealed, Writer
from film_archive.archive.draft import Draft
from film_archive.archive.entries import EPOCH_NS, entries_of
from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import ZipArchive
from film_archive.archive.unfinished import head_of_add, listing_bytes, manifest_region, roll_back, seal_of
from film_archive.core import copying, files
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, Refused
from film_archive.core.frame_table import FrameFile
from film_archive.core.manifest import Header, Superseded, member_line
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, printable

__all__ = ["EPOCH_NS", "OnBytes", "Sealed", "Writer", "ZipWriter"]


class ZipWriter(Writer):
    """The zip form."""

    def __init__(
        self,
        target: Path,
        journal: MemberJournal,
        draft: Draft,
        base: ZipArchive | None,
        algorithms: Iterable[str] = (),
    ) -> None:
        super().__init__(target, journal, algorithms)
        self._draft = draft
        self._base = base

    @classmethod
    def create(cls, target: Path, *, algorithms: Iterable[str] = ()) -> ZipWriter:
        """Begin a new archive, or continue the one that a killed run left unfinished under this name."""
        _refuse_existing(target)
        work = files.temporary_name(target, "work")
        journal = MemberJournal(files.temporary_name(target, "journal"))
        with _closing_on_error(journal):
            _refuse_existing(target)  # now that nobody else can be about to give it that name
            head = journal.head()
            resuming = head is not None and head["head"] == "create" and work.exists()
            writer = cls(target, journal, Draft.new(work, target, keep=resuming), None, algorithms)
            with writer._closing_on_error():
                if resuming:
                    writer._start_reusing()
                else:
                    journal.truncate(0)
                    journal.append({"head": "create", "generation": 0})
                writer._write_mark()
                writer._begun = False
        return writer

    @classmethod
    def add_to(cls, target: Path, *, algorithms: Iterable[str] = ()) -> ZipWriter:
        """Begin a new generation of an archive, or continue one that was killed."""
        if not target.exists():
            raise NotFound(f"There is no archive {printable(target)}; make one with `create`.")
        target = target.resolve()
        work = files.temporary_name(target, "work")
        journal = MemberJournal(files.temporary_name(target, "journal"))
        with _closing_on_error(journal):
            base = ZipArchive(target)
            try:
                base.require_manifest("be added to")
                if not base.sealed:
                    raise Damaged(
                        f"{base.name} was altered by another program or is damaged; run `repair` before adding to it."
                    )
                draft = _draft_of_killed_add(work, journal, base)
                resuming = draft is not None
                if draft is None:
                    roll_back(target, work, base, journal)
                    draft = _begin_add(work, journal, base)
                writer = cls(target, journal, draft, base, algorithms)
                with writer._closing_on_error():
                    if resuming:
                        writer._start_reusing()
            except BaseException:
                base.close()
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
        found = self.reuse(path, identity)
        if found is not None:
            return found
        member = self._put(path, source, role, mtime_ns, mode, on_bytes, facts)
        self._write_line(member, identity, source.size)
        return member

    def add_known(
        self,
        path: str,
        source: ByteSource,
        known: Member,
        *,
        identity: str,
        mtime_ns: int = EPOCH_NS,
        mode: int = 0o644,
        on_bytes: OnBytes | None = None,
        **facts: Any,
    ) -> Member:
        """As `add` for an original whose bytes were proven to have `known`'s digests: shared or copied, and not read."""
        found = self.reuse(path, identity)
        if found is not None:
            return found
        member = self._put(path, source, Role.ORIGINAL, mtime_ns, mode, on_bytes, facts, known)
        self._write_line(member, identity, source.size)
        return member

    def _put(
        self,
        path: str,
        source: ByteSource,
        role: Role,
        mtime_ns: int,
        mode: int,
        on_bytes: OnBytes | None,
        facts: Mapping[str, Any],
        known: Member | None = None,
    ) -> Member:
        """Payload, then local header; what goes wrong leaves nothing of the member."""
        name = path.encode("utf-8")
        size = source.size
        aligned = size > 0 and role != Role.STRUCTURE
        _, payload = zipformat.place(self._draft.end, name, size, size, mtime_ns // 10**9, aligned=aligned)
        layout.check_member_name(path, own=role != Role.ORIGINAL)
        with self._draft.undoing(path, payload + size):
            digests = self._filled(source, payload, on_bytes, known)
            crc = digests.pop("crc32")
            member = Member.make(
                path,
                role,
                size,
                offset=payload,
                crc32=crc,
                digests=digests,
                mtime_ns=mtime_ns,
                mode=mode,
                **facts,
            )
            self._draft.write_header(member)
        return member

    def _filled(
        self, source: ByteSource, payload: int, on_bytes: OnBytes | None, known: Member | None
    ) -> dict[str, str]:
        """Put a payload into its place; its digests, computed or known."""
        if known is None:
            return copying.pour(
                source, self._draft.descriptor, payload, algorithms=self._algorithms, on_bytes=on_bytes
            ).digests
        copying.transfer(source, self._draft.descriptor, payload, on_bytes=on_bytes)
        return {KEY: known.digests[KEY], "crc32": f"{known.crc32 or 0:08x}"}

    def _put_frame(
        self, path: str, number: int, source: ByteSource, mtime_ns: int, mode: int, on_bytes: OnBytes | None
    ) -> FrameFile:
        member = self._put(path, source, Role.ORIGINAL, mtime_ns, mode, on_bytes, {})
        return FrameFile(
            number, member.size, member.offset, member.crc32 or 0, member.digests[KEY], mtime_ns, mode
        )

    def add_folder(self, path: str, *, empty: bool, mtime_ns: int, mode: int, raw_name: str | None = None) -> Member:
        if not empty:
            return super().add_folder(path, empty=False, mtime_ns=mtime_ns, mode=mode, raw_name=raw_name)
        identity = f"folder {mtime_ns} {mode}"
        found = self.reuse(path, identity)
        if found is not None:
            return found
        name = path.encode("utf-8") + b"/"
        _, payload = zipformat.place(self._draft.end, name, 0, 0, mtime_ns // 10**9, aligned=False)
        member = Member.make(
            path, Role.FOLDER, 0, offset=payload, crc32="00000000", mtime_ns=mtime_ns, mode=mode, raw_name=raw_name
        )
        layout.check_member_name(path)
        with self._draft.undoing(path, payload):
            self._draft.write_header(member)
        self._write_line(member, identity)
        return member

    def finish(self) -> Sealed:
        self._next_pending()
        self._stop_reusing()
        draft = self._draft
        with files.explaining(f"finish {printable(self.target)}", needed=self._still_to_write, folder=self.target.parent):
            self._sync()
            header, size = self._placed_header()
            entry, payload = sealing.write_manifest(draft.descriptor, draft.end, self._manifest(header), size)
            entries = (placed for member in self._live() for placed in entries_of(member))
            sealing.write_directory(draft.descriptor, entries, entry, payload)
            if self._base is not None and not draft.appends:
                draft.take_permissions()
            draft.sync()
        if not draft.appends:
            files.rename(draft.path, self.target, replace=self._base is not None)
        self._finished = True
        self._journal.remove()
        self._close()
        return Sealed(self.target, header.members, header.bytes, header.generation)

    def abandon(self) -> None:
        with files.explaining(f"abandon what is unfinished of {printable(self.target)}"):
            if self._draft.appends:
                self._draft.truncate(self._draft.start)
                self._draft.sync()
            else:
                files.remove(self._draft.path)
        self._journal.remove()
        self._finished = True
        self._close()

    # inside

    @contextlib.contextmanager
    def _closing_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise

    @property
    def _position(self) -> int:
        return self._draft.end

    @_position.setter
    def _position(self, value: int) -> None:
        self._draft.end = value

    def base_members(self) -> Iterator[Member]:
        return iter(()) if self._base is None else self._base.members()

    def _truncate(self, position: int) -> None:
        self._draft.truncate(position)

    def _sync_data(self) -> None:
        self._draft.sync()

    def _holds(self, member: Member) -> bool:
        return self._draft.holds(member)

    def _refuse_other_work(self) -> None:
        if self._base is None:
            raise Refused(
                f"An unfinished archive of other files is waiting under {printable(self.target)}; repeat the command that "
                "began it, or remove it with `create --abandon`."
            )

    def _write_mark(self) -> None:
        """The first member: at byte 0, so that the file begins as a zip, and says what it is."""
        self.add_bytes(layout.FORMAT, layout.FORMAT_TEXT, identity="format 1", role=Role.STRUCTURE)

    def _placed_header(self) -> tuple[Header, int]:
        """The manifest's first line, and the size of all of it."""
        base = None if self._base is None else self._base.header
        unplaced = self._header(base, 0, self._superseded())
        known = 0 if self._base is None or self._base.manifest_entry is None else self._base.manifest_entry.size
        lines_size = 0
        if 2 * (known + self._journal.end) >= zipformat.MAX32:  # a proxy is told of twice; more needs no second look
            lines_size = sum(len(member_line(member)) for member in self._listed())
        return sealing.manifest_of(lambda offset: replace(unplaced, offset=offset), self._draft.end, lines_size)

    def _still_to_write(self) -> int:
        """Bytes of manifest and directory, about: those of before, and what the journal has of the new members."""
        return 2 * self._journal.end + (0 if self._base is None else listing_bytes(self._base))

    def _superseded(self) -> tuple[Superseded, ...]:
        if self._base is None:
            return ()
        regions = list(self._base.require_manifest("be added to").superseded)
        for member in self._base.members():
            if member.path in self._dropped:
                for entry, payload in entries_of(member):
                    regions.append(_region(self._base.file, entry.header_offset, payload + entry.packed_size))
        if self._draft.appends:
            old = manifest_region(self._base)
            regions.append(_region(self._base.file, old.offset, self._draft.start))
        return tuple(sorted(regions, key=lambda region: region.offset))

    def _close(self) -> None:
        self._draft.close()
        self._journal.close()
        if self._base is not None:
            self._base.close()


def _region(source: ByteSource, start: int, end: int) -> Superseded:
    hasher = MultiHasher()
    for block in read_ahead(source, start, end - start):
        hasher.update(block)
    return Superseded(offset=start, length=end - start, xxh128=hasher.digests()[KEY])


def _draft_of_killed_add(work: Path, journal: MemberJournal, base: ZipArchive) -> Draft | None:
    """What a killed add to this very generation was writing, if it is still there."""
    head = head_of_add(journal, base)
    if head is None:
        return None
    if head["head"] == "append":
        return Draft.behind(base.path, head["start"])
    return Draft.new(work, base.path, keep=True, start=head["start"]) if work.exists() else None


def _begin_add(work: Path, journal: MemberJournal, base: ZipArchive) -> Draft:
    with files.explaining(f"add to {printable(base.path)}"):
        draft = Draft.clone(work, base) or Draft.behind(base.path, base.directory.end.end)
        try:
            journal.truncate(0)
            journal.append(
                {
                    "head": "append" if draft.appends else "clone",
                    "start": draft.start,
                    "generation": base.require_manifest("be added to").generation,
                    "seal": seal_of(base),
                }
            )
            journal.sync()
        except BaseException:
            draft.close()
            if not draft.appends:
                with contextlib.suppress(FilmArchiveError):
                    files.remove(work)
            raise
    return draft


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise Refused(f"{printable(target)} exists already; use `add` to put more into it, or another name.")


@contextlib.contextmanager
def _closing_on_error(journal: MemberJournal) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(FilmArchiveError):  # what went wrong first says more
            journal.remove_if_empty()
        raise
