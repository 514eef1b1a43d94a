"""How long moves take: along the tape, between wraps, forth and back."""

from __future__ import annotations

import itertools
import random

import pytest

from film_archive.tape.drives.drive import Position
from film_archive.tape.drives.motion import Motion, motion_of
from film_archive.tape.formats import MEDIA

SECOND = 1_000_000
TAPE = Motion(wrap_blocks=1000, end_to_end=100 * SECOND, bytes_a_second=300_000_000, turn=2 * SECOND, change_wrap=SECOND // 10)


@pytest.mark.parametrize(
    ("start", "target", "seconds"),
    [
        ((1, 0), (1, 0), 0),
        ((0, 100), (0, 600), 50),  # forward on an even wrap
        ((0, 600), (0, 100), 52),  # back, and turn
        ((0, 999), (0, 1001), 2.2),  # over the end of a wrap: hardly any way, but another wrap and direction
        ((0, 0), (0, 1999), 2.2),  # the end of the second wrap lies at the begin of the tape
        ((0, 100), (1, 100), 82.1),  # partition 1 begins on an odd wrap
    ],
)
def test_moves(start: tuple[int, int], target: tuple[int, int], seconds: float) -> None:
    assert TAPE.locating(Position(*start), Position(*target)) == pytest.approx(seconds * SECOND, abs=0.21 * SECOND)


def test_strewn_files_are_read_in_two_sweeps() -> None:
    motion = motion_of(MEDIA["L8"], 100_000)
    dice = random.Random(1)
    runs = [(Position(1, dice.randrange(100_000)), 1, 524_288) for _ in range(200)]
    order = motion.order(runs)
    assert sorted(order) == list(range(200))
    best = motion.reading(runs[place] for place in order)
    assert best * 20 < motion.reading(runs)
    assert best < motion.reading(sorted(runs))
    assert best > 200 * motion.streaming(524_288)


def test_files_close_together_are_read_block_after_block() -> None:
    motion = motion_of(MEDIA["L8"], 10_000_000)
    runs = [(Position(1, 5000 + 40 * number), 30, 30 * 524_288) for number in range(100)]
    random.Random(2).shuffle(runs)
    assert [runs[place] for place in motion.order(runs)] == sorted(runs)


@pytest.mark.parametrize("seed", range(30))
def test_no_order_of_a_few_is_much_better(seed: int) -> None:
    """Against trying all of them."""
    dice = random.Random(seed)
    runs = [(Position(dice.randrange(2), dice.randrange(20_000)), dice.randrange(1, 2500), 1000) for _ in range(6)]
    best = min(TAPE.reading(order) for order in itertools.permutations(runs))
    found = TAPE.reading(runs[place] for place in TAPE.order(runs))
    assert best <= found <= best * 2


def test_reading_what_follows_costs_no_move() -> None:
    runs = [(Position(1, block), 4, 4 * 524_288) for block in range(0, 400, 4)]
    assert TAPE.reading(runs, Position(1, 0)) == 100 * TAPE.streaming(4 * 524_288)


@pytest.mark.parametrize("medium", MEDIA.values(), ids=lambda medium: medium.code)
def test_every_generation_has_a_motion(medium) -> None:  # type: ignore[no-untyped-def]
    motion = motion_of(medium, 1000)
    assert motion.end_to_end > 90 * SECOND
    assert motion.streaming(medium.usable) // SECOND > 3600
