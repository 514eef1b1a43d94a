"""`TimecodeExtractor`: cutting timecode ranges out of a clip's bytes, for those who have a stream and a range."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO

from film_archive.core import places
from film_archive.core.claims import completed
from film_archive.core.errors import FilmArchiveError, NotSupported, PartlyDone
from film_archive.core.handles import Selection
from film_archive.core.models import MediaFile
from film_archive.core.source import ByteSource, as_source, printable
from film_archive.core.timecode import TimecodeRange
from film_archive.media.cutting.cuttable import CutResult, Cuttable
from film_archive.media.cutting.opening import open_clip
from film_archive.media.cutting.ranges import Clip, select
from film_archive.timecode.lists import parse_edl_timecodes
from film_archive.timecode.ranges import merge_overlapping_ranges, validate_timecode_continuity
from film_archive.timecode.segments import ExtractedSegment, create_extraction_manifest

__all__ = [
    "ArchiveData",
    "ExtractedSegment",
    "TimecodeExtractor",
    "create_extraction_manifest",
    "merge_overlapping_ranges",
    "parse_edl_timecodes",
    "validate_timecode_continuity",
]

ArchiveData = BinaryIO | ByteSource | bytes | bytearray | memoryview | str | os.PathLike[str]
"""A clip's bytes: a seekable binary stream, a ByteSource (an archive's member is one), a path, or the bytes."""


class TimecodeExtractor:
    """Cuts segments out of clips, bit for bit, and keeps a record of what it got.

    `working_dir` is where cuts go that have no output path (default: a folder of this object's own below the system's
    temporary one). Nothing is ever overwritten or removed.
    """

    def __init__(self, working_dir: Path | str | None = None) -> None:
        self._folder = None if working_dir is None else Path(working_dir)
        self._lock = threading.Lock()
        self._names: set[Path] = set()
        self._segments: list[ExtractedSegment] = []

    @property
    def working_dir(self) -> Path:
        """Where cuts without an output path go."""
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="film-archive-cuts-", dir=places.temporary()))
        return self._folder

    @property
    def segments(self) -> tuple[ExtractedSegment, ...]:
        """What this object has cut, with the handles that the media had; for `create_extraction_manifest`."""
        with self._lock:
            return tuple(self._segments)

    async def extract_segment(
        self,
        archive_data: ArchiveData,
        media_file: MediaFile,
        tc_range: TimecodeRange,
        output_path: Path | str | None = None,
    ) -> Path:
        """Write the frames of a range, with its handles, as a movie, or a recording, of its own; returns its path.

        `archive_data` holds the clip's bytes. The start timecode is the clip's own, else the media file's. Handles are
        cut at the clip's ends; `segments` tells what was got. Raises OutOfRange where the range is not in the clip,
        TimecodeUnknown, UsageError where the range counts differently, NotSupported, Refused where the output exists.
        """
        output = None if output_path is None else Path(output_path)
        segment = await asyncio.to_thread(self._extract, archive_data, media_file, tc_range, output)
        return segment.path

    async def extract_multiple_segments(
        self,
        archive_data: ArchiveData,
        media_file: MediaFile,
        tc_ranges: Sequence[TimecodeRange],
        output_dir: Path | str | None = None,
        *,
        merge: bool = False,
    ) -> list[Path]:
        """A cut of each range, in the order given; with `merge`, of `merge_overlapping_ranges` of them.

        A range that fails does not keep the others from being cut: PartlyDone then names each with its reason, and what
        was cut stays and is in `segments`. Where none could be cut, the first one's error is raised.
        """
        wanted = merge_overlapping_ranges(tc_ranges) if merge else list(tc_ranges)
        folder = None if output_dir is None else Path(output_dir)
        return await asyncio.to_thread(self._extract_all, archive_data, media_file, wanted, folder)

    create_extraction_manifest = staticmethod(create_extraction_manifest)
    merge_overlapping_ranges = staticmethod(merge_overlapping_ranges)
    parse_edl_timecodes = staticmethod(parse_edl_timecodes)
    validate_timecode_continuity = staticmethod(validate_timecode_continuity)

    def _extract(
        self, data: ArchiveData, media_file: MediaFile, wanted: TimecodeRange, output: Path | None
    ) -> ExtractedSegment:
        with _opened(data, media_file) as source:
            clip_source, clip = _clip(source, media_file, wanted)
            output = output or self._free_name(media_file, wanted, None, clip_source.suffixes[0])
            return self._cut(clip_source, clip, wanted, output)

    def _extract_all(
        self, data: ArchiveData, media_file: MediaFile, ranges: Sequence[TimecodeRange], folder: Path | None
    ) -> list[Path]:
        paths: list[Path] = []
        failed: list[tuple[TimecodeRange, FilmArchiveError]] = []
        with _opened(data, media_file) as source:
            clip_source, clip = _clip(source, media_file, ranges[0] if ranges else None)
            for one in ranges:
                output = self._free_name(media_file, one, folder, clip_source.suffixes[0])
                try:
                    paths.append(self._cut(clip_source, clip, one, output).path)
                except FilmArchiveError as error:
                    failed.append((one, error))
        if failed and not paths:
            raise failed[0][1]
        if failed:
            reasons = " ".join(f"{wanted.start}–{wanted.end}: {error}" for wanted, error in failed)
            raise PartlyDone(f"{len(paths)} of {len(ranges)} segments of {clip.name} were cut. {reasons}")
        return paths

    def _cut(self, clip_source: Cuttable, clip: Clip, wanted: TimecodeRange, output: Path) -> ExtractedSegment:
        selection = select(clip, wanted.start, wanted.end, wanted.handles)
        output.parent.mkdir(parents=True, exist_ok=True)
        result = clip_source.cut(selection.frames, output)
        segment = _segment(clip_source, clip, wanted, selection, result)
        with self._lock:
            self._segments.append(segment)
        return segment

    def _free_name(self, media_file: MediaFile, wanted: TimecodeRange, folder: Path | None, suffix: str) -> Path:
        """A name after clip and range that no file has and that was not given out before."""
        label = "-".join(str(each).replace(":", "").replace(";", "") for each in (wanted.start, wanted.end))
        stem = f"{media_file.file_path.stem}_{label}" + (f"_h{wanted.handles}" if wanted.handles else "")
        folder, count = folder or self.working_dir, 1
        with self._lock:
            path = folder / f"{stem}{suffix}"
            while path in self._names or os.path.lexists(path):
                count += 1
                path = folder / f"{stem}_{count}{suffix}"
            self._names.add(path)
        return path


@contextmanager
def _opened(data: ArchiveData, media_file: MediaFile) -> Iterator[ByteSource]:
    """A source over the caller's data; closed at the end only where it was opened here."""
    source = as_source(data, printable(media_file.file_path))
    try:
        yield source
    finally:
        if source is not data:
            source.close()


def _clip(source: ByteSource, media_file: MediaFile, wanted: TimecodeRange | None) -> tuple[Cuttable, Clip]:
    """The clip as it can be cut, completed by what the media file claims; sound counts as the range does."""
    counting = None if wanted is None else f"{wanted.start.rate}{'df' if wanted.start.drop_frame else ''}"
    opened = open_clip(source, rate=counting)
    facts = completed(opened.facts, media_file, source.size)
    opened = opened.completed_by(facts)
    if opened.rate is None:
        raise NotSupported(f"{source.name} has no frame rate; it can't be cut by timecode.")
    name = printable(media_file.file_path)
    clip = Clip(name, opened.frames, opened.rate, opened.start)
    clip.require_start()
    return opened, clip


def _segment(
    source: Cuttable, clip: Clip, wanted: TimecodeRange, selection: Selection, result: CutResult
) -> ExtractedSegment:
    return ExtractedSegment(
        path=result.path,
        source=clip.name,
        requested=wanted,
        frames=selection.frames,
        start=clip.label(selection.frames.first),
        reel=source.reel,
        head_handle=selection.head_handle,
        tail_handle=selection.tail_handle,
        mode=result.mode,
        bytes_read=result.bytes_read,
        diagnostics=result.diagnostics,
    )
