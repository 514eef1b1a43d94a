"""Objects as files of a folder.

    ab/cdef…              an object, under its address
    incoming/PID-RANDOM   what is being written
    repository            whose contents these are, where the folder is not a repository's own

Bytes are shared with their source where the file system can. Many objects are made durable together: one call to the system
for all, not one for each.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from film_archive.core import copying, files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, Refused
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.versioning.entries import ADDRESS
from film_archive.versioning.stores.store import ObjectStore, OnBytes, Stored

_INCOMING = "incoming"
_MARK = "repository"
_HEX = re.compile(r"[0-9a-f]{64}")
_FEW = 8
"""So many files are made durable one by one; of more the whole file system is."""
_MOST_OPEN = 128


class _Waiting(NamedTuple):
    """A file that is written and does not have its name yet."""

    descriptor: int
    place: Path
    address: str


class FolderStore(ObjectStore):
    """A folder, made when the first object is put."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = printable(folder)
        self._waiting: list[_Waiting] = []
        self._guard = threading.RLock()

    def put(self, source: ByteSource, *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        place = self._incoming() / f"{os.getpid()}-{os.urandom(8).hex()}"
        doing = f"store {source.name} in {self.name}"
        with files.explaining(doing):
            descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        kept = False
        try:
            with files.explaining(
                doing,
                needed=lambda: files.unwritten(descriptor, source.size),
                folder=self.folder,
                state="nothing was changed",
            ):
                poured = copying.pour(source, descriptor, 0, algorithms=(KEY, ADDRESS), on_bytes=on_bytes)
            address = poured.digests[ADDRESS]
            if not self.has(address):
                kept = True
                with self._guard:
                    self._waiting.append(_Waiting(descriptor, place, address))
        finally:
            if not kept:
                os.close(descriptor)
                files.remove(place)
        if len(self._waiting) >= _MOST_OPEN:
            self.settle()
        return poured.digests

    def settle(self) -> None:
        with self._guard:
            waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            with files.explaining(f"make objects of {self.name} durable"):
                self._settle(waiting)
        finally:
            for left in waiting:
                os.close(left.descriptor)
                files.remove(left.place)

    def _settle(self, waiting: list[_Waiting]) -> None:
        many = len(waiting) > _FEW
        if not (many and files.sync_file_system(waiting[0].descriptor)):
            for one in waiting:
                files.sync(one.descriptor)
        folders = set()
        for one in waiting:
            place = self._place(one.address)
            if not place.parent.is_dir():
                place.parent.mkdir(exist_ok=True)
                folders.add(self.folder)
            files.rename_unsynced(one.place, place)  # over the same bytes, if another was as quick
            folders.add(place.parent)
        if not (many and files.sync_file_system(waiting[0].descriptor)):
            for folder in sorted(folders):
                files.sync_folder(folder)

    def forget(self) -> None:
        with self._guard:
            waiting, self._waiting = self._waiting, []
        for left in waiting:
            os.close(left.descriptor)
            files.remove(left.place)

    def has(self, address: str) -> bool:
        return self._place(address).is_file()

    def source(self, address: str, name: str) -> ByteSource:
        place = self._place(address)
        if not place.is_file():
            raise Damaged(f"The content of {name} is missing from {self.name}; restore {place.name} from a copy of it.")
        return FileSource(place, name)

    def path_of(self, address: str) -> Path | None:
        return self._place(address)

    def size_of(self, address: str, name: str) -> int:
        try:
            status = self._place(address).stat()
        except OSError:
            status = None
        if status is None or not stat.S_ISREG(status.st_mode):
            return super().size_of(address, name)  # which says what is wrong
        return status.st_size

    def stored(self) -> Iterator[Stored]:
        for place in sorted(self.folder.glob("??/*")):
            address = place.parent.name + place.name
            if _HEX.fullmatch(address):
                status = place.stat()
                yield Stored(address, status.st_size, status.st_mtime)

    def remove(self, address: str) -> None:
        files.remove(self._place(address))

    def unfinished(self) -> list[Stored]:
        found = []
        for place in sorted((self.folder / _INCOMING).glob("*")):
            status = place.lstat()
            found.append(Stored(place.name, status.st_size, status.st_mtime))
        return found

    def remove_unfinished(self, left: Stored) -> None:
        files.remove(self.folder / _INCOMING / left.address)

    def owner(self) -> str | None:
        place = self.folder / _MARK
        if not place.is_file():
            return None
        with FileSource(place) as file:
            return file.read_at(0, 200).decode("utf-8", "replace").strip()

    def set_owner(self, owner: str) -> None:
        with files.explaining(f"make the folder {printable(self.folder)}"):
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            files.write_atomically(self.folder / _MARK, f"{owner}\n".encode())
        except Refused:
            if self.owner() is None:
                raise

    def _place(self, address: str) -> Path:
        if not _HEX.fullmatch(address):
            raise Damaged(f"{address[:80]!r} is not the address of anything in {self.name}.")
        return self.folder / address[:2] / address[2:]

    def _incoming(self) -> Path:
        folder = self.folder / _INCOMING
        if not folder.is_dir():
            with files.explaining(f"make the folder {printable(folder)}"):
                folder.mkdir(parents=True, exist_ok=True)
                files.sync_folder(self.folder)
                files.sync_folder(self.folder.parent)
        return folder
