"""Which FFmpeg PyAV brings, and what is built into it: decoders, encoders, hardware."""

from __future__ import annotations

from collections.abc import Mapping

import av
import av.codec.codec

from film_archive.media.av.encoders import made_by

_DECODERS: Mapping[str, str] = {
    "prores_422": "prores",
    "prores_4444": "prores",
    "dnxhd": "dnxhd",
    "dnxhr": "dnxhd",
    "h264": "h264",
    "h265": "hevc",
    "jpeg2000": "jpeg2000",
    "mjpeg": "mjpeg",
    "mpeg2": "mpeg2video",
    "uncompressed": "v210",
    "cineform": "cfhd",
    "ffv1": "ffv1",
}
"""Our name of a codec → FFmpeg's of it."""


def ffmpeg_version() -> str:
    """The version of FFmpeg whose libraries are used."""
    return str(av.ffmpeg_version_info)


def pyav_version() -> str:
    """PyAV's own."""
    return str(av.__version__)


def libraries() -> dict[str, str]:
    """FFmpeg's libraries and their versions."""
    return {name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())}


def decoders() -> dict[str, str | None]:
    """Our name of a codec → FFmpeg's decoder that is used for it; None where this FFmpeg has none."""
    return {name: _decoder(theirs) for name, theirs in _DECODERS.items()}


def encoders() -> dict[str, str | None]:
    """Our name of a codec → FFmpeg's encoder that makes it; None where this FFmpeg has none."""
    return {codec: name if has_encoder(name) else None for codec, name in made_by().items()}


def _decoder(name: str) -> str | None:
    try:
        return str(av.Codec(name, "r").name)
    except av.codec.codec.UnknownCodecError:
        return None


def has_encoder(name: str) -> bool:
    """Whether there is an encoder of this name ("libx264", "prores_ks", …)."""
    try:
        av.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True
