"""Writing an archive: what the zip form and the folder form have in common, and the zip form.

The order of writing is what makes a kill harmless: a member's bytes, then its local header, then its line in the journal;
when all members are there the manifest, the directory and its seal, fsync, and only then the name that people see. The
journal is the manifest in waiting: members are not held in memory.

`add` works on a clone of the archive where the file system can share blocks, and gives it the archive's name at the end.
Elsewhere it appends behind the old directory, which stays untouched and is found again by the reader if the add is killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from film_archive import __version__
from film_archive.archive import layout, salvage, sealing, zipformat
from film_archive.archive.entries import EPOCH_NS, entries_of, entry_of, is_zero, naming_proxies
from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import ZipArchive
from film_archive.core import copying, files
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, Refused
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_table import FrameFile, FrameTable, SequenceName
from film_archive.core.manifest import Header, Member, Role, Superseded, archive_id, member_line
from film_archive.core.reflink import clone_whole
from film_archive.core.source import ByteSource, FileSource, MemorySource, SliceSource, printable

OnBytes = Callable[[int], None]

_SYNC_BYTES = 256 << 20
_SYNC_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a finished archive holds."""

    path: Path
    members: int
    """Lines of the manifest."""
    bytes: int
    """Payload bytes of all members."""
    generation: int


