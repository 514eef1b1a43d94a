"""Pipelines: stages in order, run over one shot at a time.

| class | what it adds |
|---|---|
| `Pipeline` | the stages, one after the other; the first that fails ends the shot |
| `ConditionalPipeline` | stages that run only where a condition holds |
| `PipelineBuilder` | builds either |
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from ded_io.models import Act, ProcessingResult, ShotInfo
from ded_io.stages.base import LOGGER, PipelineStage
from film_archive.core.errors import FilmArchiveError, UsageError

Condition = Callable[[ShotInfo, Sequence[ProcessingResult]], bool]
"""Whether a stage is to run, from the shot and what the stages before it did."""


class Pipeline:
    """Stages in their order."""

    def __init__(
        self, name: str = "Pipeline", stages: Iterable[PipelineStage] = (), *, logger: logging.Logger | None = None
    ) -> None:
        self.name = name
        self.stages: list[PipelineStage] = []
        self.logger = logger or logging.getLogger(f"{LOGGER}.{name}")
        for stage in stages:
            self.add_stage(stage)

    def add_stage(self, stage: PipelineStage) -> Self:
        """Put a stage at the end."""
        if not isinstance(stage, PipelineStage):
            raise UsageError(f"{stage!r} is not a stage; derive it from ded_io.stages.base.PipelineStage.")
        self.stages.append(stage)
        return self

    def wants(self, place: int, shot_info: ShotInfo, results: Sequence[ProcessingResult]) -> bool:
        """Whether the stage at a place is to run for this shot."""
        return True

    def execute(self, shot_info: ShotInfo, *, stop_on_error: bool = True, dry_run: bool = False, **kwargs: Any) -> dict[str, Any]:
        """Run the stages over a shot; returns the summary, whose `overall_success` is true if no stage failed.

        `stop_on_error=False` runs the stages after a failed one too; they say what they lack. `dry_run` writes nothing and
        lists what would be done under `plan`.
        """
        begun = time.monotonic()
        results: list[ProcessingResult] = []
        acts: list[Act] = []
        try:
            for place, stage in enumerate(self.stages):
                if not self.wants(place, shot_info, results):
                    self.logger.info("%s: %s is left out", shot_info.code, stage.name)
                    continue
                results.append(_planned(stage, shot_info, acts, kwargs) if dry_run else stage.execute(shot_info, **kwargs))
                if not results[-1].success and stop_on_error:
                    break
            return summary_of(self.name, shot_info, results, time.monotonic() - begun, acts if dry_run else None)
        finally:
            if shot_info.outputs.work is not None:
                shot_info.outputs.work.release()
                shot_info.outputs.work = None


class ConditionalPipeline(Pipeline):
    """A pipeline with stages that run only where their condition holds."""

    def __init__(
        self, name: str = "Pipeline", stages: Iterable[PipelineStage] = (), *, logger: logging.Logger | None = None
    ) -> None:
        self.conditions: dict[int, Condition] = {}
        super().__init__(name, stages, logger=logger)

    def add_conditional_stage(self, stage: PipelineStage, condition: Condition) -> Self:
        """Put a stage at the end that runs only where `condition(shot_info, results so far)` is true."""
        self.add_stage(stage)
        self.conditions[len(self.stages) - 1] = condition
        return self

    def wants(self, place: int, shot_info: ShotInfo, results: Sequence[ProcessingResult]) -> bool:
        condition = self.conditions.get(place)
        return condition is None or condition(shot_info, results)


class PipelineBuilder:
    """Builds a pipeline, stage by stage."""

    def __init__(self, name: str = "Pipeline", *, logger: logging.Logger | None = None) -> None:
        self._made = ConditionalPipeline(name, logger=logger)

    def add_stage(self, stage: PipelineStage, condition: Condition | None = None) -> Self:
        """Put a stage at the end, with a condition if it is not always to run."""
        if condition is None:
            self._made.add_stage(stage)
        else:
            self._made.add_conditional_stage(stage, condition)
        return self

    def build(self) -> Pipeline:
        """The pipeline, with the stages added so far. Raises UsageError where there are none."""
        made = self._made
        if not made.stages:
            raise UsageError(f"The pipeline {made.name} has no stages; add one.")
        if not made.conditions:
            return Pipeline(made.name, made.stages, logger=made.logger)
        copy = ConditionalPipeline(made.name, made.stages, logger=made.logger)
        copy.conditions.update(made.conditions)
        return copy


def _planned(stage: PipelineStage, shot_info: ShotInfo, acts: list[Act], kwargs: dict[str, Any]) -> ProcessingResult:
    result = ProcessingResult(stage.name)
    try:
        acts.extend(stage.plan(shot_info, result, **kwargs))
    except FilmArchiveError as error:
        result.add_error(str(error), error.exit_status)
    return result


def summary_of(
    name: str, shot_info: ShotInfo, results: Sequence[ProcessingResult], seconds: float, acts: Sequence[Act] | None
) -> dict[str, Any]:
    """The summary of one shot, as plain JSON values."""
    failed = [result for result in results if not result.success]
    summary: dict[str, Any] = {
        "pipeline": name,
        "project": shot_info.project,
        "sequence": shot_info.sequence,
        "shot": shot_info.shot,
        "code": shot_info.code,
        "overall_success": not failed,
        "exit_status": failed[0].exit_status if failed else 0,
        "dry_run": acts is not None,
        "unchanged": shot_info.outputs.unchanged,
        "pending": any(result.data.get("pending") is True for result in results),
        "duration_seconds": round(seconds, 3),
        "stages_run": len(results),
        "errors": [error for result in results for error in result.errors],
        "warnings": [warning for result in results for warning in result.warnings],
        "stage_results": [result.to_dict() for result in results],
        "outputs": _outputs(shot_info),
    }
    if acts is not None:
        summary["plan"] = [act.to_json() for act in acts]
    return summary


def _outputs(shot_info: ShotInfo) -> dict[str, Any]:
    made = shot_info.outputs
    frames = made.frames
    return {
        "version": made.version,
        "container": None if made.container is None else str(made.container),
        "plate": None if made.plate is None else str(made.plate.directory / made.plate.pattern),
        "first_frame": None if frames is None else frames.first_number,
        "last_frame": None if frames is None else frames.last_number,
        "in_frame": None if frames is None else frames.in_number,
        "frames": None if frames is None else frames.count,
        "source_first": None if frames is None else frames.first_source,
        "source_last": None if frames is None else frames.last_source,
        "movie": None if made.movie is None else str(made.movie),
        "manifest": None if made.manifest is None else str(made.manifest),
        "ingest_id": made.ingest_id,
        "work": None if made.work is None else str(made.work.path),
    }
