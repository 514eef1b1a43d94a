"""Avid Log Exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.timecode import FrameRate
from film_archive.editorial.ale import looks_like_ale, read_ale
from film_archive.editorial.event import EditList
from film_archive.editorial.text import decode, table_lines
from tests.editorial.corpus import CORPUS, needs_corpus

HEADING = "Heading\r\nFIELD_DELIM\tTABS\r\nVIDEO_FORMAT\t1080\r\nFPS\t{}\r\n\r\nColumn\r\n{}\r\n\r\nData\r\n"


def ale(columns: str, *rows: str, fps: str = "23.976", rate: Any = None) -> EditList:
    text = HEADING.format(fps, columns.replace("|", "\t")) + "".join(row.replace("|", "\t") + "\r\n" for row in rows)
    assert looks_like_ale(text)
    return read_ale(text, rate)


def test_clips() -> None:
    edits = ale(
        "Name|Tape|Tracks|Start|End|ASC_SOP|ASC_SAT|Source File|FPS",
        "A001C003|A001|VA1A2|01:00:00:00|01:00:02:00|(1 1 1)(0 0 0)(1 1 1)|0.90|A001C003.mov|",
        "A001C004|A001|V|02:00:00:00|02:00:02:00||||25",
    )
    one, two = edits
    assert (edits.format, edits.rate, edits.diagnostics) == ("ale", FrameRate(24000, 1001), ())
    assert (one.event, one.reel, one.channels, one.from_clip_name) == ("001", "A001", "VA1A2", "A001C003")
    assert (one.source_in, one.source_out, one.source_file, one.record_in) == (
        *("01:00:00:00", "01:00:02:00", "A001C003.mov"),
        None,
    )
    assert one.color is not None
    assert one.color.saturation == Decimal("0.90")
    assert (two.source_rate, two.source_file) == (FrameRate(25), None)


def test_the_first_column_may_be_empty() -> None:
    (event,) = ale("Tape|Name|Start|End", "|A|01:00:00:00|01:00:01:00")
    assert (event.reel, event.from_clip_name) == (None, "A")


@pytest.mark.parametrize(
    ("fps", "start", "duration", "end"),
    [
        ("24", "01:00:00:00", "00:00:02:05", "01:00:02:05"),
        ("24", "01:00:00:00", "53", "01:00:02:05"),
        ("29.97", "00:00:59;28", "4", "00:01:00;04"),
        ("29.97", "00:00:59:28", "4", "00:01:00:02"),
        ("25", "23:59:59:00", "00:00:01:00", "24:00:00:00"),
        ("25", "23:59:59:00", "26", "00:00:00:01"),
    ],
)
def test_a_duration_stands_for_the_end(fps: str, start: str, duration: str, end: str) -> None:
    (event,) = ale("Start|Duration", f"{start}|{duration}", fps=fps)
    assert event.source_out == end


@pytest.mark.parametrize(
    ("columns", "row", "why"),
    [
        ("Name|Start|End", "A|01:00:00:00|", "neither a source out nor a duration"),
        ("Name|Start|End", "A||01:00:00:00", "no source in"),
        ("Name|Start|End", "A|1h|01:00:00:00", "'1h' is no timecode"),
        ("Name|Start|Duration", "A|01:00:00:25|5", "01:00:00:25 is not a timecode at 23.976"),
        ("Name|Start|Duration", "A|01:00:00:00|long", "neither frames nor a timecode"),
        ("Start|End|FPS", "01:00:00:00|01:00:01:00|fast", "its rate 'fast' is none"),
    ],
)
def test_what_is_left_out_is_said(columns: str, row: str, why: str) -> None:
    edits = ale(columns, row)
    assert len(edits) == 0
    (found,) = edits.diagnostics
    assert why in found.what
    assert (found.line, found.text) == (10, row.replace("|", "\t"))


def test_rates() -> None:
    bad = ale("Start|End", "01:00:00:00|01:00:01:00", fps="fast")
    assert (bad.rate, len(bad)) == (None, 1)
    assert "'fast' is no frame rate" in bad.diagnostics[0].what
    assert ale("Start|End", fps="24", rate="29.97df").rate == FrameRate(30000, 1001)
    assert len(ale("Start|Duration", "01:00:00:00|5", fps="fast").diagnostics) == 2
    assert len(ale("Start|Duration", "01:00:00:00|5", fps="fast", rate=24)) == 1


def test_tables_without_what_is_needed() -> None:
    assert "no Column line" in read_ale("Heading\nFPS\t24\n").diagnostics[0].what
    assert "no Start column" in ale("Name|End", "A|01:00:00:00").diagnostics[1].what
    assert "has 3 columns where the list has 2" in ale("Start|End", "01:00:00:00|01:00:01:00|x").diagnostics[0].what


@needs_corpus
def test_real_logs() -> None:
    folder = CORPUS / "ale" / "OpenTimelineIO__otio-ale-adapter"
    blanks, cdl = (read_ale((folder / name).read_bytes()) for name in ("sample_blanks.ale", "sample_cdl.ale"))
    assert [(event.reel, event.source_in, event.source_out) for event in blanks] == [
        ("A020E2XZ", "05:42:12:20", "05:42:30:12")
    ]
    assert (blanks.rate, cdl.rate) == (FrameRate(25), FrameRate(24000, 1001))
    assert [(event.from_clip_name, event.source_in, event.source_out) for event in cdl] == [
        ("A005_C010_0501J0", "17:49:33:01", "17:49:35:10"),
        ("A005_C010_0501J0", "17:49:55:19", "17:50:02:04"),
        ("A005_C009_0501A0", "17:40:25:06", "17:40:28:02"),
        ("A005_C010_0501J0", "17:50:21:23", "17:50:25:13"),
    ]
    assert cdl.events[0].color is not None
    assert cdl.events[0].color.offset == (Decimal("-0.087"), Decimal("-0.0922"), Decimal("-0.0808"))


@given(st.binary(max_size=300), st.text("\tadehmnrstuv01:;\r\nHDC", max_size=200))
def test_any_bytes_are_a_log(data: bytes, text: str) -> None:
    for given_data in (data, text.encode(), HEADING.format("24", "Start\tEnd").encode() + data):
        edits = read_ale(given_data)
        numbers = [line.number for line in edits.header] + [
            each.line for each in edits.diagnostics if each.text is not None
        ]
        numbers += [event.line for event in edits]
        expected = [line.number for line in table_lines(decode(given_data)[0].removeprefix("\ufeff"))]
        assert sorted(numbers) == expected
