"""Locks between processes and between threads: a file each, waited for, given up by the system when a process dies.

Also where locks can't be relied on: on network shares, which are no place for an SQLite database (sqlite.org/wal.html, 3).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from film_archive.core import devices, files
from film_archive.core.errors import Refused
from film_archive.core.source import printable


def require_local(path: Path, instead: str) -> None:
    """Raise Refused for a database on a network share; nothing is known where no system tells. `instead` says what to do."""
    kind = devices.mount_of(path).kind
    if kind in devices.NETWORK:
        raise Refused(
            f"{printable(path.parent)} is on a network share ({kind}), where two machines could damage an SQLite database; "
            f"{instead}."
        )


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock file, alone or with others who share it; waits. The file stays: removing it would split the lock.

    Raises what the tree of errors has for a folder that is missing, read-only or on a file system without locks.
    """
    with files.explaining(f"lock {printable(path)}"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
    try:
        yield
    finally:
        os.close(descriptor)
