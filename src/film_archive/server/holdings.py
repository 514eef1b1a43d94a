"""What the server may show: its ROOTs, the archives in them, and the bytes behind an address."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from film_archive.archive import layout
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, FileIdentity, FileSource, printable
from film_archive.server.access import Access
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
    """The bytes behind an address, and what HTTP says of them; `place` and `status` tell what was opened."""

    source: ByteSource
    content: Representation
    place: Path | None = None
    status: os.stat_result | None = None

    @property
    def is_current(self) -> bool:
        """Whether the file that was opened still has its name and is unchanged. Asks the system, so it may wait."""
        if self.place is None or self.status is None:
            return False
        try:
            now = self.place.stat()
        except OSError:
            return False
        return FileIdentity.of(now) == FileIdentity.of(self.status)


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
        return quote("/media/" + self.member_path(member))

    def member_path(self, member: Member) -> str:
        """What a member's addresses have below /media/."""
        path = member.path
        if self.name.form == "folder" and member.raw_name is not None:
            names = os.fsdecode(member.raw_name).split("/")
            path = "/".join(layout.member_name(name)[0] for name in names)
        return self._below(path)

    def path_url(self, path: str) -> str:
        """The address of the member of this path."""
        return quote("/media/" + self._below(path))

    def _below(self, path: str) -> str:
        return "/".join(part for part in (self.media_path, path) if part)


@dataclass(frozen=True, slots=True)
class HeldClip:
    """Media that may be a clip: its bytes and, where it lies in an archive, what that knows of it."""

    path: str
    """In addresses, below /media/."""
    media: Media
    held: HeldArchive | None
    member: Member | None

    @property
    def facts(self) -> MediaFacts | None:
        if self.held is None or self.member is None:
            return None
        with making_sense(self.held.opened.archive.name, self.member.path):
            return self.member.media

    @property
    def digest(self) -> str | None:
        """XXH3-128 of all of it, as the archive has it."""
        return None if self.member is None else self.member.digests.get(KEY)

    def frame_index(self) -> FrameIndex | None:
        """The index that the archive keeps of it, None where it has none or that can't be used."""
        if self.held is None or self.member is None:
            return None
        try:
            return self.held.opened.frame_index(self.member)
        except (NotSupported, Damaged):
            return None  # it can be made again from the clip


@dataclass(slots=True)
class _Search:
    found: list[ArchiveName] = field(default_factory=list)
    visited: int = 0
    complete: bool = True
    entered: set[tuple[int, int]] = field(default_factory=set)
    """Folders by device and inode: where links are followed, one may lead back to where it is."""


