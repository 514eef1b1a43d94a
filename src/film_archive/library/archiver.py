"""`Archiver`, and archiving: date folders onto volumes of one size, to be burned or written.

Folders stay whole where they fit; one that is larger than a volume is parted at its folders, then at its clips, never inside
a clip; what is larger than a volume even so is told. Files are moved, as `sort` moves them: written down first, completed
after a kill, undone on request. Each volume gets the index and a list of checksums; a mark beside it says that it is not
burned yet, until `burned` has read the disc.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.core.job import IN_PART, Failure, Plan, Report, Step, status_of
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.library import hashing, udf, udf_image
from film_archive.library.burning import BURNED, CHECKSUMS, INDEX, UNBURNED, Image, make_images
from film_archive.library.hashing import Wanted
from film_archive.library.index_file import IndexEntry, write_index
from film_archive.library.listing import Entry, join, list_tree
from film_archive.library.masters import Masters
from film_archive.library.moves import Move, Moved, Moving, identity_of_entry, new_job, unfinished
from film_archive.library.units import Units
from film_archive.library.volumes import SIZES, Packable, capacity, first_fit_decreasing, in_order, room, usable, wasted
from film_archive.library.workers import Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeStep(Step):
    """A volume."""

    name: str
    """What it is called."""
    moves: tuple[Move, ...]
    """What goes onto it."""
    digests: tuple[str, ...]
    """XXH3-128 of each file."""
    filled: int
    """Bytes that it takes, with what a file system needs beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePlan(Plan):
    """Volumes and what goes onto them."""

    verb: ClassVar[str] = "library archive"
    job: str
    """The job's name."""
    target: str
    """The folder in which the volumes are made."""
    volume: str
    """The kind of volume, or its bytes."""
    capacity: int
    """Bytes of a volume that are filled at most."""
    steps: tuple[VolumeStep, ...]
    """The volumes."""
    wasted: int
    """Bytes that stay empty."""
    volumes_other_way: int
    """How many volumes the other way of packing would take (by size, or in date order)."""
    wasted_other_way: int
    """Bytes that would stay empty then."""
    failed: tuple[Failure, ...]
    """What fits on no volume, or could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Record):
    """A volume that was made."""

    path: str
    """Its folder."""
    files: int
    """How many it has, without index and checksums."""
    bytes: int
    """Their bytes."""
    filled: int
    """Bytes that it takes, with what a file system needs beside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived(Report):
    """What was archived."""

    job: str | None
    """The job, for `library undo --from DIR`; null where nothing was moved."""
    volumes: tuple[Volume, ...]
    """The volumes."""
    moved: tuple[Moved, ...]
    """The files."""
    capacity: int
    """Bytes of a volume that are filled at most."""
    wasted: int
    """Bytes that stay empty."""
    volumes_other_way: int
    """How many volumes the other way of packing would take."""
    wasted_other_way: int
    """Bytes that would stay empty then."""
    images: tuple[Image, ...]
    """The images that were made, and read back by another program."""
    failed: tuple[Failure, ...]
    """What fits on no volume, or stays for another reason; volumes of which no image could be made."""

    @property
    def exit_status(self) -> int:
        return status_of(self.failed, any_done=bool(self.moved or self.images))


class Archiver:
    """Packs folders into volumes: `Archiver("/Archive/bd", ["/data/photos/2019"], volume="bd25").archive()`."""

    def __init__(
        self,
        target_directory: str | os.PathLike[str],
        sources: Iterable[str | os.PathLike[str]],
        *,
        volume: str = "bd25",
        in_date_order: bool = False,
        image: bool = False,
    ) -> None:
        self.target_directory = Path(target_directory)
        self.sources = tuple(map(Path, sources))
        self.volume = volume
        self.in_date_order = in_date_order
        self.image = image

    def plan(self) -> ArchivePlan:
        """What would go onto which volume."""
        options = {"volume": self.volume, "in_date_order": self.in_date_order, "image": self.image}
        return plan_archive(self.sources, self.target_directory, **options)  # type: ignore[arg-type]  # as given above

    def archive(self) -> Archived:
        """Make the volumes."""
        options = {"volume": self.volume, "in_date_order": self.in_date_order, "image": self.image}
        return archive(self.sources, self.target_directory, **options)  # type: ignore[arg-type]  # as given above


