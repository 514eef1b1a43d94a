"""Frame-wrapped essence by its index table: elements are confirmed at their keys, in every edit unit or enough of them.

What an index says of sizes includes filler; only the payload's own length in its KLV head is exact.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged
from film_archive.core.frame_index import Longs
from film_archive.core.source import ByteSource
from film_archive.media.mxf.container import Container
from film_archive.media.mxf.elements import NO_ELEMENTS, Content, Elements
from film_archive.media.mxf.index_tables import Delta, IndexTable
from film_archive.media.mxf.klv import LONGEST_HEAD, Klv, KlvReader, read_heads
from film_archive.media.mxf.walking import MOST_ELEMENTS, unit_at

_SAMPLES = 32


class Lookup:
    """Finds the edit units of a container, and the elements in them, by an index table.

    `lead` is the key of the element that makes an edit unit count, `fixed` are keys of elements of one size. After
    `read`, `first_key` is the one that edit units begin with.
    """

    def __init__(
        self, reader: KlvReader, container: Container, table: IndexTable, lead: bytes, fixed: Collection[bytes]
    ) -> None:
        self._reader = reader
        self._source: ByteSource = reader.source
        self._table = table
        self._lead = lead
        self._fixed = fixed
        located = container.locate(table.offsets)
        inside = located.positions >= 0
        count = len(inside) if inside.all() else int(np.argmin(inside))
        self._starts = located.positions[:count]
        self._limits = located.limits[:count]
        self._ends = self._limits
        self._notes = list(table.diagnostics)
        self._seen_slices: set[int] = set()
        self._reference = 0
        self._layout: dict[bytes, int] = {}
        self.first_key = b""

    def read(self, others: Collection[bytes]) -> Content | None:
        """The units and their elements; None where the table does not lead to them."""
        if not len(self._starts):
            return None
        self._ends = self._unit_ends()
        first = self._first_whole_unit()
        if self._lead not in self._layout or not self._plausible():
            return None
        lead = self._elements(self._lead)
        count = int(lead.units[-1]) + 1 if len(lead) else 0
        if not count or count - len(lead) > count // 20:
            return None
        listed = len(self._table)
        if count < listed and not self._table.open_ended:
            self._notes.append(f"The index table lists {listed} edit units; {count} of them are complete in the file.")
        self._starts, self._ends = self._starts[:count], self._ends[:count]
        elements = {self._lead: self._filled(lead, count)}
        for key in others:
            elements[key] = found = self._elements(key)
            missing = int(found.units[-1]) + 1 - len(found) if len(found) else 0
            if missing:
                self._notes.append(f"{missing} edit unit(s) lack an element of the track {key[12:].hex()}.")
        doubled = sum(klv.key == self._lead for klv in first) > 1
        return Content(self._starts, self._ends, elements, count, doubled, False, tuple(self._notes))

    def _first_whole_unit(self) -> list[Klv]:
        """The triplets of the first unit that can be walked through (one may be damaged); sets the layout from it.

        None of the units looked at may hold a second content package: then the table's units are too long.
        """
        chosen: list[Klv] = []
        for unit in _spread(len(self._starts), 8).tolist():
            start, limit = int(self._starts[unit]), int(self._ends[unit])
            try:
                found, end = unit_at(self._reader, start, limit)
                behind = self._reader.at(end) if end < limit else None
            except Damaged:
                continue
            if found and behind is not None and behind.key == found[0].key:
                self._layout = {}
                return []
            layout = {klv.key: klv.offset - start for klv in reversed(found)}
            if not chosen and self._lead in layout:
                self._reference, self._layout, self.first_key, chosen = unit, layout, found[0].key, found
        return chosen

    def _unit_ends(self) -> Longs:
        starts, limits = self._starts, self._limits
        ends = limits.copy()
        ends[:-1] = np.where(limits[1:] == limits[:-1], starts[1:], limits[:-1])
        table = self._table
        last = int(starts[-1])
        if table.end is not None and len(starts) == len(table):
            ends[-1] = min(int(limits[-1]), last + table.end - int(table.offsets[-1]))
        else:
            try:
                ends[-1] = unit_at(self._reader, last, int(limits[-1]))[1]
            except Damaged:
                ends[-1] = limits[-1]
        return ends

    def _plausible(self) -> bool:
        """Whether the element that counts is in most of some units all over the table: first, last, and between."""
        some = _spread(len(self._starts), 8)
        return bool(2 * self._locate(self._lead, some)[0].sum() >= len(some))

    def _delta(self, key: bytes) -> Delta | None:
        """The delta entry that leads to an element: the one that does in the unit that was walked through."""
        entries = self._table.entries
        if entries is None or key not in self._layout:
            return None
        for delta in self._table.deltas:
            if delta.slice <= entries.slices.shape[1]:
                begin = int(entries.slices[self._reference, delta.slice - 1]) if delta.slice > 0 else 0
                if begin + delta.offset == self._layout[key]:
                    return delta
        return None

    def _predicted(self, key: bytes, units: Longs) -> Longs:
        """Where an element should begin in each of some units."""
        delta, entries = self._delta(key), self._table.entries
        if delta is None or entries is None or delta.slice == 0:
            return self._starts[units] + np.int64(self._layout[key])
        behind: Longs = entries.slices[units, delta.slice - 1] + delta.offset
        return self._starts[units] + behind

    def _locate(self, key: bytes, units: Longs) -> tuple[NDArray[np.bool_], Longs, Longs]:
        """(found, payload positions, sizes) of an element in some units, at its predicted place or else by search."""
        if key not in self._layout:
            return _search(self._source, key, self._starts[units], self._ends[units])
        predicted, ends = self._predicted(key, units), self._ends[units]
        heads = read_heads(self._source, predicted)
        here = heads.are(key)
        positions, sizes = predicted + heads.sizes, heads.lengths
        found = here & (positions + sizes <= ends)
        # an element that runs past the end of the file is cut off: no other of its kind follows in its unit
        lost = np.nonzero(~found & ~(here & (positions + sizes > self._source.size)))[0]
        if len(lost):
            hits, places, lengths = _search(self._source, key, self._starts[units[lost]], ends[lost])
            positions[lost], sizes[lost], found[lost] = places, lengths, hits
        return found, positions, sizes

    def _elements(self, key: bytes) -> Elements:
        """Where one track's elements are, in those units that have one."""
        units = np.arange(len(self._starts), dtype=np.int64)
        if key not in self._layout and not self._locate(key, _spread(len(units), 8))[0].any():
            return NO_ELEMENTS
        delta = self._delta(key)
        # in a table with entries, only behind an element of the same slice that was seen in its place in every unit
        steady = self._table.entries is None or (delta is not None and delta.slice in self._seen_slices)
        if steady and key in self._layout and key in self._fixed and len(units) > 4 * _SAMPLES:
            same = self._proved(key, units)
            if same is not None:
                return same
        found, positions, sizes = self._locate(key, units)
        if delta is not None and found.all() and self._in_place(key, units, positions):
            self._seen_slices.add(delta.slice)
        return Elements(units[found], positions[found], sizes[found])

    def _in_place(self, key: bytes, units: Longs, positions: Longs) -> bool:
        heads = positions - self._predicted(key, units)
        return bool(((heads >= 17) & (heads <= LONGEST_HEAD)).all())

    def _proved(self, key: bytes, units: Longs) -> Elements | None:
        """All elements from some of them, where their size can't vary and those agree; None where they don't."""
        some = _spread(len(units), _SAMPLES)
        predicted = self._predicted(key, some)
        heads = read_heads(self._source, predicted)
        complete = predicted + heads.sizes + heads.lengths <= self._source.size
        if not heads.are(key)[complete].all() or not complete[:-1].all():
            return None
        if len(np.unique(heads.lengths[complete])) != 1 or len(np.unique(heads.sizes[complete])) != 1:
            return None
        positions = self._predicted(key, units) + int(heads.sizes[0])
        size = int(heads.lengths[0])
        whole = positions + size <= np.minimum(self._ends, self._source.size)
        return Elements(units[whole], positions[whole], np.full(int(whole.sum()), size, np.int64))

    def _filled(self, lead: Elements, count: int) -> Elements:
        """With those whose heads are damaged, as the table has them: a frame is not lost for a byte in its key."""
        missing = np.setdiff1d(np.arange(count, dtype=np.int64), lead.units)
        if not len(missing):
            return lead
        head = int(np.median(lead.offsets - self._predicted(self._lead, lead.units))) if len(lead) else 20
        head = head if 17 <= head <= 25 else 20
        begins = self._predicted(self._lead, missing)
        behind = self._ends[missing].copy()
        for key in self._layout:
            places = self._predicted(key, missing)
            behind = np.where((places > begins) & (places < behind), places, behind)
        usual = int(lead.sizes[0])
        constant = bool((lead.sizes == usual).all())
        sizes = np.full(len(missing), usual, np.int64) if constant else np.maximum(0, behind - begins - head)
        names = ", ".join(str(unit) for unit in missing[:8].tolist()) + (" …" if len(missing) > 8 else "")
        self._notes.append(
            f"The KLV heads of {len(missing)} frame(s) are damaged ({names}); their places are the index's."
        )
        order = np.argsort(np.concatenate((lead.units, missing)), kind="stable")
        return Elements(
            np.concatenate((lead.units, missing))[order],
            np.concatenate((lead.offsets, begins + head))[order],
            np.concatenate((lead.sizes, sizes))[order],
        )


