"""A turnover: an EDL of three shots, real clips, real plates, into a real Kitsu where the previews can be shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ded_io import cli
from ded_io.kitsu.account import Account
from ded_io.kitsu.connection import connect
from ded_io.plate_manifest import problems, read_manifest
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import ClipSpec, cached_clip
from tests.ded_io.kitsu.plates import holdings, served

START = Timecode.from_string("01:00:00:00", FrameRate(24))
CLIPS = [
    ClipSpec(
        name=name, width=96, height=54, profile="422 Proxy", frames=60, start=START + place * 60 * 24, reel=f"A00{place + 1}"
    )
    for place, name in enumerate(("A001C001_240911L8", "A002C001_240911QX", "A003C004_2409125M"))
]
EDL = """\
TITLE: TURNOVER
FCM: NON-DROP FRAME

001  A001     V     C        01:00:01:00 01:00:01:04 01:00:00:00 01:00:00:04
* FROM CLIP NAME: A001C001_240911L8
* ASC_SOP (1.5 1.0 0.5)(0.01 0 -0.01)(1 1 1)
* ASC_SAT 0.9
002  A002     V     C        01:01:00:10 01:01:00:12 01:00:00:04 01:00:00:06
* FROM CLIP NAME: A002C001_240911QX
003  A003     V     C        01:02:00:03 01:02:00:07 01:00:00:06 01:00:00:10
M2   A003             048.0                01:02:00:03
* FROM CLIP NAME: A003C004_2409125M
"""
SHOTS = {"sht0010": (24, 4, 1001, 1004), "sht0020": (10, 2, 1001, 1002), "sht0030": (3, 8, 1001, 1008)}
"""Source frame of the in point, frames of the cut (of the retime those that it covers), first and last number."""


def test_three_shots_of_an_edl_with_their_previews(
    admin: Account, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    for spec in CLIPS:
        (media / spec.file_name).symlink_to(cached_clip(spec, footage))
    (tmp_path / "turnover.edl").write_text(EDL)
    (tmp_path / "config.json").write_text(json.dumps({"output": {"proxy_resolution": "160x90"}, "pipeline": {"jobs": 2}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILM_ARCHIVE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KITSU_HOST", admin.host)
    assert admin.token is not None
    monkeypatch.setenv("KITSU_TOKEN", admin.token)
    for name in ("KITSU_EMAIL", "KITSU_PASSWORD", "KITSU_PROJECT", "OCIO"):
        monkeypatch.delenv(name, raising=False)
    words = ["--pull", "turnover.edl", "--media", "media", "--sequence", "sht", "--fps", "24", "--project", "Turnover"]
    words += ["--config", "config.json", "--squeeze", "1", "--resolution", "96x54", "--handles", "2", "--shots", "3"]
    words += ["--temp-dir", "work", "--report", "report.json", "--contact-sheet", "sheet.jpg", "--count-sheet", "count.csv"]
    assert cli.main(words) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out.splitlines()
    report = json.loads(Path("report.json").read_bytes())
    assert shown[-1] == "3 of 3 shots", [shot["warnings"] for shot in report["shots"]]  # nothing is pending
    assert (report["successful_shots"], report["pending_shots"]) == (3, 0)
    assert [shot["outputs"]["source_first"] + 2 for shot in report["shots"]] == [first for first, *_ in SHOTS.values()]

    with connect(admin) as session:
        found = holdings(session, "Turnover")
        assert [len(found[kind]) for kind in ("sequences", "shots", "tasks")] == [1, 3, 3]
        assert {row["name"] for row in found["shots"]} == set(SHOTS)
        for row in found["shots"]:
            name, (_, frames, first, last) = row["name"], SHOTS[row["name"]]
            assert (row["nb_frames"], row["data"]["frame_in"], row["data"]["frame_out"]) == (frames, first, last)
            assert (row["data"]["handle_in"], row["data"]["handle_out"]) == (2, 2)
            container = tmp_path / "shots" / name / "pla" / f"{name}_pla_rawPlate_v001"
            assert list(problems(container, read_manifest(container), digests=True)) == []
            (task,) = (each for each in found["tasks"] if each["entity_id"] == row["id"])
            (preview,) = session.rows("preview-files", task_id=task["id"])
            assert preview.text("status") == "ready"
            assert served(session, preview.id) == next(container.glob("*.mp4")).read_bytes()
            assert row["preview_file_id"] == preview.id
        assert (tmp_path / "shots/sht0010/pla/sht0010_pla_rawPlate_v001/sht0010_look.cc").is_file()

        assert cli.main(words) == 0  # the same turnover again: no frame is made, nothing registered twice
        assert [line.split(", ")[0] for line in capsys.readouterr().out.splitlines()[:3]] == [
            f"{name}: unchanged" for name in SHOTS
        ]
        assert holdings(session, "Turnover") == found
