"""Taking turns: at most so many at once, the rest wait in the order in which they came."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

_Waiting = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Turns:
    """`count` turns. Unlike asyncio's semaphore it belongs to no event loop, so that one streamer serves several."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = count
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()

    @property
    def taken(self) -> int:
        return self.count - self._free

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def take(self) -> None:
        """Wait for a turn; whoever has it gives it back with `give`."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = loop.create_future()
            self._waiting.append((loop, turn))
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                still_waits = (loop, turn) in self._waiting
                if still_waits:
                    self._waiting.remove((loop, turn))
            if not still_waits:  # the turn came while this was cancelled
                self.give()
            raise

    def give(self) -> None:
        """Give a turn back; the one who waits longest has it then."""
        with self._lock:
            while self._waiting:
                loop, turn = self._waiting.popleft()
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_grant, turn)
                    return
            self._free += 1


def _grant(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
