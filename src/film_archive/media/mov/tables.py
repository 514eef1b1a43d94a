"""The sample tables of a track (`stbl`): which samples there are, how long each lasts, and where it lies.

The tables are kept as the file has them, as runs, and expanded by numpy where they are asked for: a track of 86,400
frames or of 170 million PCM samples costs no loop. Every count is checked against the bytes behind it before anything
is allocated. Sources: QuickTime File Format, "Sample Table Atoms"; ISO/IEC 14496-12, 8.6 and 8.7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from film_archive.media.mov.atoms import Atom, Notes, only

MAX_SAMPLES = 1 << 22
"""Samples of a track that are ever expanded: 48 hours at 24 frames a second."""
MAX_TICKS = 1 << 60

Longs = NDArray[np.int64]


def longs(*values: int) -> Longs:
    return np.array(values, np.int64)


@dataclass(frozen=True, eq=False)
class SampleTables:
    """The tables of one track, unexpanded. Attributes are called as the atoms are; rows are int64.

    `stts` (count, delta), `ctts` (count, offset, signed), `stsc` (first chunk from 1, samples a chunk, description
    from 1), `stco` the chunks' offsets in the file (from `stco` or `co64`). `sample_size` is the one size of all
    samples, or 0, then `stsz` has each (from `stsz` or `stz2`). `stss` lists the sync samples from 1; None means that
    all are, an empty list that none is. `stps` lists partial sync samples, `sdtp` has a byte a sample or is empty.
    """

    stts: Longs
    ctts: Longs
    stsc: Longs
    stco: Longs
    sample_size: int
    stsz: Longs
    sample_count: int
    stss: Longs | None
    stps: Longs
    sdtp: bytes

    @cached_property
    def chunk_runs(self) -> Longs:
        """For each chunk (samples, description from 1), cut to `sample_count` samples in all."""
        if not len(self.stco) or not len(self.stsc):
            return np.zeros((0, 2), np.int64)
        firsts = self.stsc[:, 0] - 1
        lengths = np.diff(np.append(firsts, len(self.stco)))
        runs = np.repeat(self.stsc[:, 1:], lengths, axis=0)
        ends = np.minimum(np.cumsum(runs[:, 0]), self.sample_count)
        runs[:, 0] = np.diff(ends, prepend=0)
        return runs

    @property
    def samples_there(self) -> int:
        """How many samples have a place in a chunk."""
        return int(self.chunk_runs[:, 0].sum())


@dataclass(frozen=True, eq=False)
class TimeRuns:
    """`stts` as a function: sample number → tick, without expanding it."""

    starts: Longs
    ticks: Longs
    deltas: Longs

    @classmethod
    def of(cls, stts: Longs) -> TimeRuns:
        """Deltas are read as signed, as QuickTime does: a few writers step back with them. No rows: all at tick 0."""
        if not len(stts):
            return cls(longs(0), longs(0), longs(0))
        counts, deltas = stts[:, 0], stts[:, 1]
        starts = np.concatenate((longs(0), np.cumsum(counts)[:-1]))
        ticks = np.concatenate((longs(0), np.cumsum(counts * deltas)[:-1]))
        return cls(starts, ticks, deltas)

    def at(self, samples: Longs) -> Longs:
        """When these samples (from 0) begin; past the end of the table its last delta goes on."""
        run = np.searchsorted(self.starts, samples, side="right") - 1
        times: Longs = self.ticks[run] + (samples - self.starts[run]) * self.deltas[run]
        return times

    def delta_at(self, samples: Longs) -> Longs:
        delta: Longs = self.deltas[np.searchsorted(self.starts, samples, side="right") - 1]
        return delta


def parse_tables(stbl: Atom, notes: Notes) -> SampleTables:
    """Read and check the tables. Raises Damaged where a table holds less than it promises or contradicts itself."""
    children = stbl.children()
    stts = _rows(only(children, b"stts", notes), 2)
    stts[:, 1] = _signed(stts[:, 1])
    ctts = _rows(only(children, b"ctts", notes), 2)
    ctts[:, 1] = _signed(ctts[:, 1])
    sample_size, count, sizes = _sizes(children, notes)
    stss = only(children, b"stss", notes)
    sdtp = only(children, b"sdtp", notes)
    tables = SampleTables(
        stts=stts,
        ctts=ctts,
        stsc=_rows(only(children, b"stsc", notes), 3),
        stco=_chunk_offsets(children, notes),
        sample_size=sample_size,
        stsz=sizes,
        sample_count=count,
        stss=None if stss is None else _rows(stss, 1)[:, 0],
        stps=_rows(only(children, b"stps", notes), 1)[:, 0],
        sdtp=b"" if sdtp is None else bytes(sdtp.body[4 : 4 + count]),
    )
    return _checked(tables, stbl, notes)


def _checked(tables: SampleTables, stbl: Atom, notes: Notes) -> SampleTables:
    """Hold the tables against each other; mends what readers agree on how to mend, and notes it."""
    stsc, chunks = tables.stsc, len(tables.stco)
    if tables.sample_count and chunks:
        if not len(stsc) or stsc[0, 0] != 1 or (np.diff(stsc[:, 0]) <= 0).any() or (stsc[:, 1:] < 1).any():
            raise stbl.damaged("has a sample-to-chunk table (stsc) that contradicts itself")
        if stsc[-1, 0] > chunks:
            notes.add(f"the sample-to-chunk table speaks of chunk {int(stsc[-1, 0])}, but there are {chunks}")
            stsc = stsc[stsc[:, 0] <= chunks]
        lengths = np.diff(np.append(stsc[:, 0] - 1, chunks))
        promised = float((lengths * stsc[:, 1].astype(np.float64)).sum())
        if promised > tables.sample_count:
            notes.add(f"its chunks promise more samples than the {tables.sample_count} that have a size")
        elif promised < tables.sample_count:
            notes.add(f"only {int(promised)} of {tables.sample_count} samples lie in a chunk; the others are not there")
    elif tables.sample_count:
        raise stbl.damaged(f"counts {tables.sample_count} samples but has no chunks")
    else:
        stsc = stsc[:0]  # says nothing of chunks that hold nothing, and may say it wrongly
    if tables.sample_count and not len(tables.stts):
        raise stbl.damaged("has no times (stts)")
    counts = tables.stts[:, 0].astype(np.float64)
    deltas = np.abs(tables.stts[:, 1]).astype(np.float64)
    if float((counts * deltas).sum() + tables.sample_count * deltas.max(initial=0)) > MAX_TICKS:
        raise stbl.damaged("has durations (stts) that add up to more than any film lasts")
    timed = float(counts.sum())
    if timed != tables.sample_count:
        notes.add(f"the time table counts {timed:.0f} samples, the size table {tables.sample_count}; that is believed")
    return replace(tables, stsc=stsc)


def _rows(atom: Atom | None, columns: int) -> Longs:
    """A counted table of 32-bit numbers behind version and flags, as int64 rows."""
    if atom is None:
        return np.zeros((0, columns), np.int64)
    (count,) = atom.unpack("I", 4)
    if count * columns * 4 > len(atom.body) - 8:
        raise atom.damaged(f"promises {count} entries and has room for {(len(atom.body) - 8) // (4 * columns)}")
    if count > MAX_SAMPLES:
        raise atom.damaged(f"has {count} entries, more than the {MAX_SAMPLES} that are supported")
    table = np.frombuffer(atom.body, ">u4", count * columns, 8)
    rows: Longs = table.reshape(count, columns).astype(np.int64)
    return rows


def _signed(column: Longs) -> Longs:
    return np.where(column >= 1 << 31, column - (1 << 32), column)


def _chunk_offsets(children: tuple[Atom, ...], notes: Notes) -> Longs:
    wide = only(children, b"co64", notes)
    narrow = only(children, b"stco", notes)
    if wide is None:
        return _rows(narrow, 1)[:, 0]
    if narrow is not None:
        notes.add("there are both stco and co64; co64 is used")
    (count,) = wide.unpack("I", 4)
    if count * 8 > len(wide.body) - 8:
        raise wide.damaged(f"promises {count} entries and has room for {(len(wide.body) - 8) // 8}")
    if count > MAX_SAMPLES:
        raise wide.damaged(f"has {count} entries, more than the {MAX_SAMPLES} that are supported")
    offsets = np.frombuffer(wide.body, ">u8", count, 8)
    # No file is that long: what would not fit into a signed number is past every end, and stays so.
    signed: Longs = np.minimum(offsets, np.uint64(1 << 61)).astype(np.int64)
    return signed


def _sizes(children: tuple[Atom, ...], notes: Notes) -> tuple[int, int, Longs]:
    """(size of all or 0, count, size of each)."""
    none = np.zeros(0, np.int64)
    stsz, stz2 = only(children, b"stsz", notes), only(children, b"stz2", notes)
    if stsz is not None:
        size, count = stsz.unpack("II", 4)
        if size:
            return size, count, none
        if count * 4 > len(stsz.body) - 12:
            raise stsz.damaged(f"promises {count} sizes and has room for {(len(stsz.body) - 12) // 4}")
        if count > MAX_SAMPLES:
            raise stsz.damaged(f"has {count} sizes, more than the {MAX_SAMPLES} that are supported")
        return 0, count, np.frombuffer(stsz.body, ">u4", count, 12).astype(np.int64)
    if stz2 is None:
        return 0, 0, none
    field, count = stz2.unpack("II", 4)
    field &= 0xFF
    if field not in (4, 8, 16):
        raise stz2.damaged(f"has sizes of {field} bits; there are 4, 8 and 16")
    if (count * field + 7) // 8 > len(stz2.body) - 12:
        raise stz2.damaged(f"promises {count} sizes and has room for {(len(stz2.body) - 12) * 8 // field}")
    if count > MAX_SAMPLES:
        raise stz2.damaged(f"has {count} sizes, more than the {MAX_SAMPLES} that are supported")
    if field == 4:
        pairs = np.frombuffer(stz2.body, np.uint8, (count + 1) // 2, 12)
        return 0, count, np.stack((pairs >> 4, pairs & 15), axis=1).reshape(-1)[:count].astype(np.int64)
    numbers = np.frombuffer(stz2.body, ">u2" if field == 16 else ">u1", count, 12)
    return 0, count, numbers.astype(np.int64)
