"""XXH3-128 and CRC-32 in one read."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.measuring import Side, compare, fill, room
from film_archive.core.digest import digest_source
from film_archive.core.source import FileSource


def run(folder: Path, runs: int) -> None:
    size = room(folder, 2_000_000_000)
    path, copy = folder / "clip.bin", folder / "copy.bin"
    fill(path, size)

    def ours() -> None:
        with FileSource(path) as source:
            digest_source(source, ("xxh128", "crc32"))

    print(f"{size / 1e9:.2f} GB, warm")
    compare(
        Side("xxh128 + crc32", ours),
        Side("cp", lambda: subprocess.run(["cp", "--reflink=never", str(path), str(copy)], check=True)),
        runs=runs,
    )
