"""Offloading a card to one place, hashed on both ends, against cp and reading both back with xxhsum."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.dupes import OURS
from benchmarks.measuring import Side, compare, fill, require_tool, room, used


def run(folder: Path, runs: int, wanted: int = 4_000_000_000) -> None:
    xxhsum = require_tool("xxhsum")
    size = room(folder, wanted)
    card = folder / "A001"
    (card / "PRIVATE/M4ROOT/CLIP").mkdir(parents=True)
    parts = 8
    for number in range(parts):
        fill(card / f"PRIVATE/M4ROOT/CLIP/C{number:04d}.MP4", size // parts)
    copy = folder / "copy"
    target = folder / "target"
    command = [*OURS, "offload", str(card), str(target), "--catalog", str(folder / "c.sqlite")]

    def clear() -> None:
        for place in (copy, target):
            shutil.rmtree(place, ignore_errors=True)
        target.mkdir()
        os.sync()

    def ours() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def peer() -> None:
        subprocess.run(["cp", "-a", "--reflink=never", str(card), str(copy)], check=True)
        subprocess.run(["sync", "-f", str(copy)], check=True)
        for place in (card, copy):
            names = [str(path) for path in sorted(place.rglob("*.MP4"))]
            for name in names:  # what is read back is to come from the disk, on both sides of the comparison
                descriptor = os.open(name, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)
            subprocess.run([xxhsum, "-q", "-H2", *names], check=True, stdout=subprocess.DEVNULL)

    print(f"{parts} clips, {size / 1e9:.2f} GB; card and copy are read back from the disk on both sides")
    compare(Side("offload", ours, clear), Side("cp, sync, xxhsum of both", peer, clear), runs=runs)
    for name, work in (("offload", ours), ("cp, sync, xxhsum of both", peer)):
        clear()
        processor, wall = used(work)
        print(f"{name:44} {processor:9.3f} s of processor, {wall:.3f} s")
