"""A body's bytes in chunks, read by threads ahead of the consumer: where streams meet the event loop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass

from film_archive.core.source import ByteSource
from film_archive.streaming.adaptation import Pace
from film_archive.streaming.ranges import ByteRange
from film_archive.streaming.reply import Piece


@dataclass(frozen=True, slots=True)
class _Read:
    data: bytes
    seconds: float


async def read_chunks(
    source: ByteSource, body: Iterable[Piece], *, threads: Executor, pace: Pace, ahead: int
) -> AsyncGenerator[bytes, None]:
    """All bytes of a body in order. A range is read by a thread, up to `ahead` bytes before they are asked for.

    The consumer sets the pace: while it does nothing, no more than that is read. Closing the iterator stops the
    reading; the source has to stay usable until a read that is under way has ended, so let it go rather than close it.
    """
    loop = asyncio.get_running_loop()
    pieces = _cut(body, pace)
    pending: deque[tuple[int, asyncio.Future[_Read] | bytes]] = deque()
    waiting = 0
    last = time.monotonic()
    try:
        while True:
            while waiting < ahead or not pending:
                piece = next(pieces, None)
                if piece is None:
                    break
                if isinstance(piece, bytes):
                    pending.append((len(piece), piece))
                else:
                    pending.append((piece.length, loop.run_in_executor(threads, _read, source, piece)))
                waiting += pending[-1][0]
            if not pending:
                return
            length, chunk = pending.popleft()
            waiting -= length
            if isinstance(chunk, bytes):
                yield chunk
                continue
            done = await chunk
            yield done.data
            now = time.monotonic()
            pace.took(length, done.seconds, now - last)
            last = now
    finally:
        for _, chunk in pending:
            if not isinstance(chunk, bytes):
                _drop(chunk)


def _drop(read: asyncio.Future[_Read]) -> None:
    """Forget a read that nobody waits for; where it failed, the error counts as seen."""
    if not read.cancel() and not read.cancelled():
        read.exception()


def _cut(body: Iterable[Piece], pace: Pace) -> Iterator[Piece]:
    for piece in body:
        if isinstance(piece, bytes):
            yield piece
            continue
        position = piece.first
        while position < piece.end:
            end = min(piece.end, position + pace.size())
            yield ByteRange(position, end)
            position = end


def _read(source: ByteSource, piece: ByteRange) -> _Read:
    begun = time.monotonic()
    data = source.read_at(piece.first, piece.length)
    return _Read(data, time.monotonic() - begun)
