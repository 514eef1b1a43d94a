"""From samples to packets: edits applied, what the file doesn't have left out, all on one clock.

The clock's 0 is the first moment of the first frame shown (for sound alone, the start of the presentation), as
`core.frame_index` wants it. What an edit hides stays in the table of a picture track, at times below 0 or from `end`
on, since decoding may need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged, NotSupported
from film_archive.core.frame_index import Packets
from film_archive.media.mov.atoms import Notes, Place
from film_archive.media.mov.edits import Segment
from film_archive.media.mov.samples import Chunks, Samples
from film_archive.media.mov.tables import MAX_SAMPLES, Longs

MAX_REUSE = 64
"""How many times its size a file's samples may add up to: repeated frames exist, but every reader pays for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What a track stands on: its name and timescale, the file's size and name, where the index lies; takes notes."""

    track: str
    timescale: int
    file: str
    size: int
    moov: Place
    notes: Notes

    def check(self, offsets: Longs, sizes: Longs) -> None:
        """Raise Damaged where samples lie in the index itself or add up to more than the file could ever hold."""
        in_moov = (offsets < self.moov.end) & (offsets + sizes > self.moov.start)
        if ((sizes > 0) & (in_moov | (offsets < 8))).any():
            raise Damaged(
                f"{self.file} is damaged: the sample tables of its {self.track} point into its headers; copy it again "
                "from its original."
            )
        used = float(sizes.astype(np.float64).sum())
        if used > self.size and self.has(offsets, sizes).all():
            if used > MAX_REUSE * self.size:
                raise Damaged(
                    f"{self.file} is damaged: the sample tables of its {self.track} use the same bytes over and over "
                    f"({used:.0f} of {self.size}); copy it again from its original."
                )
            self.notes.add(f"{self.track}: some bytes serve several samples")

    def has(self, offsets: Longs, sizes: Longs) -> NDArray[np.bool_]:
        """Which samples lie wholly in the file."""
        there: NDArray[np.bool_] = (sizes == 0) | (offsets + sizes <= self.size)
        return there

    def check_total(self, total: int) -> None:
        if total > MAX_SAMPLES:
            raise NotSupported(f"{self.file} repeats parts of its {self.track} by edits, over {MAX_SAMPLES} in all.")


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture track, placed: `shown` is frame number → place in the tables.

    `origin` is the presentation second from which times count: where the first frame begins, even if an edit shows only its
    end. `seen` is when that frame is shown first.
    """

    packets: Packets
    keys: NDArray[np.bool_]
    shown: Longs
    origin: Fraction
    seen: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    """The frames that one segment shows, as places in decode order in the order shown, and until which media tick."""

    segment: Segment
    frames: Longs
    until: int


def place_picture(samples: Samples, shown: tuple[Segment, ...], slack: Fraction, ground: Ground) -> Picture:
    """Place the frames of a picture track; `slack` is one tick of the movie's clock, in the track's ticks.

    A frame that an edit's border cuts counts as shown, unless less than half of it and less than `slack` is left: that
    is the border's rounding. The clip's first frame keeps its whole length, so that a trim within a frame changes no
    cadence. Of several edits, each brings its frames and what decoding them needs, one after the other.
    """
    ground.check(samples.offsets, samples.sizes)
    order = np.argsort(samples.times, kind="stable").astype(np.int64)
    starts = samples.times[order]
    ends = np.append(starts[1:], samples.end)
    cuts = [cut for segment in shown if len((cut := _cut(order, starts, ends, segment, slack)).frames)]
    if not cuts:
        never = np.full(len(samples), -1, np.int64)
        hidden = Packets(samples.offsets, samples.sizes, never, 0, Fraction(ground.timescale))
        return Picture(hidden, samples.keys, order[:0], Fraction(0), Fraction(0))
    segment = cuts[0].segment
    origin = segment.at + int(samples.times[cuts[0].frames[0]]) - segment.start
    if len(cuts) == 1:
        positions = np.arange(len(samples), dtype=np.int64)
        times = samples.times + (segment.at - segment.start - origin)
        if len(cuts[0].frames) < len(samples):
            hidden_frames = len(samples) - len(cuts[0].frames)
            ground.notes.add(f"the edit list hides {hidden_frames} of {len(samples)} frames")
    else:
        positions, times = _joined(samples, cuts, origin, ground)
        ground.notes.add(f"the edit list shows {len(cuts)} parts; their frames are counted one part after the other")
    end = cuts[-1].until + cuts[-1].segment.at - cuts[-1].segment.start - origin
    offsets, sizes = samples.offsets[positions], samples.sizes[positions]
    packets = Packets(offsets, sizes, times, end, Fraction(ground.timescale))
    seen = Fraction(max(origin, segment.at), ground.timescale)
    return _without_missing(packets, samples.keys[positions], Fraction(origin, ground.timescale), seen, ground)


