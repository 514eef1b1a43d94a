"""May this card be formatted? Yes, where every file on it has enough verified copies on enough devices; else what lacks what.

A copy counts where the catalog knows that its bytes were read back and right, and that is not on the card itself (which is all
of its device, where it is what is mounted). Copies on one device are one. A copy on a device that is here is looked at: where
it is gone, or has another size, it does not count.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import Lookup, looking
from film_archive.catalog.rows import Kind, Place
from film_archive.core import devices
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.job import Failure, Report
from film_archive.core.progress import Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.library.crawler import crawl

NO = 10
"""The exit status of the answer no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking(Record):
    """A file of a card that has too few copies."""

    path: str
    """The file."""
    copies: int
    """Devices that have a verified copy of it."""
    needed: int
    """Devices that should have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Report):
    """The answer."""

    card: str
    """The card's root."""
    safe: bool
    """Whether all on it has enough copies."""
    files: int
    """Files on it."""
    bytes: int
    """Their bytes."""
    needed: int
    """Devices on which each has to be."""
    devices: tuple[str, ...]
    """The devices that hold verified copies of any of it."""
    missing: tuple[Lacking, ...]
    """What has too few."""
    failed: tuple[Failure, ...]
    """What could not be read from the card: it is not safe to lose it."""

    @property
    def exit_status(self) -> int:
        return 0 if self.safe else NO


def is_safe(
    card: Path, catalog: Catalog, *, copies: int = 2, reread: bool = False, progress: Progress | None = None
) -> Verdict:
    """Ask whether each file of a card has verified copies on so many devices.

    What the catalog has read of the card, and has its size, time and inode still, is not read again, unless `reread`.
    """
    begun = time.monotonic()
    if copies < 1:
        raise UsageError(f"{copies} copies are none; ask for 1 or more.")
    if not card.is_dir():
        raise NotFound(f"There is no card {printable(card)}; is it mounted?")
    found = crawl(catalog, [card], reread=reread, progress=progress or quiet())
    located = devices.locate(card)
    holder = catalog.device(located.device)
    missing: list[Lacking] = []
    having: set[str] = set()
    root = os.path.realpath(card)
    count = size = 0
    with looking(catalog) as lookup:
        asking = _Asking(lookup, located)
        for inner, row in lookup.files_below(holder, located.inner):
            count += 1
            size += row.size
            on = frozenset[str]() if row.content is None else asking.devices(lookup.places(row.content))
            having |= on
            if len(on) < copies:
                below = inner[len(located.inner.rstrip("/")) :]
                missing.append(Lacking(path=root.rstrip("/") + below, copies=len(on), needed=copies))
    return Verdict(
        card=root,
        safe=not missing and not found.failed,
        files=count,
        bytes=size,
        needed=copies,
        devices=tuple(sorted(having)),
        missing=tuple(missing),
        failed=found.failed,
        seconds=time.monotonic() - begun,
    )


class _Asking:
    def __init__(self, lookup: Lookup, card: devices.Located) -> None:
        self._lookup = lookup
        self._card = card
        self._going = frozenset((card.device.identity,)) if card.inner == "/" else frozenset[str]()
        """The device that is formatted, where all of it is the card."""
        self._mounts: dict[str, tuple[devices.Mount, ...]] = {}

    def devices(self, places: tuple[Place, ...]) -> frozenset[str]:
        """The devices that hold a verified copy; those whose identity may change with a restart count as one."""
        found: set[str] = set()
        for place in places:
            if place.verified is None or self._is_on_card(place) or not self._is_still_there(place):
                continue
            stable = self._lookup.devices(place) if place.holder.stable else frozenset(("devices without an identity",))
            found |= stable - self._going
        return frozenset(found)

    def _is_on_card(self, place: Place) -> bool:
        if place.holder.kind is not Kind.DISK or place.holder.identity != self._card.device.identity:
            return False
        return self._card.inner == "/" or place.inner.startswith(self._card.inner + "/")

    def _is_still_there(self, place: Place) -> bool:
        """False where its device is here and does not have it; a device that is offline is believed."""
        if place.holder.kind is not Kind.DISK:
            return True
        if place.holder.identity not in self._mounts:
            self._mounts[place.holder.identity] = devices.paths_of(place.holder.identity)
        path = devices.path_on(place.inner, self._mounts[place.holder.identity])
        if path is None:
            return True
        try:
            status = path.lstat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (place.size, place.mtime_ns)

