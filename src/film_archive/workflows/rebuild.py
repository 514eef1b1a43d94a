"""Making the catalog again from what the drives say: folders, ASC MHL histories, archives' manifests, journals of moves.

Folders are crawled, which reads every file; what has just been read is compared with the histories beside it, and with
that counts as verified, or as damaged. Archives are entered with their members, as their manifests say.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.archive.reader import open_archive
from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Content, Event, FileRow, FolderRows, Holder, Kind, SequenceRow
from film_archive.core import devices
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError
from film_archive.core.executors.inline import InlineExecutor
from film_archive.core.job import Failure, Report, status_of
from film_archive.core.member import Member
from film_archive.core.progress import Progress, quiet
from film_archive.core.source import printable
from film_archive.library import mhl
from film_archive.library.crawler import crawl
from film_archive.library.listing import join, list_tree
from film_archive.library.moves import journals


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt(Report):
    """What the catalog was made from."""

    roots: tuple[str, ...]
    """The folders that were crawled."""
    files: int
    """Files in them."""
    histories: int
    """ASC MHL histories that were held against what was read."""
    verified: int
    """Files that are what a history says."""
    differing: tuple[str, ...]
    """Files that are not."""
    archives: int
    """Archives that were entered."""
    members: int
    """Their members."""
    jobs: int
    """Jobs of moves that can be undone, and of which the catalog did not know."""
    failed: tuple[Failure, ...]
    """What could not be read."""

    @property
    def exit_status(self) -> int:
        return 11 if self.differing else status_of(self.failed, any_done=bool(self.files))


def rebuild(
    catalog: Catalog, roots: Sequence[Path], *, reread: bool = True, progress: Progress | None = None
) -> Rebuilt:
    """Enter folders with all that they say of themselves. Without `reread`, what the catalog has read is believed."""
    begun = time.monotonic()
    found = crawl(catalog, roots, reread=reread, progress=progress or quiet())
    run = _Rebuilding(catalog)
    for root in found.roots:
        run.look_through(root)
    return Rebuilt(
        roots=found.roots,
        files=found.files,
        histories=run.histories,
        verified=run.verified,
        differing=tuple(run.differing),
        archives=run.archives,
        members=run.members,
        jobs=run.jobs,
        failed=(*found.failed, *run.failed),
        seconds=time.monotonic() - begun,
    )


class _Rebuilding:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.histories = self.verified = self.archives = self.members = self.jobs = 0
        self.differing: list[str] = []
        self.failed: list[Failure] = []
        self._known_jobs = {event.journal for event in catalog.events() if event.journal is not None}

    def look_through(self, root: str) -> None:
        for listed in list_tree(root, InlineExecutor, signed=False):
            for listing in listed.listings:
                self._jobs(Path(listing.path))
                if mhl.FOLDER in listing.folders:
                    self._history(listing.path)
                for entry in listing.entries or ():
                    if entry.name.lower().endswith((".zip", ".otioz")):
                        self._archive(Path(join(listing.path, entry.name)))

    def _jobs(self, folder: Path) -> None:
        """The journals of a quarantine or target, so that `library undo` finds the jobs without being told where."""
        for path in journals(folder):
            job = path.stem
            if job in self._known_jobs:
                continue
            self._known_jobs.add(job)
            self._catalog.event(job.partition("-")[0], os.fspath(folder), journal=job, at=int(path.stat().st_mtime))
            self.jobs += 1

    def _history(self, folder: str) -> None:
        """What a history says, against what was read: the same is verified as of now."""
        try:
            entries = list(mhl.read_history(Path(folder)))
        except FilmArchiveError as error:
            self.failed.append(Failure.of(folder, error))
            return
        self.histories += 1
        located = devices.locate(Path(folder))
        holder = self._catalog.device(located.device)
        outcomes: dict[str, str] = {}
        with looking(self._catalog) as lookup:
            rows = dict(lookup.files_below(holder, located.inner))
        for entry in entries:
            inner = f"{located.inner.rstrip('/')}/{entry.path}"
            row = rows.get(inner)
            known = {} if row is None or row.content is None else row.content.digests
            shared = [name for name in entry.digests if name in known]
            if not shared:
                continue  # not there, not readable, or of a digest that was not computed: nothing is known
            same = all(known[name] == entry.digests[name] for name in shared)
            outcomes[inner] = "ok" if same else "differs"
            self.verified += same
            if not same:
                self.differing.append(join(folder, entry.path))
        event = self._catalog.event("rebuild", folder)
        self._catalog.verified(holder, outcomes, event)

    def _archive(self, path: Path) -> None:
        try:
            with open_archive(path) as archive:
                if archive.header is None:
                    return  # another program's zip has no digests
                holder = self._catalog.holder(Kind.ARCHIVE, archive.header.archive_id, path.name)
                event = self._catalog.event("rebuild", os.fspath(path))
                count = self._enter(holder, archive.members(), event)
        except FilmArchiveError as error:
            reason = f"{printable(path)} was left out: {error}"
            self.failed.append(Failure(path=os.fspath(path), reason=reason, status=error.exit_status))
            return
        located = devices.locate(path)
        self._catalog.stands(holder, self._catalog.device(located.device), located.inner)
        self.archives += 1
        self.members += count

    def _enter(self, holder: Holder, members: Iterable[Member], event: Event) -> int:
        folders: dict[str, tuple[list[FileRow], list[SequenceRow]]] = {}
        count = 0
        for member in members:
            if not member.is_original:
                continue
            above, _, name = member.path.rpartition("/")
            files, sequences = folders.setdefault(f"/{above}" if above else "/", ([], []))
            count += 1
            if member.sequence is not None:
                of_it = _sequence(member)
                if of_it is None:
                    files += _frames(member)
                else:
                    sequences.append(of_it)
            elif KEY in member.digests:
                content = Content.of(member.size, {KEY: member.digests[KEY]})
                files.append(FileRow(name, member.size, member.mtime_ns or 0, 0, content))
        rows = [FolderRows(inner, None, tuple(files), tuple(sequences)) for inner, (files, sequences) in folders.items()]
        self._catalog.put(holder, rows, event)
        return count


def _sequence(member: Member) -> SequenceRow | None:
    """A sequence's row; None where it has numbers below 0, since a row's names have no minus sign."""
    name = member.sequence
    assert name is not None
    rows = {frame.number: row for frame, row in zip(member.frame_table(), _frames(member), strict=True)}
    if rows and min(rows) < 0:
        return None
    return SequenceRow(name.prefix.rpartition("/")[2], name.digits, name.suffix, rows)


def _frames(member: Member) -> Iterator[FileRow]:
    """The files of a sequence."""
    for frame in member.frame_members():
        content = Content.of(frame.size, {KEY: frame.digests[KEY]})
        yield FileRow(frame.path.rpartition("/")[2], frame.size, frame.mtime_ns or 0, 0, content)
