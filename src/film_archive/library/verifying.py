"""Verifying folders against the lists in them: ASC MHL histories, classic `.mhl`, `.md5`, `.xxh`.

Each result is kept in the catalog with its date. What was verified longest ago comes first, so that a run with a budget
begins where the last one stopped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from film_archive.catalog.catalog import Catalog
from film_archive.catalog.lookup import looking
from film_archive.catalog.rows import Holder
from film_archive.core import devices, files
from film_archive.core.digest import ALGORITHMS, digest_source
from film_archive.core.errors import Damaged, FilmArchiveError, NotFound
from film_archive.core.executors.inline import InlineExecutor
from film_archive.core.job import IN_PART, Failure, Report, status_of
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.library import mhl
from film_archive.library.checksum_lists import READERS, read_list
from film_archive.library.listing import join, list_tree

_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Record):
    """A file that is not as a list says."""

    path: str
    """The file."""
    outcome: str
    """"differs", "missing" or "unreadable"."""
    lists: tuple[str, ...]
    """The lists that name it."""
    what: str
    """What was found, one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Report):
    """What a verification found."""

    folder: str
    """The folder."""
    lists: tuple[str, ...]
    """The lists and histories that were read."""
    files: int
    """Files that they name."""
    verified: int
    """Files that are as they say."""
    bytes: int
    """Bytes that were read."""
    left: int
    """Files that the budget left for the next run."""
    unlisted: int
    """Files that no list names."""
    faults: tuple[Fault, ...]
    """Files that are not as the lists say."""
    failed: tuple[Failure, ...]
    """Lists that could not be read."""

    @property
    def exit_status(self) -> int:
        if any(fault.outcome != "unreadable" for fault in self.faults):
            return Damaged.exit_status
        if self.faults:
            return 6
        return status_of(self.failed, any_done=bool(self.verified)) or (IN_PART if self.left else 0)


@dataclass
class _Expected:
    """What the lists say of one file; all of it is to hold."""

    size: int | None = None
    digests: dict[str, frozenset[str]] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)
    contradicted: bool = False

    def add(self, size: int | None, digests: Mapping[str, frozenset[str]], name: str) -> None:
        self.size = size if self.size is None else self.size
        self.lists.append(name)
        for algorithm, values in digests.items():
            both = self.digests.get(algorithm, values) & values
            self.contradicted |= not both
            self.digests[algorithm] = both or values


def verify(
    folder: Path, catalog: Catalog | None = None, *, budget: float | None = None, progress: Progress | None = None
) -> Verified:
    """Read what the lists below a folder name, for so many seconds at most, and compare.

    Raises NotFound where the folder, or any list in it, is missing.
    """
    begun = time.monotonic()
    if not folder.is_dir():
        raise NotFound(f"There is no folder {printable(folder)}.")
    run = _Verifying(os.path.realpath(folder), progress or quiet())
    run.read_lists()
    if not run.lists:
        reason = f"There is no list of checksums in {printable(folder)}: no ASC MHL history, no .mhl, .md5 or .xxh."
        raise NotFound(run.failed[0].sentence() if run.failed else reason)
    order = sorted(run.expected)
    places = None if catalog is None else _Places(catalog, folder)
    if places is not None:
        ages = places.ages()
        order.sort(key=lambda path: ages.get(path, 0))
    run.progress.expect(Phase.VERIFYING, sum(each.size or 0 for each in run.expected.values()))
    outcomes: dict[str, str] = {}
    left = 0
    for number, path in enumerate(order):
        if budget is not None and time.monotonic() - begun >= budget and number:
            left = len(order) - number
            break
        outcomes[path] = run.check(path)
        if places is not None and len(outcomes) % _BATCH == 0:
            places.keep(outcomes)
    if places is not None:
        places.keep(outcomes)
    return Verified(
        folder=run.root,
        lists=tuple(run.lists),
        files=len(order),
        verified=sum(outcome == "ok" for outcome in outcomes.values()),
        bytes=run.bytes,
        left=left,
        unlisted=len(run.present - run.expected.keys()),
        faults=tuple(run.faults),
        failed=tuple(run.failed),
        seconds=time.monotonic() - begun,
    )


