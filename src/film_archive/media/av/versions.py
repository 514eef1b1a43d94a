"""Which FFmpeg PyAV brings, and what is built into it."""

from __future__ import annotations

import av
import av.codec.codec


def ffmpeg_version() -> str:
    """The version of FFmpeg whose libraries are used."""
    return str(av.ffmpeg_version_info)


def has_encoder(name: str) -> bool:
    """Whether there is an encoder of this name ("libx264", "prores_ks", …)."""
    try:
        av.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True