class Holdings:
    """Everything below the ROOTs. With one ROOT addresses begin below it, with several with its folder's name."""

    def __init__(self, roots: Sequence[str | os.PathLike[str]], *, follow_links: bool = False) -> None:
        if not roots:
            raise UsageError("Name at least one folder or archive to serve.")
        self.roots = tuple(root_of(Path(root), follow_links=follow_links) for root in roots)
        self._labelled = len(self.roots) > 1
        labels = [root.label for root in self.roots]
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if labels.count(label) > 1)
            raise UsageError(f"Two folders to serve are called {printable(twice)}, and so would be their addresses.")
        self._archives = OpenArchives()

    def seen_with(self, access: Access) -> Holdings:
        """The same, as far as an access opens it; addresses stay the same. Archives are opened once for all."""
        if access.roots is None:
            return self
        seen = copy(self)
        seen.roots = tuple(root for root in self.roots if access.opens(root.label))
        return seen

    def media(self, path: str) -> Media:
        """What is at /media/PATH: a file below a ROOT, or a member of an archive; raises NotFound."""
        root, entry, rest = self._find(path)
        if entry is None or entry.is_folder:
            raise NotFound(f"There is no file {printable(path)}.")
        if not rest:
            source = root.listing.open(entry, self._name(root, entry))
            content = self._of_file(root, entry, source)
            return Media(source, content, root.listing.path_of(entry), source.status)
        opened = self._opened_zip(root, entry)
        member = opened.member("/".join(rest))
        inside = opened.source(member)
        with making_sense(opened.archive.name, member.path):
            content = replace(of_member(member, opened.status), size=inside.size)
            return Media(inside, content, root.listing.path_of(entry), opened.status)

    def clip(self, path: str) -> HeldClip:
        """The clip at PATH, with what its archive knows of it; raises NotFound."""
        media = self.media(path)
        root, entry, rest = self._find(path)
        assert entry is not None  # else it has no bytes
        if rest:
            opened = self._opened_zip(root, entry)
            member = opened.member("/".join(rest))
            zip_path = self._prefix(root) + "/".join(entry.path)
            return HeldClip(path, media, HeldArchive(ArchiveName(zip_path, "zip"), opened, zip_path), member)
        found = self._in_folder_archive(root, entry)
        if found is None:
            return HeldClip(path, media, None, None)
        names, opened, member = found
        where = (self._prefix(root) + "/".join(names)).rstrip("/")
        return HeldClip(path, media, HeldArchive(ArchiveName(where or root.label, "folder"), opened, where), member)

    def archive(self, path: str) -> HeldArchive:
        """The archive of this path, of either form or a foreign zip; raises NotFound."""
        try:
            root, entry, rest = self._find(path)
        except NotFound:
            root, entry, rest = self._root_itself(path), None, ()
        media_path = "" if entry is None and not self._labelled else path
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

    def path_below(self, path: Path) -> str | None:
        """The address, below the server's own, of a file on this machine; None where no ROOT lists it."""
        for root in self.roots:
            if not path.is_relative_to(root.path):
                continue
            names = [layout.member_name(name)[0] for name in path.relative_to(root.path).parts]
            found = root.listing.find(names) if names else None
            if found is not None and not found[0].is_folder and not found[1]:
                return quote("/media/" + self._prefix(root) + "/".join(found[0].path))
        return None

    def public(self, message: str) -> str:
        """A sentence without the ROOTs' places on this machine."""
        for root in self.roots:
            message = message.replace(f"{printable(root.path)}/", self._prefix(root))
            message = message.replace(printable(root.path), printable(root.label))
        return message

    # inside

    def _of_file(self, root: Root, entry: Entry, source: FileSource) -> Representation:
        """A file's; where it is a member of a folder archive and unchanged since, its tag is its content's digest."""
        content = of_file(source.status, entry.path[-1])
        found = self._in_folder_archive(root, entry)
        if found is None:
            return content
        _, opened, member = found
        with making_sense(opened.archive.name, member.path):
            known = of_member(member, opened.status)
            same = (member.size, member.mtime_ns) == (source.size, source.status.st_mtime_ns)
            return replace(content, etag=known.etag) if same and KEY in member.digests else content

    def _in_folder_archive(self, root: Root, entry: Entry) -> tuple[tuple[str, ...], OpenedArchive, Member] | None:
        """(the archive's folder, the archive, the member) of a file that lies in a folder archive and is in its manifest."""
        for depth in range(len(entry.path)):
            names = entry.path[:depth]
            if not self._is_folder_archive(root, names):
                continue
            where = root.path.joinpath(*entry.disk_path[:depth])
            try:
                opened = self._archives.get(where)
                return names, opened, opened.member("/".join(entry.path[depth:]))
            except (NotFound, Damaged, NotSupported):
                return None  # a file like any other
        return None

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
                elif entry.is_folder and (entry.device, entry.inode) not in search.entered:
                    search.entered.add((entry.device, entry.inode))
                    folders.append(entry.path)
            waiting.extend(reversed(folders))
        search.complete = search.complete and not waiting

    def _find(self, path: str) -> tuple[Root, Entry | None, tuple[str, ...]]:
        """The ROOT and the entry that a path names; the entry is None for a ROOT itself (where there are several)."""
        names = path.split("/")
        root = next(iter(self.roots), None)
        if self._labelled:
            named = next((root for root in self.roots if root.label == names[0]), None)
            if named is None:
                raise NotFound(f"There is nothing at {printable(path)}.")
            root, names = named, names[1:]
            if not names:
                return root, None, ()
        if root is None:
            raise NotFound(f"There is nothing at {printable(path)}.")
        found = root.listing.find(names)
        if found is None:
            raise NotFound(f"There is nothing at {printable(path)}.")
        return root, found[0], found[1]

    def _root_itself(self, path: str) -> Root:
        """The only ROOT, by its own name: it may be a folder archive itself."""
        if not self._labelled and self.roots and self.roots[0].label == path:
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
        return f"{root.label}/" if self._labelled else ""

    def _name(self, root: Root, entry: Entry) -> str:
        return printable(self._prefix(root) + "/".join(entry.path))
