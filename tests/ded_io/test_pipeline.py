"""Pipelines and stages as such: order, conditions, failures, plans."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ded_io.models import Act, EditorialCutInfo, ImageSequence, ProcessingResult, ShotInfo
from ded_io.pipeline import ConditionalPipeline, Pipeline, PipelineBuilder
from ded_io.stages import CleanupStage, PipelineStage
from film_archive.core.errors import NotFound, UsageError


class Noting(PipelineStage):
    def __init__(self, name: str, told: list[str], error: Exception | None = None) -> None:
        super().__init__(name)
        self.told, self.error = told, error

    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        self.told.append(self.name)
        result.data["kwargs"] = sorted(kwargs)
        if self.error is not None:
            raise self.error

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        yield Act(self.name, "write", "file", 3)
        if self.error is not None:
            raise self.error


class Needing(PipelineStage):
    NEEDS = ("exr", "frames")

    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        if self.validate_inputs(shot_info, result):
            result.data["ran"] = True


@pytest.fixture
def shot(tmp_path: Path) -> ShotInfo:
    return ShotInfo("film", "sht", "100", EditorialCutInfo("sht", "100", tmp_path / "a.mov", 0, 1))


def test_stages_run_in_order_and_the_first_failure_ends_the_shot(shot: ShotInfo) -> None:
    told: list[str] = []
    stages = [Noting("one", told), Noting("two", told, NotFound("There is no clip.")), Noting("three", told)]
    summary = Pipeline("test", stages).execute(shot, color="red")
    assert told == ["one", "two"]
    assert (summary["overall_success"], summary["exit_status"], summary["errors"]) == (False, 3, ["There is no clip."])
    assert [stage["stage_name"] for stage in summary["stage_results"]] == ["one", "two"]
    assert summary["stage_results"][0]["data"] == {"kwargs": ["color"]}
    told.clear()
    assert not Pipeline("test", stages).execute(shot, stop_on_error=False)["overall_success"]
    assert told == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (FileNotFoundError(2, "No such file"), 3, "Could not finish stage of sht100: No such file;"),
        (OSError(28, "No space left on device"), 6, "No space left"),
        (ValueError("odd"), 1, "stage of sht100 failed: ValueError: odd"),
    ],
)
def test_what_a_stage_raises_fails_the_shot_only(error: Exception, status: int, says: str, shot: ShotInfo) -> None:
    result = Noting("stage", [], error).execute(shot)
    assert (result.success, result.exit_status, shot.outputs.failed) == (False, status, True)
    assert says in result.errors[0]


def test_ctrl_c_goes_through(shot: ShotInfo) -> None:
    class Stopped(PipelineStage):
        def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pipeline("test", [Stopped()]).execute(shot)


def test_a_stage_says_what_it_lacks(shot: ShotInfo) -> None:
    result = Needing().execute(shot)
    assert result.errors == ["Needing lacks exr, frames of sht100; an earlier stage has to make that."]
    assert "ran" not in result.data


def test_conditions(shot: ShotInfo) -> None:
    told: list[str] = []
    again = Noting("again", told)
    builder = PipelineBuilder("test").add_stage(again).add_stage(Noting("never", told), lambda shot, results: False)
    pipeline = builder.add_stage(again, lambda shot_info, results: results[0].success and shot_info.code == "sht100").build()
    assert isinstance(pipeline, ConditionalPipeline)
    assert pipeline.execute(shot)["stages_run"] == 2
    assert told == ["again", "again"]
    builder.add_stage(Noting("later", told))
    assert len(pipeline.stages) == 3  # what was built stays what it is


def test_pipelines_that_are_none() -> None:
    with pytest.raises(UsageError, match="has no stages"):
        PipelineBuilder("test").build()
    with pytest.raises(UsageError, match="is not a stage"):
        PipelineBuilder("test").add_stage("stage")  # type: ignore[arg-type]


def test_a_plan_lists_acts_and_runs_nothing(shot: ShotInfo) -> None:
    told: list[str] = []
    summary = Pipeline("test", [Noting("one", told), Noting("two", told, NotFound("gone"))]).execute(shot, dry_run=True)
    assert told == []
    assert [act["stage"] for act in summary["plan"]] == ["one", "two"]
    assert (summary["dry_run"], summary["overall_success"], summary["errors"]) == (True, False, ["gone"])


def test_a_logger_of_ones_own(shot: ShotInfo, caplog: pytest.LogCaptureFixture) -> None:
    from ded_io import FootageIngestPipeline

    with caplog.at_level(logging.INFO, logger="my_pipeline"):
        FootageIngestPipeline("film", logger=logging.getLogger("my_pipeline")).ingest_cut(shot.editorial_info)
    assert any(record.name.startswith("my_pipeline.") and "a.mov" in record.getMessage() for record in caplog.records)


def test_cleanup_without_a_run_removes_nothing(shot: ShotInfo, tmp_path: Path) -> None:
    (tmp_path / "sht100_oiio_x").mkdir()
    assert CleanupStage().execute(shot).success
    assert (tmp_path / "sht100_oiio_x").is_dir()


# Image sequences


def test_image_sequences(tmp_path: Path) -> None:
    for number in (993, 994, 996):
        (tmp_path / f"sht100.{number:05d}.dpx").write_bytes(b"x")
    (tmp_path / "sht100.00995.dpx").touch()
    (tmp_path / "sht100_b.00001.dpx").touch()
    found = ImageSequence.find(tmp_path, "sht100", "dpx")
    assert found == ImageSequence(tmp_path, "sht100", ".dpx", 993, 996, padding=5)
    assert (found.frame_count, found.pattern, found.missing()) == (4, "sht100.%05d.dpx", [995])
    assert next(path.name for path in found.paths()) == "sht100.00993.dpx"
    with pytest.raises(NotFound):
        ImageSequence.find(tmp_path, "sht200", "dpx")
    with pytest.raises(NotFound):
        ImageSequence.find(tmp_path / "none", "sht200", "dpx")


@pytest.mark.parametrize("name", ["", "a_b", "a.b", "../x", "a/b", "ä", 100, None])
def test_names_that_no_file_could_have(name: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        EditorialCutInfo("sht", name, tmp_path / "a.mov", 0, 1)


def test_a_shot_has_the_settings_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DED_IO_PROXY_CRF", "30")
    assert ShotInfo("film", "sht", "100", EditorialCutInfo("sht", "100", tmp_path / "a.mov", 0, 1)).settings.proxy_crf == 30
