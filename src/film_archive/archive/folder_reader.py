"""Reading the folder form: media where they are, and the manifest in `.film-archive/` beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from film_archive.archive import layout, packing
from film_archive.archive.opened import Archive
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused
from film_archive.core.manifest import Header, Member, Role, member_lines, read_manifest, seal_of
from film_archive.core.source import ByteSource, FileSource, printable


class FolderArchive(Archive):
    """The folder form: media where they are, and `.film-archive/` beside them."""

    header: Header

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._root = os.path.realpath(self.path)
        manifest = self.path / layout.MANIFEST
        if not manifest.is_file():
            raise NotFound(
                f"{self.name} is a folder without {layout.MANIFEST}; make an archive of it with `create --in-place`."
            )
        self.header = read_folder_manifest(manifest)
        self._by_path: dict[str, Member] | None = None

    def members(self) -> Iterator[Member]:
        return read_manifest(file_chunks(self.path / layout.MANIFEST))[1]

    def manifest_lines(self) -> tuple[int, Iterator[bytes]] | None:
        return member_lines(file_chunks(self.path / layout.MANIFEST))

    def member(self, path: str) -> Member:
        if self._by_path is None:
            self._by_path = {member.path: member for member in self.members()}
        found = self._by_path.get(path)
        return found if found is not None else self._frame_named(path, self._by_path.values())

    def file_of(self, member: Member) -> Path:
        """Where a member's file is on disk; refuses a path, or a link on its way, that leads out of the folder."""
        place = self.path / layout.place_of(member)
        real = os.path.realpath(place.parent if member.role == Role.SYMLINK else place)
        if not (real + os.sep).startswith(self._root.rstrip(os.sep) + os.sep):
            raise Refused(f"{self.name}::{printable(member.path)} leads out of the folder through a link; it is not read.")
        return place

    def source(self, member: Member | str) -> ByteSource:
        member = self._named(member)
        name = f"{self.name}::{printable(member.path)}"
        if member.role in (Role.FOLDER, Role.SYMLINK):
            raise NotSupported(f"{name} is a {member.role} and has no bytes.")
        source = FileSource(self.file_of(member), name)
        if source.size != member.size:
            source.close()
            raise Damaged(f"{name} has {source.size} bytes instead of the {member.size} that were archived.")
        return source

    def close(self) -> None:
        """Nothing is held open; each source has its own file."""


def read_folder_manifest(path: Path) -> Header:
    """The first line of a folder archive's manifest, all of which is proven by its seal; raises Damaged."""
    header, _ = read_manifest(file_chunks(path))
    if header.seal is None or seal_of(file_chunks(path)) != header.seal:
        raise Damaged(f"{printable(path)} was altered or is damaged; run `repair` on the folder.")
    return header


def file_chunks(path: Path) -> Iterator[bytes]:
    with FileSource(path) as file:
        yield from packing.steps(file)
