"""Where made footage is kept between tests: one folder for each description of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from film_archive.core.digest import MultiHasher
from film_archive.core.errors import Refused
from film_archive.core.files import remove_tree, rename


def cached_folder(spec: object, folder: Path, make: Callable[[Path], object]) -> Path:
    """The folder of what `make` makes for a spec (a frozen value whose repr tells all of it); made when first asked
    for.

    It appears whole or not at all, so that processes may share a cache.
    """
    hasher = MultiHasher()
    hasher.update(f"{type(spec).__name__} {spec!r}".encode())
    place = folder / hasher.digests()["xxh128"][:16]
    if not place.is_dir():
        workshop = folder / f"{place.name}.made-by-{os.getpid()}"
        workshop.mkdir(parents=True)
        try:
            make(workshop)
            rename(workshop, place)
        except Refused:
            if not place.is_dir():  # else another process was faster
                raise
        finally:
            remove_tree(workshop)
    return place
