"""Made frames for the tests of pictures: small, with levels that are known."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ded_io.pictures.dpx import DpxLabels, write_dpx
from ded_io.pictures.exr import library

CONFIG = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
SLOG3 = "Input - Sony - S-Log3 - Venice S-Gamut3.Cine"


def camera_picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint16]:
    """A log picture of 16 bits: gradients, noise, edges, a highlight far above white."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    floats = np.stack([0.41 + 0.2 * np.sin(x / 9 + y / 7), 0.45 + 0.25 * np.cos(y / 11), (x % 30) / 30.0], axis=-1)
    floats += rng.normal(0, 0.01, floats.shape)
    floats[height // 4 : height // 3, width // 4 : width // 2] = 0.95
    return (np.clip(floats, 0, 1) * 65_535).astype(np.uint16)


def camera_frame(path: Path, width: int = 64, height: int = 36, seed: int = 0, bit_depth: int = 10) -> Path:
    write_dpx(path, camera_picture(width, height, seed), DpxLabels(), bit_depth=bit_depth, replace=True)
    return path


def read_floats(path: Path) -> NDArray[Any]:
    """An image as OpenImageIO reads it: (height, width, 3) floats of its display window."""
    image = library().ImageBuf(str(path))
    spec = image.spec()
    window = library().ROI(0, spec.full_width, 0, spec.full_height, 0, 1, 0, 3)
    pixels: NDArray[Any] = image.get_pixels("float", window)
    return pixels


def oiiotool() -> str | None:
    """The one that comes with OpenImageIO's wheel, beside this interpreter; None where that has none."""
    place = Path(sys.executable).with_name("oiiotool")
    return str(place) if place.exists() else None
