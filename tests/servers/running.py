"""Programs that run while a block lasts, and no longer, even if the run of tests is killed."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

PATIENCE = 90.0
Word = str | Path


@cache
def _guard(process: int) -> subprocess.Popen[str]:
    """The process that cleans up after this one; `process` is this one's number, since a fork has its own."""
    guard = subprocess.Popen(
        [sys.executable, "-IS", Path(__file__).with_name("guard.py")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True, cwd="/",
    )  # fmt: skip
    atexit.register(guard.communicate)
    return guard


def _tell(line: str) -> None:
    pipe = _guard(os.getpid()).stdin
    assert pipe is not None
    pipe.write(line + "\n")
    pipe.flush()


@contextmanager
def folder(name: str) -> Iterator[Path]:
    """A folder for a server's data, which any user may look into."""
    # A server that does not run as root, where we are root, may not look into a folder of ours; and sockets' paths are short.
    made = Path(tempfile.mkdtemp(prefix=f"film-archive-{name}-", dir="/tmp" if os.geteuid() == 0 else None))
    made.chmod(0o755)
    _tell(f"folder {made}")
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        _tell(f"gone {made}")


@contextmanager
def running(
    words: Sequence[Word],
    folder: Path,
    name: str,
    ending: signal.Signals = signal.SIGTERM,
    account: Mapping[str, int] | None = None,
    variables: dict[str, str] | None = None,
    patience: float = 10,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs while the block lasts, its messages in `NAME.log`."""
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=variables, **_as(account),
        )  # fmt: skip
    _tell(f"process {process.pid}")
    try:
        yield process
    finally:
        process.send_signal(ending)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _tell(f"done {process.pid}")


def run(
    words: Sequence[Word], account: Mapping[str, int] | None = None, variables: dict[str, str] | None = None
) -> str:
    """Run a program to its end; raises RuntimeError with what it said where it fails."""
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", env=variables, timeout=PATIENCE, check=False,
        **_as(account),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {done.stdout[-1000:]}{done.stderr[-3000:]}")
    return str(done.stdout)


def _as(account: Mapping[str, int] | None) -> dict[str, Any]:
    return {**account, "extra_groups": []} if account else {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(ready: Callable[[], bool], name: str, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{name} ended with {process.returncode}.")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not start within {PATIENCE} s.")
        time.sleep(0.02)


def answers(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
