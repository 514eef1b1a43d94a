"""CSV pull lists, as people make them."""

from __future__ import annotations

from fractions import Fraction

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core.timecode import FrameRate
from film_archive.editorial.columns import NAMES, field_columns, plain
from film_archive.editorial.pull_list import looks_like_pull_list, read_pull_list


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(delimiter: str) -> None:
    text = "Shot,Reel,Source In,Source Out\nV_010,A001,01:00:00:00,01:00:02:00\n".replace(",", delimiter)
    assert looks_like_pull_list(text)
    (event,) = read_pull_list(text)
    assert (event.event, event.reel, event.source_in, event.source_out) == (
        "V_010",
        "A001",
        "01:00:00:00",
        "01:00:02:00",
    )
    assert (event.line, event.record_in) == (2, None)


def test_all_columns() -> None:
    header = "Show X,,\nEvent,Tape,Clip Name,File Path,IN,OUT,Rec In,Rec Out,FPS,Track,Speed,Notes\n"
    row = (
        '7,A001,"a, b",/x/a.mov,01:00:00:00,01:00:02:00,10:00:00:00,10:00:04:00,29.97 fps,V2,50%,"two\nlines, ""q"""\n'
    )
    edits = read_pull_list((header + row + "8,,,,01:00:00:00,01:00:01:00\n").encode("utf-8-sig"))
    one, two = edits
    assert (one.event, one.reel, one.from_clip_name, one.source_file, one.channels) == (
        "7",
        "A001",
        "a, b",
        "/x/a.mov",
        "V2",
    )
    assert (one.record_in, one.record_out, one.source_rate) == ("10:00:00:00", "10:00:04:00", FrameRate(30000, 1001))
    assert one.speed is not None
    assert one.speed.ratio == Fraction(1, 2)
    assert one.comments[0].text == 'two\nlines, "q"'
    assert (one.line, two.line, two.reel) == (3, 5, None)
    assert [line.number for line in edits.header] == [1, 2]
    assert edits.diagnostics == ()


def test_durations_need_a_rate() -> None:
    text = "reel,in,duration,record in\nA,01:00:00:00,48,10:00:00:00\n"
    assert "a rate is needed, like --rate 24" in read_pull_list(text).diagnostics[0].what
    (event,) = read_pull_list(text, "24")
    assert (event.source_out, event.record_out) == ("01:00:02:00", "10:00:02:00")
    (drop,) = read_pull_list("in,dur,reel\n00:00:59:28,4,A\n", "29.97df")
    assert drop.source_out == "00:01:00;04"


@pytest.mark.parametrize(
    ("speed", "ratio"),
    [("100%", None), ("1", None), ("-100 %", -1), ("0", 0), (".5", Fraction(1, 2)), ("33.3%", Fraction(333, 1000))],
)
def test_speeds(speed: str, ratio: Fraction | None) -> None:
    (event,) = read_pull_list(f"in,out,speed\n01:00:00:00,01:00:01:00,{speed}\n")
    assert (None if event.speed is None else event.speed.ratio) == ratio


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("in,out\n100,200\n", 2),
        ("in,out\n01:00:00:00\n", 2),
        ("in,out,speed\n01:00:00:00,01:00:01:00,fast\n", 2),
        ("in,out\n\n" + "x" * 200_000 + ',"' + "y" * 200_000 + '"\n', 3),
    ],
)
def test_what_is_left_out_is_said(text: str, line: int) -> None:
    edits = read_pull_list(text)
    assert len(edits) == 0
    assert [each.line for each in edits.diagnostics] == [line]
    assert edits.diagnostics[0].text


def test_a_table_without_a_header() -> None:
    assert not looks_like_pull_list("a,b\nc,d\n")
    edits = read_pull_list("a,b\nc,d\n")
    assert [each.line for each in edits.diagnostics] == [1, 2]


def test_a_stray_quote_takes_one_line_only() -> None:
    edits = read_pull_list('in,out,clip\n01:00:00:00,01:00:01:00,5" lens\n01:00:02:00,01:00:03:00,B\n')
    assert [event.from_clip_name for event in edits] == ['5" lens', "B"]


def test_quoted_cells_run_over_lines() -> None:
    text = 'in,out,clip,notes\n01:00:00:00,01:00:01:00,"a\n\nb ""c""",x\n01:00:02:00,01:00:03:00,"d","e\nf"\n'
    edits = read_pull_list(text)
    assert [(event.line, event.from_clip_name) for event in edits] == [(2, 'a\n\nb "c"'), (5, "d")]


def test_quotes_that_are_never_closed_take_no_time() -> None:
    text = "in,out,clip\n" + 'a","\n' * 20_000
    assert len(read_pull_list(text).diagnostics) == 20_000


def test_headers() -> None:
    assert plain(" Source_File-Name. ") == "source file name"
    names = [name for row in NAMES.values() for name in row]
    assert len(names) == len(set(names))
    assert all(plain(name) == name for name in names)
    assert field_columns(["Name", "Start", "Source In", "x", "Source In"]) == {"clip": 0, "in": 2}


@given(st.text(max_size=200), st.text('inout,;"\n\r\t0123456789:', max_size=200))
def test_any_text_is_a_list(one: str, two: str) -> None:
    for text in (one, two, "in,out,clip\n" + one, "in;out\n" + two):
        edits = read_pull_list(text)
        assert all(each.line > 0 for each in edits.diagnostics)
    read_pull_list(one.encode("utf-16"))
