"""Which repository, work tree and branch a verb is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from film_archive.versioning.refs import Branch
    from film_archive.versioning.repository import Repository
    from film_archive.versioning.worktree import WorkTree


class Here(NamedTuple):
    """What a verb works on."""

    repository: Repository
    work: WorkTree | None

    def require_work(self) -> WorkTree:
        """The work tree; raises NotFound where there is none."""
        from film_archive.core.errors import NotFound

        if self.work is None:
            raise NotFound("This is no work tree; make one with `film-archive repo checkout BRANCH FOLDER`.")
        return self.work

    def branch(self, name: str | None) -> Branch:
        """The branch of this name, else the work tree's, else the only one there is; raises NotFound, UsageError."""
        from film_archive.core.errors import UsageError

        refs = self.repository.opened.refs
        if name is not None:
            return refs.named(name)
        if self.work is not None:
            return self.work.branch
        found = refs.all()
        if len(found) != 1:
            raise UsageError("This is no work tree; name the branch.")
        return found[0]


def here(repo: Path | None, catalog: str | None = None) -> Here:
    """The repository and the work tree of a folder; archives that were moved are looked for in the catalog. Raises NotFound."""
    found = _here(repo)
    found.repository.look_for_archives(partial(_through_catalog, catalog))
    return found


def _through_catalog(named: str | None, archive: str, seen: Sequence[Path]) -> Iterable[Path]:
    """Where the catalog says that an archive may be; it is loaded when one is missing, not before."""
    from film_archive.cli.catalog_option import opened_if_any
    from film_archive.workflows.archive_finding import through_catalog

    return through_catalog(lambda: opened_if_any(named))(archive, seen)


def _here(repo: Path | None) -> Here:
    from film_archive.versioning.opened import find_repository, is_repository
    from film_archive.versioning.repository import Repository
    from film_archive.versioning.worktree import WorkTree, find_worktree

    start = Path() if repo is None else repo
    if repo is not None and is_repository(repo):
        return Here(Repository(repo), None)
    root = find_worktree(start)
    if root is not None:
        work = WorkTree(root)
        work.repository.opened  # noqa: B018  says at once where it is missing
        return Here(work.repository, work)
    return Here(Repository(find_repository(start)), None)
