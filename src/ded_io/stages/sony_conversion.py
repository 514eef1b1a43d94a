"""From the clip to DPX frames: Sony's exporter for X-OCN, decoding in this process for all else."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from ded_io.preparing import SourceFacts, planned_work, prepare, work_folder
from ded_io.shot_tree import Place, remember, standing
from ded_io.sony_exporter import Exporter, export, frame_problem
from ded_io.stages.base import PipelineStage
from film_archive.core import files

_DPX_HEADER = 2048
_BYTES_A_PIXEL = {True: 6, False: 4}
"""Of what the exporter writes (16 bits), and of what is decoded here (10 bits, packed in four bytes)."""


class SonyRawConversionStage(PipelineStage):
    """Takes the shot's frames, handles included, out of the clip as DPX. Frames of an earlier run are gone on with."""

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
        sequence = _sequence(shot_info, folder)
        files.make_folders(folder)
        missing = runs([number for number in sequence.numbers if frame_problem(sequence.path(number)) is not None])
        lacking = sum(map(len, missing))
        if lacking < sequence.frame_count:
            result.data["frames_of_earlier_run"] = sequence.frame_count - lacking
        files.require_space(folder, lacking * frame_bytes(facts), f"The DPX of {shot_info.code}")
        done = sequence.frame_count - lacking
        for run in missing:
            part = ImageSequence(folder, sequence.base_name, "dpx", run[0], run[-1])

            def on_frame(count: int, before: int = done) -> None:
                shot_info.report(self.name, before + count, sequence.frame_count)

            if facts.needs_exporter:
                self._export(shot_info, part, on_frame)
            else:
                _decode(shot_info, part, on_frame)
            done += len(run)
        made.dpx = sequence
        result.data["frames"] = sequence.frame_count
        result.data["directory"] = str(folder)

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        made = shot_info.outputs
        facts = prepare(shot_info, result)
        assert made.frames is not None
        assert made.ingest_id is not None
        place = Place.of(shot_info)
        found, warnings = standing(place, made.ingest_id)
        for warning in warnings:
            result.add_warning(warning)
        if found is not None:
            remember(shot_info, place, found)
            yield Act(self.name, "note", f"unchanged: {found.container} was made of the same; nothing is to be done")
            return
        sequence = _sequence(shot_info, planned_work(shot_info) / "dpx")
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
        for path in sequence.paths():
            yield Act(self.name, "write", str(path), size)

    def _export(self, shot_info: ShotInfo, part: ImageSequence, on_frame: Any) -> None:
        made, settings = shot_info.outputs, shot_info.settings
        assert made.frames is not None
        exporter = Exporter.find(settings.sony_converter)
        self.logger.debug("%s: frames %d-%d by %s", shot_info.code, part.first_frame, part.last_frame, exporter.program)
        export(
            exporter,
            shot_info.editorial_info.source_file,
            made.frames.source_of(part.first_frame),
            made.frames.source_of(part.last_frame),
            scratch=part.directory / "exporter",
            target=part,
            timeout=settings.sony_timeout,
            on_frame=on_frame,
        )


def _decode(shot_info: ShotInfo, part: ImageSequence, on_frame: Any) -> None:
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
        extract_dpx(
            clip,
            made.frames.source_of(part.first_frame),
            made.frames.source_of(part.last_frame),
            directory=part.directory,
            base_name=part.base_name,
            start_number=part.first_frame,
            workers=shot_info.settings.jobs,
            on_frame=one_more,
        )


def _sequence(shot_info: ShotInfo, folder: Path) -> ImageSequence:
    frames = shot_info.outputs.frames
    assert frames is not None
    return ImageSequence(folder, shot_info.code, "dpx", frames.first_number, frames.last_number)


def frame_bytes(facts: SourceFacts) -> int:
    """About how many bytes a DPX frame of this clip has."""
    return _DPX_HEADER + facts.width * facts.height * _BYTES_A_PIXEL[facts.needs_exporter]


def runs(numbers: list[int]) -> list[range]:
    """Numbers, in order, as ranges without holes."""
    found: list[range] = []
    for number in numbers:
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found
