"""Scaling a frame, with the curve of each channel before it and the matrix behind it.

The extension `_resample` does all of it in one pass; without it the same is done by numpy in strips, to within the
rounding of 32-bit floats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ded_io.pictures.framing import Framing
from ded_io.pictures.lanczos import Taps, reach_of, taps
from ded_io.pictures.raster import Floats, Raster

try:
    from ded_io.pictures import _resample
except ImportError:
    _extension = False
else:
    _extension = True

_NO_CURVES = np.zeros(0, np.float32)
_STRIP = 64
"""New lines that numpy makes at a time."""


def available() -> bool:
    """Whether the extension is there."""
    return _extension


def resample(
    raster: Raster,
    framing: Framing,
    *,
    curves: Floats | None,
    matrix: Floats,
    half: bool = True,
    plain: bool = False,
) -> NDArray[np.float16] | NDArray[np.float32]:
    """The canvas, (height, width, 3), with the picture on it; black around it.

    `curves` is (3, codes): what each code of red, green and blue stands for; None for floats. `matrix` is (3, 4), its last
    column an offset. `half` asks for half floats, else 32 bits. `plain` does without the extension.
    """
    width, height = framing.canvas
    target = np.zeros((height, width, 3), np.float16 if half else np.float32)
    rows, columns = taps_of(framing)
    left, top = max(0, framing.left), max(0, framing.top)
    if not len(rows.first) or not len(columns.first):
        return target
    if plain or not _extension:
        _plain(raster, rows, columns, curves, matrix, target[top : top + len(rows.first), left : left + len(columns.first)])
        return target
    item = target.itemsize * 3
    _resample.resample(
        raster.data,
        raster.offset,
        raster.line,
        int(raster.kind),
        raster.channels,
        raster.width,
        raster.height,
        _NO_CURVES if curves is None else np.ascontiguousarray(curves, np.float32),
        rows.first,
        rows.weights,
        columns.first,
        columns.weights,
        np.ascontiguousarray(matrix, np.float32),
        target,
        (top * width + left) * item,
        width * item,
        int(half),
    )
    return target


def taps_of(framing: Framing) -> tuple[Taps, Taps]:
    """The taps of the lines and of the columns that are on the canvas."""
    reach = reach_of(framing.scaled[0] / framing.source[0])
    columns = taps(framing.source[0], framing.scaled[0], reach)[slice(*framing.columns)]
    rows = taps(framing.source[1], framing.scaled[1], reach)[slice(*framing.rows)]
    return rows, columns


def _plain(
    raster: Raster,
    rows: Taps,
    columns: Taps,
    curves: Floats | None,
    matrix: Floats,
    target: NDArray[np.float16] | NDArray[np.float32],
) -> None:
    for begin in range(0, len(rows.first), _STRIP):
        strip = rows[slice(begin, begin + _STRIP)]
        first, end = int(strip.first[0]), int(strip.first[-1]) + strip.count
        lines = raster.values(first, end, curves)
        above = np.zeros((len(strip.first), raster.width, 3), np.float32)
        for tap in range(strip.count):
            above += strip.weights[:, tap, None, None] * lines[strip.first - first + tap]
        across = np.zeros((len(strip.first), len(columns.first), 3), np.float32)
        for tap in range(columns.count):
            across += columns.weights[None, :, tap, None] * above[:, columns.first + tap]
        with np.errstate(over="ignore", invalid="ignore"):  # what a half float can't hold is infinite, as everywhere
            target[begin : begin + _STRIP] = across @ matrix[:, :3].T + matrix[:, 3]
