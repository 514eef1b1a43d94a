"""What filling an archive has come to: the report, what is to be said of single clips, and small members that are made for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.archive.entries import EPOCH_NS
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.facts import MediaFacts
from film_archive.core.job import DONE, IN_PART, Report
from film_archive.core.member import Member, Role
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.proxy import making
from film_archive.workflows.gathering import LeftOut

_SAID_TOGETHER = 16
"""More sentences than there are of one clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Report):
    """What `create` or `add` did."""

    archive: Path
    """Its path."""
    members: int
    """How many it has now: media, folders and links, and our own data; in a dry run those that would come in."""
    bytes: int
    """The sum of their sizes."""
    clips: int = 0
    """Media among what was archived."""
    proxies: int | None = 0
    """How many were made; null in a dry run: clips are looked into when they are archived."""
    generation: int = 1
    """1, and one more with each `add`."""
    junk_skipped: int = 0
    """Operating systems' leftovers that were not archived."""
    reused: int = 0
    """Members that a killed run had finished already."""
    left_out: tuple[LeftOut, ...] = ()
    """What can't be archived; the exit status is then 12, unless it is only unfinished files of ours."""
    warnings: tuple[str, ...] = ()
    """What is to be known of single clips, each one sentence."""

    @property
    def exit_status(self) -> int:
        """12 where something that was asked for is not in the archive; of a dry run: where something would not be."""
        return DONE if all(left.ours for left in self.left_out) else IN_PART


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure(Record):
    """A small member that is made, not found; it goes in before all that was gathered."""

    path: str
    """Its path in the archive."""
    data: bytes
    """What it holds."""
    role: Role
    """What it is for."""
    mtime_ns: int = EPOCH_NS
    """Modification time, nanoseconds since 1970."""
    of: str | None = None
    """The member that it was made from."""
    name_bytes: bytes | None = None
    """Its path on disk, where that is not UTF-8."""

    @property
    def identity(self) -> str:
        """Changes when its bytes do."""
        hasher = MultiHasher()
        hasher.update(self.data)
        return f"enclosure {hasher.digests()[KEY]}"


@dataclass(slots=True)
class WithoutProxies:
    """Clips that got no proxies, by the reason, for one sentence each."""

    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, facts: MediaFacts | None) -> None:
        """Take note of a clip, unless it has no picture or is no media at all."""
        reason = None if facts is None else reason_without_proxies(facts)
        if reason is not None:
            self.names.setdefault(reason, []).append(printable(path))

    def sentences(self) -> Iterator[str]:
        for reason, names in self.names.items():
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            yield f"no proxies of {shown}: {reason}"


@dataclass(slots=True)
class Tally:
    """What filling an archive has come to so far."""

    clips: int = 0
    proxies: int = 0
    embedded: dict[str, list[str]] = field(default_factory=dict)
    """Member path → the paths of its proxies, in the order in which they were asked for."""
    warnings: list[str] = field(default_factory=list)
    without: WithoutProxies = field(default_factory=lambda: WithoutProxies())

    def warn(self, member: Member, sentence: str) -> None:
        path = printable(member.path)
        said = sentence if path in sentence else f"{path}: {sentence}"
        if said not in self.warnings[-_SAID_TOGETHER:]:  # probe and proxies may both tell of it
            self.warnings.append(said)


def reason_without_proxies(facts: MediaFacts) -> str | None:
    """Why a clip with a picture can't have proxies here; None where it can, or has no picture."""
    if not facts.decodable:
        note = facts.note or f"{facts.codec or facts.container} is not decoded here"
        return note if facts.frames == 0 else f"{note.rstrip('.')}; `proxy attach` adopts dailies that were made elsewhere"
    if not facts.width:
        return None
    if making.can_have_proxies(facts):
        return None
    if facts.frames == 1 or facts.frames is None:
        return "single images have none"
    return "they have no frames" if facts.frames == 0 else "they have no frame rate"
