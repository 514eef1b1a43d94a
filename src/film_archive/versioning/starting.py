"""Beginning: a new repository, bare or in a work tree, and the branch of a folder's files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.names import member_name
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import printable
from film_archive.versioning.commits import store_commit
from film_archive.versioning.elsewhere import Elsewhere
from film_archive.versioning.entries import Entry, EntryKind
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.opened import INSIDE
from film_archive.versioning.refs import Branch, require_branch_name, user
from film_archive.versioning.repository import MAIN, Repository, beside, new_branch, stored_file
from film_archive.versioning.scanning import is_skipped
from film_archive.versioning.tree import Tree
from film_archive.versioning.worktree import WorkTree, find_worktree


def begin(
    folder: Path, branch: str = MAIN, *, bare: bool = False, elsewhere: Elsewhere | None = None
) -> WorkTree | None:
    """Make a repository: in a folder, which becomes a work tree on an empty branch, or bare (None then).

    Raises Refused where the folder is in a work tree already, a bare one is not empty, or the branch is there and not empty.
    """
    if bare:
        Repository(folder, elsewhere).begin().close()
        return None
    require_branch_name(branch)
    there = find_worktree(folder)
    if there is not None:
        raise Refused(f"{printable(folder)} is in the work tree {printable(there)} already; nothing was changed.")
    with files.explaining(f"make the folder {printable(folder)}"):
        folder.mkdir(parents=True, exist_ok=True)
    repository = Repository(folder / INSIDE, elsewhere)
    repository.begin()
    known = [known for known in repository.branches() if known.name == branch]  # of a run that was killed here
    if known and len(repository.tree(known[0].id)):
        raise Refused(
            f"The repository has a branch {branch!r} already; {printable(folder / INSIDE)} leads to it now. Check the branch out "
            f"with `film-archive repo checkout {branch} FOLDER --repo {printable(folder)}`."
        )
    made = known[0] if known else repository.empty_branch(branch)
    return WorkTree.create(folder, repository, made, made.head)


def branch_from_folder(
    repository: Repository, folder: Path, name: str, description: str = "", progress: Progress | None = None
) -> Branch:
    """A branch with the files of a folder, which are stored (shared where the file system can).

    Raises Refused where two paths clash, SourceChanged, NoSpace.
    """
    require_branch_name(name)
    count = (progress or quiet()).counting(Phase.WRITING)
    opened = repository.begin()
    entries: dict[str, Entry] = {}
    with opened.adding() as adding:
        for place, relative, is_folder in files_below(folder, ""):
            path, raw_name = member_name(relative)
            more = {} if raw_name is None else {"raw_name": raw_name.hex()}
            if is_folder:
                entries[path] = Entry(path, EntryKind.FOLDER, mode=0o755, more=more)
            else:
                entries[path] = stored_file(adding, Path(place), path, count)._replace(more=more)
        objects = opened.objects()
        beside(Tree.empty(Nodes(objects)), entries)
        tree = Tree.of(Nodes(objects), entries.values())
        commit = store_commit(objects, tree, (), None, user(), f"Branch {name} from {printable(folder.name)}")
        branch = new_branch(name, description, folder.absolute(), "", None, commit.id)
        adding.settle()
        with opened.database.transaction() as transaction:
            adding.write(transaction)
            objects.write(transaction)
            opened.refs.create(transaction, branch, commit.message)
    return branch


def files_below(place: Path | str, before: str) -> Iterator[tuple[str, str, bool]]:
    """(path on disk, relative path, whether it is an empty folder) of files below; links and what is no file are left."""
    with files.explaining(f"look through {printable(place)}"):
        items = sorted(os.scandir(place), key=lambda item: item.name)
    found = False
    for item in items:
        if is_skipped(item.name):
            continue
        found = True
        if item.is_dir(follow_symlinks=False):
            yield from files_below(item.path, f"{before}{item.name}/")
        elif item.is_file(follow_symlinks=False):
            yield item.path, before + item.name, False
    if not found and before:
        yield str(place), before.rstrip("/"), True
