"""The Kitsu stage: a plate in the shot tree is registered, skipped, or kept; and never lost."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ded_io import config
from ded_io.cut import shot_frames
from ded_io.kitsu.account import Account
from ded_io.kitsu.connection import connect
from ded_io.kitsu.outbox import Outbox
from ded_io.models import EditorialCutInfo, ImageSequence, ProcessingResult, ShotInfo
from ded_io.stages import KitsuIntegrationStage
from ded_io.stages.kitsu_integration import publication_of
from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRate, Timecode
from tests.ded_io.kitsu.plates import holdings, movie


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "TOKEN", "EMAIL", "PASSWORD", "PROJECT"):
        monkeypatch.delenv(f"KITSU_{name}", raising=False)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


@pytest.fixture
def ingested(tmp_path: Path) -> ShotInfo:
    """The seed's shot as the shot tree stage leaves it: 67 frames from 993, a movie, a manifest."""
    cut = EditorialCutInfo("sht", "100", Path("/cards/A001C001_240911L8.mxf"), 100, 150, notes="Opening shot")
    shot = ShotInfo("Staged", "sht", "100", cut)
    container = tmp_path / "shots" / "sht100" / "pla" / "sht100_pla_rawPlate_v001"
    folder = container / "main_ACEScg"
    folder.mkdir(parents=True)
    plate = ImageSequence(folder, "sht100_pla_rawPlate_v001_main_ACEScg", "exr", 993, 1059)
    for path in plate.paths():
        path.write_bytes(b"v/1\x01")
    made = shot.outputs
    made.frames = shot_frames(100, 150, clip_frames=1000, head=8, tail=8, start=1001)
    made.rate, made.reel, made.version, made.container, made.plate = FrameRate(24), "A001", 1, container, plate
    made.start_timecode = Timecode.from_string("01:00:00:00", 24)
    made.movie = movie(container / "sht100_pla_rawPlate_v001_proxy_sRGB.mp4", count=6)
    made.manifest = container / "manifest.json"
    made.manifest.write_text("{}")
    made.ingest_id = "5d1f"
    return shot


def test_what_is_registered_of_a_shot(ingested: ShotInfo) -> None:
    found = publication_of(ingested)
    assert (found.project, found.sequence, found.shot, found.task, found.task_type) == (
        "Staged",
        "sht",
        "sht100",
        "pla",
        "Plates",
    )
    assert (found.element, found.version, found.name, found.comment) == (
        "rawPlate",
        1,
        "sht100_pla_rawPlate_v001",
        "Opening shot",
    )
    assert (found.frame_in, found.frame_out, found.frames, found.head_handle, found.tail_handle) == (
        1001,
        1051,
        51,
        8,
        8,
    )
    main, proxy = found.output_files
    assert (main.first_frame, main.last_frame, main.frames, main.size) == (993, 1059, 67, 4 * 67)
    assert main.path.name == "sht100_pla_rawPlate_v001_main_ACEScg.%04d.exr"
    assert (proxy.path, proxy.size) == (found.preview, ingested.outputs.movie.stat().st_size)  # type: ignore[union-attr]
    assert found.metadata == {
        "source_file": "A001C001_240911L8.mxf",
        "reel": "A001",
        "source_timecode": "01:00:03:20",
        "ingest_id": "5d1f",
    }


