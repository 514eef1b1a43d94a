"""A work tree: files on disk that are of a commit, what was staged of them, and what was not.

`.film-archive-checkout/` beside the files says of which repository, branch and commit they are, and holds the index.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from film_archive.core import files
from film_archive.core.digest import digest_source
from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.core.json_text import from_json, to_json
from film_archive.core.names import member_name
from film_archive.core.progress import Phase, Progress, quiet
from film_archive.core.records import Record
from film_archive.core.source import FileSource, printable
from film_archive.versioning.contents import Adding
from film_archive.versioning.differences import differences_of
from film_archive.versioning.disk_names import place_of, remove_left_folders
from film_archive.versioning.entries import ADDRESS, Entry, EntryKind
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository, beside
from film_archive.versioning.scanning import CHECKOUT, Doubt, doubts, is_skipped
from film_archive.versioning.stages import Checkout
from film_archive.versioning.stat_index import Seen, StatIndex, now_ns
from film_archive.versioning.tree import Change, Tree

_INDEX = "checkout.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed(Record):
    """A file that has another path."""

    from_: str
    """The path before."""
    to: str
    """The path now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Record):
    """What a work tree has otherwise than its commit, staged or not."""

    branch: str
    """The branch that it is on."""
    commit: str
    """The commit that its files are of."""
    behind: bool
    """Whether the branch has gone on meanwhile; `checkout` brings the files up to it."""
    added: tuple[str, ...]
    """Paths that the commit does not have, staged."""
    removed: tuple[str, ...]
    """Paths that are gone, staged or not."""
    modified: tuple[str, ...]
    """Paths that hold something else, staged or not."""
    renamed: tuple[Renamed, ...]
    """Removed and added with the same content; in neither list."""
    staged: tuple[str, ...]
    """Paths that the next commit will change."""
    unstaged: tuple[str, ...]
    """Paths that were changed or removed and not staged; `commit --all` takes them too."""
    untracked: tuple[str, ...]
    """Files that no commit has and nobody staged."""

    @property
    def is_clean(self) -> bool:
        return not (self.staged or self.unstaged)


@dataclass(slots=True)
class Found:
    """What a look through the files came to."""

    modified: dict[str, Doubt]
    removed: dict[str, Doubt]
    untracked: dict[str, Doubt]
    refreshed: list[tuple[str, Seen | None]]


