"""What a file's attribute `film_archive.clip` says of it: codec, rate, start timecode, frames, reel, size of the picture.

So a cartridge can be searched by timecode, and in ten years by whoever reads its index; no fact lies in the catalog only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from pydantic_core import from_json, to_json

from film_archive.core.errors import FilmArchiveError
from film_archive.core.facts import MediaFacts
from film_archive.core.records import Record
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode, parse_rate
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


def facts_of(media: MediaFacts, given: FrameRate | None = None) -> ClipFacts:
    """What is kept of a probe's facts. Sound is counted in frames of its timecode; `given` is the rate of what has none."""
    rate = media.frame_rate or (media.start_timecode.rate if media.start_timecode is not None else given)
    return ClipFacts(
        codec=media.codec or (media.audio[0].codec or "" if media.audio else ""),
        rate="" if rate is None else rate.text,
        start="" if media.start_timecode is None else str(media.start_timecode),
        frames=media.frames if media.frames is not None or rate is None else _frames_of_sound(media, rate),
        reel=media.reel or "",
        width=media.width,
        height=media.height,
    )


def _frames_of_sound(media: MediaFacts, rate: FrameRate) -> int | None:
    """How many frames a recording lasts, the last one begun."""
    lengths = [Fraction(track.samples, track.sample_rate) * rate for track in media.audio if track.samples and track.sample_rate]
    return math.ceil(max(lengths)) if lengths else None


def probed(source: ByteSource, rate: str | None = None) -> ClipFacts | None:
    """Facts of a source; None where it is no media, or nothing that a probe can read. `rate` counts where it has none."""
    from film_archive.media.probe import probe

    try:
        return facts_of(probe(source, rate=rate), None if rate is None else parse_rate(rate)[0])
    except FilmArchiveError:
        return None


def sequence_lengths(paths: Iterable[str]) -> dict[str, int]:
    """Path of the first image → frames, of the image sequences among some paths."""
    from film_archive.media.sequence import IMAGE_EXTENSIONS, find_sequences

    images = [path for path in paths if path.rpartition(".")[2].lower() in IMAGE_EXTENSIONS]
    return {found.file(found.first): found.span for found in find_sequences(images).sequences} if images else {}


def read_facts(file: TapeFile) -> ClipFacts | None:
    """What a file on tape says of itself; None where it says nothing that can be read."""
    said = file.attribute(KEY)
    if said is None or len(said) > 4096:
        return None
    try:
        return ClipFacts.from_json(from_json(said))
    except (ValueError, FilmArchiveError):
        return None
