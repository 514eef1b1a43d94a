"""A frame's samples as they lie in its file, ready to be unpacked while they are scaled.

DPX of 10 and 16 bits is taken apart here: it is what exporters write, and unpacking it by a library costs more than
scaling it. All other images are read by OpenImageIO.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, from_os_error
from film_archive.core.source import FileSource, printable
from film_archive.media.dpx import DpxHeader, is_dpx, read_dpx
from film_archive.media.images import read_pixels

Floats = NDArray[np.float32]

LARGEST_PICTURE = 1 << 28
"""Pixels of a frame; a header that claims more is not believed."""


class Kind(IntEnum):
    """How samples are stored; numbered as in _resample.c."""

    TEN_BIG = 0
    """32-bit words, most significant byte first: red, green and blue of 10 bits, two bits of padding."""
    TEN_LITTLE = 1
    BYTES = 2
    WORDS = 3
    """16 bits in the machine's byte order: whole numbers, or half floats taken as such."""
    SWAPPED_WORDS = 4
    FLOATS = 5


CODES = {Kind.TEN_BIG: 1 << 10, Kind.TEN_LITTLE: 1 << 10, Kind.BYTES: 1 << 8, Kind.WORDS: 1 << 16, Kind.SWAPPED_WORDS: 1 << 16}
"""How many values a sample can have; floats have no codes."""


@dataclass(frozen=True, eq=False)
class Raster:
    """A picture's samples: `data` from byte `offset` on, `line` bytes from line to line, `channels` samples a pixel.

    The first three samples of a pixel are red, green and blue. `is_half` tells that words are half floats.
    """

    data: NDArray[np.uint8]
    kind: Kind
    width: int
    height: int
    offset: int = 0
    line: int = 0
    channels: int = 3
    is_half: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    def values(self, first: int, end: int, curves: Floats | None) -> Floats:
        """The lines from `first` to before `end` as (lines, width, 3) floats, each sample through its channel's curve."""
        lines = self._lines(first, end)
        if self.kind is Kind.FLOATS:
            return np.ascontiguousarray(lines, np.float32)
        assert curves is not None
        return np.stack([curves[channel][lines[..., channel]] for channel in range(3)], axis=-1)

    def _lines(self, first: int, end: int) -> NDArray[Any]:
        """(lines, width, 3) samples: codes, or floats."""
        bytes_each = {Kind.BYTES: 1, Kind.FLOATS: 4, Kind.TEN_BIG: 4, Kind.TEN_LITTLE: 4}.get(self.kind, 2)
        samples = self.width * (1 if self.kind <= Kind.TEN_LITTLE else self.channels)
        rows = np.lib.stride_tricks.as_strided(
            self.data[self.offset + first * self.line :], (end - first, samples * bytes_each), (self.line, 1), writeable=False
        )
        stored: Any = {
            Kind.TEN_BIG: ">u4",
            Kind.TEN_LITTLE: "<u4",
            Kind.BYTES: "u1",
            Kind.WORDS: "u2",
            Kind.SWAPPED_WORDS: np.dtype("u2").newbyteorder("S"),
            Kind.FLOATS: "f4",
        }[self.kind]
        numbers = np.frombuffer(np.ascontiguousarray(rows).data, np.dtype(stored)).reshape(end - first, samples)
        if self.kind <= Kind.TEN_LITTLE:
            return np.stack([numbers >> shift & 1023 for shift in (22, 12, 2)], axis=-1)
        colors: NDArray[Any] = numbers.reshape(end - first, self.width, self.channels)[:, :, :3]
        return colors


def raster_of(pixels: NDArray[Any]) -> Raster:
    """A raster of an array of (height, width, 3) uint8, uint16, float16 or float32."""
    pixels = np.ascontiguousarray(pixels)
    kind = {"uint8": Kind.BYTES, "uint16": Kind.WORDS, "float16": Kind.WORDS}.get(pixels.dtype.name, Kind.FLOATS)
    if kind is Kind.FLOATS:
        pixels = np.ascontiguousarray(pixels, np.float32)
    height, width, channels = pixels.shape
    line = width * channels * pixels.itemsize
    half = pixels.dtype == np.float16
    return Raster(pixels.reshape(-1).view(np.uint8), kind, width, height, 0, line, channels, half)


def read_raster(path: Path) -> Raster:
    """Read a frame.

    Raises NotFound, Damaged where it is no image or cut short, StorageError where the disk fails.
    """
    with FileSource(path) as source:
        if is_dpx(source.read_at(0, 4)):
            header = read_dpx(source)
            _require_size(header.width, header.height, path)
            plain = _plain(header)
            if plain is not None:
                kind, offset, line, channels = plain
                end = offset + (header.height - 1) * line + _line_bytes(header, kind, channels)
                if source.size < end:
                    raise Damaged(f"{printable(path)} is cut short: its picture ends at byte {end}, the file at {source.size}.")
                try:
                    data = np.fromfile(path, np.uint8, end)
                except OSError as error:
                    raise from_os_error(error, f"read {printable(path)}") from error
                if len(data) < end:
                    raise Damaged(f"{printable(path)} became shorter while it was read.")
                return Raster(data, kind, header.width, header.height, offset, line, channels)
        return raster_of(read_pixels(source, path.suffix.lstrip(".") or "exr"))


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) of a frame by its header; raises as `read_raster` does."""
    from film_archive.media.stills import still_facts

    with FileSource(path) as source:
        facts = still_facts(source)
    assert facts.width is not None
    assert facts.height is not None
    return facts.width, facts.height


def _plain(header: DpxHeader) -> tuple[Kind, int, int, int] | None:
    """(kind, offset, bytes a line, samples a pixel) of DPX that needs no library; None for all other."""
    channels = {"RGB": 3, "RGBA": 4}.get(header.components or "")
    if channels is None or header.elements != 1 or header.orientation != 0 or header.encoding != 0:
        return None
    padding = header.line_padding
    if padding > 1 << 16:
        return None
    if header.bit_depth == 10 and header.packing == 1 and channels == 3:
        kind = Kind.TEN_BIG if header.big_endian else Kind.TEN_LITTLE
        return kind, header.image_offset, header.width * 4 + padding, 3
    if header.bit_depth == 16:
        native = np.little_endian != header.big_endian
        kind = Kind.WORDS if native else Kind.SWAPPED_WORDS
        return kind, header.image_offset, header.width * 2 * channels + padding, channels
    return None


def _line_bytes(header: DpxHeader, kind: Kind, channels: int) -> int:
    return header.width * (4 if kind <= Kind.TEN_LITTLE else 2 * channels)


def _require_size(width: int, height: int, path: Path) -> None:
    if width * height > LARGEST_PICTURE:
        raise Damaged(f"{printable(path)} claims {width}×{height} pixels; it is damaged or no picture.")