def test_without_a_host_it_is_skipped_with_one_line(
    ingested: ShotInfo, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ded_io")
    result = KitsuIntegrationStage(outbox=outbox).execute(ingested)
    assert (result.success, result.warnings) == (True, [])
    assert "KITSU_HOST is not set" in result.data["skipped"]
    assert [record.message for record in caplog.records if "KITSU" in record.message] == [
        f"sht100: {result.data['skipped']}"
    ]
    assert outbox.read().pending == ()


def test_it_is_registered_and_the_same_again_changes_nothing(
    ingested: ShotInfo, outbox: Outbox, admin: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITSU_HOST", admin.host)
    monkeypatch.setenv("KITSU_TOKEN", admin.token or "")
    monkeypatch.setenv("KITSU_PROJECT", "Staged in Kitsu")
    result = KitsuIntegrationStage(outbox=outbox).execute(ingested)
    assert (result.success, result.warnings, result.errors) == (True, [], [])
    assert (result.data["preview"], result.data["pending"], result.data["problem"]) == ("ready", False, None)
    assert outbox.read().pending == ()
    with connect(admin) as session:
        before = holdings(session, "Staged in Kitsu")
        again = KitsuIntegrationStage(outbox=outbox).execute(ingested)
        assert (again.data["created"], again.data["updated"]) == ([], [])
        assert holdings(session, "Staged in Kitsu") == before


@pytest.mark.parametrize(("host", "token"), [("http://127.0.0.1:9", "x"), ("http://127.0.0.1:9", "")])
def test_what_can_not_be_registered_is_kept_and_the_shot_succeeds(
    ingested: ShotInfo, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, host: str, token: str
) -> None:
    monkeypatch.setenv("KITSU_HOST", host)
    monkeypatch.setenv("KITSU_TOKEN", token)
    result = KitsuIntegrationStage(outbox=outbox).execute(ingested)
    assert (result.success, result.data) == (True, {"pending": True})
    assert "ded-io kitsu sync" in result.warnings[0]
    assert [each.entry.publication for each in outbox.read().pending] == [publication_of(ingested)]


def test_what_was_kept_comes_before_what_is_new(
    ingested: ShotInfo, outbox: Outbox, admin: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1 waited while Kitsu was down; version 2's stage registers both, in order."""
    monkeypatch.setenv("KITSU_HOST", admin.host)
    monkeypatch.setenv("KITSU_TOKEN", "garbage")
    ingested.project = "Down and up"
    stage = KitsuIntegrationStage(outbox=outbox)
    assert stage.execute(ingested).data["pending"]
    monkeypatch.setenv("KITSU_TOKEN", admin.token or "")
    ingested.outputs.version = 2
    assert ingested.outputs.container is not None
    ingested.outputs.container = ingested.outputs.container.with_name("sht100_pla_rawPlate_v002")
    result = stage.execute(ingested)
    assert (result.data["name"], result.data["pending"]) == ("sht100_pla_rawPlate_v002", False)
    assert outbox.read().pending == ()
    with connect(admin) as session:
        found = holdings(session, "Down and up")
    assert sorted({row["revision"] for row in found["files of sht100"]}) == [1, 2]
    assert found["shots"][0]["data"]["plate_rawPlate"] == 2


def test_a_shot_without_a_plate(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITSU_HOST", "http://127.0.0.1:9")
    shot = ShotInfo("Staged", "sht", "100", EditorialCutInfo("sht", "100", Path("a.mxf"), 1, 2))
    result = KitsuIntegrationStage(outbox=outbox).execute(shot)
    assert not result.success
    assert outbox.read().pending == ()
    with pytest.raises(UsageError):
        publication_of(shot)


def test_a_dry_run_says_what_would_be_registered(
    ingested: ShotInfo, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = KitsuIntegrationStage(outbox=outbox)
    (skipped,) = stage.plan(ingested, ProcessingResult(stage.name))
    assert (skipped.does, "KITSU_HOST" in skipped.subject) == ("note", True)
    monkeypatch.setenv("KITSU_HOST", "https://kitsu.example.com/")
    (act,) = stage.plan(ingested, ProcessingResult(stage.name))
    assert (act.does, act.subject) == ("register", "rawPlate of Staged, sht, sht100 at https://kitsu.example.com")


def test_the_host_in_the_config_counts_below_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "KITSU_HOST", "https://config.example.com")
    assert config.kitsu_account() == Account("https://config.example.com")
    monkeypatch.setenv("KITSU_HOST", "https://environment.example.com")
    assert config.kitsu_account() == Account("https://environment.example.com")
    monkeypatch.setenv("KITSU_HOST", "")
    assert config.kitsu_account() is None
