"""A packed member as a source that can be read at any place.

Reading forward costs one pass. Of a deflated member the inflater's state is kept every so often (at most 256 states), so that
a jump back costs at most 1/256 of the member or 1 MiB of inflating; the other methods begin again.
"""

from __future__ import annotations

import threading
from bisect import bisect_right

from film_archive.archive import packing
from film_archive.archive.packing import Unpacker
from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource

_STATES = 256
_STEP = 1 << 20
_INPUT = 1 << 16

_State = tuple[int, int, Unpacker]
"""(bytes that came out, bytes of input that were taken, the unpacker)."""


class UnpackedSource(ByteSource):
    """`size` bytes, unpacked from the stream in `packed`. Raises NotSupported where its method is not known."""

    def __init__(self, packed: ByteSource, method: int, size: int, name: str) -> None:
        self.size = size
        self.name = name
        self._packed = packed
        self._method = method
        self._lock = threading.Lock()
        self._step = max(_STEP, -(-size // _STATES))
        self._states: list[_State] = []
        self._next_state = self._step
        """At how many bytes the state is kept next."""
        self._running = self._beginning()

    def _beginning(self) -> _State:
        unpacker, begins = packing.begin(self._packed, self._method, self.size)
        return 0, begins, unpacker

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        if not len(view):
            return 0
        with self._lock:
            try:
                self._go_to(offset)
                done = 0
                while done < len(view):
                    data = self._unpack(len(view) - done)
                    view[done : done + len(data)] = data
                    done += len(data)
            except BaseException:
                self._running = self._beginning()  # the one that was running may have been fed already
                raise
        return done

    def _go_to(self, offset: int) -> None:
        at = bisect_right(self._states, offset, key=lambda state: state[0])
        nearest = self._states[at - 1][0] if at else 0
        if not nearest <= self._running[0] <= offset:
            copied = self._copy(self._states[at - 1]) if at else None
            self._running = copied if copied is not None else self._beginning()
        while self._running[0] < offset:
            self._unpack(min(offset - self._running[0], _STEP))

    @staticmethod
    def _copy(state: _State) -> _State | None:
        copied = state[2].copy()
        return None if copied is None else (state[0], state[1], copied)

    def _unpack(self, most: int) -> bytes:
        """The next bytes, at least one and at most `most`."""
        out, taken, unpacker = self._running
        most = max(1, min(most, self._next_state - out))
        data = b""
        while not data:
            more = self._packed.read_at(taken, _INPUT) if unpacker.hungry else b""
            taken += len(more)
            try:
                data = unpacker.unpack(more, most)
            except packing.ERRORS as error:
                raise Damaged(f"{self.name} can't be unpacked behind byte {out}: {error}.") from error
            if not data and (unpacker.finished or (unpacker.hungry and not more)):
                raise Damaged(f"{self.name} ends after {out} of {self.size} bytes.")
        out += len(data)
        self._running = (out, taken, unpacker)
        if out >= self._next_state:
            self._next_state = out + self._step
            kept = self._copy(self._running)
            if kept is not None:
                self._states.append(kept)
        return data

    def check_unchanged(self) -> None:
        self._packed.check_unchanged()
