"""A disk that is full in the middle of a file: said as such, and nothing left under any name.

The system's own limit of a file's size stands in for the full disk: the same calls fail, at the same places.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from ded_io.pictures.dpx import DpxLabels, write_dpx
from ded_io.pictures.exr import write_exr
from ded_io.pictures.review import ReviewLook, write_review
from film_archive.core.errors import StorageError

folder, what = Path(sys.argv[1]), sys.argv[2]
noise = np.random.default_rng(0).integers(0, 65535, (200, 300, 3)).astype(np.uint16)
frames = []
for number in range(30):
    frames.append(folder / f"p.{number:04d}.exr")
    if number == 0:
        write_exr(frames[0], (noise / 65535).astype(np.float16), compression="zip")
    else:
        frames[-1].symlink_to(frames[0])
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
work = {
    "dpx": lambda: write_dpx(folder / "a.dpx", noise, DpxLabels()),
    "exr": lambda: write_exr(folder / "a.exr", (noise / 65535).astype(np.float16), compression="none"),
    "mp4": lambda: write_review(frames, folder / "a.mp4", rate=Fraction(24), first_number=1, look=ReviewLook(480, 270, crf=1)),
}[what]
try:
    work()
except StorageError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("what", ["dpx", "exr", "mp4"])
def test_a_file_that_does_not_fit(tmp_path: Path, what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), what],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"a.{what}" in done.stdout, done.stdout + done.stderr
    assert done.stdout.startswith(("NoSpace", "StorageError")), done.stdout
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("p.")] == []
