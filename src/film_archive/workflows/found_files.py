"""What was gathered, opened: as it was then, or refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import ShortRead
from film_archive.core.job import identity_of, require_unchanged
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.core.timecode import FrameRange
from film_archive.workflows.gathering import Found
from film_archive.workflows.locating import OpenArchives, identity_of_member, is_member, locate, state_of


def opened(entry: Found) -> FileSource:
    """A file, opened by whom it is closed; raises SourceChanged where it is not what it was when it was gathered."""
    source = FileSource(entry.path)
    try:
        require_unchanged(source.name, entry.identity, identity_of(source.status))
    except BaseException:
        source.close()
        raise
    return source


@contextlib.contextmanager
def unchanged(entry: Found, archives: OpenArchives | None = None) -> Iterator[ByteSource]:
    """A file or a member, opened, or a part of it; raises SourceChanged where it is not what it was when it was gathered.

    An archive that is among `archives` is not opened again.
    """
    if entry.frames is not None:
        with _part(entry, archives) as part:
            yield part
        return
    if is_member(entry.path):
        with locate(entry.path, archives) as located:
            assert located.member is not None
            require_unchanged(located.source.name, entry.identity, identity_of_member(located.member))
            yield located.source
        return
    with opened(entry) as source:
        try:
            yield source
        except ShortRead:
            source.check_unchanged()  # it became shorter: that says more
            raise


@contextlib.contextmanager
def _part(entry: Found, archives: OpenArchives | None) -> Iterator[ByteSource]:
    """The cut that an entry means, made of its clip as it is read."""
    from film_archive.workflows.clips import open_to_cut
    from film_archive.workflows.cuts import counted_as

    assert entry.first_frame is not None
    assert entry.frames is not None
    with open_to_cut(entry.path, rate=entry.rate, archives=archives) as found:
        require_unchanged(found.clip.name, entry.identity, found.identity)
        clip = counted_as(found.clip, entry.clip_start, entry.clip_start_rate, entry.reel)
        try:
            yield clip.cut_bytes(FrameRange(entry.first_frame, entry.first_frame + entry.frames)).source
        except ShortRead:
            require_unchanged(found.clip.name, entry.identity, state_of(entry.path)[0])  # that says more
            raise


def identity_of_link(entry: Found) -> str:
    """What tells a link from another that takes its place."""
    path = Path(entry.path)
    with files.explaining(f"read {printable(path)}"):
        return identity_of(path.lstat())
