"""What the stages of an ingest hand to each other: the cut, the shot, image sequences, and what a stage did.

A `ShotInfo` goes through all stages of one shot. What a stage has made it puts into `ShotInfo.outputs`, where the stages
after it find it: the sequences, the movie, the version and its container.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ded_io.cut import ShotFrames
from ded_io.reading_settings import read_settings
from ded_io.settings import Settings
from ded_io.work_folder import WorkFolder
from film_archive.core.errors import NotFound, UsageError, from_os_error
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate, RateLike, Timecode

if TYPE_CHECKING:
    from ded_io.pictures.levels import FrameLevels


@dataclass(frozen=True)
class EditorialCutInfo:
    """What editorial asks for: a clip, and which of its frames.

    In and out are inclusive: 0-based frames of the clip, or timecodes as text. What is None follows from the settings or
    from the clip. Raises UsageError for names that could not stand in a file's name.
    """

    sequence: str
    shot: str
    source_file: Path
    in_point: int | str
    out_point: int | str
    source_fps: RateLike | None = None
    """The clip's rate; one that contradicts the clip's own is refused."""
    timecode: str | None = None
    """The timecode of the clip's first frame, where the clip has none or a wrong one."""
    notes: str = ""
    task: str | None = None
    element: str | None = None
    version: int | None = None
    """None: the next one."""
    head_handles: int | None = None
    tail_handles: int | None = None
    source_colorspace: str | None = None
    squeeze: Fraction | float | str | None = None
    look_file: Path | None = None
    """A CDL (.cc, .ccc, .cdl) or LUT that is baked into the proxy and lies beside the plate."""
    look_cdl: str | None = None
    """The look of the cut list, as a ColorCorrection document (`looks.document_of`); `look_file` comes before it."""
    clip: str | None = None
    """The clip's name in the cut list."""
    speed: Fraction | None = None
    """Of a retime, for the record: the plate has the covering frames as they were shot. 0 is a freeze."""
    record_in: str | None = None
    """The record timecode, for the count sheet."""
    record_out: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source_file", Path(self.source_file))
        if self.look_file is not None:
            object.__setattr__(self, "look_file", Path(self.look_file))
        for name, value in (("sequence", self.sequence), ("shot", self.shot)):
            if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9-]+", value):
                raise UsageError(f"{value!r} can't be the name of a {name}; it has letters, digits and hyphens.")
        if self.version is not None and (isinstance(self.version, bool) or not 1 <= self.version <= 999_999):
            raise UsageError(f"{self.version!r} can't be a version; they are counted from 1.")

    @property
    def rate(self) -> FrameRate | None:
        """The rate as it was given, exact."""
        return None if self.source_fps is None else FrameRate.of(self.source_fps)

    @property
    def code(self) -> str:
        """The shot's whole name: sequence and shot, as in sht100."""
        return f"{self.sequence}{self.shot}"


_NUMBERED = re.compile(r"(?P<base>.+?)[._](?P<number>-?\d+)\.(?P<ext>[A-Za-z0-9]+)")


@dataclass(frozen=True)
class ImageSequence:
    """A sequence of numbered images in one folder: `base_name.0993.exr` and so on. Both ends belong to it."""

    directory: Path
    base_name: str
    extension: str
    first_frame: int
    last_frame: int
    padding: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", Path(self.directory))
        object.__setattr__(self, "extension", self.extension.lstrip("."))

    @classmethod
    def find(cls, directory: Path, base_name: str, extension: str) -> ImageSequence:
        """The sequence of that name that lies in a folder, whatever its padding; raises NotFound where there is none."""
        numbers: dict[int, int] = {}
        try:
            names = [entry.name for entry in Path(directory).iterdir()]
        except OSError as error:
            raise from_os_error(error, f"read {printable(directory)}") from error
        for name in names:
            match = _NUMBERED.fullmatch(name)
            if match is not None and (match["base"], match["ext"].lower()) == (base_name, extension.lower()):
                numbers[int(match["number"])] = len(match["number"])
        if not numbers:
            raise NotFound(f"{printable(directory)} has no frames {base_name}.####.{extension}.")
        return cls(directory, base_name, extension, min(numbers), max(numbers), numbers[min(numbers)])

    @property
    def frame_count(self) -> int:
        return max(0, self.last_frame - self.first_frame + 1)

    @property
    def numbers(self) -> range:
        return range(self.first_frame, self.last_frame + 1)

    @property
    def pattern(self) -> str:
        """The name with a printf place for the number, as `base.%04d.exr`."""
        return f"{self.base_name}.%0{self.padding}d.{self.extension}"

    def name(self, number: int) -> str:
        return f"{self.base_name}.{number:0{self.padding}d}.{self.extension}"

    def path(self, number: int) -> Path:
        return self.directory / self.name(number)

    def paths(self) -> Iterator[Path]:
        return map(self.path, self.numbers)

    def missing(self) -> list[int]:
        """Numbers that have no file, or an empty one."""
        return [number for number in self.numbers if not _has_bytes(self.path(number))]


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


