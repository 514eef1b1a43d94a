"""A piece of a clip's proxies: a stretch of pictures, decoded once, scaled down in steps, coded in every size.

Each size has a fresh encoder with one thread. So the bytes of a piece depend on its pictures and settings only: not on
how many threads work, on which machine, or on where a killed run was taken up again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import NotSupported
from film_archive.core.handover import HandOver
from film_archive.media.av.clip_pictures import Pictures
from film_archive.media.av.coded import CodedPacket, CodedWriter
from film_archive.media.av.fragments import GOP
from film_archive.media.av.frames import copy_of
from film_archive.media.av.lanes import Watch
from film_archive.media.av.opening import explained
from film_archive.media.av.pyramid import Looker, Pyramid, look_size
from film_archive.media.av.settings import VideoSettings, video_encoder

PIECE = 20 * GOP
"""Frames in a piece."""
_WAITING = 4
"""Pictures that wait for an encoder, at most."""
_FAR = 2 * GOP
"""A picture is not decoded a second time where that means decoding more than so many others."""

Draw = Callable[[av.VideoFrame, int], av.VideoFrame]
"""Changes the colours of the picture of a frame number; gives a picture of its own. Any number of threads call it."""


class Overlay(Protocol):
    """Draws over the pictures of one size."""

    def __call__(self, picture: av.VideoFrame, number: int) -> av.VideoFrame:
        """The picture of a frame with what is drawn over it; another one than was given."""

    def covered(self, look: tuple[int, int], picture: tuple[int, int]) -> NDArray[np.bool_]:
        """(height, width) of a look: where pictures of a size, (width, height), are drawn over, in any frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One size that a piece is made in."""

    name: str
    settings: VideoSettings
    maker: str
    path: Path | None
    """Where the piece goes; None where it is there already, and only smaller ones are made from it."""
    draw: Overlay | None = None

    @property
    def pixels(self) -> int:
        return self.settings.width * self.settings.height


def has_look(number: int, frames: int) -> bool:
    """Whether a frame's look is kept: keyframes and their neighbours, and both ends."""
    return (number + 1) % GOP < 3 or number >= frames - 2


def make_piece(
    pictures: Pictures, sizes: Sequence[Size], first: int, end: int, threads: int, watch: Watch, *, grade: Draw | None = None
) -> None:
    """Make the piece of the frames from `first` to before `end` in all sizes, largest first.

    What decoders make of damage depends on their threads: a piece that has some is made again by one.
    """
    if threads > 1:
        told = _Told(watch)
        try:
            _make(pictures, sizes, first, end, threads, told, grade)
        except _DamageSeenError:
            watch = _Told(watch, told.frames)
        else:
            return
    _make(pictures, sizes, first, end, 1, watch, grade)


class _DamageSeenError(Exception):
    """Several threads decode a piece that has damage."""


class _Told(Watch):
    """Passes progress on, but for that which was told before."""

    def __init__(self, watch: Watch, before: int = 0) -> None:
        self._watch, self._before = watch, before
        self.frames = 0

    def check(self) -> None:
        self._watch.check()

    def done(self, frames: int) -> None:
        self.frames += frames
        if self.frames > self._before:
            self._watch.done(frames)


def _make(
    pictures: Pictures, sizes: Sequence[Size], first: int, end: int, threads: int, watch: Watch, grade: Draw | None
) -> None:
    ticks = dict(zip(range(first, end), pictures.shown(first, end), strict=True))
    with ExitStack() as stack:
        outputs = [
            None if size.path is None else stack.enter_context(CodedWriter(size.path, size.maker)) for size in sizes
        ]
        lines = [
            _line(size, output, ticks, threads, stack)
            for size, output in zip(sizes, outputs, strict=True)
            if output is not None
        ]
        wanted = [place for place, output in enumerate(outputs) if output is not None]
        pyramid = Pyramid(
            [(size.settings.width, size.settings.height) for size in sizes],
            [size.settings.pixel_format or size.settings.encoder.pixel_format for size in sizes],
        )
        last = sizes[-1].settings
        looker = Looker(*look_size(pictures.width, pictures.height, (last.width, last.height)))
        looks: dict[int, NDArray[np.uint8]] = {}
        corrupt: list[int] = []
        for number, picture in _filled(pictures, first, end, threads, corrupt):
            watch.check()
            if threads > 1 and corrupt and not set(corrupt) <= set(pictures.missing):
                raise _DamageSeenError
            scaled = pyramid.scaled(picture if grade is None else grade(picture, number))
            if has_look(number, pictures.frames):
                looks[number] = looker.look(scaled[-1])
            for line, place in zip(lines, wanted, strict=True):
                line.take(scaled[place], number)
            watch.done(1)
        for line in lines:
            line.end()
        again = _look_again(pictures, first, end, looker, corrupt, grade)
        notes: dict[str, Any] = {"corrupt": corrupt, "looks": list(looks), "size": [looker.width, looker.height]}
        if again is not None:
            notes["again"] = again[0]
            looks[-1] = again[1]
        attachment = b"".join(look.tobytes() for look in looks.values())
        for output in outputs:
            if output is not None:
                output.finish(notes, attachment)


