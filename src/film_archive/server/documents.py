"""The API's documents. Their fields are what `/openapi.json` promises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from film_archive.core.member import Member, ProxyRecord
from film_archive.core.timecode import FrameRate
from film_archive.proxy.selection import select_proxy
from film_archive.server.holdings import HeldArchive
from film_archive.server.jobs import Job, JobState
from film_archive.streaming.fragments import FragmentIndex
from film_archive.streaming.frames import FramePlace
from film_archive.streaming.hls import average_bandwidth, bandwidth
from film_archive.streaming.opened import making_sense


class Health(BaseModel):
    status: str = Field(description="Always “ok”: whoever answers is well.")
    version: str


class CatalogPlace(BaseModel):
    kind: str = Field(description="“disk”, “cartridge”, “archive” or “branch”.")
    device: str = Field(description="The identity of the device, cartridge, archive or branch.")
    label: str = Field(description="Where it was mounted when it was last seen, or what it is called.")
    path: str = Field(description="The path in the device.")
    online: bool = Field(description="Whether the device is at the server's machine now.")
    size: int
    verified: str | None = Field(description="When its bytes were last read back and right, ISO 8601 in UTC.")
    verified_by: str | None = Field(description="Which verb did, and who.")
    sequence: str | None = Field(description="The image sequence that it is a frame of, or that is meant.")
    gone: str | None = Field(description="When it was found to be gone; None where it is there.")
    url: str | None = Field(description="Its address, where it lies below a root of this server.")


class CatalogFindings(BaseModel):
    query: str
    found: list[CatalogPlace]
    complete: bool = Field(description="False where there is more than `limit`.")


class CatalogContent(BaseModel):
    digests: dict[str, str]
    size: int
    copies: list[CatalogPlace] = Field(description="Where it is, then where it had been.")
    devices: int = Field(description="Devices on which a verified copy is.")


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


class ProxyList(BaseModel):
    member: str
    proxies: list[ProxyDocument]
    selected: str | None = Field(description="The `size` of the one to play; None where there are none.")


class SessionDocument(BaseModel):
    right: str = Field(description="“read”, or “jobs”, which includes it.")
    roots: list[str] | None = Field(description="The names of the roots that are open; None is all.")


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


class JobDocument(BaseModel):
    id: str
    state: str = Field(description="“queued”, “running”, “done”, “failed” or “cancelled”.")
    path: str = Field(description="The clip, below /media/.")
    name: str = Field(description="What its file is called when it is saved.")
    created: str = Field(description="ISO 8601, UTC.")
    ended: str | None
    first_frame: int = Field(description="Of the clip, handles included.")
    frames: int
    head_handle: int = Field(description="Frames that were got before the in point.")
    tail_handle: int
    start_timecode: str
    bytes_done: int
    bytes_total: int
    error: str | None = Field(description="Why it failed.")
    notes: list[str] = Field(description="What was read otherwise than it was written.")
    url: str
    file_url: str | None = Field(description="Where the file is, once it is done.")


class JobList(BaseModel):
    jobs: list[JobDocument]


class FragmentDocument(BaseModel):
    size: str = Field(description="The proxy's: “preview”, “1280x720”.")
    url: str
    bytes: int = Field(description="Of the whole file.")
    codecs: str = Field(description="RFC 6381, for `MediaSource.isTypeSupported`.")
    width: int
    height: int
    frame_rate: str = Field(description="“24000/1001”; of the proxy's shortest frame.")
    bandwidth: int = Field(description="Bits a second of the largest segment.")
    average_bandwidth: int
    timescale: str = Field(description="Ticks a second of all times here, as a fraction.")
    vfr: bool = Field(description="Whether frames are shown for different times.")
    init: int = Field(description="Bytes from the file's beginning that every fragment needs first.")
    offsets: list[int] = Field(description="Where each fragment begins, and where the last one ends.")
    times: list[int] = Field(description="When each is shown, in ticks from the first frame, and when the last ends.")
    frames: list[int] = Field(description="The number of each one's first frame, and of all frames.")


class FragmentList(BaseModel):
    archive: str
    member: str
    playlist: str = Field(description="The HLS master playlist of the same proxies.")
    proxies: list[FragmentDocument] = Field(description="The smallest first.")


def job_document(job: Job, base: str) -> JobDocument:
    url = f"{base}/api/v1/jobs/{job.id}"
    return JobDocument(
        id=job.id,
        state=job.state,
        path=job.path,
        name=job.name,
        created=_moment(job.created),
        ended=None if job.ended is None else _moment(job.ended),
        first_frame=job.first_frame,
        frames=job.frames,
        head_handle=job.head_handle,
        tail_handle=job.tail_handle,
        start_timecode=job.start_timecode,
        bytes_done=job.bytes_done,
        bytes_total=job.bytes_total,
        error=job.error,
        notes=list(job.notes),
        url=url,
        file_url=f"{url}/file" if job.state is JobState.DONE else None,
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


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


def proxy_list(held: HeldArchive, member: Member, carried: float, display: tuple[int, int], base: str) -> ProxyList:
    """A member's proxies, and which of them to play."""
    with making_sense(held.opened.archive.name, member.path):
        playable = [proxy for proxy in member.proxies if proxy.codec == "h264"]
        selected = select_proxy(playable, carried, display)
        return ProxyList(
            member=member.path,
            proxies=[_proxy_document(held, proxy, base) for proxy in member.proxies],
            selected=None if selected is None else selected.size,
        )


def fragment_document(held: HeldArchive, proxy: ProxyRecord, index: FragmentIndex, base: str) -> FragmentDocument:
    return FragmentDocument(
        size=proxy.size,
        url=base + held.path_url(proxy.path),
        bytes=index.size,
        codecs=index.codecs,
        width=index.width,
        height=index.height,
        frame_rate=f"{index.frame_rate.numerator}/{index.frame_rate.denominator}",
        vfr=index.vfr,
        bandwidth=bandwidth(index),
        average_bandwidth=average_bandwidth(index),
        timescale=f"{index.timescale.numerator}/{index.timescale.denominator}",
        init=index.init,
        offsets=list(index.offsets),
        times=list(index.times),
        frames=list(index.frames),
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
