"""A barcode that tells a frame's number, its timecode and its clip, and survives scaling, letterboxing and x264.

The code is a block of 17 × 8 black and white cells on a black panel. Its first and its last row alternate white and
black: a reader finds the block by these two rows wherever it lies and however it was scaled, each axis for itself.
The six rows between carry 102 bits: 2 of version, 16 of clip, 24 of frame number, 1 that tells whether there is a
timecode, 1 for drop-frame, 24 of timecode (frames since midnight), 2 spare, and a CRC-32 of it all. A wrong read is
None, never a wrong number.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import UsageError

COLUMNS, ROWS = 17, 8
_DATA = COLUMNS * (ROWS - 2)
_VERSION = 1
# Keeps a row of equal bits from becoming one long stripe.
_MASK = 0x2B5D_9C6A_F413_8E07_D2B9_4C65_3A & ((1 << _DATA) - 1)
_CONTRAST = 0.12

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FrameCode:
    """What one picture says about itself."""

    clip: int
    """16 bits that stand for the clip's name: `clip_id(name)`."""
    number: int
    """The frame's number in its file, from 0."""
    timecode_frames: int | None = None
    """Its timecode as frames since 00:00:00:00, `Timecode.total_frames`."""
    drop_frame: bool = False

    def __post_init__(self) -> None:
        for what, value, bits in (
            ("clip", self.clip, 16),
            ("number", self.number, 24),
            ("timecode", self.timecode_frames or 0, 24),
        ):
            if not 0 <= value < 1 << bits:
                raise UsageError(f"A frame code has {bits} bits for the {what}; {value} does not fit.")


@dataclass(frozen=True, slots=True)
class CodeBox:
    """Where the block lies in a picture, in pixels."""

    left: int
    top: int
    cell: int

    @property
    def right(self) -> int:
        return self.left + COLUMNS * self.cell

    @property
    def bottom(self) -> int:
        return self.top + ROWS * self.cell


def clip_id(name: str) -> int:
    """The 16 bits by which a code names its clip."""
    return zlib.crc32(name.encode()) & 0xFFFF


