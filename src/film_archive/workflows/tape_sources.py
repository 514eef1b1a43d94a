"""What a user puts on tape: files and folders, archives of either form as they are, and the files of a branch.

A branch is named REPOSITORY@BRANCH; its files go below a folder of the branch's name, their bytes come from wherever they
lie, and are held against the digests that the branch has of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from film_archive.archive.entries import EPOCH_NS
from film_archive.core.errors import NotFound, UsageError
from film_archive.core.source import ByteSource, printable
from film_archive.tape.gathering import Gathered, checked, gather
from film_archive.tape.records import StepKind, TapeStep
from film_archive.tape.writing import open_source
from film_archive.versioning.entries import Entry, EntryKind
from film_archive.versioning.opened import find_repository, is_repository
from film_archive.versioning.reading import Bytes
from film_archive.versioning.repository import Repository

_SCHEME = "branch:"


def gather_all(sources: Sequence[str | os.PathLike[str]]) -> Gathered:
    """The files of all sources, in their order. Raises what `gather` raises, NotFound for a branch that is not there."""
    paths: list[Path] = []
    branches: list[tuple[Path, str]] = []
    for source in sources:
        text = os.fspath(source)
        named = None if os.path.lexists(text) else _branch(text)
        if named is None:
            paths.append(Path(text))
        else:
            branches.append(named)
    found = gather(paths) if paths else Gathered()
    for root, branch in branches:
        _add_branch(found, root, branch)
    return checked(found) if branches else found


def _branch(text: str) -> tuple[Path, str] | None:
    """(repository, branch) that a text names, or None."""
    place, mark, branch = text.rpartition("@")
    if not mark or not branch or not place or not Path(place).is_dir():
        return None
    return (Path(place) if is_repository(Path(place)) else find_repository(Path(place))), branch


def _add_branch(found: Gathered, root: Path, branch: str) -> None:
    repository = Repository(root)
    try:
        for entry in repository.entries(branch):
            found.add(_step(entry, root, branch))
    finally:
        repository.close()


def _step(entry: Entry, root: Path, branch: str) -> TapeStep:
    kinds = {EntryKind.FILE: StepKind.FILE, EntryKind.FOLDER: StepKind.FOLDER, EntryKind.SYMLINK: StepKind.LINK}
    return TapeStep(
        size=entry.size if entry.is_file else 0,
        source=f"{_SCHEME}{root.resolve()}@{branch}::{entry.path}",
        path=f"{branch}/{entry.path}",
        kind=kinds[entry.kind],
        mtime_ns=EPOCH_NS if entry.mtime_ns is None else entry.mtime_ns,
        readonly=entry.mode is not None and not entry.mode & 0o222,
        target=entry.more.get("target") if entry.kind is EntryKind.SYMLINK else None,
    )


class SourceOpener:
    """Opens what steps are made from; repositories are opened once. Use it as a context."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._branches: dict[str, tuple[Bytes, dict[str, Entry]]] = {}

    def open(self, step: TapeStep) -> ByteSource:
        """A step's bytes. Raises SourceChanged, NotFound, Damaged."""
        if not step.source.startswith(_SCHEME):
            return open_source(step)
        if step.offset is not None:
            raise UsageError(f"{printable(step.source)} is on a branch and can't be split; check the branch out first.")
        place, _, path = step.source.removeprefix(_SCHEME).partition("::")
        found, entries = self._opened(place)
        entry = entries.get(path)
        if entry is None:
            raise NotFound(f"{printable(path)} is not on the branch any more; plan again.")
        return found.source(entry)

    def digests(self, step: TapeStep) -> dict[str, str]:
        """What a branch says that a step's bytes are; nothing of files."""
        if not step.source.startswith(_SCHEME):
            return {}
        place, _, path = step.source.removeprefix(_SCHEME).partition("::")
        entry = self._opened(place)[1].get(path)
        return {} if entry is None else dict(entry.digests)

    def _opened(self, place: str) -> tuple[Bytes, dict[str, Entry]]:
        if place not in self._branches:
            root, _, branch = place.rpartition("@")
            repository = Repository(Path(root))
            self._held.callback(repository.close)
            entries = {entry.path: entry for entry in repository.entries(branch) if entry.is_file}
            self._branches[place] = (self._held.enter_context(Bytes(repository.opened)), entries)
        return self._branches[place]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)
