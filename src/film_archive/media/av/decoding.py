"""Decoding pictures, each with its exact number.

With a frame index a picture's number is looked up by its time, which holds for edit lists, B-frames and pre-roll;
without one, pictures are counted from the start of the file. A picture that can't be decoded is handed out as corrupt
in its place: never left out, never another in its stead.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from itertools import chain, islice
from typing import TypeAlias

import av
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from film_archive.core.errors import Damaged, NotSupported, OutOfRange
from film_archive.core.frame_index import Frame, FrameIndex
from film_archive.core.source import ByteSource
from film_archive.media.av.opening import explained, open_source

_MAXIMUM_PIXELS = 1 << 27
"""A header's claim above this (16K × 8K) is not believed."""
_PEEK = 64
_Packet: TypeAlias = "Packet[VideoStream]"
_RAW_TIMES = {"ignore_editlist": "1"}
"""The index applies edit lists itself; FFmpeg then shows every picture there is, with the time that the file gives
it."""


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """One picture in display order."""

    number: int
    time: Fraction
    """Seconds from the start of frame 0."""
    frame: av.VideoFrame | None
    """None where nothing could be decoded."""
    corrupt: bool
    """Damaged itself, or decoded from a damaged one."""


def decode_frames(
    source: ByteSource,
    *,
    container: str | None = None,
    start: int = 0,
    count: int | None = None,
    index: FrameIndex | None = None,
    threads: int = 0,
) -> Iterator[DecodedFrame]:
    """The pictures of the first video track from number `start`, in display order, `count` of them or all.

    With `index`, decoding begins at the keyframe that `start` needs; without, at the beginning of the file. `threads`
    0 is as many as the machine has. Raises OutOfRange where the file has fewer pictures, NotSupported where it has
    none or no decoder exists, Damaged where the container cannot be read, StorageError where the disk cannot.
    """
    if index is not None:
        wanted = index.frames - start if count is None else count
        if start < 0 or wanted < 0 or start + wanted > index.frames:
            last = start + wanted - 1
            raise OutOfRange(f"{source.name}: frames {start} to {last} are not all there; it has {index.frames}.")
        if wanted == 0:
            return
    entry = None if index is None else _entry(index, start)
    seek = entry is not None and entry.position > 0
    while True:
        with open_source(source, container=container, options=None if index is None else _RAW_TIMES) as opened:
            decoder = _Decoder(opened, source.name, threads)
            if decoder.may_be_unsorted() and _is_unsorted(source, container):
                decoder.unsorted, seek = True, False
            clock = None if index is None else decoder.clock(index)
            if index is None or entry is None or clock is None:
                rest = yield from _by_counting(decoder, start, count if index is None else wanted)
                break
            if seek and not decoder.seek(clock, entry):
                seek = False  # the container's own index led astray: decode from the start instead
                continue
            rest = yield from _by_index(decoder, clock, start, start + wanted)
            break
    if rest and threads != 1:
        # PyAV gives up what several threads still hold at the end when an error is among it: one thread is asked again.
        first, left = rest[0].number, count if count is None else count - (rest[0].number - start)
        yield from decode_frames(source, container=container, start=first, count=left, index=index, threads=1)
    else:
        yield from rest


def _is_unsorted(source: ByteSource, container: str | None) -> bool:
    """Whether the container gives times in decode order while the pictures come out in another (some MXF does)."""
    with open_source(source, container=container, options=_RAW_TIMES) as opened:
        probe = _Decoder(opened, source.name, 1)
        times = [frame.pts for packet in probe.peek() for frame in probe.decoded(packet)[0] if frame.pts is not None]
    return times != sorted(times)


_Frames = Generator[DecodedFrame, None, list[DecodedFrame]]
"""Yields what came out of the decoder and what is missing between; returns what is missing at the end."""


def _by_index(decoder: _Decoder, clock: _Clock, start: int, stop: int) -> _Frames:
    index, expected = clock.index, start
    for picture in decoder.pictures():
        number = clock.number(picture.time)
        if number is None or number < expected:
            continue
        while expected < min(number, stop):
            yield DecodedFrame(expected, _time(index, expected), None, corrupt=True)
            expected += 1
        if number >= stop:
            return []
        yield DecodedFrame(number, _time(index, number), picture.frame, picture.corrupt)
        expected = number + 1
        if expected == stop:
            return []
    return [DecodedFrame(number, _time(index, number), None, corrupt=True) for number in range(expected, stop)]


