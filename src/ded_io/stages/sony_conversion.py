"""From the clip to DPX frames: Sony's exporter for X-OCN, decoding in this process for all else."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from ded_io.numbers import runs
from ded_io.preparing import SourceFacts, planned_work, prepare, work_folder
from ded_io.sony_exporter import Exporter, export, frame_problem
from ded_io.stages.base import PipelineStage
from film_archive.core import files

_DPX_HEADER = 2048
_BYTES_A_PIXEL = {True: 6, False: 4}
"""Of what the exporter writes (16 bits), and of what is decoded here (10 bits, packed in four bytes)."""


class SonyRawConversionStage(PipelineStage):
    """Takes the shot's frames, handles included, out of the clip as DPX; images of a sequence stay what they are.

    What an earlier run has written is kept, and gone on with.
    """

    def process(
        self, shot_info: ShotInfo, result: ProcessingResult, *, output_dir: Path | None = None, **kwargs: Any
    ) -> None:
        made = shot_info.outputs
        if made.unchanged:
            result.data["unchanged"] = True
            return
        facts = prepare(shot_info, result)
        assert made.frames is not None
        folder = Path(output_dir) if output_dir is not None else work_folder(shot_info).folder("dpx")
        files.make_folders(folder)
        sequence = _sequence(shot_info, folder, facts.extension)
        if facts.needs_exporter:
            self._export(shot_info, result, sequence, facts)
        else:
            lacking = sum(not path.exists() for path in sequence.paths())
            files.require_space(folder, lacking * frame_bytes(facts), f"The DPX of {shot_info.code}")
            total = sequence.frame_count
            made_files = _decode(shot_info, sequence, lambda done: shot_info.report(self.name, done, total))
            sequence = _sequence(shot_info, folder, made_files[0].suffix if made_files else facts.extension)
        made.dpx = sequence
        result.data["frames"] = sequence.frame_count
        result.data["directory"] = str(folder)

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        made = shot_info.outputs
        if made.unchanged:
            return
        facts = prepare(shot_info, result)
        assert made.frames is not None
        sequence = _sequence(shot_info, planned_work(shot_info) / "dpx", facts.extension)
        made.dpx = sequence
        first, last = made.frames.first_source, made.frames.last_source
        source = shot_info.editorial_info.source_file
        if facts.needs_exporter:
            exporter = Exporter.find(shot_info.settings.sony_converter)
            command = exporter.command(source, sequence.directory, sequence.base_name, first, last, sequence.first_frame)
            yield Act(self.name, "run", shlex.join(command))
        else:
            yield Act(self.name, "read", f"{source} frames {first}-{last}")
        size = frame_bytes(facts)
        for number in sequence.numbers:
            yield Act(self.name, "write", f"{sequence.directory}/{sequence.name(number)}", size)

    def _export(
        self, shot_info: ShotInfo, result: ProcessingResult, sequence: ImageSequence, facts: SourceFacts
    ) -> None:
        """Have the exporter write the frames that are not there, whole, from an earlier run."""
        made, settings = shot_info.outputs, shot_info.settings
        assert made.frames is not None
        missing = runs([number for number in sequence.numbers if frame_problem(sequence.path(number)) is not None])
        done = sequence.frame_count - sum(map(len, missing))
        if done:
            result.data["frames_of_earlier_run"] = done
        needed = (sequence.frame_count - done) * frame_bytes(facts)
        files.require_space(sequence.directory, needed, f"The DPX of {shot_info.code}")
        exporter = Exporter.find(settings.sony_converter)
        for run in missing:
            part = ImageSequence(sequence.directory, sequence.base_name, "dpx", run[0], run[-1])
            self.logger.debug("%s: frames %d-%d by %s", shot_info.code, run[0], run[-1], exporter.program)

            def on_frame(count: int, before: int = done) -> None:
                shot_info.report(self.name, before + count, sequence.frame_count)

            export(
                exporter,
                shot_info.editorial_info.source_file,
                made.frames.source_of(run[0]),
                made.frames.source_of(run[-1]),
                scratch=sequence.directory / "exporter",
                target=part,
                timeout=settings.sony_timeout,
                on_frame=on_frame,
            )
            done += len(run)


def _decode(shot_info: ShotInfo, part: ImageSequence, on_frame: Callable[[int], None]) -> list[Path]:
    """Write the frames; those of a sequence keep their kind, and so their ending."""
    from ded_io.pictures.dpx import extract_dpx
    from ded_io.pictures.source import SourceClip

    made = shot_info.outputs
    assert made.frames is not None
    count = 0

    def one_more(_: int) -> None:
        nonlocal count
        count += 1
        on_frame(count)

    with SourceClip.open(shot_info.editorial_info.source_file, fps=made.rate) as clip:
        return extract_dpx(
            clip,
            made.frames.source_of(part.first_frame),
            made.frames.source_of(part.last_frame),
            directory=part.directory,
            base_name=part.base_name,
            start_number=part.first_frame,
            workers=shot_info.settings.jobs,
            on_frame=one_more,
        )


def _sequence(shot_info: ShotInfo, folder: Path, extension: str) -> ImageSequence:
    frames = shot_info.outputs.frames
    assert frames is not None
    return ImageSequence(folder, shot_info.code, extension, frames.first_number, frames.last_number)


def frame_bytes(facts: SourceFacts) -> int:
    """About how many bytes a DPX frame of this clip has."""
    return _DPX_HEADER + facts.width * facts.height * _BYTES_A_PIXEL[facts.needs_exporter]
