"""Opening a 4K ProRes member and decoding frame 5,000 from inside the archive."""

from __future__ import annotations

from pathlib import Path

from benchmarks.footage import long_prores
from benchmarks.measuring import Side, compare, room
from film_archive.archive.reader import open_archive
from film_archive.core.source import ByteSource, FileSource
from film_archive.media.av.decoding import decode_frames
from film_archive.media.mov import MovFile
from film_archive.workflows.production import create_archive


def run(folder: Path, runs: int) -> None:
    frames = min(6000, room(folder, 20_000_000_000) // 2 // 1_600_000)
    clip = long_prores(folder / "A001C001.mov", frames, 3840, 2160)
    archive = folder / "day.zip"
    create_archive(archive, [clip])
    wanted = min(5000, frames - 1)
    print(f"{clip.stat().st_size / 1e9:.2f} GB, {frames} frames of 3840×2160 ProRes 422 HQ, frame {wanted}, warm")

    def decode(source: ByteSource) -> None:
        index = MovFile.open(source).index()
        picture = next(iter(decode_frames(source, start=wanted, count=1, index=index)))
        assert picture.number == wanted
        assert picture.frame is not None

    def inside() -> None:
        with open_archive(archive) as opened, opened.source(clip.name) as source:
            decode(source)

    def plain() -> None:
        with FileSource(clip) as source:
            decode(source)

    compare(Side("out of the archive", inside), Side("from the plain file", plain), runs=runs)
