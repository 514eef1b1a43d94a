"""Checking out: a new work tree with a branch's files, or the files of a work tree brought to another commit.

A new work tree appears whole under its name or not at all. In one that is there, nothing that was changed and not
committed is overwritten; a killed run is completed by the next one.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import files
from film_archive.core.errors import Refused
from film_archive.core.folders import AtomicFolder
from film_archive.core.names import member_name
from film_archive.core.records import Record
from film_archive.core.source import printable
from film_archive.versioning.disk_names import place_of, remove_left_folders
from film_archive.versioning.entries import Entry, EntryKind
from film_archive.versioning.export import require_all
from film_archive.versioning.patterns import matches
from film_archive.versioning.placing import How, Placed, Placer
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository
from film_archive.versioning.scanning import CHECKOUT
from film_archive.versioning.stages import Checkout
from film_archive.versioning.stat_index import Seen, is_folder, wait_a_tick
from film_archive.versioning.tree import Tree
from film_archive.versioning.worktree import WorkTree

_INCOMING = "incoming"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut(Record):
    """Something that was not put on disk."""

    path: str
    """Its path."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedOut(Record):
    """What was put on disk."""

    folder: Path
    """The work tree."""
    branch: str
    """The branch that it is on."""
    commit: str
    """The commit that the files are of now."""
    written: int
    """Files, folders and links that were written."""
    removed: int
    """Files that the commit does not have and that were removed."""
    bytes: int
    """Of the files that were written."""
    shared: int
    """Files that share their bytes with the repository or an archive."""
    linked: int
    """Files that are the repository's own, read-only."""
    copied: int
    """Files, folders and links that were made otherwise."""
    left_out: tuple[LeftOut, ...]
    """Links that would lead out of the folder."""


