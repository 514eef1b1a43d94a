"""Chunks: what versions of a clip add to a repository, and how fast a clip is taken in, against copying it and BLAKE3.

The clip is ProRes 422 HQ with sound, of FILM_ARCHIVE_BENCH_SECONDS (30) seconds; ffmpeg makes its versions without coding
anew. Each is added to a repository that has the first one; the new bytes are all that the repository takes, its database too.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measuring import require_tool, used
from film_archive.core import copying, files
from film_archive.core.source import FileSource
from film_archive.versioning.chunk_policy import set_chunking
from film_archive.versioning.starting import begin
from film_archive.versioning.worktree import WorkTree

_PICTURE = "testsrc2=s=1920x1080:r=24,noise=alls=20:allf=t"
_SECONDS = int(os.environ.get("FILM_ARCHIVE_BENCH_SECONDS", "30"))
_BARS = {"header": 0.5, "tags": 0.5, "faststart": 0.5, "trim": 0.5, "mxf": 1.0, "mkv": 1.0}


def run(folder: Path, runs: int) -> None:
    ffmpeg = [require_tool("ffmpeg"), "-v", "error", "-y"]
    clip = folder / "a.mov"
    subprocess.run(
        [*ffmpeg, "-f", "lavfi", "-i", _PICTURE, "-f", "lavfi", "-i", "anoisesrc=r=48000", "-ac", "2", "-t", str(_SECONDS),
         "-c:v", "prores_ks", "-profile:v", "3", "-c:a", "pcm_s24le", clip], check=True,
    )  # fmt: skip
    _growth(folder / "growth", clip, list(_versions(ffmpeg, clip)))
    _speed(folder, clip, runs)


def _versions(ffmpeg: list[str], clip: Path) -> Iterator[tuple[str, Path]]:
    header = clip.with_name("header.mov")
    shutil.copy(clip, header)
    with header.open("r+b") as file:  # the time of making, in the movie's header
        at = header.read_bytes().rindex(b"mvhd") + 8
        file.seek(at)
        file.write(b"\xe0\x00\x00\x00")
    yield "header", header
    rewrapped: dict[str, list[str | Path]] = {
        "tags": ["-i", clip, "-c", "copy", "-metadata", "title=another", "tags.mov"],
        "faststart": ["-i", clip, "-c", "copy", "-movflags", "+faststart", "faststart.mov"],
        "trim": ["-ss", "2", "-i", clip, "-c", "copy", "trim.mov"],
        "mxf": ["-r", "24", "-i", clip, "-map", "0:v", "-map", "0:a", "-c", "copy", "rewrapped.mxf"],
        "mkv": ["-i", clip, "-map", "0:v", "-map", "0:a", "-c", "copy", "rewrapped.mkv"],
    }
    for name, words in rewrapped.items():
        subprocess.run([*ffmpeg, *words], check=True, cwd=clip.parent)
        yield name, clip.parent / str(words[-1])


def _begun(root: Path) -> WorkTree:
    work = begin(root)
    assert work is not None
    set_chunking(work.repository.opened.database, ["*"])
    return work


def _size(root: Path) -> int:
    return sum(place.stat().st_size for place in (root / ".film-archive-repo").rglob("*") if place.is_file())


def _growth(root: Path, clip: Path, versions: list[tuple[str, Path]]) -> None:
    for name, version in versions:
        sizes: list[int] = []
        for place in (clip, version):
            root.mkdir(exist_ok=True)
            shutil.copy(place, root / place.name)
            work = WorkTree(root) if sizes else _begun(root)
            work.add([root / place.name])
            work.commit(place.name)
            work.close()
            sizes.append(_size(root))
        grown, size = sizes[1] - sizes[0], version.stat().st_size
        share = 100 * grown / size
        print(f"{name:12} {size / 1e6:10.1f} MB, new {grown / 1e6:8.3f} MB: {share:7.3f} %  (bar {_BARS[name]} %)")
        shutil.rmtree(root)


def _speed(folder: Path, clip: Path, runs: int) -> None:
    """Each side takes in the same clip, which is in memory, and makes it durable."""
    times: dict[str, list[tuple[float, float]]] = {"chunks": [], "copy + BLAKE3": []}
    for _ in range(runs + 1):
        work = _begun(folder / "speed")
        times["chunks"].append(used(partial(_taken_in, work, clip)))
        work.close()
        shutil.rmtree(folder / "speed")
        times["copy + BLAKE3"].append(used(partial(_copied, clip, folder / "copy")))
        (folder / "copy").unlink()
    for name, found in times.items():
        processor, wall = (statistics.median(one[side] for one in found[1:]) for side in (0, 1))
        rate = clip.stat().st_size / 1e6
        print(f"{name:16} {rate / wall:8.0f} MB/s, {rate / processor:8.0f} MB a processor second")
    for side, what in ((1, "speed"), (0, "processor")):
        ratio = statistics.median(
            other[side] / one[side] for one, other in zip(*(found[1:] for found in times.values()), strict=True)
        )
        print(f"{what}, chunks / copy + BLAKE3: {100 * ratio:.0f} %  (bar 60 % of the speed)")


def _taken_in(work: WorkTree, clip: Path) -> None:
    with work.repository.opened.adding() as adding, FileSource(clip) as source:
        adding.add(source, "a.mov")
        adding.settle()


def _copied(clip: Path, target: Path) -> None:
    with FileSource(clip) as source, target.open("wb") as file:
        copying.pour(source, file.fileno(), 0, algorithms=("blake3",), share=False)
        files.sync(file.fileno())
