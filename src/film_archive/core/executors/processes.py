"""Doing work in processes of this machine: for what Python itself computes, and what may crash.

Workers are started anew (never forked: threads and media libraries do not survive that). They do not hear Ctrl-C, which
a terminal sends to all: this process does, and ends them. They end by themselves when this process is killed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

from film_archive.core.errors import ProgramFailed, UsageError
from film_archive.core.executors.executor import Executor, worker_count

_Result = TypeVar("_Result")
_GRACE = 3.0


class ProcessExecutor(Executor):
    """Calls functions in worker processes. `stop` ends them in the middle of what they do.

    Functions are found by their module's name there, so they can't be lambdas or functions inside others.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = worker_count(workers)
        self._context = _Context()
        self._pool = ProcessPoolExecutor(self.workers, self._context, _watch_parent)
        self._under_way: set[Future[Any]] = set()
        self._open = True

    def submit(self, function: Callable[..., _Result], /, *arguments: object) -> Future[_Result]:
        if not self._open:
            raise UsageError("The executor is closed already.")
        try:
            call = _Call(self._pool.submit(function, *arguments))
        except BrokenProcessPool as error:
            raise _died() from error
        self._under_way.add(call)
        call.add_done_callback(self._under_way.discard)
        return call

    def close(self) -> None:
        self._open = False
        self._pool.shutdown()

    def stop(self) -> None:
        self._open = False
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._context.end_workers()
        # The pool sees only now that they are gone: no future is to be left without an end.
        wait(list(self._under_way), _GRACE)


class _Call(Future[_Result]):
    """A future of the pool; that a worker died is an error of ours in it."""

    def __init__(self, inner: Future[_Result]) -> None:
        super().__init__()
        self._inner = inner
        inner.add_done_callback(self._finish)

    def cancel(self) -> bool:
        return self._inner.cancel()  # which then finishes this one

    def _finish(self, inner: Future[_Result]) -> None:
        if inner.cancelled():
            super().cancel()
            self.set_running_or_notify_cancel()
            return
        error = inner.exception()
        if error is None:
            self.set_result(inner.result())
        else:
            self.set_exception(_died() if isinstance(error, BrokenProcessPool) else error)


def _died() -> ProgramFailed:
    return ProgramFailed(
        "A worker process died (was it killed, or out of memory?), and what it was doing is not done; run it again, "
        "with fewer workers. (A script of your own has to keep what it runs under `if __name__ == '__main__':`.)"
    )


class _Worker(SpawnProcess):
    def start(self) -> None:
        # Blocked in this thread, it is blocked in the new process from its first moment on; here it only waits.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    """Starts the pool's workers and knows them, so that they can be ended."""

    def __init__(self) -> None:
        super().__init__()
        self._workers: list[_Worker] = []

    def Process(self, *arguments: Any, **named: Any) -> _Worker:  # type: ignore[override]  # noqa: N802  its name there
        worker = _Worker(*arguments, **named)
        self._workers.append(worker)
        return worker

    def end_workers(self) -> None:
        for end in (_Worker.terminate, _Worker.kill):
            alive = [worker for worker in self._workers if worker.pid is not None and worker.exitcode is None]
            for worker in alive:
                end(worker)
            _wait_for_all([worker.sentinel for worker in alive], _GRACE)


def _wait_for_all(sentinels: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while sentinels and (left := deadline - time.monotonic()) > 0:
        gone = connection.wait(sentinels, left)
        sentinels = [sentinel for sentinel in sentinels if sentinel not in gone]


def _watch_parent() -> None:
    """In a worker: end with the process that started it, however that ends."""
    parent = parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="watch parent", daemon=True).start()
