"""`Ring`: files that are read and digested ahead of whoever writes them, in buffers that go round.

One thread reads, one digests; the writer takes what was read in order: the begin of a file, its blocks, its end with the
digests. When it finds nothing there it waits until half the buffers are full, so that it then has something to stream.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import FilmArchiveError, ShortRead
from film_archive.core.source import ByteSource
from film_archive.tape.ltfs.tree import TapeAttribute, Times

_SLOT = 4 << 20


@dataclass(frozen=True, slots=True)
class FileToWrite:
    """A file that is to be on tape: its path there, how it is opened, its times, attributes beside its digests."""

    path: str
    open: Callable[[], ByteSource]
    times: Times
    readonly: bool = False
    attributes: tuple[TapeAttribute, ...] = ()
    more: Callable[[], tuple[TapeAttribute, ...]] = tuple
    """Further attributes, asked for when all its bytes were read."""
    expected: Callable[[], Mapping[str, str]] = dict
    """Digests that somebody has of it: a file that is not that is not put on tape. Asked for then too."""


@dataclass(slots=True)
class Block:
    """Bytes of a file in a buffer of the ring, which is free again when all its users are through."""

    buffer: bytearray
    size: int
    users: int = 2
    """The thread that digests, and the writer."""


@dataclass(slots=True)
class Begin:
    place: int


class Digesting:
    """The digests of one file, while they are computed. It ends the file among the events."""

    def __init__(self, algorithms: tuple[str, ...]) -> None:
        self.hasher = MultiHasher(algorithms)
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()

    def finish(self, error: BaseException | None = None) -> None:
        self._done.put(error)

    def digests(self) -> dict[str, str]:
        """Name → hex, when all blocks are through."""
        error = self._done.get()
        self._done.put(error)  # for whoever asks again
        if error is not None:
            raise error
        return self.hasher.digests()


@dataclass(slots=True)
class Failure:
    error: BaseException


Event = Block | Begin | Digesting | Failure | None
"""None: all files were read."""


class Ring:
    """The threads that read and digest, and what they are ahead of the writer."""

    def __init__(self, files: Sequence[FileToWrite], first: int, algorithms: tuple[str, ...], size: int) -> None:
        self._files = files
        self._first = first
        self._algorithms = algorithms
        self._slots = max(2, size // _SLOT)
        self._made = 0
        self._free: list[bytearray] = []
        self._events: deque[Event] = deque()
        self._to_digest: SimpleQueue[tuple[Digesting, Block | None] | None] = SimpleQueue()
        self._filled = 0
        self._finished = False
        self._stopped = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        """What the two threads wait for. The writer, whom Ctrl-C may meet anywhere, takes the lock itself: a condition
        takes it in Python code, and would leave it taken."""
        self._is_awaited = False
        self._ready: SimpleQueue[None] = SimpleQueue()
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
                self._put(Begin(place))
                try:
                    self._put(self._read_file(self._files[place]))
                except FilmArchiveError as error:
                    self._put(Failure(error))
            self._put(None)
        except _Stopped:
            return
        except BaseException as error:  # noqa: BLE001  handed to the writer, who raises it
            self._put(Failure(error))
        finally:
            self._to_digest.put(None)

    def _read_file(self, file: FileToWrite) -> Digesting:
        digesting = Digesting(self._algorithms)
        with file.open() as source:
            position = 0
            while position < source.size:
                buffer = self._take()
                view = memoryview(buffer)[: source.size - position]
                count = source.read_into(position, view)
                if count != len(view):
                    raise ShortRead(f"{source.name} ended at byte {position + count} of {source.size}.")
                position += count
                block = Block(buffer, count)
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

    def _put(self, event: Event) -> None:
        with self._changed:
            # Files without bytes take no buffer, so their number ahead is bounded here.
            while len(self._events) > 64 * self._slots and not self._stopped:
                self._changed.wait()
            if self._stopped:
                raise _Stopped
            self._events.append(event)
            self._filled += isinstance(event, Block)
            broken = isinstance(event, Failure) and not isinstance(event.error, FilmArchiveError)
            self._finished = self._finished or event is None or broken
            if self._is_awaited and self._is_half_full():
                self._is_awaited = False
                self._ready.put(None)

    # The writer

    def get(self) -> Event:
        """The next event; where there is none yet, wait until the ring is half full."""
        with self._lock:
            is_empty = not self._events
        if is_empty:
            begun = time.monotonic()
            self.fill()
            self.starved += 1
            self.starved_seconds += time.monotonic() - begun
        with self._lock:
            event = self._events.popleft()
            if isinstance(event, Block):
                self._filled -= 1
            self._changed.notify_all()
        return event

    def fill(self) -> None:
        """Wait until the ring is half full, or all is read."""
        with self._lock:
            self._is_awaited = not self._is_half_full()
            must_wait = self._is_awaited
        if must_wait:
            self._ready.get()

    def _is_half_full(self) -> bool:
        enough = self._filled * 2 >= self._slots or len(self._events) > 8 * self._slots
        return bool(self._events) and (self._finished or enough)

    def give_back(self, block: Block) -> None:
        """One of a block's users is through with it."""
        with self._lock:
            block.users -= 1
            if block.users == 0:
                self._free.append(block.buffer)
                self._changed.notify_all()

    def stop(self) -> None:
        """End the threads, at the latest when the block that is being read is read."""
        with self._lock:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


class _Stopped(Exception):
    """The writer wants no more."""
