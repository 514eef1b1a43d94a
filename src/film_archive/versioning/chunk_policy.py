"""Which files of a repository are stored as chunks: patterns of paths, kept with its metadata, for all who use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from film_archive.core.errors import Damaged, UsageError
from film_archive.core.json_text import from_json, to_json
from film_archive.core.records import Record
from film_archive.storage.database import Database

_CHUNKING = "chunking"
_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkingReport(Record):
    """Which files are stored as chunks from now on."""

    patterns: tuple[str, ...]
    """Of paths, as in a shell; none: no files are."""


def chunking_of(database: Database) -> tuple[str, ...]:
    """The patterns of paths whose contents are stored as chunks from now on."""
    rows = database.execute("SELECT value FROM meta WHERE name = :name", {"name": _CHUNKING})
    found = from_json(str(rows[0][0])) if rows else []
    if not (isinstance(found, list) and all(isinstance(pattern, str) for pattern in found)):
        raise Damaged(f"The patterns of what is chunked in {database.name} can't be read; set them anew.")
    return tuple(found)


def set_chunking(database: Database, patterns: Sequence[str]) -> None:
    """Say so; what is stored already stays as it is. Raises UsageError for what can't be a pattern."""
    if len(patterns) > _MOST or any(not pattern or not pattern.isprintable() for pattern in patterns):
        raise UsageError(f"A pattern is text like '*.mov', and there are at most {_MOST}; nothing was changed.")
    database.execute_many(
        "INSERT INTO meta VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [{"name": _CHUNKING, "value": to_json(list(patterns)).decode()}],
    )
