"""FFmpeg's decoder of one picture track: what comes out of it, in order, and what should have and did not.

Damage is followed: until the next keyframe a picture is corrupt if it was damaged itself or decoded from one that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import heappop, heappush
from itertools import chain, islice
from typing import Final, TypeAlias

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from film_archive.core.errors import NotSupported
from film_archive.media.av.opening import explained

_PARAMETERS: Final = "new_extradata"
_MAXIMUM_PIXELS = 1 << 27
"""A header's claim above this (16K × 8K) is not believed."""
_PEEK = 64
_Packet: TypeAlias = "Packet[VideoStream]"


@dataclass(frozen=True, slots=True)
class Picture:
    time: Fraction | None
    """FFmpeg's time in seconds."""
    frame: av.VideoFrame | None
    corrupt: bool


@dataclass(frozen=True, slots=True)
class _Damage:
    """A packet that could not be decoded: one of those from `first` to `last` in decode order, its time where known."""

    first: int
    last: int
    time: int | None = None

    def ends_at(self, place: int, time: int | None) -> bool:
        """Whether nothing after this keyframe depends on it: it was decoded before it, or only led up to it."""
        return self.last < place or (self.time is not None and time is not None and self.time < time)


class PictureDecoder:
    """The first video track of an open container, and what is known of its damage."""

    def __init__(self, opened: InputContainer, name: str, threads: int) -> None:
        self.name = name
        self.broken: str | None = None
        """Why the container could not be read to its end."""
        self.unsorted = False
        """The container's times are those of decoding: pictures get them in the order in which they come out."""
        self.retime: Callable[[Fraction], Fraction] | None = None
        """Packet's time → time at which it is shown, where that is known better than the container knows it."""
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
        self._described: bytes | None = None
        """The parameter sets that the demuxer went over to last, where the track has several descriptions."""
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

    def first_time(self) -> Fraction | None:
        """The time of the packet that is decoded next; None where the container gives none."""
        first = next(self._packets)
        self._packets = chain([first], self._packets)
        return None if first is None or first.pts is None else first.pts * self._tick

    def seek(self, time: Fraction) -> bool:
        """Go to the keyframe at a time or before it, as the container has it; False where it has no way there."""
        try:
            self._opened.seek(int(time / self._tick), stream=self._stream)
        except av.error.FFmpegError:
            return False
        if self._described is not None and not self._context.is_open:
            self._context.extradata = self._described  # the packet that brought them was passed over
        self._packets = self._demuxed()
        return True

    def lies_beyond(self, size: int) -> int:
        """How many of the pictures that the container's own index tells of lie behind the end of its bytes."""
        return sum(entry.pos + entry.size > size for entry in self._stream.index_entries)

    def pictures(self) -> Iterator[Picture]:
        """All that come out, in display order, and in their places those that should have and did not."""
        last: int | None = None
        for packet in self._packets:
            frames, failed = self.decoded(packet)
            if failed and packet is not None and packet.pts is None:
                yield Picture(None, None, corrupt=True)
            for frame in frames:
                time = heappop(self._waiting) if self.unsorted and self._waiting else frame.pts
                if time is None:
                    yield Picture(None, frame, self._corrupt(frame, None))
                    continue
                yield from self._missing(time)
                if self._waiting and self._waiting[0] == time:
                    heappop(self._waiting)
                if last is None or time > last:  # else it came too late: its place was given out as missing
                    last = time
                    yield Picture(time * self._tick, frame, self._corrupt(frame, frame.pts))
        if last is None and self._unsupported is not None:
            raise NotSupported(f"{self.name}: its pictures cannot be decoded here ({self._unsupported}).")

    def left(self) -> list[Fraction]:
        """The times of what never came out, at the end."""
        return [time * self._tick for time in sorted(self._waiting)]

    def decoded(self, packet: _Packet | None) -> tuple[list[av.VideoFrame], bool]:
        """The pictures that a packet (None: the end) brings out, and whether something failed."""
        if packet is not None:
            self._sent += 1
            if self.retime is not None and packet.pts is not None:
                packet.pts = round(self.retime(packet.pts * self._tick) / self._tick)
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

    def _missing(self, before: int) -> Iterator[Picture]:
        while self._waiting and self._waiting[0] < before:
            time = heappop(self._waiting)
            place = self._order[time]
            for damage in self._damages:
                if damage.first <= place <= damage.last:
                    self._damages.remove(damage)  # now it is known which packet that was
                    break
            self._damages.append(_Damage(place, place, time))
            yield Picture(time * self._tick, None, corrupt=True)

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
            if packet.has_sidedata(_PARAMETERS):
                self._described = bytes(packet.get_sidedata(_PARAMETERS))
            yield packet
