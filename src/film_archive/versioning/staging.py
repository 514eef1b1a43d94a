"""Staging on a branch that no work tree is on: files from anywhere, under paths of the branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from film_archive.core.errors import NotFound, UsageError
from film_archive.core.names import member_name
from film_archive.core.progress import Progress
from film_archive.core.source import printable
from film_archive.versioning.entries import Entry, sort_key
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository, require_path
from film_archive.versioning.starting import files_below


def stage_on_branch(
    repository: Repository,
    branch: Branch,
    paths: Iterable[Path],
    *,
    name: str | None = None,
    under: str = "",
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Stage files: each under its name, a folder with its name and everything below, or one file under `name`.

    Raises UsageError for a path that can't be or two of one name, NotFound, Refused.
    """
    listed = list(paths)
    if name is not None and (len(listed) != 1 or listed[0].is_dir()):
        raise UsageError("--as names one file; use --under for more.")
    chosen: dict[str, Path] = {}
    for path in listed:
        for place, relative in [(path, name)] if name is not None else _named(path):
            wanted = require_path(f"{under.strip('/')}/{relative}" if under else relative)
            if wanted in chosen:
                raise UsageError(f"{printable(chosen[wanted])} and {printable(place)} would both be {wanted}.")
            chosen[wanted] = place
    staged = repository.stage_files(
        branch.id, [(place, wanted) for wanted, place in chosen.items()], repository.tree(branch.id), progress
    )
    return tuple(staged)


def _named(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_dir():
        for place, relative, is_folder in files_below(path, f"{path.resolve().name}/"):
            if not is_folder:
                yield Path(place), member_name(relative)[0]
    else:
        yield path, member_name(path.name)[0]


def stage_removal(repository: Repository, branch: Branch, paths: Iterable[str]) -> tuple[str, ...]:
    """Stage the removal of paths, of folders with all that is below; raises NotFound."""
    tree = repository.tree(branch.id)
    chosen: dict[str, Entry | None] = {}
    for path in paths:
        found = _held(repository, branch, path)
        if not found:
            raise NotFound(f"{branch.name} has no {printable(path)}; nothing was changed.")
        chosen.update(dict.fromkeys(found))
    repository.stage(branch.id, chosen, tree)
    return tuple(chosen)


def stage_move(repository: Repository, branch: Branch, source: str, target: str) -> tuple[tuple[str, str], ...]:
    """Stage another path for a file, or for a folder with all that is below; raises NotFound, Refused."""
    found = _held(repository, branch, source)
    if not found:
        raise NotFound(f"{branch.name} has no {printable(source)}; nothing was changed.")
    moved = {path: require_path(target + path[len(source) :]) for path in found}
    changes: dict[str, Entry | None] = dict.fromkeys(found)
    changes.update((new, found[old].at(new)) for old, new in moved.items())
    repository.stage(branch.id, changes, repository.tree(branch.id))
    return tuple(moved.items())


def _held(repository: Repository, branch: Branch, path: str) -> dict[str, Entry]:
    """What a branch with its stage has at a path and below it."""
    tree = repository.tree(branch.id)
    found = {entry.path: entry for entry in tree.below(path) if entry.path.startswith(path + "/")}
    exact = tree.get(path)
    if exact is not None:
        found[path] = exact
    for staged, entry in repository.opened.stages.get(branch.id).items():
        if staged == path or sort_key(staged).startswith(sort_key(path) + "/"):
            found.pop(staged, None)
            if entry is not None:
                found[staged] = entry
    return found
