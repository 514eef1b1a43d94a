"""Decoding pictures, each with its exact number.

With a frame index a picture's number is looked up by its time, which holds for edit lists, B-frames and pre-roll;
without one, pictures are counted from the start of the file. A picture that can't be decoded is handed out as corrupt
in its place: never left out, never another in its stead.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from film_archive.core.errors import Damaged, OutOfRange
from film_archive.core.frame_index import Frame, FrameIndex
from film_archive.core.source import ByteSource
from film_archive.media.av.opening import open_source
from film_archive.media.av.pictures import PictureDecoder

_RAW_TIMES = {"ignore_editlist": "1"}
"""The index applies edit lists itself; FFmpeg then shows every picture there is, with the file's own time."""


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

    With `index`, decoding begins at the keyframe that `start` needs, and every picture that the index knows comes out.
    Without, it begins at the beginning of the file, and only the container's own word tells what should be there.
    `threads` 0 is as many as the machine has. Raises OutOfRange where the file has fewer pictures, NotSupported where
    it has none or no decoder exists, Damaged where the container cannot be read, StorageError where the disk cannot.
    """
    if start < 0 or (count is not None and count < 0):
        raise OutOfRange(f"{source.name}: {count} frames from {start} on are not a range.")
    if index is not None:
        count = index.frames - start if count is None else count
        if count < 0 or start + count > index.frames:
            last = start + count - 1
            raise OutOfRange(f"{source.name}: frames {start} to {last} are not all there; it has {index.frames}.")
    if count == 0:
        return
    rest = yield from _decoded(source, container, start, count, index, threads)
    if rest and threads != 1:
        # PyAV gives up what several threads still hold at the end when an error is among it: one thread is asked again.
        first, left = rest[0].number, count if count is None else count - (rest[0].number - start)
        yield from decode_frames(source, container=container, start=first, count=left, index=index, threads=1)
    else:
        yield from rest


_Frames = Generator[DecodedFrame, None, list[DecodedFrame]]
"""Yields what came out of the decoder and what is missing between; returns what is missing at the end."""


def _decoded(
    source: ByteSource, container: str | None, start: int, count: int | None, index: FrameIndex | None, threads: int
) -> _Frames:
    entry = None if index is None else _entry(index, start)
    seek = entry is not None and entry.position > 0
    while True:
        with open_source(source, container=container, options=None if index is None else _RAW_TIMES) as opened:
            decoder = PictureDecoder(opened, source.name, threads)
            unsorted = decoder.may_be_unsorted() and _is_unsorted(source, container)
            first = decoder.first_time()
            if index is not None and first is None and decoder.peek()[0] is None:
                raise Damaged(f"{source.name}: none of its {index.frames} pictures can be read from the container.")
            if index is None or entry is None or count is None or first is None:
                decoder.unsorted = unsorted
                return (yield from _by_counting(decoder, start, count, source.size))
            clock = _Clock(index, first, unsorted)
            if unsorted and clock.knows_order:
                decoder.retime = clock.shown_at
            elif unsorted:
                decoder.unsorted, seek = True, False
            if seek and not _landed(decoder, clock, entry):
                seek = False  # the container's own index led astray: decode from the start instead
                continue
            return (yield from _by_index(decoder, clock, start, start + count))


def _landed(decoder: PictureDecoder, clock: _Clock, entry: Frame) -> bool:
    """Seek to a keyframe; False where the container did not lead to it or before it."""
    if not decoder.seek(clock.seconds(entry)):
        return False
    first = decoder.first_time()
    landed = None if first is None else clock.position(first)
    return landed is not None and landed <= entry.position


def _is_unsorted(source: ByteSource, container: str | None) -> bool:
    """Whether the container gives times in decode order while the pictures come out in another (some MXF does)."""
    with open_source(source, container=container, options=_RAW_TIMES) as opened:
        probe = PictureDecoder(opened, source.name, 1)
        times = [frame.pts for packet in probe.peek() for frame in probe.decoded(packet)[0] if frame.pts is not None]
    return times != sorted(times)


def _by_index(decoder: PictureDecoder, clock: _Clock, start: int, stop: int) -> _Frames:
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


def _by_counting(decoder: PictureDecoder, start: int, count: int | None, size: int) -> _Frames:
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
    beyond = decoder.lies_beyond(size)
    if beyond:
        raise Damaged(f"{decoder.name} is cut short after frame {number - 1}: {beyond} more lie behind its end.")
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
    """FFmpeg's times ⇄ an index's: both know the first packet in decode order, and that fixes one against the other.

    `first` is FFmpeg's time of that packet; `unsorted` tells that FFmpeg has the times of decoding, not of showing.
    """

    def __init__(self, index: FrameIndex, first: Fraction, unsorted: bool) -> None:
        assert index.video is not None
        self.index = index
        self.scale = index.video.timescale
        self._times = index.video.times
        self._told = np.sort(self._times) if unsorted else self._times
        self._zero = first - int(self._told[0]) / self.scale
        self._shown = self._times[index.shown]
        self.knows_order = bool((np.diff(self._times) < 0).any())
        """Whether the index itself tells decoding and showing apart."""

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
        places = np.flatnonzero(np.abs(self._told - round((time - self._zero) * self.scale)) < 1)
        return int(places[0]) if len(places) else None

    def seconds(self, frame: Frame) -> Fraction:
        """FFmpeg's time of the packet of a frame of the index."""
        return int(self._told[frame.position]) / self.scale + self._zero

    def shown_at(self, time: Fraction) -> Fraction:
        """When the picture is shown whose packet FFmpeg gives this time."""
        position = self.position(time)
        return time if position is None else int(self._times[position]) / self.scale + self._zero
