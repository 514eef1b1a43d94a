"""Entries: what a tree says of a path, and by which key paths are sorted."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from film_archive.core.digest import KEY
from film_archive.core.names import fold

ADDRESS = "blake3"
_STRONG = (ADDRESS, KEY, "sha256", "sha512")
"""Digests by which two contents of one size are known to be the same."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


class EntryKind(StrEnum):
    """What a path is."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"


class Borrowed(NamedTuple):
    """Bytes that lie in an archive: which one, and under what name."""

    archive_id: str
    member: str


class Entry(NamedTuple):
    """A path of a tree. A file's bytes are a blob (`blake3`), or borrowed from an archive (`archive`)."""

    path: str
    kind: EntryKind = EntryKind.FILE
    size: int = 0
    mtime_ns: int | None = None
    mode: int | None = None
    key: bytes | None = None
    """XXH3-128 of a file's bytes."""
    blake3: bytes | None = None
    """The blob that a file's bytes are."""
    archive: str | None = None
    """The id of the archive that lends a file's bytes."""
    more: Mapping[str, Any] = NOTHING
    """What few have: the borrowed member's path where it is another, further digests, target, raw_name, raw_target."""

    @property
    def is_file(self) -> bool:
        return self.kind is EntryKind.FILE

    @property
    def borrowed(self) -> Borrowed | None:
        if self.archive is None:
            return None
        return Borrowed(self.archive, self.more.get("member", self.path))

    @property
    def digests(self) -> Mapping[str, str]:
        """Name → hex of what is known of the bytes."""
        found = dict(self.more.get("digests", NOTHING))
        if self.key is not None:
            found[KEY] = self.key.hex()
        if self.blake3 is not None:
            found[ADDRESS] = self.blake3.hex()
        return found

    def at(self, path: str) -> Entry:
        """The same thing under another path."""
        more = self.more
        if self.archive is not None:
            more = {**more, "member": self.more.get("member", self.path)}
            if more["member"] == path:
                del more["member"]
        if "raw_name" in more:  # bytes of a name that it no longer has
            more = {name: value for name, value in more.items() if name != "raw_name"}
        return self._replace(path=path, more=more)

    def same_content(self, other: Entry) -> bool:
        """Whether two entries are known to hold the same, wherever it lies; times and permissions aside."""
        if self.kind is not other.kind or self.size != other.size:
            return False
        if self.kind is not EntryKind.FILE:
            return bool(self.more.get("target") == other.more.get("target"))
        if self.blake3 is not None and other.blake3 is not None:
            return self.blake3 == other.blake3
        mine, theirs = self.digests, other.digests
        shared = mine.keys() & theirs.keys()
        if any(mine[name] != theirs[name] for name in shared):
            return False
        return not shared.isdisjoint(_STRONG) or (self.archive is not None and self.borrowed == other.borrowed)


def sort_key(path: str) -> str:
    """By what a tree is sorted; two paths with one key can't be in one tree."""
    return path.lower() if path.isascii() else fold(path)


def folders_of(path: str) -> list[str]:
    """The folders on a path's way, the deepest first."""
    found = []
    end = path.rfind("/")
    while end > 0:
        found.append(path[:end])
        end = path.rfind("/", 0, end)
    return found
