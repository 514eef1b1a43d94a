"""Timing two sides in turn, and saying on what machine."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Side:
    """One of two things that are compared."""

    name: str
    work: Callable[[], object]
    before: Callable[[], object] = lambda: None
    """Run before each timing, not timed."""


def machine() -> str:
    """Processor, cores, memory, Python: what a figure holds for."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GB, {system}"


def compare(ours: Side, peer: Side, *, runs: int, unit: str = "s") -> float:
    """Run both in turn after one warm-up each; prints medians and the median of the pairs' ratios, which it returns."""
    times: dict[str, list[float]] = {ours.name: [], peer.name: []}
    for count in range(runs + 1):
        for side in (ours, peer):
            side.before()
            begun = time.perf_counter()
            side.work()
            if count:
                times[side.name].append(time.perf_counter() - begun)
    ratios = [a / b for a, b in zip(times[ours.name], times[peer.name], strict=True)]
    for name, values in times.items():
        print(f"{name:44} {statistics.median(values):9.4f} {unit}  ({min(values):.4f} to {max(values):.4f}, {runs} runs)")
    ratio = statistics.median(ratios)
    print(f"{'ratio ours / peer':44} {ratio:9.3f}    ({min(ratios):.3f} to {max(ratios):.3f})")
    return ratio


def require_tool(name: str) -> str:
    """A peer's program; says so and ends where it is not there."""
    path = shutil.which(name)
    if path is None:
        print(f"{name} is not installed here; install it to run this comparison")
        sys.exit(3)
    return path


def room(folder: Path, wanted: int) -> int:
    """How many bytes to use: `wanted`, or half of what is free."""
    free = shutil.disk_usage(folder).free
    if wanted > free // 2:
        print(f"only {free / 1e9:.1f} GB are free: {free // 2 / 1e9:.1f} GB are used instead of {wanted / 1e9:.1f}")
        return free // 2
    return wanted


@contextlib.contextmanager
def sharing_blocks(folder: Path, size: int) -> Iterator[Path | None]:
    """A file system with reflinks, in a sparse file on a loop device; None, said so, where that can't be made."""
    maker, mount, image = shutil.which("mkfs.xfs", path="/usr/sbin:/sbin:/usr/bin"), folder / "xfs", folder / "xfs.img"
    if maker is None or os.geteuid() != 0:
        print("mkfs.xfs, or the right to mount, is not there: what is done by reflink is left out")
        yield None
        return
    with image.open("wb") as file:
        file.truncate(room(folder, size))
    mount.mkdir()
    subprocess.run([maker, "-q", "-m", "reflink=1", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mount], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)
        mount.rmdir()
        image.unlink()


def fill(path: Path, size: int) -> None:
    """A file of bytes that do not compress."""
    block = os.urandom(1 << 24)
    with path.open("wb") as file:
        left = size
        while left > 0:
            left -= file.write(block[: min(left, len(block))])
        file.flush()
        os.fsync(file.fileno())


def child(arguments: list[str]) -> tuple[float, float]:
    """(wall seconds, peak memory in MB) of a whole process."""
    begun = time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - begun
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def used(work: Callable[[], object]) -> tuple[float, float]:
    """(processor seconds of this process and those it starts, wall seconds) of some work."""
    begun, before = time.perf_counter(), _processor()
    work()
    return _processor() - before, time.perf_counter() - begun


def _processor() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
