"""The header metadata of a cut MXF: the source's own sets, byte for byte but for lengths, starts and identities.

Every value that changes has a fixed size, so it is changed in place; sets that are not known here (cameras' own, descriptive
metadata) stay as they are. Source: ST 377-1, 9 and annexes A and B.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from film_archive.core.digest import KEY, MultiHasher
from film_archive.core.errors import NotSupported
from film_archive.core.timecode import frames_per_day

_MATERIAL, _SOURCE, _CONTAINER_DATA = 0x36, 0x37, 0x23
_SOURCE_CLIP, _TIMECODE = 0x11, 0x14
_INSTANCE, _UMID, _LINKED_UMID, _REFERENCED_UMID = 0x3C0A, 0x4401, 0x2701, 0x1101
_TRACKS, _SEQUENCE, _COMPONENTS, _DESCRIPTOR, _SUB_DESCRIPTORS = 0x4403, 0x4803, 0x1001, 0x4701, 0x3F01
_EDIT_RATE, _ORIGIN, _DURATION, _START = 0x4B01, 0x4B02, 0x0202, 0x1201
_START_TIMECODE, _BASE, _DROP = 0x1501, 0x1502, 0x1503
_SAMPLE_RATE, _CONTAINER_DURATION = 0x3001, 0x3002
_LOCAL_SET = bytes.fromhex("060e2b34 02")
_UMID_HEAD = 13


@dataclass(slots=True)
class _Set:
    kind: int
    items: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Local tag → (position of its value in the whole, length)."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Where a cut's first frame was, in edit units of the picture: on the material package's track, and in the stream."""

    material: int
    stored: int


