"""Placing files of a tree on disk: shared with the repository or the archive that has them, else copied and proven.

Bytes that are copied are compared with their digest on the way. Bytes that are shared are not read, but for borrowed ones
that were never proven.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from film_archive.core import copying, files
from film_archive.core.cycles import no_cycles
from film_archive.core.errors import Refused
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.versioning.contents import Blob, Layout
from film_archive.versioning.direct_placing import DirectPlacer, Wanted, batched
from film_archive.versioning.disk_names import DiskNames, link_problem
from film_archive.versioning.entries import Entry, EntryKind
from film_archive.versioning.opened import OpenRepository
from film_archive.versioning.reading import Bytes, require_same
from film_archive.versioning.stat_index import Seen

_AT_ONCE = 20_000
"""Files whose contents are looked up together."""
_WORTH_SHARING = 1 << 16
"""Bytes of a file; fewer are copied sooner."""


class How(StrEnum):
    """By what a file got its bytes."""

    SHARED = "shared"
    LINKED = "linked"
    COPIED = "copied"


class Placed(NamedTuple):
    """A file that was placed."""

    path: str
    """Relative, as on disk."""
    seen: Seen
    how: How


class Placer:
    """Places files below a folder that nobody else writes in. Use it as a context manager; `settle` makes them durable."""

    def __init__(self, repository: OpenRepository, root: Path, *, read_only: bool = False) -> None:
        self._repository = repository
        self._root = root
        self._read_only = read_only
        self._bytes = Bytes(repository)
        self._folders: set[str] = {""}
        self._can_share: bool | None = None
        self._direct = DirectPlacer(repository.store, root, read_only=read_only)
        self.left_out: list[tuple[str, str]] = []

    def place(self, entries: Iterable[Entry]) -> list[Placed]:
        """Place what is not there yet; links come last, so that nothing is written through one."""
        placed: list[Placed] = []
        links: list[tuple[Entry, str]] = []
        names = DiskNames()
        with no_cycles():
            for some in batched(entries, _AT_ONCE):
                placed += self._place_some(some, names, links)
        for entry, relative in links:
            made = self._place_link(entry, relative)
            if made is not None:
                placed.append(made)
        return placed

    def _place_some(self, entries: Sequence[Entry], names: DiskNames, links: list[tuple[Entry, str]]) -> list[Placed]:
        """Some thousand: what can go the short way together, the others one by one. Links are put aside."""
        blobs = self._repository.contents.find_all([entry.blake3 for entry in entries if entry.blake3 is not None])
        placed: list[Placed] = []
        short: list[Wanted] = []
        for entry in entries:
            folder, name = names.of(entry)
            relative = f"{folder}/{name}" if folder else name
            if entry.kind is EntryKind.SYMLINK:
                links.append((entry, relative))
            elif entry.kind is EntryKind.FOLDER:
                self._make_folder(relative)
                placed.append(Placed(relative, Seen.folder(), How.COPIED))
            else:
                self._make_folder(folder)
                blob = blobs.get(entry.blake3 or b"")
                if blob is not None and self._takes(blob):
                    short.append(Wanted(entry, folder, name, blob))
                else:
                    placed.append(self._place_file(entry, relative))
        made, left = self._direct.place(short)
        placed += [Placed(one.path, one.seen, How.SHARED if one.shared else How.COPIED) for one in made]
        placed += [self._place_file(one.entry, one.path) for one in left]
        return placed

    def _takes(self, blob: Blob) -> bool:
        """Whether files of this content can be made the short way."""
        if blob.layout is not Layout.WHOLE:
            return blob.layout in (Layout.PACKED, Layout.INLINE)
        if self._can_share is not None:
            return self._can_share and blob.size >= _WORTH_SHARING
        place = None if blob.place is None else self._repository.store.path_of(blob.place.hex())
        return place is not None and self._shares_file(place, blob.size)

    def _make_folder(self, relative: str) -> None:
        if relative in self._folders:
            return
        above = relative.rpartition("/")[0]
        self._make_folder(above)
        place = self._root / relative
        with files.explaining(f"make the folder {printable(place)}"):
            try:
                place.mkdir()
            except FileExistsError:
                if not stat.S_ISDIR(place.lstat().st_mode):
                    raise Refused(f"{printable(place)} is no folder, and has to be one; nothing more was written.") from None
        self._folders.add(relative)

    def _place_link(self, entry: Entry, relative: str) -> Placed | None:
        raw = entry.more.get("raw_target")
        target = os.fsdecode(bytes.fromhex(raw)) if raw else str(entry.more.get("target", ""))
        problem = link_problem(relative, target)
        if problem is not None:
            self.left_out.append((entry.path, problem))
            return None
        self._make_folder(relative.rpartition("/")[0])
        place = self._root / relative
        with files.explaining(f"make the link {printable(place)}"):
            place.symlink_to(target)
            return Placed(relative, Seen.sure(place.lstat()), How.COPIED)

    def _place_file(self, entry: Entry, relative: str) -> Placed:
        self._make_folder(relative.rpartition("/")[0])
        place = self._root / relative
        with self._bytes.source(entry) as source:
            if self._read_only and self._linked(source, place):
                return Placed(relative, Seen.sure(place.lstat()), How.LINKED)
            with files.explaining(f"write {printable(place)}", needed=lambda: entry.size, folder=self._root):
                descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
                try:
                    how = self._fill(entry, source, descriptor)
                    mode = 0o644 if entry.mode is None else entry.mode & 0o777
                    os.fchmod(descriptor, mode & 0o555 if self._read_only else mode | 0o200)
                    if entry.mtime_ns is not None:
                        os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
                    status = os.fstat(descriptor)
                except BaseException:
                    files.remove(place)
                    raise
                finally:
                    os.close(descriptor)
        return Placed(relative, Seen.sure(status), how)

    def _fill(self, entry: Entry, source: ByteSource, descriptor: int) -> How:
        proven = entry.blake3 is not None or self._bytes.is_proven(entry, source)
        if proven and self._shares(source):
            shared = copying.transfer(source, descriptor, 0)
            return How.SHARED if shared else How.COPIED
        algorithms = tuple(name for name in entry.digests if name != "xxh128" or entry.blake3 is None)
        poured = copying.pour(source, descriptor, 0, algorithms=algorithms)
        require_same(entry, poured.digests, source.name)
        self._bytes.note_proven(entry, source)
        return How.SHARED if poured.shared else How.COPIED

    def _shares(self, source: ByteSource) -> bool:
        """Whether this source's file can share blocks with the folder: asked once, of the repository's own files."""
        extent = source.extent()
        return extent is not None and self._shares_file(extent.path, source.size)

    def _shares_file(self, path: Path, size: int) -> bool:
        if size < _WORTH_SHARING:
            return False
        if self._can_share is None:
            self._can_share = path.is_file() and copying.can_share(path, self._root)
        return self._can_share

    def _linked(self, source: ByteSource, place: Path) -> bool:
        """Give a whole object a second name, where blocks can't be shared."""
        return isinstance(source, FileSource) and not self._shares(source) and files.hard_link(source.path, place)

    def settle(self) -> None:
        """Make all that was placed durable."""
        with files.explaining(f"make {printable(self._root)} durable"):
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if not files.sync_file_system(descriptor):
                    for folder in sorted(self._folders):
                        self._sync_all(self._root / folder)
            finally:
                os.close(descriptor)

    def _sync_all(self, folder: Path) -> None:
        for item in os.scandir(folder):
            if item.is_file(follow_symlinks=False):
                descriptor = os.open(item.path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    files.sync(descriptor)
                finally:
                    os.close(descriptor)
        files.sync_folder(folder)

    def __enter__(self) -> Placer:
        self._bytes.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._bytes.__exit__(None, error, None)
