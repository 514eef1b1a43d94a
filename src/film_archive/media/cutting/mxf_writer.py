"""An MXF file (OP1a, frame-wrapped) around edit units that lie in another: new partitions and index, the old essence.

    header partition: pack │ fill │ header metadata │ fill
    (generic streams of the source, as they were)
    body partition:   pack │ fill, up to the essence's place in a block │ edit units …
    footer partition: pack │ index segments
    random index pack

Edit units are laid on the same place in a block that they had, so that a file system that can share blocks does. Sources: ST
377-1 (7 partitions, 11 index tables, 12 random index pack); ST 379-2 for what an edit unit holds.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from film_archive.core.columns import Longs
from film_archive.core.digest import KEY, MultiHasher
from film_archive.media.mxf.index_tables import Delta, Entries

BLOCK = 4096
_PACK_KEY = bytes.fromhex("060e2b34 02050101 0d010201 01")
_FILL_KEY = bytes.fromhex("060e2b34 01010102 03010210 01000000")
_INDEX_KEY = bytes.fromhex("060e2b34 02530101 0d010201 01100100")
_RANDOM_INDEX_KEY = bytes.fromhex("060e2b34 02050101 0d010201 01110100")
_HEAD = 20
"""Key and a length of four bytes, the first of which says that three follow."""
_HEADER, _BODY, _FOOTER = 2, 3, 4
_CLOSED_COMPLETE = 4
_LARGEST_LOCAL = 0xFFFF


@dataclass(frozen=True, slots=True)
class UnitIndex:
    """What an index table says of the edit units of a cut; `entries` is None where they have no more than a size."""

    rate: Fraction
    body_sid: int
    index_sid: int
    deltas: tuple[Delta, ...]
    entries: Entries | None


@dataclass(frozen=True, slots=True)
class GenericStream:
    """A partition without timed essence (RP 2057: XML of the camera), whole."""

    body_sid: int
    data: bytes
    """From its pack on."""


@dataclass(frozen=True, slots=True)
class MxfLayout:
    """Everything but the essence, and where that goes."""

    head: bytes
    essence_offset: int
    tail: bytes

    def size(self, essence: int) -> int:
        return self.essence_offset + essence + len(self.tail)


@dataclass(frozen=True, slots=True)
class Pack:
    """What the partition packs of one file have in common: the source's own, with other places."""

    version: bytes
    grid: int
    pattern: bytes
    containers: bytes
    """Their number, their size, the labels."""
    footer: int = 0

    @classmethod
    def of(cls, data: bytes) -> Pack:
        """From a partition pack, its key and length included."""
        value = data[_value_of(data) :]
        return cls(value[:4], int.from_bytes(value[4:8], "big"), value[64:80], value[80:])

    def bytes(
        self, kind: int, this: int, previous: int, *, header: int = 0, index: int = 0, index_sid: int = 0, body_sid: int = 0
    ) -> bytes:
        places = struct.pack(">QQQQQIQI", this, previous, self.footer, header, index, index_sid, 0, body_sid)
        value = self.version + self.grid.to_bytes(4, "big") + places + self.pattern + self.containers
        return _klv(_PACK_KEY + bytes([kind, _CLOSED_COMPLETE, 0]), value)


def lay_out(
    metadata: bytes,
    sizes: Longs,
    index: UnitIndex,
    *,
    residue: int,
    pack: Pack,
    streams: Sequence[GenericStream] = (),
) -> MxfLayout:
    """Plan the whole file around edit units of these sizes; `residue` is the essence's place in a block."""
    grid = pack.grid if 1 < pack.grid <= BLOCK and BLOCK % pack.grid == 0 and residue % pack.grid == 0 else 1
    essence = int(sizes.sum())
    pack = replace(pack, grid=grid)
    pack_size = _filled(len(pack.bytes(_HEADER, 0, 0)), grid)
    header_bytes = _filled(len(metadata), grid)
    streams_at = pack_size + header_bytes
    places = [0]
    position = streams_at
    for stream in streams:
        places.append(position)
        position += _filled(len(stream.data), grid)
    body_at = position
    essence_at = _next(body_at + len(pack.bytes(_BODY, 0, 0)), residue, BLOCK)
    footer_at = _next(essence_at + essence, 0, grid) if grid > 1 else essence_at + essence
    pack = replace(pack, footer=footer_at)
    head = _to(pack.bytes(_HEADER, 0, 0, header=header_bytes), pack_size) + _to(metadata, header_bytes)
    for number, stream in enumerate(streams):
        placed = _moved_pack(stream.data, places[number + 1], places[number], footer_at)
        head += _to(placed, _filled(len(placed), grid))
    head += _to(pack.bytes(_BODY, body_at, places[-1], body_sid=index.body_sid), essence_at - body_at)
    segments = b"".join(_segments(sizes, index))
    index_bytes = _filled(len(segments), grid)
    footer_pack = _to(pack.bytes(_FOOTER, footer_at, body_at, index=index_bytes, index_sid=index.index_sid), pack_size)
    tail = _fill(footer_at - essence_at - essence) + footer_pack + _to(segments, index_bytes)
    sids = [0, *(stream.body_sid for stream in streams), index.body_sid, 0]
    listed = zip(sids, (*places, body_at, footer_at), strict=True)
    table = b"".join(struct.pack(">IQ", sid, place) for sid, place in listed)
    tail += _klv(_RANDOM_INDEX_KEY, table + struct.pack(">I", _HEAD + len(table) + 4))
    return MxfLayout(head, essence_at, tail)


