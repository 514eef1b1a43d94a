"""The whole ingest of shots: `ingest_shot` for one, `FootageIngestPipeline` for a show, batches among them.

A shot's failure stops that shot. A batch goes on unless it is told to stop; the summaries tell what became of each shot.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ded_io.batch import cut_of
from ded_io.models import EditorialCutInfo, ShotInfo, Watch
from ded_io.pipeline import Pipeline, PipelineBuilder
from ded_io.reading_settings import read_settings
from ded_io.settings import Settings
from ded_io.stages.base import LOGGER, PipelineStage
from film_archive.core.errors import FilmArchiveError, NotFound, PartlyDone, UsageError
from film_archive.core.executors.inline import InlineExecutor
from film_archive.core.executors.threads import ThreadExecutor

Summary = dict[str, Any]
"""Of a shot, as `pipeline.summary_of` makes it."""
_STOPPED = "not begun: a shot before it failed, and the batch was to stop there"


class FootageIngestPipeline:
    """The ingest of a show's shots, from clip to registered plate.

    `config` is a JSON file of settings; `settings` stands for all of it. Raises UsageError for settings that can't be read.
    """

    def __init__(
        self,
        project: str | None = None,
        project_id: str | None = None,
        *,
        config: Path | str | None = None,
        settings: Settings | None = None,
        logger: logging.Logger | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.logger = logger or logging.getLogger(LOGGER)
        if settings is None:
            read = read_settings(None if config is None else Path(config))
            for warning in read.warnings:
                self.logger.warning(warning)
            settings = read.settings
        self.settings = dataclasses.replace(
            settings, project=project or settings.project, project_id=project_id or settings.project_id
        )
        self.project = self.settings.project
        self.project_id = self.settings.project_id
        self.watch = watch
        self.summaries: list[Summary] = []
        self._begun = time.monotonic()
        self._stopping = False

    def stages(self) -> Iterator[PipelineStage]:
        """The stages that the settings ask for, in order."""
        from ded_io import stages

        yield stages.PreparationStage(logger=self._logger("Preparation"))
        yield stages.SonyRawConversionStage(logger=self._logger("SonyRawConversion"))
        yield stages.OIIOColorTransformStage(logger=self._logger("OIIOColorTransform"))
        yield stages.QualityCheckStage(logger=self._logger("QualityCheck"))
        if self.settings.burn_in_proxy:
            yield stages.BurnInProxyStage(logger=self._logger("BurnInProxy"))
        else:
            yield stages.ProxyGenerationStage(logger=self._logger("ProxyGeneration"))
        yield stages.ShotTreeOrganizationStage(logger=self._logger("ShotTreeOrganization"))
        if not self.settings.skip_kitsu:
            yield stages.KitsuIntegrationStage(logger=self._logger("KitsuIntegration"))
        if not self.settings.skip_cleanup:
            yield stages.CleanupStage(logger=self._logger("Cleanup"))

    def pipeline(self) -> Pipeline:
        """All stages, ready to run."""
        builder = PipelineBuilder("FootageIngest", logger=self._logger("FootageIngest"))
        for stage in self.stages():
            builder.add_stage(stage)
        return builder.build()

    def ingest_shot(
        self,
        sequence: str,
        shot: str,
        source_file: Path | str,
        in_point: int | str,
        out_point: int | str,
        *,
        dry_run: bool = False,
        **more: Any,
    ) -> Summary:
        """Ingest one shot; `more` are the other fields of `EditorialCutInfo`. Returns its summary, success or not.

        Raises UsageError for values that make no shot.
        """
        known = {field.name for field in dataclasses.fields(EditorialCutInfo)}
        unknown = sorted(set(more) - known)
        if unknown:
            raise UsageError(f"ingest_shot takes no {', '.join(unknown)}; there are {', '.join(sorted(known))}.")
        cut, _ = cut_of(
            {
                **{name: value for name, value in more.items() if value is not None},
                "sequence": sequence, "shot": shot, "source_file": source_file,
                "in_point": in_point, "out_point": out_point,
            }
        )
        return self.ingest_cut(cut, dry_run=dry_run)

    def ingest_cut(self, cut: EditorialCutInfo, *, dry_run: bool = False) -> Summary:
        """Ingest one shot."""
        summary = self._ingest(self.pipeline(), cut, dry_run)
        self.summaries.append(summary)
        return summary

    def ingest_batch(
        self,
        shots: Iterable[Mapping[str, Any] | EditorialCutInfo],
        *,
        stop_on_error: bool | None = None,
        dry_run: bool = False,
        only: Sequence[str] = (),
        on_shot: Callable[[Summary], None] | None = None,
    ) -> list[Summary]:
        """Ingest shots, several at a time where `pipeline.shots` says so; returns their summaries in order.

        `only` are names of shots (sht100, or 100); the others are left out. A shot that can't be read as one has a summary
        that says so. Raises UsageError where `only` names a shot that is not there.
        """
        stop = self.settings.stop_on_error if stop_on_error is None else stop_on_error
        pipeline, stopped = self.pipeline(), False

        def one(item: Mapping[str, Any] | EditorialCutInfo) -> Summary:
            nonlocal stopped
            if stopped:
                return failed_summary(item, PartlyDone(_STOPPED), skipped=True)
            try:
                cut = item if isinstance(item, EditorialCutInfo) else self._cut(item)
                summary = self._ingest(pipeline, cut, dry_run)
            except FilmArchiveError as error:
                self.logger.error("%s: %s", name_of(item), error)
                summary = failed_summary(item, error)
            stopped = stopped or (stop and not summary["overall_success"])
            return summary

        wanted = chosen(list(shots), only)
        workers = 1 if dry_run else min(self.settings.shots, max(1, len(wanted)))
        found = []
        with InlineExecutor() if workers == 1 else ThreadExecutor(workers) as executor:
            try:
                for summary in executor.map(one, wanted):
                    found.append(summary)
                    self.summaries.append(summary)
                    if on_shot is not None:
                        on_shot(summary)
            except BaseException:
                self._stopping = True  # shots in other threads end at their next frame
                raise
        return found

    def get_summary(self) -> dict[str, Any]:
        """What was done since this was made."""
        done = [each for each in self.summaries if each["overall_success"]]
        return {
            "project": self.project,
            "project_id": self.project_id,
            "total_shots_processed": len(self.summaries),
            "successful_shots": len(done),
            "failed_shots": len(self.summaries) - len(done),
            "unchanged_shots": sum(each["unchanged"] for each in done),
            "pending_shots": sum(each["pending"] for each in done),
            "overall_success": len(done) == len(self.summaries),
            "exit_status": exit_status(self.summaries),
            "duration_seconds": round(time.monotonic() - self._begun, 3),
            "shots": list(self.summaries),
        }

    def _cut(self, item: Mapping[str, Any]) -> EditorialCutInfo:
        cut, warnings = cut_of(item)
        for warning in warnings:
            self.logger.warning("%s: %s", cut.code, warning)
        return cut

    def _ingest(self, pipeline: Pipeline, cut: EditorialCutInfo, dry_run: bool) -> Summary:
        shot = ShotInfo(
            self.project, cut.sequence, cut.shot, cut, self.settings, project_id=self.project_id, watch=self._watched
        )
        return pipeline.execute(shot, dry_run=dry_run)

    def _watched(self, shot: ShotInfo, stage: str, done: int, total: int) -> None:
        if self._stopping:
            raise KeyboardInterrupt  # what the main thread got; frames that are whole stay for the next run
        if self.watch is not None:
            self.watch(shot, stage, done, total)

    def _logger(self, name: str) -> logging.Logger:
        return self.logger.getChild(name)


def ingest_shot(
    project: str | None = None,
    sequence: str = "",
    shot: str = "",
    source_file: Path | str = "",
    in_point: int | str = 0,
    out_point: int | str = 0,
    *,
    project_id: str | None = None,
    config: Path | str | None = None,
    dry_run: bool = False,
    **more: Any,
) -> Summary:
    """Ingest one shot with the settings of a show; see `FootageIngestPipeline.ingest_shot`."""
    pipeline = FootageIngestPipeline(project, project_id, config=config)
    return pipeline.ingest_shot(sequence, shot, source_file, in_point, out_point, dry_run=dry_run, **more)


def chosen(
    shots: Sequence[Mapping[str, Any] | EditorialCutInfo], only: Sequence[str]
) -> list[Mapping[str, Any] | EditorialCutInfo]:
    """The shots that are named; all where none is. Raises NotFound for a name that none has."""
    if not only:
        return list(shots)
    names = [_names(shot) for shot in shots]
    absent = [name for name in only if not any(name in each for each in names)]
    if absent:
        raise NotFound(f"The batch has no shot {', '.join(absent)}; nothing was done.")
    return [shot for shot, each in zip(shots, names, strict=True) if each & set(only)]


def name_of(item: Mapping[str, Any] | EditorialCutInfo) -> str:
    """What a shot is called, as far as it says."""
    if isinstance(item, EditorialCutInfo):
        return item.code
    if not isinstance(item, Mapping):
        return "a shot"
    return f"{item.get('sequence', '')}{item.get('shot', '')}" or "a shot"


def _names(item: Mapping[str, Any] | EditorialCutInfo) -> set[str]:
    shot = item.shot if isinstance(item, EditorialCutInfo) else item.get("shot", "") if isinstance(item, Mapping) else ""
    return {name_of(item), str(shot)}


def failed_summary(item: Mapping[str, Any] | EditorialCutInfo, error: FilmArchiveError, *, skipped: bool = False) -> Summary:
    """The summary of a shot that never came to its first stage."""
    return {
        "pipeline": "FootageIngest",
        "code": name_of(item),
        "overall_success": False,
        "exit_status": error.exit_status,
        "not_begun": skipped,
        "dry_run": False,
        "unchanged": False,
        "pending": False,
        "duration_seconds": 0.0,
        "stages_run": 0,
        "errors": [str(error)],
        "warnings": [],
        "stage_results": [],
        "outputs": {},
    }


def exit_status(summaries: Sequence[Summary]) -> int:
    """0 where all succeeded; 12 where some did; else the status that all failures share (or 12)."""
    failures = {each["exit_status"] for each in summaries if not each["overall_success"] and not each.get("not_begun")}
    if not failures:
        return 0
    some = any(each["overall_success"] for each in summaries)
    return PartlyDone.exit_status if some or len(failures) > 1 else failures.pop()


