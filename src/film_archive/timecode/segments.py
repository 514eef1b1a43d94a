"""What was extracted, and the manifest that tells it to whoever gets the cuts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from film_archive import __version__
from film_archive.core import files
from film_archive.core.digest import KEY, digest_source
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRange, Timecode, TimecodeRange


@dataclass(frozen=True, slots=True)
class ExtractedSegment:
    """A cut that was written. Frame numbers are those of the source, from 0."""

    path: Path
    source: str
    """The source's name."""
    requested: TimecodeRange
    frames: FrameRange
    """With the handles that the media has."""
    start: Timecode
    """Of the first frame in the cut."""
    reel: str | None
    head_handle: int
    tail_handle: int
    mode: str
    """"copy": no frame was encoded again."""
    bytes_read: int
    diagnostics: tuple[str, ...] = ()

    @property
    def handles_are_short(self) -> bool:
        """Whether the media ended before the handles did."""
        return min(self.head_handle, self.tail_handle) < self.requested.handles

    def to_json(self) -> dict[str, Any]:
        return {
            "path": printable(self.path),
            "source": self.source,
            "in": str(self.requested.start),
            "out": str(self.requested.end),
            "frame_rate": str(self.requested.start.rate),
            "drop_frame": self.requested.start.drop_frame,
            "handles": self.requested.handles,
            "head_handle": self.head_handle,
            "tail_handle": self.tail_handle,
            "first_frame": self.frames.first,
            "frames": self.frames.count,
            "start_timecode": str(self.start),
            "reel": self.reel,
            "mode": self.mode,
            "bytes_read": self.bytes_read,
            "diagnostics": list(self.diagnostics),
        }


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """A segment with its file's size and digest as they were read for the manifest."""

    segment: ExtractedSegment
    size: int
    digest: str
    """XXH3-128, hex."""

    def to_json(self) -> dict[str, Any]:
        return {**self.segment.to_json(), "size": self.size, "digests": {KEY: self.digest}}


@dataclass(frozen=True, slots=True)
class ExtractionManifest:
    """All segments of one delivery."""

    lines: tuple[ManifestLine, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": "film-archive extraction 1",
            "tool": f"film-archive {__version__}",
            "segments": [line.to_json() for line in self.lines],
        }


def create_extraction_manifest(
    segments: Iterable[ExtractedSegment], output_path: Path | str | None = None
) -> ExtractionManifest:
    """The manifest of segments, whose files are read for their digests; written as JSON where an output is named.

    The end of each range is exclusive. Raises NotFound where a cut is gone, Refused where the output exists.
    """
    lines = []
    for segment in segments:
        with FileSource(segment.path) as cut:
            lines.append(ManifestLine(segment, cut.size, digest_source(cut)[KEY]))
    manifest = ExtractionManifest(tuple(lines))
    if output_path is not None:
        text = json.dumps(manifest.to_json(), indent=2, ensure_ascii=False) + "\n"
        files.write_atomically(Path(output_path), text.encode())
    return manifest
