"""Sizes of proxies: the rounding rule, and how sizes are written."""

from __future__ import annotations

from fractions import Fraction

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.errors import UsageError
from film_archive.core.ladder import LADDER, Rung, fit, nominal_bit_rate, parse_sizes

BOXES = [(rung.width, rung.height) for rung in LADDER.values()] + [(1280, 720), (16, 16), (16384, 16384)]


def test_the_ladder() -> None:
    assert [(r.name, r.width, r.height, r.bit_rate) for r in LADDER.values()] == [
        ("thumbnail", 320, 180, 500_000),
        ("preview", 854, 480, 1_500_000),
        ("editorial", 1920, 1080, 5_000_000),
    ]


@pytest.mark.parametrize(
    ("width", "height", "aspect", "rung", "size"),
    [
        (960, 540, 1, "preview", (852, 480)),  # the contract's example
        (1920, 1080, 1, "preview", (852, 480)),
        (1920, 1080, 1, "thumbnail", (320, 180)),
        (3840, 2160, 1, "editorial", (1920, 1080)),
        (4096, 2160, 1, "preview", (854, 450)),
        (4096, 2160, 1, "editorial", (1920, 1012)),
        (1080, 1920, 1, "preview", (270, 480)),
        (1080, 1920, 1, "thumbnail", (100, 180)),
        (640, 360, 1, "editorial", (640, 360)),  # never upscaled
        (640, 360, 1, "preview", (640, 360)),
        (319, 179, 1, "thumbnail", (318, 178)),
        (1919, 1079, 1, "editorial", (1918, 1078)),
        (720, 576, Fraction(16, 15), "editorial", (720, 540)),
        (720, 480, Fraction(10, 11), "editorial", (654, 480)),
        (2880, 2160, 2, "editorial", (1920, 720)),
        (2880, 2160, 2, "preview", (854, 320)),
        (1440, 1080, Fraction(4, 3), "editorial", (1440, 810)),
        (10_000, 2, 1, "thumbnail", (320, 2)),
        (1, 1, 1, "thumbnail", (2, 2)),
    ],
)
def test_fit(width: int, height: int, aspect: int | Fraction, rung: str, size: tuple[int, int]) -> None:
    assert LADDER[rung].fit(width, height, Fraction(aspect)) == size


sides = st.integers(2, 20_000)
aspects = st.sampled_from(
    [Fraction(1), Fraction(2), Fraction(1, 2), Fraction(16, 15), Fraction(10, 11), Fraction(4, 3)]
)


@given(sides, sides, st.sampled_from(BOXES), aspects)
def test_fits_is_even_and_is_not_upscaled(width: int, height: int, box: tuple[int, int], aspect: Fraction) -> None:
    out_width, out_height = fit(width, height, box, aspect)
    assert out_width % 2 == out_height % 2 == 0
    assert 2 <= out_width <= max(2, min(width, box[0]))
    assert 2 <= out_height <= max(2, min(height, box[1]))


@given(sides, sides, st.sampled_from(BOXES), aspects)
def test_one_side_meets_the_box_or_nothing_is_scaled(
    width: int, height: int, box: tuple[int, int], aspect: Fraction
) -> None:
    size = fit(width, height, box, aspect)
    shown_width = width if aspect >= 1 else width * aspect
    shown_height = height if aspect <= 1 else height / aspect
    if shown_width <= box[0] and shown_height <= box[1]:
        assert size == (max(2, int(shown_width) // 2 * 2), max(2, int(shown_height // 2) * 2))
    else:
        assert size[0] == box[0] or size[1] == box[1]


@given(st.integers(200, 20_000), st.integers(200, 20_000), st.sampled_from(BOXES[:4]), aspects)
def test_the_aspect_is_kept(width: int, height: int, box: tuple[int, int], aspect: Fraction) -> None:
    out_width, out_height = fit(width, height, box, aspect)
    shown = Fraction(width, height) * aspect
    # Each side is at most one even step too small.
    assert Fraction(out_width, out_height + 2) <= shown <= Fraction(out_width + 2, out_height) or 2 in (out_width, out_height)


@pytest.mark.parametrize(("width", "height", "aspect"), [(0, 1, 1), (1, -1, 1), (10, 10, 0), (10, 10, -1)])
def test_pictures_that_are_none(width: int, height: int, aspect: int) -> None:
    with pytest.raises(UsageError):
        fit(width, height, (320, 180), Fraction(aspect))


@pytest.mark.parametrize(
    ("text", "rungs"),
    [
        ("thumbnail,preview", (LADDER["thumbnail"], LADDER["preview"])),
        (" Editorial ", (LADDER["editorial"],)),
        ("none", ()),
        ("thumbnail,1280x720@3M", (LADDER["thumbnail"], Rung("1280x720", 1280, 720, 3_000_000))),
        ("1280x720@2.5m", (Rung("1280x720", 1280, 720, 2_500_000),)),
        ("640×360@800k", (Rung("640x360", 640, 360, 800_000),)),
        ("640X360@800000", (Rung("640x360", 640, 360, 800_000),)),
        ("preview@2M", (Rung("preview", 854, 480, 2_000_000),)),
        ("1280x720", (Rung("1280x720", 1280, 720, nominal_bit_rate(1280, 720)),)),
    ],
)
def test_parse_sizes(text: str, rungs: tuple[Rung, ...]) -> None:
    assert parse_sizes(text) == rungs
    assert parse_sizes(",".join(map(str, rungs)) or "none") == rungs


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "preview,", "huge", "1280", "1280x", "x720", "1280x720@", "1280x720@3G", "1280x720@3 M", "-2x4"),
        *("1281x720", "1280x721", "8x8", "20000x20000", "0x0", "1280x720@1", "1280x720@9999999999", "preview,preview"),
        *("1280x720,1280x720@3M", "٣٢٠x١٨٠", "99999999999x2", "preview@1e9", "1280x720@3M@3M", "x" * 10_000),
    ],
)
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        parse_sizes(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        rungs = parse_sizes(text)
    except UsageError:
        return
    assert parse_sizes(",".join(map(str, rungs)) or "none") == rungs


def test_bit_rates_of_ones_own_sizes_lie_on_the_ladder() -> None:
    for name in ("thumbnail", "editorial"):
        rung = LADDER[name]
        assert nominal_bit_rate(rung.width, rung.height) == rung.bit_rate
    rates = [nominal_bit_rate(width, width * 9 // 16) for width in range(64, 8192, 64)]
    assert rates == sorted(rates)
    assert 2_500_000 < nominal_bit_rate(1280, 720) < 3_500_000
