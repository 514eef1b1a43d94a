"""What every stage of an ingest is made of: `process` is what a stage writes, `execute` is what a pipeline calls.

A stage keeps nothing of a shot in itself: several shots may run through one stage at the same time.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from film_archive.core.errors import FilmArchiveError, from_os_error

LOGGER = "ded_io"


class PipelineStage(ABC):
    """A step from the clip to the plate. Subclasses write `process`, and `plan` so that a dry run can tell what they do."""

    NEEDS: ClassVar[tuple[str, ...]] = ()
    """Names of `Outputs` that earlier stages must have filled in; `validate_inputs` looks."""

    def __init__(self, name: str | None = None, logger: logging.Logger | None = None) -> None:
        self.name = name or type(self).__name__
        self.logger = logger or logging.getLogger(f"{LOGGER}.{self.name}")

    @abstractmethod
    def process(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> None:
        """Do the work: what was made goes to `shot_info.outputs`, what is to be told to `result`.

        An error of `film_archive.core.errors` may simply be raised.
        """

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        """What `process` would do, in order; nothing is written. It fills in the outputs that later stages plan with."""
        yield Act(self.name, "note", "runs; what it writes can't be told beforehand")

    def validate_inputs(self, shot_info: ShotInfo, result: ProcessingResult) -> bool:
        """Whether all that the stage needs is there; says what is not as an error of the result."""
        missing = [name for name in self.NEEDS if getattr(shot_info.outputs, name) is None]
        if missing:
            result.add_error(f"{self.name} lacks {', '.join(missing)} of {shot_info.code}; an earlier stage has to make that.", 2)
        return not missing

    def frames_to_use(
        self, shot_info: ShotInfo, result: ProcessingResult, given: ImageSequence | None, made: ImageSequence | None
    ) -> ImageSequence | None:
        """The frames that were `given`, else those that an earlier stage has `made`; None, and the result says why, where
        there is nothing to do: the plate is there already, or nobody has frames.
        """
        if shot_info.outputs.unchanged:
            result.data["unchanged"] = True
            return None
        sequence = given or made
        if sequence is None:
            result.add_error(f"{self.name} has no frames of {shot_info.code}; give input_sequence, or put a stage before.", 2)
        return sequence

    def execute(self, shot_info: ShotInfo, **kwargs: Any) -> ProcessingResult:
        """Process a shot; what goes wrong is in the result, never raised. Ctrl-C goes through."""
        result = ProcessingResult(self.name)
        begun = time.monotonic()
        self.logger.debug("%s: %s begins", shot_info.code, self.name)
        try:
            self.process(shot_info, result, **kwargs)
        except FilmArchiveError as error:
            result.add_error(str(error), error.exit_status)
        except OSError as error:
            told = from_os_error(error, f"finish {self.name} of {shot_info.code}")
            result.add_error(str(told), told.exit_status)
        except Exception as error:  # a stage that a studio wrote may raise anything; it fails its shot only
            self.logger.debug("%s: %s", shot_info.code, self.name, exc_info=True)
            result.add_error(f"{self.name} of {shot_info.code} failed: {type(error).__name__}: {error}", 1)
        if not result.success:
            shot_info.outputs.failed = True
        result.duration_seconds = time.monotonic() - begun
        self._log(shot_info, result)
        return result

    def _log(self, shot_info: ShotInfo, result: ProcessingResult) -> None:
        for warning in result.warnings:
            self.logger.warning("%s: %s", shot_info.code, warning)
        for error in result.errors:
            self.logger.error("%s: %s", shot_info.code, error)
        if result.success:
            self.logger.info("%s: %s done in %.1f s", shot_info.code, self.name, result.duration_seconds)


