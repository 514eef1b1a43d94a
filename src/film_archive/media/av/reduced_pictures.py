"""The pictures of a ProRes clip at a half, a quarter or an eighth of their size, decoded no further than that needs.

Used where every proxy that is asked for is at most half the original's size and the reduced decoder was built. Its pictures
are held against FFmpeg's full decoding now and then.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.video.reformatter import ColorRange

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.media.av.clip_pictures import FilePictures
from film_archive.media.av.decoding import DecodedFrame
from film_archive.media.av.frames import default_matrix
from film_archive.media.prores import ReducedDecoder, available, best_reduction

_MATRICES = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "bt2020nc": 9, "bt2020c": 10}
"""ITU-T H.273, table 4."""
_AGAIN = 8
"""One piece in so many is held against the full decoding, and the last one."""


def best_pictures(
    source: ByteSource, facts: MediaFacts, index: FrameIndex, widest: int, highest: int
) -> FilePictures:
    """A clip's pictures for proxies of at most this size: reduced where that can be, else whole."""
    if available() and facts.codec in ("prores_422", "prores_4444") and facts.width and facts.height:
        reduction = best_reduction(facts.width, facts.height, widest, highest)
        if reduction is not None:
            return ReducedPictures(source, facts, index, reduction)
    return FilePictures(source, facts, index)


class ReducedPictures(FilePictures):
    """A ProRes clip's pictures, their sides divided by `reduction`, 8-bit 4:2:0."""

    def __init__(self, source: ByteSource, facts: MediaFacts, index: FrameIndex, reduction: int) -> None:
        super().__init__(source, facts, index)
        self._decoder = ReducedDecoder(self.width, self.height, reduction, "yuv420p")
        self.made_by = f"reduced {reduction}"
        self._matrix = _MATRICES.get(facts.color.matrix or "") or default_matrix(self.width, self.height)

    @property
    def picture_bytes(self) -> int:
        return self._decoder.width * self._decoder.height * 3 // 2

    def read(self, first: int, count: int, threads: int = 1) -> Iterator[DecodedFrame]:
        for number in range(first, first + count):
            place = self._index.frame(number)
            data = self._source.read_at(place.offset, place.size)
            time = place.time / self._video.timescale
            frame = av.VideoFrame(self._decoder.width, self._decoder.height, "yuv420p")
            frame.colorspace, frame.color_range = self._matrix, ColorRange.MPEG
            try:
                decoded = self._decoder.decode(data, frame.planes, [plane.line_size for plane in frame.planes])
            except Damaged:
                yield DecodedFrame(number, time, None, corrupt=True)
            except NotSupported:
                yield from super().read(number, 1)
            else:
                yield DecodedFrame(number, time, frame, decoded.corrupt)

    def is_read_again(self, first: int, end: int) -> bool:
        return first // (end - first) % _AGAIN == 0 or end == self.frames

    def read_again(self, number: int) -> Iterator[DecodedFrame]:
        return super().read(number, 1)