def _by_counting(decoder: _Decoder, start: int, count: int | None) -> _Frames:
    number, first = 0, Fraction(0)
    rate = decoder.rate
    for picture in decoder.pictures():
        if number == 0 and picture.time is not None:
            first = picture.time
        if number >= start:
            time = number / rate if picture.time is None else picture.time - first
            yield DecodedFrame(number, time, picture.frame, picture.corrupt)
        number += 1
        if count is not None and number >= start + count:
            return []
    if decoder.broken is not None:
        raise Damaged(f"{decoder.name} could not be read on after frame {number - 1}: {decoder.broken}.")
    left = decoder.left()
    total = number + len(left)
    if start + (count or 0) > total:
        raise OutOfRange(f"{decoder.name} has only {total} frames; {count or 'all'} from {start} on were asked for.")
    return [
        DecodedFrame(place, time - first, None, corrupt=True)
        for place, time in enumerate(left, number)
        if place >= start and (count is None or place < start + count)
    ]


def _entry(index: FrameIndex, start: int) -> Frame:
    """The keyframe from which `start` decodes whole: not one that is itself shown after it (a leading picture's)."""
    wanted = index.frame(start)
    entry = index.keyframe_before(start)
    while entry.time > wanted.time and entry.position > 0:
        assert index.video is not None
        earlier = np.flatnonzero(index.keys[: entry.position])
        position = int(earlier[-1]) if len(earlier) else 0
        entry = Frame(
            -1,
            int(index.video.offsets[position]),
            int(index.video.sizes[position]),
            int(index.video.times[position]),
            bool(index.keys[position]),
            position,
        )
    return entry


def _time(index: FrameIndex, number: int) -> Fraction:
    assert index.video is not None
    return int(index.video.times[index.shown[number]]) / index.video.timescale


class _Clock:
    """FFmpeg's times ⇄ an index's: both know the first packet in decode order, and that fixes one against the other."""

    def __init__(self, index: FrameIndex, first: Fraction) -> None:
        assert index.video is not None
        self.index = index
        self.scale = index.video.timescale
        self._zero = first - int(index.video.times[0]) / self.scale
        self._shown = index.video.times[index.shown]
        self._all = index.video.times

    def number(self, time: Fraction | None) -> int | None:
        """The number of the picture with this time, None where it is not shown."""
        if time is None:
            return None
        tick = (time - self._zero) * self.scale
        place = int(np.searchsorted(self._shown, round(tick)))
        for near in (place, place - 1):
            if 0 <= near < len(self._shown) and abs(int(self._shown[near]) - tick) < 1:
                return near
        return None

    def position(self, time: Fraction) -> int | None:
        """Where the packet with this time stands in decode order."""
        places = np.flatnonzero(np.abs(self._all - round((time - self._zero) * self.scale)) < 1)
        return int(places[0]) if len(places) else None

    def seconds(self, frame: Frame) -> Fraction:
        """FFmpeg's time of a frame of the index."""
        return frame.time / self.scale + self._zero


@dataclass(frozen=True, slots=True)
class _Picture:
    time: Fraction | None
    """FFmpeg's time in seconds."""
    frame: av.VideoFrame | None
    corrupt: bool


@dataclass(frozen=True, slots=True)
class _Damage:
    """A packet that could not be decoded: one of those from `first` to `last` in decode order; its time where it is
    known."""

    first: int
    last: int
    time: int | None = None

    def ends_at(self, place: int, time: int | None) -> bool:
        """Whether nothing after this keyframe depends on it any more: it was decoded before it, or only led up to
        it."""
        return self.last < place or (self.time is not None and time is not None and self.time < time)


