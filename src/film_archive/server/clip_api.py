"""`/api/v1/archives/…` of clips: where a frame lies, which proxies there are, and where their fragments lie."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from film_archive.core.errors import TimecodeUnknown, UsageError
from film_archive.core.facts import MediaFacts
from film_archive.core.frame_index import FrameIndex
from film_archive.core.member import Member
from film_archive.media.cutting.ranges import Clip
from film_archive.server.asking import ARCHIVE_FAILURES, ArchivePath, MemberPath, access_of, base_of
from film_archive.server.documents import (
    FragmentList,
    FrameDocument,
    ProxyList,
    fragment_document,
    frame_document,
    proxy_list,
)
from film_archive.server.hls import Fragments, playlist_url, proxies_of
from film_archive.server.holdings import Holdings
from film_archive.streaming.frames import frame_at_byte, locate
from film_archive.streaming.opened import making_sense


def clip_router(holdings: Holdings) -> APIRouter:
    """What players ask of a clip."""
    router = APIRouter(prefix="/api/v1", tags=["archives"], responses=ARCHIVE_FAILURES)
    fragments = Fragments()

    @router.get("/archives/{archive:path}/frame")
    def get_frame(
        request: Request,
        archive: ArchivePath,
        member: MemberPath,
        frame: Annotated[int | None, Query(ge=-(1 << 53), le=1 << 53, description="A frame's number, from 0.")] = None,
        timecode: Annotated[str | None, Query(description="Or its source timecode.", examples=["01:00:00:00"])] = None,
        byte: Annotated[int | None, Query(ge=0, le=1 << 62, description="Or a byte of the member.")] = None,
    ) -> FrameDocument:
        """Where a frame lies, exactly: frame number ⇄ timecode ⇄ bytes, and the keyframe to start from."""
        held = holdings.seen_with(access_of(request)).archive(archive)
        found = held.opened.member(member)
        with making_sense(held.opened.archive.name, found.path):
            facts = found.media
        index = held.opened.frame_index(found)
        number = _frame_number(found, facts, index, frame, timecode, byte)
        place = locate(index, number, facts)
        rate = index.rate if index.rate is not None else facts.frame_rate if facts is not None else None
        return frame_document(held, found, place, rate, base_of(request))

    @router.get("/archives/{archive:path}/proxies")
    def list_proxies(
        request: Request,
        archive: ArchivePath,
        member: MemberPath,
        bandwidth: Annotated[float, Query(ge=0, description="Bits a second that the connection carries.")] = 1e12,
        width: Annotated[int, Query(ge=1, le=1 << 16, description="Pixels that it is shown at.")] = 1,
        height: Annotated[int, Query(ge=1, le=1 << 16)] = 1,
    ) -> ProxyList:
        """A member's proxies, the smallest first, and which to play: of those that fit the bandwidth the smallest that
        covers the display, else the largest that fits, else the one of the lowest bit rate.
        """
        held = holdings.seen_with(access_of(request)).archive(archive)
        return proxy_list(held, held.opened.member(member), bandwidth, (width, height), base_of(request))

    @router.get("/archives/{archive:path}/fragments")
    def get_fragments(request: Request, archive: ArchivePath, member: MemberPath) -> FragmentList:
        """Where the fragments of a member's proxies lie, for players that fetch them by byte range."""
        held = holdings.seen_with(access_of(request)).archive(archive)
        found = held.opened.member(member)
        return FragmentList(
            archive=archive,
            member=found.path,
            playlist=playlist_url(held.member_path(found), base_of(request)),
            proxies=[
                fragment_document(held, proxy, index, base_of(request))
                for proxy, index in proxies_of(held, found, fragments)
            ],
        )

    return router


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