def _cut(order: Longs, starts: Longs, ends: Longs, segment: Segment, slack: Fraction) -> _Cut:
    """The frames of a segment; `starts` and `ends` are those of the samples in the `order` in which they are shown."""
    low = int(np.searchsorted(starts, segment.start))
    low -= bool(low and ends[low - 1] > segment.start)
    high = int(np.searchsorted(starts, segment.end))
    exposed = np.minimum(ends[low:high], segment.end) - np.maximum(starts[low:high], segment.start)
    lengths = ends[low:high] - starts[low:high]
    sliver = (exposed < lengths) & (2 * exposed < lengths) & (exposed < float(slack))
    visible = low + np.nonzero(~sliver)[0]
    if not len(visible):
        return _Cut(segment, order[:0], segment.start)
    last_end = int(ends[visible[-1]])
    return _Cut(segment, order[visible], last_end if last_end < segment.end + slack else segment.end)


def _joined(samples: Samples, cuts: list[_Cut], origin: int, ground: Ground) -> tuple[Longs, Longs]:
    """(positions, times) for several segments: for each, from the keyframe before its first sample to its last."""
    positions, times, total = [], [], 0
    keys = np.nonzero(samples.keys)[0]
    for cut in cuts:
        lowest, highest = int(cut.frames.min()), int(cut.frames.max())
        before = int(np.searchsorted(keys, lowest, side="right")) - 1
        start = int(keys[before]) if before >= 0 else 0
        total += highest + 1 - start
        ground.check_total(total)
        shift = cut.segment.at - cut.segment.start - origin
        part = np.full(highest + 1 - start, -1, np.int64)
        begin = 0 if cut is cuts[0] else cut.segment.at - origin
        part[cut.frames - start] = np.maximum(samples.times[cut.frames] + shift, begin)
        positions.append(np.arange(start, highest + 1, dtype=np.int64))
        times.append(part)
    return np.concatenate(positions), np.concatenate(times)


def _without_missing(
    packets: Packets, keys: NDArray[np.bool_], origin: Fraction, seen: Fraction, ground: Ground
) -> Picture:
    """Leave out the samples that the file doesn't have; frames are then shown up to the first that is missing."""
    offsets, sizes, times, end = packets.offsets, packets.sizes, packets.times, packets.end
    there = ground.has(offsets, sizes)
    if not there.all():
        visible = (times >= 0) & (times < end)
        wanted, gone = int(visible.sum()), times[visible & ~there]
        end = int(gone.min()) if len(gone) else end
        offsets, sizes, keys, times = offsets[there], sizes[there], keys[there], times[there]
        left = int(((times >= 0) & (times < end)).sum())
        if not left:
            raise Damaged(
                f"{ground.file} is truncated: it ends at byte {ground.size}, before the first of its {wanted} frames "
                "is complete; copy it again from its original."
            )
        if left < wanted:
            ground.notes.add(
                f"the file ends at byte {ground.size}: {wanted - left} of its {wanted} frames are missing, frames 0 to "
                f"{left - 1} are there"
            )
    order = np.argsort(times, kind="stable")
    shown = order[(times[order] >= 0) & (times[order] < end)].astype(np.int64)
    return Picture(Packets(offsets, sizes, times, end, packets.timescale), keys, shown, origin, seen)


