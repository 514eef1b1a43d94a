"""Peak memory of making three sizes of proxies from UHD ProRes, of a short and of a long clip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.footage import moving_prores

_WORK = """
import resource
from pathlib import Path
from benchmarks.proxies import ours
ours(Path({clip!r}), "ultrafast", Path({folder!r}), {workers})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def run(folder: Path, runs: int) -> None:
    for frames in (240, 1440):
        clip = moving_prores(folder / f"uhd{frames}.mov", frames, 3840, 2160)
        for workers in (2, 4, 8):
            code = _WORK.format(clip=str(clip), folder=str(folder / "made"), workers=workers)
            ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            print(f"{frames:5} frames of UHD ProRes HQ, {workers} workers: {int(ended.stdout):6} MB at most")
