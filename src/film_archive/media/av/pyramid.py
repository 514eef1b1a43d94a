"""Scaling a picture down in steps: each size is made from the next larger one.

Averaging over the area (no ringing, no aliasing) is used, which for whole factors is the exact mean. The first step
also takes the picture to 8-bit 4:2:0 BT.709, so that the further ones are cheap.
"""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from film_archive.media.av.frames import converted, copy_of, lines_of

LOOK_PIXELS = 96 * 54


class Pyramid:
    """The steps for one stream of pictures; one thread at a time uses it.

    `sizes` are (width, height), each at most as large as the one before; `formats` their pixel formats.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]], formats: Sequence[str] | None = None) -> None:
        self._sizes = list(sizes)
        self._formats = list(formats or ["yuv420p"] * len(sizes))
        self._steps = [VideoReformatter() for _ in sizes]

    def scaled(self, picture: av.VideoFrame) -> list[av.VideoFrame]:
        """The picture in every size, each a frame of its own but the first, which may be the picture itself."""
        made: list[av.VideoFrame] = []
        before = picture
        for (width, height), pixel_format, step in zip(self._sizes, self._formats, self._steps, strict=True):
            frame = converted(
                before,
                width,
                height,
                pixel_format,
                matrix=1,
                full_range=False,
                interpolation="AREA",
                exact=False,
                reformatter=step,
            )
            made.append(copy_of(frame) if made and frame is before else frame)
            before = frame
        return made


def look_size(width: int, height: int, within: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) of a picture's look: about 5000 pixels of its shape, no side longer than it or than `within`."""
    scale = min(1.0, (LOOK_PIXELS / (width * height)) ** 0.5)
    return max(2, min(round(width * scale), within[0])), max(2, min(round(height * scale), within[1]))


class Looker:
    """Takes looks of one size: pictures' luma, small; one thread at a time uses it."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._step = VideoReformatter()

    def look(self, picture: av.VideoFrame) -> NDArray[np.uint8]:
        """(height, width) of luma as BT.709 video levels (16 to 235)."""
        small = converted(
            picture,
            self.width,
            self.height,
            "yuv420p",
            matrix=1,
            full_range=False,
            interpolation="AREA",
            reformatter=self._step,
        )
        return lines_of(small.planes[0])[: self.height, : self.width].copy()
