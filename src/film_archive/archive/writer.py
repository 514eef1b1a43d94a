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
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from film_archive import __version__
from film_archive.archive import directory, layout, zipformat
from film_archive.archive.journal import MemberJournal
from film_archive.archive.reader import ZipArchive
from film_archive.archive.zipformat import Entry
from film_archive.core import files
from film_archive.core.digest import KEY, MultiHasher, read_ahead
from film_archive.core.errors import Damaged, NotFound, Refused
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_table import FrameFile, FrameTable, SequenceName
from film_archive.core.manifest import Header, Member, ProxyRecord, Role, Superseded, archive_id, member_line
from film_archive.core.source import ByteSource, FileSource, MemorySource, SliceSource, printable

OnBytes = Callable[[int], None]

EPOCH_NS = 315_532_800 * 10**9
"""1 January 1980, the date of what has none of its own: the time of making is not stored."""

_SYNC_BYTES = 256 << 20
_SYNC_SECONDS = 10.0
_CHUNK = 1 << 20
_MANIFEST_LEVEL = 6


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
        elif line is not None and self._reused <= 1:
            self._refuse_other_work()
        self._stop_reusing()
        frame = self._put_frame(path, number, source, mtime_ns, mode, on_bytes)
        self._append({"frame": dataclasses.astuple(frame), "path": path, "identity": identity}, frame.size)

    @abstractmethod
    def _put_frame(
        self, path: str, number: int, source: ByteSource, mtime_ns: int, mode: int, on_bytes: OnBytes | None
    ) -> FrameFile:
        """Store and digest one file of a sequence."""

    def end_sequence(self, name: SequenceName, *, media: MediaFacts | None = None) -> Member:
        """The frames added since the last member become one member, an image sequence."""
        identity = f"sequence {name.pattern}"
        found = self.reuse(name.pattern, identity)
        if found is not None:
            return found
        member = Member.make(name.pattern, Role.ORIGINAL, 0, media=media, sequence=name.to_json())
        self._write_line(member, identity)
        return member

    @abstractmethod
    def finish(self) -> Sealed:
        """Write manifest and directory, make all durable, and give the archive its name."""

    @abstractmethod
    def abandon(self) -> None:
        """Remove all that is unfinished; what was there before is as it was."""

    @abstractmethod
    def _base_members(self) -> Iterator[Member]:
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

    def add_symlink(self, path: str, target: str, *, mtime_ns: int, raw_name: str | None = None) -> Member:
        """A symbolic link: recorded with where it points, not stored as a link."""
        return self.note(Member.make(path, Role.SYMLINK, 0, target=target, mtime_ns=mtime_ns, raw_name=raw_name))

    def note(self, member: Member) -> Member:
        """A line of the manifest that has no bytes in the archive."""
        identity = member_line(member).decode()
        found = self.reuse(member.path, identity)
        if found is not None:
            return found
        self._write_line(member, identity)
        return member

    def drop(self, path: str) -> None:
        """Leave a member of the archive out of the new generation (a proxy that is made anew)."""
        line = self._next_pending()
        if line is not None and line[1].get("drop") == path:
            self._consume(line)
        else:
            self._stop_reusing()
            self._journal.append({"drop": path})
        self._dropped.add(path)

    def reuse(self, path: str, identity: str) -> Member | None:
        """The member of this path if the run before has finished it from the same thing."""
        line = self._next_pending()
        if line is None:
            return None
        record = line[1]
        if record.get("identity") == identity and record.get("member", {}).get("path") == path:
            member = Member(record["member"])
            if line[0] <= self._trusted or self._holds(member):
                self._consume(line)
                self._position = record["end"]
                self._reused += 1
                return member
        elif self._reused <= 1:
            self._refuse_other_work()
        self._stop_reusing()
        return None

    def _refuse_other_work(self) -> None:
        """Raise Refused where what is unfinished belongs to another job that must not be thrown away."""
        return None

    @property
    def reused(self) -> int:
        """How many members of the run before were kept."""
        return self._reused

    def _start_reusing(self) -> None:
        """Look through the journal once for how far its members are surely on the medium."""
        for position, record in self._journal.lines():
            if "sync" in record:
                self._trusted = position
        self._pending = self._journal.lines()
        head = next(self._pending)
        self._journal.end = head[0]

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

    def _stop_reusing(self) -> None:
        if self._pending is not None:
            self._pending = self._peeked = None
            self._journal.truncate(self._journal.end)
            self._truncate(self._position)

    def _write_line(self, member: Member, identity: str, written: int = 0) -> None:
        self._append({"member": member.to_json(), "identity": identity}, written)

    def _append(self, record: dict[str, Any], written: int) -> None:
        self._journal.append({**record, "end": self._position})
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
        for member in self._base_members():
            if member.path not in self._dropped:
                yield member
        yield from self._new_members()

    def _listed(self) -> Iterator[Member]:
        """All members of the new generation, each original naming its proxies."""
        proxies: dict[str, list[ProxyRecord]] = {}
        for member in self._live():
            if member.role == Role.PROXY and member.of is not None and member.get("proxy"):
                proxies.setdefault(member.of, []).append(
                    ProxyRecord.from_json({**member.get("proxy"), "path": member.path})
                )
        for member in self._live():
            yield member.with_proxies(proxies.get(member.path, ())) if member.is_original else member

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


