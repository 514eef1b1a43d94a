"""Keeping a drive streaming: one thread reads files ahead into a ring of buffers, one digests them, one writer empties it.

A drive that gets no data stops, rewinds a little and starts again, which takes seconds and wears the tape. So the writer
begins when the ring is half full; when it finds the ring empty it has starved, is counted, and waits until the ring is half
full again. Files go to the tape one after the other, each read once; an index is committed every so many bytes, and only
what is committed is reported as written.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from queue import Queue
from typing import Protocol

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import FilmArchiveError, NoSpace, ShortRead, UsageError
from film_archive.core.source import ByteSource
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile, Times

ALGORITHMS = ("xxh128", "sha256")
"""What every file on tape gets: our key, and one that no forger can meet."""
COMMIT_EVERY = 36 << 30
"""Bytes between two indexes, as other programs have it: each of them makes a drive stop twice."""
_SLOT = 4 << 20
_RING = 256 << 20


@dataclass(frozen=True, slots=True)
class FileToWrite:
    """A file that is to be on tape: its path there, how it is opened, its times, attributes beside its digests."""

    path: str
    open: Callable[[], ByteSource]
    times: Times
    readonly: bool = False
    attributes: tuple[TapeAttribute, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that is on tape for good. `place` is its number among those that were to be written."""

    place: int
    path: str
    file: TapeFile
    digests: dict[str, str]


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file that could not be read, or can't be on this tape; it is not on it."""

    place: int
    path: str
    error: FilmArchiveError


@dataclass(frozen=True, slots=True)
class Fed:
    """What a run did. `next` is the first file that was not reached, the number of files where all were."""

    written: tuple[WrittenFile, ...]
    failed: tuple[FailedFile, ...]
    next: int
    full: bool
    """Whether the cartridge ended; `next` is then the file that did not fit."""
    size: int
    """Bytes of the files that were written."""
    starved: int
    """How often the writer found nothing to write while there was more to read."""
    starved_seconds: float
    commits: int


class WritableVolume(Protocol):
    """What files can be fed to: a volume in a drive, or one that the system mounts."""

    @property
    def uncommitted(self) -> int: ...

    def write_file(
        self,
        path: str,
        blocks: Iterable[bytes | bytearray | memoryview],
        times: Times,
        *,
        attributes: Callable[[], Iterable[TapeAttribute]] = ...,
        readonly: bool = False,
    ) -> TapeFile: ...

    def commit(self, comment: str = "") -> None: ...


@dataclass(slots=True)
class _Block:
    """Bytes of a file in a buffer of the ring, which is free again when all its users are through."""

    buffer: bytearray
    size: int
    users: int = 2
    """The thread that digests, and the writer."""


@dataclass(slots=True)
class _Begin:
    place: int


