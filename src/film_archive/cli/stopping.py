"""How this process was told to stop: Ctrl-C and SIGTERM both come as KeyboardInterrupt, and each has its exit status."""

from __future__ import annotations

import signal
from types import FrameType
from typing import NoReturn

_told: list[int] = []
"""The signals that came, other than Ctrl-C; a handler can only leave them where others look."""


def stop_on_sigterm() -> None:
    """From now on SIGTERM stops this process in the same orderly way as Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminated)


def stopped_status() -> int:
    """The exit status of a process that was stopped, as shells have it, 128 and the signal's number: 130 or 143."""
    return 128 + (_told[0] if _told else signal.SIGINT)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    _told.append(number)
    raise KeyboardInterrupt
