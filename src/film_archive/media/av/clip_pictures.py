"""The pictures of a clip, whatever it is made of: a numbered row that can be read from anywhere on.

`FilePictures` decodes a media file. Image sequences have theirs in `still_pictures`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from film_archive.core.errors import NotSupported
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.av.decoding import DecodedFrame, decode_frames

_DECODED_BYTES = 4
"""Of a pixel of a decoded picture, at most: 4:2:2 in 16-bit words."""


class Pictures(ABC):
    """What every clip's pictures offer. Any number of threads may read at once, each its own stretch."""

    name: str
    width: int
    height: int
    frames: int
    rate: FrameRate
    made_by: str = ""
    """How they are made, where that can be done in several ways with different results."""
    missing: tuple[int, ...] = ()
    """Numbers of frames that are not there at all; the one before is shown in their place, or black."""

    @property
    def tick(self) -> Fraction:
        """Seconds of one tick of `times`."""
        return 1 / Fraction(self.rate)

    @property
    def variable(self) -> bool:
        """Whether frames are shown for different times."""
        return False

    def shown(self, first: int, end: int) -> list[tuple[int, int]]:
        """(tick at which it appears, ticks for which it stays) of the frames from `first` to before `end`."""
        return [(number, 1) for number in range(first, end)]

    @property
    def seconds(self) -> Fraction:
        """From the moment 0 to the last frame's end."""
        (last, stays), *_ = self.shown(self.frames - 1, self.frames)
        return (last + stays) * self.tick

    def lead(self, first: int) -> int:
        """How many pictures have to be decoded before frame `first` can be."""
        return 0

    @property
    def picture_bytes(self) -> int:
        """Memory for one decoded picture."""
        return self.width * self.height * _DECODED_BYTES

    @abstractmethod
    def read(self, first: int, count: int, threads: int = 1) -> Iterator[DecodedFrame]:
        """Every frame of the stretch, in order; one that can't be decoded comes as corrupt in its place."""

    def is_read_again(self, first: int, end: int) -> bool:
        """Whether a picture of this piece is decoded a second time, to be held against the first."""
        return True

    def read_again(self, number: int) -> Iterator[DecodedFrame]:
        """One picture, decoded by itself."""
        return self.read(number, 1)

    def black(self) -> av.VideoFrame:
        """A picture for where there is none."""
        return av.VideoFrame.from_ndarray(np.zeros((self.height, self.width, 3), np.uint8), format="rgb24")


class FilePictures(Pictures):
    """The first picture track of a media file."""

    def __init__(self, source: ByteSource, facts: MediaFacts, index: FrameIndex) -> None:
        if facts.frame_rate is None or not index.frames or index.video is None or not facts.decodable:
            raise NotSupported(f"{source.name} has no picture that can be decoded; no proxies were made.")
        self.name = source.name
        self.width, self.height = facts.width or 2, facts.height or 2
        self.frames = index.frames
        self.rate = facts.frame_rate
        self._source, self._index = source, index
        self._video = index.video
        self._variable = index.vfr and bool((np.diff(index.video.times[index.shown]) > 0).all())

    @property
    def variable(self) -> bool:
        """Whether frames are shown for different times; times that stand still or repeat are no cadence."""
        return self._variable

    @property
    def tick(self) -> Fraction:
        return 1 / self._video.timescale if self.variable else super().tick

    def shown(self, first: int, end: int) -> list[tuple[int, int]]:
        if not self.variable:
            return super().shown(first, end)
        times = self._video.times[self._index.shown[first : end + 1]]
        after = int(times[-1]) if end < self.frames else self._video.end
        starts = [int(time) for time in times[: end - first]]
        return [(start, max(1, stop - start)) for start, stop in zip(starts, [*starts[1:], after], strict=True)]

    def lead(self, first: int) -> int:
        frame = self._index.frame(first)
        return max(0, frame.position - self._index.keyframe_before(first).position)

    def read(self, first: int, count: int, threads: int = 1) -> Iterator[DecodedFrame]:
        return decode_frames(self._source, start=first, count=count, index=self._index, threads=threads)