class _Digesting:
    """The digests of one file, while they are computed. It ends the file among the events."""

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        self.hasher = MultiHasher(algorithms)
        self._done = threading.Event()
        self._error: BaseException | None = None

    def finish(self, error: BaseException | None = None) -> None:
        self._error = error
        self._done.set()

    def digests(self) -> dict[str, str]:
        """Name → hex, when all blocks are through."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self.hasher.digests()


@dataclass(slots=True)
class _Failure:
    error: BaseException


_Event = _Block | _Begin | _Digesting | _Failure | None
"""None: all files were read."""


class _Ring:
    """The threads that read and digest, and what they are ahead of the writer."""

    def __init__(self, files: Sequence[FileToWrite], first: int, algorithms: tuple[str, ...], size: int) -> None:
        self._files = files
        self._first = first
        self._algorithms = algorithms
        self._slots = max(2, size // _SLOT)
        self._made = 0
        self._free: list[bytearray] = []
        self._events: deque[_Event] = deque()
        self._to_digest: Queue[tuple[_Digesting, _Block | None] | None] = Queue()
        self._filled = 0
        self._finished = False
        self._stopped = False
        self._changed = threading.Condition()
        self.starved = 0
        self.starved_seconds = 0.0
        self._threads = [
            threading.Thread(target=self._read, name="read for the tape", daemon=True),
            threading.Thread(target=self._digest, name="digest for the tape", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    # The reading thread

    def _read(self) -> None:
        try:
            for place in range(self._first, len(self._files)):
                self._put(_Begin(place))
                try:
                    self._put(self._read_file(self._files[place]))
                except FilmArchiveError as error:
                    self._put(_Failure(error))
            self._put(None)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001  handed to the writer, who raises it
            self._put(_Failure(error))
        finally:
            self._to_digest.put(None)

    def _read_file(self, file: FileToWrite) -> _Digesting:
        digesting = _Digesting(self._algorithms)
        with file.open() as source:
            position = 0
            while position < source.size:
                buffer = self._take()
                view = memoryview(buffer)[: source.size - position]
                count = source.read_into(position, view)
                if count != len(view):
                    raise ShortRead(f"{source.name} ended at byte {position + count} of {source.size}.")
                position += count
                block = _Block(buffer, count)
                self._to_digest.put((digesting, block))
                self._put(block)
            source.check_unchanged()
        self._to_digest.put((digesting, None))
        return digesting

    def _digest(self) -> None:
        """Digest blocks in the order in which they were read."""
        while (asked := self._to_digest.get()) is not None:
            digesting, block = asked
            if block is None:
                digesting.finish()
                continue
            try:
                digesting.hasher.update(memoryview(block.buffer)[: block.size])
            except BaseException as error:  # noqa: BLE001  raised by whoever asks for the digests
                digesting.finish(error)
            self.give_back(block)

    def _take(self) -> bytearray:
        with self._changed:
            while not self._free and self._made >= self._slots and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise _Stopped
            if self._free:
                return self._free.pop()
            self._made += 1
        return bytearray(_SLOT)

    def _put(self, event: _Event) -> None:
        with self._changed:
            # Files without bytes take no buffer, so their number ahead is bounded here.
            while len(self._events) > 64 * self._slots and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise _Stopped
            self._events.append(event)
            self._filled += isinstance(event, _Block)
            broken = isinstance(event, _Failure) and not isinstance(event.error, FilmArchiveError)
            self._finished = self._finished or event is None or broken
            self._changed.notify_all()

    # The writer

    def get(self) -> _Event:
        """The next event; where there is none yet, wait until the ring is half full."""
        with self._changed:
            if not self._events:
                begun = time.monotonic()
                self._wait_until_half_full()
                self.starved += 1
                self.starved_seconds += time.monotonic() - begun
            event = self._events.popleft()
            if isinstance(event, _Block):
                self._filled -= 1
            self._changed.notify_all()
        return event

    def fill(self) -> None:
        """Wait until the ring is half full, or all is read."""
        with self._changed:
            self._wait_until_half_full()

    def _wait_until_half_full(self) -> None:
        while not (self._events and (self._finished or self._filled * 2 >= self._slots or len(self._events) > 8 * self._slots)):
            self._changed.wait()

    def give_back(self, block: _Block) -> None:
        """One of a block's users is through with it."""
        with self._changed:
            block.users -= 1
            if block.users == 0:
                self._free.append(block.buffer)
                self._changed.notify_all()

    def stop(self) -> None:
        """End the threads, at the latest when the block that is being read is read."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


class _Stopped(Exception):
    """The writer wants no more."""


class _NotRead(Exception):
    """The reading thread failed in the middle of a file."""

    def __init__(self, error: FilmArchiveError) -> None:
        super().__init__(str(error))
        self.error = error


def feed(
    volume: WritableVolume,
    files: Sequence[FileToWrite],
    *,
    first: int = 0,
    algorithms: tuple[str, ...] = ALGORITHMS,
    commit_every: int = COMMIT_EVERY,
    ring: int = _RING,
    on_bytes: Callable[[int], None] | None = None,
    on_committed: Callable[[Sequence[WrittenFile]], None] | None = None,
) -> Fed:
    """Write files to a volume from the `first` on, in order, and commit; stops where the cartridge is full.

    A file that can't be read, or that the volume can't take, is left out and told. `on_committed` hears of files when they
    are on tape for good. Raises what the drive raises; what was reported before is on the tape.
    """
    unknown = [name for name in algorithms if name not in DIGEST_KEYS]
    if unknown:
        raise UsageError(f"There is no name on tape for the digest {unknown[0]!r}; there are {', '.join(DIGEST_KEYS)}.")
    run = _Run(volume, files, algorithms, commit_every, on_bytes, on_committed)
    reading = _Ring(files, first, algorithms, ring)
    try:
        run.write_all(reading, first)
    finally:
        reading.stop()
    run.commit()
    return Fed(
        *(tuple(run.written), tuple(run.failed), run.next, run.full),
        *(run.size, reading.starved, reading.starved_seconds, run.commits),
    )


class _Run:
    """The writer's side of one run."""

    def __init__(
        self,
        volume: WritableVolume,
        files: Sequence[FileToWrite],
        algorithms: tuple[str, ...],
        commit_every: int,
        on_bytes: Callable[[int], None] | None,
        on_committed: Callable[[Sequence[WrittenFile]], None] | None,
    ) -> None:
        self._volume = volume
        self._files = files
        self._algorithms = algorithms
        self._commit_every = commit_every
        self._on_bytes = on_bytes
        self._on_committed = on_committed
        self._waiting: list[WrittenFile] = []
        self.written: list[WrittenFile] = []
        self.failed: list[FailedFile] = []
        self.next = 0
        self.full = False
        self.size = 0
        self.commits = 0

    def write_all(self, reading: _Ring, first: int) -> None:
        self.next = first
        reading.fill()
        while (event := reading.get()) is not None:
            if isinstance(event, _Failure):
                raise event.error
            assert isinstance(event, _Begin)
            if not self._write(reading, event.place):
                return
            if self._volume.uncommitted >= self._commit_every:
                self.commit()

    def _write(self, reading: _Ring, place: int) -> bool:
        """Write one file; False where the cartridge is full."""
        file = self._files[place]
        found: dict[str, str] = {}
        blocks = self._blocks(reading, found)

        def attributes() -> tuple[TapeAttribute, ...]:
            digests = (TapeAttribute(DIGEST_KEYS[name], found[name].encode("ascii")) for name in self._algorithms)
            return (*file.attributes, *digests)

        try:
            on_tape = self._volume.write_file(file.path, blocks, file.times, attributes=attributes, readonly=file.readonly)
        except NoSpace:
            self.full, self.next = True, place
            return False
        except _NotRead as failed:
            self.failed.append(FailedFile(place, file.path, failed.error))
        except FilmArchiveError as refused:
            if inspect.getgeneratorstate(blocks) != inspect.GEN_CREATED:
                raise  # it was begun, so the drive failed
            self.failed.append(FailedFile(place, file.path, self._passed_over(blocks) or refused))
        else:
            self._waiting.append(WrittenFile(place, file.path, on_tape, found))
            self.size += on_tape.length
        self.next = place + 1
        return True

    @staticmethod
    def _passed_over(blocks: Iterable[memoryview]) -> FilmArchiveError | None:
        """Let a file go by that the ring has already; returns why it could not have been read either."""
        try:
            for _ in blocks:
                pass
        except _NotRead as failed:
            return failed.error
        return None

    def _blocks(self, reading: _Ring, found: dict[str, str]) -> Generator[memoryview, None, None]:
        """The bytes of a file; its digests are in `found` when they are all through."""
        while not isinstance(event := reading.get(), _Digesting):
            if isinstance(event, _Failure):
                if isinstance(event.error, FilmArchiveError):
                    raise _NotRead(event.error)
                raise event.error
            assert isinstance(event, _Block)
            yield memoryview(event.buffer)[: event.size]
            reading.give_back(event)
            if self._on_bytes is not None:
                self._on_bytes(event.size)
        found.update(event.digests())

    def commit(self) -> None:
        if not self._waiting and not self._volume.uncommitted:
            return
        self._volume.commit()
        self.commits += 1
        self.written += self._waiting
        if self._on_committed is not None and self._waiting:
            self._on_committed(tuple(self._waiting))
        self._waiting = []
