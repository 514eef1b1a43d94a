"""The proof that a proxy is its original, frame for frame: what is compared, and what stands in the manifest of it.

Compared are, of the finished file as its own reader sees it: the number of frames, the timecodes of the first and the last,
the moment at which every frame appears and the last one ends, the frames of AAC; and the pictures of every 12th frame and of
the end (`media.av.likeness` says by what measure).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from film_archive.core.errors import Damaged
from film_archive.core.facts import MediaFacts
from film_archive.core.source import ByteSource
from film_archive.core.timecode import Timecode
from film_archive.media.mov import MovFile

if TYPE_CHECKING:
    from film_archive.media.av.clip_pictures import Pictures
    from film_archive.media.av.proxying import MadeProxy

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was found equal, with the numbers that were compared."""

    frames: int
    first: Timecode | None
    last: Timecode | None
    seconds: Fraction
    variable: bool
    """Whether frames are shown for different times, as the original's are; else all for one frame of the rate."""
    sound_frames: int
    """Frames of AAC; of PCM, samples of one channel of each track; 0 without sound."""
    compared: int
    """Pictures that were decoded and held against the original's."""
    still: int
    """Of them, those whose neighbours look the same."""
    error: float
    """The largest difference of a picture from the original's, in 8-bit levels."""
    lean: float
    """How far, at most, a picture lay towards its neighbour: 0 is its own, 1 the neighbour's."""
    not_compared: str | None = None
    """Why pictures were not compared, where they could not be: the original is not decoded here."""

    def to_json(self) -> dict[str, Any]:
        """The `proof` of a proxy's line in the manifest."""
        return {
            "version": VERSION,
            "frames": self.frames,
            "first_timecode": None if self.first is None else str(self.first),
            "last_timecode": None if self.last is None else str(self.last),
            "seconds": f"{self.seconds.numerator}/{self.seconds.denominator}",
            "cadence": "variable" if self.variable else "constant",
            "sound_frames": self.sound_frames,
            "pictures_compared": self.compared,
            "pictures_still": self.still,
            "largest_error": round(self.error, 2),
            "largest_lean": round(self.lean, 3),
            **({} if self.not_compared is None else {"not_compared": self.not_compared}),
        }


def prove(proxy: ByteSource, made: MadeProxy, pictures: Pictures, facts: MediaFacts) -> Proof:
    """Hold a finished proxy against what its original is; raises Damaged with what is wrong."""
    movie = MovFile.open(proxy)
    found, index = movie.facts(), movie.index()
    wrong = f"The {made.target.size} proxy of {pictures.name}"
    if index.frames != pictures.frames or index.video is None:
        raise Damaged(f"{wrong} has {index.frames} frames instead of {pictures.frames}; it was not kept.")
    start = facts.start_timecode
    if found.start_timecode != start and str(found.start_timecode) != str(start):
        raise Damaged(f"{wrong} starts at {found.start_timecode} instead of {start}; it was not kept.")
    shown = pictures.shown(0, pictures.frames)
    ticks = np.array([first for first, _ in shown] + [shown[-1][0] + shown[-1][1]], np.int64)
    times = np.append(index.video.times[index.shown], index.video.end)
    scale = index.video.timescale * pictures.tick
    if scale.denominator != 1 or not np.array_equal(times, ticks * scale.numerator):
        raise Damaged(f"{wrong} shows its frames at other moments than the original; it was not kept.")
    if found.reel != facts.reel:
        raise Damaged(f"{wrong} has reel {found.reel} instead of {facts.reel}; it was not kept.")
    heard = sum(
        int(track.packets.sizes.sum()) // track.frame_bytes if track.frame_bytes else len(track.packets)
        for track in index.audio
    )
    if heard != made.sound_frames:
        raise Damaged(f"{wrong} has {heard} frames or samples of sound instead of {made.sound_frames}; it was not kept.")
    likeness = made.likeness
    return Proof(
        frames=index.frames,
        first=start,
        last=None if start is None else start + (index.frames - 1),
        seconds=int(ticks[-1] - ticks[0]) * pictures.tick,
        variable=pictures.variable,
        sound_frames=heard,
        compared=likeness.compared,
        still=likeness.still,
        error=likeness.error,
        lean=likeness.lean,
    )
