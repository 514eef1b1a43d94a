"""From DPX frames to plates: colour, squeeze and size in one step, by this process or by the named `oiiotool`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from ded_io.numbers import numbers_text
from ded_io.preparing import look_at, planned_work, prepare, settings_without_source, source_identity, work_folder
from ded_io.settings import Engine
from ded_io.stages.base import PipelineStage
from ded_io.tools import program, run_tool
from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate, Timecode

if TYPE_CHECKING:
    from ded_io.pictures.plate import FrameJob, PlateLook

_TOOL_SECONDS = 600
"""That oiiotool has for one frame."""
_GUESSED_RATIO = 6
"""By how much DWAA makes a half-float frame smaller, roughly: for the plan's bytes and the free space."""


@dataclass(frozen=True, slots=True)
class ShotClip:
    """What the header of a frame says of its clip, as `pictures.header` asks for it."""

    name: str
    rate: FrameRate
    start: Timecode | None
    reel: str | None
    squeeze: Fraction | None
    camera: Mapping[str, str] = field(default_factory=dict)

    def timecode(self, position: int) -> Timecode | None:
        return None if self.start is None else self.start + position


class OIIOColorTransformStage(PipelineStage):
    """Turns the DPX frames into EXR: into the plate's colour space, desqueezed and fitted into its size.

    Given a sequence that is shorter than the shot it converts what is there and names the frames that are missing.
    """

    def process(
        self,
        shot_info: ShotInfo,
        result: ProcessingResult,
        *,
        input_sequence: ImageSequence | None = None,
        output_dir: Path | None = None,
        **kwargs: Any,
    ) -> None:
        made = shot_info.outputs
        sequence = self.frames_to_use(shot_info, result, input_sequence, made.dpx)
        if sequence is None:
            return
        if made.frames is None:
            self._look_at_clip(shot_info, result)
        numbers = self._present(shot_info, sequence, result)
        folder = Path(output_dir) if output_dir is not None else work_folder(shot_info).folder("exr")
        files.make_folders(folder)
        target = ImageSequence(folder, sequence.base_name, "exr", numbers[0], numbers[-1], sequence.padding)
        look = plate_look(shot_info)
        jobs = [frame_job(shot_info, sequence.path(number), target.path(number), number) for number in numbers]
        lacking = sum(not job.destination.exists() for job in jobs)
        files.require_space(folder, lacking * frame_bytes(shot_info), f"The plate of {shot_info.code}")
        if shot_info.settings.engine is Engine.TOOLS:
            kept = self._by_tool(shot_info, jobs, look)
        else:
            kept = self._here(shot_info, jobs, look)
        made.exr = target
        result.data["frames"] = len(jobs)
        result.data["directory"] = str(folder)
        if kept:
            result.data["frames_of_earlier_run"] = kept

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        from ded_io.pictures.plate import tool_command

        made = shot_info.outputs
        if made.unchanged or made.dpx is None:
            return
        made.exr = ImageSequence(
            planned_work(shot_info) / "exr", made.dpx.base_name, "exr", made.dpx.first_frame, made.dpx.last_frame
        )
        facts, look, source, target = look_at_shot(shot_info), plate_look(shot_info), made.dpx, made.exr

        def command(number: int) -> str:
            job = frame_job(shot_info, source.path(number), target.path(number), number)
            line = tool_command(job, look, oiiotool=shot_info.settings.oiiotool, size=(facts.width, facts.height))
            return shlex.join(line)

        size = frame_bytes(shot_info)
        by_tool = shot_info.settings.engine is Engine.TOOLS
        if by_tool:
            program(shot_info.settings.oiiotool, "oiiotool")
        else:
            yield Act(self.name, "note", f"each frame is made in this process, as this would: {command(source.first_frame)}")
        for number in target.numbers:
            if by_tool:
                yield Act(self.name, "run", command(number))
            yield Act(self.name, "write", f"{target.directory}/{target.name(number)}", size)

    def _look_at_clip(self, shot_info: ShotInfo, result: ProcessingResult) -> None:
        try:
            prepare(shot_info, result)
        except NotFound:
            if shot_info.editorial_info.source_file.exists():
                raise
            settings_without_source(shot_info, result)

    def _present(self, shot_info: ShotInfo, sequence: ImageSequence, result: ProcessingResult) -> list[int]:
        """The numbers of the frames that are there; says which are not."""
        frames = shot_info.outputs.frames
        wanted = set(sequence.numbers) if frames is None else set(sequence.numbers) | set(frames.numbers)
        lacking = set(sequence.missing())
        numbers = [number for number in sequence.numbers if number not in lacking]
        missing = sorted(wanted - set(numbers))
        if not numbers:
            raise NotFound(f"{printable(sequence.directory)} has none of the frames {sequence.pattern}.")
        if missing:
            result.add_warning(f"{len(missing)} frames of {shot_info.code} are missing: {numbers_text(missing)}.")
            result.data["missing_frames"] = missing
        return numbers

    def _here(self, shot_info: ShotInfo, jobs: Sequence[FrameJob], look: PlateLook) -> int:
        """Make the frames in this process; how many an earlier run had made."""
        from ded_io.pictures.plate import convert_frames

        kept = 0
        for done, frame in enumerate(convert_frames(jobs, look, workers=shot_info.settings.jobs), 1):
            kept += frame.kept
            if frame.levels is not None:
                shot_info.outputs.levels[frame.number] = frame.levels
            shot_info.report(self.name, done, len(jobs))
        return kept

    def _by_tool(self, shot_info: ShotInfo, jobs: Sequence[FrameJob], look: PlateLook) -> int:
        from ded_io.pictures.raster import size_of

        oiiotool = program(shot_info.settings.oiiotool, "oiiotool")
        make = partial(_by_oiiotool, look=look, oiiotool=oiiotool, size=size_of(jobs[0].source))
        kept = 0
        with ThreadExecutor(shot_info.settings.jobs) as executor:
            for done, was_made in enumerate(executor.map(make, jobs), 1):
                kept += was_made
                shot_info.report(self.name, done, len(jobs))
        return kept


