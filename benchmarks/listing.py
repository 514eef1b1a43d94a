"""Listing an archive of 100,000 members, as a whole process."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.measuring import child
from film_archive.archive.writer import ZipWriter
from film_archive.core.source import MemorySource


def run(folder: Path, runs: int) -> None:
    archive = folder / "many.zip"
    with ZipWriter.create(archive) as writer:
        for number in range(100_000):
            name = f"footage/day{number // 5000:02d}/A{number // 1000:03d}C{number % 1000:03d}.xml"
            writer.add(name, MemorySource(b"<clip/>"), identity=name)
        writer.finish()
    command = [sys.executable, "-c", "from film_archive.cli.main import run; run()", "ls", str(archive), "--json"]
    seconds, memory = zip(*(child(command) for _ in range(runs + 1)), strict=True)
    print(f"film-archive ls --json, 100,000 members {statistics.median(seconds[1:]):9.3f} s, at most {max(memory):.0f} MB")
