"""What both forms of an archive have in common while they are open for reading: members, and each one's bytes as a source."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from film_archive.core.errors import NotFound, NotSupported
from film_archive.core.manifest import Header, parse_member
from film_archive.core.member import Member
from film_archive.core.source import ByteSource, printable

_LARGEST_AT_ONCE = 1 << 28


class Archive(ABC):
    """An archive that is open for reading. Use it as a context manager, or close it."""

    path: Path
    header: Header | None
    """The manifest's first line; None in a foreign zip."""

    @property
    def name(self) -> str:
        return printable(self.path)

    @property
    def is_foreign(self) -> bool:
        """Whether there is no manifest: a zip that another program made."""
        return self.header is None

    def require_manifest(self, doing: str) -> Header:
        """The header, or NotSupported with a hint where the archive has no manifest."""
        if self.header is None:
            raise NotSupported(
                f"{self.name} is a zip without our manifest, so it can't {doing}; "
                "make an archive of its files with `create`."
            )
        return self.header

    @property
    def caution(self) -> str | None:
        """What a reader should know before it trusts that this is all: an older generation is read, or a copy."""
        return None

    @abstractmethod
    def members(self) -> Iterator[Member]:
        """All members, as a stream, in the order in which they were added."""

    @abstractmethod
    def member(self, path: str) -> Member:
        """The member of this path; raises NotFound."""

    @abstractmethod
    def source(self, member: Member | str) -> ByteSource:
        """A member's bytes; close the source when done. It works as long as the archive is open."""

    @abstractmethod
    def close(self) -> None: ...

    def manifest_lines(self) -> tuple[int, Iterator[bytes]] | None:
        """The manifest's schema version and its members' lines as they are; None where it is not the truth, or there is none."""
        return None

    def parsed_lines(self, lines: Iterable[bytes], version: int) -> Iterator[Member]:
        """The members of such lines."""
        return (parse_member(line, version) for line in lines)

    def originals(self) -> Iterator[Member]:
        return (member for member in self.members() if member.is_original)

    def read(self, path: str) -> bytes:
        """All bytes of a small member; raises NotSupported where it is not small."""
        with self.source(path) as source:
            if source.size > _LARGEST_AT_ONCE:
                raise NotSupported(f"{source.name} has {source.size} bytes, too many to be read at once; `unpack` it.")
            return source.read_at(0, source.size)

    def _named(self, member: Member | str) -> Member:
        member = self.member(member) if isinstance(member, str) else member
        if member.sequence is not None:
            raise NotSupported(f"{self.name}::{printable(member.path)} is an image sequence; name one of its frames.")
        return member

    def _frame_named(self, path: str, sequences: Iterable[Member]) -> Member:
        """A frame of one of the archive's image sequences; raises NotFound."""
        for member in sequences:
            frame = member.frame_member(path)
            if frame is not None:
                return frame
        raise self._no_member(path)

    def _no_member(self, path: str) -> NotFound:
        return NotFound(f"{self.name} has no member {printable(path)}; `film-archive ls` shows what it has.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
