"""An essence container: the pieces of the file that hold one stream of essence, and stream offset → file position.

A stream (a BodySID) is cut into chunks by partitions. Its byte 0 is the key of the first triplet where it is
frame-wrapped, and the first byte of the value where it is clip-wrapped (ST 377-1, 7.5 and 11.1; ST 379-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from film_archive.core.frame_index import Longs
from film_archive.media.mxf.partitions import Section

_LARGEST_OFFSET = 1 << 62


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes [start, end) of the file are those of the stream from `stream` on."""

    stream: int
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Located:
    """Where stream offsets lie: file positions (−1 where outside), and the end of the chunk that each lies in."""

    positions: Longs
    limits: Longs


class Container:
    """The chunks of one stream, in the order of the file."""

    def __init__(self, body_sid: int, chunks: Sequence[Chunk]) -> None:
        self.body_sid = body_sid
        self.chunks = tuple(chunks)
        self._streams = np.array([chunk.stream for chunk in chunks], np.int64)
        self._starts = np.array([chunk.start for chunk in chunks], np.int64)
        self._ends = np.array([chunk.end for chunk in chunks], np.int64)

    @property
    def length(self) -> int:
        """Bytes of the stream that are there."""
        return sum(chunk.length for chunk in self.chunks)

    @property
    def end(self) -> int:
        """The stream offset behind the last byte."""
        return max((chunk.stream + chunk.length for chunk in self.chunks), default=0)

    def locate(self, streams: Longs) -> Located:
        """Where stream offsets lie in the file."""
        if not self.chunks:
            nowhere = np.full(len(streams), -1, np.int64)
            return Located(nowhere, nowhere)
        which = np.searchsorted(self._streams, streams, side="right") - 1
        which = np.maximum(which, 0)
        positions = self._starts[which] + streams - self._streams[which]
        inside = (streams >= self._streams[which]) & (positions < self._ends[which])
        return Located(np.where(inside, positions, -1), self._ends[which])

    def counted(self) -> Container:
        """The same chunks with stream offsets counted up from 0, for files whose BodyOffsets are wrong."""
        return Container(self.body_sid, _counted(self.chunks))

    @property
    def gapless(self) -> bool:
        """Whether the stated offsets are those that the lengths of the chunks add up to."""
        return list(self.chunks) == _counted(self.chunks)


def containers(sections: Sequence[Section]) -> dict[int, Container]:
    """BodySID → its container, with the stream offsets that partitions state, or counted where those do not rise."""
    chunks: dict[int, list[Chunk]] = {}
    for section in sections:
        start, end = section.essence
        if start < end:
            chunks.setdefault(section.partition.body_sid, []).append(Chunk(section.partition.body_offset, start, end))
    return {sid: Container(sid, parts if _rising(parts) else _counted(parts)) for sid, parts in chunks.items()}


def _counted(chunks: Sequence[Chunk]) -> list[Chunk]:
    begins = accumulate((chunk.length for chunk in chunks), initial=0)
    return [Chunk(stream, chunk.start, chunk.end) for stream, chunk in zip(begins, chunks, strict=False)]


def _rising(chunks: Sequence[Chunk]) -> bool:
    """Whether the stated offsets rise from chunk to chunk without overlap, and are possible at all."""
    overlap = any(first.stream + first.length > second.stream for first, second in pairwise(chunks))
    return not overlap and chunks[-1].stream < _LARGEST_OFFSET
