"""Bundles: writing and extracting them, against released OTIO, and against cp with fsync."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measuring import Side, compare, fill, room, sharing_blocks, used
from film_archive.archive import layout
from film_archive.core import files
from film_archive.workflows.bundle_reading import read_bundle, read_timeline
from film_archive.workflows.bundling import write_bundle
from film_archive.workflows.timelines import Cut

_PARTS = 4


def run(folder: Path, runs: int) -> None:
    size = room(folder, 9_000_000_000) // 4
    media = folder / "media"
    media.mkdir()
    for number in range(_PARTS):
        fill(media / f"A001C{number:03d}.mov", size // _PARTS)
    cut = _timeline(folder / "cut.otio", sorted(media.iterdir()))
    print(f"{_PARTS} files, {size / 1e9:.2f} GB, warm; what is written is on the disk when the time ends")
    ours, theirs, copied = folder / "ours.otioz", folder / "theirs.otioz", folder / "copied"

    def clear() -> None:
        for place in (ours, theirs, copied, folder / "ours.otiod", folder / "extracted"):
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
        _warm(media)
        os.sync()

    def by_cp() -> None:
        shutil.copytree(media, copied, copy_function=_cp)

    def by_otio() -> None:
        import opentimelineio as otio

        otio.adapters.write_to_file(otio.adapters.read_from_file(str(cut.path)), str(theirs))
        _fsync(theirs)

    ours_z = Side("bundle write .otioz", lambda: write_bundle(cut, ours), clear)
    compare(ours_z, Side("OTIO 0.18 write .otioz, fsync", by_otio, clear), runs=runs)
    print("the bar is 0.4: 2.5 times as fast")
    compare(ours_z, Side("cp, fsync", by_cp, clear), runs=runs)
    print("the bar is 1.2")
    compare(
        Side("bundle write .otiod", lambda: write_bundle(cut, folder / "ours.otiod"), clear),
        Side("cp, fsync", by_cp, clear),
        runs=runs,
    )
    print("the bar is 1.1")
    clear()
    kept = folder / "kept.otioz"
    write_bundle(cut, kept)
    compare(
        Side("bundle read", lambda: read_bundle(kept, folder / "extracted"), clear),
        Side("cp, fsync", by_cp, clear),
        runs=runs,
    )
    print("the bar is 1.1")
    clear()
    kept.unlink()
    _content_of_a_large_one(folder, runs)
    shutil.rmtree(media)
    _by_reflink(folder, size, runs)


def _by_reflink(folder: Path, size: int, runs: int) -> None:
    """All three on a file system that shares blocks, with what the processor does and what room they take."""
    with sharing_blocks(folder, 2 * size) as mount:
        if mount is None:
            return
        media = mount / "media"
        media.mkdir()
        for number in range(_PARTS):
            fill(media / f"A001C{number:03d}.mov", size // _PARTS)
        cut = _timeline(mount / "cut.otio", sorted(media.iterdir()))
        works: dict[str, tuple[Path, Callable[[], object]]] = {
            "bundle write .otiod": (mount / "a.otiod", lambda: write_bundle(cut, mount / "a.otiod")),
            "bundle write .otioz": (mount / "a.otioz", lambda: write_bundle(cut, mount / "a.otioz")),
            "bundle read": (mount / "read", lambda: read_bundle(mount / "kept.otioz", mount / "read")),
        }
        write_bundle(cut, mount / "kept.otioz")
        for name, (made, work) in works.items():
            for _ in range(runs):
                os.sync()
                before = shutil.disk_usage(mount).used
                processor, seconds = used(work)
                new = shutil.disk_usage(mount).used - before
                print(f"{f'{name}, by reflink':44} {seconds:9.4f} s, {processor:.4f} s of processor, {new / 1e6:.2f} MB new")
                if made.is_dir():
                    shutil.rmtree(made)
                else:
                    made.unlink()


def _timeline(path: Path, media: list[Path]) -> Cut:
    from film_archive.core.timecode import FrameRange, FrameRate, Timecode
    from film_archive.editorial.otio_library import Shot, write_cut

    start = Timecode.from_string("01:00:00:00", FrameRate.of(24))
    write_cut(path, "bench", [Shot(each.stem, each, start, 1000, FrameRange(0, 100)) for each in media])
    return Cut(path)


def _cp(source: str, target: str) -> None:
    subprocess.run(["cp", "--reflink=never", source, target], check=True)
    _fsync(Path(target))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        files.sync(descriptor)
    finally:
        os.close(descriptor)


def _warm(media: Path) -> None:
    for file in media.iterdir():
        with file.open("rb") as opened:
            while opened.read(1 << 24):
                pass


def _content_of_a_large_one(folder: Path, runs: int) -> None:
    """The timeline out of 100 GB; the medium is a hole, and its CRC is not looked at."""
    small, bundle = folder / "small.mov", folder / "large.otioz"
    fill(small, 1 << 20)
    write_bundle(_timeline(folder / "large.otio", [small]), folder / "small.otioz")
    _widened(read_timeline(folder / "small.otioz"), bundle, 100_000_000_000)
    for name, path in (("of 100 GB (sparse)", bundle), ("of a bundle of ours", folder / "small.otioz")):
        times = []
        for _ in range(max(5, runs)):
            begun = time.perf_counter()
            read_timeline(path)
            times.append((time.perf_counter() - begun) * 1000)
        print(f"{f'content.otio {name}':44} {median(times):9.2f} ms ({min(times):.2f} to {max(times):.2f}); the bar is 20 ms")


def _widened(content: bytes, bundle: Path, size: int) -> None:
    """A bundle as Python's zipfile writes it, with a medium of that many bytes that is a hole."""
    with zipfile.ZipFile(bundle, "w") as made:
        made.writestr(layout.BUNDLE_CONTENT, content, zipfile.ZIP_DEFLATED)
        info = zipfile.ZipInfo("media/small.mov")
        file: Any = made.fp
        info.header_offset, info.file_size, info.compress_size, info.CRC = file.tell(), size, size, 0
        file.write(info.FileHeader(zip64=True))
        file.seek(size, os.SEEK_CUR)
        made.filelist.append(info)
        inside: Any = made
        inside.start_dir = file.tell()
