"""What a user points at: a file, or SOURCE::MEMBER of an archive, with what is known of it."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from film_archive.archive import layout
from film_archive.archive.reader import Archive, open_archive
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.job import identity_of
from film_archive.core.member import Member
from film_archive.core.source import ByteSource, FileSource, printable

SEPARATOR = "::"


@dataclass(frozen=True, slots=True)
class Located:
    """A clip's bytes, and the facts and frame index that an archive keeps of it (None: probe the bytes)."""

    source: ByteSource
    facts: MediaFacts | None
    index: FrameIndex | None
    member: Member | None


class OpenArchives:
    """Archives that stay open while many of their clips are; safe for many threads. Leaving the block closes them."""

    def __init__(self) -> None:
        self._opened: dict[str, Archive] = {}
        self._lock = threading.Lock()

    def open(self, path: str) -> Archive:
        """The archive at a path. Raises what `open_archive` raises."""
        with self._lock:
            found = self._opened.get(path)
            if found is None:
                found = self._opened[path] = open_archive(path)
            return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for archive in self._opened.values():
            archive.close()


@contextmanager
def locate(what: str, archives: OpenArchives | None = None) -> Iterator[Located]:
    """Open what a user points at; an archive with one clip may be named without the member.

    An archive that is among `archives` is not opened again.
    """
    path, member_path = split(what)
    if not member_path and not is_archive(Path(path)):
        with FileSource(path) as source:
            yield Located(source, None, None, None)
        return
    with ExitStack() as stack:
        archive = archives.open(path) if archives is not None else stack.enter_context(open_archive(path))
        yield stack.enter_context(locate_in(archive, member_path))


@contextmanager
def locate_in(archive: Archive, member_path: str) -> Iterator[Located]:
    """Open a member of an archive; of one with one clip it need not be named."""
    member = archive.member(member_path) if member_path else only_clip(archive)
    with archive.source(member) as source:
        yield Located(source, member.media, _stored_index(archive, member), member)


def state_of(what: str) -> tuple[str, int, int]:
    """(identity, modification time in ns, permission bits) of a file or a member; the identity changes when its bytes do."""
    path, member_path = split(what)
    if not member_path and not is_archive(Path(path)):
        with FileSource(path) as source:
            return identity_of(source.status), source.status.st_mtime_ns, source.status.st_mode & 0o777
    with open_archive(path) as archive:
        member = archive.member(member_path) if member_path else only_clip(archive)
        return identity_of_member(member), member.mtime_ns or 0, 0o644 if member.mode is None else member.mode


def identity_of_member(member: Member) -> str:
    """Of a member its digest (its CRC in a foreign zip), wherever in its archive it lies."""
    return f"{member.size}:{member.digests.get(KEY) or member.crc32}"


def is_member(what: str) -> bool:
    """Whether what a user names lies in an archive."""
    return SEPARATOR in what and bool(split(what)[1])


def split(what: str) -> tuple[str, str]:
    """(file or folder, member path or "") of what a user names; both may have `::` in their names.

    It is split behind the first file that is there. Where more than one reading leads to something, a member that is there
    comes first, then a file of the whole name.
    """
    readings = [(what[:at], what[at + len(SEPARATOR) :]) for at in _separators(what) if _exists(what[:at])]
    if _exists(what):
        readings.append((what, ""))
    if not readings:
        path, _, member_path = what.partition(SEPARATOR)
        return path, member_path
    if len(readings) == 1:
        return readings[0]
    return next((reading for reading in readings if _is_member(*reading)), readings[-1] if not readings[-1][1] else readings[0])


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a name that can't be looked up
        return False


def _separators(what: str) -> Iterator[int]:
    at = what.find(SEPARATOR)
    while at >= 0:
        yield at
        at = what.find(SEPARATOR, at + 1)


def _is_member(path: str, member_path: str) -> bool:
    if not member_path or not is_archive(Path(path)):
        return False
    try:
        with open_archive(path) as archive:
            archive.member(member_path)
    except FilmArchiveError:
        return False
    return True


def is_archive(path: Path) -> bool:
    """Whether a path is an archive of either form, or looks like a zip."""
    if path.is_dir():
        return True
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for somebody to write into it
            return False
        with path.open("rb") as file:
            return file.read(4) in (b"PK\3\4", b"PK\5\6")
    except OSError:
        return False


def only_clip(archive: Archive) -> Member:
    """The one clip of an archive; raises NotFound where it has none, UsageError where it has more."""
    clips = [member for member in archive.originals() if member.get("media")]
    if len(clips) == 1:
        return clips[0]
    if not clips:
        raise NotFound(f"{archive.name} has no clip that is known as one; name a member: {archive.name}::MEMBER.")
    named = ", ".join(printable(clip.path) for clip in clips[:5]) + (", …" if len(clips) > 5 else "")
    raise UsageError(f"{archive.name} has {len(clips)} clips ({named}); name one: {archive.name}::MEMBER.")


def _stored_index(archive: Archive, member: Member) -> FrameIndex | None:
    """The frame index that was made with the archive; a damaged one is as good as none, since it can be made again."""
    if archive.is_foreign:
        return None
    try:
        return FrameIndex.from_bytes(archive.read(layout.index_path(member.path)))
    except (NotFound, Damaged):
        return None
