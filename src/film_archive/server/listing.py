"""What stands below a ROOT. The server opens only what is listed here, under the name it is listed by.

A request's path is compared with names, level by level; it is never opened. Folders are opened one inside the other
without following symbolic links, links are not listed, and a file counts only if what was opened is the inode that
was listed. So nothing outside the ROOT is reached, whatever a path or a link says. Where links are allowed, they are
listed as what they lead to.

Names that are not UTF-8 are listed percent-encoded, as in archives.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive import layout
from film_archive.core import files
from film_archive.core.errors import NotFound, NotSupported, from_os_error
from film_archive.core.source import FileSource, kind_of, printable

_KEPT_FOLDERS = 4096
_SETTLED = 2.0
"""Seconds after which a folder that has not changed will show a later change in its time, on any file system."""
_TRUSTED = 1.0
"""Seconds for which a name that was found in a folder under change is taken to be there still."""
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What opening a folder says when it has gone since it was listed, or is a link now."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entry:
    """A regular file or a folder: `path` from the ROOT down, as listed; `disk_path` as the disk has it."""

    path: tuple[str, ...]
    disk_path: tuple[str, ...]
    is_folder: bool
    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class _Folder:
    stamp: tuple[int, int, int, int]
    scanned: float
    settled: bool
    entries: Mapping[str, Entry]


class Listing:
    """The files and folders below a ROOT, read as they are asked for. Safe for many threads.

    `only`: the one name of the folder that is shown, where a single file is served. `follow_links`: symbolic links are
    what they lead to, wherever that is.
    """

    def __init__(self, root: Path, only: str | None = None, *, follow_links: bool = False) -> None:
        self.root = root
        self._only = only
        self._follow = follow_links
        self._lock = threading.Lock()
        self._folders: OrderedDict[tuple[str, ...], _Folder] = OrderedDict()

    def find(self, names: Sequence[str]) -> tuple[Entry, tuple[str, ...]] | None:
        """The longest part of the path that is a file, and what follows it; or the folder that the whole path is.

        None where nothing of this name is listed; the ROOT itself is not an entry.
        """
        try:
            return self._find(tuple(names))
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise from_os_error(error, f"look into {printable('/'.join(names))}") from error

    def folder(self, names: Sequence[str]) -> Mapping[str, Entry]:
        """The entries of a folder (the ROOT's for no names); empty where it is not one."""
        try:
            with _Descent(self.root, self._follow) as descent:
                for entry in self._down(descent, tuple(names)):
                    if entry is None or not entry.is_folder:
                        return {}
                return self._entries(descent, None)
        except OSError as error:
            if error.errno in _GONE:
                return {}
            raise from_os_error(error, f"look into {printable('/'.join(names))}") from error

    def open(self, entry: Entry, name: str) -> FileSource:
        """A listed file, opened; `name` is what errors call it. Raises NotFound where it is not there any more.

        A file that took its name since it was listed is opened if it is listed, too.
        """
        for again in (True, False):
            source = FileSource(self.path_of(entry), name)
            if (source.status.st_dev, source.status.st_ino) == (entry.device, entry.inode):
                return source
            source.close()
            self._forget(entry)
            found = self.find(entry.path) if again else None
            if found is None or found[0].is_folder or found[1]:
                break
            entry = found[0]
        raise NotFound(f"{name} is not what it was when it was listed; ask again.")

    def path_of(self, entry: Entry) -> Path:
        return self.root.joinpath(*entry.disk_path)

    def _forget(self, entry: Entry) -> None:
        """Read the entry's folder anew when it is next asked for."""
        with self._lock:
            self._folders.pop(entry.disk_path[:-1], None)

    def _find(self, names: tuple[str, ...]) -> tuple[Entry, tuple[str, ...]] | None:
        with _Descent(self.root, self._follow) as descent:
            found = None
            for depth, entry in enumerate(self._down(descent, names)):
                if entry is None:
                    return None
                if not entry.is_folder:
                    return entry, names[depth + 1 :]
                found = entry
            return None if found is None else (found, ())

    def _down(self, descent: _Descent, names: tuple[str, ...]) -> Iterator[Entry | None]:
        """The entry of each name in turn, entering folders on the way."""
        for name in names:
            entry = self._entries(descent, name).get(name)
            yield entry
            if entry is None:
                return
            if entry.is_folder and not descent.enter(entry):
                self._forget(entry)
                yield None
                return

    def _entries(self, descent: _Descent, wanted: str | None) -> Mapping[str, Entry]:
        """The folder that the descent is in, from memory where it has not changed."""
        status = os.fstat(descent.descriptor)
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        now = time.time()
        with self._lock:
            known = self._folders.get(descent.disk_path)
            if known is not None:
                self._folders.move_to_end(descent.disk_path)
        if known is not None and known.stamp == stamp and known.settled:
            return known.entries
        if known is not None and wanted in known.entries and 0 <= now - known.scanned < _TRUSTED:
            return known.entries
        settled = now - max(status.st_mtime_ns, status.st_ctime_ns) / 1e9 > _SETTLED
        folder = _Folder(stamp, now, settled, self._scan(descent))
        with self._lock:
            self._folders[descent.disk_path] = folder
            while len(self._folders) > _KEPT_FOLDERS:
                self._folders.popitem(last=False)
        return folder.entries

    def _scan(self, descent: _Descent) -> Mapping[str, Entry]:
        entries: dict[str, Entry] = {}
        with os.scandir(descent.descriptor) as found:
            for item in sorted(found, key=lambda item: item.name):
                name = layout.member_name(item.name)[0]
                if layout.is_junk(item.name) or files.is_temporary_name(item.name) or name in entries:
                    continue
                if self._only not in (None, item.name) and not descent.path:
                    continue
                try:
                    status = item.stat(follow_symlinks=self._follow)
                except OSError as error:
                    if error.errno in _GONE:
                        continue  # removed while this was listed, or a link that leads nowhere
                    raise
                is_folder = stat.S_ISDIR(status.st_mode)
                if is_folder or stat.S_ISREG(status.st_mode):
                    path, disk_path = (*descent.path, name), (*descent.disk_path, item.name)
                    entries[name] = Entry(path, disk_path, is_folder, status.st_dev, status.st_ino)
        return entries


class _Descent:
    """The way down from the ROOT through open folders; through a link only where that is allowed."""

    def __init__(self, root: Path, follow_links: bool) -> None:
        self._flags = _FOLDER_FLAGS | (0 if follow_links else os.O_NOFOLLOW)
        self.path: tuple[str, ...] = ()
        self.disk_path: tuple[str, ...] = ()
        self.descriptor = os.open(root, _FOLDER_FLAGS)

    def enter(self, entry: Entry) -> bool:
        """Go into a listed folder; False where something else is there by now."""
        descriptor = os.open(entry.disk_path[-1], self._flags, dir_fd=self.descriptor)
        os.close(self.descriptor)
        self.descriptor, self.path, self.disk_path = descriptor, entry.path, entry.disk_path
        status = os.fstat(descriptor)
        return (status.st_dev, status.st_ino) == (entry.device, entry.inode)

    def __enter__(self) -> _Descent:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Root:
    """A ROOT and what it is called in addresses."""

    label: str
    path: Path
    listing: Listing


def root_of(path: Path, *, follow_links: bool = False) -> Root:
    """A folder, or a single archive file, as a ROOT.

    Raises NotFound where there is nothing, Refused where it may not be read, NotSupported where it is neither.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(real).close()
        elif stat.S_ISREG(mode):
            real.open("rb").close()
    except OSError as error:
        raise from_os_error(error, f"serve {printable(path)}") from error
    label = layout.member_name(real.name or "root")[0]
    if stat.S_ISDIR(mode):
        return Root(label, real, Listing(real, follow_links=follow_links))
    if not stat.S_ISREG(mode):
        raise NotSupported(f"{printable(path)} is {kind_of(mode)}; serve a folder, or a single archive.")
    return Root(label, real.parent, Listing(real.parent, real.name))
