"""What an ingest is asked to do: one frozen value, made of the defaults, a JSON file, the environment and the arguments.

`Settings.defaults()` takes the names of `ded_io.config` as they are at that moment, so editing them works. Reading the file
is `reading_settings`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from ded_io import config
from ded_io.cut import FirstFrame
from film_archive.core import places
from film_archive.core.errors import UsageError
from film_archive.core.timecode import FrameRate


class Engine(StrEnum):
    """Who makes the pixels."""

    BUILTIN = "builtin"
    """OpenImageIO and PyAV in this process."""
    TOOLS = "tools"
    """The named `oiiotool` and `ffmpeg`."""


class Fit(StrEnum):
    """How a picture is fitted into the plate's size."""

    LETTERBOX = "letterbox"
    CROP = "crop"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Resolution:
    """A picture's size in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Resolution | None:
        """Read "3840x2160"; None for "native", the size that the source has after its squeeze is undone."""
        if text.strip().lower() == "native":
            return None
        width, _, height = text.lower().partition("x")
        if not (width.strip().isdecimal() and height.strip().isdecimal() and len(text) < 20):
            raise UsageError(f"{text[:40]!r} is not a resolution; write it like 3840x2160.")
        size = cls(int(width), int(height))
        if not (16 <= size.width <= 32768 and 16 <= size.height <= 32768):
            raise UsageError(f"A resolution of {text} is not possible; each side has 16 to 32768 pixels.")
        return size

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that can be set; `docs/plates.md` has the keys of the JSON file."""

    project: str
    project_id: str | None
    """The production's id in Kitsu, where it is not found by name."""

    source_fps: FrameRate
    """The rate of what does not tell its own, such as an image sequence."""
    stop_on_error: bool
    """Whether a batch ends at the first shot that fails."""
    task: str
    element: str

    shot_tree_root: Path
    output_dir: Path | None
    """Where version containers go without the tree's folders of shot and task."""
    temp_dir: Path

    sony_converter: str
    sony_timeout: int
    """Seconds without a new frame after which the exporter is given up."""
    oiiotool: str
    ffmpeg: str

    exr_compression: str
    bit_depth: str
    resolution: Resolution | None
    fit: Fit
    squeeze: Fraction | None
    """Of the lens. None: as the clip's metadata say, else `default_squeeze`."""
    default_squeeze: Fraction
    proxy_resolution: Resolution
    proxy_crf: int

    source_colorspace: str | None
    """None: as the clip's tags say, else `default_colorspace` with a warning."""
    default_colorspace: str
    target_colorspace: str
    ocio_config: str
    display: str
    view: str

    start_frame: int
    head_handles: int
    tail_handles: int
    first_frame_is: FirstFrame
    strict_handles: bool

    engine: Engine
    skip_kitsu: bool
    skip_cleanup: bool
    burn_in_proxy: bool
    slate: bool
    audio: bool
    """Whether the proxy has the clip's sound."""
    mhl: bool
    """Whether each version container gets an ASC MHL history."""
    jobs: int
    """Frames at the same time."""
    shots: int
    """Shots at the same time."""

    frame_name: str
    movie_name: str

    @classmethod
    def defaults(cls) -> Settings:
        """The names of `ded_io.config`, as they are now."""
        return cls(
            project=config.PROJECT,
            project_id=None,
            source_fps=FrameRate.of(config.SOURCE_FPS),
            stop_on_error=False,
            task=config.TASK,
            element=config.ELEMENT,
            shot_tree_root=Path(config.SHOT_TREE_ROOT),
            output_dir=None,
            temp_dir=places.temporary() / f"ded_io-{os.getuid()}",
            sony_converter=config.SONY_CONVERTER,
            sony_timeout=config.SONY_TIMEOUT,
            oiiotool="oiiotool",
            ffmpeg="ffmpeg",
            exr_compression=config.OUTPUT_COMPRESSION,
            bit_depth=config.OUTPUT_BIT_DEPTH,
            resolution=Resolution(config.TARGET_WIDTH, config.TARGET_HEIGHT),
            fit=Fit.LETTERBOX if config.LETTERBOX else Fit.CROP,
            squeeze=None,
            default_squeeze=Fraction(str(config.ANAMORPHIC_SQUEEZE)),
            proxy_resolution=Resolution(config.PROXY_WIDTH, config.PROXY_HEIGHT),
            proxy_crf=config.PROXY_CRF,
            source_colorspace=None,
            default_colorspace=config.SOURCE_COLORSPACE,
            target_colorspace=config.TARGET_COLORSPACE,
            ocio_config=config.ocio_config(),
            display=config.DISPLAY,
            view=config.VIEW,
            start_frame=config.DIGITAL_START_FRAME,
            head_handles=config.HEAD_HANDLE_FRAMES,
            tail_handles=config.TAIL_HANDLE_FRAMES,
            first_frame_is=FirstFrame(config.FIRST_FRAME_IS),
            strict_handles=False,
            engine=Engine(config.ENGINE),
            skip_kitsu=False,
            skip_cleanup=False,
            burn_in_proxy=False,
            slate=False,
            audio=False,
            mhl=False,
            jobs=config.JOBS,
            shots=1,
            frame_name=config.FRAME_NAME,
            movie_name=config.MOVIE_NAME,
        )
