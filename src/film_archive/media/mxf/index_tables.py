"""Index tables: their segments, and one table of a stream made of them (ST 377-1, 11).

Avid's ways are read too: entries whose count overruns the local length, one entry more than there are frames, and two
equal entries a frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged
from film_archive.core.frame_index import Longs
from film_archive.media.mxf.klv import KlvReader, is_index
from film_archive.media.mxf.partitions import Section

_LARGEST_SEGMENT = 256 << 20
_MOST_SEGMENTS = 100_000
_MOST_DELTAS = 4096
_MOST_UNITS = 20_000_000


@dataclass(frozen=True, slots=True)
class Delta:
    """Where an element of an edit unit begins: `offset` bytes behind the begin of slice `slice`."""

    slice: int
    offset: int


@dataclass(frozen=True, eq=False)
class Entries:
    """One row an edit unit; `slices` has a column for each slice but the first."""

    temporal: NDArray[np.int8]
    key: NDArray[np.int8]
    flags: NDArray[np.uint8]
    offsets: Longs
    slices: Longs

    def __len__(self) -> int:
        return len(self.offsets)

    def part(self, rows: slice) -> Entries:
        return Entries(self.temporal[rows], self.key[rows], self.flags[rows], self.offsets[rows], self.slices[rows])


@dataclass(frozen=True, eq=False)
class Segment:
    """One index table segment. `unit_bytes` > 0 means edit units of one size, without entries."""

    index_sid: int
    body_sid: int
    edit_rate: Fraction | None
    start: int
    duration: int
    """Edit units; 0 means all of the stream where the units have one size."""
    unit_bytes: int
    deltas: tuple[Delta, ...]
    entries: Entries | None
    end_offset: int | None
    """The stream offset behind the last edit unit, where the segment has an extra entry for it."""


@dataclass(frozen=True, eq=False)
class IndexTable:
    """Where the edit units of a stream begin, from position 0 on without a gap.

    `offsets` are stream offsets. `end` is the stream offset behind the last one where the table tells it. `entries`
    has what there is beside the offsets where units have different sizes. `open_ended` tables of equal units go on to
    the end of the stream.
    """

    offsets: Longs
    end: int | None
    deltas: tuple[Delta, ...]
    entries: Entries | None
    open_ended: bool = False
    diagnostics: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.offsets)


def read_segments(reader: KlvReader, sections: Iterable[Section]) -> tuple[list[Segment], list[str]]:
    """All index table segments of a file, and a sentence for each that could not be read."""
    found: list[Segment] = []
    notes: list[str] = []
    for section in sections:
        start, end = section.index
        try:
            for klv in reader.walk(start, end):
                if is_index(klv.key) and len(found) < _MOST_SEGMENTS:
                    try:
                        found.append(parse_segment(reader.value(klv, _LARGEST_SEGMENT)))
                    except Damaged as error:
                        notes.append(f"The index segment at byte {klv.offset} was left out: {error}")
        except Damaged as error:
            notes.append(f"The index at byte {start} was read in part: {error}")
    return found, notes[:8]


def parse_segment(data: bytes) -> Segment:
    """One segment from its value; raises Damaged where its arrays do not fit."""
    numbers: dict[int, int] = {}
    rate: Fraction | None = None
    deltas: tuple[Delta, ...] = ()
    array: tuple[int, int] | None = None
    place = 0
    while place + 4 <= len(data):
        tag, length = struct.unpack_from(">HH", data, place)
        place += 4
        if tag == 0x3F0A:
            # the length is two bytes and can't say what a long array takes; count × size does
            length = max(length, _array_bytes(data, place)) if length >= 8 else length
            array = (place, length)
        elif tag == 0x3F09:
            deltas = _deltas(data, place, length)
        elif place + length > len(data):
            raise Damaged("an item is longer than the segment.")
        elif tag == 0x3F0B and length == 8:
            above, below = struct.unpack_from(">ii", data, place)
            rate = Fraction(above, below) if above > 0 and below > 0 else None
        elif length <= 8:
            signed = tag in (0x3F0C, 0x3F0D)
            numbers[tag] = int.from_bytes(data[place : place + length], "big", signed=signed)
        place += length
    entries = None if array is None else _entries(data, *array, numbers.get(0x3F08, 0))
    segment = Segment(
        numbers.get(0x3F06, 0),
        numbers.get(0x3F07, 0),
        rate,
        numbers.get(0x3F0C, 0),
        max(0, numbers.get(0x3F0D, 0)),
        numbers.get(0x3F05, 0),
        deltas,
        entries,
        None,
    )
    if segment.unit_bytes:
        if segment.entries is not None:
            raise Damaged("it has both a constant size and entries.")
        return segment
    return _of_entries(segment)


def _array_bytes(data: bytes, place: int) -> int:
    if place + 8 > len(data):
        raise Damaged("an array is cut off.")
    count, size = struct.unpack_from(">II", data, place)
    return int(8 + count * size)


def _deltas(data: bytes, place: int, length: int) -> tuple[Delta, ...]:
    if length < 8:
        return ()
    if _array_bytes(data, place) > min(length, len(data) - place):
        raise Damaged("the delta entries do not fit.")
    count, size = struct.unpack_from(">II", data, place)
    if (count and size < 6) or count > _MOST_DELTAS:
        raise Damaged("the delta entries have an impossible size or number.")
    rows = (struct.unpack_from(">bBI", data, place + 8 + row * size) for row in range(count))
    return tuple(Delta(which, offset) for _, which, offset in rows)


def _entries(data: bytes, place: int, length: int, slices: int) -> Entries | None:
    if length < 8:
        return None
    if _array_bytes(data, place) > len(data) - place:
        raise Damaged("the index entries do not fit.")
    count, size = struct.unpack_from(">II", data, place)
    if count == 0:
        return None
    if size < 11:
        raise Damaged(f"index entries of {size} bytes are too short.")
    # some writers state slices for which their entries have no room
    slices = min(slices, (size - 11) // 4)
    table = np.frombuffer(data, np.uint8, count * size, place + 8).reshape(count, size)
    offsets = table[:, 3:11].copy().view(">u8").reshape(-1)
    if (offsets >> np.uint64(62)).any():
        raise Damaged("an index entry has an impossible offset.")
    columns = (
        table[:, 11 : 11 + 4 * slices].copy().view(">u4").reshape(count, slices) if slices else np.zeros((count, 0))
    )
    return Entries(
        table[:, 0].view(np.int8).copy(),
        table[:, 1].view(np.int8).copy(),
        table[:, 2].copy(),
        offsets.astype(np.int64),
        columns.astype(np.int64),
    )


def _of_entries(segment: Segment) -> Segment:
    """A segment with one entry an edit unit: what Avid writes beyond that is taken off."""
    entries, duration = segment.entries, segment.duration
    if entries is None:
        if duration:
            raise Damaged("it has neither a constant size nor entries.")
        return segment
    duration = duration or len(entries)
    end_offset = None
    if len(entries) > 1 and entries.offsets[0] == entries.offsets[1] and len(entries) >= duration:
        if 2 * duration > len(entries):
            duration //= 2
        end_offset = int(entries.offsets[2 * duration]) if len(entries) > 2 * duration else None
        entries = entries.part(slice(0, 2 * duration, 2))
        entries = Entries(entries.temporal // 2, entries.key // 2, entries.flags, entries.offsets, entries.slices)
    elif len(entries) > duration:
        end_offset = int(entries.offsets[duration])
        entries = entries.part(slice(0, duration))
    return Segment(
        segment.index_sid,
        segment.body_sid,
        segment.edit_rate,
        segment.start,
        len(entries),
        0,
        segment.deltas,
        entries,
        end_offset,
    )


def join(segments: Sequence[Segment], stream_length: int) -> IndexTable | None:
    """One table of all segments of a stream, as far as they follow one another from the start.

    `stream_length` bounds how many units of one size there can be. None where nothing usable is left, or units are
    impossibly small. Of segments with the same start the longer one counts, then the later one.
    """
    by_start: dict[int, Segment] = {}
    for segment in segments:
        known = by_start.get(segment.start)
        if known is None or segment.duration >= known.duration:
            by_start[segment.start] = segment
    ordered = [by_start[start] for start in sorted(by_start)]
    if not ordered or ordered[0].start > 0:
        return None
    if all(segment.unit_bytes for segment in ordered):
        return _constant(ordered, stream_length)
    if any(segment.unit_bytes for segment in ordered):
        return None
    return _variable(ordered)


def _constant(ordered: Sequence[Segment], stream_length: int) -> IndexTable | None:
    parts: list[Longs] = []
    begin, position, open_ended = 0, ordered[0].start, False
    for number, segment in enumerate(ordered):
        if segment.start != position:
            break
        most = max(0, -(-(stream_length - begin) // segment.unit_bytes))
        if most > min(_MOST_UNITS, 1_000_000 + stream_length // 64):
            return None
        following = number + 1 < len(ordered)
        count = min(segment.duration or (ordered[number + 1].start - position if following else most), most)
        open_ended = not segment.duration and not following
        parts.append(begin + np.arange(count, dtype=np.int64) * segment.unit_bytes)
        begin += count * segment.unit_bytes
        position += count
    return IndexTable(np.concatenate(parts), begin, ordered[0].deltas, None, open_ended)


def _variable(ordered: Sequence[Segment]) -> IndexTable | None:
    notes: list[str] = []
    parts: list[Entries] = []
    position, end = ordered[0].start, None
    columns = max((segment.entries.slices.shape[1] for segment in ordered if segment.entries is not None), default=0)
    for segment in ordered:
        if segment.entries is None:
            continue
        entries = segment.entries
        if segment.start > position:
            notes.append(f"The index table has a gap: edit units {position} to {segment.start - 1} are not in it.")
            break
        if segment.start < position:  # an overlap: what the later segment repeats is left out of it
            entries = entries.part(slice(position - segment.start, None))
        if not len(entries) or entries.slices.shape[1] != columns:
            continue
        parts.append(entries)
        position += len(entries)
        end = segment.end_offset
    if not parts:
        return None
    entries = Entries(*(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))
    rising = np.diff(entries.offsets) > 0
    if not rising.all():
        good = int(np.argmin(rising)) + 1
        notes.append(f"The index table is wrong from edit unit {good} on: its offsets do not rise.")
        entries, end = entries.part(slice(0, good)), None
    return IndexTable(entries.offsets, end, ordered[0].deltas, entries, diagnostics=tuple(notes))


_COLUMNS = ("temporal", "key", "flags", "offsets", "slices")
