"""The review movie of a shot, from its plates: scaled in linear light, then through the display transform, then coded.

The plate's own look (a CDL or a LUT that came with the shot) is seen here and nowhere else. Burn-in and slate are drawn
after all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ded_io.pictures.colour import IDENTITY, Conversion, open_config, require_space, require_view
from ded_io.pictures.framing import frame_picture
from ded_io.pictures.raster import Floats, read_raster
from ded_io.pictures.resample import resample
from film_archive.core import files
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.executors.executor import worker_count
from film_archive.core.executors.threads import ThreadExecutor
from film_archive.core.facts import ColorFacts
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.glyphs import HEIGHT, text_mask
from film_archive.media.stills import still_facts

if TYPE_CHECKING:
    from film_archive.media.av.overlays import BurnedIn

OnFrame = Callable[[int], None]

DEFAULT_LINES = (("top left", "{clip}"), ("bottom left", "{frame}"), ("bottom right", "{timecode}"))
_CDL = (".cc", ".ccc", ".cdl")


@dataclass(frozen=True, slots=True)
class BurnIn:
    """What is drawn over the pictures: (position, text) lines; {clip} is `shot`, {frame} the shot's number, {timecode}.

    Positions are "top" or "bottom" and "left", "center" or "right". A line with {timecode} is left out where the clip has
    none.
    """

    shot: str
    lines: tuple[tuple[str, str], ...] = DEFAULT_LINES


@dataclass(frozen=True, slots=True)
class Slate:
    """A card before the first frame: (what, says) rows. It is one frame long and bears the number before the first."""

    title: str
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewLook:
    """What the review movie looks like.

    `colorspace` is that of the plates. `look_file` is a CDL (.cc, .ccc, .cdl) or any LUT that OpenColorIO reads, applied in
    `look_space`; `look_id` names one correction of several in a file. With `look_to_display` the LUT's result is what the
    display gets, and no view follows.
    """

    width: int = 1920
    height: int = 1080
    crf: int = 18
    colorspace: str = "ACEScg"
    ocio_config: str = "ocio://studio-config-v2.1.0_aces-v1.3_ocio-v2.3"
    display: str = "sRGB - Display"
    view: str = "ACES 1.0 - SDR Video"
    burn_in: BurnIn | None = None
    slate: Slate | None = None
    look_file: Path | None = None
    look_space: str = "ACEScct"
    look_id: str = ""
    look_to_display: bool = False
    preset: str = "medium"

    def require_possible(self) -> None:
        """Raise UsageError where a name or a size of it is none, NotFound where its look file is not there."""
        if self.width % 2 or self.height % 2 or not 2 <= min(self.width, self.height) <= max(self.width, self.height) <= 8192:
            raise UsageError(f"A movie of {self.width}×{self.height} can't be made; sides are even, from 2 to 8192.")
        if not 0 <= self.crf <= 51:
            raise UsageError(f"A CRF of {self.crf} is none of H.264's; it is between 0 (lossless) and 51.")
        display_processor(self)


@dataclass(frozen=True, slots=True)
class ReviewAudio:
    """The sound of a movie's stretch: from frame `first` (counted from 0) of the clip in `source` on."""

    source: Path
    first: int


