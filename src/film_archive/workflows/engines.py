"""What decodes and encodes here: libraries and their versions, our own decoder, encoders of hardware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from film_archive.core.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines(Record):
    """What media is read and made with on this machine."""

    pyav: str
    """PyAV's version."""
    ffmpeg: str
    """The version of the FFmpeg that it brings."""
    libraries: Mapping[str, str]
    """FFmpeg's libraries and their versions."""
    decoders: Mapping[str, str | None]
    """Codec and FFmpeg's decoder of it; null where it has none."""
    encoders: Mapping[str, str | None]
    """Codec and FFmpeg's encoder of it; null where it has none."""
    reduced_prores: bool
    """Whether the decoder of ProRes at 1/2, 1/4 and 1/8 size was built at install."""
    prores: str
    """How ProRes is decoded for small proxies, and why."""
    hardware: Mapping[str, str]
    """Encoders of hardware, and what trying each has come to: "works", "does not work here" or "not built in"."""
    hardware_encoder: str | None
    """Which of them `--hardware` uses; null where none works."""
    images: str | None
    """The version of OpenImageIO; null where it is not there."""
    colour: str | None
    """The version of OpenColorIO; null where it is not there."""
    workers: int
    """How many threads proxies are made by unless something else is said."""


def engines() -> Engines:
    """Look at what is there; encoders of hardware are tried with a few pictures."""
    from film_archive.media.av import versions
    from film_archive.media.av.hardware import hardware_encoder, tried
    from film_archive.media.grading import color_version
    from film_archive.media.images import image_version
    from film_archive.media.prores import available, engine
    from film_archive.proxy.making import workers_used

    return Engines(
        pyav=versions.pyav_version(),
        ffmpeg=versions.ffmpeg_version(),
        libraries=versions.libraries(),
        decoders=versions.decoders(),
        encoders=versions.encoders(),
        reduced_prores=available(),
        prores=engine(),
        hardware=tried(),
        hardware_encoder=hardware_encoder(),
        images=image_version(),
        colour=color_version(),
        workers=workers_used(None),
    )
