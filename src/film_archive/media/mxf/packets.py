"""From stored elements to the packets of a frame index: display times of pictures, sample times of sound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from film_archive.core.frame_index import Longs, Packets
from film_archive.core.timecode import FrameRate
from film_archive.media.mxf.elements import Elements
from film_archive.media.mxf.order import Order
from film_archive.media.mxf.sound import SoundForm
from film_archive.media.mxf.tracks import EssenceTrack


@dataclass(frozen=True, slots=True)
class Shown:
    """How many edit units of a track are shown, and a sentence where the file states another number."""

    units: int
    note: str | None = None


def shown_units(track: EssenceTrack, available: int, *, final: bool) -> Shown:
    """Of `available` stored edit units, those that are shown.

    Durations count only where the writer called them final.
    """
    there = max(0, available - track.first)
    stated = track.shown
    if stated is None or not final or stated == there:
        return Shown(there)
    if stated > there:
        return Shown(
            there, f"The {track.kind} should have {stated} edit units; {there} of them are complete in the file."
        )
    return Shown(
        stated, f"Behind the {stated} edit units of {track.kind} that are shown, the file holds {there - stated} more."
    )


def picture_packets(track: EssenceTrack, found: Elements, order: Order, shown: int, moved: int) -> Packets:
    """A picture track's packets, `moved` bytes behind where its elements were counted from.

    Ticks are those of the rate's numerator, so that every frame lasts the denominator (as in QuickTime). Frames that
    can't be shown get the time just behind the last one that can.
    """
    rate = FrameRate(track.edit_rate.numerator, track.edit_rate.denominator)
    display = np.where(order.display < 0, order.shown, order.display)
    times = (display - track.first) * rate.denominator
    return Packets(found.offsets + moved, found.sizes, times, shown * rate.denominator, Fraction(rate.numerator))


def available_units(track: EssenceTrack, found: Elements, form: SoundForm, *, frame_wrapped: bool) -> int:
    """How many stored edit units of sound there are; the last one may be short."""
    if frame_wrapped or not form.frame_bytes:
        return int(found.units[-1]) + 1 if len(found) else 0
    return int(-(-int(found.sizes.sum()) // form.frame_bytes // (form.sample_rate / track.edit_rate)))


def sound_packets(
    track: EssenceTrack, found: Elements, form: SoundForm, shown: int, moved: int, *, frame_wrapped: bool
) -> Packets:
    """A sound track's packets: in samples where it is PCM, else in ticks of its edit rate."""
    offsets = found.offsets + moved
    if not form.frame_bytes:
        rate = track.edit_rate
        times = (found.units - track.first) * rate.denominator
        return Packets(offsets, found.sizes, times, shown * rate.denominator, Fraction(rate.numerator))
    samples = found.sizes // form.frame_bytes
    edges: Longs = np.concatenate((np.zeros(1, np.int64), np.cumsum(samples)))
    per_unit = form.sample_rate / track.edit_rate
    gapless = frame_wrapped and np.array_equal(found.units, np.arange(len(found), dtype=np.int64))
    begins = edges[:-1]
    if frame_wrapped and not gapless:  # where a unit has no sound, what comes behind it keeps its time
        begins = found.units * per_unit.numerator // per_unit.denominator
    total = int(begins[-1] + samples[-1]) if len(found) else 0

    def at(unit: int) -> int:
        if gapless:
            return int(edges[min(unit, len(edges) - 1)])
        return min(total, int(unit * per_unit))

    first = at(track.first)
    return Packets(
        offsets, found.sizes, begins - first, max(0, at(track.first + shown) - first), Fraction(form.sample_rate)
    )
