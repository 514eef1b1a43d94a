"""A catalog of ten million files: how large it is, and how long finding a content by its digest takes."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Content, FileRow, FolderRows, Kind

_PER_FOLDER = 300


def run(folder: Path, runs: int, files: int = 10_000_000) -> None:
    path = folder / "catalog.sqlite"
    begun = time.perf_counter()
    dice = random.Random(2)
    with Catalog.open(path) as catalog:
        holder = catalog.holder(Kind.DISK, "5f0c7a52-0000-4000-8000-000000000001")
        event = catalog.event("crawl", "/")
        for start in range(0, files, 60_000):
            catalog.put(holder, _folders(dice, start, min(files, start + 60_000)), event)
        print(f"{files} files put in, {time.perf_counter() - begun:.0f} s")
    print(f"{path.stat().st_size / 1e9:.3f} GB on disk, {path.stat().st_size / files:.0f} bytes a file")
    dice = random.Random(2)
    wanted = [row.content for part in (0,) for each in _folders(dice, part, 60_000) for row in each.files[:1]]
    with Catalog.open(path) as catalog, looking(catalog) as lookup:
        times = []
        for content in wanted[:200] * runs:
            assert content is not None
            begun = time.perf_counter()
            places = lookup.places(content)
            times.append(time.perf_counter() - begun)
            assert places
    times.sort()
    print(f"by digest: median {statistics.median(times) * 1e3:.3f} ms, 99 % within {times[len(times) * 99 // 100] * 1e3:.3f} ms")


def _folders(dice: random.Random, start: int, stop: int) -> Iterator[FolderRows]:
    for first in range(start, stop, _PER_FOLDER):
        rows = tuple(
            FileRow(
                f"A{number // 1000:04d}C{number % 1000:03d}_240911_R1AB.mov",
                content.size,
                1_500_000_000_000_000_000 + number,
                number,
                content,
            )
            for number in range(first, min(stop, first + _PER_FOLDER))
            for content in (Content(dice.randrange(1, 1 << 36), dice.randbytes(16)),)
        )
        yield FolderRows(f"/production/{first // 30_000:04d}/{first:08d}", os.urandom(16), rows)
