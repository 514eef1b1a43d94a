"""How long a drive takes from one block to another: a tape is written in wraps, there and back, like a field ploughed.

A model, to order reads and to tell minutes before they pass, not a promise of any drive: wraps lie beside each other,
even ones run away from the begin of the tape, odd ones back to it. Going somewhere is winding along the tape plus
changing the wrap plus turning round. Times are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from film_archive.core.models import TapeFormat
from film_archive.tape.drives.drive import Position
from film_archive.tape.formats import GENERATIONS, Medium

_INDEX_WRAPS = 2
_GUARD_WRAPS = 3
_SECOND = 1_000_000
_BEGIN = Position(0, 0)
_MOST_TO_COMPARE = 300
_PASSES = 5

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

    def order(self, runs: Sequence[tuple[Position, int, int]], start: Position = _BEGIN) -> list[int]:
        """The places of runs in the order in which reading them all takes the least time that was found.

        Block after block is best where runs lie close together. Where they are strewn over the tape every next one then is
        on another wrap, somewhere else along the tape: winding out once over all even wraps and back over all odd ones
        passes them all.
        """
        by_block = sorted(range(len(runs)), key=lambda place: runs[place][0])
        candidates = [by_block, self._sweep(runs, by_block)]
        few = len(runs) <= _MOST_TO_COMPARE
        if few:
            candidates.append(self._nearest_first(runs, by_block, start))
        best = min(candidates, key=lambda order: self.reading((runs[place] for place in order), start))
        return self._improved(runs, best, start) if few else best

    def _sweep(self, runs: Sequence[tuple[Position, int, int]], by_block: list[int]) -> list[int]:
        """All that lies on even wraps on the way out, all that lies on odd ones on the way back."""
        places = {place: self._place(runs[place][0]) for place in by_block}
        out = sorted((place for place in by_block if places[place][0] % 2 == 0), key=lambda place: places[place][1])
        back = sorted((place for place in by_block if places[place][0] % 2), key=lambda place: -places[place][1])
        return out + back

    def _nearest_first(
        self, runs: Sequence[tuple[Position, int, int]], by_block: list[int], start: Position
    ) -> list[int]:
        left, found = list(by_block), []
        while left:
            place = min(left, key=lambda place: self.locating(start, runs[place][0]))
            left.remove(place)
            found.append(place)
            begin, blocks, _ = runs[place]
            start = Position(begin.partition, begin.block + blocks)
        return found

    def _improved(self, runs: Sequence[tuple[Position, int, int]], order: list[int], start: Position) -> list[int]:
        """Put single runs elsewhere in the order as long as that saves time."""
        begins = [begin for begin, _, _ in runs]
        ends = [Position(begin.partition, begin.block + blocks) for begin, blocks, _ in runs]

        def move(before: int | None, after: int | None) -> int:
            """From the end of one run (None: from the start) to the begin of another (None: there is none)."""
            return 0 if after is None else self.locating(start if before is None else ends[before], begins[after])

        for _ in range(_PASSES):
            changed = False
            for run in list(order):
                place = order.index(run)
                before = order[place - 1] if place else None
                after = order[place + 1] if place + 1 < len(order) else None
                saved = move(before, run) + move(run, after) - move(before, after)
                rest = order[:place] + order[place + 1 :]
                around = [None, *rest, None]
                costs = [
                    move(one, run) + move(run, other) - move(one, other)
                    for one, other in pairwise(around)
                ]
                cheapest = min(range(len(costs)), key=costs.__getitem__)
                if costs[cheapest] < saved:
                    order = [*rest[:cheapest], run, *rest[cheapest:]]
                    changed = True
            if not changed:
                break
        return order


def motion_of(medium: Medium, blocks: int) -> Motion:
    """The motion of a medium whose data partition takes `blocks` blocks; small cartridges move as if they were whole."""
    wraps, middle = _ROWS[medium.format]
    generation = GENERATIONS[medium.format]
    return Motion(
        wrap_blocks=max(1, -(-blocks // (wraps - _INDEX_WRAPS - _GUARD_WRAPS))),
        end_to_end=2 * middle * _SECOND,
        bytes_a_second=generation.speed,
    )
