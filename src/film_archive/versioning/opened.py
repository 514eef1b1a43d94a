"""An open repository: its database, its store and what is built on them; and how one is begun and found.

    format               what this folder is
    metadata.sqlite      everything but the bytes of files
    content/             the bytes that are not in an archive
    elsewhere.json       where the last two are, if not here (`elsewhere.py`)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from film_archive.core import files
from film_archive.core.errors import NotFound, NotSupported, Refused
from film_archive.core.source import FileSource, printable
from film_archive.storage.database import Database
from film_archive.storage.locking import locked
from film_archive.versioning.chunk_policy import chunking_of
from film_archive.versioning.commits import Commit, load_commit, store_commit
from film_archive.versioning.contents import Adding, Contents
from film_archive.versioning.elsewhere import CONTENT, FILE, METADATA, Elsewhere, begin_parts, open_parts
from film_archive.versioning.entries import Entry
from film_archive.versioning.locks import Locks
from film_archive.versioning.metadata import Objects
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.refs import Branch, Moved, Refs, user
from film_archive.versioning.stages import Stages
from film_archive.versioning.stores.store import ObjectStore
from film_archive.versioning.tree import Change, Tree, changes_of

if TYPE_CHECKING:  # what reads archives is loaded where one is read
    from film_archive.versioning.archives import FindArchive

INSIDE = ".film-archive-repo"
"""How a repository is called in its work tree."""
_FORMAT = "format"
_FORMAT_LINE = b"film-archive repository 1\n"
_FORMAT_ELSEWHERE = b"film-archive repository 2\n"
"""Of one of which not all lies in its folder: versions that know nothing of that must not take it for an empty one."""
_FORMAT_TEXT = b"This is a repository of film-archive: branches of archives and folders. docs/repository-format.md states it.\n"
_OURS = frozenset(
    (METADATA, f"{METADATA}-wal", f"{METADATA}-shm", f"{METADATA}-journal", "metadata.lock", "begin.lock", CONTENT, FILE)
)

Changes = Mapping[str, Entry | None]
Changing = Callable[[Tree], Changes]


@dataclass(frozen=True, slots=True)
class OpenRepository:
    """What a repository consists of."""

    root: Path
    database: Database
    store: ObjectStore
    contents: Contents
    refs: Refs
    locks: Locks
    stages: Stages
    find_archive: FindArchive | None = None
    """Where to look for archives that were moved."""

    @classmethod
    def of(cls, root: Path, database: Database, store: ObjectStore) -> OpenRepository:
        return cls(
            root, database, store, Contents(database, store), Refs(database), Locks(database), Stages(database)
        )

    def objects(self) -> Objects:
        """Nodes and commits, to read or to put."""
        return Objects(self.database)

    def tree_of(self, objects: Objects, commit_id: str) -> Tree:
        """What a commit holds."""
        return Tree.load(Nodes(objects), load_commit(objects, commit_id).tree)

    @contextlib.contextmanager
    def adding(self) -> Iterator[Adding]:
        """Contents to be stored; what was not settled is dropped."""
        with self.database.sharing():
            adding = Adding(self.contents, chunking_of(self.database))
            try:
                yield adding
            finally:
                adding.forget()

    def commit(
        self,
        branch_id: str,
        changing: Changing,
        message: str,
        *,
        adding: Adding | None = None,
        stage: str | None = None,
        expected: str | None = None,
    ) -> Branch:
        """Make a commit on a branch; who is overtaken by another looks again at what is there by then.

        `adding` has contents that the commit refers to: they are settled first. `stage` is the owner whose stage is done
        with it. `database.sharing()` is held. Raises Refused where a path is locked by another, Moved where the branch
        is not at the commit that is `expected`.
        """
        if adding is not None:
            adding.settle()
        while True:
            branch = self.refs.get(branch_id)
            if expected is not None and branch.head != expected:
                raise Moved(f"The branch {branch.name!r} was moved by another meanwhile; nothing was committed.")
            objects = self.objects()
            head = load_commit(objects, branch.head)
            tree = Tree.load(Nodes(objects), head.tree)
            wanted = changing(tree)
            changed = tree.with_changes(wanted)
            changes = [change for change in changes_of(tree, wanted) if not change.is_nothing]
            if changed.address == tree.address:
                if stage is not None:
                    with self.database.transaction() as transaction:
                        self.stages.drop(transaction, stage)
                return branch
            commit = store_commit(objects, changed, (head,), changes, user(), message)
            try:
                return self.publish(branch, commit, objects, changes, adding=adding, stage=stage)
            except Moved:
                continue

    def publish(
        self,
        branch: Branch,
        commit: Commit,
        objects: Objects,
        changes: Iterable[Change],
        *,
        adding: Adding | None = None,
        stage: str | None = None,
    ) -> Branch:
        """Write a commit and all that it leads to, and move the branch to it, in one transaction; raises Moved, Refused."""
        with self.database.transaction() as transaction:
            self.locks.require_free(transaction, [change.path for change in changes], user(), branch.id)
            if adding is not None:
                adding.write(transaction)
            objects.write(transaction)
            moved = self.refs.move(transaction, branch, commit.id, commit.message)
            if stage is not None:
                self.stages.drop(transaction, stage)
                self.stages.move_checkout(transaction, stage, commit.id)  # of a branch's own stage there is none
        return moved

    def close(self) -> None:
        self.database.close()


def is_repository(root: Path) -> bool:
    """Whether a folder is a repository."""
    return (root / _FORMAT).is_file() and ((root / METADATA).is_file() or (root / FILE).is_file())


def open_repository(root: Path) -> OpenRepository:
    """The repository in a folder; raises NotFound, NotSupported for a later version's, Refused, Damaged."""
    return OpenRepository.of(root, *open_parts(root, _elsewhere(root)))


