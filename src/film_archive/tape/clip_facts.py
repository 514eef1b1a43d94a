"""What a file's attribute `film_archive.clip` says of it: codec, rate, start timecode, frames, reel, size of the picture.

So a cartridge can be searched by timecode, and in ten years by whoever reads its index; no fact lies in the catalog only.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import from_json, to_json

from film_archive.core.errors import FilmArchiveError
from film_archive.core.facts import MediaFacts
from film_archive.core.records import Record
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.tape.ltfs.tree import TapeAttribute, TapeFile

KEY = "film_archive.clip"
_MEDIA = frozenset(
    ("mov", "mp4", "m4v", "mxf", "braw", "r3d", "crm", "wav", "bwf", "avi", "mkv", "mts", "m2ts", "mpg")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts(Record):
    """Facts of a clip; null or "" where they are not known."""

    codec: str = ""
    rate: str = ""
    start: str = ""
    """Start timecode."""
    frames: int | None = None
    reel: str = ""
    width: int | None = None
    height: int | None = None

    @property
    def first(self) -> int | None:
        """The start in frames; None without a start or rate."""
        try:
            return Timecode.from_string(self.start, FrameRate.of(self.rate)).total_frames if self.start and self.rate else None
        except (FilmArchiveError, ValueError):
            return None

    def attribute(self) -> TapeAttribute:
        return TapeAttribute(KEY, to_json({name: value for name, value in self.to_json().items() if value not in ("", None)}))


def is_media_name(name: str) -> bool:
    """Whether a probe is worth opening a file of this name."""
    return name.rpartition(".")[2].lower() in _MEDIA


def facts_of(media: MediaFacts) -> ClipFacts:
    """What is kept of a probe's facts."""
    return ClipFacts(
        codec=media.codec or "",
        rate="" if media.frame_rate is None else media.frame_rate.text,
        start="" if media.start_timecode is None else str(media.start_timecode),
        frames=media.frames,
        reel=media.reel or "",
        width=media.width,
        height=media.height,
    )


def probed(source: ByteSource) -> ClipFacts | None:
    """Facts of a source; None where it is no media, or nothing that a probe can read."""
    from film_archive.media.probe import probe

    try:
        return facts_of(probe(source))
    except FilmArchiveError:
        return None


def read_facts(file: TapeFile) -> ClipFacts | None:
    """What a file on tape says of itself; None where it says nothing that can be read."""
    said = file.attribute(KEY)
    if said is None or len(said) > 4096:
        return None
    try:
        return ClipFacts.from_json(from_json(said))
    except (ValueError, FilmArchiveError):
        return None
