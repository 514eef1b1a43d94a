"""Test footage: small real clips in which every frame says which one it is.

A clip is described by a `ClipSpec` and made by `make_clip`; its pictures carry number and timecode as text and as a
barcode (`read_frame_code`), its sound carries sample positions (`read_sample_position`). Image sequences and
broadcast wave files are made in `testing.stills` and `testing.wave`; named odd clips stand in `testing.oddities`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from film_archive.core.facts import ColorFacts
from film_archive.core.files import AtomicFile
from film_archive.core.source import printable
from film_archive.core.timecode import FrameRate, Timecode
from film_archive.media.av.encoders import encoder_for
from film_archive.media.av.encoding import AudioSettings, AudioTrack, ContainerWriter, VideoSettings, VideoTrack
from film_archive.testing.cache import cached_folder
from film_archive.testing.frame_code import FrameCode, clip_id, read_frame_code
from film_archive.testing.picture import Painter, frame_picture
from film_archive.testing.sound import (
    SamplePosition,
    first_sample,
    is_position_coded,
    position_coded,
    read_sample_position,
)

__all__ = [
    "AudioSpec",
    "ClipSpec",
    "FrameCode",
    "SamplePosition",
    "cached_clip",
    "clip_id",
    "demo_clips",
    "demo_production",
    "frame_picture",
    "is_position_coded",
    "make_clip",
    "position_coded",
    "read_frame_code",
    "read_sample_position",
    "write_clip",
]

_MUXERS = {"mkv": "matroska", "ts": "mpegts"}
_THREADS = 2
"""A fixed number, so that the bytes are the same on every machine."""


_QUICK_PRORES = (("flags", "+qscale"), ("global_quality", str(4 * 118)))  # a fixed quantiser is not searched for


@dataclass(frozen=True, slots=True)
class AudioSpec:
    """A sound track: FFmpeg's codec name, channels and samples a second."""

    codec: str = "pcm_s24le"
    channels: int = 2
    sample_rate: int = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSpec:
    """A clip to be made. `codec` and `profile` are named as in `media.codecs`, `container` is the file's ending."""

    name: str
    codec: str = "prores_422"
    profile: str | None = None
    container: str = "mov"
    width: int = 320
    height: int = 180
    rate: FrameRate = FrameRate(24, 1)  # noqa: RUF009  a fraction, which does not change
    frames: int = 24
    start: Timecode | None = None
    reel: str | None = None
    audio: tuple[AudioSpec, ...] = ()
    gop: int | None = None
    b_frames: int = 0
    bit_rate: int | None = None
    pixel_format: str | None = None
    pixel_aspect: Fraction = Fraction(1)
    color: ColorFacts | None = None
    scan: str = "progressive"
    """"progressive", "tff" or "bff"."""
    holds: tuple[int, ...] = (1,)
    """For how many ticks of 1/rate each frame is shown, over and over: (1, 1, 3) makes a variable frame rate."""
    alpha: bool = False
    """An alpha channel that rises from left to right; needs a pixel format that has one."""
    encoder_options: tuple[tuple[str, str], ...] = ()
    muxer_options: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def file_name(self) -> str:
        return f"{self.name}.{self.container}"

    @property
    def ticks(self) -> int:
        """How long the clip lasts, in ticks of 1/rate."""
        return sum(hold for _, hold in self.shown())

    def shown(self) -> Iterator[tuple[int, int]]:
        """(first tick, ticks) of every frame."""
        tick = 0
        for number in range(self.frames):
            hold = self.holds[number % len(self.holds)]
            yield tick, hold
            tick += hold

    def timecode(self, number: int) -> Timecode | None:
        """The label of a frame."""
        return None if self.start is None else self.start + number

    def code(self, number: int) -> FrameCode:
        """What `read_frame_code` answers for a frame of this clip."""
        label = self.timecode(number)
        if label is None:
            return FrameCode(clip_id(self.name), number)
        return FrameCode(clip_id(self.name), number, label.total_frames, label.drop_frame)

    def samples(self, track: int = 0) -> int:
        """How many samples a channel of a sound track has."""
        return first_sample(self.ticks, self.audio[track].sample_rate, self.rate)


def make_clip(spec: ClipSpec, folder: Path) -> Path:
    """Make a clip as `folder`/`name.container`; refuses an existing file."""
    target = folder / spec.file_name
    with AtomicFile(target) as new:
        write_clip(spec, new.file, printable(target))  # type: ignore[arg-type]  # IO[bytes] opened for binary is a BinaryIO
        new.commit()
    return target


def cached_clip(spec: ClipSpec, folder: Path) -> Path:
    """The clip of a spec out of a folder, where it is made when first asked for."""
    return cached_folder(spec, folder, lambda here: make_clip(spec, here)) / spec.file_name


