"""Killing work at random instants, to see what it leaves and whether the next run completes it.

The work is done in a fork of this process, so that what is killed is the work and not a program's start; a real command
is killed from when it says, or shows, that it has begun. POSIX only.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from film_archive.core.errors import is_interrupt

_FAILED = 113
"""The exit status of a fork whose work raised an error, which it has printed."""
_POLL = 0.0005
_ATTEMPTS = 10
"""How often work is begun, at most, for each time that it is to be killed."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: killed, or finished before the time was up. `seconds` is how long it was let run."""

    finished: bool
    seconds: float


def run(work: Callable[[], object], *, kill_after: float | None = None) -> Run:
    """Do work in a fork; kill it (SIGKILL) so many seconds after it has begun.

    Raises RuntimeError where the work itself failed; its traceback is on stderr.
    """
    child = start(work)
    started = time.monotonic()
    status = _wait(child, None if kill_after is None else started + kill_after)
    seconds = time.monotonic() - started
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"The work failed (its process ended with {code}); see stderr.")
    return Run(code == 0, seconds)


def start(work: Callable[[], object]) -> int:
    """Begin work in a fork: its process, to be waited for by the caller. It ends with 0 where the work did not fail."""
    begun_reader, begun_writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _work_in_fork(work, begun_writer)
    os.close(begun_writer)
    try:
        os.read(begun_reader, 1)  # the fork is there and begins
    finally:
        os.close(begun_reader)
    return child


def _work_in_fork(work: Callable[[], object], begun: int) -> None:
    status = _FAILED
    gc.freeze()  # what the parent left to be collected may belong to threads, which are not here: freeing it would wait for ever
    try:
        os.write(begun, b".")
        work()
        status = 0
    except BaseException:  # noqa: BLE001  a fork must not return into its parent's code, whatever happens
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _wait(child: int, deadline: float | None) -> int:
    if deadline is None:
        return os.waitpid(child, 0)[1]
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(min(_POLL, max(0.0, deadline - time.monotonic())))
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def kill_often(
    work: Callable[[], object],
    times: int,
    *,
    again: Callable[[], object] | None = None,
    prepare: Callable[[], object],
    after_kill: Callable[[], object],
    after_rerun: Callable[[], object],
    seed: int = 0,
) -> int:
    """Kill work at so many random instants, each time from a new beginning; returns how often it really was killed.

    Each time: `prepare`, the work killed, `after_kill` (raises where something is not whole), the work `again` to its end,
    `after_rerun`. Instants are spread over as long as the work takes when nobody kills it; where it was done before its
    instant came, which says how long it takes on a machine that has less to do now, it is begun once more.
    """
    dice = random.Random(seed)
    prepare()
    whole = run(work).seconds
    after_rerun()
    prepare()
    whole = min(whole, run(work).seconds)  # the first one may have waited for something
    killed = 0
    for _ in range(_ATTEMPTS * times):
        prepare()
        done = run(work, kill_after=dice.uniform(0, whole * 1.05))
        after_kill()
        if done.finished:
            whole = min(whole, done.seconds)
            continue
        run(work if again is None else again)
        after_rerun()
        killed += 1
        if killed == times:
            break
    return killed


def interrupt_often(work: Callable[[], object], times: int, *, seed: int = 0, patience: float = 60.0) -> int:
    """Let Ctrl-C come (a KeyboardInterrupt is raised) at so many random instants of work; returns how often it did.

    All in one fork. Raises TimeoutError where the work hangs instead of ending, RuntimeError where it failed otherwise.
    """
    reader, writer = os.pipe()

    def interrupted() -> None:
        os.write(writer, _interrupted(work, times, random.Random(seed)).to_bytes(4, "big"))

    try:
        if not run(interrupted, kill_after=patience).finished:
            raise TimeoutError(f"Ctrl-C left the work hanging, or {times} times of it take more than {patience} s.")
        return int.from_bytes(os.read(reader, 4), "big")
    finally:
        os.close(reader)
        os.close(writer)


def _interrupted(work: Callable[[], object], times: int, dice: random.Random) -> int:
    def raise_interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, raise_interrupt)
    whole = min(_seconds(work) for _ in range(3))
    count = 0
    for _ in range(times):
        try:
            signal.setitimer(signal.ITIMER_REAL, dice.uniform(1e-5, whole))
            work()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except (KeyboardInterrupt, RuntimeError) as error:
            if not is_interrupt(error):
                raise
            count += 1
    return count


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def signal_command(
    command: Sequence[str],
    number: int,
    *,
    begun: Callable[[], bool],
    after: float = 0.0,
    patience: float = 60.0,
) -> tuple[int, str, str]:
    """Start a command, wait until it has `begun` and a little longer, send it a signal: (exit status, stdout, stderr).

    Where the command ends by itself first, its own status is returned; one that a signal ended is negative.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + patience
        while process.poll() is None and not begun():
            if time.monotonic() > deadline:
                process.kill()
                raise TimeoutError(f"{command[0]} did not begin within {patience} s.")
            time.sleep(_POLL)
        time.sleep(after)
        if process.poll() is None:
            process.send_signal(number)
        try:
            output, errors = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, output, errors
