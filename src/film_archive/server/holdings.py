"""What the server may show: its ROOTs, the archives in them, and the bytes behind an address."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from film_archive.archive import layout
from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.core.manifest import Member, Role
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.server.listing import Entry, Root, root_of
from film_archive.streaming.opened import OpenArchives, OpenedArchive, making_sense
from film_archive.streaming.ranges import Representation
from film_archive.streaming.representation import of_file, of_member

_ARCHIVE_NAMES = (".zip", ".otioz")
_ZIP_BEGINNINGS = (b"PK\3\4", b"PK\5\6")
_VISITED = 200_000
"""Entries that a search for archives looks at before it gives up and says so."""
_MANIFEST = tuple(layout.MANIFEST.split("/"))


@dataclass(frozen=True, slots=True)
class Media:
    """The bytes behind an address, and what HTTP says of them."""

    source: ByteSource
    content: Representation


@dataclass(frozen=True, slots=True)
class ArchiveName:
    """An archive that was found: its path in addresses, and its form, "zip" or "folder"."""

    path: str
    form: str


@dataclass(frozen=True, slots=True)
class HeldArchive:
    """An archive that was asked for."""

    name: ArchiveName
    opened: OpenedArchive
    media_path: str
    """What its members' addresses begin with, below /media/."""

    def media_url(self, member: Member) -> str | None:
        """A member's address below the server's own; None for what has no bytes (folders, links, whole sequences)."""
        if member.role in (Role.FOLDER, Role.SYMLINK) or member.sequence is not None:
            return None
        path = member.path
        if self.name.form == "folder" and member.raw_name is not None:
            names = os.fsdecode(member.raw_name).split("/")
            path = "/".join(layout.member_name(name)[0] for name in names)
        return self.path_url(path)

    def path_url(self, path: str) -> str:
        """The address of the member of this path."""
        return quote("/media/" + "/".join(part for part in (self.media_path, path) if part))


@dataclass(slots=True)
class _Search:
    found: list[ArchiveName] = field(default_factory=list)
    visited: int = 0
    complete: bool = True


