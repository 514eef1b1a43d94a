"""CMX3600 lists: real ones against ground truth, and whatever else somebody may hand in."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from film_archive.editorial.edl import read_edl
from film_archive.editorial.event import EditList, Event

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("FILM_ARCHIVE_SHARED") or ROOT.parent / "shared")
TRUTH = SHARED / "corpus" / "truth" / "edl"
FIELDS = (
    "line", "event", "reel", "channels", "transition", "transition_duration", "source_in", "source_out", "record_in",
    "record_out",
)  # fmt: skip
FCM = {None: None, True: "DF", False: "NDF"}


def fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in FIELDS} | {"fcm": FCM[event.drop_frame]}


def lines_of(edits: EditList) -> list[int]:
    """The numbers of all lines that a list accounts for."""
    found = [line for line, _ in edits.header]
    found += [each.line for each in edits.diagnostics if "frame code" not in each.what]
    for event in edits:
        found.append(event.line)
        found += [line for line, _ in event.comments if line != event.line]
    return found


@pytest.mark.skipif(not TRUTH.is_dir(), reason="the corpus of real lists is not beside the repository")
def test_real_lists_say_what_they_are_known_to_say() -> None:
    files = sorted(TRUTH.glob("*.json"))
    assert files
    for file in files:
        truth = json.loads(file.read_text("utf-8"))
        text = (SHARED / "corpus" / "edl" / truth["file"]).read_bytes().decode(truth["encoding"])
        edits = read_edl(text)
        expected = [{name: event[name] for name in (*FIELDS, "fcm")} for event in truth["events"]]
        assert [fields(event) for event in edits] == expected, file.name
        assert edits.title == truth["title"], file.name


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
    assert edits.events[0].comments == ((2, "* MINE"),)
    assert [each.line for each in edits.diagnostics] == [3, 4]
    assert "looks like an event" in edits.diagnostics[0].what


def test_comments_stay_with_their_event() -> None:
    event = "001 R1 V C 01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12"
    edits = read_edl(f"TITLE: X\n* HEAD\n{event} tail\nM2 R1 012.0 01:00:04:00\n\n* A\n")
    assert edits.title == "X"
    assert edits.header == ((1, "TITLE: X"), (2, "* HEAD"))
    assert edits.events[0].comments == ((3, "tail"), (4, "M2 R1 012.0 01:00:04:00"), (6, "* A"))


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


def test_any_text_is_accounted_for_line_by_line() -> None:
    """Mutations of a list: no error, and every line that is not blank is in exactly one place."""
    base = (
        "TITLE: X\nFCM: DROP FRAME\n\n001  A001 V  C  01:00:04:00 01:00:06:12 10:00:00:00 10:00:02:12\n"
        "* FROM CLIP NAME: A\n002 BL V D 024 00:00:00:00 00:00:01:00 10:00:02:12 10:00:03:12\nM2 A 12 01:00:00:00\n"
        "003 01:00:00:00 01:00:05:00\n"
    )
    pieces = ["", "\n", " ", ":", ";", "0", "9", "K", "*", "\0", "\x1a", "é", "01:00:00:00 ", "001 "]
    choice = random.Random(1)
    for _ in range(2000):
        text = list(base)
        for _ in range(choice.randint(1, 12)):
            place = choice.randrange(len(text))
            text[place] = choice.choice(pieces)
        mutated = "".join(text)
        blank = "\0\x1a \t\f\v"
        expected = [number for number, line in enumerate(mutated.split("\n"), 1) if line.strip(blank)]
        assert sorted(lines_of(read_edl(mutated))) == expected


def test_hostile_lines_are_read_in_no_time() -> None:
    for line in ("001 " + " " * 1_000_000, "001 " + "01:00:00:00 " * 100_000, "1" * 1_000_000, "001 " + "K " * 500_000):
        assert len(read_edl(line)) <= 1