def code_box(width: int, height: int) -> CodeBox:
    """The block's place in a picture of this size: in the middle across, a little below the middle, whole cells.

    A centre crop from 16:9 to 2.39:1, and to 4:3, keeps it.
    """
    cell = min(width // (COLUMNS + 2), height // 22)
    if cell < 2:
        raise UsageError(f"A picture of {width}×{height} is too small for a frame code; 38×44 is the smallest.")
    return CodeBox((width - COLUMNS * cell) // 2, (height * 3 // 5) - ROWS // 2 * cell, cell)


def code_cells(code: FrameCode) -> NDArray[np.bool_]:
    """The block as (8, 17) cells, True being white."""
    body = _VERSION
    for value, bits in (
        (code.clip, 16),
        (code.number, 24),
        (code.timecode_frames is not None, 1),
        (code.drop_frame, 1),
        (code.timecode_frames or 0, 24),
        (0, 2),
    ):
        body = body << bits | int(value)
    word = ((body << 32) | _checksum(body)) ^ _MASK
    data = [(word >> shift) & 1 for shift in range(_DATA - 1, -1, -1)]
    cells = np.empty((ROWS, COLUMNS), np.bool_)
    cells[0] = cells[-1] = _TIMING
    cells[1:-1] = np.array(data, np.bool_).reshape(ROWS - 2, COLUMNS)
    return cells


_TIMING = np.arange(COLUMNS) % 2 == 0


def draw_code(picture: NDArray[np.uint8], code: FrameCode) -> None:
    """Draw the block into a picture, (height, width[, channels]), on a black panel half a cell wider."""
    height, width = picture.shape[:2]
    box = code_box(width, height)
    margin = (box.cell + 1) // 2
    picture[max(0, box.top - margin) : box.bottom + margin, max(0, box.left - margin) : box.right + margin] = 0
    cells = np.where(code_cells(code), np.uint8(255), np.uint8(0)).repeat(box.cell, axis=0).repeat(box.cell, axis=1)
    target = picture[box.top : box.bottom, box.left : box.right]
    target[:] = cells if picture.ndim == 2 else cells[:, :, None]


def read_frame_code(picture: NDArray[Any]) -> FrameCode | None:
    """Read the code of a picture: gray (height, width) or RGB(A) (height, width, 3 or 4), any size, integers or floats.

    The picture may have been scaled (each axis by its own factor), bordered or cropped around the code; mirrored or
    turned it gives None, as does everything that is not surely a code.
    """
    gray = _gray(picture)
    if min(gray.shape) < ROWS * 1.5:
        return None
    for left, top, across, down in _places(gray):
        code = _read_at(gray, left, top, across, down)
        if code is not None:
            return code
    return None


def _gray(picture: NDArray[Any]) -> Floats:
    """Brightness from 0 to about 1."""
    scale = float(np.iinfo(picture.dtype).max) if np.issubdtype(picture.dtype, np.integer) else 1.0
    if picture.ndim == 3 and picture.shape[2] >= 3:
        channels = picture[:, :, :3].astype(np.float32)
        gray = channels @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    else:
        gray = (picture[:, :, 0] if picture.ndim == 3 else picture).astype(np.float32)
    if scale == 65535.0 and 0 < gray.max() <= 4095:
        scale = 1023.0 if gray.max() <= 1023 else 4095.0  # 10 or 12 bits kept in 16
    scaled: Floats = np.nan_to_num(gray / np.float32(scale))
    return scaled


def _places(gray: Floats) -> Iterator[tuple[float, float, float, float]]:
    """(left, top, cell width, cell height) where the block may lie: where it is drawn, then where it is found."""
    height, width = gray.shape
    if min(width // (COLUMNS + 2), height // 22) >= 2:
        box = code_box(width, height)
        yield float(box.left), float(box.top), float(box.cell), float(box.cell)
    yield from _found(gray)


def _read_at(gray: Floats, left: float, top: float, across: float, down: float) -> FrameCode | None:
    height, width = gray.shape
    if left < -across or top < -down or left + across * COLUMNS > width + across or top + down * ROWS > height + down:
        return None
    edges = np.array([_middle(left + column * across, across, width) for column in range(COLUMNS)])
    cells = np.empty((ROWS, COLUMNS), np.float32)
    for row in range(ROWS):
        first, last = _middle(top + row * down, down, height)
        line = np.append(gray[first:last].mean(axis=0), np.float32(0))  # one more, so that the last edge may be the end
        cells[row] = np.add.reduceat(line, edges.ravel())[::2] / (edges[:, 1] - edges[:, 0])
    timing = np.concatenate((cells[0], cells[-1]))
    expected = np.concatenate((_TIMING, _TIMING))
    white, black = timing[expected], timing[~expected]
    if not white.min() > black.max() or white.mean() - black.mean() < _CONTRAST:
        return None
    word = 0
    for bit in (cells[1:-1] > (white.mean() + black.mean()) / 2).ravel():
        word = word << 1 | int(bit)
    return _decoded(word ^ _MASK)


def _middle(start: float, size: float, limit: int) -> tuple[int, int]:
    """The middle half of a cell as pixels, at least one, inside the picture."""
    first = min(max(0, round(start + size * 0.25)), limit - 1)
    return first, min(limit, max(first + 1, round(start + size * 0.75)))


def _decoded(word: int) -> FrameCode | None:
    body, checksum = word >> 32, word & 0xFFFF_FFFF
    if checksum != _checksum(body) or body >> 68 != _VERSION or body & 3:
        return None
    timecode = body >> 2 & 0xFF_FFFF
    return FrameCode(
        clip=body >> 52 & 0xFFFF,
        number=body >> 28 & 0xFF_FFFF,
        timecode_frames=timecode if body >> 27 & 1 else None,
        drop_frame=bool(body >> 26 & 1),
    )


def _checksum(body: int) -> int:
    return zlib.crc32(body.to_bytes((_DATA - 32 + 7) // 8, "big"))


# Finding the two alternating rows


def _found(gray: Floats) -> Iterator[tuple[float, float, float, float]]:
    height, width = gray.shape
    if width < COLUMNS * 2:
        return
    low, high = np.percentile(gray[:: max(1, height // 200), :: max(1, width // 200)], (2, 98))
    if high - low < _CONTRAST:
        return
    white = gray > (low + high) / 2
    step = max(1, height // 400)
    hits = _lasting_alternations(white, step)
    for _ in range(_TRIES):
        if not len(hits):
            return
        _, left, across = hits[0]
        same = (np.abs(hits[:, 1] - left) < across / 2) & (np.abs(hits[:, 2] - across) < across / 8)
        rows, lefts, widths = hits[same].T
        hits = hits[~same]
        top, down = rows[0], (rows[-1] + step - rows[0]) / ROWS
        if down >= 1:
            yield float(np.median(lefts)), float(top), float(np.median(widths)), float(down)


_TRIES = 64


def _lasting_alternations(white: NDArray[np.bool_], step: int) -> NDArray[np.float64]:
    """(row, left edge, cell width) of every alternation that a row beside it shows in the same place too, by row."""
    rows = range(0, len(white), step)
    lines = [_alternations(white[row]) for row in rows]
    lasting = [np.zeros((0, 3))]
    for place, (row, here) in enumerate(zip(rows, lines, strict=True)):
        if not len(here):
            continue
        around = [lines[other] for other in (place - 1, place + 1) if 0 <= other < len(lines)]
        beside = np.concatenate([np.zeros((0, 2)), *around])
        keep = (np.abs(here[:, None, 0] - beside[None, :, 0]) <= 1.5).any(axis=1)
        lasting.append(np.column_stack((np.full(int(keep.sum()), row), here[keep])))
    return np.concatenate(lasting)


def _alternations(line: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(left edge, cell width) of every 17 runs of nearly one length that begin and end white."""
    edges = np.flatnonzero(line[1:] != line[:-1]) + 1
    edges = np.concatenate((np.zeros(1, edges.dtype), edges, np.array([len(line)], edges.dtype)))
    if len(edges) < COLUMNS + 1:
        return np.zeros((0, 2))
    runs = np.lib.stride_tricks.sliding_window_view(np.diff(edges), COLUMNS)
    mean = runs.mean(axis=1)
    even = np.abs(runs - mean[:, None]).max(axis=1) <= np.maximum(1.0, mean * 0.4)
    chosen = np.flatnonzero(even & (mean >= 1.5) & line[edges[: len(runs)]])
    return np.column_stack((edges[chosen].astype(np.float64), mean[chosen]))
