"""Coded pictures and sound on their way into a proxy: packets, and the files in which they wait.

Such a file is a line that says what made it, the packets one after another, and a tail of notes as JSON. It is written
once, whole or not at all, read by the program that wrote it, and removed when the proxy is there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import av
from av.stream import Stream
from pydantic_core import from_json, to_json

from film_archive.core import files
from film_archive.core.errors import Damaged, from_os_error
from film_archive.core.source import printable

_MAGIC = b"film-archive coded 1 "
_HEAD = struct.Struct("<qIIB")
_END = -(1 << 62)


@dataclass(frozen=True, slots=True)
class CodedPacket:
    """One picture, or one frame of sound, as an encoder gave it."""

    data: bytes
    time: int
    """When it is shown, in ticks of its track."""
    duration: int
    key: bool


def muxable(packet: CodedPacket, stream: Stream, tick: Fraction) -> av.Packet[Any]:
    """A packet as FFmpeg's muxers take it, for a track without pictures out of order."""
    made = av.Packet(packet.data)
    made.stream = stream
    made.time_base = tick
    made.pts = made.dts = packet.time
    made.duration = packet.duration
    made.is_keyframe = packet.key
    return made


class CodedWriter:
    """A file of packets in the making; leaving the block without `finish` leaves nothing.

    `maker` tells it from files that were made otherwise.
    """

    def __init__(self, path: Path, maker: str) -> None:
        self._new = files.AtomicFile(path, replace=True, purpose="piece")
        self._maker = maker

    def __enter__(self) -> Self:
        self._new.__enter__()
        try:
            self._put(_MAGIC + self._maker.encode() + b"\n")
        except BaseException as error:
            self._new.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def write(self, packet: CodedPacket) -> None:
        self._put(_HEAD.pack(packet.time, packet.duration, len(packet.data), packet.key) + packet.data)

    def finish(self, notes: dict[str, Any], attachment: bytes = b"") -> None:
        """Write the tail and give the file its name."""
        tail = to_json(notes)
        self._put(_HEAD.pack(_END, len(attachment), len(tail), 0) + tail + attachment)
        self._new.commit()

    def _put(self, data: bytes) -> None:
        try:
            self._new.file.write(data)
        except OSError as error:
            raise from_os_error(error, f"write {printable(self._new.target)}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._new.__exit__(kind, error, trace)


class CodedFile:
    """A finished file of packets."""

    def __init__(self, path: Path, maker: str) -> None:
        self.path, self._maker = path, maker
        self.notes: dict[str, Any] = {}
        self.attachment = b""
        """Notes and attachment are there after the last packet."""

    def is_current(self) -> bool:
        """Whether it is there and was made by this maker."""
        expected = _MAGIC + self._maker.encode() + b"\n"
        try:
            with self.path.open("rb") as file:
                return file.read(len(expected)) == expected
        except FileNotFoundError:
            return False

    def packets(self) -> Iterator[CodedPacket]:
        """All packets in order; raises Damaged where the file is not whole."""
        with files.explaining(f"read {self.path.name}"), self.path.open("rb") as file:
            if file.readline(1 << 16) != _MAGIC + self._maker.encode() + b"\n":
                raise Damaged(f"{self.path.name} was made by another version; remove it, and it is made again.")
            while True:
                time, duration, size, key = _HEAD.unpack(self._exactly(file, _HEAD.size))
                if time == _END:
                    self.notes = cast(dict[str, Any], from_json(self._exactly(file, size)))
                    self.attachment = self._exactly(file, duration)
                    return
                yield CodedPacket(self._exactly(file, size), time, duration, bool(key))

    def _exactly(self, file: BinaryIO, size: int) -> bytes:
        data = file.read(size)
        if len(data) != size:
            raise Damaged(f"{self.path.name} is cut short; remove it, and it is made again.")
        return data
