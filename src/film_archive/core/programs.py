"""The only place that starts programs.

A program gets no terminal, a process group of its own and a time limit. Whatever ends the waiting (the limit, Ctrl-C,
an error) ends the whole group: first SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import places
from film_archive.core.errors import NotSupported, ProgramFailed, from_os_error
from film_archive.core.source import printable

_GRACE = 3.0
_OUTPUT = 64 << 20
_TAIL = 1 << 16
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left: its exit status (negative: the signal that ended it) and what it printed.

    Of its messages the last 64 KiB are kept.
    """

    args: tuple[str, ...]
    status: int
    output: bytes
    messages: bytes

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    @property
    def last_message(self) -> str:
        """The last line that it wrote to stderr, or to stdout where it wrote none there."""
        for stream in (self.messages, self.output):
            lines = stream.decode("utf-8", "replace").split("\n")
            said = [line.strip() for line in lines if line.strip()]
            if said:
                return said[-1]
        return ""

    def require_success(self) -> Completed:
        """This, or ProgramFailed where the program says that it failed."""
        if self.status:
            how = f"was ended by signal {-self.status}" if self.status < 0 else f"failed with status {self.status}"
            message = self.last_message
            raise ProgramFailed(f"{Path(self.args[0]).name} {how}{': ' if message else '.'}{message}")
        return self


def find(name: str) -> Path | None:
    """Where a program is, or None."""
    found = shutil.which(name)
    return None if found is None else Path(found)


def require(name: str, hint: str) -> Path:
    """Where a program is; raises NotSupported with what to do (`hint`) where it is not installed."""
    found = find(name)
    if found is None:
        raise NotSupported(f"The program {name} is not installed; {hint}.")
    return found


def run(
    args: Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    data: bytes = b"",
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
    most_output: int = _OUTPUT,
    progress: Callable[[], object] | None = None,
    on_output: Callable[[bytes], object] | None = None,
) -> Completed:
    """Run a program to its end, giving it `data` on stdin.

    What it prints goes to `on_output` as it comes, where that is given, and is not kept; what that raises ends the program.

    `timeout` is in seconds, `folder` where it runs, `variables` are added to the environment.
    Where `progress` is given (something that changes as the work goes on, such as how many files there are), the time limit
    is that of a standstill: it begins anew with each change. Raises NotSupported
    where there is no such program, ProgramFailed where it takes longer or prints more than `most_output` bytes; its
    exit status is for the caller to judge.
    """
    words = tuple(os.fspath(word) for word in args)
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=places.environment(variables),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if folder is not None and not folder.is_dir():
            raise from_os_error(error, f"run {words[0]} in {printable(folder)}") from error
        raise NotSupported(f"The program {words[0]} is not installed.") from error
    except OSError as error:
        raise from_os_error(error, f"run {words[0]}") from error
    try:
        output, messages = _talk(process, words[0], data, _Limit(timeout, progress), most_output, on_output)
        status = process.wait()
    except BaseException:
        _end_group(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):  # what it did not read of its input
                    stream.close()
    return Completed(words, status, output, messages)


class _Limit:
    """How long is waited: some seconds in all, or without a change."""

    def __init__(self, seconds: float, progress: Callable[[], object] | None) -> None:
        self._seconds, self._progress = seconds, progress
        self._deadline = time.monotonic() + seconds
        self._seen = None if progress is None else progress()

    def left(self) -> float:
        """Seconds; none are left where it is 0 or less."""
        left = self._deadline - time.monotonic()
        if self._progress is not None and (seen := self._progress()) != self._seen:
            self._seen = seen
            self._deadline = time.monotonic() + self._seconds
            return self._seconds
        return left

    def passed(self, name: str) -> ProgramFailed:
        did = "finish" if self._progress is None else "get further"
        return ProgramFailed(f"{Path(name).name} did not {did} in {self._seconds:g} s and was stopped.")


def _talk(
    process: subprocess.Popen[bytes],
    name: str,
    data: bytes,
    limit: _Limit,
    most_output: int,
    on_output: Callable[[bytes], object] | None,
) -> tuple[bytes, bytes]:
    """Feed and read a program until it has closed its ends, or has ended and said all."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    output, messages, left = bytearray(), bytearray(), memoryview(data)
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ)
        os.set_blocking(process.stdin.fileno(), False)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            wait = limit.left()
            if wait <= 0:
                raise limit.passed(name)
            ready = selector.select(min(wait, 0.2))
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    left = _feed(process.stdin.fileno(), left)
                    if not left:
                        selector.unregister(process.stdin)
                        with contextlib.suppress(BrokenPipeError):
                            process.stdin.close()
                    continue
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is not process.stdout:
                    messages += chunk
                    del messages[:-_TAIL]
                elif on_output is not None:
                    on_output(chunk)
                else:
                    output += chunk
            if len(output) > most_output:
                raise ProgramFailed(f"{Path(name).name} printed more than {most_output} bytes and was stopped.")
            if not ready and process.poll() is not None:
                break  # it has ended; a program that it left in the background still holds the pipes
    while process.poll() is None:
        if limit.left() <= 0:
            raise limit.passed(name)
        time.sleep(0.01)
    return bytes(output), bytes(messages)


def _feed(descriptor: int, left: memoryview) -> memoryview:
    if not left:
        return left
    try:
        return left[os.write(descriptor, left[:_CHUNK]) :]
    except BrokenPipeError:
        return left[:0]  # it reads no more; its exit status tells whether that is well


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # gone; macOS says the latter of zombies
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