class Writer(ABC):
    """An archive in the making. Use it as a context manager: leaving it without `finish` keeps what is done for the next run.

    `reuse` must be asked, in the same order as in the run that was killed, before a member is made.
    """

    target: Path

    def __init__(self, target: Path, journal: MemberJournal, algorithms: Iterable[str]) -> None:
        self.target = target
        self._journal = journal
        self._algorithms = tuple(dict.fromkeys(("crc32", KEY, *algorithms)))
        self._pending: Iterator[tuple[int, dict[str, Any]]] | None = None
        self._peeked: tuple[int, dict[str, Any]] | None = None
        self._trusted = 0
        self._reused = 0
        self._unsynced = 0
        self._last_sync = time.monotonic()
        self._dropped: set[str] = set()
        self._begun = False
        """Whether there is something that the next run could reuse."""
        self._finished = False

    @abstractmethod
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
        """Put a source in as a member; `identity` names what it was made from, for `reuse` after a kill.

        `facts` are more values of its line (media, of, raw_name, proxy …). Raises SourceChanged where the source changed
        meanwhile; nothing of it is then kept.
        """

    def add_frame(self, path: str, number: int, source: ByteSource, *, identity: str, mtime_ns: int, mode: int,
                  on_bytes: OnBytes | None = None) -> None:  # fmt: skip
        """One file of an image sequence; `end_sequence` makes a member of all that were added since the last one."""
        line = self._next_pending()
        if line is not None and line[1].get("identity") == identity and line[1].get("path") == path and "frame" in line[1]:
            frame = FrameFile(*line[1]["frame"])
            if line[0] <= self._trusted or self._holds(_frame_as_member(path, frame)):
                self._consume(line)
                self._position = line[1]["end"]
                self._reused += 1
                return
        elif line is not None and line[1].get("path") != path and self._reused <= 1:
            self._refuse_other_work()
        self._stop_reusing()
        frame = self._put_frame(path, number, source, mtime_ns, mode, on_bytes)
        self._append({"frame": dataclasses.astuple(frame), "path": path, "identity": identity}, frame.size)

    @abstractmethod
    def _put_frame(
        self, path: str, number: int, source: ByteSource, mtime_ns: int, mode: int, on_bytes: OnBytes | None
    ) -> FrameFile:
        """Store and digest one file of a sequence."""

    def end_sequence(self, name: SequenceName, *, media: MediaFacts | None = None, **facts: Any) -> Member:
        """The frames added since the last member become one member, an image sequence; `facts` as for `add`."""
        identity = f"sequence {name.pattern}"
        found = self.reuse(name.pattern, identity)
        if found is not None:
            return found
        member = Member.make(name.pattern, Role.ORIGINAL, 0, media=media, sequence=name.to_json(), **facts)
        self._write_line(member, identity)
        return member

    @abstractmethod
    def finish(self) -> Sealed:
        """Write manifest and directory, make all durable, and give the archive its name."""

    @abstractmethod
    def abandon(self) -> None:
        """Remove all that is unfinished; what was there before is as it was."""

    @abstractmethod
    def base_members(self) -> Iterator[Member]:
        """The members that were there before, in the case of an add."""

    @abstractmethod
    def _truncate(self, position: int) -> None:
        """Forget payload bytes behind a position."""

    @property
    @abstractmethod
    def _position(self) -> int: ...

    @_position.setter
    @abstractmethod
    def _position(self, value: int) -> None: ...

    @abstractmethod
    def _sync_data(self) -> None: ...

    @abstractmethod
    def _holds(self, member: Member) -> bool:
        """Whether a member's bytes are what its line says (read again)."""

    def add_bytes(self, path: str, data: bytes, *, identity: str, role: Role, **facts: Any) -> Member:
        """A small member from memory."""
        return self.add(path, MemorySource(data, path), identity=identity, role=role, **facts)

    def add_folder(self, path: str, *, empty: bool, mtime_ns: int, mode: int, raw_name: str | None = None) -> Member:
        """A folder: an empty one becomes a member of its own, of another only times and mode are kept."""
        return self.note(Member.make(path, Role.FOLDER, 0, mtime_ns=mtime_ns, mode=mode, raw_name=raw_name))

    def add_symlink(
        self, path: str, target: str, *, mtime_ns: int, raw_name: str | None = None, raw_target: str | None = None
    ) -> Member:
        """A symbolic link: recorded with where it points, not stored as a link. `raw_…`: hex of what is not UTF-8."""
        member = Member.make(
            path, Role.SYMLINK, 0, target=target, mtime_ns=mtime_ns, raw_name=raw_name, raw_target=raw_target
        )
        return self.note(member)

    def note(self, member: Member) -> Member:
        """A line of the manifest that has no bytes in the archive."""
        layout.check_member_name(member.path)
        identity = member_line(member).decode()
        found = self.reuse(member.path, identity)
        if found is not None:
            return found
        self._write_line(member, identity)
        return member

    def drop(self, path: str) -> None:
        """Leave a member of the archive out of the new generation (a proxy that is made anew).

        Only our own data can be dropped: where directory and manifests are lost, `repair` brings originals back from their
        local headers, which do not tell what was dropped.
        """
        if not layout.is_own(path):
            raise Refused(f"{printable(path)} is an original, and those are never dropped; nothing was changed.")
        line = self._next_pending()
        if line is not None and line[1].get("drop") == path:
            self._consume(line)
        else:
            self._stop_reusing()
            self._journal.append({"drop": path})
            self._begun = True
        self._dropped.add(path)

    def reuse(self, path: str, identity: str) -> Member | None:
        """The member of this path if the run before has finished it from the same thing."""
        line = self._next_pending()
        if line is None:
            return None
        record = line[1]
        there = record.get("member", {}).get("path")
        if there == path and record.get("identity") == identity:
            member = Member(record["member"])
            if line[0] <= self._trusted or self._holds(member):
                self._consume(line)
                self._position = record["end"]
                self._reused += 1
                return member
        elif there != path and self._reused <= 1:
            self._refuse_other_work()
        self._stop_reusing()
        return None

    def _refuse_other_work(self) -> None:
        """Raise Refused where what is unfinished belongs to another job that must not be thrown away."""
        return

    @property
    def reused(self) -> int:
        """How many members of the run before were kept."""
        return self._reused

    def _start_reusing(self) -> None:
        """Look through the journal once for how far its members are surely on the medium."""
        self._begun = True  # whatever goes wrong now, what is there is kept
        for position, record in self._journal.lines():
            if "sync" in record:
                self._trusted = position
        self._pending = self._journal.lines()
        head = next(self._pending)
        self._journal.end = head[0]
        self._begun = False

    def _next_pending(self) -> tuple[int, dict[str, Any]] | None:
        while self._pending is not None and self._peeked is None:
            line = next(self._pending, None)
            if line is None:
                self._stop_reusing()
            elif "sync" in line[1]:
                self._journal.end = line[0]
            else:
                self._peeked = line
        return self._peeked

    def _consume(self, line: tuple[int, dict[str, Any]]) -> None:
        self._journal.end = line[0]
        self._peeked = None
        self._begun = True

    def _stop_reusing(self) -> None:
        if self._pending is not None:
            self._pending = self._peeked = None
            self._journal.truncate(self._journal.end)
            self._truncate(self._position)

    def _write_line(self, member: Member, identity: str, written: int = 0) -> None:
        self._append({"member": member.to_json(), "identity": identity}, written)

    def _append(self, record: dict[str, Any], written: int) -> None:
        self._journal.append({**record, "end": self._position})
        self._begun = True
        self._unsynced += written
        now = time.monotonic()
        if self._unsynced >= _SYNC_BYTES or (self._unsynced and now - self._last_sync >= _SYNC_SECONDS):
            self._sync()

    def _sync(self) -> None:
        self._sync_data()
        self._journal.append({"sync": self._unsynced})
        self._journal.sync()
        self._unsynced = 0
        self._last_sync = time.monotonic()

    def _new_members(self) -> Iterator[Member]:
        frames: list[FrameFile] = []
        for _, record in self._journal.lines():
            if "frame" in record:
                frames.append(FrameFile(*record["frame"]))
            elif "member" in record:
                member = Member(record["member"])
                yield _with_frames(member, frames) if member.sequence is not None else member
                frames.clear()

    def _live(self) -> Iterator[Member]:
        """All members of the new generation, in order, without their proxies named."""
        for member in self.base_members():
            if member.path not in self._dropped:
                yield member
        yield from self._new_members()

    def _listed(self) -> Iterator[Member]:
        """All members of the new generation, each original naming its proxies."""
        return naming_proxies(self._live)

    def _header(self, base: Header | None, offset: int | None, superseded: tuple[Superseded, ...]) -> Header:
        count, total = 0, 0
        identities: list[tuple[str, Mapping[str, str]]] = []
        for member in self._live():
            count += 1
            total += member.size
            if base is None and member.is_original:
                identities.append((member.path, member.digests))
        return Header(
            archive_id=base.archive_id if base is not None else archive_id(identities),
            generation=base.generation + 1 if base is not None else 1,
            members=count,
            bytes=total,
            offset=offset,
            tool=f"film-archive {__version__}",
            superseded=superseded,
            more=base.more if base is not None else {},
        )

    def _manifest(self, header: Header) -> Iterator[bytes]:
        yield header.to_line()
        for member in self._listed():
            yield member_line(member)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._finished and not self._begun and self._pending is None:
                self.abandon()
        except (FilmArchiveError, OSError):
            if error is None:  # else that one says what went wrong
                raise
        finally:
            self._close()

    @abstractmethod
    def _close(self) -> None: ...