@dataclass
class Outputs:
    """What the stages have made of a shot so far; a stage fills in what it made and reads what those before it made."""

    frames: ShotFrames | None = None
    """The frame arithmetic: source frames and their numbers."""
    rate: FrameRate | None = None
    start_timecode: Timecode | None = None
    """Of the clip's frame 0."""
    reel: str | None = None
    camera: Mapping[str, str] = field(default_factory=dict)
    squeeze: Fraction | None = None
    colorspace: str | None = None
    """What the source frames are encoded in."""
    source_size: tuple[int, int] | None = None
    """Width and height of the clip's frames."""
    work: WorkFolder | None = None
    """The one folder in which this run makes its frames."""
    dpx: ImageSequence | None = None
    exr: ImageSequence | None = None
    proxy: Path | None = None
    version: int | None = None
    container: Path | None = None
    """The version container, once it is in the shot tree."""
    plate: ImageSequence | None = None
    """The EXR frames in the shot tree."""
    movie: Path | None = None
    """The proxy in the shot tree."""
    manifest: Path | None = None
    ingest_id: str | None = None
    """Digest of all that decides what the plate is: source, range and settings. The same input has the same one."""
    unchanged: bool = False
    """Whether the shot tree had this plate already, and nothing was made."""
    failed: bool = False
    """Whether a stage failed."""
    levels: dict[int, FrameLevels] = field(default_factory=dict)
    """Number → levels of the frames that this run made, so that they need not be read again."""

    @property
    def plate_timecode(self) -> Timecode | None:
        """Of the plate's first frame, handles included."""
        if self.start_timecode is None or self.frames is None:
            return None
        return self.start_timecode + self.frames.first_source


@dataclass
class ShotInfo:
    """One shot on its way through the stages."""

    project: str
    sequence: str
    shot: str
    editorial_info: EditorialCutInfo
    settings: Settings = field(default_factory=lambda: read_settings().settings)
    """Unless given: the defaults, and what the environment says over them."""
    project_id: str | None = None
    watch: Watch | None = None
    """Hears of every frame that is done; what it raises ends the stage."""
    outputs: Outputs = field(default_factory=Outputs)

    @property
    def code(self) -> str:
        """The shot's whole name: sequence and shot, as in sht100."""
        return self.editorial_info.code

    @property
    def task(self) -> str:
        return self.editorial_info.task or self.settings.task

    @property
    def element(self) -> str:
        return self.editorial_info.element or self.settings.element


    def report(self, stage: str, done: int, total: int) -> None:
        """Tell whoever watches that a stage has done so many of its frames."""
        if self.watch is not None:
            self.watch(self, stage, done, total)


Watch = Callable[[ShotInfo, str, int, int], None]
"""Called with the shot, the stage, the frames that are done and all its frames; from any thread."""


@dataclass
class ProcessingResult:
    """What a stage did: it succeeded unless an error was added."""

    stage_name: str
    success: bool = True
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    """What the stage wants to tell, as plain JSON values; it goes into the report."""
    duration_seconds: float = 0.0
    exit_status: int = 0
    """Of the first error, as the command line ends with it."""

    def add_error(self, message: str, exit_status: int = 6) -> None:
        """Note what went wrong; the stage has then failed."""
        self.errors.append(message)
        self.success = False
        self.exit_status = self.exit_status or exit_status

    def add_warning(self, message: str) -> None:
        self.warnings.append(message)

    def to_dict(self) -> dict[str, Any]:
        """As the summary has it."""
        return {
            "stage_name": self.stage_name,
            "success": self.success,
            "errors": list(self.errors),
            "warnings": list(self.warnings),
            "data": dict(self.data),
            "duration_seconds": round(self.duration_seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Act(Record):
    """One thing that a stage would do, as a dry run lists it."""

    stage: str
    """Which stage would do it."""
    does: str
    """`run` a command, `read`, `write`, `copy` or `remove` a file, `register` something, or `note` what can't be known yet."""
    subject: str
    """The command, the file, or the sentence."""
    size: int | None = None
    """Bytes, where they are known or can be told roughly; None elsewhere."""
