"""Writing a plate's EXR, with what its header is to say; it appears under its name when it is whole.

Names of attributes are those of OpenEXR's standard attributes ("timeCode" and "framesPerSecond" as OpenImageIO calls
them), so that Nuke, Resolve and Baselight show them without being told.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core import files
from film_archive.core.errors import NoSpace, NotSupported, StorageError, UsageError
from film_archive.core.source import FileSource, printable
from film_archive.core.timecode import Timecode
from film_archive.media.codeword import code_word
from film_archive.media.exr import exr_problem

COMPRESSIONS = ("none", "rle", "zip", "zips", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
"""OpenEXR's, in OpenImageIO's names; the last two take a level: "dwaa:15"."""
BIT_DEPTHS = ("half", "float")

Attributes = Mapping[str, object]


@cache
def library() -> Any:
    """OpenImageIO, set so that each frame is worked on by the thread that asked: frames run side by side instead."""
    import OpenImageIO as oiio  # noqa: N813  the name its own documentation uses

    oiio.attribute("threads", 1)
    oiio.attribute("exr_threads", -1)
    return oiio


def require_format(compression: str, bit_depth: str) -> None:
    """Raise UsageError for a compression or a depth that EXR has not."""
    name, colon, level = compression.partition(":")
    if name not in COMPRESSIONS:
        raise UsageError(f"EXR has no compression {compression!r}; it has: {', '.join(COMPRESSIONS)}.")
    if colon and (not name.startswith("dwa") or not _is_level(level)):
        raise UsageError(f"{compression!r} is no compression: a level is a number above 0 behind dwaa or dwab, as in dwaa:15.")
    if bit_depth not in BIT_DEPTHS:
        raise UsageError(f"A plate of {bit_depth!r} can't be written; there are: {', '.join(BIT_DEPTHS)}.")


def _is_level(text: str) -> bool:
    try:
        return 0 < float(text) < 1e6
    except ValueError:
        return False


def write_exr(
    target: Path,
    pixels: NDArray[np.float16] | NDArray[np.float32],
    *,
    compression: str = "dwaa:15",
    pixel_aspect: Fraction = Fraction(1),
    attributes: Attributes | None = None,
    replace: bool = False,
) -> int:
    """Write (height, width, 3) pixels as EXR of their own depth; returns its bytes.

    Raises Refused where the target exists, NoSpace, StorageError; nothing is then left of it.
    """
    oiio = library()
    height, width, _ = pixels.shape
    spec = oiio.ImageSpec(width, height, 3, "half" if pixels.dtype == np.float16 else "float")
    spec.attribute("compression", compression)
    spec.attribute("PixelAspectRatio", float(pixel_aspect))
    spec.attribute("DateTime", "")  # or it writes the present time as the time of capture
    for name, value in (attributes or {}).items():
        _put(oiio, spec, name, value)
    with files.AtomicFile(target, replace=replace) as new:
        output = oiio.ImageOutput.create("openexr")
        if output is None:
            raise NotSupported("This OpenImageIO can't write OpenEXR; install the package openimageio again.")
        try:
            done = output.open(str(new.temporary), spec) and output.write_image(pixels)
        finally:
            done = output.close() and done
        if not done:
            raise _failure(target, output.geterror(), pixels.nbytes)
        with FileSource(new.temporary) as written:
            problem = exr_problem(written)
            size = written.size
        if problem is not None:  # a disk that was full meanwhile, of which the library says nothing
            raise _failure(target, problem, pixels.nbytes)
        new.commit()
    return size


def _failure(target: Path, reason: str, needed: int) -> StorageError:
    said = " ".join(reason.replace(str(target.parent), "").split()).rstrip(".")
    if files.free_space(target.parent) < needed or "No space left" in reason:
        return NoSpace(f"Could not write {printable(target)}: the disk is full ({said}); nothing was kept of it.")
    return StorageError(f"Could not write {printable(target)}: {said}; nothing was kept of it.")


def _put(oiio: Any, spec: Any, name: str, value: object) -> None:
    if isinstance(value, Timecode):
        spec.attribute(name, oiio.TypeTimeCode, (code_word(value), 0))
    elif isinstance(value, Fraction):
        spec.attribute(name, oiio.TypeDesc("rational"), (value.numerator, value.denominator))
    elif isinstance(value, tuple):
        spec.attribute(name, oiio.TypeDesc(f"float[{len(value)}]"), tuple(float(each) for each in value))
    elif isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UsageError(f"{name}: a header has no place for a {type(value).__name__}.")
    elif isinstance(value, int) and not -(1 << 31) <= value < 1 << 31:
        spec.attribute(name, str(value))
    else:
        spec.attribute(name, value)


def read_attribute(path: Path, name: str) -> str | None:
    """A text attribute of an EXR's header; None where the file is not there, no EXR, or has none."""
    image = library().ImageInput.open(str(path))
    if image is None:
        library().geterror()  # or it would be printed at the end of the program
        return None
    try:
        value = image.spec().getattribute(name)
    finally:
        image.close()
    return value if isinstance(value, str) else None


def is_whole(path: Path) -> bool:
    """Whether all of an EXR is there that its header promises."""
    with FileSource(path) as source:
        return exr_problem(source) is None
