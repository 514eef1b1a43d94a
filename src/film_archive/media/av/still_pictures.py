"""The pictures of an image sequence, or of a single image.

What is display-referred in its file (8 and 16 bits: DPX, TIFF, JPEG, PNG, log among it) is shown as it is; scene-linear
floats (EXR) as a BT.1886 display shows them, clipped; either through a view where one is asked for. A frame without a file
shows the one before it, or black.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, NotFound, NotSupported, SourceChanged
from film_archive.core.facts import MediaFacts
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate
from film_archive.media.av.clip_pictures import Pictures
from film_archive.media.av.decoding import DecodedFrame
from film_archive.media.av.frames import frame_of
from film_archive.media.grading import Grade, quantised, shown_linear
from film_archive.media.images import read_pixels

DEFAULT_RATE = FrameRate(24, 1)
"""Of sequences whose files tell none."""

OpenFrame = Callable[[int], ByteSource | None]
"""Opens the image of a frame, counted from 0; None where there is none."""


class StillPictures(Pictures):
    """The images of a sequence, in order, with its holes."""

    def __init__(self, name: str, facts: MediaFacts, open_frame: OpenFrame, grade: Grade | None = None) -> None:
        if not facts.width or not facts.height or not facts.frames or not facts.decodable:
            raise NotSupported(f"{name} has no picture that can be decoded; no proxies were made.")
        self.name = name
        self.width, self.height, self.frames = facts.width, facts.height, facts.frames
        self.rate = facts.frame_rate or DEFAULT_RATE
        first = facts.first_frame or 0
        self.missing = tuple(number - first for hole in facts.missing for number in hole)
        self._open, self._extension = open_frame, facts.container
        self._grade = grade or Grade()
        self._absent = frozenset(self.missing)
        self.made_by = self._grade.key

    @property
    def picture_bytes(self) -> int:
        return self.width * self.height * 12

    def read(self, first: int, count: int, threads: int = 1) -> Iterator[DecodedFrame]:
        for number in range(first, first + count):
            frame = None if number in self._absent else self._frame(number)
            yield DecodedFrame(number, number / self.rate, frame, corrupt=frame is None)

    def _frame(self, number: int) -> av.VideoFrame | None:
        try:
            source = self._open(number)
            if source is None:
                return None
            with source:
                pixels = read_pixels(source, PurePath(source.name).suffix.lstrip(".") or self._extension)
        except SourceChanged:
            raise
        except (Damaged, NotFound):
            return None
        return frame_of(np.ascontiguousarray(self._shown(pixels)))

    def _shown(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """uint8 or uint16 as a BT.709 display gets them."""
        if self._grade.is_nothing:
            return shown_linear(pixels) if pixels.dtype.kind == "f" else pixels
        if pixels.dtype.kind == "f":
            floats = np.ascontiguousarray(pixels, np.float32)
        else:
            floats = np.ascontiguousarray(pixels, np.float32) / np.float32(np.iinfo(pixels.dtype).max)
        return quantised(self._grade.apply(floats))
