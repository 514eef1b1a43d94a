"""What checks of both forms have in common: reading a member against its line, and looking at names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from film_archive.archive import layout
from film_archive.archive.entries import parts_of
from film_archive.archive.opened import Archive
from film_archive.archive.verdict import Kind, Problem
from film_archive.core.digest import MultiHasher, read_ahead
from film_archive.core.errors import FilmArchiveError, NotSupported
from film_archive.core.member import Member, Role
from film_archive.core.source import printable

OnBytes = Callable[[int], None]


class Checking(ABC):
    def __init__(self, on_bytes: OnBytes) -> None:
        self.checked = 0
        self.on_bytes = on_bytes

    @abstractmethod
    def problems(self) -> Iterator[Problem]:
        """All that is wrong, as it is found."""

    def member_problem(self, archive: Archive, member: Member) -> Problem | None:
        """Read a member and compare size, digests and CRC with its line."""
        self.checked += 1
        try:
            what = self._difference(archive, member)
        except NotSupported as error:
            self.checked -= 1
            return Problem(printable(member.path), str(error), Kind.UNREADABLE)
        except FilmArchiveError as error:
            what = str(error)
        return None if what is None else Problem(printable(member.path), what)

    def _difference(self, archive: Archive, member: Member) -> str | None:
        wanted = dict(member.digests)
        if member.crc32 is not None:
            wanted["crc32"] = f"{member.crc32:08x}"
        hasher = MultiHasher(wanted)
        with archive.source(member) as source:
            if source.size != member.size:
                return f"has {source.size} bytes instead of {member.size}"
            for block in read_ahead(source):
                hasher.update(block)
                self.on_bytes(len(block))
            different = [(name, value) for name, value in hasher.digests().items() if value != wanted[name]]
            if different:
                source.check_unchanged()  # says more, where it changed just now; an add may go on behind what is whole
        for name, value in different:
            return f"its bytes changed: {name} is {value}, the manifest says {wanted[name]}"
        return None

    def listing_problems(self, members: Iterator[Member]) -> Iterator[Problem]:
        """What is wrong with names, for archives whose names we did not choose."""
        paths, files = [], []
        for member in members:
            for part in parts_of(member):
                problem = layout.name_problem(part.path)
                if problem is not None:
                    yield Problem(printable(part.path), f"must not have this name: {problem}")
                paths.append(part.path)
                if part.role != Role.FOLDER:
                    files.append(part.path)
        for first, second in layout.clashes(paths):
            what = "is there twice" if first == second else f"clashes with {printable(first)} where case is ignored"
            yield Problem(printable(second), what)
        for path, below in layout.files_as_folders(files, paths):
            yield Problem(printable(path), f"is a file, and the folder of {printable(below)} at once")
