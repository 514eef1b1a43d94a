"""A look at the frames before they are placed: missing, black, frozen, clipped, off-size ones, values that are no numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from ded_io.stages.base import PipelineStage
from ded_io.stages.oiio_transform import plate_look


class QualityCheckStage(PipelineStage):
    """Examines the EXR frames. What is odd becomes a warning, and stands in the report and on the contact sheet.

    Whether it stops a delivery is for people to say; frames that are missing the shot tree refuses.
    """

    def process(
        self, shot_info: ShotInfo, result: ProcessingResult, *, input_sequence: ImageSequence | None = None, **kwargs: Any
    ) -> None:
        from ded_io.pictures.qc import examine

        made = shot_info.outputs
        sequence = self.frames_to_use(shot_info, result, input_sequence, made.exr)
        if sequence is None:
            return
        frames, missing = made.frames, set(sequence.missing())
        first = sequence.first_frame if frames is None else min(frames.first_number, sequence.first_frame)
        last = sequence.last_frame if frames is None else max(frames.last_number, sequence.last_frame)
        window = None if made.source_size is None else plate_look(shot_info).framing(*made.source_size).window
        done = 0

        def on_frame(_: int) -> None:
            nonlocal done
            done += 1
            shot_info.report(self.name, done, sequence.frame_count)

        report = examine(
            {number: sequence.path(number) for number in sequence.numbers if number not in missing},
            first=first,
            last=last,
            window=window,
            known=made.levels,
            workers=shot_info.settings.jobs,
            on_frame=on_frame,
        )
        for finding in report.findings:
            result.add_warning(f"QC: {finding.says}.")
        result.data["qc"] = report.to_json()

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        if not shot_info.outputs.unchanged and shot_info.outputs.exr is not None:
            yield Act(self.name, "read", f"{shot_info.outputs.exr.frame_count} frames, for what is odd about them")
