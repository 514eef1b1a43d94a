"""How far a verb is, in phases that are counted apart. Showing it is for the command line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class Phase(StrEnum):
    """What is going on. Reading and writing often run side by side; verifying comes after them."""

    READING = "reading"
    WRITING = "writing"
    VERIFYING = "verifying"
    CUTTING = "cutting"
    ENCODING = "encoding"

    @property
    def counts_frames(self) -> bool:
        """Whether frames are counted; else bytes are."""
        return self is Phase.ENCODING


@dataclass(frozen=True, slots=True)
class Count:
    """How far a phase is, in bytes or frames; a total that is not known yet is 0."""

    done: int = 0
    total: int = 0
    subject: str = ""
    """The clip or file that is worked on now."""


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

    def expect(self, phase: Phase, amount: int) -> None:
        """There is this much more to do in a phase; less, where it is negative."""
        self._change(phase, total=amount)

    def add(self, phase: Phase, amount: int) -> None:
        """This much more is done."""
        self._change(phase, done=amount)

    def begin(self, phase: Phase, subject: str) -> None:
        """From now on the phase works on this."""
        self._change(phase, subject=subject)

    def counting(self, phase: Phase) -> Callable[[int], None]:
        """A function that counts, as everything that reads, writes or encodes takes one."""
        return lambda amount: self.add(phase, amount)

    def count(self, phase: Phase) -> Count:
        """How far a phase is."""
        with self._lock:
            return self._counts.get(phase, Count())

    def _change(self, phase: Phase, *, done: int = 0, total: int = 0, subject: str | None = None) -> None:
        with self._lock:
            before = self._counts.get(phase, Count())
            now = replace(
                before,
                done=before.done + done,
                total=max(0, before.total + total),
                subject=before.subject if subject is None else subject,
            )
            self._counts[phase] = now
            if self._on_change is not None:
                self._on_change(phase, now)


def quiet() -> Progress:
    """Progress that nobody looks at."""
    return Progress()