def write_review(
    frames: Sequence[Path],
    destination: Path,
    *,
    rate: Fraction,
    first_number: int,
    numbers: Sequence[int] | None = None,
    look: ReviewLook,
    start_timecode: Timecode | None = None,
    audio: ReviewAudio | None = None,
    reel: str | None = None,
    workers: int | None = None,
    on_frame: OnFrame | None = None,
    replace: bool = False,
) -> None:
    """Write the movie of a shot: one picture for each of `frames`, in order; the first bears `first_number`.

    `numbers` are those of all frames, rising, where they do not follow each other because some are missing.
    `start_timecode` is that of the first frame. `on_frame` hears each number. Raises UsageError where something of `look`
    is not possible, Refused where the destination exists (unless told to `replace` it), and what reading frames raises; the
    movie appears under its name when it is whole.
    """
    from film_archive.media.av.review import ReviewWriter

    if not frames:
        raise UsageError(f"{printable(destination)} would have no frames; nothing was written.")
    look.require_possible()
    numbers = range(first_number, first_number + len(frames)) if numbers is None else numbers
    length = numbers[-1] - first_number + 1
    drawing = None if look.burn_in is None else _drawing(look.burn_in, start_timecode, length, first_number)
    sound, source = _sound(audio, rate, look.slate is not None)
    label = start_timecode if look.slate is None or start_timecode is None else start_timecode - 1
    try:
        with files.AtomicFile(destination, replace=replace) as new:
            writer = ReviewWriter(
                new.file,  # type: ignore[arg-type]  # IO[bytes] opened for binary is a BinaryIO
                look.width,
                look.height,
                FrameRate.of(rate),
                frames=len(frames) + 1,
                crf=look.crf,
                preset=look.preset,
                color=_tags(look),
                timecode=label,
                reel=reel,
                sound=sound,
                name=printable(destination),
            )
            try:
                if look.slate is not None:
                    writer.write(slate_picture(look.slate, look.width, look.height))
                for number, picture in zip(numbers, _shown(frames, look, workers), strict=True):
                    writer.write(picture, drawing, number - first_number)
                    if on_frame is not None:
                        on_frame(number)
                writer.close()
            finally:
                writer.abort()
            new.commit()
    finally:
        if source is not None:
            source.close()


def _drawing(wanted: BurnIn, start: Timecode | None, frames: int, first_number: int) -> BurnedIn:
    """What is drawn into the pictures; without a start timecode the lines that would show it are left out."""
    from film_archive.media.av.overlays import BurnedIn
    from film_archive.media.av.overlays import BurnIn as Line

    lines = [Line(place, text) for place, text in wanted.lines if start is not None or "{timecode}" not in text]
    return BurnedIn.of(lines, wanted.shot, start, frames, first_number)


def shown_picture(frame: Path, look: ReviewLook, *, squeeze: Fraction | None = None) -> NDArray[np.uint8]:
    """A plate as the review shows it, (height, width, 3) RGB of the display's 8 bits, without burn-in.

    `squeeze` is the pixel aspect that its header says, where that is known already.
    """
    raster = read_raster(frame)
    squeeze = pixel_aspect_of(frame) if squeeze is None else squeeze
    framing = frame_picture(raster.size, squeeze, (look.width, look.height), "letterbox")
    prepared, curves = Conversion(None, IDENTITY).prepared(raster)
    pixels: Any = resample(prepared, framing, curves=curves, matrix=IDENTITY, half=False)
    display_processor(look).applyRGB(pixels)
    return _eight_bits(pixels)


def pixel_aspect_of(frame: Path) -> Fraction:
    """Of an image, by its header; 1 where that says nothing."""
    with FileSource(frame) as source:
        return still_facts(source).pixel_aspect or Fraction(1)


def display_processor(look: ReviewLook) -> Any:
    """From the plates' colour space to the display's, the look in between; an OpenColorIO CPU processor, kept."""
    stamp = None
    if look.look_file is not None:
        try:
            stamp = look.look_file.stat().st_mtime_ns
        except OSError as error:
            raise NotFound(f"The look {printable(look.look_file)} is not there; correct its path.") from error
    key = (look.ocio_config, look.colorspace, look.display, look.view, look.look_file, look.look_space, look.look_id)
    return _processor(*key, look.look_to_display, stamp)


