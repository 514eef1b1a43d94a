"""`HandOver`: a queue of few places from one thread to another that Ctrl-C can't leave locked.

A `queue.Queue` or `threading.Condition` takes its lock in Python code: a KeyboardInterrupt between the lock and what
releases it leaves it taken for ever, and the other thread hangs. Here is nothing but `SimpleQueue`, whose locks are C.
"""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class HandOver(Generic[T]):
    """Things in order, of which at most `places` wait."""

    def __init__(self, places: int) -> None:
        self._places: SimpleQueue[None] = SimpleQueue()
        self._things: SimpleQueue[tuple[T] | None] = SimpleQueue()
        for _ in range(places):
            self._places.put(None)

    def put(self, thing: T) -> None:
        """Hand a thing over, when there is a place for it."""
        self._places.get()
        self._things.put((thing,))

    def end(self) -> None:
        """Say that nothing more comes. Never waits, so that it can be said to a thread that takes no more."""
        self._things.put(None)

    def taken(self) -> Iterator[T]:
        """The things as they come, until the end."""
        while (thing := self._things.get()) is not None:
            self._places.put(None)
            yield thing[0]
