"""The generations of LTO and their cartridges: what they hold, how fast drives write, what barcodes end with.

Capacities are decimal bytes and native: film media don't compress, so nothing here counts on that. `usable` is what
LTFS leaves of a whole cartridge: its index partition takes two wraps, the gap beside it a few more. For LTO-5, 6 and 8
that is what drives report, for LTO-7, 9 and 10 what makers of archiving programs publish; M8 and PA are taken to lose
as much in proportion. What a drive reports of the cartridge at hand goes before all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from film_archive.core.errors import NotSupported
from film_archive.core.models import TapeFormat

_GB = 10**9
_MB = 10**6


@dataclass(frozen=True, slots=True)
class Medium:
    """A kind of cartridge. `code` is the last two signs of its barcode."""

    code: str
    format: TapeFormat
    capacity: int
    """Native, as printed on the cartridge: decimal bytes."""
    usable: int
    """Bytes that LTFS's data partition has."""

    @property
    def index_reserve(self) -> int:
        """Bytes that a plan leaves free for indexes: a cartridge without room for its last one can't be mounted."""
        return default_reserve(self.usable)


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of drives, and the cartridge that is meant where nothing else is said. Speeds in bytes a second."""

    format: TapeFormat
    name: str
    medium: Medium
    speed: int
    """Native, of a full-height drive."""
    half_height_speed: int | None
    """Native, of a half-height drive; None where it is not known."""
    slowest_speed: int | None
    """The slowest that a drive streams at; a source that is slower makes it stop, rewind and start again."""


_MEDIA = (
    Medium("L5", TapeFormat.LTO5, 1_500 * _GB, 1_425 * _GB),
    Medium("L6", TapeFormat.LTO6, 2_500 * _GB, 2_408 * _GB),
    Medium("L7", TapeFormat.LTO7, 6_000 * _GB, 5_730 * _GB),
    Medium("M8", TapeFormat.LTO8, 9_000 * _GB, 8_700 * _GB),  # an LTO-7 cartridge that an LTO-8 drive initialised
    Medium("L8", TapeFormat.LTO8, 12_000 * _GB, 11_700 * _GB),
    Medium("L9", TapeFormat.LTO9, 18_000 * _GB, 17_500 * _GB),
    Medium("LA", TapeFormat.LTO10, 30_000 * _GB, 29_200 * _GB),
    Medium("PA", TapeFormat.LTO10, 40_000 * _GB, 38_900 * _GB),
)
MEDIA: Mapping[str, Medium] = {medium.code: medium for medium in _MEDIA}

_GENERATIONS = (
    Generation(TapeFormat.LTO5, "LTO-5", MEDIA["L5"], 140 * _MB, 140 * _MB, 40 * _MB),
    Generation(TapeFormat.LTO6, "LTO-6", MEDIA["L6"], 160 * _MB, 160 * _MB, 40 * _MB),
    Generation(TapeFormat.LTO7, "LTO-7", MEDIA["L7"], 300 * _MB, 300 * _MB, 40 * _MB),
    Generation(TapeFormat.LTO8, "LTO-8", MEDIA["L8"], 360 * _MB, 300 * _MB, 112 * _MB),
    Generation(TapeFormat.LTO9, "LTO-9", MEDIA["L9"], 400 * _MB, 300 * _MB, 177 * _MB),
    Generation(TapeFormat.LTO10, "LTO-10", MEDIA["LA"], 400 * _MB, None, None),
)
GENERATIONS: Mapping[TapeFormat, Generation] = {generation.format: generation for generation in _GENERATIONS}


def generation(name: TapeFormat | str) -> Generation:
    """The generation of this name ("lto8"); raises NotSupported where it is not in the table."""
    try:
        return GENERATIONS[TapeFormat(name)]
    except ValueError as error:
        known = ", ".join(GENERATIONS)
        raise NotSupported(f"There is no tape format {str(name)!r}; there are {known}.") from error


def default_reserve(usable: int) -> int:
    """Bytes to leave free on a cartridge of this size: 2 %, and 100 GB at least where those are no more than 5 %."""
    return max(usable // 50, min(100 * _GB, usable // 20))
