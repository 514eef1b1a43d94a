"""Archives that were moved: where the catalog says that they may be. Who opens one sees whether it is the one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import Lookup, looking
from film_archive.catalog.rows import Holder, Kind
from film_archive.core import devices
from film_archive.versioning.archives import FindArchive

_MOST = 64
"""Files of one name that are looked at."""


def through_catalog(open_catalog: Callable[[], Catalog | None]) -> FindArchive:
    """Look for archives through a catalog, which is opened when one is missing (None: there is none)."""

    def find(archive: str, seen: Sequence[Path]) -> Iterator[Path]:
        catalog = open_catalog()
        if catalog is None:
            return
        with catalog, looking(catalog) as lookup:
            yield from dict.fromkeys(_reached(_places(catalog, lookup, archive, seen)))

    return find


def _places(catalog: Catalog, lookup: Lookup, archive: str, seen: Sequence[Path]) -> Iterator[tuple[Holder, str]]:
    """(device, path in it) where the catalog has the archive itself, then where it has files that are called so."""
    for holder in catalog.holders():
        if holder.kind is Kind.ARCHIVE and holder.identity == archive:
            yield from lookup.standing(holder)
    for name in dict.fromkeys(path.name for path in seen):
        for place in lookup.find(name, limit=_MOST):
            if place.holder.kind is Kind.DISK and place.inner.rpartition("/")[2] == name:
                yield place.holder, place.inner


def _reached(places: Iterator[tuple[Holder, str]]) -> Iterator[Path]:
    for device, inner in places:
        path = devices.path_on(inner, devices.paths_of(device.identity))
        if path is not None:
            yield path
