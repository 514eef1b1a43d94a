"""What every executor offers, and doing many things in order with a bounded number of them under way."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Self, TypeVar

from film_archive.core.errors import UsageError

_Argument = TypeVar("_Argument")
_Result = TypeVar("_Result")


class Executor(ABC):
    """Calls functions, `workers` of them at a time. Functions, arguments and results can be pickled.

    Leaving the block waits for what was submitted; leaving it by an error or Ctrl-C drops what has not begun and ends
    what can be ended.
    """

    workers: int

    @abstractmethod
    def submit(self, function: Callable[..., _Result], /, *arguments: object) -> Future[_Result]:
        """Have a function called; its result or error is in the future."""

    @abstractmethod
    def close(self) -> None:
        """Wait for what was submitted, then let go of the workers."""

    @abstractmethod
    def stop(self) -> None:
        """Drop what has not begun, and let go of the workers as soon as it can be."""

    def map(self, function: Callable[[_Argument], _Result], items: Iterable[_Argument]) -> Iterator[_Result]:
        """The function's results in the order of the items, which may be endless: they are taken as they are needed.

        The first error, of whichever item, is raised at once; what has not begun is then dropped.
        """
        source = iter(items)
        under_way: deque[Future[_Result]] = deque()
        try:
            while True:
                while len(under_way) < self._ahead:
                    try:
                        item = next(source)
                    except StopIteration:
                        break
                    under_way.append(self.submit(function, item))
                if not under_way:
                    return
                _wait_for_first(under_way)
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()

    @property
    def _ahead(self) -> int:
        """How many items are under way: enough that no worker waits for the consumer."""
        return 2 * self.workers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.stop()


def _wait_for_first(under_way: deque[Future[_Result]]) -> None:
    """Return when the first of them has its result; raise as soon as any of them has an error."""
    while True:
        for future in under_way:
            if future.done() and (error := future.exception()) is not None:
                raise error
        if under_way[0].done():
            return
        wait([future for future in under_way if not future.done()], return_when=FIRST_COMPLETED)


def worker_count(workers: int | None) -> int:
    """The number asked for, or one for each processor that this process may use."""
    if workers is None:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return usable or 1
    if workers < 1:
        raise UsageError(f"{workers} workers can't do anything; give 1 or more.")
    return workers