def write_clip(spec: ClipSpec, target: BinaryIO, name: str | None = None) -> None:
    """Write a clip into an open binary file, which errors call by `name`."""
    metadata = dict(spec.metadata)
    with ContainerWriter(
        target,
        _MUXERS.get(spec.container, spec.container),
        options=dict(spec.muxer_options),
        metadata=metadata,
        timecode=spec.start,
        reel=spec.reel,
        name=name or spec.file_name,
    ) as writer:
        video = writer.add_video(_video_settings(spec))
        sound = [writer.add_audio(_audio_settings(track)) for track in spec.audio]
        painter = Painter.of(spec.width, spec.height, spec.name)
        for number, (tick, hold) in enumerate(spec.shown()):
            _write_picture(video, painter, spec, number, tick, hold)
            _write_sound(sound, spec, tick, tick + hold)


def _video_settings(spec: ClipSpec) -> VideoSettings:
    return VideoSettings(
        encoder=encoder_for(spec.codec, spec.profile),
        width=spec.width,
        height=spec.height,
        rate=spec.rate,
        pixel_format=spec.pixel_format,
        bit_rate=spec.bit_rate,
        gop=spec.gop,
        b_frames=spec.b_frames,
        pixel_aspect=spec.pixel_aspect,
        color=spec.color,
        scan=spec.scan,
        threads=_THREADS,
        options=dict(spec.encoder_options),
    )


def _audio_settings(track: AudioSpec) -> AudioSettings:
    return AudioSettings(codec=track.codec, sample_rate=track.sample_rate, channels=track.channels)


def _write_picture(
    video: VideoTrack, painter: Painter, spec: ClipSpec, number: int, tick: int, hold: int
) -> None:
    label = spec.timecode(number)
    picture: NDArray[Any]
    if spec.scan == "progressive":
        picture = painter.frame(number, label)
    else:
        picture = painter.interlaced_frame(number, label, top_first=spec.scan == "tff")
    if spec.alpha:
        rising = np.linspace(0, 255, spec.width).astype(np.uint8)
        picture = np.dstack((picture, np.broadcast_to(rising, picture.shape[:2])))
    video.write(picture, at=tick, duration=hold)


def _write_sound(sound: list[AudioTrack], spec: ClipSpec, tick: int, end: int) -> None:
    channel = 0
    for track, made in zip(spec.audio, sound, strict=True):
        first = first_sample(tick, track.sample_rate, spec.rate)
        count = first_sample(end, track.sample_rate, spec.rate) - first
        made.write(position_coded(first, count, track.channels, track.sample_rate, spec.rate, channel=channel))
        channel += track.channels


def demo_clips(seconds: int = 3) -> tuple[ClipSpec, ...]:
    """The clips of the demo's production: three cameras, three formats, one reel each.

    A: ProRes 422 HQ, 24 fps, 01:00:00:00. B: long-GOP H.264, 29.97 drop-frame, over a minute that drops labels.
    C: DNxHR HQ in MXF, 25 fps.
    """
    rate_a, rate_b, rate_c = FrameRate(24, 1), FrameRate(30_000, 1001), FrameRate(25, 1)
    return (
        ClipSpec(
            name="A001C003_240612_R1AB",
            codec="prores_422",
            profile="422 HQ",
            container="mov",
            width=1920,
            height=1080,
            rate=rate_a,
            frames=24 * seconds,
            start=Timecode.from_string("01:00:00:00", rate_a),
            reel="A001R1AB",
            audio=(AudioSpec("pcm_s24le", 2),),
            encoder_options=_QUICK_PRORES,
        ),
        ClipSpec(
            name="B002C011_240612_R2CD",
            codec="h264",
            profile="High",
            container="mp4",
            width=1920,
            height=1080,
            rate=rate_b,
            frames=30 * seconds,
            start=Timecode.from_string("10:58:58;15", rate_b),
            reel="B002R2CD",
            audio=(AudioSpec("aac", 2),),
            gop=30,
            b_frames=2,
            bit_rate=12_000_000,
            encoder_options=(("preset", "superfast"),),
        ),
        ClipSpec(
            name="C003C002_240612_R3EF",
            codec="dnxhr",
            profile="DNxHR HQ",
            container="mxf",
            width=1920,
            height=1080,
            rate=rate_c,
            frames=25 * seconds,
            start=Timecode.from_string("09:30:00:00", rate_c),
            reel="C003R3EF",
            audio=(AudioSpec("pcm_s24le", 1), AudioSpec("pcm_s24le", 1)),
        ),
    )


def demo_production(folder: Path, seconds: int = 3) -> tuple[Path, ...]:
    """Make the demo's three clips in a folder."""
    return tuple(make_clip(spec, folder) for spec in demo_clips(seconds))