@lru_cache(maxsize=8)
def _processor(
    config: str,
    colorspace: str,
    display: str,
    view: str,
    look_file: Path | None,
    look_space: str,
    look_id: str,
    to_display: bool,
    stamp: int | None,
) -> Any:
    import PyOpenColorIO as ocio  # noqa: N813  the name its own documentation uses

    colours = open_config(config)
    require_space(colours, config, colorspace)
    group = ocio.GroupTransform()
    try:
        if look_file is not None:
            require_space(colours, config, look_space)
            group.appendTransform(ocio.ColorSpaceTransform(colorspace, look_space))
            group.appendTransform(_look_transform(ocio, look_file, look_id))
            if not to_display:
                group.appendTransform(ocio.ColorSpaceTransform(look_space, colorspace))
        if look_file is None or not to_display:
            require_view(colours, config, display, view)
            group.appendTransform(ocio.DisplayViewTransform(src=colorspace, display=display, view=view))
        return colours.getProcessor(group).getDefaultCPUProcessor()
    except (ocio.Exception, ocio.ExceptionMissingFile) as error:
        what = f"the look {printable(look_file)}" if look_file is not None else f"the view {view} on {display}"
        raise UsageError(f"The review can't be shown through {what}: {' '.join(str(error).split())}") from error


def _look_transform(ocio: Any, path: Path, look_id: str) -> Any:
    if path.suffix.lower() in _CDL:
        return ocio.CDLTransform.CreateFromFile(str(path), look_id)
    return ocio.FileTransform(str(path), look_id, interpolation=ocio.INTERP_BEST)


def _shown(frames: Sequence[Path], look: ReviewLook, workers: int | None) -> Any:
    """The pictures, in order; a few at a time."""
    squeeze = pixel_aspect_of(frames[0])
    with ThreadExecutor(min(worker_count(workers), 8)) as executor:
        yield from executor.map(partial(shown_picture, look=look, squeeze=squeeze), frames)


def _eight_bits(pixels: Floats) -> NDArray[np.uint8]:
    np.nan_to_num(pixels, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    np.clip(pixels, 0, 1, out=pixels)
    pixels *= np.float32(255)
    pixels += np.float32(0.5)
    return pixels.astype(np.uint8)


def _sound(audio: ReviewAudio | None, rate: Fraction, has_slate: bool) -> tuple[Any, FileSource | None]:
    """(what is heard, its open file); nothing where the clip is silent."""
    if audio is None:
        return None, None
    from film_archive.media.av.review import ReviewSound
    from film_archive.media.probe import probe

    source = FileSource(audio.source)
    tracks = probe(source).audio
    if not tracks:
        source.close()
        return None, None
    return ReviewSound(source, tracks, audio.first / rate, 1 / rate if has_slate else Fraction(0)), source


def _tags(look: ReviewLook) -> ColorFacts:
    """What the movie says of its colours: sRGB's curve for an sRGB display, BT.709 for all else."""
    transfer = "iec61966-2-1" if "srgb" in look.display.casefold() else "bt709"
    return ColorFacts(primaries="bt709", transfer=transfer, matrix="bt709", range="limited")


def slate_picture(slate: Slate, width: int, height: int) -> NDArray[np.uint8]:
    """The card, (height, width, 3): the title above, a row for each thing that is said, in the burn-in's letters."""
    card = np.full((height, width, 3), 24, np.uint8)
    top = height // 10
    top = _write(card, slate.title, width // 12, top, height // 12, (255, 255, 255)) + height // 20
    for what, says in slate.rows:
        _write(card, what, width // 12, top, height // 28, (150, 150, 150))
        top = _write(card, says, width // 3, top, height // 28, (235, 235, 235)) + height // 40
    return card


def _write(card: NDArray[np.uint8], text: str, left: int, top: int, high: int, ink: tuple[int, int, int]) -> int:
    """Draw a line of text so high; returns where the next one may begin."""
    scale = max(1, high // HEIGHT)
    mask = text_mask(text, scale)
    bottom, right = min(card.shape[0], top + mask.shape[0]), min(card.shape[1], left + mask.shape[1])
    if bottom > top and right > left:
        card[top:bottom, left:right][mask[: bottom - top, : right - left]] = ink
    return top + scale * HEIGHT
