"""Real MXF files by FFmpeg's writer, tiny and made once a session, and what its demuxer finds in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIZE = (256, 144)


@dataclass(frozen=True)
class Recipe:
    """What to encode."""

    name: str
    codec: str | None
    pixels: str = "yuv422p"
    frames: int = 8
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = SIZE
    container: str = "mxf"
    options: dict[str, str] = field(default_factory=dict)
    sound: tuple[str, ...] = ("pcm_s24le",)
    metadata: dict[str, str] = field(default_factory=lambda: {"timecode": "10:11:12:13", "reel_name": "A001"})
    gop: int | None = None
    bit_rate: int | None = None


@dataclass(frozen=True)
class Demuxed:
    """The packets of a file as FFmpeg's demuxer gives them: payloads, times in frames, keyframes."""

    pictures: list[bytes]
    times: list[int | None]
    keys: list[bool]
    sounds: list[bytes]


def encode(recipe: Recipe, path: Path) -> Path:
    rng = np.random.default_rng(1)
    with av.open(str(path), "w", format=recipe.container) as container:
        container.metadata.update(recipe.metadata)
        video = None
        if recipe.codec is not None:
            video = container.add_stream(recipe.codec, rate=recipe.rate, options=dict(recipe.options))
            video.width, video.height = recipe.size
            video.pix_fmt = recipe.pixels
            video.codec_context.time_base = 1 / recipe.rate
            if recipe.gop is not None:
                video.codec_context.gop_size = recipe.gop
                video.codec_context.max_b_frames = 2 if recipe.gop > 1 else 0
            if recipe.bit_rate is not None:
                video.codec_context.bit_rate = recipe.bit_rate
        tracks = [container.add_stream(codec, rate=48000, layout="mono") for codec in recipe.sound]
        done = 0
        for number in range(recipe.frames):
            if video is not None:
                for packet in video.encode(_picture(recipe, number)):
                    container.mux(packet)
            upto = int((number + 1) * 48000 / recipe.rate)
            for track in tracks:
                kind = "s16" if "s16" in track.codec_context.name else "s32"
                sound = av.AudioFrame(format=kind, layout="mono", samples=upto - done)
                sound.planes[0].update(rng.bytes(sound.planes[0].buffer_size))
                sound.sample_rate, sound.pts, sound.time_base = 48000, done, Fraction(1, 48000)
                for packet in track.encode(sound):
                    container.mux(packet)
            done = upto
        for stream in ([video] if video is not None else []) + tracks:
            for packet in stream.encode(None):
                container.mux(packet)
    return path


def _picture(recipe: Recipe, number: int) -> av.VideoFrame:
    frame = av.VideoFrame(*recipe.size, recipe.pixels)
    for index, plane in enumerate(frame.planes):
        rows = np.arange(plane.buffer_size, dtype=np.uint32) // plane.line_size
        plane.update(((rows * (index + 1) + number * 9) % 200 + 20).astype(np.uint8).tobytes())
    frame.pts, frame.time_base = number, 1 / recipe.rate
    return frame


def demux(path: Path) -> Demuxed:
    pictures, times, keys = [], [], []
    with av.open(str(path)) as container:
        sounds = {stream.index: bytearray() for stream in container.streams if stream.type == "audio"}
        for packet in container.demux():
            if packet.size == 0:
                continue
            if packet.stream.type == "video":
                pictures.append(bytes(packet))
                times.append(packet.pts)
                keys.append(packet.is_keyframe)
            elif packet.stream.type == "audio":
                sounds[packet.stream.index] += bytes(packet)
    return Demuxed(pictures, times, keys, [bytes(data) for data in sounds.values()])
