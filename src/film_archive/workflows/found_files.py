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
from film_archive.workflows.locating import is_member, locate, state_of


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
def unchanged(entry: Found) -> Iterator[ByteSource]:
    """A file, opened, or a part of it; raises SourceChanged where it is not what it was when it was gathered."""
    if is_member(entry.path):
        with locate(entry.path) as located:
            require_unchanged(located.source.name, entry.identity, state_of(entry.path)[0])
            yield located.source if entry.frames is None else _part(located.source, entry)
        return
    with opened(entry) as source:
        try:
            yield source if entry.frames is None else _part(source, entry)
        except ShortRead:
            source.check_unchanged()  # it became shorter: that says more
            raise


def _part(source: ByteSource, entry: Found) -> ByteSource:
    """The cut that an entry means, made of its file as it is read."""
    from film_archive.media.cutting.opening import open_clip

    assert entry.first_frame is not None
    assert entry.frames is not None
    return open_clip(source).cut_bytes(FrameRange(entry.first_frame, entry.first_frame + entry.frames)).source


def identity_of_link(entry: Found) -> str:
    """What tells a link from another that takes its place."""
    path = Path(entry.path)
    with files.explaining(f"read {printable(path)}"):
        return identity_of(path.lstat())
