"""Functions for executors to call: at the top of a module, since workers find them by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from film_archive.core.errors import Damaged
from film_archive.core.executors.processes import ProcessExecutor


def square(number: int) -> int:
    return number * number


def slow_square(number: int) -> int:
    """The first are the slowest."""
    time.sleep(max(0.0, 0.05 - number * 0.005))
    return number * number


def add(one: int, other: int) -> int:
    return one + other


def fail_at_three(number: int) -> int:
    if number == 3:
        raise Damaged("three is damaged")
    return number


def note_and_fail(folder: str, number: int) -> int:
    (Path(folder) / f"{number}").touch()
    if number == 1:
        raise Damaged("one is damaged")
    time.sleep(0.01)
    return number


def fail_oddly() -> None:
    class Local(Exception):
        pass

    raise Local("can't be pickled")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def process() -> int:
    return os.getpid()


def note_pid_and_sleep(folder: str) -> None:
    (Path(folder) / f"{os.getpid()}").touch()
    time.sleep(600)


def note_pid_and_finish(folder: str) -> str:
    (Path(folder) / f"{os.getpid()}").touch()
    time.sleep(0.3)
    return "finished"


def main(folder: str) -> None:
    """As a program: two workers that sleep, until somebody ends this."""
    with ProcessExecutor(2) as executor:
        try:
            list(executor.map(note_pid_and_sleep, [folder] * 4))
        except KeyboardInterrupt:
            (Path(folder) / "interrupted").touch()
            raise


if __name__ == "__main__":
    main(sys.argv[1])
