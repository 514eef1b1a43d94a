"""A folder without a manifest as an archive that is read: an `.otiod` that another program wrote, or that was unpacked."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.opened import Archive
from film_archive.core.errors import Damaged, NotSupported, Refused, from_os_error
from film_archive.core.files import is_temporary_name
from film_archive.core.member import Member, Role
from film_archive.core.source import ByteSource, FileSource, printable


class PlainFolder(Archive):
    """All files below a folder. Links are told of and never followed."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.header = None
        self._by_path: dict[str, Member] | None = None

    def members(self) -> Iterator[Member]:
        pending = [""]
        while pending:
            above = pending.pop()
            try:
                with os.scandir(self.path / above) as scan:
                    found = sorted(scan, key=lambda item: os.fsencode(item.name))
                for item in found:
                    if layout.is_junk(item.name) or is_temporary_name(item.name) or item.name == layout.OWN:
                        continue
                    below = f"{above}/{item.name}" if above else item.name
                    status = item.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(below)
                    yield _member(below, status)
            except OSError as error:
                raise from_os_error(error, f"read the folder {printable(self.path / above)}") from error

    def member(self, path: str) -> Member:
        if self._by_path is None:
            self._by_path = {member.path: member for member in self.members()}
        found = self._by_path.get(path)
        if found is None:
            raise self._no_member(path)
        return found

    def source(self, member: Member | str) -> ByteSource:
        member = self._named(member)
        name = f"{self.name}::{printable(member.path)}"
        if member.role in (Role.FOLDER, Role.SYMLINK):
            raise NotSupported(f"{name} is a {member.role} and has no bytes.")
        place = self.path / layout.place_of(member)
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(self.path)):
            raise Refused(f"{name} leads out of the folder through a link; it is not read.")
        source = FileSource(place, name)
        if source.size != member.size:
            source.close()
            raise Damaged(f"{name} changed while it was looked at.")
        return source

    def close(self) -> None:
        """Nothing is held open; each source has its own file."""


def _member(relative: str, status: os.stat_result) -> Member:
    path, raw = layout.member_name(relative)
    role = Role.ORIGINAL
    if stat.S_ISDIR(status.st_mode):
        role = Role.FOLDER
    elif not stat.S_ISREG(status.st_mode):
        role = Role.SYMLINK
    size = status.st_size if role == Role.ORIGINAL else 0
    return Member.make(
        path,
        role,
        size,
        mtime_ns=status.st_mtime_ns,
        mode=stat.S_IMODE(status.st_mode),
        raw_name=None if raw is None else raw.hex(),
    )