class HeaderMetadata:
    """Header metadata (primer and sets) that is being changed in place."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data = bytearray(data)
        self._name = name
        self._sets: dict[bytes, _Set] = {}
        self._all: list[_Set] = []
        for one, uid in _sets(data):
            self._all.append(one)
            self._sets.setdefault(uid, one)

    def cut(self, frames: int, positions: Positions, rate: Fraction, samples: Mapping[Fraction, int]) -> bytes:
        """The metadata of a cut of so many frames of `rate`; `samples` says how many samples of sound of a rate are in it.

        Raises NotSupported where tracks are made of several pieces.
        """
        files = {self._bytes(one, _LINKED_UMID) for one in self._all if one.kind == _CONTAINER_DATA}
        for package in self._all:
            if package.kind not in (_MATERIAL, _SOURCE):
                continue
            is_material = package.kind == _MATERIAL
            if not is_material and self._bytes(package, _UMID) not in files:
                continue  # what was shot, or imported, stays what it was
            shift = positions.material if is_material else positions.stored
            for track in self._followed(package, _TRACKS):
                self._cut_track(track, shift, frames, rate, samples, is_material=is_material)
            for descriptor in self._followed(package, _DESCRIPTOR):
                for part in (descriptor, *self._followed(descriptor, _SUB_DESCRIPTORS)):
                    self._cut_descriptor(part, frames, rate, samples)
        self._rename(files, f"{positions.stored} {frames}")
        return bytes(self._data)

    def _cut_track(
        self, track: _Set, shift: int, frames: int, rate: Fraction, samples: Mapping[Fraction, int], *, is_material: bool
    ) -> None:
        own = self._ratio(track, _EDIT_RATE)
        sequence = next(self._followed(track, _SEQUENCE), None)
        if own is None or sequence is None:
            return  # a static track has no time
        length = _length(frames, rate, own, samples)
        start = shift * own / rate
        pieces = list(self._followed(sequence, _COMPONENTS)) if _COMPONENTS in sequence.items else [sequence]
        if len(pieces) > 1 and any(piece.kind in (_SOURCE_CLIP, _TIMECODE) for piece in pieces):
            raise NotSupported(f"{self._name} has a track that is put together from {len(pieces)} pieces")
        for part in {id(each): each for each in (sequence, *pieces)}.values():
            if part.kind in (_SOURCE_CLIP, _TIMECODE) or part is sequence:
                self._set_number(part, _DURATION, length)
        self._set_number(track, _ORIGIN, 0)
        for piece in pieces:
            if piece.kind == _SOURCE_CLIP:
                further = any(self._bytes(piece, _REFERENCED_UMID))
                begin = self._number(piece, _START) or 0
                self._set_number(piece, _START, 0 if is_material or not further else begin + _whole(start))
            elif piece.kind == _TIMECODE:
                self._cut_timecode(piece, start, own)

    def _cut_timecode(self, component: _Set, start: Fraction, rate: Fraction) -> None:
        base, drop = self._number(component, _BASE) or 0, self._number(component, _DROP) == 1
        if base < 1:
            return
        nominal = max(1, round(rate))
        labels = _whole(start * base / nominal if nominal % base == 0 or base % nominal == 0 else start)
        day = frames_per_day(base, drop and base in (30, 60, 120))
        self._set_number(component, _START_TIMECODE, ((self._number(component, _START_TIMECODE) or 0) + labels) % day)

    def _cut_descriptor(self, one: _Set, frames: int, rate: Fraction, samples: Mapping[Fraction, int]) -> None:
        own, stated = self._ratio(one, _SAMPLE_RATE), self._number(one, _CONTAINER_DURATION)
        if own is not None and stated is not None and stated >= 0:
            self._set_number(one, _CONTAINER_DURATION, _length(frames, rate, own, samples))

    def _rename(self, files: Iterable[bytes], what: str) -> None:
        """New identities for the packages that are not the same any more, wherever they are named."""
        materials = {self._bytes(one, _UMID) for one in self._all if one.kind == _MATERIAL}
        names = {}
        for umid in {*files, *materials}:
            hasher = MultiHasher()
            hasher.update(umid + what.encode())
            names[umid] = umid[:_UMID_HEAD] + bytes(3) + bytes.fromhex(hasher.digests()[KEY])
        for one in self._all:
            for tag in (_UMID, _LINKED_UMID, _REFERENCED_UMID):
                new = names.get(self._bytes(one, tag))
                if new is not None and len(new) == 32:
                    place, _ = one.items[tag]
                    self._data[place : place + 32] = new

    def _followed(self, one: _Set, tag: int) -> Iterator[_Set]:
        """The sets that an item refers to, one or an array."""
        data = self._bytes(one, tag)
        if len(data) != 16:
            count, size = struct.unpack_from(">II", data) if len(data) >= 8 else (0, 0)
            if size != 16 or 8 + 16 * count > len(data):
                return
            data = data[8 : 8 + 16 * count]
        for place in range(0, len(data), 16):
            if data[place : place + 16] in self._sets:
                yield self._sets[data[place : place + 16]]

    def _bytes(self, one: _Set, tag: int) -> bytes:
        place, length = one.items.get(tag, (0, 0))
        return bytes(self._data[place : place + length])

    def _number(self, one: _Set, tag: int) -> int | None:
        data = self._bytes(one, tag)
        return int.from_bytes(data, "big", signed=len(data) == 8) if len(data) in (1, 2, 4, 8) else None

    def _ratio(self, one: _Set, tag: int) -> Fraction | None:
        data = self._bytes(one, tag)
        above, below = struct.unpack(">ii", data) if len(data) == 8 else (0, 0)
        return Fraction(above, below) if above > 0 and below > 0 else None

    def _set_number(self, one: _Set, tag: int, value: int) -> None:
        place, length = one.items.get(tag, (0, 0))
        if length in (4, 8):
            self._data[place : place + length] = value.to_bytes(length, "big", signed=length == 8)


def _sets(data: bytes) -> Iterator[tuple[_Set, bytes]]:
    """The local sets in header metadata with their instance UIDs, and where each item's value lies."""
    place = 0
    while place + 17 <= len(data):
        key, (start, length) = data[place : place + 16], _ber(data, place + 16)
        end = min(start + length, len(data))
        if key[:5] == _LOCAL_SET and key[5] in (0x13, 0x53):
            one = _Set(key[14])
            at = start
            while at + 4 <= end:
                tag = int.from_bytes(data[at : at + 2], "big")
                if key[5] == 0x53:
                    value, size = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
                else:
                    value, size = _ber(data, at + 2)
                if value + size > end:
                    break
                one.items.setdefault(tag, (value, size))
                at = value + size
            uid_at, uid_size = one.items.get(_INSTANCE, (0, 0))
            yield one, data[uid_at : uid_at + uid_size]
        place = start + length


def _ber(data: bytes, place: int) -> tuple[int, int]:
    """(where the value begins, its length) of a BER length."""
    first = data[place] if place < len(data) else 0
    if first < 0x80:
        return place + 1, first
    width = first & 0x7F
    return place + 1 + width, int.from_bytes(data[place + 1 : place + 1 + width], "big")


def _length(frames: int, rate: Fraction, own: Fraction, samples: Mapping[Fraction, int]) -> int:
    return samples.get(own, _whole(Fraction(frames) * own / rate)) if own != rate else frames


def _whole(value: Fraction) -> int:
    return value.numerator // value.denominator