def plan_archive(
    sources: Sequence[Path],
    target: Path,
    *,
    volume: str,
    in_date_order: bool = False,
    full: bool = False,
    image: bool = False,
    masters: Sequence[Path] = (),
    progress: Progress | None = None,
) -> ArchivePlan:
    """Read folders and say what goes onto which volume. Raises NotFound, Refused where one is in a master or in the target."""
    total = capacity(volume, full=full)
    if image:
        udf_image.require_reader()
    size = usable(total, udf_image.OVERHEAD if image else 0)
    held = Masters.of(masters)
    place = os.path.realpath(target)
    roots = []
    for source in sources:
        if not source.is_dir():
            raise NotFound(f"There is no folder {printable(source)}; nothing was changed.")
        root = os.path.realpath(source)
        if held.holds(root):
            raise Refused(f"{printable(source)} is in a master, which nothing leaves; nothing was changed.")
        if (root + "/").startswith(place + "/") or (place + "/").startswith(root + "/"):
            raise Refused(f"{printable(source)} and {printable(target)} lie in each other; nothing was changed.")
        roots.append(root)
    names = [root.rpartition("/")[2] for root in roots]
    if len({name.casefold() for name in names}) < len(names):
        raise UsageError("Two of the folders have one name, under which both would be on a volume; archive one after the other.")
    with ExitStack() as stack:
        planning = _Planning(size, Workers(stack, None), progress or quiet(), held)
        items = [item for root in roots for item in planning.items(root)]
        if image:
            _require_names(items)
        digests = planning.digests(items)
    items = [item for item in items if all(path in digests for path in item.files)]
    ways = (first_fit_decreasing(items, size), in_order(items, size))
    chosen, other = (ways[1], ways[0]) if in_date_order else ways
    job, first = new_job("archive"), _next_number(place)
    steps = tuple(
        planning.step(f"{place}/volume-{first + number:04d}", packed, roots, digests) for number, packed in enumerate(chosen)
    )
    return ArchivePlan(
        job=job,
        target=place,
        volume=volume,
        capacity=total,
        steps=steps,
        wasted=wasted(chosen, size),
        volumes_other_way=len(other),
        wasted_other_way=wasted(other, size),
        failed=tuple(planning.failed),
    )


def _require_names(items: Iterable[Packable]) -> None:
    """Raise NotSupported for a name that no disc can have, before anything is moved."""
    for name in {name for item in items for path in item.files for name in path.split("/")}:
        udf.encoded(name)


def _next_number(target: str) -> int:
    """The number behind the last volume that is there, burned ones among them."""
    try:
        names = os.listdir(target)  # noqa: PTH208  names alone are wanted
    except FileNotFoundError:
        return 1
    found = [int(name[7:11]) for name in names if name.startswith("volume-") and name[7:11].isdigit()]
    return max(found, default=0) + 1


