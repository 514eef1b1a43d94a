"""How far a verb is: bytes and clips done, in phases that are counted apart. Showing it is for the command line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What is going on. Reading and writing often run side by side; verifying comes after them."""

    READING = "reading"
    WRITING = "writing"
    VERIFYING = "verifying"


@dataclass(frozen=True, slots=True)
class Count:
    """How far a phase is; a total that is not known yet is 0."""

    size: int = 0
    """Bytes done."""
    total_size: int = 0
    clips: int = 0
    """Files, members, events … done: whatever the verb counts."""
    total_clips: int = 0

    @property
    def fraction(self) -> float | None:
        """How much is done, 0 to 1, by bytes where they are known; None without a total."""
        done, total = (self.size, self.total_size) if self.total_size else (self.clips, self.total_clips)
        return min(1.0, done / total) if total else None


OnChange = Callable[[Phase, Count], None]


class Progress:
    """Counts the phases of one verb; any thread may count.

    `on_change` hears of each change, in order, one at a time; what it raises stops the verb. Without it nothing is
    shown.
    """

    def __init__(self, on_change: OnChange | None = None) -> None:
        self._on_change = on_change
        self._counts: dict[Phase, Count] = {}
        self._lock = threading.Lock()

    def expect(self, phase: Phase, *, size: int = 0, clips: int = 0) -> None:
        """There is this much more to do in a phase."""
        self._change(phase, Count(total_size=size, total_clips=clips))

    def add(self, phase: Phase, *, size: int = 0, clips: int = 0) -> None:
        """This much more is done."""
        self._change(phase, Count(size=size, clips=clips))

    def bytes_of(self, phase: Phase) -> Callable[[int], None]:
        """A function that counts bytes of a phase, as everything that reads or writes takes one."""
        return lambda size: self.add(phase, size=size)

    def count(self, phase: Phase) -> Count:
        """How far a phase is."""
        with self._lock:
            return self._counts.get(phase, Count())

    def _change(self, phase: Phase, more: Count) -> None:
        with self._lock:
            before = self._counts.get(phase, Count())
            now = Count(
                before.size + more.size,
                before.total_size + more.total_size,
                before.clips + more.clips,
                before.total_clips + more.total_clips,
            )
            self._counts[phase] = now
            if self._on_change is not None:
                self._on_change(phase, now)


def quiet() -> Progress:
    """Progress that nobody looks at."""
    return Progress()
