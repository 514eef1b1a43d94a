"""The first frame of a 4K ProRes clip, decoded by ffmpeg: over HTTP out of a large archive, and from the plain file."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

from benchmarks.footage import long_prores
from benchmarks.measuring import Side, compare, require_tool
from benchmarks.serve import serving

SIZE = 20_000_000_000
_BLOCK = 16 << 20


class _Sparse(io.FileIO):
    """A file in which zeros take no room."""

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # what zipfile writes
        if len(view) == _BLOCK and not any(view[:64]):
            self.seek(len(view), io.SEEK_CUR)
            return len(view)
        return super().write(view)


def run(folder: Path, runs: int) -> None:
    ffmpeg = require_tool("ffmpeg")
    clip = long_prores(folder / "A001C001.mov", 240, 3840, 2160)
    archive = folder / "day.zip"
    zeros = bytes(_BLOCK)
    with _Sparse(archive, "w+b") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as made:
        with made.open("filler.bin", "w", force_zip64=True) as member:
            for _ in range(SIZE // _BLOCK + 1):
                member.write(zeros)
        made.write(clip, clip.name)
    print(f"archive of {archive.stat().st_size / 1e9:.1f} GB with a hole, clip of {clip.stat().st_size / 1e9:.2f} GB, warm")

    def first_frame(address: str, *seek: str) -> None:
        subprocess.run([ffmpeg, "-v", "error", *seek, "-i", address, "-frames:v", "1", "-f", "null", "-"], check=True)

    with serving(archive, workers=1) as ours:
        address = f"http://127.0.0.1:{ours.port}/media/{archive.name}/{clip.name}"
        compare(Side("over HTTP", lambda: first_frame(address)), Side("from the file", lambda: first_frame(str(clip))), runs=runs)
        compare(
            Side("over HTTP, 8 s in", lambda: first_frame(address, "-ss", "8")),
            Side("from the file, 8 s in", lambda: first_frame(str(clip), "-ss", "8")),
            runs=runs,
        )
    print("bar: less than 1 s, and 1.1 of the file")
