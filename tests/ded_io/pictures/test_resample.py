"""The extension and numpy scale alike, and as OpenImageIO does."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from ded_io.pictures.colour import IDENTITY, Conversion
from ded_io.pictures.exr import library
from ded_io.pictures.framing import Framing, frame_picture
from ded_io.pictures.lanczos import reach_of, taps
from ded_io.pictures.raster import Floats, Kind, Raster, raster_of
from ded_io.pictures.resample import available, resample

NOTHING = Conversion(None, IDENTITY)


def by_oiio(pixels: Floats, width: int, height: int) -> Floats:
    oiio = library()
    image = oiio.ImageBuf(oiio.ImageSpec(pixels.shape[1], pixels.shape[0], 3, "float"))
    image.set_pixels(oiio.ROI.All, pixels)
    scaled = oiio.ImageBufAlgo.resize(image, filtername="lanczos3", roi=oiio.ROI(0, width, 0, height))
    return np.asarray(scaled.get_pixels("float"), np.float32)


@settings(max_examples=60)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 90), st.integers(1, 90), st.booleans())
def test_scaling_is_openimageios(width: int, height: int, new_width: int, new_height: int, plain: bool) -> None:
    pixels = np.random.default_rng(width * height).random((height, width, 3), np.float32)
    size = new_width, new_height
    made = resample(
        raster_of(pixels), Framing((width, height), size, size, 0, 0), curves=None, matrix=IDENTITY, half=False, plain=plain
    )
    assert np.abs(made - by_oiio(pixels, *size)).max() < 5e-5


@settings(max_examples=60)
@given(
    st.sampled_from(["ten big", "ten little", "uint8", "uint16", "swapped", "float16", "float32"]),
    st.sampled_from([(31, 17), (64, 36), (5, 3)]),
    st.sampled_from([(20, 10), (40, 30), (12, 40), (64, 36)]),
    st.sampled_from(["letterbox", "crop", "none"]),
    st.booleans(),
)
def test_the_extension_does_what_numpy_does(
    kind: str, source: tuple[int, int], raster: tuple[int, int], fit: str, half: bool
) -> None:
    if not available():
        pytest.skip("the extension was not built here (no compiler?)")
    rng = np.random.default_rng(3)
    width, height = source
    if kind.startswith("ten"):
        words = rng.integers(0, 1 << 32, (height, width), np.uint32).astype(">u4" if "big" in kind else "<u4")
        data = np.frombuffer(words.tobytes(), np.uint8)
        made = Raster(data, Kind.TEN_BIG if "big" in kind else Kind.TEN_LITTLE, width, height, 0, width * 4)
    elif kind == "swapped":
        words16 = rng.integers(0, 1 << 16, (height, width * 4 + 3), np.uint16)
        data = np.frombuffer(b"head" + words16.tobytes(), np.uint8)
        made = Raster(data, Kind.SWAPPED_WORDS, width, height, 4, (width * 4 + 3) * 2, 4)
    elif kind.startswith("u"):
        top = 256 if kind == "uint8" else 1 << 16
        made = raster_of(rng.integers(0, top, (height, width, 3)).astype(kind))
    else:
        made = raster_of(rng.normal(0.2, 1, (height, width, 3)).astype(kind))
    framing = frame_picture(source, Fraction(3, 2), raster, fit)  # type: ignore[arg-type]  # one of the three
    prepared, curves = NOTHING.prepared(made)
    matrix = np.array([[0.9, 0.1, 0, 0.01], [0, 1.2, -0.2, 0], [-0.1, 0, 1.1, 0]], np.float32)
    quick, slow = (
        resample(prepared, framing, curves=curves, matrix=matrix, half=half, plain=plain).astype(np.float32)
        for plain in (False, True)
    )
    assert quick.shape == (*framing.canvas[::-1], 3)
    assert np.abs(quick - slow).max() < (4e-3 if half else 2e-5)


def test_half_floats_are_rounded_as_ieee_says() -> None:
    if not available():
        pytest.skip("the extension was not built here (no compiler?)")
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
    rng = np.random.default_rng(0)
    with np.errstate(invalid="ignore", over="ignore"):
        beside = [np.nextafter(every, np.float32(end)) for end in (np.inf, -np.inf)] + [(every[:-1] + every[1:]) / 2]
    floats = np.concatenate([
        every, *beside,
        rng.integers(0, 1 << 32, 50_000, np.uint32).view(np.float32),
        np.array([65504, 65519.996, 65520, 1e9, -1e9, 0, -0.0, 1e-8, 5.9e-8, 2.9e-8], np.float32),
    ])  # fmt: skip
    floats = floats[: len(floats) // 3 * 3].reshape(1, -1, 3)
    size = floats.shape[1], 1
    made = resample(raster_of(floats), Framing(size, size, size, 0, 0), curves=None, matrix=IDENTITY)
    # A matrix mixes a pixel's channels: where one is no finite number, or overflows, none of them is told.
    finite = np.isfinite(floats).all(axis=2) & (np.abs(floats) < 1e30).all(axis=2)
    with np.errstate(over="ignore"):
        wanted = floats.astype(np.float16)
    assert finite.sum() > 50_000
    assert np.array_equal(np.abs(made[finite]).view(np.uint16), np.abs(wanted[finite]).view(np.uint16))
    assert np.array_equal(made[finite], wanted[finite])


def test_what_is_no_number_stays_none() -> None:
    pixels = np.full((4, 4, 3), 0.5, np.float32)
    pixels[1, 2] = np.nan, np.nan, np.nan
    pixels[2, 1] = np.inf, np.inf, np.inf
    size = 4, 4
    for plain in (False, True):
        made = resample(raster_of(pixels), Framing(size, size, size, 0, 0), curves=None, matrix=IDENTITY, plain=plain)
        assert np.isnan(made[1, 2]).all()
        assert not np.isfinite(made[2, 1]).any()
        assert np.isfinite(made).all(axis=2).sum() == 14


@given(st.integers(1, 300), st.integers(1, 300))
def test_weights_add_up_to_one_and_stay_inside(old: int, new: int) -> None:
    made = taps(old, new, reach_of(new / old))
    assert len(made.first) == len(made.weights) == new
    assert np.allclose(made.weights.sum(axis=1), 1, atol=1e-5)
    assert made.first.min() >= 0
    assert made.first.max() + made.count <= old


def test_an_extension_that_is_asked_for_nonsense_says_so() -> None:
    if not available():
        pytest.skip("the extension was not built here (no compiler?)")
    from ded_io.pictures import _resample

    pixels = np.zeros((4, 4, 3), np.float32)
    first, weights = np.arange(4, dtype=np.int32), np.ones((4, 1), np.float32)
    none, target = np.zeros(0, np.float32), np.zeros((4, 4, 3), np.float16)
    good = [
        pixels, 0, 48, 5, 3, 4, 4, none, first, weights, first, weights, np.eye(3, 4, dtype=np.float32), target, 0, 24, 1,
    ]  # fmt: skip
    _resample.resample(*good)
    bad = {
        1: [-1, 1, 1000], 2: [0, 47, 49, 1 << 40], 3: [-1, 6, 0, 3], 4: [0, 2, 5000], 5: [0, 5, 1 << 30], 6: [0, 5, 1 << 30],
        7: [], 8: [none, first + 1, first[::-1].copy(), -first], 9: [none, np.ones((4, 5), np.float32)],
        10: [none, first + 1], 11: [none], 12: [none], 13: [np.zeros((3, 4, 3), np.float16)], 14: [-1, 1], 15: [0, 23, 25],
        16: [-1, 0, 2],
    }  # fmt: skip
    for place, values in bad.items():
        for value in values:
            with pytest.raises(ValueError, match="do not fit"):
                _resample.resample(*good[:place], value, *good[place + 1 :])
