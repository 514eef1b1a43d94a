"""A repository of branches: everything that `ArchiveBranchManager` offers, done here and now.

    format      what this folder is
    refs/       which commit each branch is at          objects/   commits, trees
    archives/   where archives were seen                content/   the bytes that are not in an archive

Order of writing: content, nodes, commit, ref. So a reader never finds a ref to what is not there, and what a kill
leaves behind is only what `cleanup` removes.
"""

from __future__ import annotations

import os
import pwd
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from film_archive.archive import layout
from film_archive.archive.reader import open_archive
from film_archive.core import files
from film_archive.core.digest import KEY
from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.core.source import FileSource, printable
from film_archive.versioning.archives import Lender, Places, entries_of, identity_of
from film_archive.versioning.commits import Commit, history, load_commit, merge_bases, store_commit
from film_archive.versioning.export import export_tree
from film_archive.versioning.merge import Conflict, Naming, Resolution, merge_trees
from film_archive.versioning.objects import ADDRESS, Kind, ObjectStore
from film_archive.versioning.refs import Branch, Moved, Refs, require_branch_name
from film_archive.versioning.tree import Change, Entry, EntryKind, Tree

_FORMAT = "format"
_FORMAT_TEXT = b"film-archive repository 1\n"

Changes = Mapping[str, Entry | None]


@dataclass(frozen=True, slots=True)
class Differences:
    """What a branch has otherwise than another state: paths in order, and each change with both its sides.

    A file that was removed and one of the same content that was added are a rename and in neither list.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    modified: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    """(from, to)."""
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What became of a merge. With conflicts that nothing settled, `merged` is False and nothing was changed."""

    merged: bool
    commit: str | None
    """The target's newest commit, if it was merged."""
    changed: tuple[str, ...]
    """Paths that the target got from the source."""
    conflicts: tuple[Conflict, ...]
    """Those that were settled, too."""


