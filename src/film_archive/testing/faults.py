"""Making the system fail at the n-th call: I/O errors, a full disk, short writes and reads, a power cut.

    with counting() as calls: work()
    for number in range(len(calls)):
        with failing(number, errno.EIO): work()

The functions of `os` that change or read files are wrapped while the block lasts, and so is the system call by which
`core.files` renames. What Python writes through buffered file objects is not seen here.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest import mock

from film_archive.core import files

WRITING = ("pwrite", "fsync", "ftruncate", "replace", "rename", "link", "unlink", "rmdir", "mkdir", "utime", "chmod", "fchmod")
READING = ("pread", "preadv")


class Short(StrEnum):
    """What is no error, but has to be continued by the caller."""

    WRITE = "pwrite"
    """A write that takes one byte of what it is given."""
    READ = "preadv"
    """A read that gives one byte of what was asked for."""


class Kill(StrEnum):
    """The end of the process, as by a power cut: nothing is cleaned up. For forks (see `crash.run`)."""

    BEFORE = "before"
    """The call is not made."""
    AFTER = "after"
    """The call was made."""


class Calls(list[str]):
    """Names of the calls that were made, in order."""


@contextmanager
def counting(names: tuple[str, ...] = WRITING) -> Iterator[Calls]:
    """Count calls without disturbing them."""
    calls = Calls()

    def meet(name: str, call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        calls.append(name)
        return call(*arguments, **options)

    with _wrapped(names, meet):
        yield calls


@contextmanager
def failing(
    number: int, how: int | Short | Kill, *, names: tuple[str, ...] = WRITING, lasting: bool = False
) -> Iterator[Calls]:
    """Let the call with that number (from 0) fail: with an errno, short, or by ending the process.

    `lasting` lets all calls of the same kind fail from then on, as on a disk that stays full.
    """
    calls = Calls()
    failed: str | None = None

    def meet(name: str, call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        nonlocal failed
        now = len(calls) == number or (lasting and failed == name)
        calls.append(name)
        if not now:
            return call(*arguments, **options)
        failed = name
        if isinstance(how, Short):
            return _short(name, call, arguments) if name == how else call(*arguments, **options)
        if isinstance(how, Kill):
            try:
                if how is Kill.AFTER:
                    call(*arguments, **options)
            finally:
                os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(how, os.strerror(int(how)))

    with _wrapped(names, meet):
        yield calls


@contextmanager
def pausing(number: int, reached: Path, *, names: tuple[str, ...] = WRITING) -> Iterator[Calls]:
    """Let the process make the file `reached` and wait for ever before the call with that number, to be stopped there."""
    calls = Calls()

    def meet(name: str, call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        calls.append(name)
        if len(calls) == number + 1:
            reached.touch()
            while True:
                time.sleep(1)
        return call(*arguments, **options)

    with _wrapped(names, meet):
        yield calls


def _short(name: str, call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    if name == Short.WRITE:
        descriptor, data, offset = arguments
        return call(descriptor, memoryview(data)[:1], offset)
    descriptor, buffers, *rest = arguments
    return call(descriptor, [memoryview(buffers[0])[:1]], *rest)


Meeting = Callable[[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


@contextmanager
def _wrapped(names: tuple[str, ...], meet: Meeting) -> Iterator[None]:
    def wrapper(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **options: meet(name, call, arguments, options)

    exclusive = files._exclusive_rename_call()
    with ExitStack() as patches:
        for name in names:
            if hasattr(os, name):
                patches.enter_context(mock.patch.object(os, name, wrapper(name, getattr(os, name))))
        if exclusive is not None and "rename" in names:
            renaming = _renaming(exclusive, meet)
            patches.enter_context(mock.patch.object(files, "_exclusive_rename_call", return_value=renaming))
        yield


def _renaming(exclusive: Callable[[bytes, bytes], int], meet: Meeting) -> Callable[[bytes, bytes], int]:
    """The call that renames without overwriting, which answers with an errno instead of raising."""

    def call(*paths: bytes) -> int:
        status = exclusive(*paths)
        if status:
            raise OSError(status, os.strerror(status))
        return 0

    def renaming(source: bytes, target: bytes) -> int:
        try:
            return int(meet("rename", call, (source, target), {}))
        except OSError as error:
            return error.errno or 0

    return renaming
