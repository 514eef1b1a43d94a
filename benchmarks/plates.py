"""Plates against the tools that make them one by one: oiiotool for frames, and FFmpeg with it for a whole shot.

Both sides read the same files and write plates that are compared: before compression every value has to be the peer's to
within 1e-2 · max(value, 0.05) for 99.99 % of them.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from ded_io.pictures.dpx import DpxLabels, extract_dpx, write_dpx
from ded_io.pictures.exr import library
from ded_io.pictures.plate import FrameJob, PlateLook, convert_frames, tool_command
from ded_io.pictures.review import ReviewLook, write_review
from ded_io.pictures.source import SourceClip
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import ContainerWriter, VideoSettings

LOOK = PlateLook("S-Log3 Venice S-Gamut3.Cine", "ACEScg", Fraction(2))
REVIEW = ReviewLook()
SIZE = (4096, 2160)
FRAMES, SHOT = 8, 67
SHOTS, DRY_RUN = 200, 2.0
"""Of the batch that is planned: how many, and the seconds that it may take."""
_ROOM = 8 << 30
"""Bytes that have to be free for a whole shot of that size; with fewer its pictures are half as wide and high."""
JOBS = 4


@dataclass(frozen=True)
class Spent:
    """What some work took."""

    cpu: float
    wall: float
    memory: float = 0
    """Megabytes at the peak, where it is known."""


def run(folder: Path, runs: int) -> None:
    _dry_run(folder / "clips", runs)
    oiiotool = _tool("oiiotool")
    ffmpeg = shutil.which("ffmpeg")
    frames = make_frames(folder / "dpx", FRAMES)
    _compare_pixels(frames[0], folder, oiiotool)
    _compare("plates", FRAMES, runs, lambda: made_by_us(folder, "plates", frames), lambda: _by_oiiotool(frames, folder, oiiotool))
    if ffmpeg is None:
        print("ffmpeg is not installed here; install it to compare a whole shot")
        return
    size = SIZE if shutil.disk_usage(folder).free > _ROOM else (SIZE[0] // 2, SIZE[1] // 2)
    what = f"whole shot of {SHOT} frames, {size[0]}×{size[1]}"
    movie = make_movie(folder / "A001C001_240911L8.mov", SHOT, size)
    peer = partial(_by_tools, movie, folder, oiiotool, ffmpeg, size)
    _compare(what, SHOT, 1, lambda: made_by_us(folder, "shot", [movie]), peer)


def _compare(what: str, frames: int, runs: int, ours: Callable[[], Spent], peer: Callable[[], Spent]) -> None:
    spent: dict[str, list[Spent]] = {"ours": [], "the tools": []}
    for _ in range(runs):
        for name, work in (("ours", ours), ("the tools", peer)):
            spent[name].append(work())
    pairs = list(zip(spent["the tools"], spent["ours"], strict=True))
    for part, says in (("cpu", "CPU s a frame"), ("wall", "s a frame")):
        our, theirs = (statistics.median(getattr(each, part) for each in spent[name]) / frames for name in ("ours", "the tools"))
        ratios = [getattr(their, part) / getattr(own, part) for their, own in pairs]
        ratio = f"{statistics.median(ratios):.2f} times less ({min(ratios):.2f} to {max(ratios):.2f}, {runs} runs)"
        print(f"{what}: {our:7.3f} {says}, the tools {theirs:7.3f}: {ratio}")


def _dry_run(folder: Path, runs: int) -> None:
    """A batch of different clips, planned; beyond the start-up of the program, against the bar."""
    folder.mkdir(parents=True, exist_ok=True)
    made = make_movie(folder / "A001C001_240911L8.mov", 100, (128, 72))
    shots = []
    for number in range(SHOTS):
        clip = folder / f"A{number // 50 + 2:03d}C{number % 50 + 1:03d}_240911L8.mov"
        shutil.copyfile(made, clip)
        shots.append({"sequence": "sht", "shot": f"{number:03}0", "source_file": str(clip), "in_point": 20, "out_point": 70})
    batch = folder / "batch.json"
    batch.write_text(json.dumps(shots))
    command = [sys.executable, "-c", "from ded_io.cli import run; run()"]
    planning = [*command, "--batch", str(batch), "--dry-run", "--skip-kitsu", "--output-root", str(folder / "shots")]
    beyond: list[Spent] = []
    for count in range(runs + 1):
        planned, started = (_spent(partial(_quietly, words)) for words in (planning, [*command, "--version"]))
        if count:  # the first one compiles
            beyond.append(Spent(planned.cpu - started.cpu, planned.wall - started.wall))
    for part, says in (("cpu", "CPU s"), ("wall", "s")):
        seconds = statistics.median(getattr(each, part) for each in beyond)
        ratio = f"{DRY_RUN / seconds:.2f} times less than {DRY_RUN:g} s"
        print(f"dry run of {SHOTS} shots: {seconds:.2f} {says} beyond the start-up, {ratio}")


def _quietly(words: Sequence[str]) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# What is worked on


def make_frames(folder: Path, count: int, size: tuple[int, int] = SIZE, bit_depth: int = 10) -> list[Path]:
    """DPX as a camera's: smooth, noisy, with a highlight."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(993, 993 + count):
        path = folder / f"sht100.{number:04d}.dpx"
        label = Timecode.from_string("01:00:00:00", 24) + (number - 993)
        write_dpx(path, picture(*size, number), DpxLabels(timecode=label, rate=Fraction(24)), bit_depth=bit_depth, replace=True)
        made.append(path)
    return made


