"""Who lists and reads: this process, threads where a disk has to be waited for, other processes where there is very much.

A process takes as long to start as listing a hundred thousand files; threads that don't wait get into each other's way.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

from film_archive.core.errors import UsageError
from film_archive.core.executors.executor import Executor, worker_count
from film_archive.core.executors.inline import InlineExecutor
from film_archive.core.executors.processes import ProcessExecutor
from film_archive.core.executors.threads import ThreadExecutor

_MANY_FILES = 60_000
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Workers:
    """Executors, each made when it is first needed, and let go of with the stack."""

    def __init__(self, stack: ExitStack, workers: int | None) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"{workers} workers can't do anything; give 1 or more.")
        self._stack = stack
        self._workers = workers
        self._processes: Executor | None = None
        self._threads: Executor | None = None

    def __call__(self) -> Executor:
        """Processes, one for each processor."""
        if self._processes is None:
            count = worker_count(self._workers)
            self._processes = self._stack.enter_context(InlineExecutor() if count == 1 else ProcessExecutor(count))
        return self._processes

    def read(self, function: Callable[[Sequence[_Item]], _Result], parts: Sequence[Sequence[_Item]]) -> Iterator[_Result]:
        """The function's results for batches of files, in order.

        What the system has in memory is read here, where nothing waits; as soon as a disk has to be waited for, threads
        read, twice as many as there are processors.
        """
        rest = iter(parts)
        if sum(map(len, parts)) < _MANY_FILES:
            for part in rest:
                before = _blocks_read()
                yield function(part)
                if _blocks_read() - before > len(part):
                    break
            yield from self._reading_threads().map(function, rest)
        else:
            yield from self().map(function, rest)

    def _reading_threads(self) -> Executor:
        if self._threads is None:
            count = 2 * worker_count(None) if self._workers is None else self._workers
            self._threads = self._stack.enter_context(InlineExecutor() if count == 1 else ThreadExecutor(count))
        return self._threads


def _blocks_read() -> int:
    """Blocks of 512 bytes that this process had to wait for so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock
