"""A master index of everything, against `find | xargs -P md5sum`; and crawling again what has not changed, against `find`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.dupes import OURS
from benchmarks.measuring import Side, compare, room, used
from benchmarks.trees import PER_FOLDER, make_tree


def run(folder: Path, runs: int, files: int = 100_000, unchanged: int = 1_000_000) -> None:
    size = make_tree(folder / "tree", files, room(folder, files * 28_700))
    catalog = folder / "c.sqlite"
    print(f"index of {files} files, {size / 1e9:.2f} GB, with BLAKE3, warm")
    command = [*OURS, "library", "crawl", str(folder / "tree"), "--catalog", str(catalog), "--digest", "blake3"]

    def forget() -> None:
        for left in folder.glob("c.sqlite*"):
            left.unlink()

    def peer() -> None:
        line = f"find {folder / 'tree'} -type f -print0 | xargs -0 -P {os.cpu_count()} -n 256 md5sum > {folder / 'sums'}"
        subprocess.run(["sh", "-c", line], check=True)

    compare(
        Side("library crawl --digest blake3", lambda: _quiet(command), forget),
        Side("find | xargs -P md5sum", peer),
        runs=runs,
    )
    many = folder / "many"
    for number in range(unchanged // PER_FOLDER):
        place = many / f"{number // 100:03d}" / f"{number:06d}"
        place.mkdir(parents=True)
        for file in range(PER_FOLDER):
            (place / f"IMG_{file:05d}.JPG").touch()
    print(f"\ncrawling {unchanged // PER_FOLDER * PER_FOLDER} unchanged files again, warm")
    again = [*OURS, "library", "crawl", str(many), "--catalog", str(catalog)]
    find = ["find", str(many), "-printf", "%p %s %T@ %i\\n"]
    _quiet(again)
    compare(Side("library crawl", lambda: _quiet(again)), Side("find -printf", lambda: _quiet(find)), runs=runs)
    for name, line in (("library crawl", again), ("find -printf", find)):
        processor, wall = used(lambda line=line: _quiet(line))  # type: ignore[misc]
        print(f"{name:44} {processor:9.3f} s of processor, {wall:.3f} s")


def _quiet(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
