"""Archives that stay open between requests, so that none pays for reading the directory again.

An archive is opened anew when its file has changed (by device, inode, size and time). Whoever reads from the old one
goes on doing so: a file is closed when the last source over it has gone, never under a reader.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from film_archive.archive import directory, layout, zipformat
from film_archive.archive.reader import Archive, ZipArchive, open_archive
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, NotSupported, from_os_error
from film_archive.core.frame_index import FrameIndex
from film_archive.core.member import Member
from film_archive.core.source import ByteSource, FileSource, printable

_END = zipformat.END_SIZE + len(directory.seal("0" * 32))
_KEPT_ARCHIVES = 32
_KEPT_MEMBERS = 4096
_KEPT_INDEXES = 16
_LARGEST_INDEX = 1 << 28
_KEPT_INFLATERS = 4
"""Each may hold some megabytes of states, and is worth it: another would inflate from the start again."""


@contextmanager
def making_sense(archive: str, path: str) -> Iterator[None]:
    """Whatever a manifest's line says: where its values can't be used, that is Damaged and no other error."""
    try:
        yield
    except FilmArchiveError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Damaged(
            f"What the manifest of {archive} says of {printable(path)} makes no sense ({type(error).__name__}); "
            "run `film-archive check`."
        ) from error


class OpenedArchive:
    """An archive, its file's status when it was opened, and what was asked of it lately. Safe for many threads."""

    def __init__(self, archive: Archive, status: os.stat_result) -> None:
        self.archive = archive
        self.status = status
        self.stamp = _stamp(status)
        self._lock = threading.Lock()
        self._members: OrderedDict[str, Member] = OrderedDict()
        self._inflaters: OrderedDict[str, ByteSource] = OrderedDict()
        self._indexes: OrderedDict[str, FrameIndex] = OrderedDict()

    def member(self, path: str) -> Member:
        """The member of this path; raises NotFound. A large archive is searched for the first question only."""
        with self._lock:
            member = self._members.get(path)
            if member is not None:
                self._members.move_to_end(path)
                return member
        with making_sense(self.archive.name, path):
            member = self.archive.member(path)
        with self._lock:
            self._members[path] = member
            while len(self._members) > _KEPT_MEMBERS:
                self._members.popitem(last=False)
        return member

    def source(self, member: Member) -> ByteSource:
        """A member's bytes; it need not be closed. Readers of one deflated member share what is inflated."""
        with self._lock:
            shared = self._inflaters.get(member.path)
            if shared is not None:
                self._inflaters.move_to_end(member.path)
                return shared
        with making_sense(self.archive.name, member.path):
            source = self.archive.source(member)
        if source.extent() is not None:
            return source
        with self._lock:
            source = self._inflaters.setdefault(member.path, source)
            while len(self._inflaters) > _KEPT_INFLATERS:
                self._inflaters.popitem(last=False)
        return source

    def frame_index(self, member: Member) -> FrameIndex:
        """Where a member's frames lie; raises NotSupported with what to do where the archive has no index of it."""
        with self._lock:
            index = self._indexes.get(member.path)
            if index is not None:
                self._indexes.move_to_end(member.path)
                return index
        try:
            stored = self.member(layout.index_path(member.path))
        except NotFound:
            raise NotSupported(
                f"{self.archive.name}::{printable(member.path)} has no frame index, so its frames can't be found; "
                "it is made for media that a probe knows, when `create` or `add` puts them in."
            ) from None
        if stored.size > _LARGEST_INDEX:  # before it is read into memory
            raise Damaged(f"{self.archive.name}: a frame index of {stored.size} bytes is not possible.")
        source = self.source(stored)
        index = FrameIndex.from_bytes(source.read_at(0, source.size))
        with self._lock:
            self._indexes[member.path] = index
            while len(self._indexes) > _KEPT_INDEXES:
                self._indexes.popitem(last=False)
        return index


class _Slot:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.opened: OpenedArchive | None = None
        self.failed: tuple[tuple[int, int, int, int], tuple[type[FilmArchiveError], str]] | None = None


class OpenArchives:
    """The archives that were used lately, each opened once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: OrderedDict[Path, _Slot] = OrderedDict()

    def get(self, path: Path, open_file: Callable[[], FileSource] | None = None) -> OpenedArchive:
        """The archive of this path as it is now, of either form, or a foreign zip.

        `open_file` opens a zip's file where the caller wants to prove what is opened. Raises as `open_archive` does.
        """
        with self._lock:
            slot = self._slots.setdefault(path, _Slot())
            self._slots.move_to_end(path)
            while len(self._slots) > _KEPT_ARCHIVES:
                self._slots.popitem(last=False)
        with slot.lock:  # one opens, the others wait for it
            status = _status(path)
            if slot.opened is not None and _is_current(slot.opened, path, status):
                return slot.opened
            slot.opened = None
            if slot.failed is not None and slot.failed[0] == _stamp(status):
                kind, sentence = slot.failed[1]
                raise kind(sentence)
            file = None if open_file is None else open_file()
            try:
                slot.opened = _open(path, status, file)
            except (Damaged, NotFound, NotSupported) as error:
                # Looking again may mean reading all of the file.
                slot.failed = _stamp(status), (type(error), str(error))
                raise
            return slot.opened

    def __len__(self) -> int:
        return len(self._slots)

    def clear(self) -> None:
        """Let go of all of them; sources that are in use stay usable."""
        with self._lock:
            self._slots.clear()


def _open(path: Path, status: os.stat_result, file: FileSource | None) -> OpenedArchive:
    if file is None:
        archive = open_archive(path)
        return OpenedArchive(archive, _opened_status(archive, status))
    return OpenedArchive(ZipArchive(path, file), file.status)


def _opened_status(archive: Archive, status: os.stat_result) -> os.stat_result:
    """Of what was really opened: between asking and opening an archive may have been replaced."""
    if isinstance(archive, ZipArchive) and isinstance(archive.file, FileSource):
        return archive.file.status
    return status


def _status(path: Path) -> os.stat_result:
    """The status of what says that an archive has changed: the zip, or a folder's manifest."""
    try:
        status = path.stat()
        manifest = path / layout.MANIFEST
        return manifest.stat() if stat.S_ISDIR(status.st_mode) and manifest.is_file() else status
    except OSError as error:
        raise from_os_error(error, f"open {printable(path)}") from error


def _is_current(opened: OpenedArchive, path: Path, status: os.stat_result) -> bool:
    """Whether what was opened is still the archive: unchanged, or growing under an `add` that has not finished.

    Such an add leaves the old directory in place, and to find it again could mean reading back over all that was added.
    """
    if opened.stamp == _stamp(status):
        return True
    before = opened.status
    if (before.st_dev, before.st_ino) != (status.st_dev, status.st_ino) or before.st_size >= status.st_size:
        return False
    if not (isinstance(opened.archive, ZipArchive) and opened.archive.sealed):
        return False
    with FileSource(path) as file:
        tail = file.read_at(max(0, file.size - _END), _END)
    return not (tail.startswith(zipformat.END_SIGNATURE) and tail[zipformat.END_SIZE :].startswith(directory.SEAL))


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
