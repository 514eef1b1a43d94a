"""`/api/v1/…`: archives, members, frames as JSON. Each function is synchronous and runs in a thread."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from film_archive import __version__
from film_archive.core.errors import TimecodeUnknown, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.manifest import Member
from film_archive.core.timecode import Timecode
from film_archive.server.documents import (
    ArchiveDocument,
    ArchiveEntry,
    ArchiveList,
    ErrorDocument,
    FrameDocument,
    Health,
    MemberDocument,
    MemberList,
    archive_document,
    frame_document,
    member_document,
)
from film_archive.server.gate import Token
from film_archive.server.holdings import Holdings
from film_archive.streaming.frames import locate
from film_archive.streaming.opened import making_sense

_MOST = 10_000
_FAILURES: dict[int | str, dict[str, object]] = {
    404: {"model": ErrorDocument, "description": "No such archive, member or file."},
    422: {"model": ErrorDocument, "description": "Not to be had of this one, or the request is wrong."},
}


def health_router() -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", tags=["server"])
    def health() -> Health:
        """Whether the server is well."""
        return Health(status="ok", version=__version__)

    return router


def session_router(token: Token | None) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["server"])

    @router.post("/session", status_code=204)
    def open_session(request: Request) -> Response:
        """Exchange the token, sent as `Authorization: Bearer`, for a cookie."""
        response = Response(status_code=204)
        if token is not None:
            response.set_cookie(
                token.cookie_name,
                token.cookie_value,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
                path=(request.scope.get("root_path") or "") + "/",
            )
        return response

    return router


def archive_router(holdings: Holdings) -> APIRouter:
    """Archives are named by their path, which may have slashes in it; members, for the same reason, by a query."""
    router = APIRouter(prefix="/api/v1", tags=["archives"], responses=_FAILURES)

    @router.get("/archives")
    def list_archives() -> ArchiveList:
        """All archives below the roots."""
        found, complete = holdings.archives()
        entries = [ArchiveEntry(path=archive.path, form=archive.form) for archive in found]
        return ArchiveList(archives=entries, complete=complete)

    @router.get("/archives/{archive:path}/members")
    def list_members(
        request: Request,
        archive: str,
        role: Annotated[str | None, Query(description="Only members of this role: “original”, “proxy”, …")] = None,
        offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 1000,
    ) -> MemberList:
        """An archive's members in the order in which they were added, `limit` at a time."""
        held = holdings.archive(archive)
        wanted = (member for member in held.opened.archive.members() if role is None or member.role == role)
        page = list(islice(wanted, offset, offset + limit + 1))
        return MemberList(
            archive=archive,
            members=[member_document(held, member, _base(request)) for member in page[:limit]],
            next=offset + limit if len(page) > limit else None,
        )

    @router.get("/archives/{archive:path}/member")
    def get_member(request: Request, archive: str, path: str) -> MemberDocument:
        """One member: its place in the archive, its facts, where its bytes are served."""
        held = holdings.archive(archive)
        return member_document(held, held.opened.member(path), _base(request))

    @router.get("/archives/{archive:path}/frame")
    def get_frame(
        request: Request,
        archive: str,
        member: str,
        frame: Annotated[int | None, Query(description="A frame's number, from 0.")] = None,
        timecode: Annotated[str | None, Query(description="Or its timecode.", examples=["01:00:00:00"])] = None,
    ) -> FrameDocument:
        """Where a frame lies, exactly: frame number ⇄ timecode ⇄ bytes, and the keyframe to start from."""
        held = holdings.archive(archive)
        found = held.opened.member(member)
        with making_sense(held.opened.archive.name, found.path):
            facts = found.media
        number = _frame_number(found, facts, frame, timecode)
        index = held.opened.frame_index(found)
        place = locate(index, number, facts)
        rate = index.rate if index.rate is not None else facts.frame_rate if facts is not None else None
        return frame_document(held, found, place, rate, _base(request))

    @router.get("/archives/{archive:path}")
    def get_archive(archive: str) -> ArchiveDocument:
        """One archive."""
        return archive_document(holdings.archive(archive))

    return router


def _base(request: Request) -> str:
    return request.scope.get("root_path") or ""


def _frame_number(member: Member, facts: MediaFacts | None, frame: int | None, timecode: str | None) -> int:
    """The frame that a request names by exactly one of number and source timecode."""
    if (frame is None) == (timecode is None):
        raise UsageError("Name the frame by its number or by its timecode, one of the two.")
    if frame is not None:
        return frame
    assert timecode is not None
    start = None if facts is None else facts.start_timecode
    if start is None:
        raise TimecodeUnknown(f"{member.path} has no start timecode; name the frame by its number.")
    return start.frames_until(Timecode.from_string(timecode, start.rate))
