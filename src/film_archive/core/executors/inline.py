"""Doing work here and now, one thing after the other: for small jobs, and for looking at what goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from film_archive.core.errors import UsageError
from film_archive.core.executors.executor import Executor

_Result = TypeVar("_Result")


class InlineExecutor(Executor):
    """Calls each function when it is submitted."""

    workers = 1

    def __init__(self) -> None:
        self._open = True

    def submit(self, function: Callable[..., _Result], /, *arguments: object) -> Future[_Result]:
        if not self._open:
            raise UsageError("The executor is closed already.")
        future: Future[_Result] = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001  it belongs to whoever asks for the result
            future.set_exception(error)
        return future

    def close(self) -> None:
        self._open = False

    def stop(self) -> None:
        self._open = False

    @property
    def _ahead(self) -> int:
        return 1  # the next is done when the consumer has had the one before
