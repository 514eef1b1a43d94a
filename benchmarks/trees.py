"""A messy tree: many files in three trees, a fifth of them double, and traps of the same size and the same head."""

from __future__ import annotations

import os
import random
from pathlib import Path

PER_FOLDER = 300
DOUBLE, TRAP = 0.2, 0.05


def make_tree(root: Path, files: int, size: int) -> int:
    """Make about so many files of so many bytes in all; returns how many bytes there are."""
    dice = random.Random(1)
    mean = size // files
    total = 0
    made: list[tuple[Path, int]] = []
    for number in range(files):
        folder = root / f"tree{number % 3}" / f"{number // PER_FOLDER:05d}"
        if number % PER_FOLDER < 3:
            folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"IMG_{number:07d}.dat"
        chance = dice.random()
        if made and chance < DOUBLE + TRAP:
            origin, length = dice.choice(made)
            data = bytearray(origin.read_bytes())
            if chance >= DOUBLE:
                data[-1] ^= 0xFF
        else:
            length = max(1, int(dice.expovariate(1 / mean)))
            data = bytearray(dice.randbytes(min(length, 1 << 12)) + os.urandom(max(0, length - (1 << 12))))
            if len(made) < 2000:
                made.append((path, length))
        path.write_bytes(data)
        total += len(data)
    os.sync()
    return total
