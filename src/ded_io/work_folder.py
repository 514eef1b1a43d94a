"""The folder in which one shot's frames are made: found again by the next run, locked against another one.

It is named after the shot and the digest of all that its frames depend on, so that what lies in it can be gone on with.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.source import OpenFile, printable

_MARK = ".ded-io"


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """A folder of this run's own. The lock goes when nobody holds this any more, or the process ends."""

    path: Path
    _lock: OpenFile

    @classmethod
    def claim(cls, parent: Path, name: str) -> WorkFolder:
        """Make or find a folder and lock it. Raises Refused where another run has it, or where it is not one of ours."""
        path = parent.absolute() / name
        there = path.is_dir()
        files.make_folders(path)
        mark = path / _MARK
        with files.explaining(f"use {printable(path)}"):
            if there and not mark.exists() and any(path.iterdir()):
                raise Refused(f"{printable(path)} was not made by an ingest; nothing was changed. Choose another temp_dir.")
            lock = OpenFile(os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666))
            try:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"Another run is making the frames in {printable(path)}; nothing was changed.") from None
        return cls(path, lock)

    def folder(self, name: str) -> Path:
        """A folder in it, made if it is not there."""
        folder = self.path / name
        files.make_folders(folder)
        return folder

    def release(self) -> None:
        """Let others have it; what is kept of a failed run (a traceback) would hold the lock for no one knows how long."""
        fcntl.flock(self._lock.fileno(), fcntl.LOCK_UN)

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        files.remove_tree(self.path)
