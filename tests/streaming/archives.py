"""Small archives for the tests of streaming and the server."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from film_archive.archive import layout
from film_archive.archive.writer import EPOCH_NS, ZipWriter
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex, Packets
from film_archive.core.member import Role
from film_archive.core.source import MemorySource
from film_archive.core.timecode import FrameRate, Timecode

MTIME_NS = EPOCH_NS + 86_400 * 10**9 + 7


def pattern(size: int, seed: int = 1) -> bytes:
    """Bytes in which no two places look alike for long."""
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def make_archive(
    target: Path,
    files: Mapping[str, bytes],
    *,
    indexes: Mapping[str, FrameIndex] | None = None,
    media: Mapping[str, MediaFacts] | None = None,
    proxies: Mapping[str, tuple[str, bytes, Mapping[str, object]]] | None = None,
) -> Path:
    """An archive of ours. `proxies`: original → (size's name, bytes, what its record says)."""
    with ZipWriter.create(target) as writer:
        for path, data in files.items():
            facts = {"media": media[path]} if media and path in media else {}
            writer.add(path, MemorySource(data), identity=path, mtime_ns=MTIME_NS, **facts)
        for path, index in (indexes or {}).items():
            name = layout.index_path(path)
            writer.add_bytes(name, index.to_bytes(), identity=name, role=Role.FRAMES, of=path)
        for path, (size, data, record) in (proxies or {}).items():
            name = layout.proxy_path(path, size)
            writer.add_bytes(name, data, identity=name, role=Role.PROXY, of=path, proxy={"size": size, **record})
        writer.finish()
    return target


def make_foreign_zip(target: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as made:
        for path, data in files.items():
            made.writestr(path, data)
    return target


def index_of(groups: Sequence[Sequence[int]], *, size: int = 100, rate: FrameRate | None = None) -> FrameIndex:
    """An index of frames in decode order: each group begins with a keyframe and lists its frames' numbers."""
    rate = rate or FrameRate(24, 1)
    numbers = np.array([number for group in groups for number in group], np.int64)
    keys = np.array([place == 0 for group in groups for place in range(len(group))], np.bool_)
    sizes = size + numbers % 7
    offsets = 1000 + np.cumsum(sizes) - sizes
    ticks = rate.denominator
    packets = Packets(offsets, sizes, numbers * ticks, len(numbers) * ticks, Fraction(rate.numerator))
    return FrameIndex(packets, keys, rate)


def facts_of(label: str, rate: FrameRate, frames: int) -> MediaFacts:
    return MediaFacts(
        container="mov",
        codec="prores_422",
        profile="422 HQ",
        width=1920,
        height=1080,
        frame_rate=rate,
        frames=frames,
        start_timecode=Timecode.from_string(label, rate),
    )
