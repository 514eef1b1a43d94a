"""Writing media files: a container, its picture and sound tracks, its timecode and reel.

Used by the proxy engine and by the test footage alike. All times are whole ticks of an exact time base. A file is
whole after `close()`; leaving the `with` block by an error lets go of everything and leaves what was written so far
without an end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from film_archive.core.errors import FilmArchiveError, UsageError, from_os_error
from film_archive.core.facts import ColorFacts
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.encoders import Encoder
from film_archive.media.av.frames import converted, copy_of, frame_of
from film_archive.media.av.opening import explained

_QUICKTIME = ("mov", "mp4", "ipod", "ismv")
_FIELD_ORDER = {"progressive": "progressive", "tff": "tt", "bff": "bb"}
_BUFFER = 1 << 18
_GLOBAL_HEADER = 0x40  # AVFMT_GLOBALHEADER: the codec's header goes into the container, not into the packets


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
    keep: tuple[int, int | None] | None = None
    """Write only packets that begin at or after the first of these samples and before the second: coded sound begins
    with a packet of run-up before sample 0, which not every container can hold, and pieces to be joined share none."""


class _Sink:
    """What FFmpeg writes into: hands on to a file, keeps the first error, and can be shut before FFmpeg adds its
    end."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        self.closed = False
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return self.file.seekable()

    def writable(self) -> bool:
        return True


class ContainerWriter:
    """One media file that is being written: add its tracks, write into them, close it.

    `target` is a path (an existing file is overwritten: names are the caller's business) or an open binary file, which
    stays open. `container` is FFmpeg's muxer ("mov", "mp4", "mxf", "wav", …), `options` are the muxer's.

    `timecode` is that of the first frame. MOV gets a tmcd track, with the reel as its name; MP4 a tmcd track and the
    reel as metadata key (`com.apple.proapps.reel`); MXF a material package timecode and the reel as a tape package. FFmpeg's
    MXF has no place for a pixel aspect beside DNxHD and DNxHR.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        container: str,
        *,
        options: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        timecode: Timecode | None = None,
        reel: str | None = None,
    ) -> None:
        self.container = container
        self.tracks: list[VideoTrack | AudioTrack] = []
        self._options = dict(options or {})
        self._metadata = dict(metadata or {})
        self._timecode, self._reel = timecode, reel
        self._started = False
        self._owned: BinaryIO | None = None
        if isinstance(target, Path):
            try:
                self._owned = file = open(target, "wb")  # noqa: SIM115  closed by close() and abort()
            except OSError as error:
                raise from_os_error(error, f"write {printable(target)}") from error
            self._sink = _Sink(file, printable(target))
        else:
            self._sink = _Sink(target, printable(str(getattr(target, "name", "the file"))))
        self._output: av.container.OutputContainer | None = None
        with self._explaining():
            self._output = av.open(
                self._sink, "w", format=container, container_options=self._options, buffer_size=_BUFFER
            )

    def add_video(self, settings: VideoSettings) -> VideoTrack:
        """A new picture track; all tracks are added before the first picture or sound is written."""
        output = self._fresh()
        if self.container in _QUICKTIME:
            # Whole frames, and whole samples beside them, have to be expressible; FFmpeg's own choice for the movie
            # is 1000.
            scale = str(_timescale(settings.tick))
            self._options.setdefault("video_track_timescale", scale)
            self._options.setdefault("movie_timescale", scale)
        with self._explaining():
            track = VideoTrack(self, output, settings)
        self.tracks.append(track)
        return track

    def add_audio(self, settings: AudioSettings) -> AudioTrack:
        """A new sound track."""
        output = self._fresh()
        with self._explaining():
            track = AudioTrack(self, output, settings)
        self.tracks.append(track)
        return track

    def close(self) -> None:
        """Write what the encoders still hold and the container's end, and let go of everything; again is nothing."""
        if self._output is None:
            return
        try:
            with self._explaining():
                self._start()
                for track in self.tracks:
                    track.flush()
                self._output.close()
                if self._sink.error is not None:
                    raise self._sink.error
                if self._owned is not None:
                    self._owned.flush()
        finally:
            self.abort()

    def abort(self) -> None:
        """Let go of everything at once, without the container's end."""
        output, self._output = self._output, None
        self._sink.closed = True
        self.tracks.clear()
        if output is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):  # what is given up has nothing more to report
                output.close()
        if self._owned is not None:
            with contextlib.suppress(OSError):
                self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def _mux(self, packets: list[Any]) -> None:
        self._opened().mux(packets)

    def _start(self) -> None:
        """Open the encoders and write the header, once all tracks are there."""
        output = self._opened()
        if self._started:
            return
        for stream in output.streams:
            assert stream.codec_context is not None
            if output.format.flags & _GLOBAL_HEADER:
                stream.codec_context.flags |= Flags.global_header
            stream.codec_context.open()
        self._describe(output)
        output.container_options.update(self._options)
        output.start_encoding()
        self._started = True

    def _describe(self, output: av.container.OutputContainer) -> None:
        options, metadata = self._options, self._metadata
        if self.container != "mxf":  # an MXF without it gets a UMID of its own, which a bit-exact one does not
            options["fflags"] = "+".join(filter(None, (options.get("fflags"), "bitexact")))
        if self._timecode is not None:
            metadata.setdefault("timecode", str(self._timecode))
        if self._reel is not None:
            if self.container in _QUICKTIME and (self.container != "mov" or self._timecode is None):
                metadata.setdefault("com.apple.proapps.reel", self._reel)
                flags = options.get("movflags", "")
                if "use_metadata_tags" not in flags:
                    options["movflags"] = flags + "+use_metadata_tags"
            else:
                metadata.setdefault("reel_name", self._reel)
                for stream in output.streams.video:
                    stream.metadata["reel_name"] = self._reel
        output.metadata.update(metadata)

    def _fresh(self) -> av.container.OutputContainer:
        if self._started:
            raise UsageError(f"{self._sink.name}: tracks are added before the first picture is written.")
        return self._opened()

    def _opened(self) -> av.container.OutputContainer:
        if self._output is None:
            raise UsageError(f"{self._sink.name} is closed already.")
        return self._output

    @contextlib.contextmanager
    def _explaining(self) -> Any:
        """Errors of the block as ours; after one, everything is let go of."""
        try:
            yield
        except FilmArchiveError:
            self.abort()
            raise
        except av.error.FFmpegError as error:
            self.abort()
            cause = self._sink.error
            if cause is not None:
                raise from_os_error(cause, f"write {self._sink.name}") from error
            raise explained(error, f"write {self._sink.name}") from error
        except OSError as error:
            self.abort()
            raise from_os_error(error, f"write {self._sink.name}") from error
        except ValueError as error:  # PyAV's word for a codec that does not go into a container
            self.abort()
            raise UsageError(f"Could not write {self._sink.name}: {error}.") from error


