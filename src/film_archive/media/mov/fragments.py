"""Movie fragments (`moof`): the samples of a file that was written while it was recorded, or for streaming.

Each fragment holds runs of samples for some tracks; what a run leaves out comes from the fragment's track header
(`tfhd`), else from the track's defaults in the moov (`trex`). Source: ISO/IEC 14496-12, 8.8. `sidx` and `mfra` are
only hints for players and are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import NotSupported
from film_archive.core.source import ByteSource
from film_archive.media.mov.atoms import Atom, Notes, Place, load
from film_archive.media.mov.samples import Chunks, Samples
from film_archive.media.mov.tables import MAX_SAMPLES, MAX_TICKS, Longs, longs

MAX_MOOF = 64 << 20
_NON_SYNC = 0x10000


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a track's samples are where a fragment doesn't say (`trex`)."""

    description: int = 1
    duration: int = 0
    size: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Samples that lie in one row (`trun`). A column that is the same for all is one number."""

    offset: int
    count: int
    decode_time: int
    durations: Longs | int
    sizes: Longs | int
    keys: NDArray[np.bool_] | bool
    shifts: Longs | int

    @property
    def bytes(self) -> int:
        return _total(self.sizes, self.count)

    @property
    def ticks(self) -> int:
        return _total(self.durations, self.count)


@dataclass(slots=True)
class TrackRuns:
    """All runs of one track, in file order, and the decode time at which the next would go on."""

    defaults: Defaults
    next_time: int
    runs: list[Run] = field(default_factory=list)
    count: int = 0

    def keep(self, runs: list[Run], next_time: int) -> None:
        self.runs += runs
        self.count += sum(run.count for run in runs)
        self.next_time = next_time


def parse_defaults(mvex: Atom) -> dict[int, Defaults]:
    """Track id → its defaults."""
    found: dict[int, Defaults] = {}
    for trex in mvex.children():
        if trex.kind == b"trex":
            track, description, duration, size, flags = trex.unpack("5I", 4)
            found.setdefault(track, Defaults(description, duration, size, flags))
    return found


def read_fragments(
    source: ByteSource, places: Iterable[Place], tracks: Mapping[int, TrackRuns], notes: Notes
) -> int:
    """Read the fragments in file order into `tracks`; returns how many bytes of the last one are known to be missing.

    The first fragment that is not wholly there, header or media, ends the reading: a recording that was cut off has a
    last one like that, and complete pairs only are believed.
    """
    for number, place in enumerate(places, 1):
        if not place.whole:
            notes.add(f"the file ends inside its fragment {number}; what that would hold is missing")
            return place.end - source.size
        moof = load(source, place, MAX_MOOF)
        found = _read_fragment(moof, tracks, notes)
        end = max((run.offset + run.bytes for _, runs, _ in found for run in runs), default=0)
        if end > source.size:
            lost = max((sum(run.count for run in runs) for _, runs, _ in found), default=0)
            notes.add(
                f"the media of fragment {number} ends at byte {end}, but the file at byte {source.size}; its samples "
                f"(up to {lost} of a track) are left out"
            )
            return end - source.size
        for track, runs, next_time in found:
            tracks[track].keep(runs, next_time)
    return 0


def _read_fragment(
    moof: Atom, tracks: Mapping[int, TrackRuns], notes: Notes
) -> list[tuple[int, list[Run], int]]:
    """(track id, runs, the decode time after them) of each traf of a known track."""
    found: list[tuple[int, list[Run], int]] = []
    data_end = moof.start
    clocks: dict[int, int] = {}
    for index, traf in enumerate(atom for atom in moof.children() if atom.kind == b"traf"):
        children = traf.children()
        header = next((atom for atom in children if atom.kind == b"tfhd"), None)
        if header is None:
            raise traf.damaged("has no header (tfhd)")
        track, base, defaults = _track_header(header, tracks, moof.start, data_end if index else moof.start)
        state = tracks.get(track)
        clock = clocks.get(track, 0 if state is None else state.next_time)
        for atom in children:
            if atom.kind == b"tfdt":
                (clock,) = atom.unpack("Q" if atom.unpack("B")[0] == 1 else "I", 4)
                if clock > MAX_TICKS:
                    raise atom.damaged(f"starts at tick {clock}, later than any film lasts")
        runs: list[Run] = []
        position = base
        for atom in children:
            if atom.kind == b"trun":
                run = _run(atom, defaults, base, position, clock)
                position, clock = run.offset + run.bytes, clock + run.ticks
                if clock > MAX_TICKS:
                    raise atom.damaged("lasts longer than any film")
                runs.append(run)
        data_end = position
        clocks[track] = clock
        if state is None:
            notes.add(f"fragments speak of a track {track} that the file doesn't have")
        else:
            found.append((track, runs, clock))
            if state.count + sum(run.count for run in runs) > 1 << 40:
                raise traf.damaged("counts more samples than any film has")
    return found


def _track_header(
    tfhd: Atom, tracks: Mapping[int, TrackRuns], moof_start: int, data_end: int
) -> tuple[int, int, Defaults]:
    """(track id, base of the data offsets, defaults) of a tfhd."""
    flags, track = tfhd.unpack("II")
    state = tracks.get(track)
    values = state.defaults if state is not None else Defaults()
    base = moof_start if flags & 0x20000 else data_end
    position = 8
    if flags & 0x1:
        (base,) = tfhd.unpack("Q", position)
        position += 8
    for bit, name in ((0x2, "description"), (0x8, "duration"), (0x10, "size"), (0x20, "flags")):
        if flags & bit:
            values = replace(values, **{name: tfhd.unpack("I", position)[0]})
            position += 4
    return track, base, values


def _run(trun: Atom, defaults: Defaults, base: int, position: int, clock: int) -> Run:
    """One trun; `position` is where the run before it ended, for one that doesn't say where it starts."""
    flags, count = trun.unpack("II")
    at = 8
    if flags & 0x1:
        (shift,) = trun.unpack("i", at)
        position = base + shift
        at += 4
    first_flags = None
    if flags & 0x4:
        (first_flags,) = trun.unpack("I", at)
        at += 4
    columns = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    if count * 4 * len(columns) > len(trun.body) - at:
        raise trun.damaged(f"promises {count} samples and has no room for them")
    table = np.frombuffer(trun.body, ">u4", count * len(columns), at).reshape(count, len(columns)).astype(np.int64)
    column = {bit: table[:, place] for place, bit in enumerate(columns)}
    shifts: Longs | int = 0
    if 0x800 in column:
        # Version 0 is unsigned by the standard; what does not fit into 31 bits was meant as negative all the same.
        shifts = np.where(column[0x800] >= 1 << 31, column[0x800] - (1 << 32), column[0x800])
    keys: NDArray[np.bool_] | bool = not defaults.flags & _NON_SYNC
    if 0x400 in column:
        keys = (column[0x400] & _NON_SYNC) == 0
    elif first_flags is not None and count:
        if count > MAX_SAMPLES:
            raise trun.damaged(f"counts {count} samples, more than the {MAX_SAMPLES} that are supported")
        keys = np.full(count, keys)
        keys[0] = not first_flags & _NON_SYNC
    run = Run(
        position, count, clock, column.get(0x100, defaults.duration), column.get(0x200, defaults.size), keys, shifts
    )  # fmt: skip
    if position < 0 or position + run.bytes > 1 << 62:
        raise trun.damaged(f"lies at byte {position}, outside of every file")
    return run


