"""Reading the folder form: media where they are, and the manifest in `.film-archive/` beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from film_archive.archive import layout, packing
from film_archive.archive.opened import Archive
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused
from film_archive.core.manifest import Header, member_lines, read_manifest, seal_of
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, FileSource, printable


class FolderArchive(Archive):
    """The folder form: media where they are, and `.film-archive/` beside them.

    The manifest is kept twice. Where it does not hold its copy is read, and `manifest_problem` says what is wrong.
    """

    header: Header
    manifest_problem: str | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._root = os.path.realpath(self.path)
        self.manifest_path = self.path / layout.MANIFEST
        try:
            self.header = read_folder_manifest(self.manifest_path)
        except (NotFound, Damaged) as error:
            if not has_only_copy(self.path):
                if self.manifest_path.exists():
                    raise
                what = f"{self.name} is a folder without {layout.MANIFEST}; make an archive of it with `create --in-place`."
                raise NotFound(what) from error
            self.manifest_path = self.path / layout.MANIFEST_COPY
            self.header = read_folder_manifest(self.manifest_path)
            self.manifest_problem = str(error) if isinstance(error, Damaged) else "is missing; run `repair`"
        self._by_path: dict[str, Member] | None = None

    @property
    def caution(self) -> str | None:
        if self.manifest_problem is None:
            return None
        return f"the manifest of {self.name} is lost or damaged and its copy is read; run `repair`"

    def members(self) -> Iterator[Member]:
        return read_manifest(file_chunks(self.manifest_path))[1]

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
    try:
        header, _ = read_manifest(file_chunks(path))
    except Damaged as error:
        what = str(error).rstrip(".")
        raise Damaged(f"{printable(path)} is damaged; run `repair` on the folder ({what}).") from error
    if header.seal is None or seal_of(file_chunks(path)) != header.seal:
        raise Damaged(f"{printable(path)} was altered or is damaged; run `repair` on the folder.")
    return header


def has_only_copy(folder: Path) -> bool:
    """Whether a folder archive has lost its manifest, and its copy is there and whole; not while it is being made."""
    manifest = folder / layout.MANIFEST
    being_made = not os.path.exists(manifest) and os.path.exists(folder / layout.WORK)  # noqa: PTH110  what may not be read is said below
    return not being_made and not _is_whole(manifest) and _is_whole(folder / layout.MANIFEST_COPY)


def _is_whole(manifest: Path) -> bool:
    """Whether a manifest, or its copy, is there and holds."""
    try:
        read_folder_manifest(manifest)
    except (NotFound, Damaged):
        return False
    return True


def refuse_lost(folder: Path) -> None:
    """Raise Refused where an archive has lost its manifest: to make it anew would be to lose the copy too."""
    if has_only_copy(folder):
        raise Refused(f"{printable(folder)} is an archive that has lost its manifest; `repair` writes it anew from its copy.")


def file_chunks(path: Path) -> Iterator[bytes]:
    with FileSource(path) as file:
        yield from packing.steps(file)
