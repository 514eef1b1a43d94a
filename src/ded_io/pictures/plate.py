"""Plates: a camera's frames in another colour space, desqueezed and fitted, as EXR.

Frames are made side by side by threads that stay: all that takes time happens in libraries that let go of Python's lock.
Each has a few pictures of memory, and no more of them run than `MEMORY` holds. A frame appears under its name when it is
whole, and says in its header what it was made of, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

from ded_io.pictures.colour import conversion
from ded_io.pictures.exr import is_whole, read_attribute, require_format, write_exr
from ded_io.pictures.framing import Fit, Framing, frame_picture
from ded_io.pictures.levels import FrameLevels, levels_of
from ded_io.pictures.raster import read_raster, size_of
from ded_io.pictures.resample import resample
from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import Damaged, Refused
from film_archive.core.executors.executor import worker_count
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.job import identity_at
from film_archive.core.source import printable
from film_archive.core.timecode import Timecode

MEMORY = 3 << 29
"""Bytes that the frames under way may have together; one frame is made whatever it takes."""
MADE = "film-archive:made"
"""The attribute that tells of what, and how, a plate was made."""
_MADE_BY = 1
"""Of how plates are made: those of other versions are made again."""

OnFrame = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class PlateLook:
    """What plates look like. `width` and `height` None: as large as the desqueezed picture."""

    source_colorspace: str
    target_colorspace: str
    squeeze: Fraction = Fraction(1)
    width: int | None = 3840
    height: int | None = 2160
    fit: Fit = "letterbox"
    compression: str = "dwaa:15"
    bit_depth: str = "half"
    ocio_config: str = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"

    def framing(self, width: int, height: int) -> Framing:
        """How a source of this size lies on the plate."""
        return frame_picture((width, height), self.squeeze, (self.width, self.height), self.fit)

    def require_possible(self) -> None:
        """Raise UsageError where a name or a size of it is none."""
        require_format(self.compression, self.bit_depth)
        conversion(self.ocio_config, self.source_colorspace, self.target_colorspace)
        self.framing(3840, 2160)


@dataclass(frozen=True, slots=True)
class FrameJob:
    """One frame to be made: the image `source` becomes the plate `destination`, frame `number` of its shot.

    `attributes` go into its header: text, numbers, a Timecode, a Fraction, a tuple of floats.
    """

    source: Path
    destination: Path
    number: int
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrameResult:
    """A frame that is there. `kept` tells that an earlier run made it."""

    number: int
    destination: Path
    size: int
    """Bytes of the file."""
    kept: bool = False
    levels: FrameLevels | None = None
    """Of its picture, for QC; None where the frame was kept."""


def convert_frames(
    jobs: Sequence[FrameJob], look: PlateLook, *, workers: int | None = None, on_frame: OnFrame | None = None
) -> Iterator[FrameResult]:
    """Make plates, `workers` at a time (None: one a processor); the results come in the order of the jobs.

    `on_frame` hears the number of each frame that is there. Frames that are there already, made of the same source in the
    same way, are kept. All sources have the size of the first; raises Damaged for one that has another, naming it, and
    for what can't be read; UsageError for names that the colour config has not; Refused where a destination is something
    else; NoSpace. What was finished before stays, and the next run goes on behind it.
    """
    look.require_possible()
    if not jobs:
        return
    size = size_of(jobs[0].source)
    framing = look.framing(*size)
    make = partial(_make, look=look, size=size, first=jobs[0].source)
    colours = conversion(look.ocio_config, look.source_colorspace, look.target_colorspace)
    with ThreadExecutor(workers_for(framing, workers, in_floats=colours.whole is not None)) as executor:
        for result in executor.map(make, jobs):
            if on_frame is not None:
                on_frame(result.number)
            yield result


def workers_for(framing: Framing, workers: int | None = None, *, in_floats: bool = False) -> int:
    """How many frames may be made at once: as many as asked for, if their memory fits into `MEMORY`."""
    return max(1, min(worker_count(workers), MEMORY // frame_memory(framing, in_floats=in_floats)))


def frame_memory(framing: Framing, *, in_floats: bool = False) -> int:
    """Bytes that making one frame takes: the source as it is read, the plate twice; `in_floats` the source in floats too."""
    source = framing.source[0] * framing.source[1]
    canvas = framing.canvas[0] * framing.canvas[1]
    return source * (36 if in_floats else 12) + canvas * 12


def is_made(job: FrameJob, recipe: str) -> bool:
    """Whether an earlier run made the frame by this recipe. Raises Refused where its place is taken by something else."""
    if not job.destination.exists():
        return False
    made = read_attribute(job.destination, MADE)
    if made is None and not _is_unfinished(job.destination):
        raise Refused(f"{printable(job.destination)} is there already and no plate of ours; nothing was changed.")
    return made == recipe and is_whole(job.destination)


def _make(job: FrameJob, *, look: PlateLook, size: tuple[int, int], first: Path) -> FrameResult:
    recipe = recipe_of(job, look)
    if is_made(job, recipe):
        return FrameResult(job.number, job.destination, job.destination.stat().st_size, kept=True)
    raster = read_raster(job.source)
    if raster.size != size:
        raise Damaged(
            f"{printable(job.source)} has {raster.width}×{raster.height} pixels, and {printable(first)} has "
            f"{size[0]}×{size[1]}: the frames of a shot have one size; frame {job.number} was not made."
        )
    colours = conversion(look.ocio_config, look.source_colorspace, look.target_colorspace)
    prepared, curves = colours.prepared(raster)
    framing = look.framing(*size)
    pixels = resample(prepared, framing, curves=curves, matrix=colours.matrix, half=look.bit_depth == "half")
    written = write_exr(
        job.destination,
        pixels,
        compression=look.compression,
        pixel_aspect=framing.pixel_aspect,
        attributes={**job.attributes, MADE: recipe},
        replace=True,
    )
    return FrameResult(job.number, job.destination, written, levels=levels_of(pixels, framing.window))


def _is_unfinished(path: Path) -> bool:
    """Whether a file has no bytes: a placeholder, or what a full disk left."""
    return path.stat().st_size == 0


def recipe_of(job: FrameJob, look: PlateLook, *, by: str = "") -> str:
    """A digest of all that a plate's bytes depend on; `by` is the program that makes it, where it is not this one."""
    hasher = MultiHasher()
    said = sorted((name, str(value)) for name, value in job.attributes.items())
    made_by = (_MADE_BY, by) if by else _MADE_BY
    hasher.update(repr((made_by, look, identity_at(job.source), said)).encode("utf-8", "surrogateescape"))
    return hasher.digests()[KEY]


