"""A repository of branches: what `ArchiveBranchManager` and the command line do, done here and now.

Order of writing: content, nodes, commit, ref. So a reader never finds a ref to what is not there, and what a kill
leaves behind is only what `cleanup` removes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.core.names import is_own, require_member_path
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.source import FileSource, printable
from film_archive.versioning.commits import Commit, history, load_commit, merge_bases, store_commit
from film_archive.versioning.contents import Adding
from film_archive.versioning.differences import Differences, differences_of
from film_archive.versioning.elsewhere import Elsewhere
from film_archive.versioning.entries import Entry, EntryKind, sort_key
from film_archive.versioning.merge import Conflict, Merge, Resolution, Settling, merge_trees, settling
from film_archive.versioning.metadata import Objects
from film_archive.versioning.naming import Naming
from film_archive.versioning.node_store import Nodes
from film_archive.versioning.opened import Changes, OpenRepository, begin_repository, is_repository, open_repository
from film_archive.versioning.patterns import matches
from film_archive.versioning.refs import Branch, Moved, require_branch_name, user
from film_archive.versioning.tree import Change, Tree

if TYPE_CHECKING:  # what reads archives is loaded where one is read
    from film_archive.versioning.archives import FindArchive

MAIN = "main"
"""The branch that a new work tree is on."""


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What became of a merge. With conflicts that nothing settled, `merged` is False and nothing was changed."""

    merged: bool
    commit: str | None
    """The target's newest commit, if it was merged."""
    changed: tuple[str, ...]
    """Paths that the target got, or would get, from the source."""
    conflicts: tuple[Conflict, ...]
    """Those that were settled, too."""
    changes: tuple[Change, ...] = ()
    """The same with both sides: the target's before and after."""


class _Merging(NamedTuple):
    """A merge that was worked out."""

    merge: Merge
    tree: Tree
    """What the target holds."""
    parents: tuple[Commit, Commit]
    target: Branch
    objects: Objects
    message: str


