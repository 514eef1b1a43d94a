"""What reading essence gives: the payloads of each track, and the edit units that they stand in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from film_archive.core.frame_index import Longs

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Elements:
    """One track's payloads in stored order: the edit unit each belongs to, where it lies, how long it is."""

    units: Longs
    offsets: Longs
    sizes: Longs

    def __len__(self) -> int:
        return len(self.units)


NO_ELEMENTS = Elements(_NONE, _NONE, _NONE)


@dataclass(frozen=True, eq=False)
class Content:
    """What an essence container holds. `starts` and `ends` are those of whole edit units, with system item and filler.

    `indexed` units at the front were found by the index table, the others by walking. `doubled`: an edit unit has more
    than one element of the picture (fields apart). `cut`: the file ends within an edit unit.
    """

    starts: Longs
    ends: Longs
    elements: Mapping[bytes, Elements]
    indexed: int = 0
    doubled: bool = False
    cut: bool = False
    diagnostics: tuple[str, ...] = field(default=())
