"""Logs of clips that can't be opened here: what they know is taken, and what a file says itself is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core.errors import NotFound, RateUnknown, SourceChanged
from film_archive.core.facts import MediaFacts
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.workflows.clip_logs import ClipLog, LogFile
from film_archive.workflows.probing import probe_all
from film_archive.workflows.production import apply_create, plan_archive

ALE = """Heading
FIELD_DELIM\tTABS
VIDEO_FORMAT\t1080
FPS\t{fps}

Column
Name\tTape\tStart\tEnd\tSource File

Data
A001C001_240612_R1AB\tA001R1AB\t01:00:00:00\t01:00:04:00\tA001C001_240612_R1AB.braw
A001C002_240612_R1AB\tA001R1AB\t01:10:00:00\t01:10:01:00\tA001C002_240612_R1AB.braw
A003_C001_0612XY\tA003\t10:00:00:00\t10:00:02:00\tA003_C001_0612XY.R3D
twice\tA001\t01:00:00:00\t01:00:01:00\ttwice.braw
twice\tA002\t02:00:00:00\t02:00:01:00\ttwice.braw
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "day.ale"
    path.write_text(ALE.format(fps="23.976"), encoding="utf-8")
    return path


RAW = MediaFacts(container="braw", codec="braw", decodable=False)


def test_what_only_the_log_knows(log: Path) -> None:
    facts = ClipLog.read(log).completed("card/A001C001_240612_R1AB.braw", RAW)
    assert (str(facts.start_timecode), facts.start_source) == ("01:00:00:00", "log")
    assert (facts.frames, facts.frame_rate) == (96, FrameRate(24_000, 1001))
    assert (facts.reel, facts.reel_source) == ("A001R1AB", "log")
    assert facts.diagnostics == ()


def test_parts_of_a_spanned_clip_are_the_clip(log: Path) -> None:
    facts = ClipLog.read(log).completed("A003_C001_0612XY_001.R3D", RAW)
    assert str(facts.start_timecode) == "10:00:00:00"


def test_a_clip_that_the_log_does_not_have_stays_as_it_is(log: Path) -> None:
    assert ClipLog.read(log).completed("A009C001.braw", RAW) is RAW


def test_the_file_is_believed(log: Path) -> None:
    own = MediaFacts(
        container="mov", codec="prores_422", frames=90, frame_rate=FrameRate(24, 1), reel="B",
        start_timecode=Timecode.from_string("02:00:00:00", 24),
    )  # fmt: skip
    facts = ClipLog.read(log).completed("A001C001_240612_R1AB.mov", own)
    assert (str(facts.start_timecode), facts.frames, facts.reel, facts.frame_rate) == ("02:00:00:00", 90, "B", 24)
    assert [sentence.split(" it ")[1] for sentence in facts.diagnostics] == [
        "starts at 01:00:00:00, by the file itself 02:00:00:00: the file is believed",
        "has frames 96, by the file itself 90: the file is believed",
        "is of reel A001R1AB, by the file itself B: the file is believed",
    ]


def test_two_lines_that_differ_are_not_chosen_from(log: Path) -> None:
    facts = ClipLog.read(log).completed("twice.braw", RAW)
    assert facts.start_timecode is None
    assert "says different things of it (lines 13, 14), and none was taken" in facts.diagnostics[0]


def test_a_log_without_a_rate_has_to_be_told_one(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("name,reel,in,out\nA.braw,R1,01:00:00:00,01:00:01:00\n", encoding="utf-8")
    with pytest.raises(RateUnknown):
        ClipLog.read(path)
    facts = ClipLog.read(path, "25").completed("A.braw", RAW)
    assert (str(facts.start_timecode), facts.frames, facts.reel) == ("01:00:00:00", 25, "R1")
    with pytest.raises(NotFound):
        ClipLog.read(tmp_path / "none.ale")


def test_probe_and_archive_go_by_it(log: Path, tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "A001C002_240612_R1AB.braw").write_bytes(b"\0" * 5000)
    (found,) = probe_all([str(card / "A001C002_240612_R1AB.braw")], log=ClipLog.read(log)).media
    assert (str(found.facts.start_timecode), found.facts.frames) == ("01:10:00:00", 24)
    plan = plan_archive(tmp_path / "a.zip", [card], log=LogFile.at(log))
    assert type(plan).from_json(plan.to_json()) == plan
    apply_create(plan)
    with open_archive(tmp_path / "a.zip") as archive:
        facts = archive.member("card/A001C002_240612_R1AB.braw").media
    assert facts is not None
    assert (str(facts.start_timecode), facts.reel, facts.frames) == ("01:10:00:00", "A001R1AB", 24)


def test_a_log_that_changed_since_is_refused(log: Path, tmp_path: Path) -> None:
    (tmp_path / "a.braw").write_bytes(b"x")
    plan = plan_archive(tmp_path / "a.zip", [tmp_path / "a.braw"], log=LogFile.at(log))
    log.write_text(ALE.format(fps="25"), encoding="utf-8")
    with pytest.raises(SourceChanged):
        apply_create(plan)
    assert not (tmp_path / "a.zip").exists()