class Repository:
    """A folder of branches. Nothing is made before the first branch is, or `begin`.

    `elsewhere` says where metadata and contents shall lie of one that is not there yet, if not in the folder.
    """

    def __init__(self, root: Path, elsewhere: Elsewhere | None = None) -> None:
        self.root = Path(root)
        self._find_archive: FindArchive | None = None
        self._elsewhere = elsewhere
        self._opened: OpenRepository | None = None

    @property
    def exists(self) -> bool:
        return is_repository(self.root)

    @property
    def opened(self) -> OpenRepository:
        """What it consists of; raises NotFound where it was not begun."""
        if self._opened is None:
            self._opened = replace(open_repository(self.root), find_archive=self._find_archive)
        return self._opened

    def look_for_archives(self, find: FindArchive) -> None:
        """From now on ask this, too, where an archive may be that lends bytes and was moved."""
        self._find_archive = find
        if self._opened is not None:
            self._opened = replace(self._opened, find_archive=find)

    def begin(self) -> OpenRepository:
        """Make it where it is not there yet; raises Refused where the folder holds something else."""
        if self._opened is None:
            begun = begin_repository(self.root, self._elsewhere)
            self._opened = replace(begun, find_archive=self._find_archive)
        return self._opened

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    # branches

    def create_branch(self, archive_path: Path, name: str, description: str = "", parent_id: str | None = None) -> Branch:
        """A branch of an archive, of which only the manifest or directory is read; or of a branch of it, by one row.

        Raises UsageError for a name that can't be, Refused where a branch has it, NotFound where archive or parent are
        missing.
        """
        require_branch_name(name)
        path = archive_path.absolute()
        if parent_id is not None:
            return self._branch_of(self.branch(parent_id), path, name, description)
        from film_archive.archive.reader import open_archive
        from film_archive.versioning.archives import Places, entries_of, identity_of

        with open_archive(path) as archive:
            identity = identity_of(archive)
            repository = self.begin()
            with repository.database.sharing():
                objects = repository.objects()
                tree = Tree.of_sorted(Nodes(objects), entries_of(archive))
                message = f"Branch {name} from {printable(path.name)}"
                commit = store_commit(objects, tree, (), None, user(), message)
                branch = new_branch(name, description, path, identity, None, commit.id)
                with repository.database.transaction() as transaction:
                    Places(repository.database).note(transaction, identity, path)
                    objects.write(transaction)
                    repository.refs.create(transaction, branch, commit.message)
        return branch

    def _branch_of(self, parent: Branch, path: Path, name: str, description: str) -> Branch:
        from film_archive.versioning.archives import Places

        places = Places(self.opened.database).of(parent.archive_id) if parent.archive_id else []
        known = {os.path.realpath(place) for place in (parent.archive_path, *places) if place is not None}
        if os.path.realpath(path) not in known:
            origin = "no archive" if parent.archive_path is None else printable(parent.archive_path)
            raise Refused(
                f"The branch {parent.name!r} is of {origin} and not of {printable(path)}; "
                "nothing was changed. Name the parent's archive, or branch without a parent."
            )
        branch = new_branch(name, description, path, parent.archive_id, parent.id, parent.head)
        return self._publish_new(branch, f"Branch {name} from {parent.name}")

    def branch_from(self, start: str, name: str, description: str = "") -> Branch:
        """A branch of a branch (by name or id) or of any commit (by the beginning of its id): one row."""
        require_branch_name(name)
        repository = self.opened
        try:
            parent: Branch | None = repository.refs.named(start)
        except NotFound:
            parent = None
        head = repository.refs.resolve(start)
        branch = new_branch(
            name,
            description,
            None if parent is None else parent.archive_path,
            "" if parent is None else parent.archive_id,
            None if parent is None else parent.id,
            head,
        )
        return self._publish_new(branch, f"Branch {name} from {start}")

    def empty_branch(self, name: str, description: str = "") -> Branch:
        """A branch that holds nothing yet."""
        require_branch_name(name)
        repository = self.begin()
        objects = repository.objects()
        commit = store_commit(objects, Tree.empty(Nodes(objects)), (), None, user(), f"Begin {name}")
        branch = new_branch(name, description, None, "", None, commit.id)
        with repository.database.sharing(), repository.database.transaction() as transaction:
            objects.write(transaction)
            repository.refs.create(transaction, branch, commit.message)
        return branch

    def _publish_new(self, branch: Branch, message: str) -> Branch:
        repository = self.opened
        with repository.database.sharing(), repository.database.transaction() as transaction:
            repository.refs.create(transaction, branch, message)
        return branch

    def remove_branch(self, branch_id: str) -> Branch:
        """Remove a branch. Its commits stay for as long as the reflog is kept; `branch_from` brings them back."""
        repository = self.opened
        branch = repository.refs.get(branch_id)
        at = [checkout for checkout in repository.stages.checkouts() if checkout.branch == branch_id and checkout.path.is_dir()]
        if at:
            raise Refused(f"The branch {branch.name!r} is checked out in {printable(at[0].path)}; nothing was changed.")
        with repository.database.transaction() as transaction:
            repository.refs.remove(transaction, branch)
            repository.stages.drop(transaction, branch_id)
        return branch

    def branch(self, branch_id: str) -> Branch:
        """The branch of this id; raises NotFound."""
        if self._opened is None and not self.exists:
            raise NotFound(f"There is no branch with the id {branch_id!r} in the repository {printable(self.root)}.")
        return self.opened.refs.get(branch_id)

    def branches(self) -> list[Branch]:
        """All branches, oldest first."""
        return self.opened.refs.all() if self.exists else []

    def locate_archive(self, path: Path) -> str:
        """Tell where an archive is that was moved; returns its id. Raises NotFound where no branch borrows from it."""
        from film_archive.archive.reader import open_archive
        from film_archive.versioning.archives import Places, identity_of

        path = path.absolute()
        with open_archive(path) as archive:
            identity = identity_of(archive)
        places = Places(self.opened.database)
        if not places.of(identity):
            raise NotFound(f"Nothing is borrowed from {printable(path)}; its id is {identity}.")
        with self.opened.database.transaction() as transaction:
            places.note(transaction, identity, path)
        return identity

    # changes

    def add_file(self, branch_id: str, path: Path, name: str) -> Branch:
        """Store a file's content and commit it under a path of the branch, in the place of what was there.

        Raises NotFound, Refused where the path can't be beside others, SourceChanged, NoSpace.
        """
        require_path(name)
        self.branch(branch_id)
        with self.opened.adding() as adding:
            entry = stored_file(adding, path, name)
            return self.opened.commit(
                branch_id, lambda tree: beside(tree, {name: entry}), f"Add {printable(name)}", adding=adding
            )

    def remove_file(self, branch_id: str, name: str) -> Branch:
        """Commit the branch without a path; raises NotFound where it does not have it. No bytes are removed."""

        def removing(tree: Tree) -> Changes:
            if tree.get(name) is None:
                raise NotFound(f"The branch has no {printable(name)}; nothing was changed.")
            return {name: None}

        self.branch(branch_id)
        with self.opened.database.sharing():
            return self.opened.commit(branch_id, removing, f"Remove {printable(name)}")

    # staging

    def stage_files(
        self, owner: str, files: Iterable[tuple[Path, str]], base: Tree, progress: Progress | None = None
    ) -> dict[str, Entry]:
        """Store files' contents and stage them under paths, for the owner's next commit; returns what was staged.

        Raises Refused where a path can't be beside others of the tree or the stage.
        """
        count = (progress or quiet()).counting(Phase.WRITING)
        repository = self.opened
        with repository.adding() as adding:
            staged = {name: stored_file(adding, path, name, count) for path, name in files}
            beside(base, {**repository.stages.get(owner), **staged}, staged)
            adding.settle()
            with repository.database.transaction() as transaction:
                adding.write(transaction)
                repository.stages.put(transaction, owner, staged)
        return staged

    def stage(self, owner: str, changes: Changes, base: Tree) -> None:
        """Stage changes whose contents are stored already."""
        repository = self.opened
        beside(base, {**repository.stages.get(owner), **changes}, changes)
        with repository.database.sharing(), repository.database.transaction() as transaction:
            repository.stages.put(transaction, owner, changes)

    def commit_stage(self, branch_id: str, owner: str, message: str, *, expected: str | None = None) -> Branch:
        """Commit what an owner has staged; raises Refused where nothing is, or where it no longer fits the branch.

        With `expected` the branch has to be at that commit, else Moved is raised.
        """
        repository = self.opened
        with repository.database.sharing():
            changes = repository.stages.get(owner)
            if not changes:
                raise Refused("Nothing is staged; `film-archive repo add` stages files.")
            return repository.commit(
                branch_id, lambda tree: beside(tree, changes), message, stage=owner, expected=expected
            )

    # merging

    def merge(self, source_id: str, target_id: str, conflict_resolution: str | None = None) -> MergeResult:
        """Bring a branch's changes into another; see `merge.py`."""
        return self.merge_with(source_id, target_id, settling(Resolution.named(conflict_resolution)))

    def merge_with(
        self, source: str, target_id: str, settle: Settling, *, dry_run: bool = False, message: str | None = None
    ) -> MergeResult:
        """The same with a resolution for each path; a dry run only says what would become of it.

        `source` is a branch's id or name, or a commit.
        """
        repository = self.opened
        target_name = repository.refs.get(target_id).id
        if source == target_name:
            raise UsageError("A branch can't be merged into itself; nothing was changed.")
        with repository.database.sharing():
            while True:
                try:
                    return self._merge(source, repository.refs.get(target_id), settle, dry_run, message)
                except Moved:
                    continue

    def _merge(
        self, source: str, target: Branch, settle: Settling, dry_run: bool, message: str | None
    ) -> MergeResult:
        repository = self.opened
        objects = repository.objects()
        head = repository.refs.resolve(source)
        name = self._name_of(source)
        bases = merge_bases(objects, head, target.head)
        if any(base.id == head for base in bases):
            return MergeResult(True, target.head, (), ())
        nodes = Nodes(objects)
        trees = [Tree.load(nodes, base.tree) for base in bases] or [Tree.empty(nodes)]
        theirs, ours = load_commit(objects, head), load_commit(objects, target.head)
        tree = Tree.load(nodes, ours.tree)
        merge = merge_trees(trees, Tree.load(nodes, theirs.tree), tree, settle, name)
        job = _Merging(merge, tree, (ours, theirs), target, objects, message or f"Merge {name} into {target.name}")
        if not any(conflict.resolution is Resolution.CONTENT for conflict in merge.conflicts):
            return self._merged(job, dry_run, None)
        from film_archive.versioning.content_merging import merge_contents

        with repository.adding() as adding:
            merge_contents(repository, merge, adding)
            return self._merged(job, dry_run, adding)

    def _merged(self, job: _Merging, dry_run: bool, adding: Adding | None) -> MergeResult:
        conflicts = tuple(job.merge.conflicts)
        if not job.merge.is_settled:
            return MergeResult(False, None, (), conflicts)
        changed = tuple(sorted(job.merge.changes))
        merged = job.tree.with_changes(job.merge.changes)
        changes = tuple(job.tree.changes_to(merged).values())
        if dry_run:
            return MergeResult(True, None, changed, conflicts, changes)
        commit = store_commit(job.objects, merged, job.parents, changes, user(), job.message)
        if adding is not None:
            adding.settle()
        self.opened.publish(job.target, commit, job.objects, changes, adding=adding)
        return MergeResult(True, commit.id, changed, conflicts, changes)

    def _name_of(self, source: str) -> str:
        try:
            return self.opened.refs.named(source).name
        except NotFound:
            return source[:12]

    # what there is

    def tree(self, branch_id: str) -> Tree:
        """What a branch holds now."""
        branch = self.branch(branch_id)
        return self.opened.tree_of(self.opened.objects(), branch.head)

    def tree_at(self, text: str) -> Tree:
        """What a branch or commit holds."""
        return self.opened.tree_of(self.opened.objects(), self.opened.refs.resolve(text))

    def differences(self, branch_id: str, other_id: str | None = None) -> Differences:
        """What a branch has otherwise than another one, or than it had when it was made."""
        branch = self.branch(branch_id)
        before = branch.first if other_id is None else self.branch(other_id).head
        return self.differences_between(before, branch.head)

    def differences_between(self, before: str, after: str) -> Differences:
        """What a commit or branch has otherwise than an earlier one."""
        repository = self.opened
        objects = repository.objects()
        one = repository.tree_of(objects, repository.refs.resolve(before))
        other = repository.tree_of(objects, repository.refs.resolve(after))
        return differences_of(one.changes_to(other).values())

    def history(self, branch_id: str) -> list[Commit]:
        """All commits that led to a branch, newest first, no parent before its child."""
        branch = self.branch(branch_id)
        return list(history(self.opened.objects(), branch.head))

    def entries(self, text: str, patterns: Sequence[str] = ()) -> list[Entry]:
        """What a branch or commit holds; with patterns only what matches one, or lies in a folder that does."""
        return [entry for entry in self.tree_at(text) if matches(entry.path, patterns)]


