"""Keeping a drive streaming: one thread reads files ahead into a ring of buffers, one digests them, one writer empties it.

A drive that gets no data stops, rewinds a little and starts again, which takes seconds and wears the tape. So the writer
begins when the ring is half full; when it finds the ring empty it has starved, is counted, and waits until the ring is half
full again. Files go to the tape one after the other, each read once; an index is committed every so many bytes, and only
what is committed is reported as written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from film_archive.core.errors import Damaged, FilmArchiveError, NoSpace, UsageError
from film_archive.tape.ltfs.ring import Begin, Block, Digesting, Failure, FileToWrite, Ring
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile, Times

ALGORITHMS = ("xxh128", "sha256")
"""What every file on tape gets: our key, and one that no forger can meet."""
COMMIT_EVERY = 36 << 30
"""Bytes between two indexes, as other programs have it: each of them makes a drive stop twice."""
_RING = 256 << 20


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
    require_named(algorithms)
    run = _Run(volume, files, algorithms, commit_every, on_bytes, on_committed)
    reading = Ring(files, first, algorithms, ring)
    try:
        run.write_all(reading, first)
    finally:
        reading.stop()
    run.commit()
    return Fed(
        *(tuple(run.written), tuple(run.failed), run.next, run.full),
        *(run.size, reading.starved, reading.starved_seconds, run.commits),
    )


def require_named(algorithms: Iterable[str]) -> None:
    """Raise UsageError for a digest that has no name on tape."""
    unknown = [name for name in algorithms if name not in DIGEST_KEYS]
    if unknown:
        raise UsageError(f"There is no name on tape for the digest {unknown[0]!r}; there are {', '.join(DIGEST_KEYS)}.")


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

    def write_all(self, reading: Ring, first: int) -> None:
        self.next = first
        reading.fill()
        while (event := reading.get()) is not None:
            if isinstance(event, Failure):
                raise event.error
            assert isinstance(event, Begin)
            if not self._write(reading, event.place):
                return
            if self._volume.uncommitted >= self._commit_every:
                self.commit()

    def _write(self, reading: Ring, place: int) -> bool:
        """Write one file; False where the cartridge is full."""
        file = self._files[place]
        found: dict[str, str] = {}
        blocks = self._blocks(reading, found)

        def attributes() -> tuple[TapeAttribute, ...]:
            differing = [name for name, value in file.expected().items() if found.get(name, value) != value]
            if differing:
                raise _NotRead(Damaged(f"{file.path} is not what its digest ({differing[0]}) says; it was not put on tape."))
            digests = (TapeAttribute(DIGEST_KEYS[name], found[name].encode("ascii")) for name in self._algorithms)
            return (*file.attributes, *file.more(), *digests)

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

    def _blocks(self, reading: Ring, found: dict[str, str]) -> Generator[memoryview, None, None]:
        """The bytes of a file; its digests are in `found` when they are all through."""
        while not isinstance(event := reading.get(), Digesting):
            if isinstance(event, Failure):
                if isinstance(event.error, FilmArchiveError):
                    raise _NotRead(event.error)
                raise event.error
            assert isinstance(event, Block)
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
