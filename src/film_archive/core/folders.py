"""`AtomicFolder`: a folder that appears under its name only when all that belongs into it is there and durable."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, Refused
from film_archive.core.source import printable

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}


@dataclass(slots=True)
class AtomicFolder:
    """Write files into `.folder`, then `commit()`: what was written is to be durable by then (`files.sync`, `AtomicFile`).

    Leaving the block without a commit removes all of it, and so does the next run what a killed process left; the folder
    is locked meanwhile, so that another process that makes the same one is refused.
    """

    target: Path
    purpose: str = "new"
    path: Path = field(init=False)
    """Where to write."""
    _descriptor: int = field(init=False, default=-1)
    _done: bool = field(init=False, default=False)

    def __enter__(self) -> Self:
        if os.path.lexists(self.target):
            raise Refused(f"{printable(self.target)} exists already; nothing was changed.")
        self.path = files.temporary_name(self.target, self.purpose)
        with files.explaining(f"write {printable(self.target)}"):
            while True:
                with contextlib.suppress(FileExistsError):
                    self.path.mkdir()
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                self._lock()
                if files.is_at(self._descriptor, self.path):
                    break
                os.close(self._descriptor)  # whoever had it has just finished with it
            for left in sorted(self.path.iterdir()):
                files.remove_tree(left)
                if os.path.lexists(left):
                    files.remove(left)
        return self

    def commit(self) -> None:
        """Give the folder its name, durably; raises Refused where something has it by now."""
        files.sync_folder(self.path)
        files.rename(self.path, self.target)
        self._done = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._done:
                files.remove_tree(self.path)
        except (OSError, FilmArchiveError):
            if error is None:  # else that one says why
                raise
        finally:
            os.close(self._descriptor)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise Refused(f"{printable(self.target)} is being written by another process; nothing was changed.") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # else this file system has none
                os.close(self._descriptor)
                raise


def forget_unfinished(folder: Path, relative: str) -> None:
    """Remove an unfinished file from a hidden folder in which something is built; any other folder is refused."""
    if not files.is_temporary_name(folder.name):
        raise Refused(f"{printable(folder)} is not a folder in which something is being made; nothing was removed from it.")
    files.remove(folder / relative)