def stored_file(adding: Adding, path: Path, name: str, on_bytes: Callable[[int], None] | None = None) -> Entry:
    """Store a file's content; the entry that it is under a path."""
    with FileSource(path) as source:
        status = source.status
        blob = adding.add(source, name, on_bytes=on_bytes)
    return Entry(
        name, EntryKind.FILE, blob.size, status.st_mtime_ns, status.st_mode & 0o777, blob.key, blob.address
    )


def beside(tree: Tree, changes: Changes, asked: Mapping[str, Entry | None] | None = None) -> Changes:
    """The changes, if each path that they bring can be beside the others; raises Refused where one can't.

    `asked` are those that are looked at, where the others were looked at before.
    """
    naming = Naming(tree, changes)
    coming: dict[str, str] = {}
    for path, change in changes.items():
        if change is not None:
            coming.setdefault(sort_key(path), path)
    for name, entry in (changes if asked is None else asked).items():
        if entry is None:
            continue
        there = tree.alike(name)  # which the change of the same key hides
        stays = there is not None and there.path != name and changes.get(there.path, there) is not None
        twin = coming[sort_key(name)]
        others = [
            *((there.path,) if there is not None and stays else ()),
            *((twin,) if twin != name else ()),
            *(other.path for other in naming.clashing(entry)),
        ]
        if others:
            raise Refused(
                f"{printable(name)} can't be beside {printable(others[0])} in one archive; nothing was changed."
            )
    return changes


def require_path(name: str) -> str:
    """A path of a tree as a user gives it, checked."""
    require_member_path(name)
    if is_own(name):
        raise Refused(f"{printable(name)} is a place of our own; nothing was changed.")
    return name


def new_branch(
    name: str, description: str, path: Path | None, archive: str, parent: str | None, head: str
) -> Branch:
    """A branch that is not in any repository yet, with an id of its own."""
    return Branch(
        id=os.urandom(8).hex(),
        name=name,
        description=description,
        archive_path=path,
        archive_id=archive,
        parent=parent,
        first=head,
        head=head,
        created=datetime.now(UTC),
    )
