"""The short way of placing files: an object's blocks shared, or a small content written, by a handful of calls to the system.

It is for the many: a hundred thousand frames. What is not the usual is left to `placing.py`, which does the same thing the
long way, and the tests hold both equal. Folders and objects are opened once, files are made relative to their folder.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from film_archive.core import files
from film_archive.core.digest import blake3_of
from film_archive.core.errors import FilmArchiveError
from film_archive.core.reflink import clone_whole
from film_archive.core.source import OpenFile, printable
from film_archive.versioning.contents import Blob, Layout
from film_archive.versioning.entries import Entry
from film_archive.versioning.stat_index import Seen
from film_archive.versioning.stores.store import ObjectStore

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_MOST_OPEN = 64
_WORTH_A_THREAD = 200
"""Files of one folder; fewer are placed sooner than a thread is begun."""


class Wanted(NamedTuple):
    """A file that shall be made."""

    entry: Entry
    folder: str
    name: str
    blob: Blob

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}" if self.folder else self.name


class Made(NamedTuple):
    """A file that was made."""

    path: str
    seen: Seen
    shared: bool


class DirectPlacer:
    """Makes files below a folder that nobody else writes in."""

    def __init__(self, store: ObjectStore, root: Path, *, read_only: bool) -> None:
        self._store = store
        self._root = root
        self._read_only = read_only

    def place(self, wanted: Sequence[Wanted]) -> tuple[list[Made], list[Wanted]]:
        """Make files in folders that are there: those that were made, and those that have to go the long way.

        Raises NoSpace, Refused, StorageError; the file at which that was is then not there.
        """
        folders = [list(some) for _, some in groupby(wanted, key=lambda one: one.folder)]
        hands = min(os.cpu_count() or 1, 4, len(folders)) if len(wanted) >= _WORTH_A_THREAD else 1
        results = [_Hand(self._store, self._root, self._read_only) for _ in range(max(1, hands))]
        left = iter(folders)
        guard = threading.Lock()

        def next_folder() -> list[Wanted] | None:
            with guard:
                return None if any(hand.error for hand in results) else next(left, None)

        threads = [threading.Thread(target=hand.work, args=(next_folder,), daemon=True) for hand in results[1:]]
        for thread in threads:
            thread.start()
        try:
            results[0].work(next_folder)
        finally:
            left = iter(())
            for thread in threads:
                thread.join()
        for hand in results:
            if hand.error is not None:
                raise hand.error
        return [made for hand in results for made in hand.made], [one for hand in results for one in hand.left]


class _Hand:
    """What one thread makes."""

    def __init__(self, store: ObjectStore, root: Path, read_only: bool) -> None:
        self._root = root
        self._read_only = read_only
        self._objects = _Objects(store)
        self.made: list[Made] = []
        self.left: list[Wanted] = []
        self.error: FilmArchiveError | None = None

    def work(self, next_folder: Callable[[], list[Wanted] | None]) -> None:
        with self._objects:
            try:
                while (wanted := next_folder()) is not None:
                    self._fill(wanted)
            except FilmArchiveError as error:
                self.error = error

    def _fill(self, wanted: Sequence[Wanted]) -> None:
        place = self._root / wanted[0].folder
        with files.explaining(f"write into {printable(place)}"):
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            for one in wanted:
                try:
                    made = self._make(one, folder)
                except OSError as error:
                    size = one.entry.size
                    with files.explaining(
                        f"write {printable(place / one.name)}", needed=partial(int, size), folder=self._root
                    ):
                        raise error
                if made is None:
                    self.left.append(one)
                else:
                    self.made.append(made)
        finally:
            os.close(folder)

    def _make(self, one: Wanted, folder: int) -> Made | None:
        """Make a file; None, with nothing made, where that has to go the long way."""
        blob = one.blob
        data: bytes | None = None
        origin: OpenFile | None = None
        if blob.layout is Layout.WHOLE:
            origin = self._objects.whole(blob)
            if origin is None:
                return None
        else:
            data = self._objects.small(blob)
            if data is None or blake3_of(data) != blob.address:
                return None
        entry = one.entry
        mode = 0o644 if entry.mode is None else entry.mode & 0o777
        mode = mode & 0o555 if self._read_only else mode | 0o200
        descriptor = os.open(one.name, _FLAGS, mode, dir_fd=folder)
        whole = False
        try:
            whole = clone_whole(origin.number, descriptor) if origin is not None else _written(descriptor, data or b"")
            if not whole:
                return None
            if entry.mtime_ns is not None:
                os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            status = os.fstat(descriptor)
            if stat.S_IMODE(status.st_mode) != mode:  # the user's mask took something away
                os.fchmod(descriptor, mode)
                status = os.fstat(descriptor)
        except BaseException:
            whole = False
            raise
        finally:
            os.close(descriptor)
            if not whole:
                files.remove(self._root / one.path)
        return Made(one.path, Seen.sure(status), origin is not None)


def _written(descriptor: int, data: bytes) -> bool:
    return files.write_at(descriptor, data, 0) == len(data)


class _Objects:
    """Objects that are open, a few at once: packs, and what many files are."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._open: OrderedDict[bytes, tuple[OpenFile, int] | None] = OrderedDict()

    def whole(self, blob: Blob) -> OpenFile | None:
        """The open file that a blob is, if it has the size that it shall have."""
        found = None if blob.place is None else self._opened(blob.place)
        return found[0] if found is not None and found[1] == blob.size else None

    def small(self, blob: Blob) -> bytes | None:
        """The bytes of a blob that lies in a pack or in its row; None where they are not all there."""
        if blob.layout is Layout.INLINE:
            return blob.data
        found = None if blob.place is None else self._opened(blob.place)
        if found is None:
            return None
        data = os.pread(found[0].number, blob.size, blob.start or 0)
        return data if len(data) == blob.size else None

    def _opened(self, place: bytes) -> tuple[OpenFile, int] | None:
        try:
            found = self._open[place]
        except KeyError:
            found = self._open[place] = self._open_now(place)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        return found

    def _open_now(self, place: bytes) -> tuple[OpenFile, int] | None:
        path = self._store.path_of(place.hex())
        if path is None:
            return None
        try:
            file = OpenFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))
        except OSError:
            return None  # the long way says what is wrong with it
        status = os.fstat(file.number)
        return (file, status.st_size) if stat.S_ISREG(status.st_mode) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.clear()


def batched(entries: Iterable[Entry], count: int) -> Iterator[list[Entry]]:
    """Entries in their order, so many at once."""
    left = iter(entries)
    while some := list(islice(left, count)):
        yield some