def entry_of(member: Member) -> tuple[Entry, int] | None:
    """A member's entry in the zip's directory and the place of its payload; None for a line that has no bytes there."""
    payload = member.offset
    if payload is None:
        return None
    folder = member.role == Role.FOLDER
    name = (member.path + "/" if folder else member.path).encode("utf-8")
    mtime_ns = member.mtime_ns
    entry = Entry(
        name=name,
        method=member.method,
        crc32=member.crc32 or 0,
        packed_size=member.packed_size,
        size=member.size,
        header_offset=0,
        mtime=(EPOCH_NS if mtime_ns is None else mtime_ns) // 10**9,
        mode=(stat.S_IFDIR if folder else stat.S_IFREG) | (member.mode if member.mode is not None else 0o644),
    )
    return at_payload(entry, payload), payload


def at_payload(entry: Entry, payload: int) -> Entry:
    """The entry with the header offset that follows from where its payload lies."""
    return Entry(
        entry.name,
        entry.method,
        entry.crc32,
        entry.packed_size,
        entry.size,
        payload - zipformat.header_length(entry, payload),
        entry.mtime,
        entry.mode,
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
        if os.path.lexists(target):
            finish_completed(target)
            raise Refused(f"{printable(target)} exists already; use `add` to put more into it, or another name.")
        work = files.temporary_name(target, "work")
        journal = MemberJournal(files.temporary_name(target, "journal"))
        with _closing_on_error(journal):
            head = next(journal.lines(), None)
            resuming = head is not None and head[1].get("head") == "create" and work.exists()
            descriptor = _open_work(work, keep=resuming)
            writer = cls(
                target, work, journal, descriptor=descriptor, start=0, base=None, appending=False, algorithms=algorithms
            )
            if resuming:
                writer._start_reusing()
            else:
                journal.truncate(0)
                journal.append({"head": "create"})
            writer._write_mark()
        return writer

    @classmethod
    def add_to(cls, target: Path, *, algorithms: Iterable[str] = ()) -> ZipWriter:
        """Begin a new generation of an archive, or continue one that was killed. Foreign zips become archives by it."""
        work = files.temporary_name(target, "work")
        journal = MemberJournal(files.temporary_name(target, "journal"))
        with _closing_on_error(journal):
            base = ZipArchive(target)
            base.require_manifest("be added to")
            if not base.sealed:
                base.close()
                raise Damaged(f"{base.name} was altered by another program or is damaged; run `repair` before adding to it.")
            writer = cls._resume_add(target, work, journal, base, algorithms)
            if writer is None:
                _roll_back(target, work, base)
                writer = cls._begin_add(target, work, journal, base, algorithms)
        return writer

    @classmethod
    def _resume_add(
        cls, target: Path, work: Path, journal: MemberJournal, base: ZipArchive, algorithms: Iterable[str]
    ) -> ZipWriter | None:
        head = next(journal.lines(), None)
        if head is None or head[1].get("generation") != base.require_manifest("be added to").generation:
            return None
        appending = head[1].get("head") == "append"
        if not appending and not work.exists():
            return None
        descriptor = _open_work(target if appending else work, keep=True)
        writer = cls(
            target,
            work,
            journal,
            descriptor=descriptor,
            start=head[1]["start"],
            base=base,
            appending=appending,
            algorithms=algorithms,
        )
        writer._start_reusing()
        return writer

    @classmethod
    def _begin_add(
        cls, target: Path, work: Path, journal: MemberJournal, base: ZipArchive, algorithms: Iterable[str]
    ) -> ZipWriter:
        end = base.directory.end
        descriptor = _open_work(work, keep=False)
        with FileSource(target) as old:
            cloned = files.clone_whole(old.fileno(), descriptor)
        if cloned:
            start = _manifest_region(base).offset
            os.ftruncate(descriptor, start)
        else:
            os.close(descriptor)
            files.remove(work)
            start = end.end
            descriptor = _open_work(target, keep=True)
        journal.truncate(0)
        journal.append(
            {
                "head": "clone" if cloned else "append",
                "start": start,
                "generation": base.require_manifest("be added to").generation,
            }
        )
        journal.sync()
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
        with self._undoing(path):
            poured = files.pour(source, self._descriptor, payload, algorithms=self._algorithms, on_bytes=on_bytes)
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
        with self._undoing(path):
            self._write_header(member)
        self._end = payload
        self._write_line(member, identity)
        return member

    def finish(self) -> Sealed:
        self._next_pending()
        self._stop_reusing()
        with files.explaining(f"finish {printable(self.target)}"):
            self._sync()
            header_at, payload = zipformat.place(
                self._end, layout.MANIFEST.encode(), 0, 0, EPOCH_NS // 10**9, aligned=False
            )
            base = None if self._base is None else self._base.header
            header = self._header(base, payload, self._superseded())
            entry = self._write_manifest(header, header_at, payload)
            self._write_directory(entry, payload, header)
            files.sync(self._descriptor)
        if not self._appending:
            if self._base is not None:
                self._keep_status()
            files.rename(self._work, self.target, replace=self._base is not None)
        self._finished = True
        self._journal.remove()
        self._close()
        return Sealed(self.target, header.members, header.bytes, header.generation)

    def abandon(self) -> None:
        if self._appending:
            os.ftruncate(self._descriptor, self._start)
            files.sync(self._descriptor)
        else:
            files.remove(self._work)
        self._journal.remove()
        self._close()

    # inside

    @property
    def _position(self) -> int:
        return self._end

    @_position.setter
    def _position(self, value: int) -> None:
        self._end = value

    def _base_members(self) -> Iterator[Member]:
        return iter(()) if self._base is None else self._base.members()

    def _truncate(self, position: int) -> None:
        os.ftruncate(self._descriptor, position)

    def _sync_data(self) -> None:
        files.sync(self._descriptor)

    def _holds(self, member: Member) -> bool:
        if member.offset is None:
            return True
        with FileSource(f"/dev/fd/{self._descriptor}", self.target.name) as written:
            if member.offset + member.size > written.size:
                return False
            placed = entry_of(member)
            assert placed is not None
            entry, payload = placed
            expected = zipformat.local_header(entry, payload)
            if written.read_at(entry.header_offset, len(expected)) != expected:
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
        os.pwrite(self._descriptor, header, entry.header_offset)

    @contextlib.contextmanager
    def _undoing(self, path: str) -> Iterator[None]:
        """Whatever goes wrong in the block, no byte of the half member stays."""
        try:
            with files.explaining(f"put {printable(path)} into {printable(self.target)}"):
                yield
        except BaseException:
            os.ftruncate(self._descriptor, self._end)
            raise

    def _write_manifest(self, header: Header, header_at: int, payload: int) -> Entry:
        deflater = zlib.compressobj(_MANIFEST_LEVEL, zlib.DEFLATED, -15)
        hasher = MultiHasher(("crc32",))
        position, buffer, packed = payload, bytearray(), 0

        def flush() -> None:
            nonlocal position, packed
            os.pwrite(self._descriptor, buffer, position)
            position += len(buffer)
            packed += len(buffer)
            buffer.clear()

        for line in self._manifest(header):
            hasher.update(line)
            buffer += deflater.compress(line)
            if len(buffer) >= _CHUNK:
                flush()
        buffer += deflater.flush()
        flush()
        entry = Entry(
            name=layout.MANIFEST.encode(),
            method=zipformat.DEFLATED,
            crc32=int(hasher.digests()["crc32"], 16),
            packed_size=packed,
            size=hasher.size,
            header_offset=header_at,
            mtime=EPOCH_NS // 10**9,
            mode=stat.S_IFREG | 0o644,
        )
        os.pwrite(self._descriptor, zipformat.local_header(entry, payload), header_at)
        return entry

    def _write_directory(self, manifest: Entry, manifest_payload: int, header: Header) -> None:
        start = position = manifest_payload + manifest.packed_size
        buffer, count = bytearray(), 0

        def entries() -> Iterator[tuple[Entry, int]]:
            for member in self._live():
                yield from entries_of(member)
            yield manifest, manifest_payload

        for entry, payload in entries():
            buffer += zipformat.central_header(entry, payload)
            count += 1
            if len(buffer) >= _CHUNK:
                position += os.pwrite(self._descriptor, buffer, position)
                buffer.clear()
        position += os.pwrite(self._descriptor, buffer, position)
        with FileSource(f"/dev/fd/{self._descriptor}", self.target.name) as written:
            sealed = _region(written, manifest.header_offset, position)
        end = zipformat.end_records(count, start, position - start, directory.seal(sealed.xxh128))
        os.pwrite(self._descriptor, end, position)
        os.ftruncate(self._descriptor, position + len(end))

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


def entries_of(member: Member) -> Iterator[tuple[Entry, int]]:
    """All of a member's entries in the zip's directory (an image sequence has one a frame), with their payloads' places."""
    for part in member.frame_members() if member.sequence is not None else (member,):
        placed = entry_of(part)
        if placed is not None:
            yield placed


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
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if keep else os.O_TRUNC)
    with files.explaining(f"write {printable(path)}"):
        return os.open(path, flags, 0o666)


