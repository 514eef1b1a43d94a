"""Opening a ByteSource with OpenImageIO; within `media/` the only place that touches it.

OpenImageIO's Python binding reads files by name only (it has no IOProxy). A source that is a whole file is opened as it
lies; any other (a member of an archive, bytes in memory) is first copied into a temporary file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.digest import read_ahead
from film_archive.core.errors import Damaged, NotSupported, from_os_error
from film_archive.core.source import ByteSource

if TYPE_CHECKING:
    from OpenImageIO import ImageInput

MAXIMUM_COPY = 1 << 32
"""An image that has to be copied before it can be opened is refused above this size."""
_MAXIMUM_PIXELS = 1 << 28


@contextmanager
def open_image(source: ByteSource, extension: str) -> Iterator[ImageInput]:
    """An OpenImageIO input over a source; `extension` ("exr") names the format that its content was seen to be.

    Raises Damaged where OpenImageIO makes no sense of it, NotSupported where it is too large to be copied.
    """
    path = _plain_path(source)
    if path is not None:
        with _opened(path, source.name) as image:
            yield image
        return
    if source.size > MAXIMUM_COPY:
        raise NotSupported(
            f"{source.name} has {source.size} bytes, too many for a temporary file; unpack it and open the file."
        )
    with _copied(source, extension) as copy, _opened(copy, source.name) as image:
        yield image


def image_version() -> str | None:
    """OpenImageIO's; None where it is not there."""
    try:
        import OpenImageIO as oiio  # noqa: N813  the name its own documentation uses
    except ImportError:
        return None
    return str(oiio.VERSION_STRING)


def read_pixels(source: ByteSource, extension: str) -> NDArray[Any]:
    """An image's red, green and blue as (height, width, 3) of uint8, uint16, float16 or float32, as the file has them.

    An image of one channel is gray. What the file shows is its display window: what lies outside is left out, and what its
    data does not fill is black. Raises Damaged where its pixels can't be read.
    """
    with open_image(source, extension) as image:
        spec = image.spec()
        names = list(spec.channelnames)
        kind = {"uint8": "uint8", "uint16": "uint16", "half": "half"}.get(str(spec.format), "float")
        if max(spec.width, spec.full_width, 1) * max(spec.height, spec.full_height, 1) > _MAXIMUM_PIXELS:
            raise Damaged(f"{source.name} claims {spec.width}×{spec.height} pixels; it is damaged or no picture.")
        pixels = image.read_image(0, 0, 0, spec.nchannels, kind)
        if pixels is None:
            raise Damaged(f"{source.name}: its pixels could not be read; it is damaged or cut short.")
    pixels = np.asarray(pixels).reshape(spec.height, spec.width, -1)
    wanted = [names.index(name) for name in "RGB"] if {"R", "G", "B"} <= set(names) else list(range(pixels.shape[2]))[:3]
    places = wanted if len(wanted) == 3 else wanted[:1] * 3
    colors = pixels[:, :, :3] if places == [0, 1, 2] else pixels[:, :, places]  # a list of places copies
    if (spec.x, spec.y, spec.width, spec.height) == (spec.full_x, spec.full_y, spec.full_width, spec.full_height):
        return colors
    shown = np.zeros((spec.full_height, spec.full_width, 3), colors.dtype)
    left, top = spec.x - spec.full_x, spec.y - spec.full_y
    rows = slice(max(0, top), min(spec.full_height, top + spec.height))
    columns = slice(max(0, left), min(spec.full_width, left + spec.width))
    if rows.start < rows.stop and columns.start < columns.stop:
        shown[rows, columns] = colors[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return shown


@contextmanager
def _copied(source: ByteSource, extension: str) -> Iterator[str]:
    """The path of a temporary file with a source's bytes."""
    try:
        copy = tempfile.NamedTemporaryFile(prefix="film-archive-", suffix=f".{extension}", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise from_os_error(error, f"make a temporary file for {source.name}") from error
    with copy:  # unbuffered, so that closing it has nothing left to write
        for block in read_ahead(source):
            left = block
            while left:
                try:
                    left = left[copy.write(left) :]
                except OSError as error:
                    raise from_os_error(error, f"copy {source.name} into a temporary file") from error
        yield copy.name


@contextmanager
def _opened(path: str, name: str) -> Iterator[ImageInput]:
    import OpenImageIO

    image = OpenImageIO.ImageInput.open(path)
    if image is None:
        raise Damaged(f"{name} could not be opened as an image ({_last_error(path)}); it is damaged or cut short.")
    try:
        yield image
    finally:
        image.close()


def _plain_path(source: ByteSource) -> str | None:
    """The path by which OpenImageIO finds exactly these bytes, if there is one."""
    extent = source.extent()
    if extent is None or extent.offset != 0:
        return None
    path = str(extent.path)
    if "?" in path or not path.isprintable():  # all behind a "?" would be read as options; surrogates can't be passed
        return None
    try:
        return path if extent.path.stat().st_size == extent.length else None
    except OSError:
        return None


def _last_error(path: str) -> str:
    import OpenImageIO

    try:
        lines = OpenImageIO.geterror().splitlines()
    except UnicodeDecodeError:  # it quotes the file's own bytes
        lines = []
    text = " ".join((lines[0] if lines else "").replace(path, "").split())
    return text.rstrip(".") if text.isprintable() and text else "no reason given"
