"""The extension, built from _reduced.c and picture.c."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from film_archive.media.prores.decoder import Buffer

def decode(
    packet: Buffer,
    width: int,
    height: int,
    reduction: int,
    bits: int,
    shift_x: int,
    shift_y: int,
    planes: Sequence[Buffer | NDArray[Any]],
    line_sizes: Sequence[int],
    plain: bool = False,
    /,
) -> tuple[int, int, int]:
    """(status, slices, bad slices); status 0 is success, others are numbered in picture.h. `plain` uses no more than
    the instructions that every processor of the kind has. Raises ValueError where planes are too small."""

def instructions() -> str:
    """The instructions that are used here: "AVX2" or "plain"."""
