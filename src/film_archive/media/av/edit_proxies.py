"""Proxies for the edit: ProRes Proxy or DNxHR LB in QuickTime, with timecode track, reel and every channel of sound as PCM.

Tracks of sound are laid out as the original's, at its rate, and 16-bit sound stays 16-bit; all else becomes 24-bit. They
begin with the first picture and end with the last or where the original's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import NotSupported
from film_archive.core.facts import AudioFacts
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.coded import CodedPacket
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import AudioSettings, AudioTrack, ContainerWriter, VideoSettings
from film_archive.media.av.sound import decode_audio

CODECS: Mapping[str, tuple[str, str]] = {
    "prores_proxy": ("prores_422", "422 Proxy"),
    "dnxhr_lb": ("dnxhr", "DNxHR LB"),
}
"""Name → codec and profile, as in `encoders`."""


def edit_video(codec: str, width: int, height: int, rate: FrameRate) -> VideoSettings:
    """The picture track of such a proxy; raises NotSupported for a codec that is none of `CODECS`."""
    if codec not in CODECS:
        raise NotSupported(f"{codec} is no codec of proxies for the edit; there are: {', '.join(CODECS)}.")
    if codec == "dnxhr_lb" and (width < 256 or height < 120):
        raise NotSupported(f"DNxHR has no pictures of {width}×{height}; the smallest is 256×120.")
    return VideoSettings(encoder=encoder_for(*CODECS[codec]), width=width, height=height, rate=rate)


class EditWriter:
    """A proxy for the edit that is written into an open binary file; `close` makes it whole."""

    def __init__(
        self,
        target: BinaryIO,
        settings: VideoSettings,
        source: ByteSource | None,
        audio: Sequence[AudioFacts],
        *,
        timecode: Timecode | None,
        reel: str | None,
        name: str,
    ) -> None:
        self._tick = settings.tick
        self._writer = ContainerWriter(target, "mov", timecode=timecode, reel=reel, name=name)
        self._video = self._writer.add_video(settings)
        self._sound = [
            _Copied(source, number, self._writer.add_audio(_pcm(facts)))
            for number, facts in enumerate(audio)
            if source is not None
        ]

    def write(self, pictures: Iterable[CodedPacket], sound: Iterable[CodedPacket] = ()) -> None:
        """Write all pictures, and the sound of each beside it."""
        for packet in pictures:
            self._video.write_coded(packet)
            for track in self._sound:
                track.write_until((packet.time + packet.duration) * self._tick)

    @property
    def samples(self) -> int:
        """Samples written, of one channel of each track."""
        return sum(track.written for track in self._sound)

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.abort()


def _pcm(facts: AudioFacts) -> AudioSettings:
    codec = "pcm_s16le" if facts.bits == 16 and facts.codec.startswith("pcm") else "pcm_s24le"
    return AudioSettings(codec=codec, sample_rate=facts.sample_rate, channels=facts.channels)


class _Copied:
    """One track of sound on its way from the original."""

    def __init__(self, source: ByteSource, number: int, track: AudioTrack) -> None:
        self._runs: Iterator[Any] = decode_audio(source, track=number)
        self._track = track
        self._waiting: NDArray[Any] | None = None
        self._position = 0
        self._ended = False
        self.written = 0

    def write_until(self, seconds: Fraction) -> None:
        """Write what sounds before this moment."""
        end = int(seconds * self._track.settings.sample_rate)
        while self.written < end and not self._ended:
            if self._waiting is None:
                run = next(self._runs, None)
                if run is None:
                    self._ended = True
                    return
                self._waiting, self._position = _whole(run.samples, self._track.settings.codec), run.position
            if self._position > self.written:  # the track begins late
                self._put(np.zeros((min(self._position, end) - self.written, self._waiting.shape[1]), self._waiting.dtype))
                continue
            part = self._waiting[self.written - self._position : end - self._position]
            if len(part):
                self._put(part)
            if self.written >= self._position + len(self._waiting):
                self._waiting = None

    def _put(self, samples: NDArray[Any]) -> None:
        self._track.write(samples, at=self.written)
        self.written += len(samples)


def _whole(samples: NDArray[Any], codec: str) -> NDArray[Any]:
    """Samples as the track takes them without a change: floats as 32-bit integers, of which 24 are kept."""
    if samples.dtype == np.float32:
        scaled = np.clip(np.rint(samples.astype(np.float64) * (1 << 23)), -(1 << 23), (1 << 23) - 1)
        return scaled.astype(np.int32) << 8
    if codec == "pcm_s24le" and samples.dtype == np.int16:
        return samples.astype(np.int32) << 16
    return samples
