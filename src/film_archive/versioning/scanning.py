"""Looking through a work tree: which files are not as the index has them. Nothing is read but folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from film_archive.core import files
from film_archive.core.cycles import no_cycles
from film_archive.core.errors import from_os_error
from film_archive.core.names import OWN, is_junk
from film_archive.core.source import printable
from film_archive.versioning.stat_index import Folder, Numbers, StatIndex, inode_of, is_folder

CHECKOUT = ".film-archive-checkout"
_SKIPPED = frozenset((OWN, CHECKOUT, ".film-archive-repo"))


class Doubt(NamedTuple):
    """A file, link or folder that is not as the index has it. `seen` is None where the index does not have it."""

    path: str
    """Relative, as on disk."""
    seen: Numbers | None
    status: os.stat_result | None
    """None where nothing is there."""

    @property
    def is_link(self) -> bool:
        return self.status is not None and stat.S_ISLNK(self.status.st_mode)


def is_skipped(name: str) -> bool:
    """Whether a file or folder of this name is never part of a work tree: ours, or an operating system's leftover."""
    return name in _SKIPPED or is_junk(name) or files.is_temporary_name(name)


def doubts(root: Path, index: StatIndex) -> list[Doubt]:
    """All files that are not as the index has them, those it does not have and those that are gone among them."""
    with no_cycles():
        return list(_doubts(root, index))


def _doubts(root: Path, index: StatIndex) -> Iterator[Doubt]:
    known = index.folders()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        record = known.pop(folder, None)
        expected = {} if record is None else index.opened(record)
        yield from _doubts_of(f"{root}/{folder}", folder, expected, waiting)
    for folder, record in known.items():  # folders that are gone
        for name, seen in index.opened(record).items():
            yield Doubt(f"{folder}/{name}" if folder else name, seen, None)


def _doubts_of(place: str, folder: str, expected: Folder, waiting: list[str]) -> Iterator[Doubt]:
    """Those of one folder. What is below is asked for from here, so that the system looks up no path twice."""
    before = f"{folder}/" if folder else ""
    try:
        here = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        here = None  # it has just gone
    except OSError as error:
        raise from_os_error(error, f"look through {printable(place)}") from error
    if here is not None:
        try:
            yield from _changed(here, before, expected, waiting)
        except OSError as error:
            raise from_os_error(error, f"look through {printable(place)}") from error
        finally:
            os.close(here)
    for name, seen in expected.items():
        yield Doubt(before + name, seen, None)


def _changed(here: int, before: str, expected: Folder, waiting: list[str]) -> Iterator[Doubt]:
    """What an open folder has that is not as expected; what is expected and was found is taken out of `expected`."""
    stat_of = os.stat
    for name in os.listdir(here):
        try:
            status = stat_of(name, dir_fd=here, follow_symlinks=False)
        except FileNotFoundError:
            continue  # it has just gone
        seen = expected.get(name)
        if seen is not None and seen == (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino):
            del expected[name]
            continue
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            if not is_skipped(name):
                waiting.append(before + name)
                if seen is not None and is_folder(seen):
                    del expected[name]
        elif seen is not None:
            del expected[name]
            if seen != (status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode_of(status)):
                yield Doubt(before + name, seen, status)
        elif (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) and not is_skipped(name):
            yield Doubt(before + name, None, status)
