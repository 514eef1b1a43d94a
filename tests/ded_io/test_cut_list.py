"""Shots from edit lists: inclusive points, covering ranges of retimes, events that mean no clip or two; the count sheet."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ded_io import cli
from ded_io.count_sheet import COLUMNS, count, write_count_sheet
from ded_io.cut_list import shots_of_list
from ded_io.models import EditorialCutInfo
from ded_io.settings import Settings
from film_archive.core.errors import NotFound, RateUnknown, UsageError
from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.decoding import decode_frames
from film_archive.testing.media import ClipSpec, cached_clip

START = Timecode.from_string("01:00:00:00", FrameRate(24))
ONE = ClipSpec(name="A001C001_240911L8", width=96, height=54, profile="422 Proxy", frames=200, start=START, reel="A001")
TWO = dataclasses.replace(ONE, name="A001C002_240911QX", start=START + 150 * 24, reel="A001", frames=80)
EDL = """\
TITLE: TURNOVER
FCM: NON-DROP FRAME

001  A001     V     C        01:00:04:04 01:00:06:07 01:00:00:00 01:00:02:03
* FROM CLIP NAME: A001C001_240911L8
* LOC: 01:00:01:00 RED     VFX_0010 sky
002  A001     V     C        01:02:30:08 01:02:31:08 01:00:02:03 01:00:03:03
* FROM CLIP NAME: A001C002_240911QX
003  A001     V     C        01:00:00:00 01:00:01:00 01:00:03:03 01:00:04:03
M2   A001             047.8                01:00:00:00
* FROM CLIP NAME: A001C001_240911L8
004  B009     V     C        05:00:00:00 05:00:01:00 01:00:04:03 01:00:05:03
* FROM CLIP NAME: B009C001_240911XX
005  BL       V     C        00:00:00:00 00:00:01:00 01:00:05:03 01:00:06:03
"""


@pytest.fixture
def media(footage: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for spec in (ONE, TWO):
        (folder / spec.file_name).symlink_to(cached_clip(spec, footage))
    return folder


@pytest.fixture
def edl(tmp_path: Path) -> Path:
    path = tmp_path / "turnover.edl"
    path.write_text(EDL)
    return path


def second_clip_in() -> int:
    assert TWO.start is not None
    return TWO.start.frames_until(Timecode.from_string("01:02:30:08", FrameRate(24)))


def test_an_edl(edl: Path, media: Path) -> None:
    shots = shots_of_list(edl, [str(media)], sequence="sht", rate="24")
    first, second, third = shots.cuts
    assert (first.code, first.source_file.name, first.in_point, first.out_point) == ("sht0010", ONE.file_name, 100, 150)
    assert (first.record_in, first.record_out, first.speed, first.clip) == ("01:00:00:00", "01:00:02:03", None, ONE.name)
    assert (second.source_file.name, second.in_point) == (TWO.file_name, second_clip_in())
    assert second.out_point == second_clip_in() + 23
    assert third.speed is not None
    assert (third.in_point, third.out_point) == (0, 47)  # 24 frames at 1.99: the covering range
    (problem,) = shots.problems
    assert problem.startswith("Event 004, line 12")


def test_names_of_shots(edl: Path, media: Path) -> None:
    def codes(template: str) -> list[str]:
        return [cut.code for cut in shots_of_list(edl, [str(media)], sequence="sht", names=template, rate="24").cuts]

    assert codes("{number:04}") == ["sht0001", "sht0002", "sht0003"]
    assert codes("{event}") == ["sht001", "sht002", "sht003"]
    with pytest.raises(UsageError, match="two events the name"):
        codes("{reel}")
    with pytest.raises(UsageError, match="makes no name of event 002"):
        codes("{name}")
    for template in ("shot", "{shot}", "{number}_a", ""):
        with pytest.raises(UsageError):
            codes(template)


def test_a_list_without_a_rate_counts_as_the_media_do(edl: Path, media: Path, tmp_path: Path) -> None:
    assert shots_of_list(edl, [str(media)], sequence="sht").cuts[0].in_point == 100
    (tmp_path / "empty").mkdir()
    with pytest.raises((RateUnknown, NotFound)):
        shots_of_list(edl, [str(tmp_path / "empty")], sequence="sht")


def test_a_csv(tmp_path: Path, media: Path) -> None:
    path = tmp_path / "pulls.csv"
    path.write_text("Clip,Source In,Source Out\nA001C001_240911L8,01:00:01:00,01:00:02:00\n")
    (cut,) = shots_of_list(path, [str(media)], sequence="sht", rate="24", handles=4).cuts
    assert (cut.in_point, cut.out_point, cut.head_handles, cut.tail_handles) == (24, 47, 4, 4)


def test_an_otio_timeline(tmp_path: Path, media: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    time = otio.opentime

    def clip(name: str, start: str, frames: int) -> Any:
        place = time.TimeRange(time.from_timecode(start, 24), time.RationalTime(frames, 24))
        return otio.schema.Clip(name=name, source_range=place, media_reference=otio.schema.ExternalReference(f"{name}.mov"))

    timeline = otio.schema.Timeline("cut")
    track = otio.schema.Track(kind=otio.schema.TrackKind.Video)
    track.extend([clip(ONE.name, "01:00:04:04", 51), clip(TWO.name, "01:02:30:08", 24)])
    timeline.tracks.append(track)
    path = tmp_path / "cut.otio"
    otio.adapters.write_to_file(timeline, str(path))
    shots = shots_of_list(path, [str(media)], sequence="sht")
    assert shots.problems == ()
    assert [(cut.code, cut.source_file.name, cut.in_point, cut.out_point) for cut in shots.cuts] == [
        ("sht0010", ONE.file_name, 100, 150), ("sht0020", TWO.file_name, second_clip_in(), second_clip_in() + 23),
    ]  # fmt: skip


def test_an_ale(tmp_path: Path, media: Path) -> None:
    """Its end is exclusive, as Avid writes it: 24 frames from frame 24 on."""
    path = tmp_path / "pulls.ale"
    path.write_text(
        "Heading\nFIELD_DELIM\tTABS\nVIDEO_FORMAT\t1080\nFPS\t24\n\n"
        "Column\nName\tTracks\tStart\tEnd\tTape\n\n"
        f"Data\n{ONE.name}\tV\t01:00:01:00\t01:00:02:00\tA001\n"
    )
    shots = shots_of_list(path, [str(media)], sequence="sht")
    assert shots.problems == ()
    (cut,) = shots.cuts
    assert (cut.source_file.name, cut.in_point, cut.out_point, cut.clip) == (ONE.file_name, 24, 47, ONE.name)


def test_a_list_without_events(tmp_path: Path, media: Path) -> None:
    path = tmp_path / "none.edl"
    path.write_text("TITLE: NOTHING\n")
    with pytest.raises(NotFound):
        shots_of_list(path, [str(media)], sequence="sht", rate="24")


# The count sheet


def test_the_count_sheet(edl: Path, media: Path, tmp_path: Path) -> None:
    cuts = list(shots_of_list(edl, [str(media)], sequence="sht", rate="24").cuts)
    cuts.append(EditorialCutInfo("sht", "9000", tmp_path / "none.mov", 0, 1, notes="=1+1"))
    cuts.append(dataclasses.replace(cuts[0], shot="9010", out_point=999))
    rows = count(cuts, Settings.defaults(), "film")
    write_count_sheet(tmp_path / "out" / "sheet.csv", rows, "film")
    with (tmp_path / "out" / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        first, second, third, absent, outside = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    said = ("source in", "source out", "in frame", "out frame", "cut frames", "head handle", "tail handle", "frames")
    assert [first[name] for name in said] == ["01:00:04:04", "01:00:06:06", "100", "150", "51", "8", "8", "67"]
    assert (first["first number"], first["last number"], first["reel"], first["retime"]) == ("993", "1059", "A001", "")
    assert second["shot"] == "sht0020"
    assert third["retime"].startswith("199")
    assert third["head handle"] == "0"
    assert "The head handle has 0 of 8 frames" in third["problems"]
    assert absent["notes"] == "'=1+1"
    assert "none.mov" in absent["problems"]
    assert "outside the clip" in outside["problems"]


def test_the_count_sheet_as_a_page(tmp_path: Path) -> None:
    rows = count([EditorialCutInfo("sht", "1", tmp_path / "<b>.mov", 0, 1, notes="<script>")], Settings.defaults(), "film")
    write_count_sheet(tmp_path / "sheet.html", rows, "A & B")
    page = (tmp_path / "sheet.html").read_text("utf-8")
    assert "<script>" not in page
    assert "A &amp; B" in page
    assert page.count("<th>") == len(COLUMNS)
    write_count_sheet(tmp_path / "sheet.html", [], "again")  # an older one is replaced
    with pytest.raises(UsageError, match=r"\.csv or \.html"):
        write_count_sheet(tmp_path / "sheet.pdf", rows, "x")


def test_on_the_command_line(
    edl: Path, media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--pull", str(edl), "--media", str(media), "--sequence", "sht", "--fps", "24", "--skip-kitsu", "--dry-run"]
    status = cli.main([*words, "--only", "sht0010", "--count-sheet", "sheet.csv", "--report", "report.json"])
    shown = capsys.readouterr()
    assert status == 12  # an event means no clip
    assert "Event 004" in shown.err
    assert shown.out.startswith("sht0010: 67 frames 993-1059 of source frames 92-158\n")
    assert "sht0020" not in shown.out
    assert {path.name for path in tmp_path.iterdir()} == {"media", "turnover.edl", "sheet.csv", "report.json"}


# Looks


CDL_EDL = """\
TITLE: LOOKS
FCM: NON-DROP FRAME

