"""What an entry is called on disk, and which symbolic links are made there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.names import MAXIMUM_NAME, is_own, member_name, name_problem
from film_archive.core.source import printable
from film_archive.versioning.entries import Entry, sort_key


def place_of(entry: Entry) -> str:
    """An entry's relative path on disk; raises Refused where it would lead anywhere else than its path says."""
    problem = name_problem(entry.path)
    raw = entry.more.get("raw_name")
    if problem is None and is_own(sort_key(entry.path)):
        problem = "an archive keeps its own data there"
    if problem is None and raw is None:
        return entry.path
    if problem is None and isinstance(raw, str):
        try:
            name = bytes.fromhex(raw)
        except ValueError:
            name = b""
        if name and b"\0" not in name and member_name(os.fsdecode(name)) == (entry.path, name):
            return os.fsdecode(name)
    problem = problem or "its raw name is another"
    raise Refused(f"{printable(entry.path)} must not be written under this name: {problem}.")


class DiskNames:
    """`place_of` of many entries: what a folder's first one was asked is not asked of the others."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def of(self, entry: Entry) -> tuple[str, str]:
        """(folder, name) on disk; raises Refused as `place_of` does."""
        path = entry.path
        folder, _, name = path.rpartition("/")
        if (
            folder in self._known
            and name.isascii()
            and name.isprintable()
            and "\\" not in name
            and name not in ("", ".", "..")
            and len(path) <= _SURELY_SHORT
            and "raw_name" not in entry.more
        ):
            return folder, name
        place = place_of(entry)
        if folder and place == path:
            self._known.add(folder)
        folder, _, name = place.rpartition("/")
        return folder, name


_SURELY_SHORT = MAXIMUM_NAME // 4
"""Signs: no more bytes than a name may have, whatever they are."""


def link_problem(path: str, target: str) -> str | None:
    """Why a symbolic link is not made; None where it stays within the work tree."""
    if not target or "\0" in target or target.startswith("/"):
        return "it leads out of the folder"
    depth = len(PurePosixPath(path).parts) - 1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return "it leads out of the folder"
    return None


def remove_left_folders(root: Path, places: Iterable[str], stays: Callable[[str], bool]) -> None:
    """Remove the folders of files that were removed, as far up as they are empty and no folder that `stays`."""
    for place in sorted(set(places), reverse=True):
        folder = place.rpartition("/")[0]
        while folder and not stays(folder) and files.remove_if_empty(root / folder):
            folder = folder.rpartition("/")[0]
