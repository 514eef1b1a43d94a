"""The `.otiod` form: a folder, written as a folder archive under another name, which gets its own when it is whole.

Media are copied in, with their blocks shared where the file system can, digested in the same read and made durable; they
are not read back, `bundle check` does that.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.folder import FolderWriter
from film_archive.bundles.otioz import refuse_existing
from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.source import printable

SUFFIX = ".otiod"

_JOB = f"{layout.WORK}/job"
"""In the folder while it is unfinished: what it is made of, so that another job does not continue it but begins anew."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


def begin(target: Path, algorithms: Iterable[str], job: str) -> FolderWriter:
    """A writer of a new bundle beside its place; it continues what a killed run of the same job has left.

    To be called, and the writer used, within `alone`; `put` then gives the bundle its name.
    """
    refuse_existing(target)
    (work,) = working_files(target)
    begun_by = work / _JOB
    with files.explaining(f"write {printable(target)}"):
        left = begun_by.read_text("utf-8") if begun_by.is_file() else None
        goes_on = left == job and not os.path.lexists(work / layout.MANIFEST)
        if not goes_on:  # another job's, or killed before it had begun or when all but its name was there
            for place in work.iterdir():
                files.remove_tree(place) if place.is_dir() else files.remove(place)
            begun_by.parent.mkdir(parents=True)
    if not goes_on:
        files.write_atomically(begun_by, job.encode())
    return FolderWriter.create(work, algorithms=algorithms, reads_back=False)


def put(target: Path) -> None:
    """Give a finished bundle its name. Raises Refused where something has it by now."""
    (work,) = working_files(target)
    files.rename(work, target)


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """While nobody else writes a bundle of this name; the folder that it is built in is there.

    Raises Refused where another process does.
    """
    (work,) = working_files(target)
    with files.explaining(f"write {printable(target)}"):
        work.mkdir(exist_ok=True)
        descriptor = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise _busy(target) from error
        if not files.is_at(descriptor, work):
            raise _busy(target)
        yield
    finally:
        os.close(descriptor)


def _busy(target: Path) -> Refused:
    return Refused(f"{printable(target)} is being written by another process; nothing was changed.")


def working_files(target: Path) -> tuple[Path, ...]:
    """Where the bundle is built, its journal in it."""
    return (files.temporary_name(target, "work"),)


def abandon(target: Path) -> bool:
    """Remove what is unfinished; False where there was nothing. Raises Refused where another process is writing it."""
    (work,) = working_files(target)
    if not work.is_dir():
        return False
    with alone(target):
        files.remove_tree(work)
    return True
