"""What comments say."""

from __future__ import annotations

from decimal import Decimal

import pytest

from film_archive.editorial.comments import color_decision, facts_of
from film_archive.editorial.event import ColorDecision, Marker
from film_archive.editorial.text import Line


def facts(*texts: str) -> dict[str, object]:
    return facts_of([Line(number, text) for number, text in enumerate(texts, 1)])


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("* FROM CLIP NAME:  A.mov ", "from_clip_name", "A.mov"),
        ("*FROM CLIP NAME: A", "from_clip_name", "A"),
        ("FROM CLIP NAME: A *", "from_clip_name", "A *"),
        ("* from clip name : A", "from_clip_name", "A"),
        ("* TO CLIP NAME: B", "to_clip_name", "B"),
        ("* KEY CLIP NAME: K", "key_clip_name", "K"),
        ("*SOURCE FILE: A: B", "source_file", "A: B"),
        ("* FROM CLIP: S:\\x.exr", "from_clip_path", "S:\\x.exr"),
        ("* FROM FILE: /x", "from_file", "/x"),
        ("* REEL A001 IS CLIP A001_C002 X.mov", "reel_names", ("A001_C002 X.mov",)),
        ("FINAL CUT PRO REEL: 006-I REPLACED BY: 006I", "reel_names", ("006-I",)),
        ("AUD  3    4", "audio_channels", (3, 4)),
    ],
)
def test_a_comment(text: str, field: str, value: object) -> None:
    assert facts(text) == {field: value}


@pytest.mark.parametrize(
    "text",
    [
        "* FROM CLIP NAME",
        "* FROM CLIP NAME:",
        "FROM CLIP NAMES: X",
        "* ",
        "* COMMENT:",
        "AUD",
        "AUD 3 x",
        "a | b",
        "LOCK: X",
    ],
)
def test_what_says_nothing(text: str) -> None:
    assert facts(text) == {}


def test_the_first_of_two_counts() -> None:
    assert facts("* FROM CLIP NAME: A", "* FROM CLIP NAME: B") == {"from_clip_name": "A"}
    found = facts("* SOURCE FILE: A", "* SOURCE FILE: B", "* SOURCE FILE: C")
    assert found == {"source_file": "A", "source_files": ("A", "B", "C")}


def test_locators_and_markers() -> None:
    found = facts(
        *("* LOC: 01:00:01:14 RED     ANIM FIX", "*LOC: 1:00:01:00", "* LOC: soon"),
        "retouch |C:ResolveColorRed |M:VFX_0010 |D:48",
    )
    assert found == {
        "locators": ("01:00:01:14 RED     ANIM FIX", "1:00:01:00", "soon"),
        "markers": (
            Marker("ANIM FIX", "01:00:01:14", "RED"),
            Marker("", "1:00:01:00"),
            Marker("soon"),
            Marker("retouch", None, "ResolveColorRed", "VFX_0010", 48),
        ),
    }


def three(text: str) -> tuple[Decimal, Decimal, Decimal]:
    one, two, last = text.split()
    return Decimal(one), Decimal(two), Decimal(last)


@pytest.mark.parametrize(
    "sop", ["* ASC_SOP (1.1 1 .9) (0 -0.010 0)(1 1 1e0)", "*ASC_SOP:(1.1,1,.9)(0,-0.010,0) (1, 1, 1e0)"]
)
def test_color_decisions_are_exact(sop: str) -> None:
    found = facts(sop, "* ASC_SAT: 0.90")
    expected = ColorDecision(three("1.1 1 .9"), three("0 -0.010 0"), three("1 1 1e0"), Decimal("0.90"))
    assert found["color"] == expected
    assert str(expected.saturation) == "0.90"


@pytest.mark.parametrize(
    "sop", ["asop1", "(1 1)(0 0 0)(1 1 1)", "(1 1 x)(0 0 0)(1 1 1)", "(1 1 nan)(0 0 0)(1 1 1)", "()()()", ""]
)
def test_color_decisions_that_are_none(sop: str) -> None:
    assert color_decision(sop, None) is None
    found = facts(f"* ASC_SOP {sop}", "* ASC_SAT 1")
    assert found["color"] == ColorDecision(saturation=Decimal(1))
    assert found.get("asc_sop") == (sop or None)
