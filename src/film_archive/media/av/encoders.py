"""Which of FFmpeg's encoders makes which codec and profile, in the names of `media.codecs`.

A new codec is one row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from film_archive.core.errors import NotSupported
from film_archive.core.facts import ColorFacts

BT709 = ColorFacts(primaries="bt709", transfer="bt709", matrix="bt709", range="limited")
JFIF = ColorFacts(primaries="bt709", transfer="bt709", matrix="bt470bg", range="full")
RGB = ColorFacts(primaries="bt709", transfer="iec61966-2-1", range="full")


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder of FFmpeg's, how it is set for a profile, and the pixel format it takes unless told otherwise."""

    name: str
    pixel_format: str
    options: Mapping[str, str] = field(default_factory=dict)
    intra: bool = True
    tag: str | None = None
    """The sample description's four characters, where FFmpeg's own choice is not what players want."""
    color: ColorFacts = BT709
    """The colours where nothing else is asked for; decoders of JPEG assume JFIF's whatever the container says."""


def _prores(profile: str, pixel_format: str = "yuv422p10le") -> Encoder:
    return Encoder("prores_ks", pixel_format, {"profile": profile, "vendor": "apl0"})


def _dnxhr(profile: str, pixel_format: str = "yuv422p") -> Encoder:
    return Encoder("dnxhd", pixel_format, {"profile": profile})


def _x264(profile: str, pixel_format: str) -> Encoder:
    return Encoder("libx264", pixel_format, {"profile": profile}, intra=False)


def _x265(pixel_format: str) -> Encoder:
    return Encoder("libx265", pixel_format, {"x265-params": "log-level=none"}, intra=False, tag="hvc1")


_ALL_INTRA = {"profile": "high422", "x264-params": "keyint=1:log=none"}
_AVC_INTRA = {"profile": "high422", "x264-params": "avcintra-class=100:avcintra-flavor=sony:log=none"}

_VIDEO: dict[str, dict[str, Encoder]] = {
    "prores_422": {
        "422 HQ": _prores("hq"),
        "422": _prores("standard"),
        "422 LT": _prores("lt"),
        "422 Proxy": _prores("proxy"),
    },
    "prores_4444": {
        "4444": _prores("4444", "yuv444p10le"),
        "4444 XQ": _prores("4444xq", "yuv444p10le"),
    },
    "dnxhr": {
        "DNxHR HQ": _dnxhr("dnxhr_hq"),
        "DNxHR LB": _dnxhr("dnxhr_lb"),
        "DNxHR SQ": _dnxhr("dnxhr_sq"),
        "DNxHR HQX": _dnxhr("dnxhr_hqx", "yuv422p10le"),
        "DNxHR 444": _dnxhr("dnxhr_444", "yuv444p10le"),
    },
    "dnxhd": {"DNxHD": _dnxhr("dnxhd")},  # which one is told by size, rate and bit rate
    "h264": {
        "High": _x264("high", "yuv420p"),
        "Main": _x264("main", "yuv420p"),
        "High 10": _x264("high10", "yuv420p10le"),
        "High 4:2:2": _x264("high422", "yuv422p10le"),
        "High 4:2:2 Intra": Encoder("libx264", "yuv422p10le", _ALL_INTRA),
        "AVC-Intra 100": Encoder("libx264", "yuv422p10le", _AVC_INTRA),
    },
    "h265": {
        "Main": _x265("yuv420p"),
        "Main 10": _x265("yuv420p10le"),
        "Range Extensions": _x265("yuv422p10le"),
    },
    "jpeg2000": {"": Encoder("jpeg2000", "yuv422p10le")},
    "mjpeg": {"": Encoder("mjpeg", "yuvj422p", {"flags": "+qscale", "global_quality": str(3 * 118)}, color=JFIF)},
    "mpeg2": {"4:2:2": Encoder("mpeg2video", "yuv422p", intra=False)},
    "uncompressed": {"v210": Encoder("v210", "yuv422p10le")},
    "cineform": {"": Encoder("cfhd", "yuv422p10le")},
    "png": {"": Encoder("png", "rgb24", color=RGB)},
    "ffv1": {"": Encoder("ffv1", "yuv422p", {"level": "3"})},
}


def made_by() -> dict[str, str]:
    """Codec → FFmpeg's encoder that makes it."""
    return {codec: next(iter(profiles.values())).name for codec, profiles in _VIDEO.items()}


def encoder_for(codec: str, profile: str | None = None) -> Encoder:
    """The encoder of a codec ("prores_422", "dnxhr", …) and profile ("422 HQ", …); without one, the codec's first row.

    Raises NotSupported where this program makes no such thing.
    """
    profiles = _VIDEO.get(codec)
    if profiles is None:
        raise NotSupported(f"{codec} cannot be made here; what can: {', '.join(_VIDEO)}.")
    if profile is None:
        return next(iter(profiles.values()))
    if profile not in profiles:
        raise NotSupported(f"{codec} {profile} cannot be made here; of {codec}, what can: {', '.join(profiles)}.")
    return profiles[profile]
