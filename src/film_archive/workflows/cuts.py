"""A cut as bytes that can be read at any place, without a file of its own: new tables around the old payload.

What `extract` would write, byte for byte, is laid out when it is opened; its bytes are taken from the clip as they are
read. So a cut of any length is there at once, can be sent in ranges, and takes no space.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from film_archive.core.errors import NotSupported, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.files import OnBytes
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import Timecode
from film_archive.media.cutting.cut import CutSource, cut_bytes, cut_movie
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.ranges import Clip, Selection, select


@dataclass(frozen=True, slots=True)
class CutRequest:
    """A part of a clip in source timecode, as a user writes it; `out` is exclusive. Either it or `duration` is given."""

    begin: str
    out: str | None = None
    duration: str | None = None
    handles: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut that was laid out. `source` is a whole QuickTime file; it works as long as the clip's source does."""

    source: ByteSource
    clip: CutSource
    selection: Selection
    start: Timecode
    stored_from: int
    """The first frame in the file; before the selection's where a long-GOP clip is decoded from a keyframe."""
    notes: tuple[str, ...]


def open_cut(source: ByteSource, index: FrameIndex | None, facts: MediaFacts | None, request: CutRequest) -> Cut:
    """Lay out a part of a clip. `index` and `facts` are what an archive knows of it.

    Raises UsageError, OutOfRange and TimecodeUnknown for timecode that the clip does not have, NotSupported and Damaged
    for clips that can't be cut.
    """
    if (request.out is None) == (request.duration is None):
        raise UsageError("Give either the out point (exclusive) or the duration.")
    opened = open_clip(source, index=index)
    if facts is not None and opened.start is None and facts.start_timecode is not None:
        opened = opened.completed_by(facts)
    rate = opened.index.rate
    if rate is None:
        raise NotSupported(f"{source.name} has no frame rate; it can't be cut by timecode.")
    clip = Clip(source.name, opened.index.frames, rate, opened.start)
    notes: list[str] = []
    first = clip.read(request.begin, notes=notes)
    if request.out is not None:
        end = clip.read(request.out, out=True, notes=notes)
    else:
        assert request.duration is not None
        end = first + clip.read(request.duration)
    selection = select(clip, first, end, request.handles)
    made, stored_from, diagnostics = cut_bytes(opened, selection.frames)
    return Cut(made, opened, selection, clip.label(selection.frames.first), stored_from, (*notes, *diagnostics))


def cut_to_file(cut: Cut, target: Path, *, on_bytes: OnBytes | None = None) -> None:
    """Write a cut into a new file, whole or not at all; blocks are shared with the clip where the file system can."""
    cut_movie(cut.clip, cut.selection.frames, target, on_bytes=on_bytes)
