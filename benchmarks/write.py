"""Writing an archive without proxies: all digests and the CRC in one read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.measuring import Side, compare, fill, require_tool, room
from film_archive.workflows.production import create_archive


def run(folder: Path, runs: int) -> None:
    xxhsum = require_tool("xxhsum")
    size = room(folder, 4_000_000_000)
    card = folder / "card"
    card.mkdir()
    parts = 4
    for number in range(parts):
        fill(card / f"A001C{number:03d}.bin", size // parts)
    archive, copy = folder / "card.zip", folder / "copy"
    files = sorted(card.iterdir())

    def peer() -> None:
        copy.mkdir()
        subprocess.run(["cp", "--reflink=never", *map(str, files), str(copy)], check=True)
        for file in copy.iterdir():
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        subprocess.run([xxhsum, "-q", "-H2", *map(str, files)], check=True, stdout=subprocess.DEVNULL)

    def clear() -> None:
        archive.unlink(missing_ok=True)
        subprocess.run(["rm", "-rf", str(copy)], check=True)
        for file in files:
            with file.open("rb") as opened:
                while opened.read(1 << 24):
                    pass
        os.sync()

    print(f"{parts} files, {size / 1e9:.2f} GB, warm")
    compare(
        Side("create (XXH3-128, CRC-32, seal, fsync)", lambda: create_archive(archive, [card]), clear),
        Side("cp, fsync, xxhsum -H2", peer, clear),
        runs=runs,
    )