class WorkTree:
    """An open work tree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = StatIndex(root / CHECKOUT / _INDEX)
        meta = self.index.meta()
        try:
            self.id = meta["id"]
            self.patterns: tuple[str, ...] = tuple(from_json(meta["patterns"]))
            place = Path(os.fsdecode(bytes.fromhex(meta["repository"])))
        except (KeyError, ValueError) as error:
            raise Damaged(f"{printable(root / CHECKOUT)} can't be read ({error}); check out anew.") from error
        self.repository = Repository(place if place.is_absolute() else root / place)
        checkout = self.repository.opened.stages.checkout(self.id)
        self.branch_id = checkout.branch
        self.base = checkout.head

    @classmethod
    def create(
        cls, root: Path, repository: Repository, branch: Branch, commit: str, patterns: Sequence[str] = (), at: Path | None = None
    ) -> WorkTree:
        """Make a folder a work tree, with nothing in its index. `at` is where the folder will be, if that is elsewhere."""
        final = (root if at is None else at).absolute()
        if (root / CHECKOUT).exists():
            raise Refused(f"{printable(root)} is a work tree already; nothing was changed.")
        inside = repository.root.absolute().parent == final
        place = Path(repository.root.name) if inside else repository.root.absolute()
        with files.explaining(f"make the work tree {printable(root)}"):
            (root / CHECKOUT).mkdir()
        index = StatIndex(root / CHECKOUT / _INDEX, must_exist=False)
        checkout = Checkout(os.urandom(8).hex(), final, branch.id, commit)
        index.set_meta(
            {
                "schema_version": "1",
                "id": checkout.id,
                "repository": os.fsencode(place).hex(),
                "patterns": to_json(list(patterns)).decode(),
            }
        )
        index.close()
        repository.opened.stages.note_checkout(None, checkout)
        return cls(root)

    @property
    def branch(self) -> Branch:
        return self.repository.branch(self.branch_id)

    def base_tree(self) -> Tree:
        """What the commit holds that the files are of."""
        opened = self.repository.opened
        return opened.tree_of(opened.objects(), self.base)

    def staged(self) -> dict[str, Entry | None]:
        return self.repository.opened.stages.get(self.id)

    def close(self) -> None:
        self.index.close()
        self.repository.close()

    # looking

    def look(self, within: Callable[[str], bool] | None = None) -> Found:
        """Compare the files with what is staged and committed; what is as expected after all is noted in the index."""
        staged, base = self.staged(), self.base_tree()
        found = Found({}, {}, {}, [])
        for doubt in doubts(self.root, self.index):
            if within is not None and not within(doubt.path):
                continue
            path, _ = member_name(doubt.path)
            expected = staged[path] if path in staged else base.get(path)
            if expected is None:
                if doubt.status is not None:
                    found.untracked[path] = doubt
                if doubt.seen is not None:
                    found.refreshed.append((doubt.path, None))
            elif doubt.status is None:
                found.removed[path] = doubt
            else:
                seen = self._as_expected(doubt, expected)
                if seen is None:
                    found.modified[path] = doubt
                else:
                    found.refreshed.append((doubt.path, seen))
        if found.refreshed:
            self.index.update(found.refreshed)
        return found

    def _as_expected(self, doubt: Doubt, expected: Entry) -> Seen | None:
        """How a file is now, if it holds what is expected of it."""
        place = self.root / doubt.path
        if doubt.is_link or expected.kind is not EntryKind.FILE:
            is_it = expected.kind is EntryKind.SYMLINK and doubt.is_link and _link_target(place) == _target_of(expected)
            return Seen.of(place.lstat(), now_ns()) if is_it else None
        if doubt.status is not None and doubt.status.st_size != expected.size:
            return None
        wanted = {ADDRESS: expected.blake3.hex()} if expected.blake3 is not None else dict(expected.digests)
        looked = now_ns()
        with FileSource(place) as source:
            if digest_source(source, tuple(wanted)) != wanted:
                return None
            return Seen.of(source.status, looked)

    def holds(self, doubt: Doubt, wanted: Entry) -> bool:
        """Whether a file holds what an entry says."""
        return doubt.status is not None and self._as_expected(doubt, wanted) is not None

    def status(self) -> Status:
        """What is otherwise than committed."""
        found = self.look()
        staged, base = self.staged(), self.base_tree()
        changes = []
        for path in sorted(staged.keys() | found.modified.keys() | found.removed.keys()):
            before, after = base.get(path), staged.get(path)
            if path in found.removed:
                after = None
            elif path in found.modified:
                after = Entry(path, EntryKind.FILE, blake3=bytes(32))  # something else: what, is read when it is staged
            change = Change(path, before, after)
            if path in found.modified or not change.is_nothing:
                changes.append(change)
        listed = differences_of(changes)
        branch = self.branch
        return Status(
            branch=branch.name,
            commit=self.base,
            behind=branch.head != self.base,
            added=listed.added,
            removed=listed.removed,
            modified=listed.modified,
            renamed=tuple(Renamed(from_=one, to=other) for one, other in listed.renamed),
            staged=tuple(sorted(staged)),
            unstaged=tuple(sorted(found.modified.keys() | found.removed.keys())),
            untracked=tuple(sorted(found.untracked)),
        )

    # changing

    def inside(self, path: Path) -> str:
        """A path's place below the root, as on disk; "" for the root. Raises UsageError where it is elsewhere."""
        here = os.path.realpath(self.root)
        where = Path(os.path.realpath(path.absolute().parent)) / path.absolute().name
        if os.path.realpath(path) == here:
            return ""
        relative = os.path.relpath(where, here)
        if relative.startswith(".."):
            raise UsageError(f"{printable(path)} is not in the work tree {printable(self.root)}; put it there first.")
        if any(is_skipped(part) for part in Path(relative).parts):
            raise Refused(f"{printable(path)} is never part of a work tree.")
        return relative

    def add(self, paths: Iterable[Path], progress: Progress | None = None) -> tuple[str, ...]:
        """Stage files, and folders with everything below: what is new, changed or gone. Raises NotFound, Refused."""
        wanted = [self.inside(path) for path in paths]
        for path in wanted:
            if path and not os.path.lexists(self.root / path) and not self._is_expected(path):
                raise NotFound(f"There is no {printable(self.root / path)}; nothing was staged.")
        found = self.look(lambda path: _below_any(path, wanted))
        return self._stage({**found.untracked, **found.modified, **found.removed}, progress)

    def _is_expected(self, path: str) -> bool:
        """Whether a path that is not there was: committed, or staged and deleted since."""
        name, _ = member_name(path)
        base = self.base_tree()
        if base.get(name) is not None or any(True for _ in base.below(name)):
            return True
        return any(entry is not None and _below_any(staged, [name]) for staged, entry in self.staged().items())

    def _stage(self, chosen: Mapping[str, Doubt], progress: Progress | None) -> tuple[str, ...]:
        progress = progress or quiet()
        progress.expect(Phase.WRITING, sum(doubt.status.st_size for doubt in chosen.values() if doubt.status is not None))
        count = progress.counting(Phase.WRITING)
        opened = self.repository.opened
        changes: dict[str, Entry | None] = {}
        seen: list[tuple[str, Seen | None]] = []
        with opened.adding() as adding:
            for path, doubt in sorted(chosen.items()):
                if doubt.status is None:
                    changes[path] = None
                    seen.append((doubt.path, None))
                else:
                    changes[path], how = self._stored(adding, path, doubt, count)
                    seen.append((doubt.path, how))
            beside(self.base_tree(), {**self.staged(), **changes}, changes)
            adding.settle()
            with opened.database.transaction() as transaction:
                adding.write(transaction)
                opened.stages.put(transaction, self.id, changes)
        self.index.update(seen)
        return tuple(changes)

    def _stored(
        self, adding: Adding, path: str, doubt: Doubt, on_bytes: Callable[[int], None]
    ) -> tuple[Entry, Seen]:
        place = self.root / doubt.path
        _, raw_name = member_name(doubt.path)
        more: dict[str, str] = {} if raw_name is None else {"raw_name": raw_name.hex()}
        looked = now_ns()
        if doubt.is_link:
            target = _link_target(place)
            more["target"] = os.fsencode(target).decode("utf-8", "replace")
            if more["target"].encode() != os.fsencode(target):
                more["raw_target"] = os.fsencode(target).hex()
            status = place.lstat()
            entry = Entry(path, EntryKind.SYMLINK, 0, status.st_mtime_ns, stat.S_IMODE(status.st_mode), more=more)
            return entry, Seen.of(status, looked)
        with FileSource(place) as source:
            blob = adding.add(source, path, on_bytes=on_bytes)
            status = source.status
        entry = Entry(
            path, EntryKind.FILE, blob.size, status.st_mtime_ns, stat.S_IMODE(status.st_mode), blob.key, blob.address, more=more
        )
        return entry, Seen.of(status, looked)

    def remove(self, paths: Iterable[Path], *, keep: bool = False) -> tuple[str, ...]:
        """Stage the removal of files and folders, and remove them from disk unless told to keep them.

        Raises NotFound for what is not tracked, Refused where a file is not as it was committed: nothing is changed then.
        """
        chosen = self._tracked(paths)
        if not keep:
            found = self.look(lambda path: member_name(path)[0] in chosen)
            changed = sorted(found.modified)
            if changed:
                raise Refused(
                    f"{printable(changed[0])} was changed and not committed; nothing was removed (--keep leaves files)."
                )
        self.repository.stage(self.id, dict.fromkeys(chosen), self.base_tree())
        gone: list[tuple[str, Seen | None]] = []
        for entry in chosen.values():
            place = place_of(entry)
            if not keep and entry.kind is not EntryKind.FOLDER:
                files.remove(self.root / place)
            gone.append((place, None))
        self.index.update(gone)
        if not keep:
            staged, base = self.staged(), self.base_tree()

            def stays(folder: str) -> bool:
                name, _ = member_name(folder)
                there = staged[name] if name in staged else base.get(name)
                return there is not None and there.kind is EntryKind.FOLDER

            remove_left_folders(self.root, [place for place, _ in gone], stays)
        return tuple(chosen)

    def _tracked(self, paths: Iterable[Path]) -> dict[str, Entry]:
        """The entries, staged or committed, that paths name; with folders all that is below."""
        staged, base = self.staged(), self.base_tree()
        chosen: dict[str, Entry] = {}
        for path in paths:
            name, _ = member_name(self.inside(path))
            listed = {entry.path: entry for entry in self._below(name, base)}
            for staged_path, entry in staged.items():
                if staged_path == name or staged_path.startswith(name + "/"):
                    listed.pop(staged_path, None)
                    if entry is not None:
                        listed[staged_path] = entry
            if not listed:
                raise NotFound(f"{printable(path)} is not tracked; nothing was changed.")
            chosen.update(listed)
        return chosen

    def _below(self, name: str, base: Tree) -> Iterator[Entry]:
        exact = base.get(name)
        if exact is not None:
            yield exact
        yield from (entry for entry in base.below(name) if entry.path.startswith(name + "/"))

    def move(self, source: Path, target: Path) -> tuple[tuple[str, str], ...]:
        """Rename a tracked file or folder on disk and stage that. Raises NotFound, Refused where the target is there."""
        if target.is_dir() and not target.is_symlink():
            target = target / source.name
        before, _ = member_name(self.inside(source))
        after, _ = member_name(self.inside(target))
        chosen = self._tracked([source])
        moved = {path: after + path[len(before) :] for path in chosen}
        changes: dict[str, Entry | None] = dict.fromkeys(chosen)
        changes.update((new, chosen[old].at(new)) for old, new in moved.items())
        opened = self.repository.opened
        beside(self.base_tree(), {**self.staged(), **changes}, changes)
        with files.explaining(f"make the folder {printable(target.parent)}"):
            target.parent.mkdir(parents=True, exist_ok=True)
        files.rename(source, target)
        with opened.database.sharing(), opened.database.transaction() as transaction:
            opened.stages.put(transaction, self.id, changes)
        gone: list[tuple[str, Seen | None]] = [(place_of(chosen[old]), None) for old in moved]
        self.index.update(gone)  # the new names are looked at, once, by the next status
        return tuple(moved.items())

    def unstage(self, paths: Iterable[Path] = ()) -> tuple[str, ...]:
        """Forget what is staged, all or these paths and what is below; the files stay as they are."""
        wanted = [member_name(self.inside(path))[0] for path in paths]
        chosen = [path for path in self.staged() if not wanted or _below_any(path, wanted)]
        opened = self.repository.opened
        staged = self.staged()
        places = [path if (entry := staged[path]) is None else place_of(entry) for path in chosen]
        self.index.update([(place, Seen.unsure()) for place in places])  # first: what is expected there changes now
        with opened.database.transaction() as transaction:
            opened.stages.drop(transaction, self.id, chosen)
        return tuple(chosen)

    def commit(self, message: str, *, everything: bool = False, progress: Progress | None = None) -> Branch:
        """Commit what is staged; with `everything` also what was changed or removed and not staged.

        Raises Refused where there is nothing, or where the branch went on meanwhile.
        """
        if everything:
            found = self.look()
            chosen = {**found.modified, **found.removed}
            if chosen:
                self._stage(chosen, progress)
        branch = self.branch
        if branch.head != self.base:
            raise Refused(
                f"The branch {branch.name!r} has gone on since these files were checked out; nothing was committed. "
                "Bring them up to it with `film-archive repo checkout`, then commit."
            )
        moved = self.repository.commit_stage(branch.id, self.id, message, expected=self.base)
        self.base = moved.head
        return moved