def _elsewhere(root: Path) -> Elsewhere:
    mark = root / _FORMAT
    if not mark.is_file():
        raise NotFound(f"{printable(root)} is not a repository; make one with `film-archive repo init`.")
    with FileSource(mark) as file:
        line = file.read_at(0, 200).partition(b"\n")[0] + b"\n"
    if line not in (_FORMAT_LINE, _FORMAT_ELSEWHERE):
        raise NotSupported(
            f"{printable(root)} says that it is {line[:40]!r}, which this version does not know; update film-archive."
        )
    return Elsewhere() if line == _FORMAT_LINE else Elsewhere.read(root)


def begin_repository(root: Path, elsewhere: Elsewhere | None = None) -> OpenRepository:
    """Make a repository in a folder that is empty or not there, or open the one that is there; raises Refused.

    Where `elsewhere` names a database that has a repository already, the folder is one more way to that one.
    """
    if (root / _FORMAT).is_file():
        if elsewhere and _elsewhere(root) != elsewhere:
            raise Refused(f"{printable(root)} is a repository already, and lies elsewhere than asked for; nothing was changed.")
        return open_repository(root)
    with files.explaining(f"make the repository {printable(root)}"):
        root.mkdir(parents=True, exist_ok=True)
        others = {place.name for place in root.iterdir() if not files.is_temporary_name(place.name)}
    if others - _OURS - {_FORMAT}:
        raise Refused(f"{printable(root)} is not empty and no repository; nothing was changed.")
    with locked(root / "begin.lock"):
        if not (root / _FORMAT).is_file():
            where = begin_parts(root, elsewhere or Elsewhere())
            if where:
                where.write(root)
            line = _FORMAT_ELSEWHERE if where else _FORMAT_LINE
            files.write_atomically(root / _FORMAT, line + _FORMAT_TEXT, replace=True)
    return open_repository(root)


def find_repository(start: Path) -> Path:
    """The repository that a folder is, has inside it as a work tree, or lies in; raises NotFound."""
    here = start.absolute()
    for folder in (here, *here.parents):
        for place in (folder, folder / INSIDE):
            if is_repository(place):
                return place
    raise NotFound(
        f"{printable(start)} is neither a repository nor in a work tree of one; "
        "make one with `film-archive repo init`, or name it with --repo."
    )
