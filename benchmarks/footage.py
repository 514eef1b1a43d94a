"""Long clips for measuring, made by repeating a few encoded frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def long_prores(path: Path, frames: int, width: int, height: int, rate: int = 24) -> Path:
    """A ProRes 422 HQ clip of `frames` frames that repeats eight different ones."""
    with av.open(str(path), "w", format="mov") as output:
        stream = output.add_stream("prores_ks", rate=rate, options={"profile": "hq", "vendor": "apl0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv422p10le"
        output.metadata["timecode"] = "01:00:00:00"
        packets = []
        for number in range(8):
            for packet in stream.encode(_picture(number, width, height)):
                packets.append(bytes(packet))
        for packet in stream.encode(None):
            packets.append(bytes(packet))
        for number in range(frames):
            packet = av.Packet(packets[number % len(packets)])
            packet.stream = stream
            packet.time_base = Fraction(1, rate) if stream.time_base is None else stream.time_base
            ticks = round(1 / (rate * packet.time_base))
            packet.pts = packet.dts = number * ticks
            packet.duration = ticks
            packet.is_keyframe = True
            output.mux(packet)
    return path


def _picture(number: int, width: int, height: int) -> av.VideoFrame:
    noise = np.random.default_rng(number)
    across = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    grain = noise.integers(0, 24, (height // 2, width // 2, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(across // 2 + grain), format="rgb24")
