"""The reduced-resolution decoder of ProRes as Python sees it: sizes, pixel formats, planes, and what was damaged.

A slice of ProRes codes the mean of all its blocks first and then ever finer detail (SMPTE RDD 36, 5.3 and 7.2), so
decoding can stop early. The work is done by the extension `_reduced`, which is built at install where there is a
compiler; without it `available()` is False and pictures are decoded in full by FFmpeg.

What comes out is the full picture averaged over boxes of 2 × 2, 4 × 4 or 8 × 8 samples, each plane on its own, as far as
the detail that was decoded tells it: exact up to rounding at an eighth, 40 to 65 dB from exact at a quarter and a half.
An interlaced frame is averaged over its frame lines, so both fields are blended. Alpha is left out. Values stay in video
range.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, FilmArchiveError, NotSupported, UsageError

try:
    import film_archive.media.prores._reduced as _reduced
except ImportError as error:
    _missing: ImportError | None = error
else:
    _missing = None

REDUCTIONS = (8, 4, 2)
"""By what a picture's sides can be divided, the fastest first."""


class Buffer(Protocol):
    """What gives access to its bytes: bytes, a memoryview, a packet or a plane of PyAV."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class PixelFormat(NamedTuple):
    """How samples lie in planes of Y, Cb and Cr."""

    bits: int
    """Of a sample: 8 in bytes, 10 and 12 in 16-bit words of the machine's byte order, in their low bits."""
    shift_x: int
    """Chroma is as wide as luma, halved so many times and rounded up."""
    shift_y: int


_ORDER = "le" if sys.byteorder == "little" else "be"
PIXEL_FORMATS = {
    f"{name}{bits}{_ORDER}" if bits > 8 else name: PixelFormat(bits, *shifts)
    for bits in (8, 10, 12)
    for name, shifts in {"yuv420p": (1, 1), "yuv422p": (1, 0), "yuv444p": (0, 0)}.items()
}
"""FFmpeg's names of what can be asked for. From 4:2:2 there is no way to 4:4:4."""


_DAMAGES = {
    1: "it ends within its header or its table of slices",
    2: 'it does not begin with a size and "icpf"',
    3: "the sizes in its headers contradict each other",
    4: "its header tells another size",
    5: "its header has values that the standard reserves",
}
_UNSUPPORTED = {
    6: "its bitstream has a version that is not known",
    7: "it is 4:2:2 and 4:4:4 was asked for",
}
"""The statuses of picture.h."""


@dataclass(frozen=True, slots=True)
class ReducedFrame:
    """A decoded picture, and how much of it could not be decoded."""

    planes: tuple[NDArray[Any], ...]
    """Y, Cb, Cr as (lines, samples) of uint8 or uint16: new ones, or views of those that were given."""
    slices: int
    """Of both fields, where there are two."""
    bad_slices: int
    """Damaged in what had to be read. They are mid-grey, or in an interlaced frame taken from the other field."""

    @property
    def corrupt(self) -> bool:
        return self.bad_slices > 0


def available() -> bool:
    """Whether the extension was built at install and loads here."""
    return _missing is None


def engine() -> str:
    """One line that says how ProRes is decoded for small proxies here, and why."""
    if _missing is not None:
        return f"ProRes for small proxies: decoded in full by FFmpeg, as the reduced decoder was not built ({_missing})"
    return f"ProRes for small proxies: decoded at 1/2, 1/4 or 1/8 size by the reduced decoder ({_reduced.instructions()})"


