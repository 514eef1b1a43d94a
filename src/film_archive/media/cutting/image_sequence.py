"""Cutting an image sequence: the files of its frames, under their names, in a folder of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from film_archive.core import copying, files
from film_archive.core.digest import digest_source
from film_archive.core.errors import NotFound
from film_archive.core.facts import MediaFacts
from film_archive.core.folders import AtomicFolder
from film_archive.core.source import ByteSource, FileSource, printable
from film_archive.core.timecode import FrameRange
from film_archive.core.wording import amount
from film_archive.media.cutting.cuttable import CutResult, Cuttable
from film_archive.media.sequence import ImageSequence


class FrameFiles(Protocol):
    """The files of a sequence, wherever they lie; frame n of the clip is the file numbered `first` + n."""

    @property
    def first(self) -> int: ...

    def name(self, number: int) -> str:
        """A frame's file name, without folders."""

    def open(self, number: int) -> ByteSource | None:
        """The bytes of a frame's file, None where it is missing; the caller closes it."""

    def place(self, number: int) -> str | None:
        """Where a frame's file is, as it is opened: a path, or ARCHIVE::MEMBER; None where it is missing."""

    def stamp(self, number: int) -> tuple[int, int]:
        """(modification time in ns, permission bits) of a file that is there."""


@dataclass(frozen=True, slots=True)
class FilesOnDisk:
    """The files of a sequence in a folder."""

    sequence: ImageSequence

    @property
    def first(self) -> int:
        return self.sequence.first

    def name(self, number: int) -> str:
        return self.sequence.file_name(number)

    def open(self, number: int) -> ByteSource | None:
        return FileSource(self.sequence.path(number)) if number in self.sequence else None

    def place(self, number: int) -> str | None:
        return self.sequence.file(number) if number in self.sequence else None

    def stamp(self, number: int) -> tuple[int, int]:
        with files.explaining(f"look at {printable(self.sequence.file(number))}"):
            status = self.sequence.path(number).stat()
        return status.st_mtime_ns, status.st_mode & 0o777


@dataclass(frozen=True, eq=False)
class SequenceClip(Cuttable):
    """A sequence whose frames are files. With `link` a cut's files are hard links where the file system can."""

    images: FrameFiles = field(kw_only=True)
    link: bool = field(default=False, kw_only=True)
    suffixes: tuple[str, ...] = ()

    def cut(self, frames: FrameRange, target: Path, *, on_bytes: files.OnBytes | None = None) -> CutResult:
        """Put the files of a range into a new folder, as they are; those that are missing are told in the result.

        Raises NotFound where none of them is there.
        """
        self.require(frames)
        missing: list[int] = []
        read = shared = 0
        with AtomicFolder(target, "cut") as new:
            for number, source in self._opened(frames, missing):
                with source:
                    place = new.path / self.images.name(number)
                    shared += self._put(source, place, self.images.stamp(number), on_bytes)
                    read += source.size
            if len(missing) == frames.count:
                raise NotFound(f"None of the frames {missing[0]} to {missing[-1]} of {self.name} is there; nothing was written.")
            new.commit()
        return self._result(frames, target, read, shared, missing)

    def verify(self, frames: FrameRange, target: Path) -> CutResult | None:
        missing: list[int] = []
        names = set()
        for number, source in self._opened(frames, missing):
            with source:
                place = target / self.images.name(number)
                names.add(place.name)
                if not place.is_file() or not _same(source, place):
                    return None
        with files.explaining(f"look at {printable(target)}"):
            alike = target.is_dir() and {path.name for path in target.iterdir()} == names
        return self._result(frames, target, 0, 0, missing) if alike else None

    def _result(self, frames: FrameRange, target: Path, read: int, shared: int, missing: list[int]) -> CutResult:
        start, notes = self.shifted_start(frames.first)
        if missing:
            notes = (*notes, f"missing in the source: {amount(len(missing), 'frame')}, {_listed(missing)}")
        return CutResult(target, frames, start, "copy", read, shared, frames.first, notes, tuple(missing))

    def _opened(self, frames: FrameRange, missing: list[int]) -> Iterator[tuple[int, ByteSource]]:
        for number in range(self.images.first + frames.first, self.images.first + frames.end):
            source = self.images.open(number)
            if source is None:
                missing.append(number)
            else:
                yield number, source

    def _put(self, source: ByteSource, place: Path, stamp: tuple[int, int], on_bytes: files.OnBytes | None) -> int:
        """Link or copy one file; returns how many bytes are shared with the source."""
        if self.link and isinstance(source, FileSource) and files.hard_link(source.path, place):
            if on_bytes is not None:
                on_bytes(source.size)
            return source.size
        with files.explaining(f"write {printable(place)}", needed=lambda: source.size, folder=place.parent):
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            try:
                shared = copying.transfer(source, descriptor, 0, on_bytes=on_bytes)
                time, mode = stamp
                os.fchmod(descriptor, mode)
                os.utime(descriptor, ns=(time, time))
                files.sync(descriptor)
            finally:
                os.close(descriptor)
        return shared


def sequence_clip(name: str, images: FrameFiles, facts: MediaFacts, *, link: bool = False) -> SequenceClip:
    """A sequence to be cut, wherever its files lie."""
    return SequenceClip(
        name=name,
        facts=facts,
        rate=facts.frame_rate,
        frames=facts.frames or 0,
        start=facts.start_timecode,
        reel=facts.reel,
        images=images,
        link=link,
    )


def _same(source: ByteSource, place: Path) -> bool:
    with FileSource(place) as found:
        return found.size == source.size and digest_source(found) == digest_source(source)


def _listed(numbers: list[int]) -> str:
    """Numbers as runs: "3, 7–9"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