def _with_frames(member: Member, frames: list[FrameFile]) -> Member:
    """The line of a sequence, with its table, total size and the digest over its frames' digests."""
    table = FrameTable.of(sorted(frames, key=lambda frame: frame.number))
    hasher = MultiHasher()
    hasher.update(table.digests)
    return member.changed(
        size=int(table.sizes.sum()),
        sequence={**member.get("sequence"), "count": len(table)},
        digests=hasher.digests(),
        mtime_ns=int(table.times.max(initial=EPOCH_NS)),
        table=table.to_text(),
    )


def _frame_as_member(path: str, frame: FrameFile) -> Member:
    return Member.make(
        path,
        Role.ORIGINAL,
        frame.size,
        offset=frame.offset,
        crc32=f"{frame.crc32:08x}",
        digests={KEY: frame.xxh128},
        mtime_ns=frame.mtime_ns,
        mode=frame.mode,
    )


class ZipWriter(Writer):
    """The zip form."""

    def __init__(
        self,
        target: Path,
        work: Path,
        journal: MemberJournal,
        *,
        descriptor: int,
        start: int,
        base: ZipArchive | None,
        appending: bool,
        algorithms: Iterable[str] = (),
    ) -> None:
        super().__init__(target, journal, algorithms)
        self._work = work
        self._descriptor = descriptor
        self._start = start
        self._end = start
        self._base = base
        self._appending = appending

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
            descriptor = _open_work(work, keep=resuming)
            writer = cls(
                target, work, journal, descriptor=descriptor, start=0, base=None, appending=False, algorithms=algorithms
            )
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
                writer = cls._resume_add(target, work, journal, base, algorithms)
                if writer is None:
                    _roll_back(target, work, base, journal)
                    writer = cls._begin_add(target, work, journal, base, algorithms)
            except BaseException:
                base.close()
                raise
        return writer

    @classmethod
    def _resume_add(
        cls, target: Path, work: Path, journal: MemberJournal, base: ZipArchive, algorithms: Iterable[str]
    ) -> ZipWriter | None:
        head = _head_of_add(journal, base)
        if head is None or not (head["head"] == "append" or work.exists()):
            return None
        appending = head["head"] == "append"
        descriptor = _open_append(target) if appending else _open_work(work, keep=True)
        writer = cls(
            target,
            work,
            journal,
            descriptor=descriptor,
            start=head["start"],
            base=base,
            appending=appending,
            algorithms=algorithms,
        )
        with writer._closing_on_error():
            writer._start_reusing()
        return writer

    @classmethod
    def _begin_add(
        cls, target: Path, work: Path, journal: MemberJournal, base: ZipArchive, algorithms: Iterable[str]
    ) -> ZipWriter:
        with files.explaining(f"add to {printable(target)}"):
            descriptor, start = _clone(work, base)
            cloned = descriptor >= 0
            if not cloned:
                start = base.directory.end.end
                descriptor = _open_append(target)
            try:
                journal.truncate(0)
                journal.append(
                    {
                        "head": "clone" if cloned else "append",
                        "start": start,
                        "generation": base.require_manifest("be added to").generation,
                        "seal": _seal_of(base),
                    }
                )
                journal.sync()
            except BaseException:
                os.close(descriptor)
                if cloned:
                    with contextlib.suppress(FilmArchiveError):
                        files.remove(work)
                raise
        return cls(
            target,
            work,
            journal,
            descriptor=descriptor,
            start=start,
            base=base,
            appending=not cloned,
            algorithms=algorithms,
        )

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

    def _put(
        self,
        path: str,
        source: ByteSource,
        role: Role,
        mtime_ns: int,
        mode: int,
        on_bytes: OnBytes | None,
        facts: Mapping[str, Any],
    ) -> Member:
        """Payload, then local header; what goes wrong leaves nothing of the member."""
        name = path.encode("utf-8")
        size = source.size
        aligned = size > 0 and role != Role.STRUCTURE
        _, payload = zipformat.place(self._end, name, size, size, mtime_ns // 10**9, aligned=aligned)
        layout.check_member_name(path)
        with self._undoing(path, payload + size):
            poured = copying.pour(source, self._descriptor, payload, algorithms=self._algorithms, on_bytes=on_bytes)
            crc = poured.digests.pop("crc32")
            member = Member.make(
                path,
                role,
                size,
                offset=payload,
                crc32=crc,
                digests=poured.digests,
                mtime_ns=mtime_ns,
                mode=mode,
                **facts,
            )
            self._write_header(member)
        self._end = payload + size
        return member

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
        _, payload = zipformat.place(self._end, name, 0, 0, mtime_ns // 10**9, aligned=False)
        member = Member.make(
            path, Role.FOLDER, 0, offset=payload, crc32="00000000", mtime_ns=mtime_ns, mode=mode, raw_name=raw_name
        )
        layout.check_member_name(path)
        with self._undoing(path, payload):
            self._write_header(member)
        self._end = payload
        self._write_line(member, identity)
        return member

    def finish(self) -> Sealed:
        self._next_pending()
        self._stop_reusing()
        with files.explaining(f"finish {printable(self.target)}", needed=lambda: 1, folder=self.target.parent):
            self._sync()
            _, payload = sealing.manifest_place(self._end)
            base = None if self._base is None else self._base.header
            header = self._header(base, payload, self._superseded())
            entry, payload = sealing.write_manifest(self._descriptor, self._end, self._manifest(header))
            entries = (placed for member in self._live() for placed in entries_of(member))
            sealing.write_directory(self._descriptor, entries, entry, payload)
            if self._base is not None and not self._appending:
                self._keep_status()
            files.sync(self._descriptor)
        if not self._appending:
            files.rename(self._work, self.target, replace=self._base is not None)
        self._finished = True
        self._journal.remove()
        self._close()
        return Sealed(self.target, header.members, header.bytes, header.generation)

    def abandon(self) -> None:
        with files.explaining(f"abandon what is unfinished of {printable(self.target)}"):
            if self._appending:
                os.ftruncate(self._descriptor, self._start)
                files.sync(self._descriptor)
            else:
                files.remove(self._work)
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
        return self._end

    @_position.setter
    def _position(self, value: int) -> None:
        self._end = value

    def base_members(self) -> Iterator[Member]:
        return iter(()) if self._base is None else self._base.members()

    def _truncate(self, position: int) -> None:
        with files.explaining(f"write {printable(self.target)}"):
            os.ftruncate(self._descriptor, position)

    def _sync_data(self) -> None:
        files.sync(self._descriptor)

    def _holds(self, member: Member) -> bool:
        if member.offset is None:
            return True
        with FileSource(self.target if self._appending else self._work) as written:
            if member.offset + member.size > written.size:
                return False
            placed = entry_of(member)
            assert placed is not None
            entry, payload = placed
            expected = zipformat.local_header(entry, payload)
            gap = written.read_at(self._end, entry.header_offset - self._end)
            if written.read_at(entry.header_offset, len(expected)) != expected or not is_zero(gap):
                return False
            hasher = MultiHasher(("crc32", KEY))
            for block in read_ahead(SliceSource(written, payload, member.size)):
                hasher.update(block)
        found = hasher.digests()
        return int(found["crc32"], 16) == (member.crc32 or 0) and found[KEY] == member.digests.get(KEY, found[KEY])

    def _refuse_other_work(self) -> None:
        if self._base is None:
            raise Refused(
                f"An unfinished archive of other files is waiting under {printable(self.target)}; repeat the command that "
                "began it, or remove it with `create --abandon`."
            )

    def _write_mark(self) -> None:
        """The first member: at byte 0, so that the file begins as a zip, and says what it is."""
        self.add_bytes(layout.FORMAT, layout.FORMAT_TEXT, identity="format 1", role=Role.STRUCTURE)

    def _write_header(self, member: Member) -> None:
        placed = entry_of(member)
        assert placed is not None
        entry, payload = placed
        header = zipformat.local_header(entry, payload)
        files.write_at(self._descriptor, header, entry.header_offset)

    @contextlib.contextmanager
    def _undoing(self, path: str, end: int) -> Iterator[None]:
        """Whatever goes wrong in the block, no byte of the half member stays; `end` is where it was to end."""

        def needed() -> int:
            return end - min(end, os.fstat(self._descriptor).st_size)

        try:
            with files.explaining(
                f"put {printable(path)} into {printable(self.target)}", needed=needed, folder=self.target.parent
            ):
                yield
        except BaseException:
            with contextlib.suppress(OSError):  # the next run cuts it off too
                os.ftruncate(self._descriptor, self._end)
            raise

    def _superseded(self) -> tuple[Superseded, ...]:
        if self._base is None:
            return ()
        regions = list(self._base.require_manifest("be added to").superseded)
        for member in self._base.members():
            if member.path in self._dropped:
                for entry, payload in entries_of(member):
                    regions.append(_region(self._base.file, entry.header_offset, payload + entry.packed_size))
        if self._appending:
            old = _manifest_region(self._base)
            regions.append(_region(self._base.file, old.offset, self._start))
        return tuple(sorted(regions, key=lambda region: region.offset))

    def _keep_status(self) -> None:
        status = self.target.stat()
        os.fchmod(self._descriptor, stat.S_IMODE(status.st_mode))

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._journal.close()
        if self._base is not None:
            self._base.close()


@dataclass(frozen=True, slots=True)
class _Region:
    offset: int
    end: int


def _manifest_region(archive: ZipArchive) -> _Region:
    """From the manifest's local header to the end of the file: what an add replaces."""
    entry = archive.manifest_entry
    assert entry is not None
    return _Region(entry.header_offset, archive.directory.end.end)


def _region(source: ByteSource, start: int, end: int) -> Superseded:
    hasher = MultiHasher()
    for block in read_ahead(source, start, end - start):
        hasher.update(block)
    return Superseded(offset=start, length=end - start, xxh128=hasher.digests()[KEY])


def _open_work(path: Path, *, keep: bool) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | (0 if keep else os.O_TRUNC)
    with files.explaining(f"write {printable(path)}"):
        return os.open(path, flags, 0o666)


def _open_append(path: Path) -> int:
    with files.explaining(f"write {printable(path)}"):
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _clone(work: Path, base: ZipArchive) -> tuple[int, int]:
    """(descriptor of a clone that ends before the manifest, where that is), or (-1, 0) where blocks can't be shared."""
    descriptor = _open_work(work, keep=False)
    cloned = False
    try:
        with FileSource(base.path) as old:
            cloned = clone_whole(old.fileno(), descriptor)
        if cloned:
            start = _manifest_region(base).offset
            os.ftruncate(descriptor, start)
            return descriptor, start
    except BaseException:
        cloned = False
        raise
    finally:
        if not cloned:
            os.close(descriptor)
            files.remove(work)
    return -1, 0


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


def _seal_of(base: ZipArchive) -> str:
    return base.directory.end.comment.decode("ascii", "replace")


def _head_of_add(journal: MemberJournal, base: ZipArchive) -> dict[str, Any] | None:
    """The journal's first line, if it is that of an add to this very generation of this very archive."""
    head = journal.head()
    if head is None or head.get("seal") != _seal_of(base):
        return None
    starts = {"append": base.directory.end.end, "clone": _manifest_region(base).offset}
    return head if head["head"] in starts and head.get("start") == starts[head["head"]] else None


def _roll_back(target: Path, work: Path, base: ZipArchive, journal: MemberJournal) -> None:
    """Undo an unfinished add that can't be continued: nothing stays behind the archive's end."""
    files.remove(work)
    if not base.directory.trailing:
        return
    if _head_of_add(journal, base) is None and not salvage.is_unfinished_add(base.file, base.directory.end.end):
        raise Damaged(
            f"{base.name} has {base.directory.trailing} bytes behind its end that are not those of an unfinished add; "
            "run `repair` before adding to it."
        )
    with files.explaining(f"cut {base.directory.trailing} unfinished bytes off {base.name}"):
        descriptor = _open_append(target)
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


def forget_unfinished(target: Path, journal: MemberJournal) -> bool:
    """Remove work file and journal of a run that will not be continued; False if there was nothing in them."""
    work = files.temporary_name(target, "work")
    there = journal.head() is not None or work.exists()
    files.remove(work)
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
            if _head_of_add(journal, base) is not None:
                _roll_back(target, work, base, journal)
        files.remove(work)
        journal.remove()
    finally:
        journal.close()
    return True
