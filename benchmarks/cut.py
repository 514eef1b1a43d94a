"""Cutting 6 GB out of a UHD ProRes HQ clip in an archive: against `cp` and fsync, against `ffmpeg -c copy`, and by reflink."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from benchmarks.footage import cloned_prores, long_prores
from benchmarks.measuring import Side, compare, require_tool, room, sharing_blocks
from film_archive.core.source import FileSource
from film_archive.media.mov import MovFile
from film_archive.workflows.extraction import extract

WANTED = 6_000_000_000
_MINUTES = 10
_FRAME = 3_840_000
"""Bytes, about, of a frame of this footage."""


def run(folder: Path, runs: int) -> None:
    size = min(WANTED, room(folder, 3 * WANTED) // 3)
    clip = long_prores(folder / "A001C001.mov", size // _FRAME + 100, 3840, 2160)
    with FileSource(clip) as source:
        index = MovFile.open(source).index()
    frames = index.frames - 96
    part = folder / "same bytes"
    _copy_part(clip, part, index.frame(48).offset, index.frame(48 + frames - 1).offset)
    size = part.stat().st_size
    print(f"{frames} of {index.frames} frames of 3840×2160 ProRes 422 HQ: {size / 1e9:.2f} GB")
    target, copied, remuxed = folder / "cut.mov", folder / "copy", folder / "ffmpeg.mov"

    def cut() -> None:
        done = extract(str(clip), target, in_point="48", duration=str(frames))
        assert done.frames == frames

    def copy() -> None:
        subprocess.run(["cp", "--reflink=never", part, copied], check=True)
        _sync(copied)

    def remux() -> None:
        seconds = ("-ss", f"{48 / 24:.6f}", "-i", clip, "-t", f"{frames / 24:.6f}")
        subprocess.run([ffmpeg, "-v", "error", "-y", *seconds, "-c", "copy", remuxed], check=True)
        _sync(remuxed)

    def gone(*paths: Path) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
        os.sync()

    ours = Side("extract", cut, lambda: gone(target, copied, remuxed))
    compare(ours, Side("cp --reflink=never, fsync", copy, lambda: gone(target, copied, remuxed)), runs=runs)
    print("the bar is 1.1")
    ffmpeg = require_tool("ffmpeg")
    compare(ours, Side("ffmpeg -c copy, fsync", remux, lambda: gone(target, copied, remuxed)), runs=runs)
    gone(target, copied, remuxed, part)
    clip.unlink()
    by_reflink(folder, runs)


def by_reflink(folder: Path, runs: int) -> None:
    """Ten minutes out of a longer clip, on a file system that shares blocks, in a sparse file on a loop device.

    The clip repeats four seconds of frames whose blocks it shares, so that it takes half a gigabyte and stands for 58.
    """
    with sharing_blocks(folder, 8_000_000_000) as mount:
        if mount is None:
            return
        short = long_prores(folder / "short.mov", 96, 3840, 2160)
        frames = _MINUTES * 60 * 24
        source = cloned_prores(mount / "A001C001.mov", short, frames + 192)
        os.sync()
        for _ in range(runs):
            target = mount / "cut.mov"
            before = shutil.disk_usage(mount).used
            begun = time.perf_counter()
            done = extract(str(source), target, in_point="48", duration=str(frames))
            seconds = time.perf_counter() - begun
            new = shutil.disk_usage(mount).used - before
            assert _frame_of(target, frames - 1) == _frame_of(short, (48 + frames - 1) % 96), "the wrong frame was cut"
            size = target.stat().st_size
            print(
                f"by reflink: {frames / 24 / 60:.1f} minutes, {size / 1e9:.2f} GB in {seconds:.3f} s, {new / 1e6:.2f} MB "
                f"({100 * new / size:.2f} %) new, {done.bytes_shared / 1e9:.2f} GB shared; the bars are 1 s and 1 %"
            )
            target.unlink()
            os.sync()


def _frame_of(clip: Path, number: int) -> bytes:
    with FileSource(clip) as source:
        place = MovFile.open(source).index().frame(number)
        return source.read_at(place.offset, place.size)


def _copy_part(source: Path, target: Path, begin: int, end: int) -> None:
    """A file of the bytes that a cut takes."""
    with source.open("rb") as old, target.open("wb") as new:
        position = begin
        while position < end:
            position += os.copy_file_range(old.fileno(), new.fileno(), min(1 << 30, end - position), position)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
