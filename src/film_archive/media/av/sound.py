"""Decoding sound to samples, each run with its exact position.

Position 0 is the sample that sounds when frame 0 appears. Encoder priming and edit lists are applied by FFmpeg.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, NotFound, NotSupported, OutOfRange, UsageError
from film_archive.core.source import ByteSource
from film_archive.media.av.opening import explained, open_source

_RUN_UP = 8192
"""Samples that a coded track is decoded from before the first wanted one, so that its transform has settled."""
_LONGEST_GAP = 600
"""Seconds without sound between two packets that are filled; a longer gap is damage."""
_SILENCE = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class DecodedSamples:
    """A run of sound."""

    position: int
    """The first sample's number."""
    samples: NDArray[Any]
    """(count, channels) of int16, int32 (24 bits left-justified) or float32 (±1), as the codec has it."""
    sample_rate: int
    corrupt: bool = False
    """Damaged, or silence in the place of what is missing."""


def decode_audio(
    source: ByteSource,
    *,
    container: str | None = None,
    track: int = 0,
    start: int = 0,
    count: int | None = None,
) -> Iterator[DecodedSamples]:
    """The samples of a sound track (counted from 0) from number `start`, `count` of them or all, in runs as they come.

    A track that begins late begins at its own position; a hole in its midst is filled with silence and marked. Raises
    NotFound without such a track, OutOfRange where `count` samples are not there, NotSupported without a decoder,
    Damaged and StorageError where the file can't be read.
    """
    if start < 0 or (count is not None and count < 0):
        raise UsageError(f"{count} samples from {start} are not a range.")
    stop = None if count is None else start + count
    seek = start > 0
    while True:
        with open_source(source, container=container) as opened:
            listener = _Listener(opened, source.name, track)
            if seek:
                listener.seek(start)
            reached = start
            for run in listener.runs():
                if seek and reached == start and run.position > start:
                    break  # the seek went too far: once more from the beginning
                end = run.position + len(run.samples)
                if end <= reached:
                    continue
                first = max(run.position, reached)
                last = end if stop is None else min(end, stop)
                if last > first:
                    part = run.samples[first - run.position : last - run.position]
                    yield DecodedSamples(first, part, run.sample_rate, run.corrupt)
                    reached = last
                if stop is not None and last >= stop:
                    return
            else:
                if stop is not None and reached < stop:
                    raise OutOfRange(f"{source.name}: sound track {track} ends at sample {reached}, before {stop}.")
                return
        seek = False


class _Listener:
    """One sound track of an open container."""

    def __init__(self, opened: InputContainer, name: str, track: int) -> None:
        self.name = name
        self._opened = opened
        tracks = opened.streams.audio
        if not 0 <= track < len(tracks):
            raise NotFound(f"{name} has {len(tracks)} sound tracks; there is no track {track}.")
        self._stream: AudioStream = tracks[track]
        if self._stream.codec_context is None:
            raise NotSupported(f"{name}: there is no decoder for its sound.")
        self._context = self._stream.codec_context
        self._rate = int(self._stream.sample_rate or 0)
        if self._rate <= 0:
            raise Damaged(f"{name}: sound track {track} states no sample rate.")
        self._tick = Fraction(self._stream.time_base or Fraction(1, self._rate))
        self._coarse = max(0, -(-self._tick * self._rate // 1) - 1)
        self._zero = _start(opened)
        self._coded = not self._context.name.startswith("pcm_")

    def seek(self, position: int) -> None:
        """Go to a little before a sample, where the container's times are fine enough to know which sample that is."""
        if self._coarse:
            return
        wanted = max(0, position - (_RUN_UP if self._coded else self._rate // 10))
        seconds = Fraction(wanted, self._rate) + self._zero
        try:
            self._opened.seek(int(seconds / self._tick), stream=self._stream)
        except av.error.FFmpegError:
            self._opened.seek(0)

    def runs(self) -> Iterator[DecodedSamples]:
        """All that comes out of the decoder, without holes."""
        expected: int | None = None
        for packet in self._demuxed():
            for frame in self._decoded(packet):
                samples = _columns(frame)
                position = expected or 0
                if frame.pts is not None:
                    position = round((frame.pts * self._tick - self._zero) * self._rate)
                if expected is not None and abs(position - expected) <= self._coarse:
                    position = expected
                if expected is not None and position > expected:
                    yield from self._silence(expected, position, samples)
                damaged = frame.is_corrupt or (packet is not None and packet.is_corrupt)
                yield DecodedSamples(position, samples, self._rate, damaged)
                expected = position + len(samples)

    def _silence(self, first: int, end: int, like: NDArray[Any]) -> Iterator[DecodedSamples]:
        if end - first > _LONGEST_GAP * self._rate:
            raise Damaged(f"{self.name}: its sound jumps from sample {first} to {end}.")
        for position in range(first, end, _SILENCE):
            silence = np.zeros((min(_SILENCE, end - position), like.shape[1]), like.dtype)
            yield DecodedSamples(position, silence, self._rate, corrupt=True)

    def _decoded(self, packet: Packet[AudioStream] | None) -> list[av.AudioFrame]:
        try:
            return self._context.decode(packet)
        except av.error.LookupError as error:
            raise NotSupported(f"{self.name}: there is no decoder for its sound ({error.strerror}).") from error
        except av.error.FFmpegError:
            return []  # the hole shows in the next packet's time, and is filled and marked

    def _demuxed(self) -> Iterator[Packet[AudioStream] | None]:
        packets = self._opened.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                raise explained(error, f"read the sound of {self.name}") from error
            if packet is None or (packet.size == 0 and packet.pts is None and packet.dts is None):
                yield None
                return
            if packet.size:
                yield packet


def _start(opened: InputContainer) -> Fraction:
    """FFmpeg's time of the first picture, or of the first sound where there is no picture."""
    for stream in (*opened.streams.video, *opened.streams.audio):
        if stream.start_time is not None and stream.time_base is not None:
            return stream.start_time * Fraction(stream.time_base)
    return Fraction(0)


def _columns(frame: av.AudioFrame) -> NDArray[Any]:
    """A frame's samples as (count, channels) of int16, int32 or float32."""
    array = np.asarray(frame.to_ndarray())
    channels = frame.layout.nb_channels
    columns = array.T if frame.format.is_planar else array.reshape(-1, channels)
    if columns.dtype == np.uint8:
        return (columns.astype(np.int16) - 128) << 8
    if columns.dtype == np.float64:
        return columns.astype(np.float32)
    return np.ascontiguousarray(columns)