class _Decoder:
    """The first video track of an open container, and what is known of its damage."""

    def __init__(self, opened: InputContainer, name: str, threads: int) -> None:
        self.name = name
        self.broken: str | None = None
        """Why the container could not be read to its end."""
        self.unsorted = False
        """The container's times are those of decoding: pictures get them in the order in which they come out."""
        self._opened = opened
        tracks = [stream for stream in opened.streams.video if not stream.disposition & Disposition.attached_pic]
        if not tracks:
            raise NotSupported(f"{name} has no picture.")
        self._stream: VideoStream = tracks[0]
        self._context = self._stream.codec_context
        if self._context is None:
            raise NotSupported(f"{name}: there is no decoder for its pictures.")
        self._context.thread_count = threads
        self._context.thread_type = "AUTO"
        self._context.flags |= Flags.output_corrupt
        self._context.options = {"max_pixels": str(_MAXIMUM_PIXELS)}
        self._tick = Fraction(self._stream.time_base or 1)
        self._intra = self._context.codec.intra_only
        self._waiting: list[int] = []
        self._order: dict[int, int] = {}
        """Time → place in decode order, of the packets so far."""
        self._sent = 0
        self._poor: set[int] = set()
        self._damages: list[_Damage] = []
        self._unsupported: str | None = None
        self._packets = self._demuxed()

    @property
    def rate(self) -> Fraction:
        return Fraction(self._stream.average_rate or self._stream.base_rate or 25)

    def peek(self) -> list[_Packet | None]:
        """The first packets, which stay to be decoded."""
        first = list(islice(self._packets, _PEEK))
        self._packets = chain(first, self._packets)
        return first

    def may_be_unsorted(self) -> bool:
        """Whether the decoder reorders pictures while the first packets' times only rise."""
        if self._intra or not self._context.has_b_frames:
            return False
        times = [packet.pts for packet in self.peek() if packet is not None and packet.pts is not None]
        return times == sorted(times)

    def clock(self, index: FrameIndex) -> _Clock | None:
        """The clock of an index for this container; None where the container's packets carry no times."""
        first = next(self._packets)
        self._packets = chain([first], self._packets)
        if first is None or first.pts is None:
            return None
        return _Clock(index, first.pts * self._tick)

    def seek(self, clock: _Clock, entry: Frame) -> bool:
        """Go to a keyframe; False where the container did not lead to it or before it."""
        try:
            self._opened.seek(int(clock.seconds(entry) / self._tick), stream=self._stream)
        except av.error.FFmpegError:
            return False
        packets = self._demuxed()
        first = next(packets)
        landed = None if first is None or first.pts is None else clock.position(first.pts * self._tick)
        self._packets = chain([first], packets)
        return landed is not None and landed <= entry.position

    def pictures(self) -> Iterator[_Picture]:
        """All that come out of the decoder, in display order, and in their places those that should have and did
        not."""
        last: int | None = None
        for packet in self._packets:
            frames, failed = self.decoded(packet)
            if failed and packet is not None and packet.pts is None:
                yield _Picture(None, None, corrupt=True)
            for frame in frames:
                time = heappop(self._waiting) if self.unsorted and self._waiting else frame.pts
                if time is None:
                    yield _Picture(None, frame, self._corrupt(frame, None))
                    continue
                yield from self._missing(time)
                if self._waiting and self._waiting[0] == time:
                    heappop(self._waiting)
                if last is None or time > last:  # else it came too late: its place was given out as missing
                    last = time
                    yield _Picture(time * self._tick, frame, self._corrupt(frame, frame.pts))
        if last is None and self._unsupported is not None:
            raise NotSupported(f"{self.name}: its pictures cannot be decoded here ({self._unsupported}).")

    def left(self) -> list[Fraction]:
        """The times of what never came out, at the end."""
        return [time * self._tick for time in sorted(self._waiting)]

    def decoded(self, packet: _Packet | None) -> tuple[list[av.VideoFrame], bool]:
        """The pictures that a packet (None: the end) brings out, and whether something failed."""
        if packet is not None:
            self._sent += 1
            if packet.pts is not None and not packet.is_discard:
                heappush(self._waiting, packet.pts)
                self._order[packet.pts] = self._sent
                if packet.is_corrupt:
                    self._poor.add(packet.pts)
            if packet.size == 0:
                return [], True
        try:
            return self._context.decode(packet), False
        except av.error.LookupError as error:
            raise NotSupported(f"{self.name}: there is no decoder for its pictures ({error.strerror}).") from error
        except av.error.FFmpegError as error:
            if isinstance(error, av.error.PatchWelcomeError):
                self._unsupported = error.strerror
            held = max(1, self._context.thread_count) - 1  # the error may be that of a packet which a thread held
            self._damages.append(_Damage(self._sent - held, self._sent))
            return [], True

    def _missing(self, before: int) -> Iterator[_Picture]:
        while self._waiting and self._waiting[0] < before:
            time = heappop(self._waiting)
            place = self._order[time]
            for damage in self._damages:
                if damage.first <= place <= damage.last:
                    self._damages.remove(damage)  # now it is known which packet that was
                    break
            self._damages.append(_Damage(place, place, time))
            yield _Picture(time * self._tick, None, corrupt=True)

    def _corrupt(self, frame: av.VideoFrame, time: int | None) -> bool:
        """Whether a picture is damaged, or may depend on one that is: until a keyframe decoded after the damage."""
        damaged = frame.is_corrupt or time in self._poor
        if self._intra:
            return damaged
        place = self._sent if time is None else self._order.get(time, self._sent)
        if frame.key_frame and not damaged and not (self.unsorted and self._damages):
            self._damages = [damage for damage in self._damages if not damage.ends_at(place, time)]
            return False
        if damaged:
            self._damages.append(_Damage(place, place, time))
        return damaged or any(damage.first <= place for damage in self._damages)

    def _demuxed(self) -> Iterator[_Packet | None]:
        """The track's packets, then None."""
        packets = self._opened.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                if isinstance(error, OSError):
                    raise explained(error, f"read {self.name}") from error
                self.broken = error.strerror or str(error)
                packet = None
            if packet is None or (packet.size == 0 and packet.pts is None and packet.dts is None):
                yield None
                return
            yield packet
