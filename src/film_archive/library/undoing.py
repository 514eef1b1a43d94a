"""Undoing a job of moves, and telling the catalog of moves."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.rows import Holder
from film_archive.core import devices
from film_archive.core.errors import FilmArchiveError, NotFound
from film_archive.core.job import Failure, Report, status_of
from film_archive.core.progress import Progress, quiet
from film_archive.core.source import printable
from film_archive.library.moves import Moved, Moving, journals


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone(Report):
    """What was moved back."""

    job: str
    """The job that was undone."""
    moved: tuple[Moved, ...]
    """The files, which are where they were."""
    failed: tuple[Failure, ...]
    """What could not be moved back, and why."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.moved))


def undo(quarantine: Path, job: str | None = None, *, dry_run: bool = False, progress: Progress | None = None) -> Undone:
    """Move back what a job has moved; the last one that was not undone, where none is named. Raises NotFound."""
    begun = time.monotonic()
    with _job(quarantine, job, progress or quiet()) as moving:
        if not dry_run:
            moving.undo()
        moved = tuple(moving.to_be_undone()) if dry_run else tuple(moving.moved)
    return Undone(job=moving.job, moved=moved, failed=tuple(moving.failed), seconds=time.monotonic() - begun)


def _job(quarantine: Path, job: str | None, progress: Progress) -> Moving:
    if job is not None:
        return Moving.again(quarantine, job, progress)
    for path in reversed(list(journals(quarantine))):
        moving = Moving.again(quarantine, path.stem, progress)
        if not moving.is_undone:
            return moving
        moving.close()
    raise NotFound(f"There is nothing to undo in {printable(quarantine)}: it has no job that was not undone.")


def quarantine_of(catalog: Catalog, job: str | None) -> Path:
    """The quarantine of a job, or of the last sort, as the catalog was told of it; raises NotFound."""
    for event in reversed(catalog.events("sort")):
        if job in (None, event.journal):
            return Path(event.subject)
    raise NotFound(f"The catalog {catalog.name} knows of no such sort; name the quarantine with --from.")


def note_moves(catalog: Catalog, moved: Iterable[Moved]) -> None:
    """Tell the catalog where files are now. What it can't be told, the next crawl finds out."""
    places = _Places(catalog)
    pairs = []
    for each in moved:
        before, now = places.of(each.from_), places.of(each.to)
        if before is not None and now is not None:
            pairs.append((before, now))
    catalog.moved(pairs)


class _Places:
    """Paths as the catalog has them; each folder is looked at once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._folders: dict[str, tuple[Holder, str] | None] = {}

    def of(self, path: str) -> tuple[Holder, str] | None:
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            try:
                located = devices.locate(Path(folder or "/"))
                mount = devices.mount_of(Path(os.path.realpath(folder or "/")))
                self._folders[folder] = self._catalog.device(located.device, mount.point), located.inner
            except FilmArchiveError:
                self._folders[folder] = None
        found = self._folders[folder]
        return None if found is None else (found[0], f"{found[1].rstrip('/')}/{name}")