001  A001     V     C        01:00:04:04 01:00:04:06 01:00:00:00 01:00:00:02
* FROM CLIP NAME: A001C001_240911L8
* ASC_SOP (1.5 1.0 0.5)(0.01 0 -0.01)(1 1 1)
* ASC_SAT 0.9
002  A001     V     C        01:00:01:00 01:00:01:02 01:00:00:02 01:00:00:04
* FROM CLIP NAME: A001C001_240911L8
* ASC_SOP (1 1 1)(0 0 0)(0 1 1)
003  A001     V     C        01:00:02:00 01:00:02:02 01:00:00:04 01:00:00:06
* FROM CLIP NAME: A001C001_240911L8
004  A001     V     C        01:00:03:00 01:00:03:02 01:00:00:06 01:00:00:08
* FROM CLIP NAME: A001C001_240911L8
* ASC_SAT 0.5
"""


@pytest.fixture
def graded(tmp_path: Path) -> Path:
    path = tmp_path / "graded.edl"
    path.write_text(CDL_EDL)
    return path


def test_an_events_cdl_is_its_shots_look(graded: Path, media: Path, tmp_path: Path) -> None:
    import PyOpenColorIO as ocio  # noqa: N813  the name its own documentation uses

    shots = shots_of_list(graded, [str(media)], sequence="sht", rate="24")
    first, second, third, fourth = shots.cuts
    assert first.look_cdl is not None
    (tmp_path / "a.cc").write_text(first.look_cdl)
    read = ocio.CDLTransform.CreateFromFile(str(tmp_path / "a.cc"), "sht0010")
    assert (read.getSlope(), read.getOffset(), read.getPower()) == ([1.5, 1, 0.5], [0.01, 0, -0.01], [1, 1, 1])
    assert read.getSat() == 0.9
    assert (second.look_cdl, third.look_cdl) == (None, None)
    assert fourth.look_cdl is not None
    assert "<Slope>1 1 1</Slope>" in fourth.look_cdl
    (note,) = [note for note in shots.notes if "CDL" in note]
    assert note.startswith("Event 002, line 8: the CDL (1 1 1)(0 0 0)(0 1 1) is left out")
    given = shots_of_list(graded, [str(media)], sequence="sht", rate="24", look=tmp_path / "b.cube").cuts
    assert {(cut.look_file, cut.look_cdl) for cut in given} == {(tmp_path / "b.cube", None)}


def test_a_lists_look_is_in_the_proxy_and_beside_the_plate(
    graded: Path, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from OpenImageIO import ImageBuf

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILM_ARCHIVE_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("OCIO", raising=False)
    words = ["--pull", str(graded), "--media", str(media), "--sequence", "sht", "--fps", "24", "--skip-kitsu", "--handles", "0"]
    words += ["--only", "sht0010", "--squeeze", "1", "--resolution", "96x54", "--temp-dir", "work"]
    assert cli.main([*words, "--dry-run", "--report", "plan.json"]) == 0
    assert not Path("shots").exists()
    assert not Path("work").exists()
    container = Path("shots/sht0010/pla/sht0010_pla_rawPlate_v001")
    planned = [act["subject"] for act in json.loads(Path("plan.json").read_bytes())["shots"][0]["plan"]]
    assert any(subject.endswith(f"{container.name}/sht0010_look.cc") for subject in planned)
    assert cli.main(words) == 0
    (cut,) = [cut for cut in shots_of_list(graded, [str(media)], sequence="sht", rate="24").cuts if cut.code == "sht0010"]
    assert (container / "sht0010_look.cc").read_text() == cut.look_cdl
    assert cli.main([*words, "--report", "again.json"]) == 0
    assert json.loads(Path("again.json").read_bytes())["shots"][0]["unchanged"] is True
    graded.write_text("".join(line for line in CDL_EDL.splitlines(keepends=True) if "ASC" not in line))
    assert cli.main(words) == 0
    plain = container.with_name("sht0010_pla_rawPlate_v002")
    assert not (plain / "sht0010_look.cc").exists()
    movies = [mean_colour(next(each.glob("*.mp4"))) for each in (container, plain)]
    assert movies[0][0] / movies[0][2] > 1.3 * movies[1][0] / movies[1][2]  # red over blue: the look warms
    frames = [sorted((each / "main_ACEScg").iterdir())[0] for each in (container, plain)]
    assert np.array_equal(*(ImageBuf(str(frame)).get_pixels() for frame in frames))


def mean_colour(movie: Path) -> list[float]:
    with FileSource(movie) as source:
        (first, *_) = [each.frame for each in decode_frames(source)]
    assert first is not None
    return [float(value) for value in first.to_ndarray(format="rgb24").mean((0, 1))]
