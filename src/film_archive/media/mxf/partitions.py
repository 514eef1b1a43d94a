"""Partitions of an MXF file: partition packs, the random index pack, and finding all partitions (ST 377-1, 7 and 12).

All positions are counted from the header partition pack, as they are in the file: behind the run-in, where there is
one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from film_archive.core.errors import Damaged
from film_archive.media.mxf.klv import (
    FILLER,
    PREFIX,
    PRIMER,
    RANDOM_INDEX,
    Klv,
    KlvReader,
    is_encrypted,
    is_essence,
    is_index,
    is_partition_pack,
    is_system_item,
    normal,
)

_KINDS = {2: "header", 3: "body", 4: "footer"}
_PACK = struct.Struct(">HHIQQQQQIQI16sII")
_LARGEST_PACK = 1 << 16
_MOST_PARTITIONS = 1 << 16
_LARGEST_RANDOM_INDEX = 12 * _MOST_PARTITIONS + 64


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition pack and what it says of the bytes behind it."""

    offset: int
    """Where its key is."""
    end: int
    """Just behind the pack."""
    kind: str
    """"header", "body", "footer", or "generic stream" (no timed essence)."""
    closed: bool
    complete: bool
    grid: int
    this: int
    previous: int
    footer: int
    header_bytes: int
    index_bytes: int
    index_sid: int
    body_offset: int
    body_sid: int
    pattern: bytes
    containers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A partition with the parts that were found in it, each [start, end)."""

    partition: Partition
    metadata: tuple[int, int]
    index: tuple[int, int]
    essence: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Partitions:
    """All partitions in file order, how they were found, and what was odd."""

    sections: tuple[Section, ...]
    found_by: str
    """"random index pack", "footer" (its chain backwards) or "walk" (every triplet was visited)."""
    end: int
    """Where the partitions end: the random index pack, or the end of the file."""
    diagnostics: tuple[str, ...] = ()

    @property
    def header(self) -> Partition:
        return self.sections[0].partition


def read_pack(reader: KlvReader, offset: int) -> Partition:
    """The partition pack at a place; raises Damaged where there is none."""
    klv = reader.at(offset)
    if klv is None or not is_partition_pack(klv.key):
        raise Damaged(f"{reader.source.name} has no partition at byte {offset}, where one should be.")
    data = reader.value(klv, _LARGEST_PACK)
    if len(data) < _PACK.size:
        raise Damaged(
            f"{reader.source.name} has a partition pack of {len(data)} bytes at byte {offset}; that is too short."
        )
    (
        _,
        _,
        grid,
        this,
        previous,
        footer,
        header_bytes,
        index_bytes,
        index_sid,
        body_offset,
        body_sid,
        pattern,
        count,
        size,
    ) = _PACK.unpack_from(data)
    labels = data[_PACK.size :]
    if count and (size != 16 or count * 16 > len(labels)):
        raise Damaged(f"{reader.source.name} has a partition pack at byte {offset} whose list of labels does not fit.")
    kind = _KINDS[klv.key[13]]
    status = klv.key[14]
    return Partition(
        offset,
        klv.end,
        "generic stream" if kind == "body" and status == 0x11 else kind,
        status in (2, 4),
        status in (3, 4),
        grid,
        this,
        previous,
        footer,
        header_bytes,
        index_bytes,
        index_sid,
        body_offset,
        body_sid,
        normal(pattern),
        tuple(normal(labels[place : place + 16]) for place in range(0, count * 16, 16)),
    )


def find_partitions(reader: KlvReader) -> Partitions:
    """All partitions: by the random index pack, else by the footer's chain, else by visiting every triplet."""
    header = read_pack(reader, 0)
    if header.kind != "header":
        raise Damaged(f"{reader.source.name} does not begin with a header partition.")
    size = reader.source.size
    notes: list[str] = []
    end, listed = _random_index(reader)
    ways: list[tuple[str, Callable[[], list[Partition]]]] = []
    if listed:
        ways.append(("random index pack", lambda: _with_chain(reader, [read_pack(reader, place) for place in listed])))
    if 0 < header.footer < size:
        ways.append(("footer", lambda: _chain(reader, read_pack(reader, header.footer))))
    elif header.footer >= size:
        notes.append(f"The file is cut short: its footer should be at byte {header.footer}, and it has {size} bytes.")
    for name, way in ways:
        try:
            found = way()
        except Damaged as error:
            notes.append(f"The partitions could not be read by the {name}: {error}")
            continue
        if found[0].offset == 0:
            return _sections(reader, found, name, end, notes)
        notes.append(f"The {name} does not lead to the header partition.")
    return _sections(reader, _walk(reader, header, notes), "walk", end, notes)


