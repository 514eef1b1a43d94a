"""Copying one file to several places in one read, so that it can be gone on with inside the file after a kill.

Every so many bytes the copies are made durable and the digest of that piece is told, to be written down. Who goes on gives
the pieces' digests: what a copy has of them is read back from the copy, and only what holds is kept.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from film_archive.core import files
from film_archive.core.digest import BLOCK, KEY, MultiHasher, digest_source, read_ahead
from film_archive.core.errors import FilmArchiveError, from_os_error
from film_archive.core.source import FileSource, printable

PIECE = 64 * BLOCK
"""Bytes between two moments at which the copies are durable; whole blocks."""

OnPiece = Callable[[int, str], None]
"""Hears of a piece, (number, XXH3-128), when every copy has it durably."""


@dataclass
class Copy:
    """One of the copies in the making. `error` is what ended it; the others go on."""

    path: Path
    error: FilmArchiveError | None = None
    _descriptor: int = field(default=-1, init=False)

    def open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        with files.explaining(f"write {printable(self.path)}"):
            self._descriptor = os.open(self.path, flags, 0o666)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read_piece(self, number: int) -> bytes | None:
        """A piece as it was read back; None where the copy does not have all of it."""
        data = bytearray()
        with files.explaining(f"read {printable(self.path)}"):
            while len(data) < PIECE:
                block = os.pread(self._descriptor, min(BLOCK, PIECE - len(data)), number * PIECE + len(data))
                if not block:
                    return None
                data += block
        return bytes(data)

    def begin_at(self, offset: int) -> None:
        with files.explaining(f"write {printable(self.path)}"):
            os.ftruncate(self._descriptor, offset)

    def write(self, block: memoryview, offset: int) -> None:
        with files.explaining(
            f"copy to {printable(self.path)}",
            needed=lambda: len(block),
            folder=self.path.parent,
            state="what is there is kept, and the same command goes on",
        ):
            files.write_at(self._descriptor, block, offset)

    def sync(self) -> None:
        with files.explaining(f"make {printable(self.path)} durable"):
            files.sync(self._descriptor)

    def forget_cache(self) -> None:
        files.drop_cache(self._descriptor)


def copy_to_all(
    source: FileSource,
    copies: Sequence[Copy],
    algorithms: Iterable[str],
    *,
    pieces: Sequence[str] = (),
    on_piece: OnPiece | None = None,
    on_bytes: Callable[[int], None] | None = None,
) -> dict[str, str]:
    """Make the copies and return the digests of what was read.

    `pieces` are the digests of pieces that all copies may have already. A copy that can't be written has its error and is
    left as it is; where all have one, the first is raised. Raises what reading the source raises.
    """
    with ExitStack() as stack:
        for copy in copies:
            stack.callback(copy.close)
            _try(copy, copy.open)
        hasher = MultiHasher(algorithms)
        number = _have(copies, pieces, hasher, source.size)
        start = number * PIECE
        for copy in _alive(copies):
            _try(copy, lambda copy=copy: copy.begin_at(start))  # type: ignore[misc]
        writers = [stack.enter_context(_Writer(copy)) for copy in _alive(copies)] if len(copies) > 1 else []
        piece = MultiHasher()
        position = start
        if on_bytes is not None and start:
            on_bytes(start)
        for block in read_ahead(source, start, while_reading=hasher.update):
            _write_all(copies, writers, block, position)
            piece.update(block)
            position += len(block)
            if on_bytes is not None:
                on_bytes(len(block))
            if piece.size == PIECE and position < source.size:
                for copy in _alive(copies):
                    _try(copy, copy.sync)
                if on_piece is not None:
                    on_piece(number, piece.digests()[KEY])
                number, piece = number + 1, MultiHasher()
            _require_one(copies)
        source.check_unchanged()
        for copy in _alive(copies):
            _try(copy, copy.sync)
            _try(copy, copy.forget_cache)
        _require_one(copies)
        return hasher.digests()


def read_back(path: Path, algorithms: Iterable[str], on_bytes: Callable[[int], None] | None = None) -> dict[str, str]:
    """The digests of a file as the medium has it, as far as the system can be asked to forget what it has of it."""
    with FileSource(path) as source:
        files.drop_cache(source.fileno())
        return digest_source(source, algorithms, on_bytes=on_bytes)


def _have(copies: Sequence[Copy], pieces: Sequence[str], hasher: MultiHasher, size: int) -> int:
    """How many pieces all copies have; they are digested on the way."""
    for number, wanted in enumerate(pieces):
        if (number + 1) * PIECE >= size:
            return number
        data = b""
        for copy in _alive(copies):
            found = copy.read_piece(number)
            if found is None:
                return number
            check = MultiHasher()
            check.update(found)
            if check.digests()[KEY] != wanted:
                return number
            data = found
        hasher.update(data)
    return len(pieces)


def _alive(copies: Sequence[Copy]) -> list[Copy]:
    return [copy for copy in copies if copy.error is None]


def _try(copy: Copy, act: Callable[[], None]) -> None:
    try:
        act()
    except FilmArchiveError as error:
        copy.error = error
    except OSError as error:
        copy.error = from_os_error(error, f"write {printable(copy.path)}")


def _require_one(copies: Sequence[Copy]) -> None:
    if not _alive(copies):
        error = copies[0].error
        assert error is not None
        raise error


def _write_all(copies: Sequence[Copy], writers: Sequence[_Writer], block: memoryview, position: int) -> None:
    if not writers:
        _try(copies[0], lambda: copies[0].write(block, position))
        return
    alive = [writer for writer in writers if writer.copy.error is None]
    for writer in alive:
        writer.give(block, position)
    for writer in alive:
        writer.wait()


class _Writer:
    """A thread that writes one copy. What it hands over can't be left locked by Ctrl-C."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self._work: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"write {copy.path.name}", daemon=True)

    def give(self, block: memoryview, position: int) -> None:
        self._work.put((block, position))

    def wait(self) -> None:
        self._done.get()

    def __enter__(self) -> _Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._work.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            block, position = work
            _try(self.copy, lambda block=block, position=position: self.copy.write(block, position))  # type: ignore[misc]
            self._done.put(None)
