"""From plates to the review movie: through the display transform, H.264 without B-frames, by this process or by the tools."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ded_io import config
from ded_io.looks import look_file, look_name
from ded_io.models import Act, ImageSequence, ProcessingResult, ShotInfo
from ded_io.preparing import planned_work, settings_without_source, timecode_of, work_folder
from ded_io.settings import Engine
from ded_io.stages.base import PipelineStage
from ded_io.tools import program, run_tool
from film_archive.core import files
from film_archive.core.errors import NotFound, ProgramFailed
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.source import printable

if TYPE_CHECKING:
    from ded_io.pictures.review import ReviewAudio, ReviewLook

_FRAME_SECONDS = 600
_MOVIE_SECONDS = 300
"""Without a new byte, after which ffmpeg is given up."""
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_REEL_KEY = "com.apple.proapps.reel"
"""The metadata key of a movie's reel."""
_BITS_A_PIXEL = 0.25
"""Of H.264 at the proxy's quality, roughly: for the plan."""


class ProxyGenerationStage(PipelineStage):
    """Makes the proxy of the EXR frames."""

    BURN_IN: ClassVar[bool] = False
    NAME: ClassVar[str] = "proxy"

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
        sequence = self.frames_to_use(shot_info, result, input_sequence, made.exr)
        if sequence is None:
            return
        if made.rate is None:
            settings_without_source(shot_info, result)
        missing = set(sequence.missing())
        numbers = [number for number in sequence.numbers if number not in missing]
        if not numbers:
            raise NotFound(f"{printable(sequence.directory)} has none of the frames {sequence.pattern}.")
        if missing:
            result.add_warning(f"The proxy of {shot_info.code} lacks {len(missing)} frames that are missing.")
        if missing and output_dir is None and (work_folder(shot_info).path / "proxy").is_dir():
            files.remove_tree(work_folder(shot_info).path / "proxy")  # of an earlier run; it may show other frames
        folder = Path(output_dir) if output_dir is not None else work_folder(shot_info).folder("proxy")
        files.make_folders(folder)
        target = folder / f"{shot_info.code}_{self.NAME}.{config.PROXY_FORMAT}"
        if output_dir is not None or not target.exists():
            self._make(shot_info, result, sequence, numbers, target)
        else:
            result.data["of_earlier_run"] = True
        made.proxy = target
        result.data["proxy"] = str(target)
        result.data["bytes"] = target.stat().st_size

    def plan(self, shot_info: ShotInfo, result: ProcessingResult, **kwargs: Any) -> Iterator[Act]:
        made, settings = shot_info.outputs, shot_info.settings
        if made.unchanged or made.exr is None or made.frames is None:
            return
        target = planned_work(shot_info) / "proxy" / f"{shot_info.code}_{self.NAME}.{config.PROXY_FORMAT}"
        if settings.engine is Engine.TOOLS and not _only_here(shot_info):
            program(settings.oiiotool, "oiiotool")
            program(settings.ffmpeg, "ffmpeg")
            pictures = self._pictures(target)
            for number in made.exr.numbers:
                line = shlex.join(_picture_command(shot_info, made.exr, number, pictures, burn_in=self.BURN_IN))
                yield Act(self.name, "run", line)
            yield Act(self.name, "run", shlex.join(_movie_command(shot_info, pictures, made.exr.first_frame, target)))
        yield Act(self.name, "write", str(target), movie_bytes(shot_info))

    def _make(
        self, shot_info: ShotInfo, result: ProcessingResult, sequence: ImageSequence, numbers: list[int], target: Path
    ) -> None:
        settings = shot_info.settings
        if settings.engine is Engine.TOOLS:
            only_here = _only_here(shot_info)
            whole = len(numbers) == sequence.frame_count
            if not only_here and whole:
                self._by_tools(shot_info, sequence, target)
                return
            what = f"With {' and '.join(only_here)}" if only_here else "With frames missing"
            result.add_warning(f"{what} the proxy is made in this process, not by oiiotool and ffmpeg.")
        self._here(shot_info, sequence, numbers, target)

    def _here(self, shot_info: ShotInfo, sequence: ImageSequence, numbers: list[int], target: Path) -> None:
        from ded_io.pictures.review import write_review

        made, settings = shot_info.outputs, shot_info.settings
        done = 0

        def on_frame(_: int) -> None:
            nonlocal done
            done += 1
            shot_info.report(self.name, done, len(numbers))

        write_review(
            [sequence.path(number) for number in numbers],
            target,
            rate=made.rate or settings.source_fps,
            first_number=numbers[0],
            numbers=numbers,
            look=review_look(shot_info, burn_in=self.BURN_IN),
            start_timecode=timecode_of(made, numbers[0]),
            audio=_audio(shot_info),
            reel=made.reel,
            workers=settings.jobs,
            on_frame=on_frame,
            replace=True,
        )

    def _by_tools(self, shot_info: ShotInfo, sequence: ImageSequence, target: Path) -> None:
        """The display's pictures by oiiotool, one by one, and the movie of them by ffmpeg."""
        settings = shot_info.settings
        oiiotool, ffmpeg = program(settings.oiiotool, "oiiotool"), program(settings.ffmpeg, "ffmpeg")
        pictures = self._pictures(target)
        files.make_folders(pictures)
        picture = partial(_picture_by_tool, oiiotool, shot_info, sequence, pictures, burn_in=self.BURN_IN)
        with ThreadExecutor(settings.jobs) as executor:
            for done, _ in enumerate(executor.map(picture, sequence.numbers), 1):
                shot_info.report(self.name, done, sequence.frame_count)
        unfinished = target.with_name(f"unfinished.{target.name}")
        command = _movie_command(shot_info, pictures, sequence.first_frame, unfinished)
        run_tool([ffmpeg, *command[1:]], timeout=_MOVIE_SECONDS, progress=lambda: _size(unfinished))
        if not _size(unfinished):
            raise ProgramFailed(f"ffmpeg said that it was done and has not written {printable(target)}.")
        files.rename(unfinished, target, replace=True)
        files.remove_tree(pictures)

    def _pictures(self, movie: Path) -> Path:
        """Where the tools' pictures for a movie lie while it is made."""
        return movie.with_name(f"{self.NAME}_pictures")


