"""Where a picture goes on the plate."""

from __future__ import annotations

from fractions import Fraction

import pytest

from ded_io.pictures.framing import Fit, Framing, even, frame_picture
from film_archive.core.errors import UsageError

UHD = (3840, 2160)

MODES = [
    (8640, 5760), (8640, 4556), (8192, 4320), (8192, 3432), (8100, 4556), (7680, 4320), (5792, 4854), (5792, 4276),
    (5792, 3056), (5480, 2296), (5434, 3056), (6048, 4032), (6054, 3272), (6054, 3192), (6048, 2534), (5674, 3192),
    (4096, 3432), (4096, 3024), (4096, 2160), (4096, 1716), (3840, 2160),
]  # fmt: skip
"""Of both VENICE 2 imager blocks."""


@pytest.mark.parametrize("size", MODES)
@pytest.mark.parametrize("squeeze", [Fraction(1), Fraction(13, 10), Fraction(3, 2), Fraction(9, 5), Fraction(2)])
@pytest.mark.parametrize("raster", [UHD, (4096, 2160), (2048, 858)])
def test_letterbox_and_crop_of_every_imager_mode(size: tuple[int, int], squeeze: Fraction, raster: tuple[int, int]) -> None:
    aspect = size[0] * squeeze / size[1]
    inside, filling = (frame_picture(size, squeeze, raster, fit) for fit in ("letterbox", "crop"))
    for framing in (inside, filling):
        assert framing.canvas == raster
        width, height = framing.scaled
        assert abs(width - height * aspect) <= max(1, aspect)  # at most one pixel from the exact shape, in the rounded side
        assert framing.left == (raster[0] - width) // 2
        assert framing.top == (raster[1] - height) // 2
        assert raster[0] - width == 2 * framing.left, "bars are equal on both sides"
        assert raster[1] - height == 2 * framing.top
    assert inside.scaled[0] <= raster[0]
    assert inside.scaled[1] <= raster[1]
    assert raster[0] in (inside.scaled[0], filling.scaled[0])
    assert filling.scaled[0] >= raster[0]
    assert filling.scaled[1] >= raster[1]
    assert filling.columns[1] - filling.columns[0] == raster[0]
    assert filling.rows[1] - filling.rows[0] == raster[1]


def test_the_seeds_plate() -> None:
    assert frame_picture((4096, 2160), Fraction(2), UHD, "letterbox") == Framing((4096, 2160), (3840, 1012), UHD, 0, 574)


def test_pillarbox() -> None:
    framing = frame_picture((4096, 3432), Fraction(1), UHD, "letterbox")
    assert framing.scaled == (2578, 2160)
    assert (framing.left, framing.top) == (631, 0)


def test_native_is_desqueezed_to_its_own_size() -> None:
    framing = frame_picture((6054, 3192), Fraction(2), (None, None), "letterbox")
    assert framing.canvas == framing.scaled == (12108, 3192)
    plain = frame_picture((6054, 3192), Fraction(1), (None, None), "letterbox")
    assert not plain.is_scaled


def test_one_side_gives_the_other() -> None:
    assert frame_picture((4096, 2160), Fraction(2), (3840, None), "letterbox").canvas == (3840, 1012)
    assert frame_picture((4096, 2160), Fraction(2), (None, 1080), "crop").canvas == (4096, 1080)


def test_none_leaves_the_pixels_and_says_their_aspect() -> None:
    framing = frame_picture((4096, 2160), Fraction(2), UHD, "none")
    assert framing == Framing((4096, 2160), (4096, 2160), (4096, 2160), 0, 0, Fraction(2))


@pytest.mark.parametrize(("value", "made"), [("1012.5", 1012), ("1013", 1012), ("1013.01", 1014), ("2", 2), ("2.9", 2)])
def test_even(value: str, made: int) -> None:
    assert even(Fraction(value)) == made


@pytest.mark.parametrize(
    ("size", "squeeze", "raster", "fit"),
    [
        ((0, 10), "1", UHD, "letterbox"),
        ((10, 1 << 17), "1", UHD, "letterbox"),
        ((10, 10), "0", UHD, "letterbox"),
        ((10, 10), "5", UHD, "letterbox"),
        ((10, 10), "1", (0, 10), "letterbox"),
        ((10, 10), "1", UHD, "stretch"),
        ((60000, 10), "4", (None, None), "letterbox"),
    ],
)
def test_what_is_no_picture_is_refused(
    size: tuple[int, int], squeeze: str, raster: tuple[int | None, int | None], fit: Fit
) -> None:
    with pytest.raises(UsageError):
        frame_picture(size, Fraction(squeeze), raster, fit)
