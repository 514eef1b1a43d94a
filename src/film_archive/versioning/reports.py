"""What verbs of a repository print: plain data, made from the nouns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from film_archive.core.records import Record
from film_archive.versioning.commits import Commit
from film_archive.versioning.differences import Differences
from film_archive.versioning.entries import Entry
from film_archive.versioning.locks import EditLock
from film_archive.versioning.merge import Conflict
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import MergeResult
from film_archive.versioning.tree import Change
from film_archive.versioning.worktree import Renamed


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchReport(Record):
    """A branch."""

    id: str
    """Its name for life."""
    name: str
    """Its name for people."""
    description: str
    """What it is for."""
    head: str
    """The commit that it is at."""
    parent: str | None
    """The id of the branch that it was made from."""
    archive: str | None
    """The archive or folder that it was made from, as it was called then."""
    created: str
    """ISO 8601."""
    files: int
    """Paths that it holds."""
    bytes: int
    """Of all its files."""

    @classmethod
    def of(cls, branch: Branch, head: Commit) -> BranchReport:
        return cls(
            id=branch.id,
            name=branch.name,
            description=branch.description,
            head=branch.head,
            parent=branch.parent,
            archive=None if branch.archive_path is None else os.fspath(branch.archive_path),
            created=branch.created.isoformat(),
            files=head.statistics.entries,
            bytes=head.statistics.size,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchesReport(Record):
    """All branches."""

    branches: tuple[BranchReport, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitReport(Record):
    """A commit."""

    id: str
    """BLAKE3 of the commit."""
    parents: tuple[str, ...]
    """The commits that it came of."""
    author: str
    """Who made it."""
    time: str
    """ISO 8601."""
    message: str
    """What was done, and why."""
    added: int
    """Paths, against the first parent."""
    modified: int
    """Paths, against the first parent."""
    removed: int
    """Paths, against the first parent."""
    files: int
    """Paths that it holds."""
    bytes: int
    """Of all its files."""

    @classmethod
    def of(cls, commit: Commit) -> CommitReport:
        numbers = commit.statistics
        return cls(
            id=commit.id,
            parents=commit.parents,
            author=commit.author,
            time=commit.time.isoformat(),
            message=commit.message,
            added=numbers.added,
            modified=numbers.modified,
            removed=numbers.removed,
            files=numbers.entries,
            bytes=numbers.size,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport(Record):
    """The history of a branch."""

    commits: tuple[CommitReport, ...]
    """Newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaChange(Record):
    """How a clip differs from what had its path before."""

    what: str
    """The fact: "codec", "frames", "start_timecode" …"""
    before: str
    """What it was."""
    after: str
    """What it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport(Record):
    """A path with both its sides. Bytes and digests are null where a side does not have it."""

    path: str
    """The path."""
    kind: str
    """"file", "folder" or "symlink"."""
    size_before: int | None
    """Bytes."""
    size_after: int | None
    """Bytes."""
    digest_before: str | None
    """XXH3-128."""
    digest_after: str | None
    """XXH3-128."""
    media: tuple[MediaChange, ...] = ()
    """With `--media`: what changed of a clip."""

    @classmethod
    def of(cls, change: Change, media: Sequence[MediaChange] = ()) -> ChangeReport:
        before, after = change.before, change.after
        there = after or before
        return cls(
            path=change.path,
            kind="" if there is None else str(there.kind),
            size_before=None if before is None else before.size,
            size_after=None if after is None else after.size,
            digest_before=_digest(before),
            digest_after=_digest(after),
            media=tuple(media),
        )


def _digest(entry: Entry | None) -> str | None:
    return None if entry is None or entry.key is None else entry.key.hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffReport(Record):
    """What one state has otherwise than another."""

    before: str
    """The commit."""
    after: str
    """The commit that it is compared with."""
    added: tuple[str, ...]
    """Paths."""
    removed: tuple[str, ...]
    """Paths."""
    modified: tuple[str, ...]
    """Paths."""
    renamed: tuple[Renamed, ...]
    """Removed and added with the same content; in neither list."""
    changes: tuple[ChangeReport, ...]
    """Each path with both its sides."""

    @classmethod
    def of(cls, before: str, after: str, found: Differences, changes: Iterable[ChangeReport]) -> DiffReport:
        return cls(
            before=before,
            after=after,
            added=found.added,
            removed=found.removed,
            modified=found.modified,
            renamed=tuple(Renamed(from_=one, to=other) for one, other in found.renamed),
            changes=tuple(changes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Side(Record):
    """What one branch has on a path."""

    path: str
    """Its path there."""
    size: int
    """Bytes."""
    digest: str | None
    """XXH3-128."""

    @classmethod
    def of(cls, entry: Entry | None) -> Side | None:
        return None if entry is None else cls(path=entry.path, size=entry.size, digest=_digest(entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictReport(Record):
    """A path on which two branches disagree."""

    path: str
    """The path."""
    base: Side | None
    """What their common ancestor had."""
    ours: Side | None
    """What the branch has that is merged into; null: nothing."""
    theirs: Side | None
    """What the branch has that is merged."""
    resolution: str | None
    """By which it is settled: "ours", "theirs", "both" or "content"; null where it is not."""
    reasons: tuple[str, ...]
    """Why it was not merged by content, where that was asked for."""

    @classmethod
    def of(cls, conflict: Conflict) -> ConflictReport:
        words = {"source": "theirs", "target": "ours", "both": "both", "content": "content"}
        return cls(
            path=conflict.path,
            base=Side.of(conflict.base),
            ours=Side.of(conflict.target),
            theirs=Side.of(conflict.source),
            resolution=None if conflict.resolution is None else words[str(conflict.resolution)],
            reasons=conflict.reasons,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport(Record):
    """What became of a merge, or would."""

    merged: bool
    """Whether it was made; of a dry run, whether it can be."""
    commit: str | None
    """The commit that it made."""
    added: tuple[str, ...]
    """What the branch gets that is merged into."""
    removed: tuple[str, ...]
    """Paths that it loses."""
    modified: tuple[str, ...]
    """Paths that hold something else."""
    renamed: tuple[Renamed, ...]
    """Removed and added with the same content; in neither list."""
    conflicts: tuple[ConflictReport, ...]
    """Those that were settled, too."""

    @classmethod
    def of(cls, result: MergeResult, found: Differences) -> MergeReport:
        return cls(
            merged=result.merged,
            commit=result.commit,
            added=found.added,
            removed=found.removed,
            modified=found.modified,
            renamed=tuple(Renamed(from_=one, to=other) for one, other in found.renamed),
            conflicts=tuple(map(ConflictReport.of, result.conflicts)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun(Record):
    """A new repository."""

    repository: str
    """Its folder."""
    folder: str | None
    """The work tree; null where it has none."""
    branch: str | None
    """The branch that the work tree is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedReport(Record):
    """What was staged."""

    branch: str
    """For whose next commit."""
    staged: tuple[str, ...]
    """Paths that were staged now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedReport(Record):
    """What was renamed and staged."""

    branch: str
    """For whose next commit."""
    renamed: tuple[Renamed, ...]
    """What has another path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedReport(Record):
    """A new commit."""

    branch: str
    """The branch."""
    commit: str
    """The commit that it is at now."""
    added: int
    """Paths, against the commit before."""
    modified: int
    """Paths, against the commit before."""
    removed: int
    """Paths, against the commit before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport(Record):
    """An archive that was made of a branch."""

    archive: str
    """Its path."""
    branch: str
    """The branch or commit, as it was named."""
    members: int
    """How many it has."""
    bytes: int
    """Of all members."""
    unread: int
    """Of those, what was shared or copied by the system since it was proven before."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptReport(Record):
    """Borrowed bytes that were copied into the repository."""

    adopted: tuple[str, ...]
    """Paths."""
    bytes: int
    """Of what was copied."""
    missing: tuple[str, ...]
    """Paths whose archive is not at hand."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport(Record):
    """What an archive brought a branch."""

    branch: str
    """Its name."""
    commit: str
    """The commit that it is at."""
    added: tuple[str, ...]
    """Paths that it did not have."""
    modified: tuple[str, ...]
    """Paths that hold the archive's content now; the commit before has the other one."""
    adopted: int
    """Bytes that were copied in; what was not is borrowed from the archive."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocksReport(Record):
    """Locks."""

    locks: tuple[EditLock, ...]
    """Those that are there, or were taken or given up."""
