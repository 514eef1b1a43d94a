"""What a picture or a sound track is asked to be, and FFmpeg's streams set accordingly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from film_archive.core.errors import UsageError
from film_archive.core.facts import ColorFacts
from film_archive.core.timecode import FrameRate
from film_archive.media.av.encoders import Encoder

QUICKTIME = ("mov", "mp4", "ipod", "ismv")
"""FFmpeg's muxers of the QuickTime family."""

_FIELD_ORDER = {"progressive": "progressive", "tff": "tt", "bff": "bb"}


@dataclass(frozen=True, kw_only=True)
class VideoSettings:
    """How a picture track is made. Pictures of another size or format are converted to this one."""

    encoder: Encoder
    width: int
    height: int
    rate: FrameRate
    time_base: Fraction | None = None
    """Seconds of one tick; one frame where nothing is said. For pictures that are shown for different times."""
    pixel_format: str | None = None
    bit_rate: int | None = None
    gop: int | None = None
    b_frames: int = 0
    pixel_aspect: Fraction = Fraction(1)
    color: ColorFacts | None = None
    """Tags, and the matrix and range that RGB pictures are turned into; the encoder's own where nothing is said."""
    scan: str = "progressive"
    """"progressive", "tff" or "bff"."""
    threads: int = 1
    """0 is as many as the machine has; with other than 1 some encoders' bytes differ from machine to machine."""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def tick(self) -> Fraction:
        """Seconds of one tick."""
        return 1 / Fraction(self.rate) if self.time_base is None else self.time_base

    @property
    def colors(self) -> ColorFacts:
        """The colour tags that are written."""
        return self.encoder.color if self.color is None else self.color


@dataclass(frozen=True, kw_only=True)
class AudioSettings:
    """How a sound track is made; `codec` is FFmpeg's name ("pcm_s24le", "aac", …)."""

    codec: str = "pcm_s24le"
    sample_rate: int = 48_000
    channels: int = 2
    bit_rate: int | None = None
    layout: str | None = None
    """FFmpeg's channel layout ("5.1"); the usual one of so many channels where nothing is said."""
    keep: tuple[int, int | None] | None = None
    """Write only packets that begin at or after the first of these samples and before the second.

    Coded sound begins with a packet of run-up before sample 0, which not every container can hold; and pieces that are
    to be joined share no packet.
    """


def video_stream(output: av.container.OutputContainer, settings: VideoSettings) -> VideoStream:
    """A new picture stream of a container, its encoder set but not yet opened."""
    stream = output.add_stream(settings.encoder.name, rate=Fraction(settings.rate))
    assert isinstance(stream, VideoStream)
    _set_up(stream.codec_context, settings)
    if settings.encoder.tag is not None and output.format.name in QUICKTIME:
        stream.codec_context.codec_tag = settings.encoder.tag
    return stream


def video_encoder(settings: VideoSettings, *, in_band: bool = False) -> VideoCodecContext:
    """An encoder of its own, open, whose packets a stream of `video_stream` with the same settings takes.

    `in_band` puts the codec's headers before every keyframe, for containers that have no place for them.
    """
    context = av.CodecContext.create(settings.encoder.name, "w")
    assert isinstance(context, VideoCodecContext)
    context.framerate = Fraction(settings.rate)
    _set_up(context, settings)
    if not in_band:
        context.flags |= Flags.global_header
    context.open()
    return context


def _set_up(context: VideoCodecContext, settings: VideoSettings) -> None:
    encoder, color = settings.encoder, settings.colors
    named = {
        "color_primaries": color.primaries,
        "color_trc": color.transfer,
        "colorspace": color.matrix,
        "color_range": {"limited": "tv", "full": "pc"}.get(color.range or ""),
        "field_order": _FIELD_ORDER[settings.scan],
    }
    options = {key: value for key, value in named.items() if value is not None} | dict(encoder.options)
    context.width, context.height = settings.width, settings.height
    context.pix_fmt = settings.pixel_format or encoder.pixel_format
    context.time_base = settings.tick
    context.sample_aspect_ratio = settings.pixel_aspect
    context.thread_count = settings.threads
    if settings.bit_rate is not None:
        context.bit_rate = settings.bit_rate
    if not encoder.intra:
        context.max_b_frames = settings.b_frames
        if settings.gop is not None:
            context.gop_size = settings.gop
            options |= {"keyint_min": str(settings.gop), "sc_threshold": "0"}
    context.flags |= Flags.frame_duration | Flags.bitexact
    if settings.scan != "progressive":
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        if encoder.name == "libx264":
            given = options.get("x264-params")
            options["x264-params"] = ":".join(filter(None, (given, f"{settings.scan}=1")))
    context.options = options | dict(settings.options)


def audio_stream(output: av.container.OutputContainer, settings: AudioSettings, layout: str) -> AudioStream:
    """A new sound stream of a container, its encoder set but not yet opened."""
    stream = output.add_stream(settings.codec, rate=settings.sample_rate)
    if not isinstance(stream, AudioStream):
        raise UsageError(f"{settings.codec} is not a codec for sound.")
    stream.codec_context.layout = layout
    stream.codec_context.time_base = Fraction(1, settings.sample_rate)
    if settings.bit_rate is not None:
        stream.codec_context.bit_rate = settings.bit_rate
    stream.codec_context.flags |= Flags.bitexact
    return stream


def layout_of(codec: str, channels: int) -> str:
    """FFmpeg's channel layout: mono, stereo; of more, PCM's have no given meaning, and coded sound's the usual one."""
    if channels <= 2:
        return ("mono", "stereo")[channels - 1]
    return f"{channels} channels" if codec.startswith("pcm_") else f"{channels}c"


def field_marker(settings: VideoSettings, pixel_format: str) -> av.filter.Graph:
    """A filter that marks frames as interlaced: PyAV's frames have no way to say so."""
    graph = av.filter.Graph()
    width, height = settings.width, settings.height
    picture = av.VideoFormat(pixel_format, width, height)
    source = graph.add_buffer(width=width, height=height, format=picture, time_base=settings.tick)
    marker = graph.add("setfield", f"mode={settings.scan}")
    sink = graph.add("buffersink")
    source.link_to(marker)
    marker.link_to(sink)
    graph.configure()
    return graph


def timescale(tick: Fraction) -> int:
    """A QuickTime timescale that expresses every tick exactly, and is fine enough for sound beside it."""
    scale = tick.denominator
    return scale if scale >= 10_000 else scale * 1000
