"""`Masters`: the trees that nothing may leave, and whether a path is in one of them.

Real containment is what counts: a path is followed to where it really is, and the folders above it are compared with the
masters as the file system knows them (device and inode), so that links, bind mounts and names in another case lead to the
same answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from film_archive.core.errors import NotFound
from film_archive.core.source import printable


@dataclass
class Masters:
    """Some folders; ask `holds`."""

    folders: dict[tuple[int, int], str]
    _known: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, folders: Iterable[Path]) -> Self:
        """Raises NotFound where one is not there: a master that is not mounted protects nothing, and nobody would notice."""
        found: dict[tuple[int, int], str] = {}
        for folder in folders:
            if not folder.is_dir():
                raise NotFound(f"There is no master folder {printable(folder)}; is its drive mounted? Nothing was changed.")
            status = folder.stat()
            found[status.st_dev, status.st_ino] = os.path.realpath(folder)
        return cls(found)

    def holds(self, path: str) -> bool:
        """Whether a file or folder is a master, or in one."""
        return self.holding(path) is not None

    def holding(self, path: str) -> str | None:
        """The master that a path is in."""
        if not self.folders:
            return None
        real = os.path.realpath(path)
        return self._of_folder(real) if os.path.isdir(real) else self._of_folder(real.rpartition("/")[0] or "/")  # noqa: PTH112

    def _of_folder(self, folder: str) -> str | None:
        if folder not in self._known:
            self._known[folder] = self._looked_up(folder)
        return self._known[folder]

    def _looked_up(self, folder: str) -> str | None:
        try:
            status = os.stat(folder)  # noqa: PTH116
        except FileNotFoundError:
            status = None
        if status is not None and (found := self.folders.get((status.st_dev, status.st_ino))) is not None:
            return found
        return None if folder == "/" else self._of_folder(folder.rpartition("/")[0] or "/")
