"""Which HTTP status each of our errors is, and how it is said."""

from __future__ import annotations

from pydantic_core import to_json

from film_archive.core.errors import (
    Damaged,
    FilmArchiveError,
    NotFound,
    NotSupported,
    OutOfRange,
    Refused,
    UsageError,
)


class Busy(Refused):
    """Too much is going on; the same request may succeed later."""


_STATUSES: tuple[tuple[type[FilmArchiveError], int], ...] = (
    (Busy, 429),
    (NotFound, 404),
    (Refused, 403),
    (NotSupported, 422),
    (Damaged, 422),
    (OutOfRange, 422),
    (UsageError, 422),
)


def status_of(error: FilmArchiveError) -> int:
    """The status that tells a client whose matter it is: 4xx its own, 500 that of the files or of the machine."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def error_body(status: int, message: str) -> bytes:
    """The document that goes with it, as `--json` prints one."""
    return to_json({"error": {"status": status, "message": message}})
