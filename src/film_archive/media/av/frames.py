"""Pictures as arrays and as FFmpeg's frames: turning one into the other, and scaling, with the colours right.

Untagged material is taken as BT.709 unless it has exactly a standard-definition size (then BT.601), and as limited
range unless it is RGB or one of FFmpeg's full-range "yuvj" formats.
"""

from __future__ import annotations

import threading
from typing import Any, cast

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from film_archive.core.errors import UsageError

Array = NDArray[Any]

_MATRICES = {  # ITU-T H.273 MatrixCoefficients → swscale's
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_SD_SIZES = {(720, 480), (720, 486), (720, 576), (720, 608), (720, 512), (704, 480), (704, 576), (352, 288), (352, 240)}
_PACKED_DEEP = ("rgb48", "bgr48", "rgba64", "bgra64")
_kept = threading.local()


def frame_of(picture: Array, pixel_format: str | None = None) -> av.VideoFrame:
    """A frame of a picture array.

    Without `pixel_format`: uint8 or uint16 of (height, width) is gray, (height, width, 3) is RGB, (height, width, 4) is
    RGBA. With it, the array is laid out as PyAV has it for that format (planar YUV as stacked planes). Raises
    UsageError where the array fits no format.
    """
    if pixel_format is None:
        deep = picture.dtype == np.uint16
        layout = {2: 1}.get(picture.ndim) or (picture.shape[2] if picture.ndim == 3 else 0)
        names = {1: ("gray", "gray16le"), 3: ("rgb24", "rgb48le"), 4: ("rgba", "rgba64le")}.get(layout)
        if names is None or picture.dtype not in (np.uint8, np.uint16):
            raise UsageError(
                f"An array of {picture.shape} {picture.dtype} is no picture; give gray, RGB or RGBA of 8 or 16 bits."
            )
        pixel_format = names[deep]
    try:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=pixel_format)
    except (ValueError, AssertionError) as error:
        what = f"An array of {picture.shape} {picture.dtype}"
        raise UsageError(f"{what} does not fit {pixel_format}: {error}.") from error
    if _is_rgb(frame) or _is_gray(frame):
        frame.color_range = ColorRange.JPEG
    return frame


def rgb_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The picture as RGB uint8 (height, width, 3), full range."""
    return np.asarray(converted(frame, pixel_format="rgb24").to_ndarray(), np.uint8)


def luma_of(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The picture's luma (Y') as uint8 (height, width), full range."""
    lines = lines_of(converted(frame, pixel_format="yuv420p", full_range=True).planes[0])
    return lines[: frame.height, : frame.width].copy()


def converted(
    frame: av.VideoFrame,
    width: int | None = None,
    height: int | None = None,
    pixel_format: str | None = None,
    *,
    matrix: int | None = None,
    full_range: bool | None = None,
    interpolation: str = "BICUBIC",
    exact: bool = True,
    reformatter: VideoReformatter | None = None,
    threads: int = 1,
) -> av.VideoFrame:
    """A frame scaled, and in another pixel format, matrix (H.273 MatrixCoefficients) and range; a new one, or the same.

    Without `matrix` and `full_range` the source's stay (RGB or gray → YUV: BT.709, limited). Transfer and primaries
    are never converted. A caller who converts in several ways by turns passes a VideoReformatter for each: making its
    tables takes longer than using them. Without `exact` rounding is up to one level off, for half the time. The
    frame is written to meanwhile: one thread at a time has it.
    """
    target = frame.format.name if pixel_format is None else pixel_format
    if target.startswith(_PACKED_DEEP) and not _is_rgb(frame):
        # FFmpeg's own way from 4:2:0 of 8 bits to packed RGB of 16 at the same size mixes the channels up; by planes it does not.
        planes = converted(frame, width, height, "gbrp16le", interpolation=interpolation, exact=exact, threads=threads)
        return (reformatter or _reformatter()).reformat(planes, format=target)
    source_full = _is_full_range(frame)
    to_rgb = _rgb_name(target)
    if full_range is None:
        full_range = to_rgb or (source_full and not _is_rgb(frame) and not _is_gray(frame))
    source_matrix = None if _is_rgb(frame) else matrix_of(frame)
    wanted_matrix = matrix if matrix is not None else source_matrix if source_matrix is not None else 1
    flags = Interpolation[interpolation] | (Interpolation.ACCURATE_RND if exact else 0)
    if to_rgb:
        flags |= Interpolation.FULL_CHR_H_INT
    return (reformatter or _reformatter()).reformat(
        frame,
        width,
        height,
        target,
        src_colorspace=None if source_matrix is None else _MATRICES[source_matrix],
        dst_colorspace=None if to_rgb else _MATRICES.get(wanted_matrix, Colorspace.ITU709),
        src_color_range=ColorRange.JPEG if source_full else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
        interpolation=flags,
        threads=threads,
    )


def _reformatter() -> VideoReformatter:
    """This thread's own."""
    if not hasattr(_kept, "reformatter"):
        _kept.reformatter = VideoReformatter()
    return cast(VideoReformatter, _kept.reformatter)


def copy_of(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame of its own with the same picture: an encoder rewrites the times of what it is given."""
    copy = av.VideoFrame(frame.width, frame.height, frame.format.name)
    for source, target in zip(frame.planes, copy.planes, strict=True):
        into, out = lines_of(target), lines_of(source)
        rows, used = min(len(into), len(out)), min(source.line_size, target.line_size)
        into[:rows, :used] = out[:rows, :used]
    copy.color_range, copy.colorspace = frame.color_range, frame.colorspace
    copy.color_primaries, copy.color_trc = frame.color_primaries, frame.color_trc
    return copy


def lines_of(plane: VideoPlane) -> NDArray[np.uint8]:
    """A plane's memory as rows of bytes, with whatever padding each has; a view."""
    memory: NDArray[np.uint8] = np.frombuffer(cast(Any, plane), np.uint8)  # PyAV's types do not say that it is a buffer
    rows = len(memory) // plane.line_size
    return memory[: rows * plane.line_size].reshape(rows, plane.line_size)


def matrix_of(frame: av.VideoFrame) -> int:
    """The H.273 MatrixCoefficients that a YUV frame is tagged with, or is taken to have."""
    tagged = int(frame.colorspace)
    if tagged in _MATRICES:
        return tagged
    return default_matrix(frame.width, frame.height)


def default_matrix(width: int, height: int) -> int:
    """The H.273 MatrixCoefficients that untagged YUV of this size is taken to have."""
    return 6 if (width, height) in _SD_SIZES else 1


def _is_full_range(frame: av.VideoFrame) -> bool:
    return frame.color_range == ColorRange.JPEG or _is_rgb(frame) or frame.format.name.startswith("yuvj")


def _is_rgb(frame: av.VideoFrame) -> bool:
    return _rgb_name(frame.format.name)


def _is_gray(frame: av.VideoFrame) -> bool:
    return frame.format.name.startswith("gray")


def _rgb_name(name: str) -> bool:
    return name.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "rgb0", "pal8"))
