"""This process as a command line's: how it is told to stop, and who reads what it prints.

Ctrl-C and SIGTERM both come as KeyboardInterrupt, and each has its exit status. Whoever reads stdout and stderr may go
(`| head`), and the work is done to its end all the same; so a verb ends with its own status, whoever listens: a `check` that
finds damage says so with 11.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

_BUFFER = 1 << 16


class _Outlet(io.FileIO):
    """A file descriptor that leads nowhere from the moment on when nobody reads it any more."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self.lead_nowhere()
            return len(data)

    def lead_nowhere(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def outlast_readers() -> None:
    """Make stdout and stderr of this process such; what was closed by whoever started us leads nowhere, too."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # its number must not become a file's of ours
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  for as long as the program runs
            continue
        try:
            outlet = _Outlet(stream.fileno(), "w", closefd=False)
        except (OSError, ValueError):  # no file at all: who embeds this program reads from memory
            continue
        made = io.TextIOWrapper(
            io.BufferedWriter(outlet, _BUFFER),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=name == "stderr",
        )
        setattr(sys, name, made)


def all_written(name: str, status: int) -> int:
    """Write out what stdout still holds; where that fails it is said, and is the status of a verb that had no other."""
    try:
        sys.stdout.flush()
    except OSError as error:
        print(f"{name}: What was to be printed could not be written: {error.strerror}.", file=sys.stderr)
        raw = getattr(sys.stdout.buffer, "raw", None)
        if isinstance(raw, _Outlet):
            raw.lead_nowhere()  # the interpreter tries again at its end
        return status or 6
    return status


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
