"""A cut as bytes that can be read at any place, without a file of its own: new tables around the old payload.

What `extract` would write, byte for byte, is laid out when it is opened; its bytes are taken from the clip as they are
read. So a cut of any length is there at once, can be sent in ranges, and takes no space.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from film_archive.core.errors import RateUnknown, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.files import OnBytes
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import Timecode
from film_archive.media.cutting.cuttable import CutBytes, Cuttable
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
    """A part of a clip that was found in it; it works as long as the clip's source is open."""

    clip: Cuttable
    selection: Selection
    start: Timecode
    notes: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """How its file's name ends: the clip's own format where that can be cut."""
        return self.clip.suffixes[0]

    def to_bytes(self) -> CutBytes:
        """The whole cut as bytes. Raises NotSupported and Damaged for clips that can't be cut."""
        return self.clip.cut_bytes(self.selection.frames)

    def to_file(self, target: Path, *, on_bytes: OnBytes | None = None) -> None:
        """Write it to a new file, whole or not at all; blocks are shared with the clip where the file system can."""
        self.clip.cut(self.selection.frames, target, on_bytes=on_bytes)


def open_cut(source: ByteSource, index: FrameIndex | None, facts: MediaFacts | None, request: CutRequest) -> Cut:
    """Find a part of a clip. `index` and `facts` are what an archive knows of it.

    Raises UsageError, OutOfRange and TimecodeUnknown for timecode that the clip does not have, NotSupported and Damaged
    for clips that can't be cut.
    """
    if (request.out is None) == (request.duration is None):
        raise UsageError("Give either the out point (exclusive) or the duration.")
    opened = open_clip(source, index=index)
    if facts is not None and opened.start is None and facts.start_timecode is not None:
        opened = opened.completed_by(facts)
    if opened.rate is None:
        raise RateUnknown(f"{source.name} does not say how many frames a second its timecode counts; it can't be cut by it.")
    clip = Clip(opened.name, opened.frames, opened.rate, opened.start)
    notes: list[str] = [*opened.notes]
    first = clip.read(request.begin, notes=notes)
    if request.out is not None:
        end = clip.read(request.out, out=True, notes=notes)
    else:
        assert request.duration is not None
        end = first + clip.read(request.duration)
    selection = select(clip, first, end, request.handles)
    opened = opened.starting_at(clip.require_start())
    return Cut(opened, selection, clip.label(selection.frames.first), tuple(notes))
