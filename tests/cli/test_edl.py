"""`film-archive edl`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import film_archive
from tests.editorial.corpus import CORPUS, TRUTH, needs_corpus
from tests.test_docs import documented_keys

EDL = """TITLE: CUT
FCM: NON-DROP FRAME
001  A001 V  C        01:00:00:00 01:00:02:00 10:00:00:00 10:00:02:00
* FROM CLIP NAME: A001C001.mov
002  A002 V  C        02:00:00:00 02:00:01:00 10:00:03:00 10:00:04:00
003  A001 V  C        01:00:01:00 01:00:03:00 10:00:01:00 10:00:03:00
004  A001 V  X        01:00:01:00 01:00:03:00 10:00:01:00 10:00:03:00
"""


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    path = tmp_path / "cut.edl"
    path.write_text(EDL, "utf-8")
    return path


def test_the_document(cut: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = film_archive(capfd, "edl", cut, "--rate", "24", "--json")
    document = ran.document
    assert ran.status == 12  # a line could not be read
    assert [event["source_frames"] for event in document["events"]] == [48, 24, 48]
    assert [(each["kind"], each["line"]) for each in document["odd"]] == [("order", 6), ("overlap", 6)]
    assert [(each["reel"], each["frames"], each["first"]) for each in document["media"]] == [
        ("A001", 72, "01:00:00:00"),
        ("A002", 24, "02:00:00:00"),
    ]
    assert (document["record_frames"], document["source_frames"], document["rate"]) == (96, 96, "24/1")
    (unread,) = document["diagnostics"]
    assert (unread["line"], unread["text"][:8]) == (7, "004  A00")


def test_the_documented_keys(cut: Path, capfd: pytest.CaptureFixture[str]) -> None:
    keys = documented_keys()
    document = film_archive(capfd, "edl", cut, "--rate", "24", "--json").document
    assert set(document) - {"schema_version"} == keys["edl"]
    assert set(document["events"][0]) == keys["Events"]


def test_without_a_rate_nothing_is_counted(cut: Path, capfd: pytest.CaptureFixture[str]) -> None:
    document = film_archive(capfd, "edl", cut, "--json").document
    assert (document["rate"], document["record_frames"], document["source_frames"]) == (None, None, None)
    assert {event["source_frames"] for event in document["events"]} == {None}
    assert document["odd"][0]["kind"] == "rate"
    ran = film_archive(capfd, "edl", cut)
    assert "without a rate: give it with --rate" in ran.output


def test_for_people(cut: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines = film_archive(capfd, "edl", cut, "--rate", "24").output.splitlines()
    assert lines[0] == "CUT: 3 events (edl), at 24 fps"
    assert lines[1].split() == [
        *("001", "A001", "V", "C", "01:00:00:00", "01:00:02:00", "10:00:00:00", "10:00:02:00", "A001C001.mov")
    ]
    assert "96 frames from first to last, 96 frames of media used" in lines
    assert any("they overlap by 24 frames on V" in line for line in lines)
    assert any("line 7: looks like an event and can't be read" in line for line in lines)


@pytest.mark.parametrize("format_", ["otio", "edl", "ale", "csv"])
def test_written(cut: Path, format_: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / f"out.{format_}"
    document = film_archive(capfd, "edl", cut, "--rate", "24", "--to", format_, "-o", output, "--json").document
    assert document["output"] == str(output)
    again = film_archive(capfd, "edl", output, "--rate", "24", "--json").document
    assert again["format"] == format_
    found = sorted((event["reel"], event["source_in"], event["source_out"]) for event in again["events"])
    assert found == [
        ("A001", "01:00:00:00", "01:00:02:00"),
        ("A001", "01:00:01:00", "01:00:03:00"),
        ("A002", "02:00:00:00", "02:00:01:00"),
    ]
    assert film_archive(capfd, "edl", cut, "--rate", "24", "-o", output).status == 4  # never overwritten
    assert [each["what"] for each in document["lost"]] == {
        "otio": ["event 003: it lies over another one on V; it is on a track V (2)"],
        "edl": [],
        "ale": ["an ALE has no record side; the order and place of events is lost"],
        "csv": [],
    }[format_]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--to", "otio"], 2),
        (["-o", "x.fcpxml"], 2),
        (["-o", "x.otio"], 2),
        (["--rate", "fast"], 2),
        (["--rate", "25df"], 2),
        (["--reel-width", "-1"], 2),
    ],
)
def test_what_is_asked_wrongly(
    arguments: list[str],
    status: int,
    cut: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = film_archive(capfd, "edl", cut, *arguments)
    assert ran.status == status
    assert ran.errors
    assert [path.name for path in tmp_path.iterdir()] == ["cut.edl"]


def test_files_that_are_no_lists(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.edl"
    for data, status in ((b"", 12), (b"hello", 12), (bytes(range(256)) * 100, 12), (b"{}", 11), (b"<a/>", 11)):
        path.write_bytes(data)
        assert film_archive(capfd, "edl", path).status == status
        assert film_archive(capfd, "edl", path, "--json", "--rate", "25").document
    assert film_archive(capfd, "edl", tmp_path / "absent.edl").status == 3
    assert film_archive(capfd, "edl", tmp_path).status == 3


@needs_corpus
def test_real_lists_by_the_names_of_the_truth(capfd: pytest.CaptureFixture[str]) -> None:
    """Every field that the truth states, as `--json` prints it."""
    for file in sorted(TRUTH.glob("*.json"))[:20]:
        truth = json.loads(file.read_text("utf-8"))
        rate = f"{truth['nominal_rate'] * 1000}/1001" if truth["drop"] else str(truth["nominal_rate"])
        found = film_archive(capfd, "edl", CORPUS / "edl" / truth["file"], "--rate", rate, "--json").document["events"]
        for event, expected in zip(found, truth["events"], strict=True):
            for name, value in expected.items():
                if name == "speed" and value is not None:
                    assert value.items() <= event["speed"].items()
                elif name in ("speed_ratio", "source_frames_needed_at_speed"):
                    assert event[name] == pytest.approx(value, abs=1e-3)
                else:
                    assert event[name] == value, (file.name, name)