class _Verifying:
    def __init__(self, root: str, progress: Progress) -> None:
        self.root = root
        self.progress = progress
        self.lists: list[str] = []
        self.expected: dict[str, _Expected] = {}
        """Path → what is said of it."""
        self.present: set[str] = set()
        self.faults: list[Fault] = []
        self.failed: list[Failure] = []
        self.bytes = 0

    def read_lists(self) -> None:
        for listed in list_tree(self.root, InlineExecutor):
            self.failed += listed.unread
            for listing in listed.listings:
                if listing.path.rpartition("/")[2] == mhl.FOLDER:
                    continue
                if mhl.FOLDER in listing.folders:
                    self._try(join(listing.path, mhl.FOLDER), lambda listing=listing: self._history(listing.path))  # type: ignore[misc]
                for entry in listing.entries or ():
                    path = join(listing.path, entry.name)
                    if "." + entry.name.rpartition(".")[2].lower() in READERS and "." in entry.name:
                        self._try(path, lambda path=path: self._list(Path(path)))  # type: ignore[misc]
                    else:
                        self.present.add(path)

    def _try(self, path: str, act: Callable[[], None]) -> None:
        try:
            act()
        except FilmArchiveError as error:
            self.failed.append(Failure.of(path, error))

    def _history(self, folder: str) -> None:
        place = join(folder, mhl.FOLDER)
        entries = list(mhl.read_history(Path(folder)))
        self.lists.append(place)
        for entry in entries:
            digests = {name: frozenset((value.lower() if name != "c4" else value,)) for name, value in entry.digests.items()}
            self._add(folder, entry.path, entry.size, digests, place)

    def _list(self, path: Path) -> None:
        found = read_list(path)
        self.lists.append(os.fspath(path))
        for odd in found.odd:
            self.failed.append(Failure(path=os.fspath(path), reason=f"{printable(path)}: {odd}.", status=11))
        for each in found.files:
            self._add(os.fspath(path.parent), each.path, each.size, each.digests, os.fspath(path))

    def _add(self, folder: str, path: str, size: int | None, digests: Mapping[str, frozenset[str]], name: str) -> None:
        where = os.path.normpath(join(folder, path))
        if not where.startswith(join(self.root, "")):
            reason = f"{printable(name)} names {printable(path)}, which is outside of the folder; it was not looked at."
            self.failed.append(Failure(path=name, reason=reason, status=4))
            return
        self.expected.setdefault(where, _Expected()).add(size, digests, name)

    def check(self, path: str) -> str:
        """The outcome of one file."""
        expected = self.expected[path]
        self.progress.begin(Phase.VERIFYING, path)
        algorithms = [name for name in expected.digests if name in ALGORITHMS]
        if expected.contradicted:
            return self._fault(path, "differs", f"The lists of {printable(path)} contradict each other.")
        if not algorithms:
            return self._fault(path, "unreadable", f"No digest of {printable(path)} is one that can be computed here.")
        try:
            with FileSource(path) as source:
                if expected.size is not None and source.size != expected.size:
                    what = f"{printable(path)} has {source.size} bytes, and should have {expected.size}."
                    return self._fault(path, "differs", what)
                files.drop_cache(source.fileno())
                found = digest_source(source, algorithms, on_bytes=self.progress.counting(Phase.VERIFYING))
                self.bytes += source.size
        except NotFound:
            return self._fault(path, "missing", f"{printable(path)} is missing.")
        except FilmArchiveError as error:
            return self._fault(path, "unreadable", str(error))
        wrong = [name for name, value in found.items() if value not in expected.digests[name]]
        if wrong:
            return self._fault(path, "differs", f"{printable(path)} is not what its {wrong[0]} says: its bytes have changed.")
        return "ok"

    def _fault(self, path: str, outcome: str, what: str) -> str:
        self.faults.append(Fault(path=path, outcome=outcome, lists=tuple(self.expected[path].lists), what=what))
        return outcome


class _Places:
    """Where the results are kept."""

    def __init__(self, catalog: Catalog, folder: Path) -> None:
        self._catalog = catalog
        self._located = devices.locate(folder)
        self._root = os.path.realpath(folder)
        mount = devices.mount_of(folder)
        self._holder: Holder = catalog.device(self._located.device, mount.point)
        self._event = catalog.event("verify", self._root)

    def keep(self, outcomes: dict[str, str]) -> None:
        inner = {self._inner(path): outcome for path, outcome in outcomes.items()}
        self._catalog.verified(self._holder, inner, self._event)

    def ages(self) -> dict[str, int]:
        """Path → when it was verified last, whatever came of it."""
        with looking(self._catalog) as lookup:
            found = lookup.last_results(self._holder, self._located.inner)
        return {self._root + inner[len(self._located.inner.rstrip("/")) :]: at for inner, at in found.items()}

    def _inner(self, path: str) -> str:
        return self._located.inner.rstrip("/") + path[len(self._root.rstrip("/")) :]

