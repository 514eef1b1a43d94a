"""Indexing an hour of 4K ProRes with two sound tracks, from its sample tables."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from film_archive.core.source import FileSource
from film_archive.core.timecode import Timecode
from film_archive.media.cutting.mov_writer import CutTrack, lay_out
from film_archive.media.mov import MovFile

FRAMES = 86_400


def run(folder: Path, runs: int) -> None:
    path = folder / "hour.mov"
    _sparse_hour(path)
    seconds, stored = [], 0
    for _ in range(runs + 1):
        with FileSource(path) as source:
            begun = time.perf_counter()
            index = MovFile.open(source).index()
            seconds.append(time.perf_counter() - begun)
        assert index.frames == FRAMES
        stored = len(index.to_bytes())
    print(f"{FRAMES} frames and 2 × {FRAMES} chunks of sound, warm {statistics.median(seconds[1:]):8.3f} s")
    print(f"stored frame index {stored} bytes")


def _sparse_hour(path: Path) -> None:
    """A file with the tables of an hour; its media is a hole."""
    sizes = np.random.default_rng(1).integers(3_000_000, 4_200_000, FRAMES).astype(np.int64)
    sound = 2000 * 3
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes + 2 * sound)[:-1]))
    video = CutTrack(
        handler=b"vide",
        description=(86).to_bytes(4, "big") + b"apch" + bytes(6) + b"\0\1" + bytes(16) + (3840).to_bytes(2, "big")
        + (2160).to_bytes(2, "big") + bytes(50),
        timescale=24,
        offsets=starts,
        counts=np.ones(FRAMES, np.int64),
        sizes=sizes,
        sample_size=0,
        durations=np.ones(FRAMES, np.int64),
        composition=None,
        sync=None,
        begin=0,
        shown=FRAMES,
        width=3840,
        height=2160,
    )
    entry = (52).to_bytes(4, "big") + b"in24" + bytes(6) + b"\0\1" + b"\0\1" + bytes(6) + b"\0\1\0\x10\xff\xfe\0\0"
    entry += (48_000 << 16).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in (1, 3, 3, 2))
    tracks = [
        CutTrack(
            handler=b"soun",
            description=entry,
            timescale=48_000,
            offsets=starts + sizes + number * sound,
            counts=np.full(FRAMES, 2000, np.int64),
            sizes=np.zeros(0, np.int64),
            sample_size=3,
            durations=np.ones(1, np.int64),
            composition=None,
            sync=None,
            begin=0,
            shown=FRAMES * 2000,
        )
        for number in range(2)
    ]
    total = int(starts[-1] + sizes[-1] + 2 * sound)
    layout = lay_out([video, *tracks], total, start=Timecode(1, 0, 0, 0, 24), reel="A001")
    with path.open("wb") as file:
        file.write(layout.head)
        file.truncate(layout.moov_offset)
        file.seek(layout.moov_offset)
        file.write(layout.moov)
