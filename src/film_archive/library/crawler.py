"""`Crawler`, and crawling: what is in folders, read once, kept in the catalog, read again only where it changed.

The tree is listed and read by several processes. What was put into the catalog stays when a crawl is stopped; the next one
goes on. An absent drive is offline: nothing of it is taken to be gone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Content, Event, FileRow, FolderRows, Holder, SequenceRow
from film_archive.core import devices
from film_archive.core.digest import with_key
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.job import Failure, Report, status_of
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import printable
from film_archive.library import hashing
from film_archive.library.hashing import Read, Wanted
from film_archive.library.index_file import IndexEntry, require_form, write_index
from film_archive.library.listing import Entry, Listing, join, list_folder, list_tree
from film_archive.library.workers import Workers
from film_archive.media.sequence import find_sequences

_WAVE_FILES = 50_000
_WAVE_BYTES = 16 << 30
"""What is read before it is put into the catalog: so much is read again after a kill, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled(Report):
    """What a crawl found."""

    roots: tuple[str, ...]
    """The folders that were crawled."""
    recent: tuple[str, ...]
    """Folders that were crawled recently enough, and not again."""
    offline: tuple[str, ...]
    """Folders on drives that are not here; what the catalog knows of them stays."""
    files: int
    """Files that are there."""
    bytes: int
    """Their bytes."""
    folders: int
    """Folders that are there."""
    unchanged: int
    """Folders in which nothing has changed since they were last crawled."""
    hashed: int
    """Files that were read."""
    hashed_bytes: int
    """Their bytes."""
    failed: tuple[Failure, ...]
    """What could not be read, is no file, or is not what it was although nothing tells of a change."""
    index: str | None = None
    """The index that was written."""

    @property
    def exit_status(self) -> int:
        done = bool(self.files or self.folders or self.recent)
        return status_of(self.failed, any_done=done) or (12 if self.offline and done else 3 if self.offline else 0)


class Crawler:
    """Crawls any number of directory structures and keeps one master index of them.

    `Crawler("/data/photos", "/Archive", catalog="catalog.sqlite").crawl("index.json")`
    """

    def __init__(
        self,
        *directories: str | os.PathLike[str],
        catalog: str | os.PathLike[str],
        workers: int | None = None,
        max_age: float | None = None,
    ) -> None:
        """`max_age` in seconds: what was crawled more recently is not crawled again."""
        self.directories = tuple(map(Path, directories))
        self.catalog = catalog
        self.workers = workers
        self.max_age = max_age

    def crawl(self, index: str | os.PathLike[str] | None = None) -> Crawled:
        """Crawl, and write the index where one is named."""
        with Catalog.open(self.catalog) as catalog:
            return crawl(
                catalog,
                self.directories,
                workers=self.workers,
                max_age=self.max_age,
                index=None if index is None else Path(index),
            )


