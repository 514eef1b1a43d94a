"""Long clips for measuring, made by repeating a few encoded frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream


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


def cloned_prores(path: Path, clip: Path, frames: int) -> Path:
    """A clip of `frames` frames that repeats those of another by sharing their blocks: it takes no more room than once.

    For file systems with reflinks; raises NotSupported elsewhere.
    """
    from film_archive.core.errors import NotSupported
    from film_archive.core.reflink import clone_range
    from film_archive.core.source import FileSource
    from film_archive.core.timecode import Timecode
    from film_archive.media.cutting.mov_writer import BLOCK, CutTrack, lay_out
    from film_archive.media.cutting.movie import MovieClip
    from film_archive.media.cutting.opening import open_clip

    with FileSource(clip) as source:
        opened = open_clip(source)
        assert isinstance(opened, MovieClip)
        places = [opened.index.frame(number) for number in range(opened.frames)]
        essence = b"".join(source.read_at(each.offset, each.size) for each in places)
    essence += bytes(-len(essence) % BLOCK)
    repeats = -(-frames // len(places))
    once = np.array([each.size for each in places], np.int64)
    track = CutTrack(
        handler=b"vide",
        description=opened.picture,
        timescale=24,
        offsets=np.arange(repeats, dtype=np.int64) * len(essence),
        counts=np.full(repeats, len(places), np.int64),
        sizes=np.tile(once, repeats),
        sample_size=0,
        durations=np.ones(1, np.int64),
        composition=None,
        sync=None,
        begin=0,
        shown=repeats * len(places),
        width=opened.width,
        height=opened.height,
    )
    layout = lay_out([track], repeats * len(essence), start=Timecode.from_string("01:00:00:00", 24), reel="A001")
    (run,) = layout.runs
    with path.open("w+b") as file:
        file.write(layout.head)
        file.seek(run.target_offset)
        file.write(essence)
        file.flush()
        for number in range(1, repeats):
            place = run.target_offset + number * len(essence)
            if not clone_range(file.fileno(), run.target_offset, file.fileno(), place, len(essence)):
                raise NotSupported(f"{path} is on a file system that shares no blocks.")
        file.seek(layout.moov_offset)
        file.write(layout.moov)
    return path


def _picture(number: int, width: int, height: int) -> av.VideoFrame:
    noise = np.random.default_rng(number)
    across = np.linspace(0, 255, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    grain = noise.integers(0, 24, (height // 2, width // 2, 3), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(across // 2 + grain), format="rgb24")


def moving_prores(path: Path, frames: int, width: int, height: int) -> Path:
    """A ProRes 422 HQ clip at 24 fps of things that move over a textured ground with grain; twelve frames repeat."""
    return _repeated(path, "prores_ks", {"profile": "hq", "vendor": "apl0"}, "yuv422p10le", 12, frames, width, height)


def moving_h264(path: Path, frames: int, width: int, height: int, bit_rate: int) -> Path:
    """The same as a camera's long-GOP H.264 at 24 fps: closed GOPs of 24 with two B-frames; 48 frames repeat."""
    options = {"preset": "medium", "x264-params": "keyint=24:min-keyint=24:scenecut=0:open-gop=0:bframes=2:log=none"}
    return _repeated(path, "libx264", options, "yuv420p", 48, frames, width, height, bit_rate)


def _repeated(
    path: Path,
    codec: str,
    options: dict[str, str],
    pixel_format: str,
    different: int,
    frames: int,
    width: int,
    height: int,
    bit_rate: int | None = None,
) -> Path:
    if path.exists():
        return path
    new = path.with_suffix(".new")
    with av.open(str(new), "w", format="mov") as output:
        stream = output.add_stream(codec, rate=24, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.thread_count = 2
        if bit_rate is not None:
            stream.codec_context.bit_rate = bit_rate
        output.metadata["timecode"] = "01:00:00:00"
        coded = [packet for number in range(different) for packet in stream.encode(_moving(number, width, height))]
        coded += stream.encode(None)
        for number in range(frames):
            before = coded[number % different]
            assert before.pts is not None
            assert before.dts is not None
            packet = av.Packet(bytes(before))
            packet.stream, packet.time_base, packet.is_keyframe = stream, before.time_base, before.is_keyframe
            tick = round(1 / (24 * before.time_base))
            later = number // different * different * tick
            packet.pts, packet.dts, packet.duration = before.pts + later, before.dts + later, tick
            output.mux(packet)
    new.rename(path)
    return path


def _moving(number: int, width: int, height: int) -> av.VideoFrame:
    noise = np.random.default_rng(number)
    down, across = np.mgrid[0:height, 0:width]
    ground = np.sin((across + number * 6) / 97) + np.cos((down + number * 3) / 53)
    ground = (ground + np.sin(across * down / (width * 40) + number / 9)) * 38 + 120
    picture = np.stack((ground, ground * 0.9 + 12, ground * 0.8 + 20), axis=2)
    picture += noise.normal(0, 3, (height, width, 1))
    for thing in range(40):
        left = (thing * 977 + number * (thing % 7 + 2) * 3) % width
        top = (thing * 613 + number * (thing % 5)) % height
        color = (thing * 37 % 255, thing * 91 % 255, thing * 53 % 255)
        picture[top : top + height // 18, left : left + width // 25] = color
    return av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