class VideoTrack:
    """A picture track that is being written."""

    def __init__(self, writer: ContainerWriter, output: av.container.OutputContainer, settings: VideoSettings) -> None:
        self.settings = settings
        self._writer = writer
        self._next = 0
        self._reformatter = VideoReformatter()
        self._format = settings.pixel_format or settings.encoder.pixel_format
        self._fields = None if settings.scan == "progressive" else _field_marker(settings, self._format)
        self._stream = _video_stream(output, settings)
        self._context = self._stream.codec_context

    def write(self, picture: NDArray[Any] | av.VideoFrame, at: int | None = None, duration: int = 1) -> None:
        """Add a picture: an array (gray, RGB, RGBA of 8 or 16 bits) or a frame, of any size.

        `at` and `duration` are ticks of the settings' time base; without `at` it follows the one before. A frame that
        was handed in is left as it was.
        """
        with self._writer._explaining():
            self._writer._start()
            start = self._next if at is None else at
            self._next = start + duration
            frame = self._prepared(picture)
            frame.pts, frame.duration, frame.time_base = start, duration, self.settings.tick
            self._writer._mux(self._stream.encode(frame))

    def flush(self) -> None:
        """Write what the encoder still holds; the writer's `close` does it."""
        self._writer._mux(self._stream.encode(None))

    def _prepared(self, picture: NDArray[Any] | av.VideoFrame) -> av.VideoFrame:
        settings = self.settings
        given = picture if isinstance(picture, av.VideoFrame) else frame_of(picture)
        frame = converted(
            given,
            settings.width,
            settings.height,
            self._format,
            matrix=int(self._context.colorspace),
            full_range=settings.colors.range == "full",
            reformatter=self._reformatter,
        )
        if frame is given:
            frame = copy_of(given)
        frame.pict_type = 0  # a decoded frame's type would force the encoder's
        frame.color_primaries, frame.color_trc = self._context.color_primaries, self._context.color_trc
        frame.colorspace, frame.color_range = self._context.colorspace, self._context.color_range
        if self._fields is not None:
            self._fields.push(frame)
            marked = self._fields.pull()
            assert isinstance(marked, av.VideoFrame)
            return marked
        return frame


