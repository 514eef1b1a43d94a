"""Whether a proxy shows the original's pictures, each in its place: pictures of the finished file against looks of the
original.

A look is luma at about 96 × 54 (`pyramid.Looker`). Two numbers are taken of a proxy's picture P of frame n and the looks
A of frame n and B of a frame beside it, all in 8-bit levels:

* `error`: the root mean square of P − A over a grid of 16 × 9 means. It is not that picture where their mean levels differ
  by more than LIMIT, or the error does while P correlates with A by less than ALIKE (a coder that is given far too few bits
  loses more than LIMIT, but not that).
* `lean`: where P lies between A (0) and B (1): ⟨P − A, B − A⟩ / ⟨B − A, B − A⟩. Beyond LEAN it is the neighbour's picture.

Lean is asked wherever the neighbours differ (root mean square) by GAP or more and by more than what coding changed: a WEAK
part of it for keyframes, as its errors know nothing of the neighbour; STRONG times the keyframe's for a picture that an
encoder may have left as the one before. A picture whose neighbours are more alike counts as still: nobody could see which of
them it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import numpy as np
from numpy.typing import NDArray

from film_archive.core.errors import Damaged
from film_archive.core.source import ByteSource
from film_archive.media.av.fragments import GOP
from film_archive.media.av.opening import explained, open_source
from film_archive.media.av.pyramid import Looker

Look = NDArray[np.uint8]
LIMIT = 10.0
ALIKE = 0.3
GAP = 1.5
LEAN = 0.6
WEAK, STRONG = 0.25, 3.0
_GRID = 16, 9


@dataclass(slots=True)
class Likeness:
    """What comparing told of one proxy."""

    compared: int = 0
    still: int = 0
    """Of them, pictures whose neighbours are like them."""
    error: float = 0.0
    """The largest."""
    lean: float = 0.0
    """The largest, of those that are not still."""
    wrong: list[tuple[int, str]] = field(default_factory=list)
    """(frame, what is wrong with it)"""
    covered: NDArray[np.bool_] | None = None
    """What is drawn over in the proxy, (height, width) of a look: left out of every comparison."""

    def judge(self, number: int, picture: Look, looks: dict[int, Look], *, key_error: float | None = None) -> float:
        """Hold a proxy's picture of a frame against the original's looks of it and its neighbours.

        `key_error` is the coding error of the keyframe it depends on; None where it is a keyframe. Returns its own.
        """
        picture, expected = self._uncovered(picture), self._uncovered(looks[number])
        self.compared += 1
        error = rms(_grid(picture) - _grid(expected))
        level = abs(float(picture.mean()) - float(expected.mean()))
        if level > LIMIT or (error > LIMIT + (key_error or 0) and _correlation(picture, expected) < ALIKE):
            self.wrong.append((number, f"differs from the original's by {error:.1f} levels"))
        self.error = max(self.error, error)
        off = picture.astype(np.float32) - expected
        coding = rms(off)
        still = True
        for beside in (number - 1, number + 1):
            if beside not in looks:
                continue
            step = self._uncovered(looks[beside]).astype(np.float32) - expected
            gap = rms(step)
            if gap < GAP:
                continue
            lean = float((off * step).mean()) / (gap * gap)
            noise = min(coding, rms(off - step))
            if gap < (WEAK * noise if key_error is None else STRONG * key_error):
                continue
            still = False
            self.lean = max(self.lean, lean)
            if lean > LEAN:
                self.wrong.append((number, f"is that of frame {beside}"))
        self.still += still
        return coding

    def _uncovered(self, look: Look) -> Look:
        return look if self.covered is None else np.where(self.covered, np.uint8(0), look)


def matched(picture: Look, expected: Look) -> Look:
    """The picture with the other one's levels in the order of its own: what is left where colours were changed elsewhere.

    Any curve that lets brighter be brighter is undone by it; where things are is not changed.
    """
    levels = np.sort(expected, axis=None)
    ranks = np.argsort(np.argsort(picture, axis=None, kind="stable"), kind="stable")
    return np.asarray(levels[ranks], np.uint8).reshape(picture.shape)


def rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _correlation(one: Look, other: Look) -> float:
    """From −1 to 1; 0 where one of them is all of one level."""
    first, second = (look.astype(np.float32) - float(look.mean()) for look in (one, other))
    spread = rms(first) * rms(second)
    return 0.0 if spread < 1e-6 else float((first * second).mean()) / spread


def _grid(look: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The look as means of about 16 × 9 blocks."""
    across, down = _GRID if look.shape[1] >= look.shape[0] else _GRID[::-1]
    rows = np.linspace(0, look.shape[0], min(down, look.shape[0]) + 1).astype(int)
    columns = np.linspace(0, look.shape[1], min(across, look.shape[1]) + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(look.astype(np.float32), rows[:-1], 0), columns[:-1], 1)
    return np.asarray(sums / (np.diff(rows)[:, None] * np.diff(columns)[None, :]), np.float32)


def keyframes(proxy: ByteSource, container: str, looker: Looker, frames: int) -> Iterator[tuple[int, Look]]:
    """(number, look) of a finished proxy's pictures at every 12th place, and of all from the last such place on.

    A frame that is missing shifts all after it, so that what stands at a 12th place is then no keyframe: Damaged.
    """
    last_group = (frames - 1) // GOP * GOP
    numbers: dict[int | None, int] = {}
    with open_source(proxy, container=container) as opened:
        stream = opened.streams.video[0]
        context = stream.codec_context
        context.thread_count = 1
        packets = (packet for packet in opened.demux(stream) if packet.size)
        try:
            for number, packet in enumerate(packets):
                if packet.is_keyframe != (number % GOP == 0) and not context.codec.intra_only:
                    raise Damaged(f"{proxy.name} has no keyframe at frame {number // GOP * GOP}.")
                if number % GOP and number < last_group:
                    continue
                numbers[packet.pts] = number
                for picture in context.decode(packet):
                    yield numbers.pop(picture.pts), looker.look(picture)
            for picture in context.decode(None):
                yield numbers.pop(picture.pts), looker.look(picture)
        except av.error.FFmpegError as error:
            raise explained(error, f"decode {proxy.name}") from error