def status_of_branch(repository: Repository, branch: Branch) -> Status:
    """What is staged for a branch that no work tree is on."""
    staged, base = repository.opened.stages.get(branch.id), repository.tree(branch.id)
    changes = [Change(path, base.get(path), after) for path, after in sorted(staged.items())]
    listed = differences_of(change for change in changes if not change.is_nothing)
    return Status(
        branch=branch.name,
        commit=branch.head,
        behind=False,
        added=listed.added,
        removed=listed.removed,
        modified=listed.modified,
        renamed=tuple(Renamed(from_=one, to=other) for one, other in listed.renamed),
        staged=tuple(sorted(staged)),
        unstaged=(),
        untracked=(),
    )


def _link_target(place: Path) -> str:
    with files.explaining(f"read the link {printable(place)}"):
        return os.fspath(place.readlink())


def _target_of(entry: Entry) -> str:
    raw = entry.more.get("raw_target")
    return os.fsdecode(bytes.fromhex(raw)) if raw else str(entry.more.get("target", ""))


def _below_any(path: str, folders: Sequence[str]) -> bool:
    return any(not folder or path == folder or path.startswith(folder + "/") for folder in folders)


def find_worktree(start: Path) -> Path | None:
    """The work tree that a folder is, or lies in."""
    here = start.absolute()
    return next((folder for folder in (here, *here.parents) if (folder / CHECKOUT / _INDEX).is_file()), None)
