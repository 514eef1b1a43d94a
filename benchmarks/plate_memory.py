"""Peak memory of making plates, of the sizes that VENICE 2 records."""

from __future__ import annotations

from pathlib import Path

from benchmarks.plates import made_by_us, make_frames


def run(folder: Path, runs: int) -> None:
    del runs
    for what, size, bit_depth, says, bar in (
        ("plates", (4096, 2160), 10, "UHD plates of 4096×2160, 10 bits", 2),
        ("plates", (8640, 5760), 16, "UHD plates of 8640×5760, 16 bits", 4),
        ("native", (8640, 5760), 16, "12960×5760 plates of 8640×5760, 16 bits", 4),
    ):
        frames = make_frames(folder / f"{size[0]}", 4, size, bit_depth)
        memory = made_by_us(folder, what, frames).memory / 1024
        print(f"{says:44} {memory:5.2f} GB  (the bar: < {bar} GB)")
