"""Moving what old cartridges hold to a new set, for generations that a new drive can't read: copied, and proven.

The old cartridge is read once, in the order of its blocks. Each file's bytes are held against every digest that the old one
has of it, and read back from the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from film_archive.catalog.catalog import Catalog
from film_archive.core.digest import ALGORITHMS as KNOWN
from film_archive.core.errors import NotFound
from film_archive.core.progress import Progress
from film_archive.core.source import ByteSource, printable
from film_archive.tape.cartridge_lists import is_own
from film_archive.tape.drives.address import DriveAddress
from film_archive.tape.gathering import Gathered, checked
from film_archive.tape.ltfs.feeding import ALGORITHMS
from film_archive.tape.ltfs.tree import DIGEST_KEYS, TapeAttribute, TapeFile
from film_archive.tape.records import FileStatus, StepKind, TapeStep, TapeWritten, WritePlan
from film_archive.tape.set_planning import WriteWishes
from film_archive.tape.shelf import Shelf
from film_archive.tape.volumes import OpenTape
from film_archive.tape.writing import WriteOptions
from film_archive.workflows.taping import apply_set, plan_gathered


@dataclass(frozen=True, slots=True)
class Migration:
    """What is to be moved: the plan of the new set, and the old files by their steps' sources."""

    plan: WritePlan
    files: dict[str, tuple[DriveAddress, str, TapeFile]]
    """Source → (old cartridge, path on it, file)."""


def plan_migration(
    shelf: Shelf,
    old: Sequence[DriveAddress],
    tape_id: str,
    wishes: WriteWishes,
    *,
    catalog: Catalog | None = None,
    drives: Sequence[DriveAddress] = (),
) -> Migration:
    """Lay all files of old cartridges out over a new set, in the order in which they lie. Raises NotFound without any."""
    gathered = Gathered()
    files: dict[str, tuple[DriveAddress, str, TapeFile]] = {}
    for address in old:
        with OpenTape(address) as tape:
            for path, file in tape.in_order():
                if is_own(path):
                    continue
                source = f"{tape.serial}::{path}"
                files[source] = (address, path, file)
                gathered.add(_step(source, path, file, StepKind.FILE))
            for path, file in tape.files():
                if file.target is not None:
                    gathered.add(_step(f"{tape.serial}::{path}", path, file, StepKind.LINK))
    if not files:
        raise NotFound(f"There is no file on {', '.join(map(str, old))}; nothing was planned.")
    plan = plan_gathered(tape_id, checked(gathered), wishes, shelf, catalog, drives=drives)
    return Migration(plan, files)


def _step(source: str, path: str, file: TapeFile, kind: StepKind) -> TapeStep:
    return TapeStep(
        size=file.length, identity=None, source=source, path=path, kind=kind, mtime_ns=file.times.modified,
        readonly=file.readonly, target=file.target,
    )  # fmt: skip


def apply_migration(
    migration: Migration,
    shelf: Shelf,
    options: WriteOptions,
    *,
    catalog: Catalog | None = None,
    progress: Progress | None = None,
) -> TapeWritten:
    """Copy and prove; files that differ from what the old cartridge says of them are told, with exit status 11."""
    said = {name for _, _, file in migration.files.values() for name in file.digests if name in KNOWN and name in DIGEST_KEYS}
    options = replace(options, algorithms=tuple(dict.fromkeys((*ALGORITHMS, *sorted(said)))), verify=True, facts=False)
    old = _Old(migration)
    try:
        done = apply_set(
            migration.plan, shelf, options, catalog=catalog, progress=progress, open_step=old.open, attributes_of=old.attributes
        )
    finally:
        old.close()
    return _proven(migration, shelf, done)


class _Old:
    """The old cartridges, one open at a time."""

    def __init__(self, migration: Migration) -> None:
        self._migration = migration
        self._address: DriveAddress | None = None
        self._tape: OpenTape | None = None

    def open(self, step: TapeStep) -> ByteSource:
        address, path, _ = self._migration.files[step.source]
        if self._tape is None or address != self._address:
            self.close()
            self._tape, self._address = OpenTape(address), address
        return self._tape.open_file(path)

    def attributes(self, step: TapeStep) -> tuple[TapeAttribute, ...]:
        """What the old file has beside digests, which are computed anew."""
        _, _, file = self._migration.files[step.source]
        return tuple(one for one in file.attributes if not one.key.startswith("ltfs.hash."))

    def close(self) -> None:
        if self._tape is not None:
            self._tape.close()
            self._tape = None


def _proven(migration: Migration, shelf: Shelf, done: TapeWritten) -> TapeWritten:
    """Hold the new files' digests against the old ones'."""
    by_path = {step.path: step.source for step in migration.plan.steps if step.kind is StepKind.FILE}
    differing: dict[str, str] = {}
    wanted: dict[str, list[str]] = {}
    for report in done.files:
        if report.status is FileStatus.WRITTEN and report.cartridge is not None:
            wanted.setdefault(report.cartridge, []).append(report.path)
    for serial, paths in wanted.items():
        with OpenTape(shelf.find(serial)) as tape:
            for path, file in tape.in_order(paths):
                source = by_path[path]
                _, _, old = migration.files[source]
                shared = [name for name in old.digests if name in file.digests]
                if any(old.digests[name] != file.digests[name] for name in shared):
                    differing[path] = f"{printable(source)} is not what its cartridge's digest says; it was copied as it is."
    if not differing:
        return done
    files = tuple(
        replace(one, status=FileStatus.DIFFERS) if one.path in differing and one.status is FileStatus.WRITTEN else one
        for one in done.files
    )
    return replace(done, files=files, problems=(*done.problems, *differing.values()), verified=False)
