"""The movie that shows a shot in a browser: H.264 and AAC in an MP4 whose index comes first.

By quality (CRF) and not by bit rate, without B-frames, a keyframe every 12th frame: it scrubs well, and what a review
server does to it with `-c copy` loses nothing (Kitsu's server drops the first GOP of silent movies with B-frames).
Timecode and reel lie in metadata keys, there is no tmcd track, which browsers may refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, BinaryIO, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from film_archive.core.facts import AudioFacts, ColorFacts
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import ContainerWriter, VideoSettings
from film_archive.media.av.fragments import GOP
from film_archive.media.av.frames import converted, frame_of
from film_archive.media.av.proxy_sound import mix_of, samples_of

SRGB = ColorFacts(primaries="bt709", transfer="iec61966-2-1", matrix="bt709", range="limited")
_HEADER, _A_FRAME = 1 << 16, 96
"""Bytes kept free for the index: at least, and for each frame with its sound."""


class Drawing(Protocol):
    """Draws over a 4:2:0 picture of 8 bits; gives one of its own."""

    def __call__(self, picture: av.VideoFrame, number: int) -> av.VideoFrame: ...


class ReviewWriter:
    """A review movie that is written into an open binary file, named `name` in errors; `close` makes it whole.

    Width and height are even. `frames` is how many there will be at most: room for their index is kept before them.
    `sound` is (tracks' facts, source, first sample's time in seconds) of what is heard from the first frame on.
    """

    def __init__(
        self,
        target: BinaryIO,
        width: int,
        height: int,
        rate: FrameRate,
        *,
        frames: int,
        crf: int = 18,
        preset: str = "medium",
        color: ColorFacts = SRGB,
        timecode: Timecode | None = None,
        reel: str | None = None,
        sound: ReviewSound | None = None,
        name: str | None = None,
    ) -> None:
        settings = VideoSettings(
            encoder=encoder_for("h264", "High"),
            width=width,
            height=height,
            rate=rate,
            gop=GOP,
            b_frames=0,
            color=color,
            threads=0,
            options={"crf": str(crf), "preset": preset, "x264-params": "open-gop=0:log=none", "forced-idr": "1"},
        )
        options = {
            "movflags": "+use_metadata_tags",
            "write_tmcd": "0",
            "use_editlist": "0",
            "moov_size": str(_HEADER + _A_FRAME * frames),
        }
        self._rate, self._sound = rate, sound
        self._width, self._height = width, height
        self._writer = ContainerWriter(target, "mp4", options=options, timecode=timecode, reel=reel, name=name)
        self._video = self._writer.add_video(settings)
        self._audio = None if sound is None else self._writer.add_audio(sound.mix.settings)
        self._heard = None if sound is None else sound.samples()
        self._written = 0
        self._samples = 0

    def write(self, picture: NDArray[Any], drawing: Drawing | None = None, number: int = 0) -> None:
        """Add an RGB picture of 8 or 16 bits, scaled to the movie's size; `drawing` draws over it as over frame `number`."""
        frame = converted(
            frame_of(picture), self._width, self._height, "yuv420p", matrix=1, full_range=False, interpolation="LANCZOS"
        )
        self._video.write(frame if drawing is None else drawing(frame, number))
        self._written += 1
        self._hear()

    def close(self) -> None:
        """Write the end; again is nothing."""
        self._writer.close()

    def abort(self) -> None:
        """Let go of everything."""
        self._writer.abort()

    def _hear(self) -> None:
        """Write the sound up to the end of the last picture; silence where there is none."""
        if self._audio is None or self._sound is None or self._heard is None:
            return
        settings = self._audio.settings
        wanted = int(self._written * settings.sample_rate / Fraction(self._rate)) - self._samples
        while wanted > 0:
            block = self._heard.take(wanted)
            if not len(block):
                block = np.zeros((wanted, settings.channels), np.float32)
            self._audio.write(np.ascontiguousarray(block))
            self._samples += len(block)
            wanted -= len(block)


class ReviewSound:
    """The sound of a stretch of a clip, from `start` seconds on; `lead` seconds of silence come before it."""

    def __init__(self, source: ByteSource, audio: Sequence[AudioFacts], start: Fraction, lead: Fraction = Fraction(0)) -> None:
        mix = mix_of(audio)
        if mix is None:
            raise ValueError("a clip without sound is not heard")
        self.mix, self._source = mix, source
        self._skip = int(start * mix.source_rate)
        self._lead = int(lead * mix.settings.sample_rate)

    def samples(self) -> _Samples:
        return _Samples(self._source, self)

    @property
    def skipped(self) -> tuple[int, int]:
        """(samples of the source that are passed over, samples of silence before the rest)."""
        return self._skip, self._lead


class _Samples:
    """Sound as it is asked for."""

    def __init__(self, source: ByteSource, sound: ReviewSound) -> None:
        self._skip, lead = sound.skipped
        self._runs = samples_of(source, sound.mix)
        self._block = np.zeros((lead, len(sound.mix.channels)), np.float32)

    def take(self, count: int) -> NDArray[np.float32]:
        """Up to so many samples; none at the end."""
        while not len(self._block):
            block = next(self._runs, None)
            if block is None:
                return self._block
            skipped = min(self._skip, len(block))
            self._skip -= skipped
            self._block = block[skipped:]
        taken, self._block = self._block[:count], self._block[count:]
        return taken
