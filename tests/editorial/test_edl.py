"""CMX3600 lists: real ones against ground truth, and whatever else somebody may hand in."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.editorial.edl import read_edl
from film_archive.editorial.event import EditList, Event
from film_archive.editorial.resolving import resolve
from film_archive.editorial.text import PADDING, Line, decode
from tests.editorial.corpus import CORPUS, TRUTH, needs_corpus

FIELDS = (
    "line", "event", "reel", "channels", "transition", "transition_duration", "source_in", "source_out", "record_in",
    "record_out", "fcm", "comments", "from_clip_name", "to_clip_name", "key_clip_name", "source_file", "from_clip_path",
    "from_file", "asc_sop", "asc_sat",
)  # fmt: skip


def fields(event: Event) -> dict[str, Any]:
    """What the truth states about an event."""
    found = event.to_json()
    speed = found["speed"]
    if speed is not None:
        speed = {name: speed[name] for name in ("fps", "trigger_tc", "m2_reel")}
    return {name: found[name] for name in FIELDS} | {"speed": speed, "locators": found["locators"]}


def stated(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event.get(name) for name in FIELDS} | {"speed": event["speed"], "locators": event.get("locators", [])}


@needs_corpus
def test_real_lists_say_what_they_are_known_to_say() -> None:
    files = sorted(TRUTH.glob("*.json"))
    assert files
    for file in files:
        truth = json.loads(file.read_text("utf-8"))
        edits = read_edl((CORPUS / "edl" / truth["file"]).read_bytes())
        assert [fields(event) for event in edits] == [stated(event) for event in truth["events"]], file.name
        assert edits.title == truth["title"], file.name
        found = [[line.number, line.text] for line in edits.header if line.text.upper().startswith("FCM")]
        assert found == [[number, text.strip()] for number, text in truth["fcm_lines"]], file.name
        assert edits.diagnostics == (), file.name


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("001  A001C003 V     C        01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", ("A001C003", "V", "C", 0)),
        ("1 AX AA/V D 024 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", ("AX", "AA/V", "D", 24)),
        ("01 MY REEL A12/V W106 030 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", ("MY REEL", "A12/V", "W106", 30)),
        ("001 R1 V K B 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", ("R1", "V", "KB", 0)),
        ("001 R1 V K O 012 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", ("R1", "V", "KO", 12)),
        ("001 R1 NONE K 000 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", ("R1", "NONE", "K", 0)),
        ("001 V C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", (None, "V", "C", 0)),
        ("001 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12", (None, None, "C", 0)),
        ("001 A001.MOV V C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12\0\0\x1a", ("A001.MOV", "V", "C", 0)),
    ],
)
def test_an_event_line(line: str, expected: tuple[Any, ...]) -> None:
    (event,) = read_edl(line)
    assert (event.reel, event.channels, event.transition, event.transition_duration) == expected
    assert (event.source_in, event.source_out) == ("01:00:04:00", "01:00:06:12")
    assert (event.record_in, event.record_out) == ("10:00:00:00", "10:00:02:12")


def test_the_short_form_has_no_record() -> None:
    (event,) = read_edl("007 01:00:00:00 01:00:05:00")
    assert (event.event, event.source_in, event.source_out) == ("007", "01:00:00:00", "01:00:05:00")
    assert (event.reel, event.record_in, event.record_out) == (None, None, None)
    (event,) = read_edl("007 A001 V C 01:00:00:00 01:00:05:00")
    assert (event.reel, event.source_out, event.record_in) == ("A001", "01:00:05:00", None)


@pytest.mark.parametrize(
    "line",
    [
        "001 R1 V C 01:00:04:00 01:00:06:12 10:00:00:00",
        "001 R1 V X 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12",
        "001 R1 01:00:04:00 01:00:06:12",
        "001 R1 V C 0100:04:00 01:00:06:12 10:00:00:00 10:00:02:12",
        "001 01:00:04:00",
        "001 C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12",
    ],
)
def test_a_line_like_an_event_is_not_dropped_silently(line: str) -> None:
    before = "000 R1 V C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12\n* MINE\n"
    edits = read_edl(f"{before}{line}\n* FROM CLIP NAME: LOST\n")
    assert [event.event for event in edits] == ["000"]
    assert edits.events[0].comments == (Line(2, "* MINE"),)
    assert [each.line for each in edits.diagnostics] == [3, 4]
    assert "looks like an event" in edits.diagnostics[0].what


def test_comments_stay_with_their_event() -> None:
    line = "001 R1 V C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12"
    edits = read_edl(f"TITLE: X\n* HEAD\n{line} tail\nM2 R1 012.0 01:00:04:00\n\n* A\n")
    assert edits.title == "X"
    assert edits.header == (Line(1, "TITLE: X"), Line(2, "* HEAD"))
    (event,) = edits
    assert (event.rest, event.comments) == ("tail", (Line(6, "* A"),))
    assert event.speed is not None
    assert event.speed.line == Line(4, "M2 R1 012.0 01:00:04:00")


def test_count_modes() -> None:
    event = "001 R1 V C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12\n"
    edits = read_edl(f"{event}FCM: DROP FRAME\n{event}fcm: non-drop frame\n{event}FCM: DIGITAL TV 24P\n{event}")
    assert [each.drop_frame for each in edits] == [None, True, False, False]
    assert [each.line for each in edits.diagnostics] == [6]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_byte_order_mark(end: str) -> None:
    event = "001 R1 V C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12"
    edits = read_edl("\ufeff" + end.join(["TITLE: X", event, "* A", event]))
    assert (edits.title, len(edits), [each.line for each in edits]) == ("X", 2, [2, 4])


SPEED = "001 R 1 V C 01:00:00:00 01:00:01:00 10:00:00:00 10:00:02:00\n"


def speeds(text: str) -> list[tuple[Any, ...] | None]:
    return [
        None if event.speed is None else (event.speed.frames_per_second, event.speed.reel, event.speed.trigger)
        for event in read_edl(text)
    ]


def test_speeds() -> None:
    assert speeds(SPEED + "M2 R 1 012.5 01:00:00:00") == [(Fraction(25, 2), "R 1", "01:00:00:00")]
    assert speeds(SPEED + "M2\tR1\t-025.0\t01:00:00:00") == [(-25, "R1", "01:00:00:00")]
    assert speeds(SPEED + "M2 000.0 01:00:00:00 MSTR I +00:00:00:10") == [(0, None, "01:00:00:00")]
    assert speeds(SPEED + "M2   R1   047.6") == [(Fraction(238, 5), "R1", None)]
    assert speeds(SPEED + "M2 R1 fast 01:00:00:00") == [None]
    assert speeds("M2 R1 012.5 01:00:00:00\n" + SPEED) == [None]


def test_a_speed_belongs_to_the_line_that_it_names() -> None:
    cut = "002 A V C 01:00:02:00 01:00:02:00 10:00:02:00 10:00:02:00\n"
    dissolve = "002 B V D 024 02:00:00:00 02:00:04:00 10:00:02:00 10:00:04:00\n"
    a, b = "M2 A 048.0 01:00:02:00\n", "M2 B 012.0 02:00:00:00\n"
    want = [(48, "A", "01:00:02:00"), (12, "B", "02:00:00:00")]
    assert speeds(cut + dissolve + a + b) == want
    assert speeds(cut + dissolve + b + a) == want
    assert speeds(cut + dissolve + a) == [want[0], None]
    assert speeds(cut + dissolve + b) == [None, want[1]]
    other = read_edl(cut + dissolve + b + b)
    assert [line.number for line in other.events[1].comments] == []
    assert len(other.diagnostics) == 1  # the second one is taken for the other line, and that is said
    third = read_edl(cut + b + b + "* X")
    assert [line.text for line in third.events[0].comments] == [b.strip(), "* X"]
    assert len(third.diagnostics) == 2


@pytest.mark.parametrize(
    ("line", "reel", "times"),
    [
        ("1 R V C 0 100 1000 1100", "R", ("0", "100", "1000", "1100")),
        ("1 R V D 024 0 100 1000 1100", "R", ("0", "100", "1000", "1100")),
        ("1 R 2 V C 86400 86500 01:00:00:00 01:00:04:04", "R 2", ("86400", "86500", "01:00:00:00", "01:00:04:04")),
        ("1 R V C 01:00:00;00 01:00:00,02 1:0:0:0 1:0:0:002", "R", ("01:00:00;00", "01:00:00,02", "1:0:0:0", "1:0:0:002")),
    ],
)
def test_time_columns(line: str, reel: str, times: tuple[str, ...]) -> None:
    (event,) = read_edl(line)
    assert event.reel == reel
    assert (event.source_in, event.source_out, event.record_in, event.record_out) == times


@pytest.mark.parametrize("text", ["12 monkeys", "1 2 3", "100 50", "001", "7 R V C 1 2 3"])
def test_a_number_alone_makes_no_event(text: str) -> None:
    edits = read_edl(SPEED + text)
    assert len(edits) == 1
    assert edits.events[0].comments == (Line(2, text),)


def expected_lines(text: str) -> list[int]:
    numbered = enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)
    return [number for number, line in numbered if line.strip(PADDING)]


def assert_accounted(text: str) -> EditList:
    edits = read_edl(text)
    assert sorted(edits.line_numbers()) == expected_lines(text)
    return edits


BASE = (
    "TITLE: X\nFCM: DROP FRAME\n\n001  A001 V  C  01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12\n"
    "* FROM CLIP NAME: A\n002 BL V D 024 00:00:00:00 00:00:01:00 10:00:02:12 10:00:03:12\nM2 A 12 01:00:00:00\n"
    "003 01:00:00:00 01:00:05:00\n* LOC: 01:00:00:00 RED X\n* ASC_SOP (1 1 1)(0 0 0)(1 1 1)\n* ASC_SAT 1\n"
    "x |C:ResolveColorBlue |M:Y |D:3\nM2 BL 000.0 00:00:00:00\nAUD 3 4\n* REEL A IS CLIP B\n"
)
PIECES = [
    *("", "\n", "\r", " ", "\t", ":", ";", "0", "9", "K", "C", "*", "\0", "\x1a", "é", "\u2028", "M2 ", "FCM:"),
    *("01:00:00:00 ", "001 ", "TITLE:", "(", "|", "LOC:"),
]


def mutations(bases: list[str], count: int, seed: int) -> Iterator[str]:
    choice = random.Random(seed)
    for _ in range(count):
        base = choice.choice(bases)
        text = list(base)
        for _ in range(choice.randint(1, 12)):
            place = choice.randrange(len(text))
            kind = choice.randrange(3)
            if kind == 0:
                text[place] = choice.choice(PIECES)
            elif kind == 1:
                text[place] = text[choice.randrange(len(text))]
            else:
                del text[place : place + choice.randint(0, 6)]
                text = text or [" "]
        yield "".join(text)


def test_any_text_is_accounted_for_line_by_line() -> None:
    """Mutations of a list: no error, and every line that is not blank is in exactly one place."""
    read = 0
    for text in mutations([BASE], 1500, 1):
        edits = assert_accounted(text)
        read += len(edits)
        resolve(edits, 24)
    assert read > 1500


@needs_corpus
def test_real_lists_are_accounted_for_line_by_line() -> None:
    for file in sorted((CORPUS / "edl").rglob("*.[eE][dD][lL]")):
        assert_accounted(decode(file.read_bytes())[0])


@pytest.mark.nightly
@needs_corpus
def test_a_million_mutations_of_real_lists_are_accounted_for() -> None:
    files = sorted((CORPUS / "edl").rglob("*.[eE][dD][lL]"))
    small = [decode(file.read_bytes())[0] for file in files if file.stat().st_size < 1600]
    for text in mutations([BASE, *small], 1_000_000, 2):
        assert_accounted(text)


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_list(data: bytes) -> None:
    edits = read_edl(data)
    assert sorted(edits.line_numbers()) == expected_lines(decode(data)[0].removeprefix("\ufeff"))


def test_hostile_lines_are_read_in_no_time() -> None:
    million = 1_000_000
    for line in (
        *("001 " + " " * million, "001 " + "01:00:00:00 " * 100_000, "1" * million, "001 " + "K " * 500_000),
        *("M2 " * 300_000, "* ASC_SOP " + "(" * million, "|C:" * 300_000, "REEL " * 200_000, "* " * 500_000),
        *("FCM:" + " " * million, "* LOC: " + "1:" * 500_000, "AUD" + " 1" * 500_000),
    ):
        assert len(read_edl("001 R V C 01:00:00:00 01:00:01:00 0:0:0:0 0:0:0:1\n" + line)) <= 2
    assert len(read_edl("\n".join(["001 R V C 01:00:00:00 01:00:01:00 0:0:0:0 0:0:0:1", "M2 R 24 1:0:0:0"] * 20_000))) == 20_000