@dataclass(frozen=True, slots=True)
class StorageSavings:
    """What branches would take as full copies, and what they take. Bytes."""

    branches: int
    referenced: int
    """Of all files of all branches, each branch counted by itself."""
    borrowed: int
    """Of different contents that lie in archives."""
    stored: int
    """Of contents in the repository's own folder."""
    saved: int
    """What full copies would take beyond what is stored."""


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What no branch leads to: how many objects and unfinished files, and their bytes."""

    objects: int
    bytes: int
    removed: bool


class Repository:
    """A folder of branches. Nothing is made before the first branch is."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._objects = ObjectStore(self.root)
        self._refs = Refs(self.root)
        self._places = Places(self.root)

    # branches

    def create_branch(self, archive_path: Path, name: str, description: str, parent_id: str | None = None) -> Branch:
        """A branch of an archive, of which only the manifest or directory is read; or of a branch of it, by one file.

        Raises UsageError for a name that can't be, Refused where a branch has it, NotFound where archive or parent are
        missing.
        """
        require_branch_name(name)
        path = archive_path.absolute()
        if parent_id is not None:
            return self._branch_of(self._refs.get(parent_id), path, name, description)
        self._begin()
        with self._objects.storing():
            with open_archive(path) as archive:
                identity = identity_of(archive)
                tree = Tree.of(self._objects, entries_of(archive))
            self._places.note(identity, path)
            commit = store_commit(self._objects, tree, (), _author(), f"Branch {name} from {printable(path.name)}")
            return self._new(name, description, path, identity, None, commit.id)

    def _branch_of(self, parent: Branch, path: Path, name: str, description: str) -> Branch:
        known = {os.path.realpath(place) for place in (parent.archive_path, *self._places.of(parent.archive_id))}
        if os.path.realpath(path) not in known:
            raise Refused(
                f"The branch {parent.name!r} is of {printable(parent.archive_path)} and not of {printable(path)}; "
                "nothing was changed. Name the parent's archive, or branch without a parent."
            )
        return self._new(name, description, path, parent.archive_id, parent.id, parent.head)

    def _new(
        self, name: str, description: str, path: Path, archive: str, parent: str | None, head: str
    ) -> Branch:
        branch = Branch(
            id=secrets.token_hex(8),
            name=name,
            description=description,
            archive_path=path,
            archive_id=archive,
            parent=parent,
            first=head,
            head=head,
            created=datetime.now(UTC),
        )
        self._refs.create(branch)
        return branch

    def branch(self, branch_id: str) -> Branch:
        return self._refs.get(branch_id)

    def branches(self) -> list[Branch]:
        """All branches, oldest first."""
        return self._refs.all()

    def locate_archive(self, path: Path) -> str:
        """Tell where an archive is that was moved; returns its id. Raises NotFound where no branch borrows from it."""
        path = path.absolute()
        with open_archive(path) as archive:
            identity = identity_of(archive)
        if not self._places.of(identity):
            raise NotFound(f"Nothing is borrowed from {printable(path)}; its id is {identity}.")
        self._places.note(identity, path)
        return identity

    # changes

    def add_file(self, branch_id: str, path: Path, name: str) -> Branch:
        """Store a file's content and commit it under a path of the branch, in the place of what was there.

        Raises NotFound, Refused where the path can't be beside others, SourceChanged, NoSpace.
        """
        layout.require_member_path(name)
        if layout.is_own(name):
            raise Refused(f"{printable(name)} is a place of our own; nothing was changed.")
        self._refs.get(branch_id)
        with self._objects.storing():
            with FileSource(path) as source:
                status = source.status
                content = self._objects.put_content(source)
            entry = Entry(
                path=name,
                size=content.size,
                digests=content.digests,
                mtime_ns=status.st_mtime_ns,
                mode=status.st_mode & 0o777,
            )

            def adding(tree: Tree) -> Changes:
                there = tree.get(name)
                if there is None or there.kind is EntryKind.FOLDER:
                    for other in Naming(tree).clashing(entry):
                        raise Refused(
                            f"{printable(name)} can't be beside {printable(other.path)} in one archive; "
                            "nothing was changed."
                        )
                return {name: entry}

            return self._commit(branch_id, adding, f"Add {printable(name)}")

    def remove_file(self, branch_id: str, name: str) -> Branch:
        """Commit the branch without a path; raises NotFound where it does not have it. No bytes are removed."""

        def removing(tree: Tree) -> Changes:
            if tree.get(name) is None:
                raise NotFound(f"The branch has no {printable(name)}; nothing was changed.")
            return {name: None}

        self._refs.get(branch_id)
        with self._objects.storing():
            return self._commit(branch_id, removing, f"Remove {printable(name)}")

    def _commit(self, branch_id: str, change: Callable[[Tree], Changes], message: str) -> Branch:
        """Make a commit on a branch; who is overtaken by another looks again at what is there by then."""
        while True:
            branch = self._refs.get(branch_id)
            head = load_commit(self._objects, branch.head)
            tree = Tree.load(self._objects, head.tree)
            changed = tree.with_changes(change(tree))
            if changed.address == tree.address:
                return branch
            commit = store_commit(self._objects, changed, (head,), _author(), message)
            try:
                return self._refs.move(branch, commit.id)
            except Moved:
                continue

    def merge(self, source_id: str, target_id: str, conflict_resolution: str | None = None) -> MergeResult:
        """Bring a branch's changes into another; see `merge.py`."""
        resolution = Resolution.named(conflict_resolution)
        if source_id == target_id:
            raise UsageError("A branch can't be merged into itself; nothing was changed.")
        with self._objects.storing():
            while True:
                try:
                    return self._merge(self._refs.get(source_id), self._refs.get(target_id), resolution)
                except Moved:
                    continue

    def _merge(self, source: Branch, target: Branch, resolution: Resolution | None) -> MergeResult:
        bases = merge_bases(self._objects, source.head, target.head)
        if any(base.id == source.head for base in bases):
            return MergeResult(True, target.head, (), ())
        trees = [Tree.load(self._objects, base.tree) for base in bases] or [Tree.empty(self._objects)]
        theirs, ours = load_commit(self._objects, source.head), load_commit(self._objects, target.head)
        tree = Tree.load(self._objects, ours.tree)
        merge = merge_trees(trees, Tree.load(self._objects, theirs.tree), tree, resolution, source.name)
        if merge.conflicts and resolution is None:
            return MergeResult(False, None, (), tuple(merge.conflicts))
        merged = tree.with_changes(merge.changes)
        message = f"Merge {source.name} into {target.name}"
        commit = store_commit(self._objects, merged, (ours, theirs), _author(), message)
        self._refs.move(target, commit.id)
        return MergeResult(True, commit.id, tuple(sorted(merge.changes)), tuple(merge.conflicts))

    # what there is

    def tree(self, branch_id: str) -> Tree:
        """What a branch holds now."""
        return self._tree_of(self._refs.get(branch_id).head)

    def differences(self, branch_id: str, other_id: str | None = None) -> Differences:
        """What a branch has otherwise than another one, or than it had when it was made."""
        branch = self._refs.get(branch_id)
        before = branch.first if other_id is None else self._refs.get(other_id).head
        return _differences(self._tree_of(before).changes_to(self._tree_of(branch.head)))

    def history(self, branch_id: str) -> list[Commit]:
        """All commits that led to a branch, newest first, no parent before its child."""
        return list(history(self._objects, self._refs.get(branch_id).head))

    def export(self, branch_id: str, target: Path) -> Path:
        """Write a branch as a new archive; see `export.py`."""
        return export_tree(self.tree(branch_id), self._objects, self._places, Path(target)).path

    def missing(self, branch_id: str) -> list[str]:
        """Paths whose bytes can't be had at the moment, because the archive that lends them is missing or changed."""
        gone = []
        with Lender(self._places) as lender:
            for entry in self.tree(branch_id):
                if entry.borrowed is not None:
                    try:
                        lender.member(entry, entry.borrowed)
                    except (NotFound, Damaged):
                        gone.append(entry.path)
        return gone

    def storage_savings(self) -> StorageSavings:
        """What branching saves against copying every branch in full."""
        branches = self._refs.all()
        referenced = 0
        borrowed: dict[tuple[int, str], int] = {}
        for branch in branches:
            for entry in self._tree_of(branch.head):
                referenced += entry.size
                if entry.borrowed is not None:
                    borrowed[entry.size, entry.digests.get(KEY, str(entry.borrowed))] = entry.size
        stored = sum(thing.size for thing in self._objects.stored() if thing.kind is Kind.CONTENT)
        return StorageSavings(len(branches), referenced, sum(borrowed.values()), stored, referenced - stored)

    def cleanup(self, *, dry_run: bool = False) -> Cleanup:
        """Remove what no branch's history leads to, and what killed processes left."""
        if not (self.root / _FORMAT).exists():
            return Cleanup(0, 0, not dry_run)
        with self._objects.cleaning():
            kept = self._reachable()
            orphans = [thing for thing in self._objects.stored() if (thing.kind, thing.address) not in kept]
            unfinished = self._objects.unfinished()
            total = sum(thing.size for thing in orphans) + sum(place.stat().st_size for place in unfinished)
            if not dry_run:
                for thing in orphans:
                    self._objects.remove(thing)
                for place in unfinished:
                    files.remove(place)
        return Cleanup(len(orphans) + len(unfinished), total, not dry_run)

    def _reachable(self) -> set[tuple[Kind, str]]:
        kept: set[tuple[Kind, str]] = set()
        for commit in history(self._objects, *(branch.head for branch in self._refs.all())):
            kept.add((Kind.OBJECT, commit.id))
            tree = Tree.load(self._objects, commit.tree)
            if (Kind.OBJECT, tree.address) in kept:
                continue
            kept.update((Kind.OBJECT, address) for address in tree.addresses())
            for entry in tree:
                if entry.kind is EntryKind.FILE and entry.borrowed is None:
                    kept.add((Kind.CONTENT, entry.digests[ADDRESS]))
        return kept

    def _tree_of(self, commit_id: str) -> Tree:
        return Tree.load(self._objects, load_commit(self._objects, commit_id).tree)

    def _begin(self) -> None:
        """Make the repository's folder; refuses one that holds something else."""
        mark = self.root / _FORMAT
        if mark.exists():
            return
        with files.explaining(f"make the repository {printable(self.root)}"):
            self.root.mkdir(parents=True, exist_ok=True)
            others = [place.name for place in self.root.iterdir() if not files.is_temporary_name(place.name)]
        if others and _FORMAT not in others:
            raise Refused(f"{printable(self.root)} is not empty and no repository; nothing was changed.")
        files.write_atomically(mark, _FORMAT_TEXT, replace=True)


def _differences(changes: Mapping[str, Change]) -> Differences:
    by_content: dict[tuple[int, str], list[Change]] = {}
    for change in changes.values():
        if change.after is None and change.before is not None and KEY in change.before.digests:
            by_content.setdefault((change.before.size, change.before.digests[KEY]), []).append(change)
    renamed = []
    paired: set[str] = set()
    for change in changes.values():
        if change.before is None and change.after is not None:
            candidates = by_content.get((change.after.size, change.after.digests.get(KEY, "")), [])
            for old in candidates:
                if old.before is not None and replace(old.before, path="").same_content(change.after):
                    renamed.append((old.path, change.path))
                    paired |= {old.path, change.path}
                    candidates.remove(old)
                    break
    single = [change for path, change in changes.items() if path not in paired]
    return Differences(
        added=tuple(change.path for change in single if change.before is None),
        removed=tuple(change.path for change in single if change.after is None),
        modified=tuple(change.path for change in single if change.before is not None and change.after is not None),
        renamed=tuple(renamed),
        changes=tuple(changes.values()),
    )


def _author() -> str:
    """Who runs this, by the system's list of users."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a number without a name, as in a container
        return f"user {os.getuid()}"
