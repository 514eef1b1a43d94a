"""`DupeFinder`, and finding duplicates: files with the same bytes, and folders with the same files.

Files of one size are told apart by their first bytes, then by all of them. Names of one file (hard links) and files that
share their blocks (reflinks) are stored once: they are no duplicates. Nothing is changed here, and nothing is asked of a
catalog but what it knows to have been read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.core.copying import same_bytes
from film_archive.core.devices import mount_of
from film_archive.core.digest import KEY
from film_archive.core.errors import FilmArchiveError, NotFound, UsageError, from_os_error
from film_archive.core.job import Failure, Report, status_of
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.reflink import shared_extents
from film_archive.core.source import FileSource, printable
from film_archive.library import hashing
from film_archive.library.folder_looks import UNIQUE, FolderLooks, Look
from film_archive.library.hashing import Read, Wanted
from film_archive.library.index_file import read_index
from film_archive.library.listing import join, list_tree
from film_archive.library.masters import Masters
from film_archive.library.workers import Workers

_HEAD_FROM = 8 << 10
"""Files at least this large are told apart by their heads first; smaller ones are read whole as quickly (measured: of 100,000
files of 28 kB, heads from 8 KiB on take a fifth less of the processor than from 64 KiB on)."""
_NEVER_SHARING = frozenset(("ext2", "ext3", "ext4", "tmpfs", "vfat", "exfat", "ntfs", "ntfs3", "hfsplus", "iso9660", "udf"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DupeSet(Record):
    """Files with the same bytes."""

    digests: Mapping[str, str]
    """Of the bytes."""
    size: int
    """Bytes of one of them."""
    keep: str
    """The one that is kept."""
    why: str
    """Why that one."""
    duplicates: tuple[str, ...]
    """The others, in the order of their names."""
    proof: str
    """How they are known to be the same: "read" (size and XXH3-128 of all bytes), "known" (some of these from the catalog or
    an index), "compared" (byte by byte)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSet(Record):
    """Folders with the same files in the same places, in none of whose parents that is so too."""

    files: int
    """Files in one of them."""
    size: int
    """Their bytes."""
    folders: tuple[str, ...]
    """The folders, in the order of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates(Report):
    """What was found."""

    sets: tuple[DupeSet, ...]
    """Files with the same bytes, the most wasteful first."""
    folders: tuple[FolderSet, ...]
    """Folders with the same files."""
    files: int
    """Files that were looked at."""
    wasted: int
    """Bytes of all duplicates."""
    linked: int
    """Names that are another name of a file, or share its blocks: they waste nothing."""
    empty: int
    """Files without bytes, which are no duplicates of each other."""
    read: int
    """Files that were read, wholly or their heads."""
    read_bytes: int
    """Bytes that were read."""
    failed: tuple[Failure, ...]
    """What could not be read."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.files))


class DupeFinder:
    """Finds duplicates with the help of a master index: `DupeFinder("index.json").find()`."""

    def __init__(
        self, *indexes: str | os.PathLike[str], masters: Iterable[str | os.PathLike[str]] = (), workers: int | None = None
    ) -> None:
        self.indexes = tuple(map(Path, indexes))
        self.masters = tuple(map(Path, masters))
        self.workers = workers

    def find(self) -> Duplicates:
        """The sets of files with the same bytes."""
        return find_duplicates((), indexes=self.indexes, masters=self.masters, workers=self.workers)


Known = Callable[[str], Mapping[str, tuple[int, int, int, str]]]
"""A folder → what has been read in it: name → (size, time, inode, XXH3-128)."""


def find_duplicates(
    roots: Sequence[Path],
    *,
    indexes: Sequence[Path] = (),
    masters: Sequence[Path] = (),
    leave_out: Sequence[Path] = (),
    known: Known | None = None,
    compare: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Duplicates:
    """Find the files with the same bytes below folders, and among those of indexes.

    Of each set the copy in a master is kept, else the oldest. `known` spares reading what has been read; `compare` proves
    each set byte by byte besides. Files of an index that are not here are passed over.
    """
    begun = time.monotonic()
    if not roots and not indexes:
        raise UsageError("Name the folders to look through, or an index.")
    with ExitStack() as stack:
        run = _Finding(Masters.of(masters), progress or quiet(), Workers(stack, workers))
        for root in _apart(roots):
            run.list_root(root, [os.path.realpath(path) for path in leave_out], known)
        for index in indexes:
            run.take_index(index)
        run.collapse_links()
        run.read()
        sets = tuple(run.sets(compare))
        folders = tuple(run.folder_sets(sets))
    return Duplicates(
        sets=sets,
        folders=folders,
        files=len(run.files) + run.linked + run.empty,
        wasted=sum(each.size * len(each.duplicates) for each in sets),
        linked=run.linked,
        empty=run.empty,
        read=run.read_files,
        read_bytes=run.read_bytes,
        failed=tuple(run.failed),
        seconds=time.monotonic() - begun,
    )


def _apart(roots: Iterable[Path]) -> list[str]:
    """Real paths of the roots, each tree once; raises NotFound."""
    found: list[str] = []
    for root in roots:
        if not root.is_dir():
            raise NotFound(f"There is no folder {printable(root)}.")
        found.append(os.path.realpath(root))
    found.sort(key=len)
    return [
        path
        for number, path in enumerate(found)
        if not any(path == other or path.startswith(join(other, "")) for other in found[:number])
    ]


@dataclass(slots=True)
class _File:
    path: str
    size: int
    mtime_ns: int
    inode: int
    device: int
    digest: str | None = None
    """XXH3-128 of all bytes."""
    was_known: bool = False

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.path, self.size, self.mtime_ns, self.inode)