class Holdings:
    """Everything below the ROOTs. With one ROOT addresses begin below it, with several with its folder's name."""

    def __init__(self, roots: Sequence[str | os.PathLike[str]]) -> None:
        if not roots:
            raise UsageError("Name at least one folder or archive to serve.")
        self.roots = tuple(root_of(Path(root)) for root in roots)
        labels = [root.label for root in self.roots]
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise UsageError(f"Two folders to serve are called {printable(twice)}, and so would be their addresses.")
        self._archives = OpenArchives()

    def media(self, path: str) -> Media:
        """What is at /media/PATH: a file below a ROOT, or a member of an archive; raises NotFound."""
        root, entry, rest = self._find(path)
        if entry is None or entry.is_folder:
            raise NotFound(f"There is no file {printable(path)}.")
        if not rest:
            source = root.listing.open(entry, self._name(root, entry))
            return Media(source, of_file(source.status, entry.path[-1]))
        opened = self._opened_zip(root, entry)
        member = opened.member("/".join(rest))
        inside = opened.source(member)
        with making_sense(opened.archive.name, member.path):
            return Media(inside, replace(of_member(member, opened.status), size=inside.size))

    def archive(self, path: str) -> HeldArchive:
        """The archive of this path, of either form or a foreign zip; raises NotFound."""
        try:
            root, entry, rest = self._find(path)
        except NotFound:
            root, entry, rest = self._root_itself(path), None, ()
        media_path = "" if entry is None and len(self.roots) == 1 else path
        if rest:
            raise NotFound(f"There is no archive {printable(path)}.")
        if entry is not None and not entry.is_folder:
            return HeldArchive(ArchiveName(path, "zip"), self._opened_zip(root, entry), media_path)
        names = () if entry is None else entry.path
        if not self._is_folder_archive(root, names):
            raise NotFound(f"There is no archive {printable(path)}.")
        where = root.path if entry is None else root.listing.path_of(entry)
        return HeldArchive(ArchiveName(path, "folder"), self._archives.get(where), media_path)

    def archives(self) -> tuple[list[ArchiveName], bool]:
        """All archives below the ROOTs, by their names (a file's ending, a folder's manifest), and whether these are
        all.

        None is opened for it. What lies inside a folder archive is its own. Folders that may not be read are passed
        over.
        """
        search = _Search()
        found: list[ArchiveName] = []
        for root in self.roots:
            search.found = []
            self._search(root, search)
            found.extend(sorted(search.found, key=lambda archive: archive.path))
        return found, search.complete

    def public(self, message: str) -> str:
        """A sentence without the ROOTs' places on this machine."""
        for root in self.roots:
            message = message.replace(f"{printable(root.path)}/", self._prefix(root))
            message = message.replace(printable(root.path), printable(root.label))
        return message

    # inside

    def _search(self, root: Root, search: _Search) -> None:
        if self._is_folder_archive(root, ()):
            search.found.append(ArchiveName(root.label, "folder"))
            return
        waiting: list[tuple[str, ...]] = [()]
        while waiting and search.visited < _VISITED:
            try:
                entries = root.listing.folder(waiting.pop())
            except Refused:
                search.complete = False
                continue
            search.visited += len(entries) + 1
            folders = []
            for entry in entries.values():
                path = self._prefix(root) + "/".join(entry.path)
                if not entry.is_folder and entry.path[-1].lower().endswith(_ARCHIVE_NAMES):
                    search.found.append(ArchiveName(path, "zip"))
                elif entry.is_folder and self._is_folder_archive(root, entry.path):
                    search.found.append(ArchiveName(path, "folder"))
                elif entry.is_folder:
                    folders.append(entry.path)
            waiting.extend(reversed(folders))
        search.complete = search.complete and not waiting

    def _find(self, path: str) -> tuple[Root, Entry | None, tuple[str, ...]]:
        """The ROOT and the entry that a path names; the entry is None for a ROOT itself (where there are several)."""
        names = path.split("/")
        root = self.roots[0]
        if len(self.roots) > 1:
            named = next((root for root in self.roots if root.label == names[0]), None)
            if named is None:
                raise NotFound(f"There is nothing at {printable(path)}.")
            root, names = named, names[1:]
            if not names:
                return root, None, ()
        found = root.listing.find(names)
        if found is None:
            raise NotFound(f"There is nothing at {printable(path)}.")
        return root, found[0], found[1]

    def _root_itself(self, path: str) -> Root:
        """The only ROOT, by its own name: it may be a folder archive itself."""
        if len(self.roots) == 1 and self.roots[0].label == path:
            return self.roots[0]
        raise NotFound(f"There is no archive {printable(path)}.")

    @staticmethod
    def _is_folder_archive(root: Root, names: tuple[str, ...]) -> bool:
        try:
            found = root.listing.find((*names, *_MANIFEST))
        except Refused:
            return False
        return found is not None and not found[0].is_folder and len(found[0].path) == len(names) + len(_MANIFEST)

    def _opened_zip(self, root: Root, entry: Entry) -> OpenedArchive:
        name = self._name(root, entry)

        def open_zip() -> FileSource:
            file = root.listing.open(entry, name)
            if file.read_at(0, 4) not in _ZIP_BEGINNINGS:
                file.close()  # no search for a directory in what may be hundreds of gigabytes of picture
                raise NotFound(f"{name} is not an archive.")
            return file

        return self._archives.get(root.listing.path_of(entry), open_zip)

    def _prefix(self, root: Root) -> str:
        return "" if len(self.roots) == 1 else f"{root.label}/"

    def _name(self, root: Root, entry: Entry) -> str:
        return printable(self._prefix(root) + "/".join(entry.path))
