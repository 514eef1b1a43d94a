"""Edit lists: which stretches of a track's media are shown, and when.

A presentation has its own clock, which starts at 0; a `Segment` says that media ticks [start, end) of a track are
shown from presentation tick `at`. Sources: QuickTime File Format, "Edit List Atoms"; ISO/IEC 14496-12, 8.6.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from film_archive.core.errors import Damaged, NotSupported
from film_archive.media.mov.atoms import Atom, Notes
from film_archive.media.mov.tables import MAX_TICKS

MAX_EDITS = 10_000


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry: `duration` in the movie's timescale (0: the rest), `media_time` in the track's (-1: nothing shown)."""

    duration: int
    media_time: int
    rate: Fraction

    @property
    def empty(self) -> bool:
        return self.media_time == -1


@dataclass(frozen=True, slots=True)
class Segment:
    """Media ticks [start, end) of a track, shown from presentation tick `at`; all in the track's timescale."""

    start: int
    end: int
    at: int


def parse_edits(elst: Atom) -> tuple[Edit, ...]:
    """The entries of an edit list, of version 0 (32-bit) or 1 (64-bit)."""
    version, count = elst.unpack("B3xI")
    row = 20 if version == 1 else 12
    room = (len(elst.body) - 8) // row
    if count > room:
        raise elst.damaged(f"promises {count} edits and has room for {room}")
    if count > MAX_EDITS:
        raise NotSupported(f"{elst.file} has a track of {count} edits; more than {MAX_EDITS} are not supported.")
    layout = np.dtype(
        [("duration", ">u8"), ("media_time", ">i8"), ("rate", ">i4")]
        if version == 1
        else [("duration", ">u4"), ("media_time", ">i4"), ("rate", ">i4")]
    )
    edits = []
    for duration, media_time, rate in np.frombuffer(elst.body, layout, count, 8).tolist():
        known = 0 if duration == (1 << (64 if version == 1 else 32)) - 1 else duration
        if media_time < -1 or max(media_time, known) > MAX_TICKS:
            raise elst.damaged(f"has an edit of {duration} ticks from {media_time}, which can't be")
        edits.append(Edit(known, media_time, Fraction(rate, 1 << 16)))
    return tuple(edits)


def segments(
    edits: tuple[Edit, ...], timescale: int, movie_timescale: int, media: Segment, file: str, notes: Notes
) -> tuple[Segment, ...]:
    """The stretches that are shown, in order; `media` is what there is (its `at` counts where there is no edit list).

    A duration that ends within one tick of the movie's timescale of the media's end means that end: movie timescales
    are coarse (600, 1000), and a duration is rounded to them. Raises NotSupported for edits at another speed or
    dwells.
    """
    if all(edit.empty for edit in edits):
        delay = min(sum(edit.duration for edit in edits), MAX_TICKS // timescale)
        if edits:
            notes.add("its edit list shows nothing; the track is taken as shown whole, after the delay")
        return (Segment(media.start, media.end, media.at + round(Fraction(delay * timescale, movie_timescale))),)
    slack = -(-timescale // movie_timescale)
    shown: list[Segment] = []
    clock = Fraction(0)
    for edit in edits:
        length = Fraction(edit.duration * timescale, movie_timescale)
        if not edit.empty:
            if edit.rate != 1:
                raise NotSupported(
                    f"{file} plays a part at {float(edit.rate):g} times its speed by its edit list, which is not "
                    "supported; export it at normal speed."
                )
            end = edit.media_time + round(length)
            if edit.duration == 0 or end > media.end - slack:
                end = media.end
            if clock > MAX_TICKS:
                raise Damaged(f"{file} is damaged: its edit list lasts longer than any film; copy it again.")
            if edit.media_time < end:
                shown.append(Segment(edit.media_time, end, round(clock)))
            else:
                notes.add("an edit shows what is not there; it is passed over")
        clock += length
    return tuple(shown)