def _spread(count: int, number: int) -> Longs:
    """Some of `count` units: the first two, the last two, and others evenly between them."""
    some = np.linspace(0, count - 1, min(count, number)).astype(np.int64)
    edges = np.array([0, 1, count - 2, count - 1], np.int64)
    return np.unique(np.concatenate((some, edges[(edges >= 0) & (edges < count)])))


def _search(source: ByteSource, key: bytes, starts: Longs, ends: Longs) -> tuple[NDArray[np.bool_], Longs, Longs]:
    """Walk through several edit units at once for the first element with a key: (found, payload positions, sizes)."""
    at = starts.copy()
    positions = np.full(len(starts), -1, np.int64)
    sizes = np.full(len(starts), -1, np.int64)
    active = np.arange(len(starts), dtype=np.int64)
    for _ in range(MOST_ELEMENTS):
        if not len(active):
            break
        heads = read_heads(source, at[active])
        behind = at[active] + heads.sizes + heads.lengths
        fits = (heads.lengths >= 0) & (behind <= ends[active])
        hits = fits & heads.are(key)
        positions[active[hits]] = (at[active] + heads.sizes)[hits]
        sizes[active[hits]] = heads.lengths[hits]
        going = fits & ~hits & (behind < ends[active])
        at[active[going]] = behind[going]
        active = active[going]
    return positions >= 0, positions, sizes
