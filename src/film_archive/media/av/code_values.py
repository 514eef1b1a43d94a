"""A decoded picture as RGB in 16 bits, for what has to be right to the code: plates, not looks.

Cameras' logs are defined on code values (S-Log3: a tenth of a digit is light), and there are two ways in which video
carries them. A file made by a grading system has them scaled into video levels, and they are scaled back: level 64 of
1023 becomes 0, 940 becomes 1. A camera that records its log as video (Sony's, "18 % grey is code 420") means the codes
themselves: 420 of 1023 stays 420 of 1023, and what lies above 940 and below 64 is picture.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import NotSupported
from film_archive.media.av.frames import converted, lines_of, matrix_of

_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""H.273 MatrixCoefficients → what red and blue weigh in luma (H.273, table 4)."""
_DEPTHS = (8, 10, 12, 16)
_STRIP = 128


def rgb_codes(frame: av.VideoFrame, *, as_codes: bool = False) -> NDArray[np.uint16]:
    """The picture as (height, width, 3) RGB, 0 … 65535 for 0 … 1.

    `as_codes` takes video-range samples for the codes themselves: full scale is the highest code. Else the range is as
    the frame is tagged; what lies beyond 0 … 1 is clipped. Raises NotSupported for a pixel format that is neither YUV,
    gray nor RGB.
    """
    form = frame.format
    if form.is_rgb or form.name.startswith(("gray", "pal8", "mono")):
        colors = converted(frame, pixel_format="gbrp16le", full_range=True).to_ndarray()
        return np.ascontiguousarray(colors, np.uint16)
    if not form.name.startswith(("yuv", "nv", "p0", "p2", "y2", "v2", "uyvy", "yvyu", "xv", "ayuv", "vuy")):
        raise NotSupported(f"Pictures in {form.name} are not turned into plates here.")
    depth = max(component.bits for component in form.components)
    depth = next(known for known in _DEPTHS if known >= min(depth, 16))
    full = int(frame.color_range) == 2 or form.name.startswith("yuvj")
    matrix = matrix_of(frame)
    name = "yuv444p" if depth == 8 else f"yuv444p{depth}le"
    samples = converted(frame, pixel_format=name, full_range=full)
    planes = [_plane(samples, place, depth) for place in range(3)]
    return _to_rgb(planes, depth, _WEIGHTS.get(matrix, _WEIGHTS[1]), full=full, as_codes=as_codes)


def _plane(frame: av.VideoFrame, place: int, depth: int) -> NDArray[Any]:
    stored = np.uint8 if depth == 8 else np.dtype("<u2")
    lines = lines_of(frame.planes[place])[: frame.height]
    return lines[:, : frame.width * np.dtype(stored).itemsize].view(stored)


def _to_rgb(
    planes: list[NDArray[Any]], depth: int, weights: tuple[float, float], *, full: bool, as_codes: bool
) -> NDArray[np.uint16]:
    red_weight, blue_weight = weights
    green_weight = 1 - red_weight - blue_weight
    highest, step = (1 << depth) - 1, 1 << (depth - 8)
    if full:
        black, white, swing = 0.0, float(highest), float(highest)
    else:
        black, white, swing = 16.0 * step, 235.0 * step, 224.0 * step
    # 0 … 1 of video is black … white; as codes that is a part of the whole range, with chroma in the same unit.
    scale, offset = ((white - black) / highest, black / highest) if as_codes else (1.0, 0.0)
    height, width = planes[0].shape
    rgb = np.empty((height, width, 3), np.uint16)
    for top in range(0, height, _STRIP):
        y, cb, cr = (plane[top : top + _STRIP].astype(np.float32) for plane in planes)
        y = (y - np.float32(black)) * np.float32(1 / (white - black))
        cb = (cb - np.float32(128 * step)) * np.float32(1 / swing)
        cr = (cr - np.float32(128 * step)) * np.float32(1 / swing)
        red = y + np.float32(2 * (1 - red_weight)) * cr
        blue = y + np.float32(2 * (1 - blue_weight)) * cb
        green = (y - np.float32(red_weight) * red - np.float32(blue_weight) * blue) * np.float32(1 / green_weight)
        for place, channel in enumerate((red, green, blue)):
            value = channel * np.float32(scale * 65_535) + np.float32(offset * 65_535 + 0.5)
            rgb[top : top + _STRIP, :, place] = np.clip(value, 0, 65_535)
    return rgb
