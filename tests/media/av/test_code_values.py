"""Decoded pictures as RGB codes: exact for every depth, matrix and range, against the formulas of H.273."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from film_archive.media.av.code_values import rgb_codes

WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}


def yuv_frame(rgb: NDArray[np.float64], depth: int, matrix: int, full: bool) -> av.VideoFrame:
    """A 4:4:4 frame of (height, width, 3) RGB where 0 … 1 is video's black to white; values beyond are kept."""
    red_weight, blue_weight = WEIGHTS[matrix]
    red, green, blue = (rgb[..., place] for place in range(3))
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    chroma = (blue - luma) / (2 * (1 - blue_weight)), (red - luma) / (2 * (1 - red_weight))
    step, top = 1 << (depth - 8), (1 << depth) - 1
    if full:
        planes = [luma * top, *(each * top + 128 * step for each in chroma)]
    else:
        planes = [luma * 219 * step + 16 * step, *(each * 224 * step + 128 * step for each in chroma)]
    samples = np.clip(np.round(np.stack(planes)), 0, top).astype(np.uint8 if depth == 8 else np.uint16)
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv444p" if depth == 8 else f"yuv444p{depth}le")
    for plane, values in zip(frame.planes, samples, strict=True):
        lines: NDArray[Any] = np.zeros((plane.height, plane.line_size), np.uint8)
        lines[:, : values.nbytes // plane.height] = values.view(np.uint8).reshape(plane.height, -1)
        plane.update(lines.tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full", [False, True])
def test_video_levels_become_zero_to_one(depth: int, matrix: int, full: bool) -> None:
    rgb = np.random.default_rng(depth).uniform(0.1, 0.9, (150, 34, 3))
    made = rgb_codes(yuv_frame(rgb, depth, matrix, full))
    assert made.shape == (150, 34, 3)
    assert np.abs(made / 65_535 - rgb).max() < 2 / (1 << depth) + 2e-5


def test_as_codes_a_camera_s_gray_stays_its_code() -> None:
    """S-Log3: 18 % gray is code 420 of 1023, black 95 (Sony, "Technical Summary for S-Gamut3.Cine/S-Log3")."""
    codes = np.array([[[420.0] * 3, [95.0] * 3, [1000.0] * 3, [500.0, 420.0, 460.0]]]).repeat(2, axis=0)
    made = rgb_codes(yuv_frame((codes - 64) / 876, 10, 1, full=False), as_codes=True)
    assert np.abs(made / 65_535 * 1023 - codes).max() < 1.2
    clipped = rgb_codes(yuv_frame((codes - 64) / 876, 10, 1, full=False))
    assert (clipped[:, 2] == 65_535).all(), "expanded from video levels, code 1000 is beyond white"


@pytest.mark.parametrize("name", ["gbrp10le", "gbrp12le", "rgb24", "rgb48le"])
def test_rgb_stays_what_it_is(name: str) -> None:
    wanted = np.random.default_rng(1).integers(0, 65_536, (20, 16, 3)).astype(np.uint16)
    frame = av.VideoFrame.from_ndarray(wanted, format="rgb48le").reformat(format=name)
    apart = np.abs(rgb_codes(frame).astype(int) - wanted)
    assert apart.max() <= {"gbrp10le": 64, "gbrp12le": 16, "rgb24": 257, "rgb48le": 1}[name] * 3


@pytest.mark.parametrize("name", ["yuv422p10le", "yuv420p", "nv12", "p010le", "yuvj420p", "gray"])
def test_every_layout_gives_a_gray_picture(name: str) -> None:
    gray = np.full((16, 16, 3), 128, np.uint8)
    frame = av.VideoFrame.from_ndarray(gray, format="rgb24").reformat(format=name, dst_colorspace=1)
    frame.colorspace = 1
    made = rgb_codes(frame)
    assert np.abs(made / 257.0 - 128).max() < 2.5