def reduced_size(width: int, height: int, reduction: int) -> tuple[int, int]:
    """(width, height) of the result: the sides divided by `reduction` and rounded up.

    Where a side doesn't divide, its last column or line also averages what the coder filled its macroblock up with
    (coders known to us repeat the edge).
    """
    return -(-width // reduction), -(-height // reduction)


def best_reduction(width: int, height: int, wanted_width: int, wanted_height: int) -> int | None:
    """The largest reduction whose result still covers the wanted size, so that it is never scaled up.

    None where the picture has to be decoded in full: the wanted size is more than half the original's.
    """
    for reduction in REDUCTIONS:
        wide, high = reduced_size(width, height, reduction)
        if wide >= wanted_width and high >= wanted_height:
            return reduction
    return None


class ReducedDecoder:
    """Decodes frames of one size to planes of one format; holds no state, so any number of threads may share it."""

    def __init__(self, width: int, height: int, reduction: int, pixel_format: str = "yuv420p") -> None:
        """For frames of `width` × `height` samples, both 1 to 65535.

        Raises UsageError for a reduction or format that is not offered, NotSupported where the extension is missing.
        """
        if _missing is not None:
            raise NotSupported(f"The reduced decoder of ProRes was not built here ({_missing}); decode in full instead.")
        if reduction not in REDUCTIONS:
            raise UsageError(f"ProRes can be decoded at 1/2, 1/4 or 1/8 of its size, not 1/{reduction}.")
        if pixel_format not in PIXEL_FORMATS:
            raise UsageError(f"ProRes can't be decoded to {pixel_format!r}; ask for one of {', '.join(PIXEL_FORMATS)}.")
        if not (0 < width < 65536 and 0 < height < 65536):
            raise UsageError(f"No ProRes frame is {width}×{height}; both sides are 1 to 65535.")
        self.source_width, self.source_height = width, height
        self.reduction = reduction
        self.pixel_format = pixel_format
        self.width, self.height = reduced_size(width, height, reduction)
        self._format = PIXEL_FORMATS[pixel_format]

    @property
    def plane_sizes(self) -> tuple[tuple[int, int], ...]:
        """(lines, samples) of Y, Cb, Cr."""
        chroma = -(-self.height >> self._format.shift_y), -(-self.width >> self._format.shift_x)
        return (self.height, self.width), chroma, chroma

    def decode(
        self,
        packet: Buffer,
        planes: Sequence[Buffer | NDArray[Any]] | None = None,
        line_sizes: Sequence[int] | None = None,
    ) -> ReducedFrame:
        """Decode one frame: a sample of a QuickTime file or an element of an MXF file, beginning with its size and "icpf".

        The picture goes into `planes` if they are given: writable buffers of Y, Cb and Cr, each line of which begins
        `line_sizes` bytes after the one before (a frame's planes and their `line_size` in PyAV; default: no gap).
        Other threads run meanwhile. A slice that is damaged is counted and filled; raises Damaged where the frame's or
        a picture's header is, or tells another size than the decoder's; NotSupported for what the standard reserves, and
        for 4:4:4 out of 4:2:2; UsageError where planes are too small. Planes may then be partly written.
        """
        kind = np.dtype(np.uint8 if self._format.bits == 8 else np.uint16)
        if planes is None:
            planes = tuple(np.empty(size, kind) for size in self.plane_sizes)
        if line_sizes is None:
            line_sizes = [samples * kind.itemsize for _, samples in self.plane_sizes]
        try:
            status, slices, bad = _reduced.decode(
                packet, self.source_width, self.source_height, self.reduction, *self._format, tuple(planes), tuple(line_sizes)
            )
        except (ValueError, BufferError) as error:
            raise UsageError(f"No ProRes frame can be decoded into these planes: {error}.") from error
        if status:
            raise self._error(status)
        shown = tuple(
            np.ndarray(size, kind, memoryview(cast(Buffer, plane)), strides=(line_size, kind.itemsize))
            for size, plane, line_size in zip(self.plane_sizes, planes, line_sizes, strict=True)
        )
        return ReducedFrame(shown, slices, bad)

    def _error(self, status: int) -> FilmArchiveError:
        size = f"{self.source_width}×{self.source_height}"
        if status in _UNSUPPORTED:
            return NotSupported(f"A ProRes frame can't be decoded reduced: {_UNSUPPORTED[status]}; decode in full instead.")
        return Damaged(f"A ProRes frame of {size} can't be decoded: {_DAMAGES[status]}; nothing of it is shown.")
