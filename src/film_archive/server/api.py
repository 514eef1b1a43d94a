"""`/api/v1/…`: archives, members, frames as JSON. Each function is synchronous and runs in a thread."""

from __future__ import annotations

from itertools import chain, islice
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic_core import to_json

from film_archive import __version__
from film_archive.core.errors import TimecodeUnknown, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.member import Member
from film_archive.media.cutting.ranges import Clip
from film_archive.server.access import Access, Guard
from film_archive.server.documents import (
    ArchiveDocument,
    ArchiveEntry,
    ArchiveList,
    ErrorDocument,
    FragmentList,
    FrameDocument,
    Health,
    MemberDocument,
    MemberList,
    ProxyList,
    SessionDocument,
    archive_document,
    fragment_document,
    frame_document,
    member_document,
    proxy_list,
)
from film_archive.server.hls import Fragments, playlist_url, proxies_of
from film_archive.server.holdings import Holdings
from film_archive.server.metrics import Metrics
from film_archive.server.sending import ACCESS
from film_archive.streaming.frames import frame_at_byte, locate
from film_archive.streaming.opened import making_sense

_MOST = 10_000
_ArchivePath = Annotated[str, Path(description="The archive's path below the roots; it may have slashes.")]
_MemberPath = Annotated[str, Query(description="The member's path in the archive.")]
_MANIFEST_TYPES: dict[int | str, dict[str, object]] = {
    200: {"description": "Lines of JSON.", "content": {"application/jsonl": {}}}
}
_FAILURES: dict[int | str, dict[str, object]] = {
    401: {"model": ErrorDocument, "description": "No token was shown, and the server has some."},
    404: {"model": ErrorDocument, "description": "No such archive, member or file."},
    422: {"model": ErrorDocument, "description": "Not to be had of this one, or the request is wrong."},
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

    @router.post("/session", status_code=204, responses={401: {"model": ErrorDocument}})
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
                path=_base(request) + "/",
            )
        return response

    @router.get("/session", responses={401: {"model": ErrorDocument}})
    def get_session(request: Request) -> SessionDocument:
        """What the shown token lets its bearer do."""
        access = _access(request)
        return SessionDocument(right=access.right, roots=None if access.roots is None else sorted(access.roots))

    return router


