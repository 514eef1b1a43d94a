"""The samples of a track, expanded: where each lies, when it is shown, whether decoding can start there.

Two shapes: `Samples` (pictures and coded sound, one row a sample) and `Chunks` (PCM, one row a run of samples that lie
together, since a row for each of 48,000 samples a second would serve nobody).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import NotSupported
from film_archive.media.mov.tables import MAX_SAMPLES, Longs, SampleTables, TimeRuns


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples in decode order; `times` are presentation (composition) ticks of the media, before edits.

    `end` is the tick at which the last one shown ends. `decode_times` and `decode_end` are what the next fragment
    goes on from.
    """

    offsets: Longs
    sizes: Longs
    times: Longs
    keys: NDArray[np.bool_]
    decode_times: Longs
    decode_end: int

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def start(self) -> int:
        return int(self.times.min()) if len(self) else 0

    @property
    def end(self) -> int:
        """The tick at which the last one shown ends.

        All samples together last as long as all their durations, whatever order they are shown in; a last duration of 0
        (some writers leave it so) becomes that of the sample before it.
        """
        if not len(self):
            return 0
        end = self.decode_end + self.start - int(self.decode_times[0])
        last = int(self.times.max())
        if end > last:
            return end
        before = self.times[self.times < last]
        return last + (last - int(before.max()) if len(before) else 1)


@dataclass(frozen=True, eq=False)
class Chunks:
    """Runs of PCM in decode order: `frames` samples (of all channels), starting at `ticks`, `step` ticks a sample."""

    offsets: Longs
    frames: Longs
    ticks: Longs
    step: Longs
    end: int

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def start(self) -> int:
        return int(self.ticks[0]) if len(self) else 0


def expand(tables: SampleTables, file: str) -> Samples:
    """One row a sample, from the tables of the moov."""
    runs = tables.chunk_runs
    counts = runs[:, 0]
    total = int(counts.sum())
    if total > MAX_SAMPLES:
        raise NotSupported(f"{file} has a track of {total} samples; more than {MAX_SAMPLES} are not supported.")
    number = np.arange(total, dtype=np.int64)
    sizes = np.full(total, tables.sample_size, np.int64) if tables.sample_size else tables.stsz[:total]
    before = np.cumsum(sizes) - sizes
    firsts = np.cumsum(counts) - counts
    used = counts > 0
    chunk_shift = tables.stco[: len(counts)][used] - before[firsts[used]]
    clock = TimeRuns.of(tables.stts)
    decode_times = clock.at(number)
    keys = np.ones(total, np.bool_)
    if tables.stss is not None:
        entry_points = tables.stss if len(tables.stss) else tables.stps
        keys[:] = False
        keys[entry_points[(entry_points >= 1) & (entry_points <= total)] - 1] = True
    return Samples(
        offsets=before + np.repeat(chunk_shift, counts[used]),
        sizes=sizes,
        times=decode_times + _composition_offsets(tables.ctts, total),
        keys=keys,
        decode_times=decode_times,
        decode_end=int(clock.at(np.array([total], np.int64))[0]),
    )


def _composition_offsets(ctts: Longs, total: int) -> Longs:
    """`ctts` expanded; samples beyond it have none."""
    ends = np.minimum(np.cumsum(ctts[:, 0]), total)
    offsets = np.zeros(total, np.int64)
    expanded = np.repeat(ctts[:, 1], np.diff(ends, prepend=0))
    offsets[: len(expanded)] = expanded
    return offsets


def expand_pcm(tables: SampleTables) -> Chunks:
    """One row a chunk; a sample is one PCM frame, whatever its table says that it weighs."""
    frames = tables.chunk_runs[:, 0]
    firsts = np.cumsum(frames) - frames
    clock = TimeRuns.of(tables.stts)
    end = clock.at(np.array([int(frames.sum())], np.int64))
    used = frames > 0
    return Chunks(
        offsets=tables.stco[: len(frames)][used],
        frames=frames[used],
        ticks=clock.at(firsts[used]),
        step=np.maximum(clock.delta_at(firsts[used]), 1),
        end=int(end[0]),
    )