def place_sound(
    samples: Samples, shown: tuple[Segment, ...], origin: Fraction, ground: Ground
) -> tuple[Packets, int]:
    """(packets, ticks heard) of coded sound, on the picture's clock. Priming stays in, at times below 0."""
    ground.check(samples.offsets, samples.sizes)
    shift = round(origin * ground.timescale)
    positions, times, end, heard = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0, 0
    starts = np.maximum.accumulate(samples.times)
    for segment in shown:
        moved = segment.at - segment.start - shift
        end = segment.end + moved
        low, high = 0, len(samples)
        if len(shown) > 1:
            low = max(0, int(np.searchsorted(starts, segment.start, side="right")) - 1)
            high = int(np.searchsorted(starts, segment.end))
        positions.append(np.arange(low, high, dtype=np.int64))
        times.append(samples.times[low:high] + moved)
        ground.check_total(sum(map(len, positions)) if len(shown) > 1 else 0)
        first = int(times[-1][0]) if high > low else end
        heard += end - max(first, segment.at - shift, 0)
    chosen, clock = np.concatenate(positions), np.concatenate(times)
    packets = Packets(samples.offsets[chosen], samples.sizes[chosen], clock, end, Fraction(ground.timescale))
    there = ground.has(packets.offsets, packets.sizes)
    if there.all():
        return packets, max(0, heard)
    first = int(np.nonzero(~there)[0][0])
    last = int(clock[first])
    ground.notes.add(
        f"{ground.track}: the file ends at byte {ground.size}; {len(there) - first} of its {len(there)} packets are "
        "missing"
    )
    kept = Packets(packets.offsets[:first], packets.sizes[:first], clock[:first], last, packets.timescale)
    return kept, max(0, heard - (end - last))


def place_pcm(
    chunks: Chunks, frame_bytes: int, shown: tuple[Segment, ...], origin: Fraction, ground: Ground
) -> tuple[Packets, int]:
    """(packets, samples heard) of PCM: the chunks, cut to the sample where an edit begins or ends within one."""
    if len(chunks) and float(chunks.frames.max()) * frame_bytes > 1 << 61:
        raise Damaged(f"{ground.file} is damaged: its {ground.track} has a chunk larger than any file; copy it again.")
    ground.check(chunks.offsets, chunks.frames * frame_bytes)
    shift = round(origin * ground.timescale)
    none = np.zeros(0, np.int64)
    parts: list[tuple[Longs, Longs, Longs, Longs]] = [(none, none, none, none)]
    starts = np.maximum.accumulate(chunks.ticks)
    end = total = 0
    for segment in shown:
        moved = segment.at - segment.start - shift
        end = segment.end + moved
        first = max(0, int(np.searchsorted(starts, segment.start, side="right")) - 1)
        near = slice(first, int(np.searchsorted(starts, segment.end)))
        ticks, step, frames = chunks.ticks[near], chunks.step[near], chunks.frames[near]
        low = np.clip(-((ticks - segment.start) // step), 0, frames)
        count = np.clip(-((ticks - segment.end) // step), 0, frames) - low
        used = count > 0
        total += int(used.sum())
        ground.check_total(total)
        begin = chunks.offsets[near] + low * frame_bytes
        parts.append((begin[used], count[used], (ticks + low * step + moved)[used], step[used]))
    offsets, frames, times, steps = (np.concatenate(column) for column in zip(*parts, strict=True))
    wanted = int(frames.sum())
    there = np.clip((ground.size - offsets) // frame_bytes, 0, frames)
    short = np.nonzero(there < frames)[0]
    if len(short):
        cut = int(short[0])
        end = int(times[cut] + there[cut] * steps[cut])
        keep = cut + bool(there[cut])
        offsets, frames, times = offsets[:keep], there[:keep], times[:keep]
        ground.notes.add(
            f"{ground.track}: the file ends at byte {ground.size}; {wanted - int(frames.sum())} of its {wanted} "
            "samples are missing"
        )
    return Packets(offsets, frames * frame_bytes, times, end, Fraction(ground.timescale)), int(frames.sum())
