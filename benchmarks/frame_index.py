"""Indexing an hour of 4K ProRes with two sound tracks from its sample tables, against FFmpeg's demuxer going through it.

PyAV knows a packet's place and size only by reading the packet, so the peer reads the media too; here that is a hole in the
file, which costs less than real bytes would. What FFmpeg's own index alone costs is the time until the file is open.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from benchmarks.measuring import Side, compare
from film_archive.core.source import FileSource
from film_archive.core.timecode import Timecode
from film_archive.media.cutting.mov_writer import CutTrack, lay_out
from film_archive.media.mov import MovFile

FRAMES = 86_400


def run(folder: Path, runs: int) -> None:
    path, minute = folder / "hour.mov", folder / "minute.mov"
    _sparse_hour(path, FRAMES)
    _sparse_hour(minute, FRAMES // 60)

    def ours(clip: Path, frames: int) -> int:
        with FileSource(clip) as source:
            index = MovFile.open(source).index()
        assert index.frames == frames
        return len(index.to_bytes())

    def opened() -> None:
        with av.open(str(path)) as container:
            assert container.streams.video[0].frames == FRAMES

    def demuxed() -> None:
        with av.open(str(minute)) as container:
            places = [(packet.pos, packet.size, packet.pts) for packet in container.demux(video=0) if packet.size]
        assert len(places) == FRAMES // 60

    print(f"{FRAMES} frames of 3840×2160 and 2 × {FRAMES} chunks of sound, {path.stat().st_size / 1e9:.0f} GB (sparse), warm")
    compare(Side("our index of the hour", lambda: ours(path, FRAMES)), Side("PyAV opens it", opened), runs=runs)
    print(f"the first {FRAMES // 60} frames as a file of their own")
    whole = Side("PyAV demuxes it: places, sizes, times", demuxed)
    compare(Side("our index of the minute", lambda: ours(minute, FRAMES // 60)), whole, runs=runs)
    print(f"stored frame index of the hour: {ours(path, FRAMES)} bytes")


def _sparse_hour(path: Path, frames: int) -> None:
    """A file with the tables of so many frames; its media is a hole."""
    sizes = np.random.default_rng(1).integers(3_000_000, 4_200_000, frames).astype(np.int64)
    sound = 2000 * 3
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes + 2 * sound)[:-1]))
    video = CutTrack(
        handler=b"vide",
        description=(86).to_bytes(4, "big") + b"apch" + bytes(6) + b"\0\1" + bytes(16) + (3840).to_bytes(2, "big")
        + (2160).to_bytes(2, "big") + bytes(50),
        timescale=24,
        offsets=starts,
        counts=np.ones(frames, np.int64),
        sizes=sizes,
        sample_size=0,
        durations=np.ones(frames, np.int64),
        composition=None,
        sync=None,
        begin=0,
        shown=frames,
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
            counts=np.full(frames, 2000, np.int64),
            sizes=np.zeros(0, np.int64),
            sample_size=3,
            durations=np.ones(1, np.int64),
            composition=None,
            sync=None,
            begin=0,
            shown=frames * 2000,
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
