"""Encoding some frames of a clip once more so that they fit in between its own: same codec, profile, size, colours.

And proving a cut by its pictures: those that were copied decode to the very same, those that were encoded again are like
the original's, and each is like no frame beside it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.frame_index import FrameIndex
from film_archive.core.source import ByteSource
from film_archive.core.timecode import FrameRange
from film_archive.media.av.decoding import DecodedFrame, decode_frames
from film_archive.media.av.frames import copy_of, luma_of
from film_archive.media.av.opening import explained

_THREADS = 4
"""A fixed number, so that the bytes do not depend on the machine."""
_LIMIT = 65.0
"""Mean squared error of luma, in 8-bit levels, that a frame may have that was encoded again: a PSNR of 30 dB."""

_HEVC: dict[str, str | None] = {"Main": "main", "Main 10": "main10", "Range Extensions": None}
_PROFILES: dict[str, str] = {
    "High": "high",
    "Main": "main",
    "Baseline": "main",
    "Constrained Baseline": "main",
    "High 10": "high10",
    "High 4:2:2": "high422",
    "High 4:4:4 Predictive": "high444",
}


@dataclass(frozen=True, slots=True)
class RecodedPicture:
    """A picture as its encoder gave it."""

    data: bytes
    """A byte stream (start codes in front of NAL units)."""
    number: int
    """Which of the frames it is, from 0, as they are shown."""
    key: bool


@dataclass(frozen=True, slots=True)
class Recoding:
    """How frames are encoded again."""

    codec: str
    """"h264" or "h265"."""
    profile: str | None
    rate: Fraction
    gop: int
    """Frames from keyframe to keyframe, at most."""
    parameter_id: int
    """Of the parameter sets that the pictures name; of H.264 only."""


class Recoder:
    """Encodes frames of a clip; `parameters` are there when the first picture is."""

    def __init__(self, source: ByteSource, index: FrameIndex, settings: Recoding) -> None:
        self._source, self._index, self._settings = source, index, settings
        self.parameters: bytes = b""
        """The encoder's parameter sets, as a byte stream."""

    def pictures(self, frames: FrameRange) -> Iterator[RecodedPicture]:
        """The frames encoded, in decode order; the first stands alone. Raises Damaged where one can't be decoded."""
        encoder: VideoCodecContext | None = None
        for decoded in decode_frames(self._source, start=frames.first, count=frames.count, index=self._index):
            picture = _whole(decoded, self._source.name)
            try:
                if encoder is None:
                    encoder = self._open(picture)
                copy = copy_of(picture)
                copy.pts, copy.time_base = decoded.number - frames.first, 1 / self._settings.rate
                packets = list(encoder.encode(copy))
            except av.error.FFmpegError as error:
                raise explained(error, f"encode frame {decoded.number} of {self._source.name}") from error
            yield from map(_picture, packets)
        if encoder is not None:
            yield from map(_picture, encoder.encode(None))

    def _open(self, like: av.VideoFrame) -> VideoCodecContext:
        name, options = self._encoder()
        encoder = av.CodecContext.create(name, "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height = like.width, like.height
        encoder.pix_fmt = like.format.name.replace("yuvj", "yuv")
        encoder.time_base, encoder.framerate = 1 / self._settings.rate, self._settings.rate
        encoder.color_range, encoder.colorspace = like.color_range, like.colorspace
        encoder.color_primaries, encoder.color_trc = like.color_primaries, like.color_trc
        encoder.thread_count = _THREADS
        encoder.flags |= Flags.global_header
        encoder.options = options
        encoder.open()
        self.parameters = bytes(encoder.extradata or b"")
        return encoder

    def _encoder(self) -> tuple[str, dict[str, str]]:
        """The encoder's name and its options: nearly lossless, closed GOPs."""
        settings = self._settings
        common = f"open-gop=0:keyint={settings.gop}"
        if settings.codec == "h264" and (settings.profile or "High") in _PROFILES:
            parameters = f"sps-id={settings.parameter_id}:{common}:annexb=1:log=none"
            profile = _PROFILES[settings.profile or "High"]
            return "libx264", {"preset": "medium", "crf": "8", "profile": profile, "x264-params": parameters}
        if settings.codec == "h265" and (settings.profile or "Main") in _HEVC:
            pools = f"pools={_THREADS}:frame-threads=1"  # a fixed number, as above
            options = {"preset": "medium", "crf": "8", "x265-params": f"{common}:{pools}:annexb=1:log-level=none"}
            named = _HEVC[settings.profile or "Main"]
            return "libx265", options if named is None else {**options, "profile": named}
        raise NotSupported(
            f"{settings.codec} {settings.profile or ''} can't be encoded again here so that it fits the rest; cut it with "
            "--mode copy."
        )


def _whole(decoded: DecodedFrame, name: str) -> av.VideoFrame:
    if decoded.frame is None or decoded.corrupt:
        raise Damaged(f"{name}: frame {decoded.number} can't be decoded, so it can't be encoded again; cut with --mode copy.")
    return decoded.frame


def _picture(packet: av.Packet[Any]) -> RecodedPicture:
    assert packet.pts is not None, "an encoder that is given times gives them back"
    return RecodedPicture(bytes(packet), packet.pts, packet.is_keyframe)


# Proof


@dataclass(frozen=True, slots=True)
class Proof:
    """Which frames of a cut are held against the original's: numbers in the cut, from 0."""

    frames: FrameRange
    copied: bool
    """Whether they have to be the very same pictures."""


def prove(
    made: ByteSource, made_index: FrameIndex, original: ByteSource, index: FrameIndex, first: int, parts: tuple[Proof, ...]
) -> str | None:
    """Why a cut is not what it should be; None where it is. `first` is the original's frame that the cut begins with."""
    for part in parts:
        told = _told(made, made_index, original, index, first, part)
        if told is not None:
            return told
    return None


def _told(
    made: ByteSource, made_index: FrameIndex, original: ByteSource, index: FrameIndex, first: int, part: Proof
) -> str | None:
    low, high = max(0, first + part.frames.first - 1), min(index.frames, first + part.frames.end + 1)
    looks: dict[int, NDArray[np.uint8]] = {}
    wanted = decode_frames(original, start=low, count=high - low, index=index)
    ahead: deque[int] = deque()
    for decoded in decode_frames(made, start=part.frames.first, count=part.frames.count, index=made_index):
        number = first + decoded.number
        while (number + 1 < high and number + 1 not in looks) or number not in looks:
            look = next(wanted)
            looks[look.number] = luma_of(_whole(look, original.name))
            ahead.append(look.number)
        while ahead and ahead[0] < number - 1:
            del looks[ahead.popleft()]
        if decoded.frame is None or decoded.corrupt:
            return f"frame {decoded.number} of the cut can't be decoded"
        picture = luma_of(decoded.frame)
        if picture.shape != looks[number].shape:
            return f"frame {decoded.number} of the cut has another size"
        error = _error(picture, looks[number])
        if part.copied and error:
            return f"frame {decoded.number} of the cut decodes to another picture than frame {number} of the clip"
        if error > _LIMIT:
            return f"frame {decoded.number} of the cut differs too much from frame {number} of the clip"
        beside = [look for look in (number - 1, number + 1) if look in looks]
        if any(_error(picture, looks[look]) < error for look in beside):
            return f"frame {decoded.number} of the cut is like another frame than {number} of the clip"
    return None


def _error(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.mean(np.square(one.astype(np.int32) - other.astype(np.int32))))
