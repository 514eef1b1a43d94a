"""The API's documents. Their fields are what `/openapi.json` promises."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from film_archive.core.manifest import Member, ProxyRecord
from film_archive.core.timecode import FrameRate
from film_archive.server.holdings import HeldArchive
from film_archive.streaming.frames import FramePlace
from film_archive.streaming.opened import making_sense


class Health(BaseModel):
    status: str = Field(description="Always “ok”: whoever answers is well.")
    version: str


class ErrorDetail(BaseModel):
    status: int
    message: str = Field(description="What happened, to what, and what to do.")


class ErrorDocument(BaseModel):
    error: ErrorDetail


class ArchiveEntry(BaseModel):
    path: str = Field(description="The archive's path below the roots, by which the API knows it.")
    form: str = Field(description="“zip” or “folder”.")


class ArchiveList(BaseModel):
    archives: list[ArchiveEntry]
    complete: bool = Field(description="False where the search ended early or some folders may not be read.")


class ArchiveDocument(ArchiveEntry):
    foreign: bool = Field(description="A zip without our manifest.")
    archive_id: str | None
    generation: int | None
    members: int | None = Field(description="Lines of the manifest; None in a foreign zip.")
    bytes: int | None = Field(description="Payload bytes of all members.")
    tool: str | None = Field(description="What wrote it.")


class ProxyDocument(BaseModel):
    size: str = Field(description="The ladder's name (“preview”) or “1280x720”.")
    path: str
    url: str
    width: int
    height: int
    bit_rate: int = Field(description="Bits a second, measured over the file.")
    frames: int


class MemberDocument(BaseModel):
    path: str
    role: str
    size: int
    offset: int | None = Field(description="Where its bytes begin in the archive file; None in the folder form.")
    packed_size: int = Field(description="Its bytes there: as many as `size` where it is stored as it is.")
    digests: dict[str, str]
    url: str | None = Field(description="Where its bytes are served; None for folders, links and whole sequences.")
    of: str | None = Field(description="For what was made from an original: that original's path.")
    files: int = Field(description="How many files an image sequence has; 0 for all else.")
    media: dict[str, Any] | None = Field(description="What the probe found, with the keys of `probe --json`.")
    proxies: list[ProxyDocument]


class MemberList(BaseModel):
    archive: str
    members: list[MemberDocument]
    next: int | None = Field(description="The `offset` that continues the list; None at its end.")


class FrameDocument(BaseModel):
    frame: int = Field(description="Counted from 0 in the order shown.")
    timecode: str | None
    frame_rate: str | None = Field(description="“24000/1001”.")
    time: str = Field(description="Seconds from the first frame, as an exact fraction.")
    offset: int = Field(description="Of the member's own bytes, as all offsets here.")
    size: int
    keyframe: int = Field(description="The frame that decoding starts from; -1 where that one is not shown.")
    keyframe_offset: int
    start_byte: int = Field(description="With `end_byte` (inclusive): all picture bytes that showing the frame takes.")
    end_byte: int
    packets: int = Field(description="Packets to decode, the frame's own included.")
    url: str | None


def archive_document(held: HeldArchive) -> ArchiveDocument:
    head = held.opened.archive.header
    return ArchiveDocument(
        path=held.name.path,
        form=held.name.form,
        foreign=head is None,
        archive_id=None if head is None else head.archive_id,
        generation=None if head is None else head.generation,
        members=None if head is None else head.members,
        bytes=None if head is None else head.bytes,
        tool=None if head is None else head.tool,
    )


def member_document(held: HeldArchive, member: Member, base: str) -> MemberDocument:
    """A member's document; `base` is what the server's own addresses begin with. Damaged: its line makes no sense."""
    with making_sense(held.opened.archive.name, member.path):
        return _member_document(held, member, base)


def _member_document(held: HeldArchive, member: Member, base: str) -> MemberDocument:
    url = held.media_url(member)
    return MemberDocument(
        path=member.path,
        role=member.role,
        size=member.size,
        offset=member.offset,
        packed_size=member.packed_size,
        digests=dict(member.digests),
        url=None if url is None else base + url,
        of=member.of,
        files=member.frame_count,
        media=member.get("media"),
        proxies=[_proxy_document(held, proxy, base) for proxy in member.proxies],
    )


def _proxy_document(held: HeldArchive, proxy: ProxyRecord, base: str) -> ProxyDocument:
    return ProxyDocument(
        size=proxy.size,
        path=proxy.path,
        url=base + held.path_url(proxy.path),
        width=proxy.width,
        height=proxy.height,
        bit_rate=proxy.bit_rate,
        frames=proxy.frames,
    )


def frame_document(
    held: HeldArchive, member: Member, place: FramePlace, rate: FrameRate | None, base: str
) -> FrameDocument:
    url = held.media_url(member)
    return FrameDocument(
        frame=place.frame_number,
        timecode=None if place.timecode is None else str(place.timecode),
        frame_rate=None if rate is None else str(rate),
        time=f"{place.time.numerator}/{place.time.denominator}",
        offset=place.offset,
        size=place.size,
        keyframe=place.keyframe_number,
        keyframe_offset=place.keyframe_offset,
        start_byte=place.start_byte,
        end_byte=place.end_byte,
        packets=place.packets,
        url=None if url is None else base + url,
    )
