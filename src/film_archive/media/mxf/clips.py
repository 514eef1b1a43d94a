"""Clip-wrapped essence: one large element whose value is all pictures, or all sound, one behind the other (ST 379-1).

Stream offset 0 is the first byte of the value. While a file is written the element's length is 0 or all ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from film_archive.core.errors import Damaged
from film_archive.core.frame_index import Longs
from film_archive.core.source import ByteSource
from film_archive.media.mxf.container import Chunk, Container
from film_archive.media.mxf.elements import NO_ELEMENTS, Elements
from film_archive.media.mxf.index_tables import IndexTable
from film_archive.media.mxf.klv import KlvReader, is_essence

_SEARCHED = 64 << 20
_BLOCK = 1 << 20
_MOST_FRAMES = 20_000_000
_FEWEST_SAMPLES = 8000
_SMALLEST_VC3 = 640


@dataclass(frozen=True, slots=True)
class Clip:
    """The value of a clip-wrapped element as a stream of its own; `cut` where its end is not in the file."""

    stream: Container
    cut: bool


def open_clip(reader: KlvReader, container: Container, key: bytes, first_frame: int = 0) -> Clip:
    """The bytes of all elements with a key in a container. `first_frame` is Avid's FirstFrameOffset."""
    pieces: list[Chunk] = []
    cut = False
    size = reader.source.size
    stream = -first_frame
    for chunk in container.chunks:
        try:
            for klv in reader.walk(chunk.start, chunk.end):
                if klv.key == key and is_essence(key):
                    whole = klv.length > 0 and klv.end <= min(chunk.end, size)
                    end = klv.end if whole else min(chunk.end, size)
                    cut |= not whole
                    pieces.append(Chunk(stream, klv.value, end))
                    stream += end - klv.value
                    if not whole:
                        break
        except Damaged:
            # behind an element of unknown length there is no structure, only essence
            cut = True
    return Clip(Container(container.body_sid, [piece for piece in pieces if piece.length > 0]), cut)


def frames_by_index(clip: Clip, table: IndexTable) -> Elements:
    """The complete frames that an index table places in a clip."""
    stream = clip.stream
    located = stream.locate(table.offsets)
    last = table.end if table.end is not None else stream.end
    if table.end is None and clip.cut and len(table):
        last = int(table.offsets[-1])  # where the last frame of a cut clip ends can't be known
    sizes = np.diff(table.offsets, append=last)
    whole = (located.positions >= 0) & (sizes > 0) & (located.positions + sizes <= located.limits)
    count = len(whole) if whole.all() else int(np.argmin(whole))
    return Elements(np.arange(count, dtype=np.int64), located.positions[:count], sizes[:count])


def frames_by_headers(
    source: ByteSource,
    clip: Clip,
    size_of: Callable[[bytes], int | None],
    mark: Callable[[bytes], tuple[bytes, int] | None],
) -> Elements:
    """The complete frames of a clip without index: each states its size, or all are as long as the first.

    `size_of` gives a frame's own size from its first 64 bytes, `mark` the bytes with which every picture of the clip
    begins and how many pictures make a frame; each gives None where the codec has no such thing.
    """
    if not clip.stream.chunks:
        return NO_ELEMENTS
    piece = clip.stream.chunks[0]
    start = max(piece.start, piece.start - piece.stream)
    head = source.read_at(start, 64)
    if size_of(head) is not None:
        return _stepped(source, start, piece.end, size_of)
    marked = mark(head)
    if marked is None:
        return NO_ELEMENTS
    pattern, pictures = marked
    spacing = _spacing(source, start, piece.end, pattern)
    if spacing is None:
        return NO_ELEMENTS
    spacing *= pictures
    offsets = np.arange(start, piece.end - spacing + 1, spacing, dtype=np.int64)
    for count, offset in enumerate(offsets.tolist()):
        if source.read_at(offset, len(pattern)) != pattern:
            offsets = offsets[:count]
            break
    return _row(offsets, np.full(len(offsets), spacing, np.int64))


def _stepped(source: ByteSource, start: int, end: int, size_of: Callable[[bytes], int | None]) -> Elements:
    offsets: list[int] = []
    sizes: list[int] = []
    while start < end and len(offsets) < _MOST_FRAMES:
        size = size_of(source.read_at(start, 64))
        if size is None or size < 64 or start + size > end:
            break
        offsets.append(start)
        sizes.append(size)
        start += size
    return _row(np.array(offsets, np.int64), np.array(sizes, np.int64))


def _spacing(source: ByteSource, start: int, end: int, pattern: bytes) -> int | None:
    """How far the second frame is from the first; searched for in the first 64 MiB."""
    at = start + len(pattern)
    while at < min(end, start + _SEARCHED):
        block = source.read_at(at, _BLOCK + len(pattern))
        place = block.find(pattern)
        if place >= 0:
            spacing = at + place - start
            return spacing if spacing >= _SMALLEST_VC3 else None
        at += _BLOCK
    return None


def _row(offsets: Longs, sizes: Longs) -> Elements:
    return Elements(np.arange(len(offsets), dtype=np.int64), offsets, sizes)


def sound_chunks(clip: Clip, frame_bytes: int, sample_rate: int) -> Elements:
    """PCM of a clip, whole samples only, in chunks of a second."""
    chunk = frame_bytes * max(sample_rate, _FEWEST_SAMPLES)
    offsets: list[Longs] = []
    sizes: list[Longs] = []
    for piece in clip.stream.chunks:
        begin = max(piece.start, piece.start - piece.stream)
        whole = (piece.end - begin) // frame_bytes * frame_bytes
        starts = np.arange(begin, begin + whole, chunk, dtype=np.int64)
        offsets.append(starts)
        sizes.append(np.minimum(chunk, begin + whole - starts))
    if not offsets:
        return NO_ELEMENTS
    return _row(np.concatenate(offsets), np.concatenate(sizes))
