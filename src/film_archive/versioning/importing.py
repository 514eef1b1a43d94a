"""Importing: what an archive holds, also one that another program made, as a commit on a branch that is there.

Its bytes are borrowed, as those of a first branch are, unless they are asked to be copied in. What the branch has already,
known by its digests, stays as it is; another content of the same path takes its place, and the commit before still has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from film_archive.archive.reader import open_archive
from film_archive.core.errors import UsageError
from film_archive.core.names import check_member_name
from film_archive.core.progress import Progress
from film_archive.core.source import printable
from film_archive.versioning.adopting import Adopted, adopt
from film_archive.versioning.archives import Places, entries_of, identity_of
from film_archive.versioning.differences import Differences, differences_of
from film_archive.versioning.entries import Entry
from film_archive.versioning.merging import require_clean
from film_archive.versioning.opened import Changes
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository, beside, require_path
from film_archive.versioning.switching import switch
from film_archive.versioning.tree import Change, Tree
from film_archive.versioning.worktree import WorkTree


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of it."""

    branch: Branch
    """At the commit that was made, or where it was if it has all of the archive."""
    differences: Differences
    """What the branch got."""
    adopted: Adopted | None
    """What was copied in, if that was asked for."""


def import_archive(
    repository: Repository,
    archive_path: Path,
    target: Branch,
    *,
    folder: str = "",
    message: str | None = None,
    copy: bool = False,
    work: WorkTree | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Commit what an archive holds, below a folder of the branch; `copy` also copies the bytes into the repository.

    Files of a work tree that is on the branch follow. A run that was killed is completed by the same again. Raises
    NotFound, Refused where two paths can't be beside each other, a path is locked or the work tree has changed it.
    """
    path = archive_path.absolute()
    if folder:
        require_path(folder)
    with open_archive(path) as archive:
        identity = identity_of(archive)
        entries = [_below(folder, entry) for entry in entries_of(archive)]
    if not entries:
        raise UsageError(f"{printable(path)} holds nothing that could be imported; nothing was changed.")
    planned = _planned(repository.tree(target.id), entries)
    found = differences_of(planned)
    beside(repository.tree(target.id), {change.path: change.after for change in planned})
    if work is not None and planned:
        require_clean(work, [change.path for change in planned], "import", "imported")
    if dry_run:
        return Imported(target, found, None)
    branch = target
    if planned:
        branch = _commit(repository, target, entries, identity, path, message or f"Import {printable(path.name)}")
    adopted = None
    if copy:
        tree = repository.tree(branch.id)
        there = [entry for entry in entries if entry.archive is not None and tree.get(entry.path) == entry]
        adopted = adopt(repository.opened, there, progress)
    if work is not None and work.base != branch.head:
        switch(work, branch)
    return Imported(branch, found, adopted)


def _below(folder: str, entry: Entry) -> Entry:
    if not folder:
        return entry
    path = f"{folder}/{entry.path}"
    check_member_name(path)
    return entry.at(path)


def _planned(tree: Tree, entries: list[Entry]) -> list[Change]:
    """What has to change on a branch that shall hold these; what it holds already is not among it."""
    changes = (Change(entry.path, tree.get(entry.path), entry) for entry in entries)
    return [change for change in changes if not change.is_nothing]


def _commit(repository: Repository, target: Branch, entries: list[Entry], identity: str, path: Path, message: str) -> Branch:
    opened = repository.opened

    def changing(tree: Tree) -> Changes:
        return beside(tree, {change.path: change.after for change in _planned(tree, entries)})

    with opened.database.sharing():
        with opened.database.transaction() as transaction:  # first: whoever sees the commit knows where its bytes are
            Places(opened.database).note(transaction, identity, path)
        return opened.commit(target.id, changing, message)
