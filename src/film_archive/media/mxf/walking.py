"""Frame-wrapped essence without help of an index: visiting every triplet."""

from __future__ import annotations

from array import array
from collections.abc import Collection

import numpy as np

from film_archive.core.errors import Damaged
from film_archive.media.mxf.container import Container
from film_archive.media.mxf.elements import Content, Elements
from film_archive.media.mxf.klv import (
    FILLER,
    RANDOM_INDEX,
    Klv,
    KlvReader,
    is_essence,
    is_partition_pack,
    is_system_item,
)

MOST_ELEMENTS = 512
"""More elements than any edit unit has."""


def unit_at(reader: KlvReader, start: int, limit: int) -> tuple[list[Klv], int]:
    """The triplets of the edit unit that begins at `start` (fillers left out), and where it ends.

    It ends where its first key comes again, where something else than essence comes, or at `limit`.
    """
    found: list[Klv] = []
    for klv in reader.walk(start, limit):
        if klv.key == FILLER:
            continue
        if not (is_essence(klv.key) or is_system_item(klv.key)) or (found and klv.key == found[0].key):
            return found, klv.offset
        found.append(klv)
        if len(found) >= MOST_ELEMENTS or klv.end > reader.source.size:
            return found, min(klv.end, limit)
    return found, limit


def walk_units(
    reader: KlvReader,
    container: Container,
    position: int,
    lead: bytes,
    others: Collection[bytes],
    first_key: bytes = b"",
) -> Content:
    """The complete edit units from a file position on, by visiting every triplet.

    Edit units begin with `first_key`; without one, with the first element's or system item's key.
    """
    walk = _Walk(reader.source.size, lead, frozenset((lead, *others)), first_key)
    notes = []
    try:
        for chunk in container.chunks:
            if chunk.end > position and not walk.cut:
                walk.chunk(reader, max(chunk.start, position), chunk.end)
    except Damaged as error:
        notes.append(f"The essence was followed as far as it is sound: {error}")
    return walk.content(notes)


class _Walk:
    def __init__(self, size: int, lead: bytes, wanted: frozenset[bytes], first_key: bytes) -> None:
        self._first_key = first_key
        self.cut = False
        self._size = size
        self._lead = lead
        self._wanted = wanted
        self._starts = array("q")
        self._ends = array("q")
        # unit, position and length of each payload in a row: a file without index may have millions
        self._found = {key: array("q") for key in wanted}

    def chunk(self, reader: KlvReader, start: int, end: int) -> None:
        for klv in reader.walk(start, end):
            key = klv.key
            if key == FILLER:
                continue
            if is_partition_pack(key) or key == RANDOM_INDEX:
                end = klv.offset
                break
            if not self._first_key and (is_essence(key) or is_system_item(key)):
                self._first_key = key
            if key == self._first_key:
                self._close(klv.offset)
                self._starts.append(klv.offset)
            if klv.end > self._size:
                self.cut = True
                break
            if key in self._wanted and self._starts:
                self._found[key].extend((len(self._starts) - 1, klv.value, klv.length))
        self._close(min(end, self._size))

    def _close(self, end: int) -> None:
        if len(self._ends) < len(self._starts):
            self._ends.append(end)

    def content(self, notes: list[str]) -> Content:
        self._close(self._size)
        rows = self._found[self._lead]
        count = rows[-3] + 1 if rows else 0
        elements, doubled = {}, False
        for key, found in self._found.items():
            table = np.frombuffer(found, np.int64).reshape(-1, 3)
            table = table[table[:, 0] < count]
            first = np.diff(table[:, 0], prepend=-1) > 0
            doubled |= key == self._lead and not bool(first.all())
            elements[key] = Elements(table[first, 0], table[first, 1], table[first, 2])
        return Content(
            np.array(self._starts[:count], np.int64),
            np.array(self._ends[:count], np.int64),
            elements,
            0,
            doubled,
            self.cut or count < len(self._starts),
            tuple(notes),
        )
