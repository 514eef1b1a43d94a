"""ProRes decoded at a reduced size, against a full decode by FFmpeg on one thread: CPU time a frame, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import long_prores
from film_archive.media.prores import REDUCTIONS, ReducedDecoder, engine

SIZES = ((1920, 1080), (3840, 2160))
FRAMES = 8


def run(folder: Path, runs: int) -> None:
    print(engine())
    for width, height in SIZES:
        clip = long_prores(folder / f"{width}.mov", FRAMES, width, height)
        with av.open(str(clip)) as opened:
            packets = [bytes(packet) for packet in opened.demux(video=0) if packet.size]
        size = sum(map(len, packets)) / len(packets)
        print(f"\n{width}×{height} 422 HQ, {size / 1e6:.2f} MB a frame, to 8-bit 4:2:0; PSNR against boxes of the full decode")
        _compare(packets, width, height, runs)


def _compare(packets: list[bytes], width: int, height: int, runs: int) -> None:
    context = _full_decoder()
    works: dict[str, Callable[[], object]] = {"in full, FFmpeg": lambda: [context.decode(av.Packet(p)) for p in packets]}
    repeats = {"in full, FFmpeg": 1}
    for reduction in REDUCTIONS:
        wanted = ReducedDecoder(width, height, reduction)
        works[f"1/{reduction}"] = _reduced(wanted, packets, repeat := 2 * reduction)
        repeats[f"1/{reduction}"] = repeat
    wide = ReducedDecoder(width, height, 4, "yuv422p10le")
    works["1/4 to 4:2:2, swscale to 4:2:0"] = lambda: [_then_scaled(wide, packet) for packet in packets]
    repeats["1/4 to 4:2:2, swscale to 4:2:0"] = 1
    times: dict[str, list[float]] = {name: [] for name in works}
    for count in range(runs + 1):
        for name, work in works.items():
            begun = time.process_time()
            work()
            if count:
                times[name].append((time.process_time() - begun) * 1000 / len(packets) / repeats[name])
    full = statistics.median(times["in full, FFmpeg"])
    for name, values in times.items():
        middle = statistics.median(values)
        line = f"{name:32} {middle:8.3f} CPU-ms  ({min(values):.3f} to {max(values):.3f}, {runs} runs)"
        line += f"{1000 / middle:8.0f} frames a second and core{full / middle:8.1f}×"
        if name in [f"1/{reduction}" for reduction in REDUCTIONS]:
            line += f"   {_psnr(context, packets[0], width, height, int(name[2:])):.1f} dB"
        print(line)


def _full_decoder() -> Any:
    context: Any = av.CodecContext.create("prores", "r")
    context.codec_tag, context.thread_count = "apch", 1
    return context


def _reduced(wanted: ReducedDecoder, packets: list[bytes], repeat: int) -> Callable[[], object]:
    """Into the planes of one frame, as an encoder would be fed."""
    frame = av.VideoFrame(wanted.width, wanted.height, wanted.pixel_format)
    planes, line_sizes = [memoryview(plane) for plane in frame.planes], [plane.line_size for plane in frame.planes]
    return lambda: [wanted.decode(packet, planes, line_sizes) for _ in range(repeat) for packet in packets]


def _then_scaled(wanted: ReducedDecoder, packet: bytes) -> av.VideoFrame:
    frame = av.VideoFrame(wanted.width, wanted.height, wanted.pixel_format)
    wanted.decode(packet, [memoryview(plane) for plane in frame.planes], [plane.line_size for plane in frame.planes])
    return frame.reformat(format="yuv420p")


def _psnr(context: Any, packet: bytes, width: int, height: int, reduction: int) -> float:
    """Of luma at 10 bits, in dB."""
    (frame,) = context.decode(av.Packet(packet))
    lines: NDArray[Any] = np.frombuffer(memoryview(frame.planes[0]), np.uint16).reshape(height, -1)[:, :width]
    boxes = lines.reshape(height // reduction, reduction, width // reduction, reduction).mean((1, 3))
    ours = ReducedDecoder(width, height, reduction, "yuv422p10le").decode(packet).planes[0]
    return 10 * float(np.log10(1023**2 / ((ours - boxes) ** 2).mean()))
