"""Writing media files: a container, its picture and sound tracks, its timecode and reel.

Used by the proxy engine and by the test footage alike. All times are whole ticks of an exact time base. A file is
whole after `close()`; leaving the `with` block by an error lets go of everything and leaves what was written so far
without an end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from film_archive.core.errors import FilmArchiveError, UsageError, from_os_error
from film_archive.core.source import printable
from film_archive.core.timecode import Timecode
from film_archive.media.av.coded import CodedPacket, muxable
from film_archive.media.av.frames import converted, copy_of, frame_of
from film_archive.media.av.opening import explained
from film_archive.media.av.settings import (
    QUICKTIME,
    AudioSettings,
    VideoSettings,
    audio_stream,
    field_marker,
    layout_of,
    timescale,
    video_stream,
)

__all__ = ["AudioSettings", "AudioTrack", "ContainerWriter", "VideoSettings", "VideoTrack"]

_BUFFER = 1 << 18
_GLOBAL_HEADER = 0x40  # AVFMT_GLOBALHEADER: the codec's header goes into the container, not into the packets


class _Sink:
    """What FFmpeg writes into: a file, whose first error is kept, and which can be shut before FFmpeg adds its end."""

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
    stays open and is called `name` in errors. `container` is FFmpeg's muxer ("mov", "mp4", "mxf", "wav", …), `options`
    are the muxer's.

    `timecode` is that of the first frame. MOV gets a tmcd track, with the reel as its name; MP4 a tmcd track and the
    reel as metadata key (`com.apple.proapps.reel`); MXF a material package timecode and the reel as a tape package.
    FFmpeg's MXF has no place for a pixel aspect beside DNxHD and DNxHR.
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
        name: str | None = None,
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
            self._sink = _Sink(file, name or printable(target))
        else:
            self._sink = _Sink(target, name or printable(str(getattr(target, "name", "the file"))))
        self._output: av.container.OutputContainer | None = None
        with self._explaining():
            self._output = av.open(
                self._sink, "w", format=container, container_options=self._options, buffer_size=_BUFFER
            )

    def add_video(self, settings: VideoSettings) -> VideoTrack:
        """A new picture track; all tracks are added before the first picture or sound is written."""
        output = self._fresh()
        if self.container in QUICKTIME:
            # Whole frames, and samples beside them, have to be expressible; FFmpeg's choice for the movie is 1000.
            scale = str(timescale(settings.tick))
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
            if self.container in QUICKTIME and (self.container != "mov" or self._timecode is None):
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
        self._fields = None if settings.scan == "progressive" else field_marker(settings, self._format)
        self._coded = False
        self._stream = video_stream(output, settings)
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

    def write_coded(self, packet: CodedPacket) -> None:
        """Add a picture that was coded elsewhere with this track's settings; times are ticks of their time base."""
        with self._writer._explaining():
            self._writer._start()
            self._writer._mux([muxable(packet, self._stream, self.settings.tick)])
            self._coded = True

    def flush(self) -> None:
        """Write what the encoder still holds; the writer's `close` does it."""
        if not self._coded:
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
        self._coded = False
        self._layout = settings.layout or layout_of(settings.codec, settings.channels)
        self._stream = audio_stream(output, settings, self._layout)

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

    def write_coded(self, packet: CodedPacket) -> None:
        """Add sound that was coded elsewhere with this track's settings; times are samples."""
        with self._writer._explaining():
            self._writer._start()
            self._writer._mux([muxable(packet, self._stream, Fraction(1, self.settings.sample_rate))])
            self._coded = True

    def flush(self) -> None:
        """Write what the encoder still holds; the writer's `close` does it."""
        if not self._coded:
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
