"""A cut that is made of two sources: a clip's own bytes, and frames that were encoded again, laid out as one movie."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np

from film_archive.core import files, places
from film_archive.core.columns import Longs
from film_archive.core.errors import ShortRead
from film_archive.core.frame_index import FrameIndex, Packets
from film_archive.core.source import ByteSource, ConcatSource, MemorySource, OpenFile
from film_archive.core.timecode import FrameRange
from film_archive.media.cutting.mov_writer import BLOCK, MERGE, MovieLayout, Run


@dataclass(frozen=True, slots=True)
class Parts:
    """A range of frames as a smart cut makes it; numbers are the clip's. Empty ranges are left out of it."""

    head: FrameRange
    copied: FrameRange
    tail: FrameRange
    positions: FrameRange
    """Of `copied`, in decode order."""


class NewPackets:
    """The packets of a new picture track, in decode order; times begin with the cut."""

    def __init__(self, index: FrameIndex, first: int) -> None:
        assert index.video is not None
        self._video, self._of = index.video, index
        self._zero = int(index.video.times[index.shown[first]])
        self._offsets: list[Longs] = []
        self._sizes: list[Longs] = []
        self._times: list[Longs] = []
        self._keys: list[Longs] = []
        self._described: list[tuple[int, int]] = [(0, 1)]

    def describe(self, begin: int, entry: int) -> None:
        """Packets that lie at `begin` and behind it are described by the sample entry of this number."""
        self._described.append((begin, entry))

    def described(self, offsets: Longs) -> Longs:
        """The number of the sample entry for what lies at each of these places."""
        begins = np.array([begin for begin, _ in self._described], np.int64)
        entries = np.array([entry for _, entry in self._described], np.int64)
        numbers: Longs = entries[np.searchsorted(begins, offsets, side="right") - 1]
        return numbers

    def copy(self, positions: FrameRange) -> None:
        """Some of the clip's own."""
        chosen = slice(positions.first, positions.end)
        self._put(self._video.offsets[chosen], self._video.sizes[chosen], self._video.times[chosen], self._of.keys[chosen])

    def add(self, offset: int, size: int, number: int, key: bool) -> None:
        """One that shows the clip's frame of this number."""
        time = self._video.times[self._of.shown[number]]
        self._put(np.array([offset]), np.array([size]), np.array([time]), np.array([key]))

    def _put(self, offsets: Any, sizes: Any, times: Any, keys: Any) -> None:
        self._offsets.append(offsets)
        self._sizes.append(sizes)
        self._times.append(times - self._zero)
        self._keys.append(keys)

    def index(self, end: int, like: FrameIndex) -> FrameIndex:
        video = Packets(
            np.concatenate(self._offsets),
            np.concatenate(self._sizes),
            np.concatenate(self._times),
            end,
            self._video.timescale,
        )
        return FrameIndex(video, np.concatenate(self._keys).astype(np.bool_), like.rate)


class Spliced:
    """A clip's bytes, and far enough behind them new ones, as if they were one file's."""

    def __init__(self, source: ByteSource) -> None:
        self.begin = -(-source.size // BLOCK) * BLOCK + 2 * MERGE
        self.new = Scratch()

    @property
    def size(self) -> int:
        return self.begin + self.new.size

    def append(self, data: bytes) -> int:
        """Where they lie now."""
        return self.begin + self.new.append(data)


class Scratch(ByteSource):
    """Bytes in a file without a name, which is gone with this object."""

    def __init__(self) -> None:
        self.name, self.size = "frames that were encoded again", 0
        with tempfile.TemporaryFile(dir=places.temporary()) as file:
            self._file = OpenFile(os.dup(file.fileno()))  # closed with this object

    def append(self, data: bytes) -> int:
        with files.explaining("keep frames that were encoded again"):
            files.write_at(self._file.fileno(), data, self.size)
        offset, self.size = self.size, self.size + len(data)
        return offset

    def read_into(self, offset: int, buffer: memoryview) -> int:
        view = self._bounded(offset, buffer)
        done = 0
        while done < len(view):
            count = os.preadv(self._file.fileno(), [view[done:]], offset + done)
            if count == 0:
                raise ShortRead(f"{self.name} end at byte {offset + done}.")
            done += count
        return done


@dataclass(frozen=True, eq=False)
class MadeCut:
    """A cut that is nowhere written yet."""

    clip: ByteSource
    spliced: Spliced
    layout: MovieLayout
    parts: Parts
    mode: str
    bytes_read: int
    notes: tuple[str, ...]

    def part(self, run: Run) -> ByteSource:
        """The bytes of a run, out of the clip or of what was encoded again."""
        if run.source_offset < self.spliced.begin:
            there = min(run.length, self.clip.size - run.source_offset)
            own = self.clip.slice(run.source_offset, there)
            return own if there == run.length else ConcatSource([own, MemorySource(bytes(run.length - there))])
        return self.spliced.new.slice(run.source_offset - self.spliced.begin, run.length)

    def source(self, name: str) -> ByteSource:
        """All of it as one."""
        parts: list[ByteSource] = [MemorySource(self.layout.head)]
        position = len(self.layout.head)
        for run in self.layout.runs:
            parts += [MemorySource(bytes(run.target_offset - position)), self.part(run)]
            position = run.target_offset + run.length
        parts.append(MemorySource(bytes(self.layout.moov_offset - position) + self.layout.moov))
        return ConcatSource(parts, name)