class BurnInProxyStage(ProxyGenerationStage):
    """Makes the proxy with the shot's name, each frame's number and timecode in the picture."""

    BURN_IN: ClassVar[bool] = True
    NAME: ClassVar[str] = "proxy_burn_in"


def review_look(shot_info: ShotInfo, *, burn_in: bool) -> ReviewLook:
    """How the shot's proxy is to look."""
    from ded_io.pictures.review import BurnIn, ReviewLook, Slate

    settings, made, cut = shot_info.settings, shot_info.outputs, shot_info.editorial_info
    slate = None
    if settings.slate:
        frames = made.frames
        rows = [("show", shot_info.project), ("task", f"{shot_info.task} {shot_info.element}"), ("clip", cut.source_file.name)]
        if frames is not None:
            rows.append(("frames", f"{frames.first_number}-{frames.last_number}, cut {frames.in_number}"))
            rows.append(("timecode", str(made.plate_timecode or "")))
        rows += [("colour", f"{settings.target_colorspace}, {settings.view}"), ("notes", cut.notes)]
        slate = Slate(shot_info.code, tuple(row for row in rows if row[1]))
    return ReviewLook(
        width=settings.proxy_resolution.width,
        height=settings.proxy_resolution.height,
        crf=settings.proxy_crf,
        colorspace=settings.target_colorspace,
        ocio_config=settings.ocio_config,
        display=settings.display,
        view=settings.view,
        burn_in=BurnIn(shot_info.code) if burn_in else None,
        slate=slate,
        look_file=look_file(shot_info),
    )


def _audio(shot_info: ShotInfo) -> ReviewAudio | None:
    from ded_io.pictures.review import ReviewAudio

    frames, source = shot_info.outputs.frames, shot_info.editorial_info.source_file
    if not shot_info.settings.audio or frames is None or not source.is_file():
        return None
    return ReviewAudio(source, frames.first_source)


def _only_here(shot_info: ShotInfo) -> list[str]:
    """What the tools' engine leaves to this process."""
    asked = {
        "a look": look_name(shot_info.editorial_info) is not None,
        "a slate": shot_info.settings.slate,
        "sound": shot_info.settings.audio,
    }
    return [name for name, there in asked.items() if there]