@contextlib.contextmanager
def _closing_on_error(journal: MemberJournal) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if next(journal.lines(), None) is None:
            journal.remove()
        journal.close()
        raise


def _roll_back(target: Path, work: Path, base: ZipArchive) -> None:
    """Undo an unfinished add that can't be continued: nothing stays behind the archive's end."""
    files.remove(work)
    if base.directory.trailing:
        descriptor = _open_work(target, keep=True)
        try:
            os.ftruncate(descriptor, base.directory.end.end)
            files.sync(descriptor)
        finally:
            os.close(descriptor)


def finish_completed(target: Path) -> bool:
    """Remove the journal of a run that was killed right after it had given the archive its name."""
    journal_path = files.temporary_name(target, "journal")
    if not journal_path.exists() or files.temporary_name(target, "work").exists():
        return False
    journal = MemberJournal(journal_path)
    head = next(journal.lines(), None)
    if head is None or head[1].get("head") == "create":
        journal.remove()
        return True
    journal.close()
    return False


def abandon(target: Path) -> bool:
    """Remove what an unfinished create or add has left; an archive that is there is as before. False if there was nothing."""
    work, journal_path = files.temporary_name(target, "work"), files.temporary_name(target, "journal")
    if not work.exists() and not journal_path.exists():
        return False
    journal = MemberJournal(journal_path)
    try:
        with contextlib.suppress(NotFound):
            base = ZipArchive(target)
            try:
                _roll_back(target, work, base)
            finally:
                base.close()
        files.remove(work)
        journal.remove()
    finally:
        journal.close()
    return True
