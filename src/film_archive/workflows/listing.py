"""What an archive holds, member by member; nothing is read but its manifest, or a foreign zip's directory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.reader import open_archive
from film_archive.core.member import Member
from film_archive.core.records import Record
from film_archive.core.source import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds(Record):
    """An archive as `ls` shows it; its members come one by one."""

    archive: str
    """Its path."""
    generation: int | None
    """1, and one more with each `add`; null in a foreign zip."""
    foreign: bool
    """Whether another program made it."""
    caution: str | None
    """Why this may not be all of it: an older generation, or a copy of the manifest, is what can be read; else null."""


@dataclass(frozen=True, slots=True)
class Listing:
    """An open archive's members: the lines of its manifest, or of a foreign zip's directory, in order."""

    holds: Holds
    members: Iterator[Member]


@contextmanager
def list_members(archive: Path) -> Iterator[Listing]:
    """Open an archive to list it; raises NotFound, Damaged (also while members are taken)."""
    with open_archive(archive) as opened:
        head = opened.header
        generation = None if head is None else head.generation
        holds = Holds(archive=printable(archive), generation=generation, foreign=opened.is_foreign, caution=opened.caution)
        yield Listing(holds, opened.members())


def is_own(member: Member) -> bool:
    """Whether a member is the archive's own data: format mark, proxy, frame index."""
    return layout.is_own(member.path)
