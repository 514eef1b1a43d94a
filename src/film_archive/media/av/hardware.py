"""Whether this machine has an encoder in hardware that really works: tried once, at the first use."""

from __future__ import annotations

from functools import lru_cache

import av

from film_archive.core.timecode import FrameRate
from film_archive.media.av.fragments import GOP, HARDWARE, fragment_video
from film_archive.media.av.settings import video_encoder
from film_archive.media.av.versions import has_encoder

_SIZE = 320, 192
_FRAMES = 2 * GOP + 1


@lru_cache(maxsize=1)
def hardware_encoder() -> str | None:
    """The first of `fragments.HARDWARE` that encodes here and puts its keyframes where they belong; None: there is none."""
    return next((name for name in HARDWARE if has_encoder(name) and works(name)), None)


def tried() -> dict[str, str]:
    """Each of `fragments.HARDWARE`, and what trying it has come to: "works", "does not work here" or "not built in"."""
    return {
        name: "not built in" if not has_encoder(name) else "works" if works(name) else "does not work here" for name in HARDWARE
    }


def works(name: str) -> bool:
    """Whether an encoder makes closed GOPs of 12 frames, in order, of a few pictures."""
    settings = fragment_video(*_SIZE, FrameRate(24, 1), 1_000_000, preset=name)
    try:
        encoder = video_encoder(settings)
        packets = []
        for number in range(_FRAMES):
            frame = av.VideoFrame(*_SIZE, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([64 + number]) * plane.buffer_size)
            frame.pts, frame.time_base = number, settings.tick
            packets += encoder.encode(frame)
        packets += encoder.encode(None)
    except (av.error.FFmpegError, OSError, ValueError):  # no such device, no driver, no licence: all mean no
        return False
    keys = [packet.pts for packet in packets if packet.is_keyframe]
    return [packet.pts for packet in packets] == list(range(_FRAMES)) and keys == list(range(0, _FRAMES, GOP))
