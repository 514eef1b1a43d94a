"""What a request of the API brings along: what it may do, what addresses begin with; and which failures its answer may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Path, Query, Request

from film_archive.server.access import Access
from film_archive.server.documents import ErrorDocument
from film_archive.server.sending import ACCESS

ArchivePath = Annotated[str, Path(description="The archive's path below the roots; it may have slashes.")]
MemberPath = Annotated[str, Query(description="The member's path in the archive.")]
Responses = dict[int | str, dict[str, object]]


def failures(said: Mapping[int, str] | None = None) -> Responses:
    """Failures by their status, and what each means here; 401 any answer may be."""
    known = {401: "No token was shown, and the server has some.", **(said or {})}
    return {status: {"model": ErrorDocument, "description": known[status]} for status in sorted(known)}


def access_of(request: Request) -> Access:
    """What the gate has found that a request may do."""
    access: Access = request.scope[ACCESS]
    return access


def base_of(request: Request) -> str:
    """What addresses begin with, behind a proxy."""
    return request.scope.get("root_path") or ""


ARCHIVE_FAILURES = failures(
    {
        404: "No such archive, member or file.",
        422: "Not to be had of this one, or the request is wrong.",
    }
)
