"""Frames of ProRes as a target: our reduced decoder answers the same each time, and writes nowhere but into its planes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from film_archive.core.source import FileSource
from film_archive.core.timecode import FrameRate
from film_archive.media.probe import index
from film_archive.media.prores import PIXEL_FORMATS, REDUCTIONS, ReducedDecoder, ReducedFrame, available
from film_archive.testing.fuzz.target import Broken, Sample, Target, answer
from film_archive.testing.media import ClipSpec, make_clip

_GUARD = 64
"""Bytes behind each line and each plane that have to stay as they are."""
_UNTOUCHED = 0xA5
_SIZES = ((64, 48), (45, 49), (130, 44))
_KINDS: tuple[dict[str, object], ...] = (
    {"profile": "422 HQ"},
    {"profile": "422 Proxy", "scan": "tff"},
    {"codec": "prores_4444", "pixel_format": "yuva444p10le", "alpha": True},
)


def _frames(folder: Path) -> Sequence[Sample]:
    """A frame of each kind in each size; `truth` is its (width, height)."""
    samples = []
    for width, height in _SIZES:
        for number, kind in enumerate(_KINDS):
            spec = ClipSpec(name=f"{width}-{number}", width=width, height=height, frames=1, rate=FrameRate(25, 1), **kind)  # type: ignore[arg-type]
            path = make_clip(spec, folder)
            with FileSource(path) as source:
                frame = index(source).frame(0)
                samples.append(Sample(f"{path.stem}.icpf", source.read_at(frame.offset, frame.size), (width, height)))
    return samples


def _examine(sample: Sample, data: bytes, folder: Path) -> None:
    if not available():
        return
    assert isinstance(sample.truth, tuple)
    width, height = sample.truth
    whole = data == sample.data
    for reduction in REDUCTIONS:
        for pixel_format in PIXEL_FORMATS if whole else _some_formats(data):
            decoder = ReducedDecoder(width, height, reduction, pixel_format)
            found = answer(lambda decoder=decoder: _decoded(decoder, data))  # type: ignore[misc]
            again = answer(lambda decoder=decoder: decoder.decode(data))  # type: ignore[misc]
            if (found is None) != (again is None) or (
                found is not None and again is not None and not _alike(found, again)
            ):
                raise Broken(f"it decodes to something else the second time (1/{reduction}, {pixel_format})")
            if whole and found is not None and found.corrupt:
                raise Broken(f"{found.bad_slices} slices of a whole frame are called damaged (1/{reduction}, {pixel_format})")


def _some_formats(data: bytes) -> Sequence[str]:
    """Two of the formats, which follow from the bytes."""
    names = list(PIXEL_FORMATS)
    first = zlib.crc32(data) % len(names)
    return names[first], names[(first + 4) % len(names)]


def _alike(one: ReducedFrame, other: ReducedFrame) -> bool:
    counted = (one.slices, one.bad_slices) == (other.slices, other.bad_slices)
    return counted and all(np.array_equal(mine, theirs) for mine, theirs in zip(one.planes, other.planes, strict=True))


def _decoded(decoder: ReducedDecoder, data: bytes) -> ReducedFrame:
    """Decode into planes with guards between their lines and behind them."""
    wide = 1 if PIXEL_FORMATS[decoder.pixel_format].bits == 8 else 2
    memory = [
        np.full((lines + 1, samples * wide + _GUARD), _UNTOUCHED, np.uint8) for lines, samples in decoder.plane_sizes
    ]
    try:
        return decoder.decode(data, memory, [len(plane[0]) for plane in memory])
    finally:
        for plane, (lines, samples) in zip(memory, decoder.plane_sizes, strict=True):
            if (plane[:, samples * wide :] != _UNTOUCHED).any() or (plane[lines:] != _UNTOUCHED).any():
                raise Broken("it wrote outside its planes")


TARGETS = (Target("prores", _frames, _examine),)