def _filled(
    pictures: Pictures, first: int, end: int, threads: int, corrupt: list[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Every frame of the piece; one that can't be decoded shows the one before it, or black."""
    last: av.VideoFrame | None = None
    for picture in pictures.read(first, end - first, threads):
        if picture.corrupt:
            corrupt.append(picture.number)
        if picture.frame is not None:
            last = picture.frame
            yield picture.number, last
        else:
            last = _before(pictures, first) if last is None else last
            yield picture.number, copy_of(last)  # an encoder may still have the other


def _before(pictures: Pictures, first: int) -> av.VideoFrame:
    """What is shown where a piece begins with nothing: the last picture before it that there is, else black."""
    for start in range(first - 1, max(-1, first - 1 - _FAR), -1):
        for picture in pictures.read(start, 1):
            if picture.frame is not None:
                return picture.frame
    return pictures.black()


def _look_again(
    pictures: Pictures, first: int, end: int, looker: Looker, corrupt: list[int], grade: Draw | None
) -> tuple[int, NDArray[np.uint8]] | None:
    """(number, look) of a keyframe that is decoded once more, by itself, from its own place in the file."""
    if not pictures.is_read_again(first, end):
        return None
    leads = [(pictures.lead(number), number) for number in range(first, end, GOP) if number not in corrupt]
    if not leads or min(leads)[0] > _FAR:
        return None
    number = min(leads, key=lambda lead: (lead[0], abs(lead[1] - (first + end) // 2)))[1]
    for picture in pictures.read_again(number):
        if picture.frame is not None and not picture.corrupt:
            return number, looker.look(picture.frame if grade is None else grade(picture.frame, number))
    return None


def _line(size: Size, output: CodedWriter, ticks: dict[int, tuple[int, int]], threads: int, stack: ExitStack) -> _Taker:
    line = _Line(size, output, ticks)
    return stack.enter_context(_Queued(line)) if threads > 1 else line


class _Taker(Protocol):
    """Takes pictures in order."""

    def take(self, picture: av.VideoFrame, number: int) -> None: ...

    def end(self) -> None: ...


class _Line:
    """One size's encoder and the file it writes."""

    def __init__(self, size: Size, output: CodedWriter, ticks: dict[int, tuple[int, int]]) -> None:
        self._size, self._output, self._ticks = size, output, ticks
        try:
            self._encoder = video_encoder(size.settings)
        except av.error.FFmpegError as error:
            what = f"{size.settings.encoder.name} can't code pictures of {size.settings.width}×{size.settings.height} here"
            raise NotSupported(f"The {size.name} proxy was not made: {what} ({error.strerror or error}).") from error

    def take(self, picture: av.VideoFrame, number: int) -> None:
        """Code a picture. Its times are rewritten: one encoder at a time has it."""
        if self._size.draw is not None:
            picture = self._size.draw(picture, number)
        start, stays = self._ticks[number]
        picture.pts, picture.time_base, picture.duration = start, self._size.settings.tick, stays
        picture.pict_type = 0  # a decoded frame's type would force the encoder's
        self._encode(picture)

    def end(self) -> None:
        self._encode(None)

    def _encode(self, picture: av.VideoFrame | None) -> None:
        try:
            packets = self._encoder.encode(picture)
        except av.error.FFmpegError as error:
            raise explained(error, f"encode the {self._size.name} proxy") from error
        for packet in packets:
            self._output.write(CodedPacket(bytes(packet), packet.pts or 0, packet.duration or 1, bool(packet.is_keyframe)))


class _Queued:
    """A line whose encoder works in a thread of its own, a few pictures behind."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._waiting: HandOver[tuple[av.VideoFrame, int]] = HandOver(_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="film-archive-encoder", daemon=True)

    def __enter__(self) -> _Queued:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._thread.is_alive():
            self._error = self._error or KeyboardInterrupt()
            self._waiting.end()
            self._thread.join()

    def take(self, picture: av.VideoFrame, number: int) -> None:
        self._raise()
        self._waiting.put((picture, number))

    def end(self) -> None:
        self._waiting.end()
        self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        """Code what comes; after an error the rest is only taken out of the way."""
        for picture, number in self._waiting.taken():
            if self._error is None:
                try:
                    self._line.take(picture, number)
                except BaseException as error:  # noqa: BLE001  raised in the thread that gives pictures
                    self._error = error
        if self._error is None:
            try:
                self._line.end()
            except BaseException as error:  # noqa: BLE001
                self._error = error
