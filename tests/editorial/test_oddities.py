"""What is odd about lists, and which media they use."""

from __future__ import annotations

import pytest

from film_archive.editorial.edl import read_edl
from film_archive.editorial.oddities import KINDS, oddities_of, without_rate
from film_archive.editorial.resolving import resolve
from film_archive.editorial.usage import used_media


def odd(text: str, rate: object = 24) -> list[tuple[str, str | None]]:
    found = oddities_of(resolve(read_edl(text), rate))  # type: ignore[arg-type]
    assert all(each.kind in KINDS for each in found)
    return [(each.kind, each.event) for each in found]


def cut(number: str, source: int, record: int, seconds: int, channels: str = "V") -> str:
    times = [
        f"{hour:02d}:00:{second:02d}:00"
        for hour, second in ((1, source), (1, source + seconds), (10, record), (10, record + seconds))
    ]
    return f"{number} A {channels} C {' '.join(times)}\n"


def test_a_clean_list() -> None:
    assert odd(cut("001", 0, 0, 2) + cut("002", 5, 2, 2)) == []
    assert odd("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (cut("001", 0, 0, 2) + cut("002", 5, 3, 2), [("gap", "002")]),
        (cut("001", 0, 0, 2, "A") + cut("002", 5, 3, 2, "A"), []),
        (cut("001", 0, 0, 2) + cut("002", 5, 1, 2), [("overlap", "002")]),
        (cut("001", 0, 0, 2) + cut("002", 5, 1, 2, "A"), []),
        (cut("001", 0, 0, 2, "B") + cut("002", 5, 1, 2, "B"), [("overlap", "002")]),
        (cut("001", 0, 0, 9) + cut("002", 5, 1, 2) + cut("003", 5, 4, 2), [("overlap", "002"), ("overlap", "003")]),
        (cut("001", 0, 2, 2) + cut("002", 5, 0, 2), [("order", "002")]),
        (cut("001", 0, 0, 0), [("empty", "001")]),
        ("001 A V C 23:59:59:00 00:00:01:00 10:00:00:00 10:00:02:00", [("midnight", "001")]),
        ("001 A V C 01:00:00:24 01:00:02:00 10:00:00:00 10:00:02:00", [("timecode", "001")]),
        ("001 BL V C 00:00:00:00 00:00:00:00 10:00:00:00 10:00:00:00", []),
        (
            (
                "001 A V K B 01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00\n"
                "001 B V K 000 01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00"
            ),
            [],
        ),
    ],
)
def test_oddities(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert odd(text) == expected


def test_dropped_labels() -> None:
    assert odd("001 A V C 00:01:00;00 00:01:01;00 10:00:00;00 10:00:01;00", "29.97") == [("timecode", "001")]


def test_a_list_without_a_rate_shows_its_highest_label() -> None:
    (found,) = without_rate(read_edl("001 A V C 01:00:00:12 01:00:02:29 10:00:00:00 10:00:02:00"))
    assert "29, so it is 30 or more" in found.what
    assert without_rate(read_edl("001 A V C 10 20 30 40")) == ()
    assert without_rate(read_edl("")) == ()


def test_used_media() -> None:
    text = (
        cut("001", 0, 0, 2)
        + "* FROM CLIP NAME: X\n"
        + cut("002", 1, 2, 2)
        + cut("003", 9, 4, 1).replace(" A ", " AX ")
        + "* FROM CLIP NAME: Y\n"
        + cut("004", 9, 5, 1).replace(" A ", " BL ")
        + cut("005", 3, 6, 1).replace(" A ", " AX ")
        + "* FROM CLIP NAME: y\n* SOURCE FILE: Y.mov\n"
    )
    found = used_media(resolve(read_edl(text), 24))
    assert [(each.reel, each.source_file, each.clip_names, each.events, each.frames) for each in found] == [
        ("A", None, ("X",), ("001", "002"), 72),
        (None, None, ("Y",), ("003",), 24),
        (None, "Y.mov", ("y",), ("005",), 24),
    ]
    assert (found[0].first, found[0].end) == ("01:00:00:00", "01:00:03:00")
    assert [(each.frames, each.events) for each in used_media(read_edl(text))] == [
        (None, each.events) for each in found
    ]