class AudioTrack:
    """A sound track that is being written."""

    def __init__(self, writer: ContainerWriter, output: av.container.OutputContainer, settings: AudioSettings) -> None:
        self.settings = settings
        self._writer = writer
        self._next = 0
        self._layout = _layout(settings.codec, settings.channels)
        self._stream = _audio_stream(output, settings, self._layout)

    def write(self, samples: NDArray[Any], at: int | None = None) -> None:
        """Add samples, (count, channels) of int16, int32 or float32 (±1); `at` is the first one's number."""
        if samples.ndim != 2 or samples.shape[1] != self.settings.channels:
            raise UsageError(f"Samples of {samples.shape} do not fit a track of {self.settings.channels} channels.")
        name = {"int16": "s16", "int32": "s32", "float32": "flt"}.get(samples.dtype.name)
        if name is None:
            raise UsageError(f"Samples of {samples.dtype} are not written; give int16, int32 or float32.")
        if not len(samples):
            return
        with self._writer._explaining():
            self._writer._start()
            start = self._next if at is None else at
            self._next = start + len(samples)
            packed = np.ascontiguousarray(samples).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format=name, layout=self._layout)
            frame.sample_rate = self.settings.sample_rate
            frame.pts, frame.time_base = start, Fraction(1, self.settings.sample_rate)
            self._mux(frame)

    def flush(self) -> None:
        """Write what the encoder still holds; the writer's `close` does it."""
        self._mux(None)

    def _mux(self, frame: av.AudioFrame | None) -> None:
        packets = self._stream.encode(frame)
        if self.settings.keep is not None:
            first, end = self.settings.keep
            packets = [
                packet
                for packet in packets
                if packet.pts is not None and packet.pts >= first and (end is None or packet.pts < end)
            ]
        self._writer._mux(packets)


def _video_stream(output: av.container.OutputContainer, settings: VideoSettings) -> VideoStream:
    encoder, color = settings.encoder, settings.colors
    named = {
        "color_primaries": color.primaries,
        "color_trc": color.transfer,
        "colorspace": color.matrix,
        "color_range": {"limited": "tv", "full": "pc"}.get(color.range or ""),
        "field_order": _FIELD_ORDER[settings.scan],
    }
    options = {key: value for key, value in named.items() if value is not None} | dict(encoder.options)
    stream = output.add_stream(encoder.name, rate=Fraction(settings.rate))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
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
    if encoder.tag is not None and output.format.name in _QUICKTIME:
        context.codec_tag = encoder.tag
    context.flags |= Flags.frame_duration | Flags.bitexact
    if settings.scan != "progressive":
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        if encoder.name == "libx264":
            given = options.get("x264-params")
            options["x264-params"] = ":".join(filter(None, (given, f"{settings.scan}=1")))
    context.options = options | dict(settings.options)
    return stream


def _audio_stream(output: av.container.OutputContainer, settings: AudioSettings, layout: str) -> AudioStream:
    stream = output.add_stream(settings.codec, rate=settings.sample_rate)
    if not isinstance(stream, AudioStream):
        raise UsageError(f"{settings.codec} is not a codec for sound.")
    stream.codec_context.layout = layout
    stream.codec_context.time_base = Fraction(1, settings.sample_rate)
    if settings.bit_rate is not None:
        stream.codec_context.bit_rate = settings.bit_rate
    stream.codec_context.flags |= Flags.bitexact
    return stream


def _layout(codec: str, channels: int) -> str:
    """FFmpeg's layout: mono, stereo; more channels have no given meaning in PCM, and the usual one where sound is
    coded."""
    if channels <= 2:
        return ("mono", "stereo")[channels - 1]
    return f"{channels} channels" if codec.startswith("pcm_") else f"{channels}c"


def _field_marker(settings: VideoSettings, pixel_format: str) -> av.filter.Graph:
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


def _timescale(tick: Fraction) -> int:
    """A QuickTime timescale that expresses every tick exactly, and is fine enough for sound beside it."""
    scale = tick.denominator
    return scale if scale >= 10_000 else scale * 1000
