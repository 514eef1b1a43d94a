"""How the workers are shared out: pieces side by side, and threads within a piece.

Pieces side by side need no waiting for each other, so there are as many lanes as there is work and memory for. A clip of
few pieces, or one whose pieces share much decoding (a long GOP), has fewer lanes with more threads in each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event, Lock

from film_archive.core.executors.executor import worker_count

_MEMORY = 300 << 20
"""Bytes of decoded pictures under way, about."""
_HELD = 3
"""Decoded pictures that a thread holds: the decoder's, the one that is scaled, and what is scaled from it."""
_WASTE = 8
"""Pieces are decoded side by side when not more than one frame in so many is decoded for nothing."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """`count` pieces are under way at once; `threads` in all."""

    count: int
    threads: int

    def for_piece(self, left: int) -> int:
        """Threads of a piece that begins when so many, itself among them, are left."""
        return max(1, self.threads // max(1, min(self.count, left)))


def lanes_for(
    pieces: Sequence[tuple[int, int]], picture_bytes: int, lead: Callable[[int], int], workers: int | None
) -> Lanes:
    """The lanes for pieces (first frame, end), pictures of so many bytes, and decoding that has to begin earlier."""
    threads = max(1, min(worker_count(workers), _MEMORY // (_HELD * max(1, picture_bytes))))
    if threads == 1 or len(pieces) < 2:
        return Lanes(1, threads)
    wasted = sum(lead(first) for first, _ in pieces)
    frames = sum(end - first for first, end in pieces)
    return Lanes(1 if wasted * _WASTE > frames else min(threads, len(pieces)), threads)


class Stop(Exception):
    """Work is given up because other work failed, whose error is told."""


class Watch:
    """What all the work on one clip looks at: whether to stop, and whom to tell of progress."""

    def __init__(self, on_frames: Callable[[int], None] | None = None) -> None:
        self._stop, self._lock = Event(), Lock()
        self._on_frames = on_frames

    def stop(self) -> None:
        self._stop.set()

    def check(self) -> None:
        """Raise Stop where other work failed."""
        if self._stop.is_set():
            raise Stop

    def done(self, frames: int) -> None:
        """Tell that so many frames more are finished; one thread at a time is let through."""
        if self._on_frames is not None:
            with self._lock:
                self._on_frames(frames)


def run_all(jobs: Sequence[Callable[[], object]], lanes: int, watch: Watch) -> None:
    """Call all jobs, `lanes` at a time, begun in order; the first error, or Ctrl-C, stops the others and is raised."""
    if lanes == 1:
        for job in jobs:
            job()
        return
    pool = ThreadPoolExecutor(lanes, "film-archive-lane")
    under_way: set[Future[object]] = {pool.submit(job) for job in jobs}
    try:
        while under_way:
            finished, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for future in finished:
                future.result()
    finally:
        watch.stop()
        pool.shutdown(cancel_futures=True)
