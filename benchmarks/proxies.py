"""Three sizes of proxies in one pass, against one ffmpeg a size, one ffmpeg with a split filter, and decoding alone.

All sides code with x264 and the same preset, bit rates, GOPs of 12 and no B-frames, without sound. Ours also proves what
it made. Processor time is what counts on a machine that is shared; wall time is printed beside it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

import av

from benchmarks.footage import moving_h264, moving_prores
from benchmarks.measuring import require_tool, used
from film_archive.core.ladder import LADDER
from film_archive.core.source import FileSource
from film_archive.media.probe import index, probe
from film_archive.proxy import making

RUNGS = tuple(LADDER.values())
_CACHE = "FILM_ARCHIVE_BENCH_CLIPS"
"""A folder that keeps the clips between runs."""


def run(folder: Path, runs: int) -> None:
    ffmpeg = require_tool("ffmpeg")
    version = subprocess.run([ffmpeg, "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    print(f"peer: ffmpeg {version}; ours: PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}; medians of {runs} runs")
    clips = Path(os.environ.get(_CACHE, folder))
    sources = (
        ("UHD ProRes HQ", moving_prores(clips / "uhd.mov", 240, 3840, 2160), 240),
        ("1080p ProRes HQ", moving_prores(clips / "hd.mov", 480, 1920, 1080), 480),
        ("1080p H.264 50 Mb/s", moving_h264(clips / "long.mov", 480, 1920, 1080, 50_000_000), 480),
    )
    for name, clip, frames in sources:
        for preset in ("superfast", "ultrafast"):
            _compare(name, clip, frames, preset, ffmpeg, folder, runs)


def _compare(name: str, clip: Path, frames: int, preset: str, ffmpeg: str, folder: Path, runs: int) -> None:
    sides: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(clip, preset, folder / "ours"),
        "one ffmpeg a size": lambda: _one_by_one(ffmpeg, clip, preset, folder),
        "one ffmpeg, split": lambda: _ffmpeg(ffmpeg, clip, [rung.name for rung in RUNGS], preset, folder),
        "decoding alone, 2 threads": lambda: decode(clip),
    }
    results: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for count in range(runs + 1):
        for side, work in sides.items():
            measured = used(work)
            if count:
                results[side].append(measured)
    print(f"\n{name}, {frames} frames, {preset}: thumbnail, preview, editorial")
    for side, measured_runs in results.items():
        processor, wall = (statistics.median(column) for column in zip(*measured_runs, strict=True))
        print(f"  {side:26} {processor / frames * 1000:8.1f} ms of processor a frame {frames / wall:8.1f} frames/s")
    mine = results.pop("ours")
    for side, theirs in results.items():
        cpu = statistics.median(b[0] / a[0] for a, b in zip(mine, theirs, strict=True))
        wall = statistics.median(b[1] / a[1] for a, b in zip(mine, theirs, strict=True))
        print(f"  {side:26} / ours: processor {cpu:5.2f}, wall {wall:5.2f}")


def ours(clip: Path, preset: str, folder: Path, workers: int | None = None) -> None:
    with FileSource(clip) as source:
        making.make(source, probe(source), index(source), RUNGS, folder, preset=preset, workers=workers)
    shutil.rmtree(folder)


def decode(clip: Path) -> int:
    with av.open(str(clip)) as opened:
        context = opened.streams.video[0].codec_context
        context.thread_count, context.thread_type = 2, "AUTO"
        return sum(1 for _ in opened.decode(video=0))


def _one_by_one(ffmpeg: str, clip: Path, preset: str, folder: Path) -> None:
    for rung in RUNGS:
        _ffmpeg(ffmpeg, clip, [rung.name], preset, folder)


def _ffmpeg(ffmpeg: str, clip: Path, sizes: list[str], preset: str, folder: Path) -> None:
    names = [chr(ord("a") + place) for place in range(len(sizes))]
    filters = f"[0:v]split={len(sizes)}" + "".join(f"[{name}]" for name in names)
    outputs: list[str] = []
    for name, size in zip(names, sizes, strict=True):
        rung = LADDER[size]
        width, height = rung.fit(1920, 1080)
        filters += f";[{name}]scale={width}:{height}[{name}{name}]"
        outputs += ["-map", f"[{name}{name}]", "-an", "-c:v", "libx264", "-preset", preset, "-pix_fmt", "yuv420p"]
        outputs += ["-b:v", str(rung.bit_rate), "-maxrate", str(rung.bit_rate * 3 // 2), "-bufsize", str(rung.bit_rate * 2)]
        outputs += ["-g", "12", "-bf", "0", "-movflags", "+frag_keyframe+empty_moov", str(folder / f"{size}.mp4")]
    command = [ffmpeg, "-v", "error", "-nostdin", "-y", "-i", str(clip), "-filter_complex", filters, *outputs]
    subprocess.run(command, check=True)
