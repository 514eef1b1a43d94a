"""Names of plates: what is made is read back as it was."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import example, given
from hypothesis import strategies as st

from ded_io import config
from ded_io.naming import PlateName, Template, token
from film_archive.core.errors import UsageError

FRAME, MOVIE = Template(config.FRAME_NAME), Template(config.MOVIE_NAME)
WORDS = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", fullmatch=True).filter(lambda text: text.isascii())
NUMBERS = st.integers(0, 10**6) | st.integers(0, 10**11)


def test_the_seeds_names() -> None:
    name = PlateName("sht100", "pla", "rawPlate", 1, "main", "ACEScg", 993, "exr")
    assert FRAME.format(name) == "sht100_pla_rawPlate_v001_main_ACEScg.0993.exr"
    assert FRAME.parse("sht100_pla_rawPlate_v001_main_ACEScg.0993.exr") == name
    movie = PlateName("sht100", "pla", "rawPlate", 1, "proxy", "sRGB", None, "mp4")
    assert MOVIE.format(movie) == "sht100_pla_rawPlate_v001_proxy_sRGB.mp4"
    assert MOVIE.parse("sht100_pla_rawPlate_v001_proxy_sRGB.mp4") == movie


@given(WORDS, WORDS, WORDS, NUMBERS, WORDS, WORDS, NUMBERS, WORDS)
@example("a", "b", "c", 999, "d", "e", 9999, "f")
@example("a", "b", "c", 1000, "d", "e", 10000, "f")
@example("v1", "v01", "v001", 0, "0", "0", 0, "0")
def test_what_is_written_is_read(
    shot: str, task: str, element: str, version: int, rep: str, space: str, frame: int, ext: str
) -> None:
    name = PlateName(shot, task, element, version, rep, space, frame, ext)
    assert FRAME.parse(FRAME.format(name)) == name


NEARLY = st.from_regex(r"[a-zA0_.-]{1,3}_[a0_-]{1,2}_b_v\d{2,5}_c_[dD.]{1,2}\.\d{3,6}\.[e_]{1,2}", fullmatch=True)


@given(st.text(max_size=60) | NEARLY)
def test_what_is_read_is_written(text: str) -> None:
    name = FRAME.parse(text)
    assert name is None or FRAME.format(name) == text


FIELDS = st.lists(
    st.sampled_from(["{shot}", "{task}", "{element}", "{version:02d}", "{rep}", "{colorspace}", "{frame}", "{ext}"]),
    min_size=1,
    max_size=8,
    unique=True,
)
SIGNS = st.lists(st.sampled_from(["_", ".", "_v", "x_", "__", "-._a"]), min_size=8, max_size=8)


@given(FIELDS, SIGNS, WORDS, WORDS, NUMBERS)
def test_any_template(fields: list[str], signs: list[str], one: str, other: str, number: int) -> None:
    template = Template("".join(f"{sign}{field}" for field, sign in zip(fields, signs, strict=False)))
    name = PlateName(one, other, one, number, other, one, number, other)
    parsed = template.parse(template.format(name))
    assert parsed is not None
    assert all(getattr(parsed, field) == getattr(name, field) for field in template.fields)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{shot}{task}", "sign"),
        ("{shot}x{task}", "sign"),
        ("{shot}-{task}", "sign"),
        ("{shot}_{shot}", "twice"),
        ("{nothing}_{shot}", "not known"),
        ("{shot:03d}", "no digits"),
        ("plate", "no field"),
        ("{shot}/{task}", "can't stand"),
        ("{shot}_{{x", "can't stand"),
        ("{shot}_ä", "can't stand"),
        ("{shot!r}_{task}", "can't stand"),
        ("", "no field"),
    ],
)
def test_templates_that_are_none(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Template(text)


@pytest.mark.parametrize("value", ["", "a_b", "a.b", "ä", "-a", "a-", "a/b", "..", None, 3])
def test_text_that_can_not_stand_in_a_name(value: object) -> None:
    with pytest.raises(UsageError):
        FRAME.format(PlateName(value, "pla", "rawPlate", 1, "main", "ACEScg", 993, "exr"))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-1, None, True, 10**12, "1"])
def test_numbers_that_can_not_stand_in_a_name(value: object) -> None:
    with pytest.raises(UsageError):
        FRAME.format(PlateName("a", "b", "c", value, "d", "e", 1, "f"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["sht100_pla_rawPlate_v01_main_ACEScg.0993.exr", "sht100_pla_rawPlate_v0001_main_ACEScg.0993.exr", "a_b_c_v001_d_e.993.exr"],
)
def test_other_paddings_are_other_names(text: str) -> None:
    assert FRAME.parse(text) is None


def test_tokens_of_colour_spaces() -> None:
    assert token("ACEScg") == "ACEScg"
    assert token("Linear Rec.709 (sRGB)") == "LinearRec709sRGB"
    assert token("ACES2065-1") == "ACES2065-1"
    with pytest.raises(UsageError):
        token("(…)")
