"""How long a drive takes from one block to another: a tape is written in wraps, there and back, like a field ploughed.

A model, to order reads and to tell minutes before they pass, not a promise of any drive: wraps lie beside each other,
even ones run away from the begin of the tape, odd ones back to it. Going somewhere is winding along the tape plus
changing the wrap plus turning round. Times are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from film_archive.core.models import TapeFormat
from film_archive.tape.drives.drive import Position
from film_archive.tape.formats import GENERATIONS, Medium

_INDEX_WRAPS = 2
_GUARD_WRAPS = 3
_SECOND = 1_000_000
_BEGIN = Position(0, 0)

# Wraps of a whole tape, and seconds to locate to its middle, on an average (drives' manuals; LTO-5 to 7 and 10 by analogy).
_ROWS: Mapping[TapeFormat, tuple[int, int]] = {
    TapeFormat.LTO5: (80, 52),
    TapeFormat.LTO6: (136, 56),
    TapeFormat.LTO7: (112, 56),
    TapeFormat.LTO8: (208, 59),
    TapeFormat.LTO9: (280, 65),
    TapeFormat.LTO10: (280, 65),
}


@dataclass(frozen=True, slots=True)
class Motion:
    """A cartridge as a drive moves over it. `wrap_blocks` is how many blocks of data one wrap has."""

    wrap_blocks: int
    end_to_end: int
    """Winding from the begin of the tape to its end, in microseconds."""
    bytes_a_second: int
    turn: int = 2 * _SECOND
    """Stopping and running the other way."""
    change_wrap: int = 100_000
    load: int = 20 * _SECOND

    def _place(self, position: Position) -> tuple[int, int]:
        """The wrap of a position, and how many blocks' length it lies from the begin of the tape."""
        wrap, along = divmod(position.block, self.wrap_blocks)
        wrap += _INDEX_WRAPS + _GUARD_WRAPS if position.partition else 0
        return wrap, self.wrap_blocks - along if wrap % 2 else along

    def locating(self, start: Position, target: Position) -> int:
        """Microseconds from standing at one position to standing at another."""
        if start == target:
            return 0
        old_wrap, old = self._place(start)
        wrap, new = self._place(target)
        time = abs(new - old) * self.end_to_end // self.wrap_blocks
        forward = new >= old if wrap % 2 == 0 else new <= old
        if old_wrap == wrap and forward:
            return time
        if old_wrap != wrap:
            time += self.change_wrap
        if old_wrap % 2 != wrap % 2 or not forward:
            time += self.turn
        return time

    def streaming(self, size: int) -> int:
        """Microseconds that reading or writing so many bytes takes."""
        return size * _SECOND // self.bytes_a_second

    def reading(self, runs: Iterable[tuple[Position, int, int]], start: Position = _BEGIN) -> int:
        """Microseconds to read runs, in their order: (where it begins, its blocks, its bytes) each."""
        total = 0
        for begin, blocks, size in runs:
            total += self.locating(start, begin) + self.streaming(size)
            start = Position(begin.partition, begin.block + blocks)
        return total


def motion_of(medium: Medium, blocks: int) -> Motion:
    """The motion of a medium whose data partition takes `blocks` blocks; small cartridges move as if they were whole."""
    wraps, middle = _ROWS[medium.format]
    generation = GENERATIONS[medium.format]
    return Motion(
        wrap_blocks=max(1, -(-blocks // (wraps - _INDEX_WRAPS - _GUARD_WRAPS))),
        end_to_end=2 * middle * _SECOND,
        bytes_a_second=generation.speed,
    )