# The same by oiiotool


def tool_command(
    job: FrameJob, look: PlateLook, *, oiiotool: str = "oiiotool", size: tuple[int, int] | None = None
) -> list[str]:
    """The command line by which `oiiotool` makes the same plate; `size` of the source, where it is not there yet."""
    framing = look.framing(*(size_of(job.source) if size is None else size))
    width, height = framing.canvas
    command = [oiiotool, "--colorconfig", look.ocio_config, str(job.source), "--ch", "R,G,B"]
    command += ["--colorconvert", look.source_colorspace, look.target_colorspace]
    if framing.is_scaled:
        command += ["--resize:filter=lanczos3", f"{framing.scaled[0]}x{framing.scaled[1]}"]
    if framing.scaled != framing.canvas:
        command += ["--origin", f"{framing.left:+d}{framing.top:+d}", "--fullsize", f"{width}x{height}+0+0"]
        command += ["--crop", f"{width}x{height}+0+0"]
    for name, value in job.attributes.items():
        command += _attribute(name, value)
    command += ["--attrib:type=float", "PixelAspectRatio", f"{float(framing.pixel_aspect):g}"]
    return [*command, "-d", look.bit_depth, "--compression", look.compression, "-o", str(job.destination)]


def tool_line(command: Sequence[str]) -> str:
    """A command as it is typed into a shell."""
    return shlex.join(command)


def _attribute(name: str, value: object) -> list[str]:
    if isinstance(value, Timecode):
        return ["--attrib:type=timecode", name, str(value)]
    if isinstance(value, Fraction):
        return ["--attrib:type=rational", name, f"{value.numerator}/{value.denominator}"]
    if isinstance(value, tuple):
        return [f"--attrib:type=float[{len(value)}]", name, ",".join(f"{float(each):g}" for each in value)]
    kind = {int: "int", float: "float"}.get(type(value), "string")
    return [f"--attrib:type={kind}", name, str(value)]