def _random_index(reader: KlvReader) -> tuple[int, list[int]]:
    """Where the random index pack begins (the end of the file if there is none) and the partitions that it lists."""
    source = reader.source
    size = source.size
    length = int.from_bytes(source.read_at(size - 4, 4), "big") if size >= 4 else 0
    if not 33 <= length <= min(size, _LARGEST_RANDOM_INDEX):
        return size, []
    try:
        klv = reader.at(size - length)
    except Damaged:
        return size, []
    if klv is None or klv.key != RANDOM_INDEX or klv.end != size or klv.length % 12 != 4:
        return size, []
    data = reader.value(klv, _LARGEST_RANDOM_INDEX)
    places = [int.from_bytes(data[at + 4 : at + 12], "big") for at in range(0, len(data) - 4, 12)]
    ascending = all(first < second for first, second in pairwise(places))
    if not places or not ascending or places[0] != 0 or places[-1] >= klv.offset:
        return klv.offset, []
    return klv.offset, places


def _with_chain(reader: KlvReader, found: list[Partition]) -> list[Partition]:
    """The listed partitions, and those that they name as their predecessors and the list left out."""
    by_place = {partition.offset: partition for partition in found}
    for partition in found:
        before = partition.previous
        while 0 < before < partition.offset and before not in by_place and len(by_place) < _MOST_PARTITIONS:
            missing = read_pack(reader, before)
            by_place[before] = missing
            before = missing.previous if missing.previous < before else 0
    return [by_place[place] for place in sorted(by_place)]


def _chain(reader: KlvReader, last: Partition) -> list[Partition]:
    found = [last]
    while found[-1].offset > 0:
        before = found[-1].previous
        if before >= found[-1].offset or len(found) >= _MOST_PARTITIONS:
            raise Damaged(f"{reader.source.name} has a chain of partitions that does not lead backwards.")
        found.append(read_pack(reader, before))
    return found[::-1]


def _walk(reader: KlvReader, header: Partition, notes: list[str]) -> list[Partition]:
    found = [header]
    try:
        for klv in reader.walk(header.end, reader.source.size):
            if is_partition_pack(klv.key):
                found.append(read_pack(reader, klv.offset))
                if len(found) > _MOST_PARTITIONS:
                    raise Damaged(f"{reader.source.name} has more than {_MOST_PARTITIONS} partitions.")
    except Damaged as error:
        notes.append(f"The structure was followed as far as it is sound: {error}")
    return found


def _sections(reader: KlvReader, partitions: list[Partition], found_by: str, end: int, notes: list[str]) -> Partitions:
    places = [partition.offset for partition in partitions] + [end]
    wrong = [partition.offset for partition in partitions if partition.this != partition.offset]
    if wrong:
        notes.append(f"{len(wrong)} partition(s) state another place than theirs, the first at byte {wrong[0]}.")
    sections = []
    for partition, limit in zip(partitions, places[1:], strict=True):
        try:
            sections.append(_parts(reader, partition, limit))
        except Damaged as error:
            notes.append(f"The partition at byte {partition.offset} could not be read: {error}")
            sections.append(Section(partition, (limit, limit), (limit, limit), (limit, limit)))
    return Partitions(tuple(sections), found_by, end, tuple(notes))


def _parts(reader: KlvReader, partition: Partition, limit: int) -> Section:
    """Header metadata, index segments and essence of a partition: where they begin and end.

    The counts in the pack are used where they lead to a triplet; writers get them wrong, and then each one is stepped
    over.
    """
    at = _behind_filler(reader, partition.end, limit)
    begin = at
    klv = _at(reader, at, limit)
    if klv is not None and _begins_metadata(klv.key):
        at = _jump(reader, at, partition.header_bytes, limit, _is_other)
    metadata = (begin, at)
    at = begin = _behind_filler(reader, at, limit)
    klv = _at(reader, at, limit)
    if klv is not None and is_index(klv.key):
        at = _jump(reader, at, partition.index_bytes, limit, is_index)
    index = (begin, at)
    start = _jump(reader, at, 0, limit, _is_other)
    has_essence = partition.body_sid != 0 and partition.kind != "generic stream" and start < limit
    return Section(partition, metadata, index, (start, limit) if has_essence else (limit, limit))


def _begins_metadata(key: bytes) -> bool:
    return key == PRIMER or (key[4] == 2 and key[8:12] == b"\x0d\x01\x01\x01")


def _begins_essence(key: bytes) -> bool:
    return is_essence(key) or is_system_item(key) or is_encrypted(key)


def _is_other(key: bytes) -> bool:
    """Whether a triplet is neither index nor essence nor another partition: metadata, or something private."""
    return not (is_index(key) or _begins_essence(key) or is_partition_pack(key) or key == RANDOM_INDEX)


def _at(reader: KlvReader, offset: int, limit: int) -> Klv | None:
    return reader.at(offset) if offset < limit else None


def _behind_filler(reader: KlvReader, offset: int, limit: int) -> int:
    while (klv := _at(reader, offset, limit)) is not None and klv.key == FILLER:
        offset = klv.end
    return min(offset, limit)


def _jump(reader: KlvReader, start: int, count: int, limit: int, belongs: Callable[[bytes], bool]) -> int:
    """Where a part of a partition ends that should take `count` bytes; never before it does, wrong as counts may be."""
    at = start + count if count and start + count <= limit else start
    if at != start and at < limit and reader.source.read_at(at, 4) != PREFIX:
        at = start
    while (klv := _at(reader, at, limit)) is not None and (belongs(klv.key) or klv.key == FILLER):
        at = klv.end
    return min(at, limit)
