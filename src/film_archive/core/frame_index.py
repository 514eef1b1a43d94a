"""Where each frame and each piece of sound lies in a file, without decoding: number ⇄ time ⇄ bytes ⇄ keyframe.

Positions are offsets into the media file itself (a member's own bytes when it lies in an archive). Tables are in decode
order, as the file has them; frame *numbers* are in display order and count only what is shown (edit lists are applied:
a packet whose time is below 0 or at or past `end` is pre-roll).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json, to_json

from film_archive.core.columns import ColumnReader, pack
from film_archive.core.columns import Longs as Longs  # who makes a frame index needs it
from film_archive.core.errors import Damaged, OutOfRange
from film_archive.core.timecode import FrameRange, FrameRate

_MAGIC = b"film-archive frame index 1\n"
_MAXIMUM = 1 << 29
"""Bytes of unpacked tables: 16 million packets, which is ten hours of picture with ten tracks of AAC."""
_INFLATES_TO = 1040
"""No DEFLATE stream grows by more (RFC 1951: 258 bytes from 2 bits, and its block headers)."""

@dataclass(frozen=True, eq=False)
class Packets:
    """The packets (or PCM chunks) of one track, in decode order.

    `offsets`, `sizes` in bytes, `times` in ticks of 1/`timescale` s, 0 being the first moment shown; `end` is the tick
    just after the last one shown. Raises ValueError where the tables don't fit each other or places are negative.
    """

    offsets: Longs
    sizes: Longs
    times: Longs
    end: int
    timescale: Fraction

    def __post_init__(self) -> None:
        for name in ("offsets", "sizes", "times"):  # as readers find them: any width, any sign
            object.__setattr__(self, name, np.asarray(getattr(self, name)).astype(np.int64, copy=False))
        object.__setattr__(self, "end", int(self.end))
        if not len(self.offsets) == len(self.sizes) == len(self.times):
            raise ValueError("the tables of a track have different lengths")
        if len(self.offsets) and min(self.offsets.min(), self.sizes.min(), (self.offsets + self.sizes).min()) < 0:
            raise ValueError("a packet lies outside every file")
        if self.timescale <= 0 or abs(self.end) >> 62:
            raise ValueError("a track's clock is impossible")

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True, eq=False)
class AudioIndex:
    """One audio track. For PCM a packet is a chunk of `size / frame_bytes` samples; coded sound has frame_bytes 0."""

    packets: Packets
    sample_rate: int
    channels: int
    frame_bytes: int
    codec: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One shown frame: its number, its bytes, its time in ticks, and where it stands in decode order."""

    number: int
    offset: int
    size: int
    time: int
    key: bool
    position: int


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """All frames of a clip's picture track and all its sound."""

    video: Packets | None
    keys: NDArray[np.bool_]
    rate: FrameRate | None
    audio: tuple[AudioIndex, ...] = ()
    diagnostics: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if len(self.keys) != (0 if self.video is None else len(self.video)):
            raise ValueError("not every packet of the picture is known to be a keyframe or none")

    @cached_property
    def shown(self) -> Longs:
        """Frame number → position in decode order."""
        if self.video is None:
            return np.zeros(0, np.int64)
        times = self.video.times
        order = np.argsort(times, kind="stable")
        visible = (times[order] >= 0) & (times[order] < self.video.end)
        return order[visible].astype(np.int64)

    @property
    def frames(self) -> int:
        """How many frames are shown."""
        return len(self.shown)

    @cached_property
    def intra(self) -> bool:
        """Whether every frame stands alone."""
        return bool(self.keys.all())

    @cached_property
    def vfr(self) -> bool:
        """Whether frames are shown for different times, beyond what rounding to the timescale explains."""
        if self.video is None or self.frames < 3:
            return False
        steps = np.diff(self.video.times[self.shown])
        shortest = int(steps.min())
        rounding = 0 if shortest < 8 else 1 if shortest < 20 else 2
        return bool(steps.max() - shortest > rounding)

    def frame(self, number: int) -> Frame:
        """The frame of this number, from 0."""
        if not 0 <= number < self.frames:
            raise OutOfRange(f"Frame {number} is not there; {self._has}.")
        return self._at(int(self.shown[number]))

    def keyframe_before(self, number: int) -> Frame:
        """The keyframe that decoding has to start from to show this frame: the frame itself if it is one.

        In an open GOP, frames that are decoded after a keyframe but shown before it need the keyframe before that. The
        number of a keyframe that is not shown (pre-roll) is -1. Where there is no such keyframe it is the first packet.
        """
        frame = self.frame(number)
        if frame.key:
            return frame
        assert self.video is not None
        last = int(np.searchsorted(self._key_positions, frame.position, side="right"))
        for position in reversed(self._key_positions[:last]):
            if self.video.times[position] <= frame.time:
                return self._at(int(position))
        return self._at(0)

    @cached_property
    def _key_positions(self) -> Longs:
        return np.flatnonzero(self.keys).astype(np.int64)

    @cached_property
    def _numbers(self) -> Longs:
        """Position in decode order → frame number, -1 for what is not shown."""
        numbers = np.full(len(self.keys), -1, np.int64)
        numbers[self.shown] = np.arange(self.frames)
        return numbers

    def _at(self, position: int) -> Frame:
        assert self.video is not None
        return Frame(
            int(self._numbers[position]),
            int(self.video.offsets[position]),
            int(self.video.sizes[position]),
            int(self.video.times[position]),
            bool(self.keys[position]),
            position,
        )

    @property
    def _has(self) -> str:
        return f"the clip has frames 0 to {self.frames - 1}" if self.frames else "the clip has no picture"

    def number_at(self, time: Fraction) -> int:
        """The number of the frame that is shown at a time in seconds from the first frame."""
        if self.video is None or self.frames == 0:
            raise OutOfRange("The clip has no picture.")
        tick = int(time * self.video.timescale // 1)
        if not 0 <= tick < self.video.end:
            raise OutOfRange(f"{float(time):.3f} s lies outside the clip, which lasts {float(self.seconds):.3f} s.")
        # Before the first frame's own time (it may begin late) players show the first frame.
        return max(0, int(np.searchsorted(self.video.times[self.shown], tick, side="right")) - 1)

    @property
    def seconds(self) -> Fraction:
        return Fraction(0) if self.video is None else Fraction(self.video.end) / self.video.timescale

    def positions(self, numbers: FrameRange) -> Longs:
        """Where the frames of a range stand in decode order."""
        if numbers.end > self.frames:
            raise OutOfRange(f"Frames {numbers.first} to {numbers.end - 1} are not all there; {self._has}.")
        return self.shown[numbers.first : numbers.end]

    def to_bytes(self) -> bytes:
        """The stored form: a line of JSON, then the tables as compressed byte planes."""
        tracks = ([] if self.video is None else [self.video]) + [track.packets for track in self.audio]
        head = {
            "rate": None if self.rate is None else str(self.rate),
            "video": self.video is not None,
            "tracks": [
                {"count": len(track), "end": track.end, "timescale": _ratio(track.timescale)} for track in tracks
            ],
            "audio": [
                {
                    "sample_rate": int(track.sample_rate),
                    "channels": int(track.channels),
                    "frame_bytes": int(track.frame_bytes),
                    "codec": track.codec,
                }
                for track in self.audio
            ],
            "diagnostics": list(self.diagnostics),
        }
        owners, gaps = _file_order(tracks)
        planes = [pack(owners), pack(gaps)]
        for track in tracks:
            planes += [pack(_steps(track.sizes)), pack(_steps(_steps(track.times)))]
        body = b"".join((*planes, np.packbits(self.keys).tobytes()))
        return _MAGIC + to_json(head) + b"\n" + zlib.compress(body, 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> FrameIndex:
        """Read what `to_bytes` wrote; raises Damaged where it is not that."""
        try:
            return cls._parse(data)
        except Damaged:
            raise
        except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError, zlib.error) as error:
            raise Damaged(f"A frame index could not be read ({error}); make it again from the media.") from error

    @classmethod
    def _parse(cls, data: bytes) -> FrameIndex:
        if not data.startswith(_MAGIC):
            raise Damaged("This is not a frame index, or one of a later version.")
        line_end = data.index(b"\n", len(_MAGIC))
        head: dict[str, Any] = from_json(data[len(_MAGIC) : line_end])
        pictured = bool(head["video"])
        counts = [_whole(track["count"]) for track in head["tracks"]]
        if len(counts) != pictured + len(head["audio"]):
            raise Damaged("A frame index contradicts itself.")
        planes = ColumnReader(_inflated(data[line_end + 1 :], 32 * sum(counts) + (sum(counts[:pictured]) + 7) // 8))
        owners, gaps = planes.take(sum(counts)), planes.take(sum(counts))
        sizes, times = [], []
        for count in counts:
            sizes.append(np.cumsum(planes.take(count)))
            times.append(np.cumsum(np.cumsum(planes.take(count))))
        offsets = _from_file_order(owners, gaps, sizes)
        tracks = [
            Packets(offsets[i], sizes[i], times[i], _whole(track["end"], signed=True), _fraction(track["timescale"]))
            for i, track in enumerate(head["tracks"])
        ]
        shown = sum(counts[:pictured])
        bits = np.frombuffer(planes.take_bytes((shown + 7) // 8), np.uint8)
        keys = np.unpackbits(bits, count=shown).astype(np.bool_)
        audio = tuple(map(_audio_from, tracks[pictured:], head["audio"]))
        rate = FrameRate.of(_text(head["rate"])) if head["rate"] is not None else None
        return cls(tracks[0] if pictured else None, keys, rate, audio, tuple(map(_text, head["diagnostics"])))


def _audio_from(packets: Packets, data: Mapping[str, Any]) -> AudioIndex:
    return AudioIndex(
        packets,
        _whole(data["sample_rate"]),
        _whole(data["channels"]),
        _whole(data["frame_bytes"]),
        _text(data["codec"]),
    )


def _inflated(packed: bytes, size: int) -> bytes:
    """Unpack exactly `size` bytes; nothing is unpacked that the packed bytes can't hold."""
    if size > min(_MAXIMUM, _INFLATES_TO * len(packed)):
        raise Damaged("A frame index states impossible table sizes.")
    inflater = zlib.decompressobj()
    body = inflater.decompress(packed, size + 1)
    if len(body) != size or not inflater.eof or inflater.unused_data:
        raise Damaged("A frame index is cut short or too long.")
    return body


# Most files interleave picture and sound without gaps. Stored in file order, a packet's place then follows from the
# sizes before it, and only whose turn it is has to be written down: both columns compress to almost nothing.


def _file_order(tracks: Sequence[Packets]) -> tuple[Longs, Longs]:
    """(index of the track, distance from the end of the packet before) of all packets.

    The order is that of the offsets, except that a track's own packets keep their decode order.
    """
    counts = [len(track) for track in tracks]
    owners = np.repeat(np.arange(len(tracks), dtype=np.int64), counts)
    if not len(owners):
        return owners, owners.copy()
    offsets = np.concatenate([track.offsets for track in tracks])
    sizes = np.concatenate([track.sizes for track in tracks])
    ranks = np.concatenate([np.maximum.accumulate(track.offsets) for track in tracks])
    order = np.lexsort((np.concatenate([np.arange(count) for count in counts]), ranks))
    ends = offsets + sizes
    before = np.concatenate((np.zeros(1, np.int64), ends[order][:-1]))
    return owners[order], offsets[order] - before


def _from_file_order(owners: Longs, gaps: Longs, sizes: Sequence[Longs]) -> list[Longs]:
    if len(owners) and not 0 <= owners.min() <= owners.max() < len(sizes):
        raise Damaged("A frame index contradicts itself.")
    if not np.array_equal(np.bincount(owners, minlength=len(sizes)), [len(column) for column in sizes]):
        raise Damaged("A frame index contradicts itself.")
    ordered_sizes = np.empty(len(owners), np.int64)
    places = [np.nonzero(owners == index)[0] for index in range(len(sizes))]
    for place, column in zip(places, sizes, strict=True):
        ordered_sizes[place] = column
    ends = np.cumsum(gaps + ordered_sizes)
    starts = ends - ordered_sizes
    return [starts[place] for place in places]


def _steps(column: Longs) -> Longs:
    """From each value to the next, beginning at 0; sums of it give the column again, over any overflow."""
    return np.diff(column, prepend=np.int64(0))


def _ratio(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _fraction(text: Any) -> Fraction:
    match = re.fullmatch(r"(\d{1,40})/(\d{1,40})", _text(text), re.ASCII)
    if match is None:
        raise Damaged("A frame index has a clock that is not a fraction.")
    return Fraction(int(match[1]), int(match[2]))


def _whole(value: Any, *, signed: bool = False) -> int:
    if type(value) is not int or abs(value) >> 62 or (value < 0 and not signed):
        raise Damaged("A frame index has something else where a number belongs.")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Damaged("A frame index has something else where text belongs.")
    return value
