"""Watching a drop folder: what lies in it is ingested when nothing has written to it for a while.

A file is stable when its size, time and inode were the same at every look for so many seconds; a clip, a sequence or a card is
taken when all of its files are. What is called as programs call what they are still writing waits until it is renamed.
Whoever calls gives the clock and the pause between two looks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.progress import Progress
from film_archive.core.source import printable
from film_archive.library.ingester import Ingested, ingest
from film_archive.library.listing import join, list_tree
from film_archive.library.moves import unfinished
from film_archive.library.workers import Workers

SETTLED = 30.0
"""Seconds for which nothing may have written to a file."""
EVERY = 5.0
"""Seconds between two looks."""
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp", ".inprogress")
"""How browsers, transfer programs and shells end the names of what they are still writing."""

_Identity = tuple[int, int, int]


@dataclass
class Settling:
    """Which files are stable, by what was seen of them at each look."""

    settled: float
    _since: dict[str, tuple[_Identity, float]] = field(default_factory=dict)

    def stable(self, seen: Mapping[str, _Identity], now: float) -> frozenset[str]:
        """The files that have been what they are for long enough; `now` in seconds of a clock that never goes back."""
        before = self._since
        self._since = {
            path: kept if (kept := before.get(path)) is not None and kept[0] == identity else (identity, now)
            for path, identity in seen.items()
        }
        return frozenset(
            path
            for path, (_, since) in self._since.items()
            if now - since >= self.settled and not path.lower().endswith(_UNFINISHED)
        )


def watch(
    drop: Path,
    target: Path,
    catalog: Catalog | None = None,
    *,
    copy: bool = False,
    settled: float = SETTLED,
    every: float = EVERY,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> Iterator[Ingested]:
    """Ingest what is stable, again and again until the caller stops; yields each report that has something to tell.

    What was told once (that the target has a file already, or why one stays) is told again only when the file changes. The job
    of a killed run is completed first. Raises NotFound where a folder is gone, and what `ingest` raises.
    """
    if settled < 0 or every <= 0:
        raise UsageError("A file settles in 0 seconds or more, and there is time between two looks; give numbers above 0.")
    settling = Settling(settled)
    told: dict[str, _Identity] = {}
    if target.is_dir() and unfinished(target):
        yield ingest(drop, target, catalog, copy=copy, only=frozenset(), progress=progress)
    while True:
        seen = _seen(drop)
        told = {path: identity for path, identity in told.items() if seen.get(path) == identity}
        stable = settling.stable(seen, clock())
        news = [path for path in stable if path not in told]
        if news:
            done = ingest(drop, target, catalog, copy=copy, only=stable, progress=progress)
            fresh = _without_told(done, told)
            told.update((path, seen[path]) for path in stable)
            if fresh.moved or fresh.cards or fresh.already or fresh.failed:
                yield fresh
        pause(every)


def _without_told(done: Ingested, told: Mapping[str, _Identity]) -> Ingested:
    return replace(
        done,
        already=tuple(each for each in done.already if each.path not in told),
        failed=tuple(each for each in done.failed if each.path not in told),
    )


def _seen(drop: Path) -> dict[str, _Identity]:
    if not drop.is_dir():
        raise NotFound(f"There is no folder {printable(drop)} any more; is its drive mounted? Nothing is being watched now.")
    seen: dict[str, _Identity] = {}
    with ExitStack() as stack:
        for listed in list_tree(str(drop.resolve()), Workers(stack, 1), signed=False):
            for listing in listed.listings:
                for entry in listing.entries or ():
                    seen[join(listing.path, entry.name)] = (entry.size, entry.mtime_ns, entry.inode)
    return seen