@dataclass
class _Finding:
    masters: Masters
    progress: Progress
    workers: Workers
    files: list[_File] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    linked: int = 0
    empty: int = 0
    read_files: int = 0
    read_bytes: int = 0
    tree: dict[str, list[tuple[str, int, _File | None]]] = field(default_factory=dict)
    """Folder → (name, size, file) of all that is in it; None for what is empty. For telling equal folders."""
    children: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sharing: dict[int, bool] = field(default_factory=dict)

    # What there is

    def list_root(self, root: str, leave_out: Sequence[str], known: Known | None) -> None:
        for listed in list_tree(root, self.workers, leave_out=leave_out, signed=False):
            self.failed += listed.unread
            for listing in listed.listings:
                self.children[listing.path] = listing.folders
                rows = self.tree.setdefault(listing.path, [])
                read = known(listing.path) if known is not None and listing.files else {}
                for entry in listing.entries or ():
                    if entry.size == 0:
                        self.empty += 1
                        rows.append((entry.name, 0, None))
                        continue
                    file = _File(join(listing.path, entry.name), *entry[1:5])
                    before = read.get(entry.name)
                    if before is not None and before[:3] == entry[1:4]:
                        file.digest, file.was_known = before[3], True
                    self.files.append(file)
                    rows.append((entry.name, entry.size, file))

    def take_index(self, path: Path) -> None:
        """The files of an index that are here, with the size that it gives."""
        have = {file.path for file in self.files}
        for entry in read_index(path):
            where = os.path.realpath(entry.path)
            if where in have:
                continue
            try:
                status = os.stat(where, follow_symlinks=False)  # noqa: PTH116  a Path for each of a million files is dear
            except OSError as error:
                self.failed.append(Failure.of(entry.path, from_os_error(error, f"look at {printable(entry.path)}")))
                continue
            have.add(where)
            if status.st_size != entry.size:
                reason = f"{printable(entry.path)} has {status.st_size} bytes, the index {entry.size}; crawl it again."
                self.failed.append(Failure(path=entry.path, reason=reason, status=11))
                continue
            folder, _, name = where.rpartition("/")
            if entry.size == 0:
                self.empty += 1
                self.tree.setdefault(folder or "/", []).append((name, 0, None))
                continue
            file = _File(where, entry.size, status.st_mtime_ns, status.st_ino, status.st_dev, entry.hash, True)
            self.files.append(file)
            self.tree.setdefault(folder or "/", []).append((name, entry.size, file))

    def collapse_links(self) -> None:
        """Keep one name of each file; that of a master, if it has one there."""
        first: dict[tuple[int, int], _File] = {}
        kept: list[_File] = []
        doubled = False
        for file in self.files:
            other = first.setdefault((file.device, file.inode), file)
            if other is file:
                kept.append(file)
                continue
            doubled = True
            self.linked += 1
            if self.masters.holds(file.path) and not self.masters.holds(other.path):
                other.path = file.path
        if doubled:
            same = {id(file): first[file.device, file.inode] for file in self.files}
            for rows in self.tree.values():
                rows[:] = [(name, size, None if file is None else same[id(file)]) for name, size, file in rows]
        self.files = kept

    # Reading

    def read(self) -> None:
        """Read as little as tells all files apart."""
        by_size: dict[int, list[_File]] = {}
        for file in self.files:
            by_size.setdefault(file.size, []).append(file)
        heads: list[_File] = []
        whole: list[_File] = []
        for size, files in by_size.items():
            if len(files) < 2:
                continue
            unread = [file for file in files if file.digest is None]
            by_head = size >= _HEAD_FROM and len(unread) == len(files)
            (heads if by_head else whole).extend(unread)
        same: dict[tuple[int, str], list[_File]] = {}
        for file, digest in self._digests(heads, head=True):
            same.setdefault((file.size, digest), []).append(file)
        whole += (file for files in same.values() if len(files) > 1 for file in files)
        for file, digest in self._digests(whole, head=False):
            file.digest = digest

    def _digests(self, files: Sequence[_File], *, head: bool) -> Iterator[tuple[_File, str]]:
        by_path = {file.path: file for file in files}
        size = sum(min(file.size, hashing.HEAD) if head else file.size for file in files)
        self.read_files += len(files)
        self.read_bytes += size
        self.progress.expect(Phase.READING, size)
        parts = list(hashing.batches(file.wanted for file in files))
        for part, results in zip(parts, self.workers.read(_read_heads if head else _read_all, parts), strict=True):
            for wanted, result in zip(part, results, strict=True):
                if result.digests is not None:
                    yield by_path[wanted.path], result.digests[KEY]
                elif result.failure is not None:
                    self.failed.append(result.failure)
            self.progress.add(Phase.READING, sum(min(file.size, hashing.HEAD) if head else file.size for file in part))

    # What it comes to

    def sets(self, compare: bool) -> Iterator[DupeSet]:
        same: dict[tuple[int, str], list[_File]] = {}
        for file in self.files:
            if file.digest is not None:
                same.setdefault((file.size, file.digest), []).append(file)
        for (size, digest), alike in sorted(same.items(), key=lambda item: (-item[0][0] * (len(item[1]) - 1), item[0][1])):
            files = self._stored_apart(alike) if len(alike) > 1 else alike
            if len(files) < 2:
                continue
            proof = "known" if any(file.was_known for file in files) else "read"
            for equal in self._compared(files) if compare else (files,):
                if len(equal) < 2:
                    continue
                keep, why = self._kept(equal)
                yield DupeSet(
                    digests={KEY: digest},
                    size=size,
                    keep=keep.path,
                    why=why,
                    duplicates=tuple(sorted(file.path for file in equal if file is not keep)),
                    proof="compared" if compare else proof,
                )

    def _kept(self, files: Sequence[_File]) -> tuple[_File, str]:
        held = [file for file in files if self.masters.holds(file.path)]
        among = held or files
        oldest = min(file.mtime_ns for file in among)
        first = [file for file in among if file.mtime_ns == oldest]
        keep = min(first, key=lambda file: (file.path.count("/"), len(file.path), file.path))
        if held:
            return keep, f"it is in the master {printable(self.masters.holding(keep.path) or '')}"
        if len(first) < len(among):
            return keep, "it is the oldest"
        return keep, "its path is the shortest; all are as old"

    def _stored_apart(self, files: Sequence[_File]) -> list[_File]:
        """The files without those that share all blocks with one that is kept."""
        if not any(self._may_share(file) for file in files):
            return list(files)
        stored: dict[tuple[int, object], _File] = {}
        apart = []
        for file in sorted(files, key=lambda file: (not self.masters.holds(file.path), file.path)):
            try:
                with FileSource(file.path) as source:
                    extents = shared_extents(source.fileno())
            except (FilmArchiveError, OSError):  # what can't be opened now is told by whoever moves it
                extents = None
            if extents is not None and stored.setdefault((file.device, extents), file) is not file:
                self.linked += 1
                continue
            apart.append(file)
        return apart

    def _may_share(self, file: _File) -> bool:
        """Whether the file's device can share blocks between files at all."""
        if file.device not in self.sharing:
            self.sharing[file.device] = mount_of(Path(file.path)).kind not in _NEVER_SHARING
        return self.sharing[file.device]

    def _compared(self, files: Sequence[_File]) -> list[list[_File]]:
        """The files in groups that are equal byte by byte."""
        groups: list[list[_File]] = []
        for file in files:
            try:
                group = next((group for group in groups if same_bytes(Path(group[0].path), Path(file.path))), None)
            except FilmArchiveError as error:
                self.failed.append(Failure.of(file.path, error))
                continue
            if group is None:
                groups.append([file])
            else:
                group.append(file)
        return groups

    def folder_sets(self, sets: Sequence[DupeSet]) -> Iterator[FolderSet]:
        """Folders with the same files, the largest ones only."""
        members = {path for each in sets for path in (each.keep, *each.duplicates)}
        tree = {
            folder: [(name, size, _digest_among(members, file)) for name, size, file in rows]
            for folder, rows in self.tree.items()
        }
        looks = FolderLooks(tree, self.children)
        same: dict[object, list[str]] = {}
        shown: dict[object, Look] = {}
        for folder in looks.folders():
            look = looks.of(folder)
            if look is not None and look.files:
                same.setdefault(look.key, []).append(folder)
                shown[look.key] = look
        doubled = {folder: key for key, folders in same.items() if len(folders) > 1 for folder in folders}
        found = []
        for key, folders in same.items():
            above = {doubled.get(folder.rpartition("/")[0]) for folder in folders}
            if len(folders) > 1 and (len(above) > 1 or None in above):
                found.append((shown[key], sorted(folders)))
        for look, folders in sorted(found, key=lambda item: (-item[0].size, item[1])):
            yield FolderSet(files=look.files, size=look.size, folders=tuple(sorted(folders)))


def _digest_among(members: set[str], file: _File | None) -> str | None:
    if file is None:
        return None
    return file.digest if file.path in members else UNIQUE


def _read_all(batch: Sequence[Wanted]) -> list[Read]:
    return hashing.read_all(batch, (KEY,))


def _read_heads(batch: Sequence[Wanted]) -> list[Read]:
    return hashing.read_heads(batch, (KEY,))