def _picture_by_tool(
    oiiotool: str, shot_info: ShotInfo, sequence: ImageSequence, folder: Path, number: int, *, burn_in: bool
) -> None:
    """Have one picture made, unless an earlier run has made it, whole, of the frame as it is now."""
    *command, target = _picture_command(shot_info, sequence, number, folder, burn_in=burn_in)
    picture, frame = Path(target), sequence.path(number)
    if _ends_as_png(picture) and picture.stat().st_mtime_ns >= frame.stat().st_mtime_ns:
        return
    unfinished = picture.with_name(f"unfinished.{picture.name}")
    run_tool([oiiotool, *command[1:], str(unfinished)], timeout=_FRAME_SECONDS)
    if not _ends_as_png(unfinished):
        raise ProgramFailed(f"oiiotool said that it was done and has not written {printable(picture)} whole.")
    files.rename(unfinished, picture, replace=True)


def _ends_as_png(path: Path) -> bool:
    """Whether a file is there and ends with PNG's last chunk (ISO/IEC 15948, 11.2.5)."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - len(_PNG_END)))
            return file.read() == _PNG_END
    except FileNotFoundError:
        return False


def _picture_command(
    shot_info: ShotInfo, sequence: ImageSequence, number: int, folder: Path, *, burn_in: bool
) -> list[str]:
    """What makes a frame's picture for the display."""
    settings, size = shot_info.settings, shot_info.settings.proxy_resolution
    command = [settings.oiiotool, "--colorconfig", settings.ocio_config, str(sequence.path(number)), "--ch", "R,G,B"]
    command += ["--fit:pad=1:filter=lanczos3", f"{size.width}x{size.height}"]
    command += [f"--ociodisplay:from={settings.target_colorspace}", settings.display, settings.view]
    if burn_in:
        high = max(10, size.height // 27)
        for text, place in _burned(shot_info, number, size.width, size.height, high):
            command += [f"--text:{place}:size={high}:color=1,1,1", text]
    return [*command, "-d", "uint8", "-o", str(folder / f"{number:08d}.png")]


def _burned(shot_info: ShotInfo, number: int, width: int, height: int, high: int) -> Iterator[tuple[str, str]]:
    """(text, where) of a frame's burn-in: shot, number, timecode."""
    yield shot_info.code, f"x={high}:y={2 * high}:xalign=left"
    yield f"{number:04d}", f"x={high}:y={height - high}:xalign=left"
    code = timecode_of(shot_info.outputs, number)
    if code is not None:
        yield str(code), f"x={width - high}:y={height - high}:xalign=right"


def _movie_command(shot_info: ShotInfo, pictures: Path, first: int, target: Path) -> list[str]:
    """What makes the movie of the pictures: without B-frames, which Kitsu's own encoding damages."""
    settings, made = shot_info.settings, shot_info.outputs
    command = [settings.ffmpeg, "-nostdin", "-y", "-v", "error", "-framerate", str(made.rate or settings.source_fps)]
    command += ["-start_number", str(first), "-i", str(pictures / "%08d.png"), "-c:v", config.PROXY_CODEC]
    command += ["-crf", str(settings.proxy_crf), "-bf", "0", "-vf", "scale=out_color_matrix=bt709:out_range=tv"]
    transfer = "iec61966-2-1" if "srgb" in settings.display.casefold() else "bt709"
    command += ["-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", transfer]
    command += ["-movflags", "+faststart+use_metadata_tags", "-write_tmcd", "0"]  # as the movies that are made here
    code = timecode_of(made, first)
    if code is not None:
        command += ["-metadata", f"timecode={code}"]
    if made.reel is not None:
        command += ["-metadata", f"{_REEL_KEY}={made.reel}"]
    return [*command, str(target)]


def movie_bytes(shot_info: ShotInfo) -> int:
    """About how many bytes the movie has."""
    size, frames = shot_info.settings.proxy_resolution, shot_info.outputs.frames
    return int(size.width * size.height * _BITS_A_PIXEL / 8 * (0 if frames is None else frames.count))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
