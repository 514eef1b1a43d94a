"""Where a camera's picture goes on the plate: desqueezed, fitted into the raster, centred.

All of it is arithmetic on whole pixels. A scaled picture has as many even lines and columns as come next to its exact
size, so that bars are equal on both sides of a raster with even sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from film_archive.core.errors import UsageError

Fit = Literal["letterbox", "crop", "none"]

LARGEST_SIDE = 1 << 16
"""No side of a plate or of a scaled picture is longer, in pixels."""


@dataclass(frozen=True, slots=True)
class Framing:
    """A picture of `source` pixels, scaled to `scaled`, with its top left corner at `left`, `top` of the `canvas`.

    Sizes are (width, height) in pixels. Negative `left` and `top` mean that the picture is cut off on that side; what it
    does not cover is black. `pixel_aspect` is that of the canvas's pixels.
    """

    source: tuple[int, int]
    scaled: tuple[int, int]
    canvas: tuple[int, int]
    left: int
    top: int
    pixel_aspect: Fraction = Fraction(1)

    @property
    def columns(self) -> tuple[int, int]:
        """(first, end) of the scaled picture's columns that are on the canvas."""
        return max(0, -self.left), min(self.scaled[0], self.canvas[0] - self.left)

    @property
    def rows(self) -> tuple[int, int]:
        """(first, end) of the scaled picture's rows that are on the canvas."""
        return max(0, -self.top), min(self.scaled[1], self.canvas[1] - self.top)

    @property
    def window(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the picture on the canvas, the last two behind it."""
        left, top = max(0, self.left), max(0, self.top)
        (first, end), (above, below) = self.columns, self.rows
        return left, top, left + max(0, end - first), top + max(0, below - above)

    @property
    def is_scaled(self) -> bool:
        """Whether the picture's pixels are computed anew."""
        return self.source != self.scaled


def frame_picture(
    source: tuple[int, int],
    squeeze: Fraction,
    raster: tuple[int | None, int | None],
    fit: Fit,
) -> Framing:
    """How a picture of (width, height) pixels, squeezed by a lens, is framed.

    `letterbox` shows all of it, with bars above and below or at the sides; `crop` fills the raster and cuts off what is
    beyond it; `none` leaves the pixels as they are, and the squeeze goes into the header's pixel aspect. A raster without
    sides (None) is as large as the picture when it is desqueezed; with one of them, the other follows from the picture.
    Raises UsageError for sizes that make no picture.
    """
    width, height = source
    if fit not in get_args(Fit):
        raise UsageError(f"{fit!r} is no way to fit a picture; there are: {', '.join(get_args(Fit))}.")
    if not Fraction(1, 4) <= squeeze <= 4:
        raise UsageError(f"A squeeze of {float(squeeze):g} is none of a lens; it is between 0.25 and 4.")
    _require_size(width, height)
    if fit == "none":
        return Framing(source, source, source, 0, 0, squeeze)
    aspect = width * squeeze / height
    canvas = _canvas(source, squeeze, aspect, raster)
    _require_size(*canvas)
    if raster == (None, None):
        return Framing(source, canvas, canvas, 0, 0)
    wider = aspect > Fraction(canvas[0], canvas[1])
    if wider == (fit == "letterbox"):
        scaled = canvas[0], max(2, even(canvas[0] / aspect)) if canvas[1] % 2 == 0 else max(1, round(canvas[0] / aspect))
    else:
        scaled = max(2, even(canvas[1] * aspect)) if canvas[0] % 2 == 0 else max(1, round(canvas[1] * aspect)), canvas[1]
    if fit == "letterbox":
        scaled = min(scaled[0], canvas[0]), min(scaled[1], canvas[1])
    else:
        scaled = max(scaled[0], canvas[0]), max(scaled[1], canvas[1])
    _require_size(*scaled)
    return Framing(source, scaled, canvas, (canvas[0] - scaled[0]) // 2, (canvas[1] - scaled[1]) // 2)


def even(value: Fraction) -> int:
    """The even number next to a value; of two, the smaller."""
    below = int(value // 2) * 2
    return below if value - below <= 1 else below + 2


def _canvas(
    source: tuple[int, int], squeeze: Fraction, aspect: Fraction, raster: tuple[int | None, int | None]
) -> tuple[int, int]:
    width, height = raster
    if width is None and height is None:
        return max(1, round(source[0] * squeeze)), source[1]
    if width is None:
        assert height is not None
        return max(2, even(height * aspect)), height
    if height is None:
        return width, max(2, even(width / aspect))
    return width, height


def _require_size(width: int, height: int) -> None:
    if not (0 < width <= LARGEST_SIDE and 0 < height <= LARGEST_SIDE):
        raise UsageError(f"A picture of {width}×{height} pixels can't be made; sides are 1 to {LARGEST_SIDE}.")
