"""Planning a pull of 1,000 events out of an archive with 1,000 clips."""

from __future__ import annotations

import shutil
import time
from functools import partial
from pathlib import Path

from benchmarks.measuring import used
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import ClipSpec, cached_clip
from film_archive.workflows.production import create_archive
from film_archive.workflows.pull import PullWishes, plan_pull

EVENTS = 1000
BAR = 2.0
"""Seconds."""


def run(folder: Path, runs: int) -> None:
    rate = FrameRate(24, 1)
    start = Timecode.from_string("01:00:00:00", rate)
    media = folder / "card"
    media.mkdir()
    made = cached_clip(ClipSpec(name="clip", width=96, height=54, frames=24, start=start), folder / "made")
    lines = ["TITLE: ALL"]
    for number in range(EVENTS):
        name = f"A{number // 100 + 1:03d}C{number % 100 + 1:03d}_240101_R{number:04d}"
        shutil.copy(made, media / f"{name}.mov")
        lines += [
            f"{number + 1:04d}  AX V C 01:00:00:04 01:00:00:20 {start + 16 * number} {start + 16 * (number + 1)}",
            f"* FROM CLIP NAME: {name}.mov",
        ]
    cut = folder / "all.edl"
    cut.write_text("\n".join(lines) + "\n")
    # The clips are copies of one: without the zip's digests in the way, each is a clip of its own.
    _make_different(media)
    archive = folder / "day.zip"
    create_archive(archive, [media], proxies=())
    for name, sources in (("archive", [str(archive)]), ("folder of files", [str(media)])):
        times = []
        plan = partial(plan_pull, cut, sources, folder / "out", PullWishes(rate="24", handles=2))
        for _ in range(runs):
            begun = time.perf_counter()
            planned = plan()
            times.append(time.perf_counter() - begun)
            assert len(planned.steps) == EVENTS, planned.events[0]
        cpu, _ = used(plan)
        best, worst = min(times), max(times)
        print(f"planning {EVENTS} events, {name:16} {best:6.2f} to {worst:.2f} s, {cpu:.2f} s of processor; the bar is {BAR} s")


def _make_different(media: Path) -> None:
    """Each file a byte of its own behind everything that is read of it."""
    for number, path in enumerate(sorted(media.iterdir())):
        with path.open("ab") as file:
            file.write(b"\0\0\0\x10free" + number.to_bytes(8, "big"))