class _Planning:
    def __init__(self, size: int, workers: Workers, progress: Progress, masters: Masters) -> None:
        self._size = size
        self._workers = workers
        self._progress = progress
        self._masters = masters
        self._entries: dict[str, Entry] = {}
        self.failed: list[Failure] = []

    def items(self, root: str) -> Iterator[Packable]:
        """What of a tree goes together."""
        inside: dict[str, list[str]] = {}
        below: dict[str, list[str]] = {}
        for listed in list_tree(root, self._workers, signed=False):
            self.failed += listed.unread
            for listing in listed.listings:
                self.failed += listing.failed
                below[listing.path] = [join(listing.path, name) for name in listing.folders]
                inside[listing.path] = [join(listing.path, entry.name) for entry in listing.entries or ()]
                self._entries.update((join(listing.path, entry.name), entry) for entry in listing.entries or ())
        yield from self._parted(root, inside, below)

    def _parted(self, folder: str, inside: dict[str, list[str]], below: dict[str, list[str]]) -> Iterator[Packable]:
        """A folder whole where it fits; else its folders, and what lies in it."""
        whole = list(_all(folder, inside, below))
        if not whole:
            return
        if self._room(whole) <= self._size:
            yield Packable(folder, self._room(whole), tuple(whole))
            return
        for child in below.get(folder, ()):
            yield from self._parted(child, inside, below)
        own = inside.get(folder, [])
        if own and self._room(own) <= self._size:
            yield Packable(folder, self._room(own), tuple(own))
        elif own:
            yield from self._clips(own)

    def _clips(self, own: list[str]) -> Iterator[Packable]:
        for unit in Units(()).of(own):
            paths = [path for path, _ in unit.files]
            size = self._room(paths)
            if size <= self._size:
                yield Packable(paths[0], size, tuple(paths))
                continue
            reason = f"{printable(paths[0])} takes {size} bytes with all that belongs to it, a volume has {self._size}; it stays."
            self.failed.append(Failure(path=paths[0], reason=reason, status=IN_PART))

    def _room(self, paths: Iterable[str]) -> int:
        return sum(room(self._entries[path].size, path) for path in paths)

    def digests(self, items: Iterable[Packable]) -> dict[str, str]:
        wanted = [Wanted(path, *self._entries[path][1:4]) for item in items for path in item.files]
        self._progress.expect(Phase.READING, sum(file.size for file in wanted))
        found: dict[str, str] = {}
        parts = list(hashing.batches(wanted))
        for part, results in zip(parts, self._workers.read(_read_all, parts), strict=True):
            for file, result in zip(part, results, strict=True):
                if result.digests is not None:
                    found[file.path] = result.digests[KEY]
                elif result.failure is not None:
                    self.failed.append(result.failure)
            self._progress.add(Phase.READING, sum(file.size for file in part))
        return found

    def step(self, place: str, packed: Sequence[Packable], roots: Sequence[str], digests: dict[str, str]) -> VolumeStep:
        paths = sorted(path for item in packed for path in item.files)
        moves = tuple(
            Move(
                from_=path,
                to=f"{place}/{_below(path, roots)}",
                same_as=None,
                size=self._entries[path].size,
                identity=identity_of_entry(self._entries[path]),
            )
            for path in paths
        )
        return VolumeStep(
            name=place.rpartition("/")[2],
            size=sum(move.size for move in moves),
            moves=moves,
            digests=tuple(digests[path] for path in paths),
            filled=sum(item.size for item in packed),
        )


def _all(folder: str, inside: dict[str, list[str]], below: dict[str, list[str]]) -> Iterator[str]:
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        yield from inside.get(path, ())
        waiting += below.get(path, ())


def _below(path: str, roots: Sequence[str]) -> str:
    """A path from the name of the source that it is in."""
    root = next(root for root in roots if path.startswith(join(root, "")))
    return path[len(root.rpartition("/")[0]) + 1 :]


def archive(
    sources: Sequence[Path],
    target: Path,
    *,
    volume: str,
    in_date_order: bool = False,
    full: bool = False,
    image: bool = False,
    masters: Sequence[Path] = (),
    progress: Progress | None = None,
) -> Archived:
    """Complete what a killed run has left in the target, then plan and make the volumes."""
    shown = progress or quiet()
    place = Path(os.path.realpath(target))
    before = []
    for job in unfinished(place) if target.is_dir() else ():
        with Moving.again(place, job, shown) as moving:
            moving.go_on(_Sealing(place, {}))
        before.append(moving)
    options = {"volume": volume, "in_date_order": in_date_order, "full": full, "image": image}
    plan = plan_archive(sources, target, masters=masters, progress=shown, **options)  # type: ignore[arg-type]  # as above
    done = apply_archive(plan, before=before, progress=shown)
    if not image:
        return done
    made, failed = make_images(place, SIZES.get(volume.lower(), plan.capacity), shown)
    return replace(done, images=tuple(made), failed=(*done.failed, *failed))


