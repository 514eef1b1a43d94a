"""`/api/v1/…`: the server itself, sessions, archives and their members. Each function is synchronous and runs in a thread."""

from __future__ import annotations

from itertools import chain, islice
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic_core import to_json

from film_archive import __version__
from film_archive.core.member import Member
from film_archive.server.access import Guard
from film_archive.server.asking import (
    ARCHIVE_FAILURES,
    ArchivePath,
    MemberPath,
    Responses,
    access_of,
    base_of,
    failures,
)
from film_archive.server.documents import (
    ArchiveDocument,
    ArchiveEntry,
    ArchiveList,
    Health,
    MemberDocument,
    MemberList,
    SessionDocument,
    archive_document,
    member_document,
)
from film_archive.server.holdings import Holdings
from film_archive.server.metrics import Metrics

_MOST = 10_000
_MANIFEST_TYPES: Responses = {
    200: {"description": "Lines of JSON.", "content": {"application/jsonl": {}}}
}


def health_router(metrics: Metrics) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz", tags=["server"])
    def health() -> Health:
        """Whether the server is well."""
        return Health(status="ok", version=__version__)

    @router.get("/metrics", tags=["server"], response_class=PlainTextResponse)
    def numbers() -> PlainTextResponse:
        """What all workers have done, for Prometheus."""
        return PlainTextResponse(metrics.text(__version__), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def session_router(guard: Guard) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["server"])

    @router.post("/session", status_code=204, responses=failures())
    def open_session(request: Request) -> Response:
        """Exchange the token, sent as `Authorization: Bearer`, for a cookie."""
        response = Response(status_code=204)
        token = guard.token(request.headers.get("authorization"), request.headers.get("cookie"))
        if token is not None:
            response.set_cookie(
                token.cookie_name,
                token.cookie_value,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
                path=base_of(request) + "/",
            )
        return response

    @router.get("/session", responses=failures())
    def get_session(request: Request) -> SessionDocument:
        """What the shown token lets its bearer do."""
        access = access_of(request)
        return SessionDocument(right=access.right, roots=None if access.roots is None else sorted(access.roots))

    return router


def archive_router(holdings: Holdings) -> APIRouter:
    """Archives are named by their path, which may have slashes in it; members, for the same reason, by a query.

    Routes that go on behind that path come before this router's last one (`clip_router`).
    """
    router = APIRouter(prefix="/api/v1", tags=["archives"], responses=ARCHIVE_FAILURES)

    @router.get("/archives")
    def list_archives(request: Request) -> ArchiveList:
        """All archives below the roots."""
        found, complete = holdings.seen_with(access_of(request)).archives()
        entries = [ArchiveEntry(path=archive.path, form=archive.form) for archive in found]
        return ArchiveList(archives=entries, complete=complete)

    @router.get("/archives/{archive:path}/members")
    def list_members(
        request: Request,
        archive: ArchivePath,
        role: Annotated[str | None, Query(description="Only members of this role: “original”, “proxy”, …")] = None,
        q: Annotated[str | None, Query(max_length=200, description="Only those in which all these words are found.")] = None,
        offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 1000,
    ) -> MemberList:
        """An archive's members in the order in which they were added, `limit` at a time.

        Words of `q` are looked for in paths, reels, codecs, profiles and start timecodes, without regard to case.
        """
        held = holdings.seen_with(access_of(request)).archive(archive)
        words = (q or "").casefold().split()
        wanted = (
            member
            for member in held.opened.archive.members()
            if (role is None or member.role == role) and (not words or _has_words(member, words))
        )
        page = list(islice(wanted, offset, offset + limit + 1))
        return MemberList(
            archive=archive,
            members=[member_document(held, member, base_of(request)) for member in page[:limit]],
            next=offset + limit if len(page) > limit else None,
        )

    @router.get("/archives/{archive:path}/member")
    def get_member(request: Request, archive: ArchivePath, path: MemberPath) -> MemberDocument:
        """One member: its place in the archive, its facts, where its bytes are served."""
        held = holdings.seen_with(access_of(request)).archive(archive)
        return member_document(held, held.opened.member(path), base_of(request))

    @router.get("/archives/{archive:path}/manifest", response_class=Response, responses=_MANIFEST_TYPES)
    def get_manifest(request: Request, archive: ArchivePath) -> StreamingResponse:
        """The whole manifest as it is: a header line and a line of JSON a member. Foreign zips have none."""
        opened = holdings.seen_with(access_of(request)).archive(archive).opened
        opened.archive.require_manifest("show it")
        head = opened.archive.header
        assert head is not None  # else it is foreign
        lines = (to_json(member.to_json()) + b"\n" for member in opened.archive.members())
        return StreamingResponse(chain([head.to_line()], lines), media_type="application/jsonl")

    @router.get("/archives/{archive:path}")
    def get_archive(request: Request, archive: ArchivePath) -> ArchiveDocument:
        """One archive."""
        return archive_document(holdings.seen_with(access_of(request)).archive(archive))

    return router


def _has_words(member: Member, words: list[str]) -> bool:
    media = member.get("media")
    facts = media if isinstance(media, dict) else {}
    said = (member.path, *(str(facts.get(name) or "") for name in ("reel", "codec", "profile", "start_timecode")))
    text = " ".join(said).casefold()
    return all(word in text for word in words)