def check_out(
    repository: Repository, branch: Branch, folder: Path, patterns: Sequence[str] = (), *, read_only: bool = False
) -> CheckedOut:
    """Make a new work tree with a branch's files, or with those that match a pattern.

    Raises Refused where the folder is there, NotFound where borrowed bytes can't be had: nothing is made then.
    """
    opened = repository.opened
    tree = opened.tree_of(opened.objects(), branch.head)
    entries = [entry for entry in tree if matches(entry.path, patterns)]
    require_all(opened, entries, f"check out {branch.name}")
    with files.explaining(f"make the folder {printable(folder.parent)}"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with AtomicFolder(folder, "unpack") as making:
        with Placer(opened, making.path, read_only=read_only) as placer:
            placed = placer.place(entries)
            work = WorkTree.create(making.path, repository, branch, branch.head, patterns, at=folder)
            work.index.update([(one.path, one.seen) for one in placed])
            work.index.close()
            placer.settle()
        wait_a_tick()
        making.commit()
    return _report(folder, branch, placed, 0, sum(entry.size for entry in entries), placer.left_out)


def _report(
    folder: Path, branch: Branch, placed: Sequence[Placed], removed: int, size: int, left_out: Sequence[tuple[str, str]]
) -> CheckedOut:
    how = Counter(one.how for one in placed)
    return CheckedOut(
        folder=folder,
        branch=branch.name,
        commit=branch.head,
        written=len(placed),
        removed=removed,
        bytes=size,
        shared=how[How.SHARED],
        linked=how[How.LINKED],
        copied=how[How.COPIED],
        left_out=tuple(LeftOut(path=path, reason=reason) for path, reason in left_out),
    )


def switch(work: WorkTree, branch: Branch) -> CheckedOut:
    """Bring a work tree's files to where a branch is. What is staged stays staged.

    Raises Refused where a file would be overwritten that was changed and not committed, or that nobody tracks.
    """
    opened = work.repository.opened
    objects = opened.objects()
    before, after = opened.tree_of(objects, work.base), opened.tree_of(objects, branch.head)
    changes = [change for change in before.changes_to(after).values() if matches(change.path, work.patterns)]
    staged = work.staged()
    touched = sorted(change.path for change in changes if change.path in staged)
    if touched:
        raise Refused(f"{printable(touched[0])} is staged and changed by {branch.name!r}; commit it first, nothing was changed.")
    coming = [change.after for change in changes if change.after is not None]
    going = [change.before for change in changes if change.before is not None]
    require_all(opened, coming, f"check out {branch.name}")
    there = _require_free(work, before, after, coming, going)
    removed = _take_away(work, [entry for entry in going if after.get(entry.path) is None], after)
    placed, left_out = _bring(work, [entry for entry in coming if entry.path not in there])
    wait_a_tick()
    noted: list[tuple[str, Seen | None]] = [
        (one.path, one.seen if is_folder(one.seen) else Seen.sure((work.root / one.path).lstat())) for one in placed
    ]
    noted += [(place_of(entry), None) for entry in removed]
    noted += [(place_of(entry), Seen.unsure()) for entry in coming if entry.path in there]
    opened.stages.note_checkout(None, Checkout(work.id, work.root.absolute(), branch.id, branch.head))
    work.index.update(noted)  # last: an index that is behind makes files be read, one that is ahead would be believed
    work.branch_id, work.base = branch.id, branch.head
    size = sum(entry.size for entry in coming if entry.path not in there)
    return _report(work.root, branch, placed, len(removed), size, left_out)


def _require_free(work: WorkTree, before: Tree, after: Tree, coming: Sequence[Entry], going: Sequence[Entry]) -> set[str]:
    """Paths that hold what they shall hold already; raises Refused where something else is in the way."""
    names = {entry.path for entry in (*coming, *going)}
    places = {place_of(entry) for entry in (*coming, *going)}
    found = work.look(lambda path: path in places)
    ready = set()
    for path in sorted({*found.modified, *found.untracked} & names):
        doubt = found.modified.get(path) or found.untracked[path]
        wanted = after.get(path)
        if wanted is not None and work.holds(doubt, wanted):
            ready.add(path)
            continue
        state = "was changed and not committed" if path in found.modified else "is there and nobody tracks it"
        raise Refused(f"{printable(path)} {state}; commit or move it first, nothing was changed.")
    return ready


def _bring(work: WorkTree, entries: Sequence[Entry]) -> tuple[list[Placed], list[tuple[str, str]]]:
    """Place files aside, make them durable, and give them their names, one by one."""
    aside = work.root / CHECKOUT / _INCOMING
    files.remove_tree(aside)
    with files.explaining(f"make the folder {printable(aside)}"):
        aside.mkdir()
    root = os.path.realpath(work.root)
    with Placer(work.repository.opened, aside) as placer:
        placed = placer.place(entries)
        placer.settle()
    folders = set()
    for one in placed:
        target = work.root / one.path
        with files.explaining(f"make the folder {printable(target.parent)}"):
            parent = target if is_folder(one.seen) else target.parent
            parent.mkdir(parents=True, exist_ok=True)
        if not (os.path.realpath(parent) + os.sep).startswith(root + os.sep):
            raise Refused(f"{printable(target)} leads out of the work tree through a link; the checkout stopped there.")
        if not is_folder(one.seen):
            files.rename_unsynced(aside / one.path, target)
        folders.add(parent)
    for folder in sorted(folders):
        files.sync_folder(folder)
    files.remove_tree(aside)
    return placed, placer.left_out


def _take_away(work: WorkTree, entries: Sequence[Entry], after: Tree) -> list[Entry]:
    """Remove files that are as they were committed, and the folders that are empty then."""
    for entry in entries:
        if entry.kind is not EntryKind.FOLDER:
            files.remove(work.root / place_of(entry))
        else:
            files.remove_if_empty(work.root / place_of(entry))

    def stays(folder: str) -> bool:
        there = after.get(member_name(folder)[0])
        return there is not None and there.kind is EntryKind.FOLDER

    remove_left_folders(work.root, map(place_of, entries), stays)
    return list(entries)