def join_samples(first: Samples, runs: list[Run], file: str) -> Samples:
    """The samples of the moov and those of the fragments behind them."""
    total = len(first) + sum(run.count for run in runs)
    if total > MAX_SAMPLES or len(runs) > MAX_SAMPLES:
        raise NotSupported(f"{file} has a track of {total} samples; more than {MAX_SAMPLES} are not supported.")
    offsets, sizes, times = [first.offsets], [first.sizes], [first.times]
    keys, decode = [first.keys], [first.decode_times]
    decode_end = first.decode_end
    for run in runs:
        run_sizes = _column(run.sizes, run.count)
        durations = _column(run.durations, run.count)
        ends = np.cumsum(durations)
        clock = run.decode_time + ends - durations
        offsets.append(run.offset + np.cumsum(run_sizes) - run_sizes)
        sizes.append(run_sizes)
        times.append(clock + run.shifts)
        keys.append(np.broadcast_to(np.asarray(run.keys, np.bool_), run.count))
        decode.append(clock)
        decode_end = run.decode_time + run.ticks
    return Samples(
        np.concatenate(offsets), np.concatenate(sizes), np.concatenate(times), np.concatenate(keys),
        np.concatenate(decode), decode_end,
    )  # fmt: skip


def join_chunks(first: Chunks, runs: list[Run], frame_bytes: int) -> Chunks:
    """The same for PCM: each run is one chunk."""
    filled = [run for run in runs if run.bytes >= frame_bytes]
    frames = [run.bytes // frame_bytes for run in filled]
    steps = [max(1, run.ticks // count) for run, count in zip(filled, frames, strict=True)]
    return Chunks(
        offsets=np.concatenate((first.offsets, longs(*(run.offset for run in filled)))),
        frames=np.concatenate((first.frames, longs(*frames))),
        ticks=np.concatenate((first.ticks, longs(*(run.decode_time for run in filled)))),
        step=np.concatenate((first.step, longs(*steps))),
        end=filled[-1].decode_time + filled[-1].ticks if filled else first.end,
    )


def _column(values: Longs | int, count: int) -> Longs:
    return np.full(count, values, np.int64) if isinstance(values, int) else values


def _total(values: Longs | int, count: int) -> int:
    return values * count if isinstance(values, int) else int(values.sum())
