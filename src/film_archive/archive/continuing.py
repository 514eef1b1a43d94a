"""What the zip form and the folder form have in common while they are written: finished members are journaled, and a killed
run is continued.

A member's bytes come first, then its line in the journal; a run that is begun again asks for each member in the same order
(`reuse`) and makes only what is missing. The journal is the manifest in waiting: members are not held in memory.
"""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from film_archive import __version__
from film_archive.archive import layout
from film_archive.archive.entries import EPOCH_NS, naming_others
from film_archive.archive.journal import MemberJournal
from film_archive.archive.sequences import frame_as_member, with_frames
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, Refused
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_table import FrameFile, SequenceName
from film_archive.core.manifest import Header, Superseded, archive_id, member_line
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, MemorySource, printable

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
        self._frames: list[FrameFile] = []
        """Of the sequence that is being added."""
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
            if line[0] <= self._trusted or self._holds(frame_as_member(path, frame)):
                self._consume(line)
                self._position = line[1]["end"]
                self._reused += 1
                self._frames.append(frame)
                return
        elif line is not None and line[1].get("path") != path and self._reused <= 1:
            self._refuse_other_work()
        self._stop_reusing()
        frame = self._put_frame(path, number, source, mtime_ns, mode, on_bytes)
        self._append({"frame": dataclasses.astuple(frame), "path": path, "identity": identity}, frame.size)
        self._frames.append(frame)

    @abstractmethod
    def _put_frame(
        self, path: str, number: int, source: ByteSource, mtime_ns: int, mode: int, on_bytes: OnBytes | None
    ) -> FrameFile:
        """Store and digest one file of a sequence."""

    def end_sequence(
        self, name: SequenceName, path: str | None = None, *, media: MediaFacts | None = None, **facts: Any
    ) -> Member:
        """The frames added since the last member become one member, an image sequence; `facts` as for `add`.

        Its `path` is the pattern of its name unless another is given.
        """
        path = name.pattern if path is None else path
        identity = f"sequence {path}"
        member = self.reuse(path, identity)
        if member is None:
            member = Member.make(path, Role.ORIGINAL, 0, media=media, sequence=name.to_json(), **facts)
            self._write_line(member, identity)
        elif member.sequence is None:
            raise Damaged(f"What a run before wrote down of {printable(path)} can't be; remove it with --abandon.")
        frames, self._frames = self._frames, []
        return with_frames(member, frames)

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

    def written(self) -> Iterator[Member]:
        """The members of this generation so far, those of a run before that was killed among them."""
        return self._new_members()

    def _new_members(self) -> Iterator[Member]:
        frames: list[FrameFile] = []
        for _, record in self._journal.lines():
            if "frame" in record:
                frames.append(FrameFile(*record["frame"]))
            elif "member" in record:
                member = Member(record["member"])
                yield with_frames(member, frames) if member.sequence is not None else member
                frames.clear()

    def _live(self) -> Iterator[Member]:
        """All members of the new generation, in order, without their proxies named."""
        for member in self.base_members():
            if member.path not in self._dropped:
                yield member
        yield from self._new_members()

    def _listed(self) -> Iterator[Member]:
        """All members of the new generation, each original naming its proxies."""
        return naming_others(self._live)

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