def _by_oiiotool(job: FrameJob, *, look: PlateLook, oiiotool: str, size: tuple[int, int]) -> bool:
    """Have a frame made; whether an earlier run had made it, whole, of the same."""
    from ded_io.pictures.plate import MADE, is_made, recipe_of, tool_command
    from ded_io.pictures.raster import size_of

    recipe = recipe_of(job, look, by="oiiotool")
    if is_made(job, recipe):
        return True
    if size_of(job.source) != size:
        raise Damaged(f"{printable(job.source)} has another size than the frames before it; frame {job.number} was not made.")
    unfinished = job.destination.with_name(f"unfinished.{job.destination.name}")
    marked = replace(job, destination=unfinished, attributes={**job.attributes, MADE: recipe})
    command = tool_command(marked, look, oiiotool=oiiotool, size=size)
    run_tool(command, timeout=_TOOL_SECONDS)
    if not unfinished.is_file() or not unfinished.stat().st_size:
        raise NotFound(f"oiiotool said that it was done and has not written {printable(job.destination)}.")
    files.rename(unfinished, job.destination, replace=True)
    return False


def plate_look(shot_info: ShotInfo) -> PlateLook:
    """How the shot's plate is to look."""
    from ded_io.pictures.plate import PlateLook

    settings, made = shot_info.settings, shot_info.outputs
    size = settings.resolution
    return PlateLook(
        source_colorspace=made.colorspace or settings.default_colorspace,
        target_colorspace=settings.target_colorspace,
        squeeze=made.squeeze or settings.default_squeeze,
        width=None if size is None else size.width,
        height=None if size is None else size.height,
        fit=settings.fit.value,
        compression=settings.exr_compression,
        bit_depth=settings.bit_depth,
        ocio_config=settings.ocio_config,
    )


def frame_job(shot_info: ShotInfo, source: Path, destination: Path, number: int) -> FrameJob:
    """One frame to be made, with what goes into its header."""
    from ded_io.pictures.header import plate_attributes
    from ded_io.pictures.plate import FrameJob

    made = shot_info.outputs
    position = 0 if made.frames is None else made.frames.source_of(number)
    clip = ShotClip(
        shot_info.editorial_info.source_file.name,
        made.rate or shot_info.settings.source_fps,
        None if made.frames is None else made.start_timecode,
        made.reel,
        made.squeeze,
        made.camera,
    )
    attributes = plate_attributes(
        clip,
        position,
        number,
        colorspace=shot_info.settings.target_colorspace,
        source_colorspace=made.colorspace or shot_info.settings.default_colorspace,
    )
    return FrameJob(source, destination, number, attributes)


def look_at_shot(shot_info: ShotInfo) -> Any:
    """The facts of the shot's clip, which were looked at before."""
    cut = shot_info.editorial_info
    return look_at(str(cut.source_file), cut.rate or shot_info.settings.source_fps, source_identity(cut.source_file))


def frame_bytes(shot_info: ShotInfo) -> int:
    """About how many bytes a frame of the plate has."""
    size, made = shot_info.settings.resolution, shot_info.outputs
    if size is not None:
        width, height = size.width, size.height
    elif made.source_size is not None:
        width, height = plate_look(shot_info).framing(*made.source_size).canvas
    else:
        return 1 << 20
    channel = 2 if shot_info.settings.bit_depth == "half" else 4
    raw = width * height * 3 * channel
    return raw // _GUESSED_RATIO if shot_info.settings.exr_compression.startswith("dwa") else raw