def _segments(sizes: Longs, index: UnitIndex) -> list[bytes]:
    """Index segments: one where all edit units have one size, else entries, as many as a local length can say."""
    if int(sizes.min()) == int(sizes.max()):
        return [_segment(index, 0, len(sizes), int(sizes[0]), b"", 0)]
    starts = sizes.cumsum() - sizes
    slices = 0 if index.entries is None else index.entries.slices.shape[1]
    row = 11 + 4 * slices
    step = (_LARGEST_LOCAL - 8) // row
    made = []
    for first in range(0, len(sizes), step):
        end = min(first + step, len(sizes))
        rows = b"".join(_row(starts, index.entries, number) for number in range(first, end))
        made.append(_segment(index, first, end - first, 0, struct.pack(">II", end - first, row) + rows, slices))
    return made


def _row(starts: Longs, entries: Entries | None, number: int) -> bytes:
    """An entry of an intra-coded edit unit: no other is needed for it, and it is shown where it is stored."""
    start = int(starts[number])
    if entries is None:
        return struct.pack(">bbBQ", 0, 0, 0x80, start)
    # a slice is told by how far it lies behind the begin of its own edit unit
    slices = entries.slices[number].tolist()
    return struct.pack(f">bbBQ{len(slices)}I", 0, 0, int(entries.flags[number]), start, *slices)


def _segment(index: UnitIndex, start: int, duration: int, unit_bytes: int, entries: bytes, slices: int) -> bytes:
    hasher = MultiHasher()
    hasher.update(struct.pack(">QQQ", start, duration, unit_bytes) + entries)
    items = [
        (0x3C0A, bytes.fromhex(hasher.digests()[KEY])),
        (0x3F0B, struct.pack(">ii", index.rate.numerator, index.rate.denominator)),
        (0x3F0C, struct.pack(">q", start)),
        (0x3F0D, struct.pack(">q", duration)),
        (0x3F05, struct.pack(">I", unit_bytes)),
        (0x3F06, struct.pack(">I", index.index_sid)),
        (0x3F07, struct.pack(">I", index.body_sid)),
        (0x3F08, bytes([slices])),
    ]
    if index.deltas and all(delta.slice <= slices for delta in index.deltas):
        rows = b"".join(struct.pack(">bBI", 0, delta.slice, delta.offset) for delta in index.deltas)
        items.append((0x3F09, struct.pack(">II", len(index.deltas), 6) + rows))
    if entries:
        items.append((0x3F0A, entries))
    return _klv(_INDEX_KEY, b"".join(struct.pack(">HH", tag, len(value)) + value for tag, value in items))


def _moved_pack(data: bytes, this: int, previous: int, footer: int) -> bytes:
    """A partition with the places in its pack set anew."""
    value = _value_of(data)
    return data[: value + 8] + struct.pack(">QQQ", this, previous, footer) + data[value + 32 :]


def _value_of(data: bytes) -> int:
    """Where the value of a triplet begins."""
    return 17 + (data[16] & 0x7F if data[16] & 0x80 else 0)


def _klv(key: bytes, value: bytes) -> bytes:
    return key + b"\x83" + len(value).to_bytes(3, "big") + value


def _fill(size: int) -> bytes:
    """Filler of so many bytes, key and length in them; none for 0."""
    return b"" if size == 0 else _klv(_FILL_KEY, bytes(size - _HEAD))


def _to(data: bytes, size: int) -> bytes:
    """Some bytes, and filler behind them up to a size."""
    return data + _fill(size - len(data))


def _filled(size: int, grid: int) -> int:
    """A size with the filler that takes it to the grid."""
    return _next(size, 0, grid) if grid > 1 else size


def _next(position: int, residue: int, step: int) -> int:
    """The next place with this residue that is here, or far enough for a filler."""
    place = position + (residue - position) % step
    return place if place == position or place - position >= _HEAD else place + -(-_HEAD // step) * step
