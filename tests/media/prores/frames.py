"""ProRes frames coded by FFmpeg, decoded in full by FFmpeg, and averaged over boxes: what the reduced decoder is held to."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from film_archive.media.prores import PIXEL_FORMATS

Plane = NDArray[np.float64]
FOURCC = {"proxy": "apco", "lt": "apcs", "standard": "apcn", "hq": "apch", "4444": "ap4h", "4444xq": "ap4x"}


@dataclass(frozen=True, slots=True)
class Coding:
    """A frame to be coded."""

    width: int = 128
    height: int = 96
    profile: str = "hq"
    scan: str = "progressive"
    """"progressive", "tff" or "bff"."""
    content: str = "scene"
    """"scene", "noise", "extremes", "gradient", "text", "flat", "grey"."""
    macroblocks: int = 8
    """In a slice."""
    matrix: str = "auto"
    alpha: int = 0
    """Bits, 4444 only."""
    moving: bool = False
    """Whether the fields show different moments."""
    encoder: str = "prores_ks"
    """FFmpeg has two, written apart: "prores_aw" is the other."""

    @property
    def chroma_444(self) -> bool:
        return self.profile.startswith("4444")


def paint(coding: Coding, seed: int = 0) -> Plane:
    """(lines, samples, 3) of 10-bit Y′CbCr, all at full chroma resolution."""
    rng = np.random.default_rng(seed)
    height, width = coding.height, coding.width
    grid: Plane = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = grid
    if coding.content == "noise":
        return np.asarray(rng.integers(4, 1020, (height, width, 3)), np.float64)
    if coding.content == "extremes":  # whole blocks and single samples at both ends
        checks: Plane = ((x // 8 + y // 8) % 2)[..., None] * np.ones(3)
        checks[rng.random((height, width)) < 0.02] = 0.5
        return 4 + 1015 * checks
    if coding.content == "gradient":
        return np.stack([64 + 876 * x / width, 64 + 896 * y / height, 960 - 896 * x / width], -1)
    if coding.content == "grey":
        return np.full((height, width, 3), (518.0, 506.0, 515.0))
    if coding.content == "flat":
        return np.full((height, width, 3), (300.0, 700.0, 200.0), np.float64)
    if coding.content == "text":
        strokes = (rng.random((height // 3 + 1, width // 2 + 1)) < 0.3).repeat(3, 0).repeat(2, 1)[:height, :width]
        return np.stack([64 + 876.0 * strokes, 512 + 200.0 * strokes, 512 - 300.0 * strokes], -1)
    shift = (y % 2 if coding.moving else 0 * y) * 9
    base = [
        512 + 300 * np.sin((x + shift) / 17) + 100 * np.cos(y / 23),
        512 + 200 * np.cos(x / 31 + y / 50),
        512 + 250 * np.sin((x + y) / 41),
    ]
    return (np.stack(base, -1) + rng.normal(0, 4, (height, width, 1))).clip(16, 1007)


@cache
def packet(coding: Coding, seed: int = 0) -> bytes:
    """The coded frame, as it lies in a QuickTime file."""
    layout = ("yuva444p10le" if coding.alpha else "yuv444p10le") if coding.chroma_444 else "yuv422p10le"
    context: Any = av.CodecContext.create(coding.encoder, "w")
    context.width, context.height, context.pix_fmt = coding.width, coding.height, layout
    context.time_base = Fraction(1, 25)
    if coding.encoder == "prores_ks":
        options = {"profile": coding.profile, "vendor": "apl0", "mbs_per_slice": str(coding.macroblocks)}
        options |= {"quant_mat": coding.matrix, "alpha_bits": str(coding.alpha)}
    else:
        options = {"profile": str(list(FOURCC).index(coding.profile))}
        context.codec_tag = FOURCC[coding.profile]
    if coding.scan != "progressive":
        options["flags"] = "+ildct"
    context.options = options
    frame = av.VideoFrame(coding.width, coding.height, layout)
    painted = paint(coding, seed)
    for number, plane in enumerate(frame.planes):
        samples = painted[..., number % 3]
        if plane.width != coding.width:
            samples = samples[:, ::2]
        into = np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)
        into[:, : plane.width] = samples.astype(np.uint16)
    frame.pts, frame.time_base = 0, context.time_base
    coded = [*context.encode(_marked(frame, coding, layout)), *context.encode(None)]
    assert len(coded) == 1
    return bytes(coded[0])


def _marked(frame: av.VideoFrame, coding: Coding, layout: str) -> av.VideoFrame:
    """The frame with its field order, which only a filter can set."""
    graph = av.filter.Graph()
    entry = graph.add_buffer(
        width=coding.width, height=coding.height, format=av.VideoFormat(layout), time_base=Fraction(1, 25)
    )
    mark = graph.add("setfield", {"progressive": "prog"}.get(coding.scan, coding.scan))
    end = graph.add("buffersink")
    entry.link_to(mark)
    mark.link_to(end)
    graph.configure()
    graph.push(frame)
    marked = graph.pull()
    assert isinstance(marked, av.VideoFrame)
    return marked


def decoded(coded: bytes, fourcc: str = "") -> tuple[list[Plane], int]:
    """Y, Cb, Cr by FFmpeg, and the bits of their samples."""
    width, height = struct.unpack_from(">HH", coded, 16)
    context: Any = av.CodecContext.create("prores", "r")
    context.codec_tag = fourcc or ("ap4h" if coded[20] >> 6 == 3 else "apch")
    context.thread_count = 1
    frames: list[av.VideoFrame] = [*context.decode(av.Packet(coded)), *context.decode(None)]
    (frame,) = frames
    assert (frame.width, frame.height) == (width, height)
    planes = [np.frombuffer(memoryview(plane), np.uint16).reshape(plane.height, -1)[:, : plane.width] for plane in frame.planes]
    return [plane.astype(np.float64) for plane in planes[:3]], 12 if "12" in frame.format.name else 10


def decoded_whole(coded: bytes) -> tuple[list[Plane], int]:
    """The same with what the coder filled the last macroblocks up with: its size told as that of whole macroblocks."""
    width, height = struct.unpack_from(">HH", coded, 16)
    lines = 32 if coded[20] & 0b1100 else 16  # of a row of macroblocks, or of one in each field
    patched = bytearray(coded)
    struct.pack_into(">HH", patched, 16, -(-width // 16) * 16, -(-height // lines) * lines)
    return decoded(bytes(patched))


def box(plane: Plane, high: int, wide: int) -> Plane:
    """Means of boxes of `high` × `wide`; the edge is repeated to fill the last ones."""
    lines, samples = plane.shape
    plane = np.pad(plane, ((0, -lines % high), (0, -samples % wide)), "edge")
    boxes = plane.reshape(plane.shape[0] // high, high, plane.shape[1] // wide, wide)
    return np.asarray(boxes.mean((1, 3)), np.float64)


def boxed(coded: bytes, reduction: int, pixel_format: str) -> list[Plane]:
    """What an exact reduced decoder would give, before rounding: of FFmpeg's full decode, each plane by itself."""
    planes, bits = decoded(coded)
    wanted = PIXEL_FORMATS[pixel_format]
    scale = 2.0 ** (wanted.bits - bits)
    chroma_wide = reduction << wanted.shift_x if coded[20] >> 6 == 3 else reduction
    chroma = (reduction << wanted.shift_y, chroma_wide)
    return [scale * box(plane, *size) for plane, size in zip(planes, [(reduction, reduction), chroma, chroma], strict=True)]


def psnr(ours: NDArray[Any], theirs: Plane, bits: int) -> float:
    """In dB, over what both have (a box that lies wholly in the padding is no part of the picture)."""
    lines, samples = min(ours.shape[0], theirs.shape[0]), min(ours.shape[1], theirs.shape[1])
    error = float(((ours[:lines, :samples] - theirs[:lines, :samples]) ** 2).mean())
    return 999.0 if error == 0 else 10 * float(np.log10((2**bits - 1) ** 2 / error))
