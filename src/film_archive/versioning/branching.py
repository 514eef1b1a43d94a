"""`ArchiveBranchManager`: branches of archives for who calls from asynchronous code. The work is `repository.py`'s."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from film_archive.core.models import ArchiveBranch
from film_archive.versioning.commits import Commit
from film_archive.versioning.elsewhere import Elsewhere
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import MergeResult, Repository

if TYPE_CHECKING:
    from film_archive.versioning.collecting import Cleanup
    from film_archive.versioning.differences import Differences
    from film_archive.versioning.holdings import StorageSavings

Named = str | os.PathLike[str]

_KEEP_DAYS = 90
"""For so long what a removed branch led to can be brought back."""


class ArchiveBranchManager:
    """Branches of archives, kept in a folder. A branch costs what changes on it: the rest stays in its archive."""

    def __init__(self, repository_root: Named, *, database: str = "", store: str = "", endpoint: str = "") -> None:
        """Nothing is made yet. A new repository's metadata can lie in `database` (postgresql://…), its contents in `store`.

        `store` is s3://BUCKET/PREFIX (of the server at `endpoint`) or a folder; raises UsageError for what is no address.
        """
        elsewhere = Elsewhere.named(database=database, store=store, endpoint=endpoint)
        self.repository = Repository(Path(repository_root), elsewhere)

    async def create_branch(
        self, archive_path: Named, branch_name: str, description: str = "", parent_branch_id: str | None = None
    ) -> ArchiveBranch:
        """A branch of an archive, whose manifest is read and not its bytes; or of a branch of that archive.

        Raises UsageError for a name like `../x`, Refused where a branch has the name, NotFound.
        """
        return _model(
            await asyncio.to_thread(
                self.repository.create_branch, Path(archive_path), branch_name, description, parent_branch_id
            )
        )

    async def add_file_to_branch(self, branch_id: str, path: Named, name_in_archive: Named) -> ArchiveBranch:
        """Store a file and commit it at once; its content is stored once, however many branches have it."""
        name = Path(name_in_archive).as_posix() if isinstance(name_in_archive, os.PathLike) else name_in_archive
        return _model(await asyncio.to_thread(self.repository.add_file, branch_id, Path(path), name))

    async def remove_file_from_branch(self, branch_id: str, name_in_archive: Named) -> ArchiveBranch:
        """Commit the branch without this path; raises NotFound where it does not have it."""
        name = Path(name_in_archive).as_posix() if isinstance(name_in_archive, os.PathLike) else name_in_archive
        return _model(await asyncio.to_thread(self.repository.remove_file, branch_id, name))

    async def merge_branches(
        self, source_branch_id: str, target_branch_id: str, conflict_resolution: str | None = None
    ) -> MergeResult:
        """Bring the source's changes into the target, three-way against their common ancestor.

        Where both changed a path differently nothing is changed and the result names the conflicts, unless "source",
        "target" or "both" settles them.
        """
        return await asyncio.to_thread(
            self.repository.merge, source_branch_id, target_branch_id, conflict_resolution
        )

    async def export_branch_as_archive(self, branch_id: str, output_path: Named) -> Path:
        """Write what a branch holds as a new archive, every byte proven; returns its path.

        Raises Refused where something has that name, NotFound where an archive that lends bytes is missing, Damaged.
        """
        return await asyncio.to_thread(self._export, branch_id, Path(output_path))

    def _export(self, branch_id: str, target: Path) -> Path:
        from film_archive.versioning.export import export_entries

        return export_entries(self.repository.opened, self.repository.tree(branch_id), target).sealed.path

    def get_branches(self) -> list[ArchiveBranch]:
        """All branches, oldest first."""
        return [_model(branch) for branch in self.repository.branches()]

    def get_branch_differences(self, branch_id: str, other_branch_id: str | None = None) -> Differences:
        """What a branch has otherwise than another one, or than it had when it was made."""
        return self.repository.differences(branch_id, other_branch_id)

    def get_branch_history(self, branch_id: str) -> list[Commit]:
        """All commits that led to a branch, newest first."""
        return self.repository.history(branch_id)

    def calculate_storage_savings(self) -> StorageSavings:
        """What branching saves against copying every branch in full."""
        from film_archive.versioning.holdings import nothing_saved, savings

        return savings(self.repository.opened) if self.repository.exists else nothing_saved()

    def cleanup_orphaned_objects(self, dry_run: bool = False) -> Cleanup:
        """Remove what no branch's history leads to; `dry_run` only says what that is."""
        from film_archive.versioning.collecting import Cleanup, clean_up

        if not self.repository.exists:
            return Cleanup(objects=0, bytes=0, removed=not dry_run)
        return clean_up(self.repository.opened, keep_days=_KEEP_DAYS, grace_days=0, dry_run=dry_run)

    def locate_archive(self, archive_path: Named) -> str:
        """Tell where an archive that was moved is now; returns its id."""
        return self.repository.locate_archive(Path(archive_path))


def _model(branch: Branch) -> ArchiveBranch:
    return ArchiveBranch(
        branch_id=branch.id,
        branch_name=branch.name,
        archive_path=branch.archive_path or Path(),
        description=branch.description,
        parent_branch_id=branch.parent,
        head=branch.head,
        created_at=branch.created,
    )