def apply_archive(plan: ArchivePlan, *, before: Sequence[Moving] = (), progress: Progress | None = None) -> Archived:
    """Move what is planned onto its volumes."""
    begun = time.monotonic()
    jobs = list(before)
    if plan.steps:
        place = Path(plan.target)
        digests = {move.to: digest for step in plan.steps for move, digest in zip(step.moves, step.digests, strict=True)}
        with Moving.begin(place, plan.job, Masters({}), progress or quiet()) as moving:
            moving.write_down(group for step in plan.steps for group in _together(step.moves))
            moving.go_on(_Sealing(place, digests))
        jobs.append(moving)
    moved = tuple(move for job in jobs for move in job.moved)
    return Archived(
        job=jobs[-1].job if jobs else None,
        volumes=tuple(_volumes(Path(plan.target), moved)),
        moved=moved,
        capacity=plan.capacity,
        wasted=plan.wasted,
        volumes_other_way=plan.volumes_other_way,
        wasted_other_way=plan.wasted_other_way,
        images=(),
        failed=(*plan.failed, *(failure for job in jobs for failure in job.failed)),
        seconds=time.monotonic() - begun,
    )


def _together(moves: Iterable[Move]) -> Iterator[tuple[str, tuple[Move, ...]]]:
    """(folder, its files): what lies in one folder of a volume moves together or not at all, clips with their sidecars so too."""
    folders: dict[str, list[Move]] = {}
    for move in moves:
        folders.setdefault(move.from_.rpartition("/")[0], []).append(move)
    return ((folder, tuple(inside)) for folder, inside in folders.items())


def as_planned(plan: ArchivePlan) -> Archived:
    """What a dry run says."""
    moved = tuple(Moved(from_=move.from_, to=move.to, size=move.size) for step in plan.steps for move in step.moves)
    return Archived(
        job=None,
        volumes=tuple(_volumes(Path(plan.target), moved)),
        moved=moved,
        capacity=plan.capacity,
        wasted=plan.wasted,
        volumes_other_way=plan.volumes_other_way,
        wasted_other_way=plan.wasted_other_way,
        images=(),
        failed=plan.failed,
    )


def _by_volume(target: Path, moved: Iterable[Moved]) -> dict[str, list[Moved]]:
    found: dict[str, list[Moved]] = {}
    for move in moved:
        found.setdefault(move.to[len(os.fspath(target)) + 1 :].partition("/")[0], []).append(move)
    return found


def _volumes(target: Path, moved: Iterable[Moved]) -> Iterator[Volume]:
    for name, moves in sorted(_by_volume(target, moved).items()):
        yield Volume(
            path=os.fspath(target / name),
            files=len(moves),
            bytes=sum(move.size for move in moves),
            filled=sum(room(move.size, move.from_) for move in moves),
        )


class _Sealing:
    """Gives each volume its index and checksums, and the mark that it is not burned yet."""

    def __init__(self, target: Path, digests: dict[str, str]) -> None:
        self._target = target
        self._digests = digests

    def __call__(self, moved: Sequence[Moved]) -> None:
        for name, moves in _by_volume(self._target, moved).items():
            folder = self._target / name
            made = [self._entry(folder, move) for move in sorted(moves, key=lambda move: move.to)]
            entries = [entry for entry in made if entry is not None]
            write_index(folder / INDEX, entries)
            lines = b"".join(_line(entry) for entry in entries)
            files.write_atomically(folder / CHECKSUMS, lines, replace=True)
            if not (self._target / f"{name}.{BURNED}").exists():
                files.write_atomically(self._target / f"{name}.{UNBURNED}", b"This volume is not burned yet.\n", replace=True)

    def _entry(self, folder: Path, move: Moved) -> IndexEntry | None:
        digest = self._digests.get(move.to)
        if digest is None:
            status = Path(move.to).stat()
            (found,) = hashing.read_all([Wanted(move.to, status.st_size, status.st_mtime_ns, status.st_ino)], (KEY,))
            digest = None if found.digests is None else found.digests[KEY]
        below = move.to[len(os.fspath(folder)) + 1 :]
        return None if digest is None else IndexEntry(path=below, hash=digest, size=move.size)


def _line(entry: IndexEntry) -> bytes:
    """As `xxhsum -H2` writes it, and `library verify` reads it."""
    escaped = entry.path.replace("\\", "\\\\").replace("\n", "\\n")
    return os.fsencode(f"{'' if escaped == entry.path else chr(92)}{entry.hash}  {escaped}\n")


def _read_all(batch: Sequence[Wanted]) -> list[hashing.Read]:
    return hashing.read_all(batch, (KEY,))
