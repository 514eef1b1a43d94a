"""Doing work in threads: for waiting on disks and networks, and for libraries that let go of Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from film_archive.core.errors import UsageError
from film_archive.core.executors.executor import Executor, worker_count

_Result = TypeVar("_Result")


class ThreadExecutor(Executor):
    """Calls functions in threads of this process. A function that has begun is finished even by `stop`."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = worker_count(workers)
        self._pool = ThreadPoolExecutor(self.workers, "film-archive")
        self._open = True

    def submit(self, function: Callable[..., _Result], /, *arguments: object) -> Future[_Result]:
        if not self._open:
            raise UsageError("The executor is closed already.")
        return self._pool.submit(function, *arguments)

    def close(self) -> None:
        self._open = False
        self._pool.shutdown()

    def stop(self) -> None:
        self._open = False
        self._pool.shutdown(cancel_futures=True)