def crawl(
    catalog: Catalog,
    roots: Sequence[Path],
    *,
    algorithms: Iterable[str] = (),
    max_age: float | None = None,
    reread: bool = False,
    dry_run: bool = False,
    index: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Crawled:
    """Bring the catalog up to date with folders; reads what is new, or has another size, time or inode.

    `reread` reads all files again, and tells those whose bytes are not what they were although nothing else has changed.
    `dry_run` only counts what would be read. Raises NotFound where a folder is not there and on no drive that is known.
    """
    begun = time.monotonic()
    if not roots:
        raise UsageError("Name the folders to crawl.")
    if index is not None:
        require_form(index)
    with ExitStack() as stack:
        run = _Crawl(catalog, with_key(algorithms), reread, dry_run, progress or quiet(), Workers(stack, workers))
        placed = run.place(roots)
        for root in _without_nested(placed):
            run.crawl(root, max_age)
        count = None
        if index is not None and not dry_run:
            count = write_index(index, index_entries(catalog, [Path(root) for root in (*run.roots, *run.recent)]))
    return Crawled(
        roots=tuple(run.roots),
        recent=tuple(run.recent),
        offline=tuple(run.offline),
        files=run.files,
        bytes=run.bytes,
        folders=run.folders,
        unchanged=run.unchanged,
        hashed=run.hashed,
        hashed_bytes=run.hashed_bytes,
        failed=tuple(run.failed),
        index=None if count is None else os.fspath(index or ""),
        seconds=time.monotonic() - begun,
    )


def index_entries(catalog: Catalog, roots: Iterable[Path]) -> Iterator[IndexEntry]:
    """What the catalog knows of the files below folders that are here."""
    with looking(catalog) as lookup:
        for root in roots:
            located = devices.locate(root)
            holder = next((each for each in catalog.holders() if each.identity == located.device.identity), None)
            if holder is None:
                continue
            above = os.fspath(root.absolute())
            for inner, row in lookup.files_below(holder, located.inner):
                if row.content is not None:
                    below = inner[len(located.inner.rstrip("/")) :]
                    yield IndexEntry(path=above.rstrip("/") + below, hash=row.content.xxh128.hex(), size=row.size)


def _without_nested(roots: Iterable[_Root]) -> list[_Root]:
    """The roots, each tree once."""
    kept: list[_Root] = []
    for root in sorted(roots, key=lambda root: len(root.path)):
        if not any(root.path == other.path or root.path.startswith(other.path.rstrip("/") + "/") for other in kept):
            kept.append(root)
    return kept


@dataclass(frozen=True, slots=True)
class _Root:
    path: str
    device: devices.Device
    mount: devices.Mount

    def inner(self, path: str) -> str:
        """A path below this root as the device has it."""
        below = path[len(self.mount.point.rstrip("/")) :]
        return (self.mount.root.rstrip("/") + below).rstrip("/") or "/"


@dataclass
class _Crawl:
    catalog: Catalog
    algorithms: tuple[str, ...]
    reread: bool
    dry_run: bool
    progress: Progress
    pool: Workers
    roots: list[str] = field(default_factory=list)
    recent: list[str] = field(default_factory=list)
    offline: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    folders: int = 0
    unchanged: int = 0
    hashed: int = 0
    hashed_bytes: int = 0

    def place(self, roots: Iterable[Path]) -> list[_Root]:
        """The roots that are here; the others are offline, or nowhere."""
        placed = []
        for root in roots:
            if root.is_dir():
                path = os.path.realpath(root)
                placed.append(_Root(path, devices.locate(root).device, devices.mount_of(Path(path))))
            elif self._is_offline(root):
                self.offline.append(os.fspath(root))
            elif os.path.lexists(root):
                raise UsageError(f"{printable(root)} is not a folder; name the folder that it is in.")
            else:
                raise NotFound(f"There is no folder {printable(root)}, nor does the catalog know a drive that was mounted there.")
        return placed

    def _is_offline(self, root: Path) -> bool:
        """Whether a path was on a drive, when that was last seen."""
        path = os.path.realpath(root)
        for holder in self.catalog.holders():
            point = holder.label.rstrip("/")
            if point and (path == point or path.startswith(point + "/")) and not devices.paths_of(holder.identity):
                return True
        return False

    def crawl(self, root: _Root, max_age: float | None) -> None:
        holder = self.catalog.device(root.device, root.mount.point)
        inner = root.inner(root.path)
        if max_age is not None and self._is_recent(holder, inner, max_age):
            self.recent.append(root.path)
            return
        with looking(self.catalog) as lookup:
            known = {path: signature for path, (_, signature) in lookup.folders_below(holder, inner).items()}
        thorough = self.reread or len(self.algorithms) > 1
        wave = _Wave(self, root, holder, self.catalog.event("crawl", root.path) if not self.dry_run else None)
        others: list[str] = []
        number = Path(root.path).stat().st_dev
        for listed in list_tree(root.path, self.pool, entries=thorough or not known):
            self.failed += listed.unread
            for listing in listed.listings:
                if listing.device != number:
                    others.append(listing.path)
                    continue
                self._count(listing)
                signature = known.get(root.inner(listing.path))
                if signature == listing.signature and not thorough:
                    self.unchanged += 1
                    continue
                wave.add(listing, is_known=root.inner(listing.path) in known)
        wave.finish()
        if not self.dry_run:
            self.catalog.crawled(holder, inner)
        self.roots.append(root.path)
        for path in sorted(others):
            if os.path.ismount(path):  # another drive, mounted in this tree
                for nested in self.place([Path(path)]):
                    self.crawl(nested, max_age)

    def _is_recent(self, holder: Holder, inner: str, max_age: float) -> bool:
        with looking(self.catalog) as lookup:
            crawled = lookup.crawled()
        return any(
            on == holder and path == inner and 0 <= time.time() - at < max_age for on, path, at in crawled
        )

    def _count(self, listing: Listing) -> None:
        self.folders += 1
        self.files += listing.files
        self.bytes += listing.bytes
        self.failed += listing.failed


@dataclass
class _Wave:
    """Folders that changed, until they are read and put into the catalog together."""

    run: _Crawl
    root: _Root
    holder: Holder
    event: Event | None
    folders: list[tuple[Listing, bool]] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    def add(self, listing: Listing, *, is_known: bool) -> None:
        if listing.entries is None:
            try:
                listing = list_folder(listing.path)
            except OSError:  # gone meanwhile: the next crawl sees it
                return
        self.folders.append((listing, is_known))
        self.files += listing.files
        self.bytes += listing.bytes
        if self.files >= _WAVE_FILES or self.bytes >= _WAVE_BYTES:
            self.finish()

    def finish(self) -> None:
        """Read what has to be read; put all into the catalog."""
        known = self._known()
        wanted: dict[int, Wanted] = {}
        for listing, _ in self.folders:
            before = known.get(listing.path, {})
            for entry in listing.entries or ():
                if not self._is_read(entry, before.get(entry.name)):
                    wanted.setdefault(entry.inode, Wanted(join(listing.path, entry.name), *entry[1:4]))
        self.run.hashed += len(wanted)
        self.run.hashed_bytes += sum(file.size for file in wanted.values())
        if not self.run.dry_run:
            self._put(known, self._read(wanted))
        self.folders, self.files, self.bytes = [], 0, 0

    def _known(self) -> dict[str, dict[str, FileRow]]:
        found = {}
        with looking(self.run.catalog) as lookup:
            for listing, is_known in self.folders:
                folder = lookup.known(self.holder, self.root.inner(listing.path)) if is_known else None
                if folder is not None:
                    found[listing.path] = folder.files
        return found

    def _is_read(self, entry: Entry, before: FileRow | None) -> bool:
        """Whether its content is known already."""
        if before is None or before.content is None or self.run.reread:
            return False
        if (before.size, before.mtime_ns, before.inode) != entry[1:4]:
            return False
        return before.content.digests.keys() >= set(self.run.algorithms)

    def _read(self, wanted: dict[int, Wanted]) -> dict[int, Read]:
        size = sum(file.size for file in wanted.values())
        self.run.progress.expect(Phase.READING, size)
        parts = list(hashing.batches(wanted.values()))
        found: dict[int, Read] = {}
        task = _Reading(self.run.algorithms)
        for part, results in zip(parts, self.run.pool.read(task, parts), strict=True):
            for file, read in zip(part, results, strict=True):
                found[file.inode] = read
            self.run.progress.add(Phase.READING, sum(file.size for file in part))
        return found

    def _put(self, known: dict[str, dict[str, FileRow]], read: dict[int, Read]) -> None:
        assert self.event is not None
        rows = []
        outcomes: dict[str, str] = {}
        for listing, _ in self.folders:
            before = known.get(listing.path, {})
            files = []
            whole = True
            for entry in listing.entries or ():
                row, failure = self._row(listing, entry, before.get(entry.name), read)
                whole = whole and failure is None
                if failure is not None:
                    self.run.failed.append(failure)
                if self.run.reread and (outcome := _outcome(row, failure, before.get(entry.name))) is not None:
                    outcomes[f"{self.root.inner(listing.path).rstrip('/')}/{entry.name}"] = outcome
                files.append(row)
            sequences, others = group_sequences(files)
            rows.append(
                FolderRows(
                    self.root.inner(listing.path),
                    listing.signature if whole else None,
                    others,
                    sequences,
                    frozenset(listing.folders),
                )
            )
        self.run.catalog.put(self.holder, rows, self.event)
        if outcomes:
            self.run.catalog.verified(self.holder, outcomes, self.event)

    def _row(
        self, listing: Listing, entry: Entry, before: FileRow | None, read: dict[int, Read]
    ) -> tuple[FileRow, Failure | None]:
        plain = FileRow(entry.name, entry.size, entry.mtime_ns, entry.inode)
        result = read.get(entry.inode)
        if result is None or (before is not None and self._is_read(entry, before)):
            assert before is not None  # else it would have been read
            return before, None
        if result.digests is None:
            return plain, result.failure
        known = {} if before is None or before.content is None or not before.same_stat(plain) else before.content.digests
        disagreeing = [name for name, value in result.digests.items() if known.get(name, value) != value]
        content = Content.of(entry.size, {**({} if disagreeing else known), **result.digests})
        row = FileRow(entry.name, entry.size, entry.mtime_ns, entry.inode, content)
        if not disagreeing:
            return row, None
        path = join(listing.path, entry.name)
        reason = (
            f"{printable(path)} is not what it was, although its size and time are: its bytes are damaged, or were changed "
            "on the quiet; compare it with another copy."
        )
        return row, Failure(path=path, reason=reason, status=11)


@dataclass(frozen=True)
class _Reading:
    """What a process is asked to do with a batch."""

    algorithms: tuple[str, ...]

    def __call__(self, batch: Sequence[Wanted]) -> list[Read]:
        return hashing.read_all(batch, self.algorithms)


def _outcome(row: FileRow, failure: Failure | None, before: FileRow | None) -> str | None:
    """What reading a file again has shown; None where there was nothing to compare it with."""
    if before is None or before.content is None:
        return None
    if row.content is None:
        return "unreadable"
    return "ok" if failure is None and before.content == row.content else "differs"


def group_sequences(rows: Sequence[FileRow]) -> tuple[tuple[SequenceRow, ...], tuple[FileRow, ...]]:
    """The image sequences among the files of one folder, and the others. What could not be read is none."""
    by_name = {row.name: row for row in rows}
    sequences = []
    for found in find_sequences(name for name, row in by_name.items() if row.content is not None).sequences:
        if found.first < 0:
            continue  # a row's names have no minus sign
        frames = {number: by_name.pop(found.file_name(number)) for number in found.numbers()}
        sequences.append(SequenceRow(found.stem, found.padding, found.extension, frames))
    return tuple(sequences), tuple(by_name.values())


