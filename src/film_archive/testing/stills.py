"""Test footage as image sequences: 10-bit DPX, half-float EXR, 16-bit TIFF and JPEG, with timecode and reel where the
format has a place for them.

DPX: the timecode in the television header, the reel as the orientation header's input device (SMPTE ST 268). EXR: the
attributes `timeCode`, `framesPerSecond` and `reelName`. Written through OpenImageIO.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import NotSupported, StorageError
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.codeword import code_word
from film_archive.testing.cache import cached_folder
from film_archive.testing.frame_code import FrameCode, clip_id
from film_archive.testing.picture import Painter

_ENDINGS = {"dpx": "dpx", "exr": "exr", "tiff": "tif", "jpeg": "jpg"}
_MADE = "2024:06:12 10:00:00"
"""Without a date of its own OpenImageIO writes the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceSpec:
    """An image sequence to be made; `first_number` is the number in the first file's name."""

    name: str
    format: str = "dpx"
    """"dpx", "exr", "tiff" or "jpeg"."""
    width: int = 320
    height: int = 180
    rate: FrameRate = FrameRate(24, 1)  # noqa: RUF009  a fraction, which does not change
    frames: int = 8
    start: Timecode | None = None
    reel: str | None = None
    first_number: int = 86_400
    digits: int = 7
    missing: tuple[int, ...] = ()
    """Frames, counted from 0, whose files are left out."""
    pixel_aspect: Fraction = Fraction(1)
    compression: str | None = None
    """Of EXR ("zip", "dwaa:45", …) or TIFF."""

    def file_name(self, number: int) -> str:
        """The name of a frame's file, the frame counted from 0."""
        return f"{self.name}.{self.first_number + number:0{self.digits}d}.{_ENDINGS[self.format]}"

    def timecode(self, number: int) -> Timecode | None:
        return None if self.start is None else self.start + number

    def code(self, number: int) -> FrameCode:
        """What `read_frame_code` answers for a frame of this sequence."""
        label = self.timecode(number)
        if label is None:
            return FrameCode(clip_id(self.name), number)
        return FrameCode(clip_id(self.name), number, label.total_frames, label.drop_frame)


def make_sequence(spec: SequenceSpec, folder: Path) -> tuple[Path, ...]:
    """Make the files of a sequence in a folder; returns those that are there, in order."""
    if spec.format not in _ENDINGS:
        raise NotSupported(f"Sequences of {spec.format} are not made here; what is: {', '.join(_ENDINGS)}.")
    painter = Painter.of(spec.width, spec.height, spec.name)
    made = []
    for number in range(spec.frames):
        if number not in spec.missing:
            target = folder / spec.file_name(number)
            _write(spec, number, painter.frame(number, spec.timecode(number)), target)
            made.append(target)
    return tuple(made)


def cached_sequence(spec: SequenceSpec, folder: Path) -> tuple[Path, ...]:
    """The sequence of a spec out of a folder, where it is made when first asked for."""
    place = cached_folder(spec, folder, lambda here: make_sequence(spec, here))
    return tuple(sorted(place.iterdir()))


def _write(spec: SequenceSpec, number: int, picture: NDArray[np.uint8], target: Path) -> None:
    import OpenImageIO as oiio  # noqa: N813  the name its own documentation uses

    pixels, kind = _pixels(spec.format, picture)
    image = oiio.ImageSpec(spec.width, spec.height, 3, kind)
    for name, value in _attributes(spec, number):
        image.attribute(name, value)
    label = spec.timecode(number)
    if label is not None and spec.format in ("dpx", "exr"):
        image.attribute("smpte:TimeCode", oiio.TypeTimeCode, (code_word(label), 0))
    if spec.format == "exr":
        rate = (spec.rate.numerator, spec.rate.denominator)
        image.attribute("framesPerSecond", oiio.TypeDesc("rational"), rate)
    output = oiio.ImageOutput.create(str(target))
    if output is None:
        raise NotSupported(f"OpenImageIO cannot write {target.name} here: {oiio.geterror()}.")
    try:
        if not output.open(str(target), image) or not output.write_image(pixels):
            raise StorageError(f"Could not write {target}: {output.geterror()}.")
    finally:
        output.close()
    if spec.format == "dpx":
        with open(target, "r+b") as made:  # OpenImageIO stores the whole path, which differs from machine to machine
            made.seek(36)
            made.write(target.name.encode()[:99].ljust(100, b"\0"))


def _pixels(kind: str, picture: NDArray[np.uint8]) -> tuple[NDArray[Any], str]:
    """The picture as the format stores it: EXR scene-linear (gamma 2.4 undone), DPX and TIFF 16 bits, JPEG 8."""
    if kind == "exr":
        return (picture.astype(np.float32) / 255) ** np.float32(2.4), "half"
    if kind == "jpeg":
        return picture, "uint8"
    return picture.astype(np.uint16) * np.uint16(257), "uint16"


def _attributes(spec: SequenceSpec, number: int) -> list[tuple[str, Any]]:
    attributes: list[tuple[str, Any]] = [
        ("PixelAspectRatio", float(spec.pixel_aspect)),
        ("DateTime", _MADE),
        ("Software", "film-archive test footage"),
    ]
    if spec.compression is not None:
        attributes.append(("compression", spec.compression))
    if spec.format == "dpx":
        attributes += [
            ("oiio:BitsPerSample", 10),
            ("dpx:Transfer", "ITU-R 709-4"),
            ("dpx:FrameRate", float(spec.rate)),
            ("dpx:TemporalFrameRate", float(spec.rate)),
            ("dpx:FramePosition", spec.first_number + number),
            ("dpx:SequenceLength", spec.frames),
            ("dpx:SourceImageFileName", spec.name),
        ]
    if spec.format == "jpeg":
        attributes.append(("compression", "jpeg:95"))
    if spec.reel is not None:
        place = {"dpx": "dpx:InputDevice", "exr": "reelName"}.get(spec.format)
        attributes.append(("ImageDescription", f"reel {spec.reel}") if place is None else (place, spec.reel))
    return attributes
