"""Clips that have tripped programs up, by name: each is a real file of a few frames, made like any other test clip.

A new oddity is one entry here; the tests of the media readers go through all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from film_archive.core.facts import ColorFacts
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.testing.media import AudioSpec, ClipSpec

_FILM = FrameRate(24_000, 1001)
_NTSC = FrameRate(30_000, 1001)
_P50 = FrameRate(50, 1)
_P59 = FrameRate(60_000, 1001)
_P119 = FrameRate(120_000, 1001)
_PAL = FrameRate(25, 1)
_MONO, _STEREO = AudioSpec(channels=1), AudioSpec()
_FAST = (("preset", "superfast"),)


def _clip(name: str, rate: FrameRate, start: str | None, **fields: object) -> ClipSpec:
    label = None if start is None else Timecode.from_string(start, rate)
    return ClipSpec(name=name, rate=rate, start=label, **{"reel": "A001R1AB", **fields})  # type: ignore[arg-type]


def _gop(frames: int, b_frames: int, **options: str) -> dict[str, object]:
    return {"gop": frames, "b_frames": b_frames, "encoder_options": (*_FAST, *options.items())}


_CLIPS = (
    # ways to count
    _clip("film_rate", _FILM, "23:59:59:12", audio=(_STEREO,)),
    _clip("drop_frame", _NTSC, "00:58:59;20", audio=(_STEREO,)),
    _clip("ntsc_non_drop", _NTSC, "00:58:59:20", audio=(_STEREO,)),
    _clip("rate_47", FrameRate(48_000, 1001), "01:00:00:40", codec="h264", **_gop(12, 2)),
    _clip("rate_50", _P50, "01:00:00:40", audio=(_STEREO,)),
    _clip("drop_frame_59", _P59, "00:58:59;50", codec="h264", audio=(_STEREO,), **_gop(12, 2)),
    _clip("drop_frame_119", _P119, "00:58:59;110", codec="h264", **_gop(24, 0)),
    _clip("rate_120", FrameRate(120, 1), "01:00:00:110", codec="h264", frames=36, **_gop(12, 2)),
    _clip(
        "vfr",
        _P119,
        None,
        codec="h264",
        container="mp4",
        reel=None,
        holds=(4, 5, 4, 9),
        audio=(AudioSpec("aac"),),
        **_gop(12, 0),
    ),
    _clip("no_timecode", _PAL, None, reel=None, audio=(_STEREO,)),
    # sound
    _clip("no_audio", _PAL, "10:00:00:00"),
    _clip("sixteen_mono", _PAL, "10:00:00:00", audio=(_MONO,) * 16, frames=10),
    _clip("one_of_sixteen", _PAL, "10:00:00:00", audio=(AudioSpec(channels=16),), frames=10),
    _clip("sound_96k", _FILM, "10:00:00:00", audio=(AudioSpec("pcm_s24le", 2, 96_000),)),
    _clip("sound_16_bit", _NTSC, "10:00:00;00", audio=(AudioSpec("pcm_s16le", 2),)),
    _clip("sound_float", _PAL, "10:00:00:00", audio=(AudioSpec("pcm_f32le", 2),)),
    # shapes
    _clip("portrait", _NTSC, "10:00:00;00", codec="h264", container="mp4", width=180, height=320, **_gop(12, 2)),
    _clip("odd_size", _PAL, "10:00:00:00", width=333, height=187),
    _clip("anamorphic", FrameRate(24, 1), "10:00:00:00", width=256, height=214, pixel_aspect=Fraction(2)),
    _clip("anamorphic_133", FrameRate(24, 1), "10:00:00:00", width=240, height=180, pixel_aspect=Fraction(4, 3)),
    _clip("portrait_prores", FrameRate(48, 1), "10:00:00:00", width=180, height=320, audio=(_MONO,)),
    _clip(
        "pal_wide", _PAL, "10:00:00:00", width=720, height=576, pixel_aspect=Fraction(64, 45), scan="tff", frames=6
    ),
    _clip("interlaced_prores", _PAL, "10:00:00:00", scan="tff"),
    _clip("interlaced_h264", _NTSC, "10:00:00;00", codec="h264", scan="bff", **_gop(12, 2)),
    # codecs
    _clip("prores_4444_alpha", _FILM, "10:00:00:00", codec="prores_4444", pixel_format="yuva444p10le", alpha=True),
    _clip("prores_lt", _PAL, "10:00:00:00", profile="422 LT"),
    _clip("prores_mxf", _FILM, "10:00:00:00", container="mxf", audio=(_STEREO,)),
    _clip("dnxhr_mxf", _PAL, "10:00:00:00", codec="dnxhr", container="mxf", audio=(_MONO,) * 2),
    _clip("dnxhr_hqx_mov", _FILM, "10:00:00:00", codec="dnxhr", profile="DNxHR HQX", audio=(_STEREO,)),
    _clip(
        "dnxhr_ntsc_mxf", _NTSC, "00:58:59;20", codec="dnxhr", profile="DNxHR SQ", container="mxf", audio=(_STEREO,)
    ),
    _clip(
        "dnxhd_mxf",
        _PAL,
        "10:00:00:00",
        codec="dnxhd",
        container="mxf",
        width=1920,
        height=1080,
        frames=3,
        bit_rate=36_000_000,
    ),
    _clip(
        "xavc_intra_mxf",
        _PAL,
        "10:00:00:00",
        codec="h264",
        profile="High 4:2:2 Intra",
        container="mxf",
        audio=(_MONO,) * 4,
        encoder_options=_FAST,
    ),
    _clip(
        "avc_intra_100_mxf",
        _PAL,
        "10:00:00:00",
        codec="h264",
        profile="AVC-Intra 100",
        container="mxf",
        width=1920,
        height=1080,
        frames=3,
        encoder_options=_FAST,
    ),
    _clip("mpeg2_long_gop_mxf", _PAL, "10:00:00:00", codec="mpeg2", container="mxf", gop=12, b_frames=2, frames=30),
    _clip("h264_long_gop_mxf", _PAL, "10:00:00:00", codec="h264", container="mxf", frames=30, **_gop(12, 2)),
    _clip("jpeg2000_mxf", FrameRate(24, 1), "10:00:00:00", codec="jpeg2000", container="mxf", frames=6),
    _clip(
        "hevc_10",
        _PAL,
        "10:00:00:00",
        codec="h265",
        profile="Main 10",
        color=ColorFacts(primaries="bt2020", transfer="arib-std-b67", matrix="bt2020nc", range="limited"),
        frames=30,
        gop=12,
        b_frames=3,
        encoder_options=_FAST,
    ),
    _clip("mjpeg_mov", _PAL, "10:00:00:00", codec="mjpeg"),
    _clip("uncompressed_mov", _PAL, "10:00:00:00", codec="uncompressed", frames=6),
    _clip("cineform_mov", FrameRate(24, 1), "10:00:00:00", codec="cineform", frames=6),
    # ways to lie in a file
    _clip(
        "long_gop",
        _NTSC,
        "10:58:59;20",
        codec="h264",
        container="mp4",
        frames=60,
        audio=(AudioSpec("aac"),),
        **_gop(24, 2),
    ),
    _clip(
        "open_gop",
        _NTSC,
        "10:58:59;20",
        codec="h264",
        container="mp4",
        frames=40,
        **_gop(8, 3, **{"x264-params": "open-gop=1:b-adapt=0:log=none"}),
    ),
    _clip(
        "fragmented",
        _NTSC,
        "10:58:59;20",
        codec="h264",
        container="mp4",
        frames=40,
        muxer_options=(("movflags", "frag_keyframe+empty_moov+default_base_moof"),),
        **_gop(8, 2),
    ),
    _clip("moov_first", FrameRate(24, 1), "10:00:00:00", audio=(_STEREO,), muxer_options=(("moov_size", "65536"),)),
    _clip("matroska", _PAL, None, reel=None, codec="h264", container="mkv", frames=30, **_gop(12, 2)),
    _clip("transport_stream", _PAL, None, reel=None, codec="h264", container="ts", frames=30, **_gop(12, 2)),
)

ODDITIES: Mapping[str, ClipSpec] = {clip.name: clip for clip in _CLIPS}
"""Name → clip."""