def picture(width: int, height: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    floats = np.stack([0.41 + 0.2 * np.sin(x / 97 + y / 31), 0.45 + 0.25 * np.cos(y / 77), (x % 300) / 300], axis=-1)
    floats += rng.normal(0, 0.01, floats.shape).astype(np.float32)
    floats[300:400, 1000:1200] = 0.95
    codes: np.ndarray[tuple[int, ...], np.dtype[np.uint16]] = (np.clip(floats, 0, 1) * 65_535).astype(np.uint16)
    return codes


def make_movie(path: Path, frames: int, size: tuple[int, int] = SIZE) -> Path:
    """ProRes 422 HQ of the same pictures."""
    settings = VideoSettings(
        encoder=encoder_for("prores_422", "422 HQ"), width=size[0], height=size[1], rate=FrameRate(24, 1), threads=2
    )
    some = [picture(*size, seed) for seed in range(3)]
    with ContainerWriter(path, "mov", timecode=Timecode.from_string("01:00:00:00", 24), reel="A001") as writer:
        track = writer.add_video(settings)
        for number in range(frames):
            track.write(some[number % len(some)])
    return path


# Ours, in a process of its own, start-up and all


def made_by_us(folder: Path, what: str, sources: Sequence[Path]) -> Spent:
    out = folder / "ours"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    arguments = [sys.executable, "-m", "benchmarks.plates", what, str(out), *map(str, sources)]
    done = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True)
    shutil.rmtree(out)  # room for the peer's
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


def main(what: str, out: Path, sources: list[Path]) -> None:
    begun = time.perf_counter()
    if what == "plates":
        _convert(sources, out, LOOK)
    elif what == "native":
        _convert(sources, out, replace(LOOK, squeeze=Fraction(3, 2), width=None, height=None))
    else:
        with SourceClip.open(sources[0]) as clip:
            frames = extract_dpx(clip, 0, clip.frames - 1, directory=out / "dpx", base_name="s", start_number=993)
        plates = _convert(frames, out, LOOK)
        write_review(plates, out / "s.mp4", rate=Fraction(24), first_number=993, look=REVIEW)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = Spent(usage.ru_utime + usage.ru_stime, time.perf_counter() - begun, usage.ru_maxrss / 1024)
    print(json.dumps(asdict(spent)))


def _convert(frames: Sequence[Path], out: Path, look: PlateLook) -> list[Path]:
    jobs = [FrameJob(frame, out / f"{frame.stem}.exr", number) for number, frame in enumerate(frames, 993)]
    return [each.destination for each in convert_frames(jobs, look)]


# The peers


def _by_oiiotool(frames: Sequence[Path], folder: Path, oiiotool: str) -> Spent:
    out = folder / "theirs"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    jobs = [FrameJob(frame, out / f"{frame.stem}.exr", number) for number, frame in enumerate(frames, 993)]
    return _spent(lambda: _all([tool_command(job, LOOK, oiiotool=oiiotool) for job in jobs]))


def _by_tools(movie: Path, folder: Path, oiiotool: str, ffmpeg: str, size: tuple[int, int]) -> Spent:
    """FFmpeg to DPX, oiiotool to EXR, oiiotool to what the display shows, FFmpeg to H.264: FFmpeg reads no DWAA."""
    out = folder / "theirs"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()

    def work() -> None:
        quiet = [ffmpeg, "-v", "error", "-y"]
        dpx = ["-pix_fmt", "gbrp10be", "-start_number", "993", str(out / "s.%04d.dpx")]
        subprocess.run([*quiet, "-i", str(movie), *dpx], check=True)
        frames = sorted(out.glob("*.dpx"))
        _all([
            tool_command(FrameJob(frame, out / f"{frame.stem}.exr", 0), LOOK, oiiotool=oiiotool, size=size) for frame in frames
        ])  # fmt: skip
        shown = ["--resize:filter=lanczos3", f"{REVIEW.width}x{REVIEW.height}"]
        shown += [f"--ociodisplay:from={REVIEW.colorspace}", REVIEW.display, REVIEW.view, "-d", "uint8"]
        config = ["--colorconfig", REVIEW.ocio_config]
        _all([
            [oiiotool, *config, str(out / f"{frame.stem}.exr"), *shown, "-o", str(out / f"{frame.stem}.tif")] for frame in frames
        ])  # fmt: skip
        pictures = ["-framerate", "24", "-start_number", "993", "-i", str(out / "s.%04d.tif")]
        coded = ["-c:v", "libx264", "-crf", "18", "-bf", "0", "-pix_fmt", "yuv420p", "-movflags", "+faststart"]
        subprocess.run([*quiet, *pictures, *coded, str(out / "s.mp4")], check=True)

    spent = _spent(work)
    shutil.rmtree(out)
    return spent


def _all(commands: Sequence[Sequence[str]]) -> None:
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(lambda command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), commands))


def _spent(work: Callable[[], object]) -> Spent:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, time.perf_counter() - begun)


def _compare_pixels(frame: Path, folder: Path, oiiotool: str) -> None:
    look = replace(LOOK, compression="none")
    ours, theirs = FrameJob(frame, folder / "ours.exr", 993), FrameJob(frame, folder / "theirs.exr", 993)
    list(convert_frames([ours], look))
    subprocess.run(tool_command(theirs, look, oiiotool=oiiotool), check=True, stdout=subprocess.DEVNULL)
    a, b = (library().ImageBuf(str(job.destination)).get_pixels("float") for job in (ours, theirs))
    apart = np.abs(a - b)
    inside = (apart <= 1e-2 * np.maximum(np.abs(b), 0.05)).mean()
    print(f"before compression: {inside:.4%} of values within 1e-2 · max(abs, 0.05), mean apart {apart.mean():.2e}")


def _tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        print(f"{name} is not installed here; install it to run this comparison")
        sys.exit(3)
    return found


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(text) for text in sys.argv[3:]])