def archive_router(holdings: Holdings) -> APIRouter:
    """Archives are named by their path, which may have slashes in it; members, for the same reason, by a query."""
    router = APIRouter(prefix="/api/v1", tags=["archives"], responses=_FAILURES)
    fragments = Fragments()

    @router.get("/archives")
    def list_archives(request: Request) -> ArchiveList:
        """All archives below the roots."""
        found, complete = holdings.seen_with(_access(request)).archives()
        entries = [ArchiveEntry(path=archive.path, form=archive.form) for archive in found]
        return ArchiveList(archives=entries, complete=complete)

    @router.get("/archives/{archive:path}/members")
    def list_members(
        request: Request,
        archive: _ArchivePath,
        role: Annotated[str | None, Query(description="Only members of this role: “original”, “proxy”, …")] = None,
        q: Annotated[str | None, Query(max_length=200, description="Only those in which all these words are found.")] = None,
        offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 1000,
    ) -> MemberList:
        """An archive's members in the order in which they were added, `limit` at a time.

        Words of `q` are looked for in paths, reels, codecs, profiles and start timecodes, without regard to case.
        """
        held = holdings.seen_with(_access(request)).archive(archive)
        words = (q or "").casefold().split()
        wanted = (
            member
            for member in held.opened.archive.members()
            if (role is None or member.role == role) and (not words or _has_words(member, words))
        )
        page = list(islice(wanted, offset, offset + limit + 1))
        return MemberList(
            archive=archive,
            members=[member_document(held, member, _base(request)) for member in page[:limit]],
            next=offset + limit if len(page) > limit else None,
        )

    @router.get("/archives/{archive:path}/member")
    def get_member(request: Request, archive: _ArchivePath, path: _MemberPath) -> MemberDocument:
        """One member: its place in the archive, its facts, where its bytes are served."""
        held = holdings.seen_with(_access(request)).archive(archive)
        return member_document(held, held.opened.member(path), _base(request))

    @router.get("/archives/{archive:path}/frame")
    def get_frame(
        request: Request,
        archive: _ArchivePath,
        member: _MemberPath,
        frame: Annotated[int | None, Query(ge=-(1 << 53), le=1 << 53, description="A frame's number, from 0.")] = None,
        timecode: Annotated[str | None, Query(description="Or its source timecode.", examples=["01:00:00:00"])] = None,
        byte: Annotated[int | None, Query(ge=0, le=1 << 62, description="Or a byte of the member.")] = None,
    ) -> FrameDocument:
        """Where a frame lies, exactly: frame number ⇄ timecode ⇄ bytes, and the keyframe to start from."""
        held = holdings.seen_with(_access(request)).archive(archive)
        found = held.opened.member(member)
        with making_sense(held.opened.archive.name, found.path):
            facts = found.media
        index = held.opened.frame_index(found)
        number = _frame_number(found, facts, index, frame, timecode, byte)
        place = locate(index, number, facts)
        rate = index.rate if index.rate is not None else facts.frame_rate if facts is not None else None
        return frame_document(held, found, place, rate, _base(request))

    @router.get("/archives/{archive:path}/manifest", response_class=Response, responses=_MANIFEST_TYPES)
    def get_manifest(request: Request, archive: _ArchivePath) -> StreamingResponse:
        """The whole manifest as it is: a header line and a line of JSON a member. Foreign zips have none."""
        opened = holdings.seen_with(_access(request)).archive(archive).opened
        opened.archive.require_manifest("show it")
        head = opened.archive.header
        assert head is not None  # else it is foreign
        lines = (to_json(member.to_json()) + b"\n" for member in opened.archive.members())
        return StreamingResponse(chain([head.to_line()], lines), media_type="application/jsonl")

    @router.get("/archives/{archive:path}/proxies")
    def list_proxies(
        request: Request,
        archive: _ArchivePath,
        member: _MemberPath,
        bandwidth: Annotated[float, Query(ge=0, description="Bits a second that the connection carries.")] = 1e12,
        width: Annotated[int, Query(ge=1, le=1 << 16, description="Pixels that it is shown at.")] = 1,
        height: Annotated[int, Query(ge=1, le=1 << 16)] = 1,
    ) -> ProxyList:
        """A member's proxies, the smallest first, and which to play: of those that fit the bandwidth the smallest that
        covers the display, else the largest that fits, else the one of the lowest bit rate.
        """
        held = holdings.seen_with(_access(request)).archive(archive)
        return proxy_list(held, held.opened.member(member), bandwidth, (width, height), _base(request))

    @router.get("/archives/{archive:path}/fragments")
    def get_fragments(request: Request, archive: _ArchivePath, member: _MemberPath) -> FragmentList:
        """Where the fragments of a member's proxies lie, for players that fetch them by byte range."""
        held = holdings.seen_with(_access(request)).archive(archive)
        found = held.opened.member(member)
        return FragmentList(
            archive=archive,
            member=found.path,
            playlist=playlist_url(held.member_path(found), _base(request)),
            proxies=[
                fragment_document(held, proxy, index, _base(request))
                for proxy, index in proxies_of(held, found, fragments)
            ],
        )

    @router.get("/archives/{archive:path}")
    def get_archive(request: Request, archive: _ArchivePath) -> ArchiveDocument:
        """One archive."""
        return archive_document(holdings.seen_with(_access(request)).archive(archive))

    return router


def _base(request: Request) -> str:
    return request.scope.get("root_path") or ""


def _access(request: Request) -> Access:
    access: Access = request.scope[ACCESS]
    return access


def _has_words(member: Member, words: list[str]) -> bool:
    media = member.get("media")
    facts = media if isinstance(media, dict) else {}
    said = (member.path, *(str(facts.get(name) or "") for name in ("reel", "codec", "profile", "start_timecode")))
    text = " ".join(said).casefold()
    return all(word in text for word in words)


def _frame_number(
    member: Member, facts: MediaFacts | None, index: FrameIndex, frame: int | None, timecode: str | None, byte: int | None
) -> int:
    """The frame that a request names by exactly one of number, source timecode and byte."""
    if [frame, timecode, byte].count(None) != 2:
        raise UsageError("Name the frame by its number, by its timecode or by a byte of it, one of the three.")
    if frame is not None:
        return frame
    if byte is not None:
        return frame_at_byte(index, byte)
    assert timecode is not None
    start = None if facts is None else facts.start_timecode
    if start is None:
        raise TimecodeUnknown(f"{member.path} has no start timecode; name the frame by its number.")
    rate = index.rate or start.rate
    clip = Clip(member.path, index.frames, rate, start)
    return clip.frame_at(clip.read(timecode))
