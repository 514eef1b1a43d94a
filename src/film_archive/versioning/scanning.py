"""Looking through a work tree: which files are not as the index has them. Nothing is read but folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from film_archive.core import files
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


def doubts(root: Path, index: StatIndex) -> Iterator[Doubt]:
    """All files that are not as the index has them, those it does not have and those that are gone among them."""
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
    before = f"{folder}/" if folder else ""
    try:
        items = os.scandir(place)
    except FileNotFoundError:
        items = None
    except OSError as error:
        raise from_os_error(error, f"look through {printable(place)}") from error
    if items is not None:
        with items:
            for item in items:
                name = item.name
                if item.is_dir(follow_symlinks=False):
                    if not is_skipped(name):
                        waiting.append(before + name)
                        if name in expected and is_folder(expected[name]):
                            del expected[name]
                    continue
                try:
                    status = item.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # it has just gone
                seen = expected.pop(name, None)
                if seen is not None:
                    if (
                        seen[1] != status.st_mtime_ns
                        or seen[2] != status.st_ctime_ns
                        or seen[0] != status.st_size
                        or seen[3] != inode_of(status)
                    ):
                        yield Doubt(before + name, seen, status)
                elif not is_skipped(name) and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                    yield Doubt(before + name, None, status)
    for name, seen in expected.items():
        yield Doubt(before + name, seen, None)
