"""Selects as lists: what is written is read again as the same frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.core.errors import OutOfRange, RateUnknown, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.editorial.reading import read_list
from film_archive.editorial.resolving import ResolvedList, resolve
from film_archive.workflows.selects import FORMATS, Select, write_selects

NTSC = FrameRate(30000, 1001)
DROP = MediaFacts(
    container="mov",
    frame_rate=NTSC,
    frames=5000,
    start_timecode=Timecode.from_string("09:59:50;00", NTSC),
    reel="A001",
)
FILM = MediaFacts(
    container="mov",
    frame_rate=FrameRate(24000, 1001),
    frames=240,
    start_timecode=Timecode.from_string("23:59:55:00", FrameRate(24000, 1001)),
)


def again(selects: list[Select], format_: str, tmp_path: Path, rate: str | None = None) -> ResolvedList:
    written = write_selects(selects, format_, "A scene")
    assert written.lost == ()
    path = tmp_path / written.name
    path.write_bytes(written.data)
    edits = read_list(path, rate)
    return resolve(edits, rate)


@pytest.mark.parametrize("format_", ["edl", "otio"])
def test_what_is_written_is_read_as_the_same_frames(format_: str, tmp_path: Path) -> None:
    selects = [Select("day/A001C002.mov", DROP, 0, 1), Select("day/A001C002.mov", DROP, 290, 2099, "the best one")]
    read = again(selects, format_, tmp_path, "29.97df" if format_ == "edl" else None)
    start = DROP.start_timecode
    assert start is not None
    assert [each.source.first for each in read if each.source] == [start.total_frames, start.total_frames + 290]
    assert [each.source.count for each in read if each.source] == [1, 1809]
    assert [each.record.count for each in read if each.record] == [1, 1809]
    assert [each.event.clip_name for each in read] == ["A001C002.mov"] * 2
    assert [each.event.reel for each in read] == ["A001"] * 2


def test_the_lines_of_an_edl() -> None:
    selects = [Select("A001C002.mov", DROP, 300, 310), Select("A001C002.mov", DROP, 295, 305, "tighter")]
    assert write_selects(selects, "edl", "Day 1").data.decode().splitlines() == [
        "TITLE: Day 1",
        "FCM: DROP FRAME",
        "001  A001     V     C        10:00:00;00 10:00:00;10 01:00:00;00 01:00:00;10",
        "* FROM CLIP NAME: A001C002.mov",
        "* SOURCE FILE: A001C002.mov",
        "002  A001     V     C        09:59:59;25 10:00:00;05 01:00:00;10 01:00:00;20",
        "* FROM CLIP NAME: A001C002.mov",
        "* SOURCE FILE: A001C002.mov",
        "* tighter",
    ]


def test_over_midnight(tmp_path: Path) -> None:
    read = again([Select("A.mov", FILM, 100, 140)], "edl", tmp_path, "23.976")
    event = read.events[0]
    assert (event.event.source_in, event.event.source_out) == ("23:59:59:04", "00:00:00:20")
    assert event.source is not None
    assert event.source.count == 40


def test_what_a_list_can_not_hold_is_said() -> None:
    unlabelled = replace(FILM, start_timecode=None)
    written = write_selects([Select("A.mov", DROP, 0, 30), Select("B.mov", unlabelled, 24, 48)], "edl")
    assert "B.mov has no start timecode; its frames are counted from 00:00:00:00" in written.lost
    assert any("its source counts at 23.976" in each for each in written.lost)
    assert "00:00:01:00 00:00:02:00 01:00:01;00 01:00:02;00" in written.data.decode()


def test_labels_that_stand_for_several_frames() -> None:
    facts = replace(FILM, frame_rate=FrameRate(48, 1), start_timecode=Timecode(1, 0, 0, 0, 24))
    written = write_selects([Select("A.mov", facts, 3, 7)], "edl")
    assert "01:00:00:01 01:00:00:04" in written.data.decode()
    assert "rounded" in written.lost[0]


def test_a_clip_of_another_counting_keeps_its_labels(tmp_path: Path) -> None:
    plain = replace(DROP, start_timecode=Timecode(1, 0, 0, 0, NTSC))
    read = again([Select("A.mov", plain, 0, 30), Select("B.mov", DROP, 0, 30)], "otio", tmp_path)
    assert DROP.start_timecode is not None
    assert [each.source.first for each in read if each.source] == [108_000, DROP.start_timecode.total_frames]


@pytest.mark.parametrize("format_", sorted(FORMATS))
def test_every_format_writes(format_: str) -> None:
    written = write_selects([Select("dir/Ä.mov", FILM, 0, 24)], format_, "Day 1 / é")
    assert written.name == f"Day_1_é.{format_}"
    assert "Ä" in written.data.decode() or "%C3%84" in written.data.decode()


def test_what_can_not_be_written() -> None:
    with pytest.raises(UsageError, match="no selects"):
        write_selects([], "edl")
    with pytest.raises(UsageError, match="not as 'aaf'"):
        write_selects([Select("A.mov", FILM, 0, 1)], "aaf")
    with pytest.raises(OutOfRange, match="240 frames"):
        write_selects([Select("A.mov", FILM, 0, 241)], "edl")
    with pytest.raises(RateUnknown):
        write_selects([Select("A.mov", MediaFacts(container="mov"), 0, 1)], "edl")
