"""A deflated member as a source that can be read at any place.

Reading forward costs one pass; to go back, the inflater's state is kept every so often (at most 256 states), so that a jump
costs at most 1/256 of the member or 1 MiB of inflating.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from typing import Any

from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource

_STATES = 256
_STEP = 1 << 20
_INPUT = 1 << 16


class InflateSource(ByteSource):
    """`size` bytes, inflated from the raw deflate stream in `packed`."""

    def __init__(self, packed: ByteSource, size: int, name: str) -> None:
        self.size = size
        self.name = name
        self._packed = packed
        self._lock = threading.Lock()
        self._step = max(_STEP, -(-size // _STATES))
        self._states: list[tuple[int, int, Any, bytes]] = [(0, 0, zlib.decompressobj(-15), b"")]
        self._running: tuple[int, int, Any, bytes] = self._copy(self._states[0])

    @staticmethod
    def _copy(state: tuple[int, int, Any, bytes]) -> tuple[int, int, Any, bytes]:
        out, taken, inflater, pending = state
        return out, taken, inflater.copy(), pending

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        if not len(view):
            return 0
        with self._lock:
            try:
                self._go_to(offset)
                done = 0
                while done < len(view):
                    data = self._inflate(len(view) - done)
                    view[done : done + len(data)] = data
                    done += len(data)
            except BaseException:
                self._running = self._copy(self._states[0])  # the one that was running may have been fed already
                raise
        return done

    def _go_to(self, offset: int) -> None:
        nearest = self._states[bisect_right(self._states, offset, key=lambda state: state[0]) - 1]
        if not nearest[0] <= self._running[0] <= offset:
            self._running = self._copy(nearest)
        while self._running[0] < offset:
            self._inflate(min(offset - self._running[0], _STEP))

    def _inflate(self, most: int) -> bytes:
        """The next bytes, at least one and at most `most`."""
        out, taken, inflater, pending = self._running
        most = min(most, self._states[-1][0] + self._step - out) if out >= self._states[-1][0] else most
        data = b""
        while not data:
            if not pending:
                pending = self._packed.read_at(taken, _INPUT)
                taken += len(pending)
            try:
                data = inflater.decompress(pending, max(1, most))
            except zlib.error as error:
                raise Damaged(f"{self.name} can't be inflated behind byte {out}: {error}.") from error
            pending = inflater.unconsumed_tail
            if not data and (inflater.eof or (not pending and taken >= self._packed.size)):
                raise Damaged(f"{self.name} ends after {out} of {self.size} bytes.")
        out += len(data)
        self._running = (out, taken, inflater, pending)
        if out >= self._states[-1][0] + self._step:
            self._states.append(self._copy(self._running))
        return data

    def check_unchanged(self) -> None:
        self._packed.check_unchanged()
