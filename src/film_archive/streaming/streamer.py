"""`ArchiveStreamer`: members straight out of archives, as the seed has it. The logic is in the modules beside it."""

from __future__ import annotations

import asyncio
import functools
import math
import os
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar

from film_archive.core.errors import OutOfRange, UsageError
from film_archive.core.frame_index import FrameIndex
from film_archive.core.member import Member
from film_archive.core.models import StreamRequest
from film_archive.core.source import ByteSource
from film_archive.streaming.adaptation import AdaptivePace, MovingRate, Pace, buffer_size, smooth_bit_rate
from film_archive.streaming.cache import BlockCache
from film_archive.streaming.chunks import read_chunks
from film_archive.streaming.frames import FramePlace, locate
from film_archive.streaming.opened import OpenArchives, OpenedArchive, making_sense
from film_archive.streaming.ranges import ByteRange, RequestFields
from film_archive.streaming.reply import Piece, Reply, reply_to
from film_archive.streaming.representation import of_member
from film_archive.streaming.turns import Turns

_THREADS = 32

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class RangeResponse(NamedTuple):
    """What a web handler sends: status, header fields (names in lower case), and the body's chunks."""

    status: int
    headers: Mapping[str, str]
    body: AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatistics:
    """What a streamer has done since it was made."""

    active_streams: int
    waiting_streams: int
    """Held back by `max_connections`."""
    finished_streams: int
    """Ended, whether all was taken or not."""
    bytes_streamed: int
    chunks: int
    bytes_per_second: float | None
    """Of one stream lately: the lower of two moving averages; None before the first chunk."""
    open_archives: int
    cache_hits: int
    cache_misses: int
    cache_bytes: int


class ArchiveStreamer:
    """Streams members of archives; any number of readers of any number of archives at once, from any event loop.

    `cache_size`: bytes of inflated blocks kept for other readers (of deflated members only; what lies as it is in the
    file is in the system's page cache). `prefetch_size`: bytes that a stream reads ahead of its consumer.
    `max_connections`: streams that read at once; further ones wait for their turn.
    """

    def __init__(self, cache_size: int = 64 << 20, prefetch_size: int = 4 << 20, max_connections: int = 64) -> None:
        if cache_size < 0 or prefetch_size < 0 or max_connections < 1:
            raise UsageError("A streamer's cache_size and prefetch_size are 0 or more, its max_connections 1 or more.")
        self._archives = OpenArchives()
        self._cache = BlockCache(cache_size)
        self._prefetch = prefetch_size
        self._turns = Turns(max_connections)
        self._threads = ThreadPoolExecutor(min(max_connections, _THREADS), thread_name_prefix="stream")
        self._rate = MovingRate()
        self._finished = 0
        self._bytes = 0
        self._chunks = 0

    async def stream_file(self, request: StreamRequest) -> AsyncGenerator[bytes, None]:
        """The bytes of a member from `start_byte` to `end_byte` (inclusive, or the member's end where that is less).

        Chunks are `buffer_size` long, the last one shorter; where the request does not set it, 64 KiB to 16 MiB by the
        measured rate and latency. Raises NotFound, Damaged, StorageError, and OutOfRange where the start lies behind
        the end.
        """
        given = "buffer_size" in request.model_fields_set
        pace = AdaptivePace(request.buffer_size if given else 1)
        await self._turns.take()
        try:
            source, part = await self._in_thread(self._open_part, request)
            async with aclosing(self._counted(source, (part,), pace)) as chunks:
                async for chunk in chunks:
                    step = request.buffer_size if given else len(chunk)
                    if len(chunk) == step:
                        yield chunk
                    else:
                        for start in range(0, len(chunk), step):
                            yield chunk[start : start + step]
        finally:
            self._turns.give()
            self._finished += 1

    async def create_http_range_response(
        self, request: StreamRequest, range_header: str | None = None, *, fields: RequestFields | None = None
    ) -> RangeResponse:
        """The answer to a GET of a member (RFC 9110): 200, 206 (also multipart), 304, 412 or 416.

        Without a Range the request's own `start_byte` and `end_byte` make one, where they name less than all. `fields`
        carries the method and the conditions of the request. The body is read only as it is taken.
        """
        asked = fields if fields is not None else RequestFields()
        if range_header is None and asked.range is None and (request.start_byte or request.end_byte is not None):
            range_header = f"bytes={request.start_byte}-{'' if request.end_byte is None else request.end_byte}"
        asked = replace(asked, range=range_header if range_header is not None else asked.range)
        source, reply = await self._in_thread(self._reply, request, asked)
        pace = AdaptivePace(request.buffer_size if "buffer_size" in request.model_fields_set else 1)
        return RangeResponse(reply.status, dict(reply.fields), self._body(source, reply.body, pace))

    async def seek_to_frame(
        self,
        archive_path: str | os.PathLike[str],
        file_path: str,
        frame_number: int,
        *,
        index: FrameIndex | None = None,
    ) -> FramePlace:
        """Where a frame of a member lies, exactly, and the keyframe to start from.

        Read from the archive's frame index, or from `index` where the caller has one. Raises OutOfRange where there is
        no such frame, NotSupported where the archive has no index of this member.
        """
        return await self._in_thread(self._locate, Path(archive_path), file_path, frame_number, index)

    def get_adaptive_buffer_size(self, network_bandwidth: float, latency_ms: float) -> int:
        """Bytes to ask for at once at `network_bandwidth` bits a second and `latency_ms`: 64 KiB to 16 MiB."""
        if not (network_bandwidth >= 0 and latency_ms >= 0):
            raise UsageError(f"A bandwidth of {network_bandwidth} bit/s at {latency_ms} ms is not possible.")
        return buffer_size(network_bandwidth, latency_ms)

    def calculate_bitrate_for_smooth_playback(
        self,
        file_size: int,
        duration_seconds: float | Fraction,
        *,
        index: FrameIndex | None = None,
        startup_seconds: float | Fraction = 1,
        headroom: float | Fraction = Fraction(6, 5),
    ) -> int:
        """Bits a second that a connection needs to play a file of this size and length without a stop.

        With its frame index: the exact lowest rate at which no frame is late when playing begins `startup_seconds`
        after the first byte. Without: the average. Both times `headroom`.
        """
        if file_size < 0 or duration_seconds <= 0 or startup_seconds <= 0 or headroom < 1:
            raise UsageError("Give a size of 0 or more, a duration and start-up above 0, and a headroom of 1 or more.")
        if index is not None:
            lowest = Fraction(smooth_bit_rate(index, Fraction(startup_seconds)))
        else:
            lowest = 8 * file_size / Fraction(duration_seconds)
        return math.ceil(lowest * Fraction(headroom))

    async def get_stream_statistics(self) -> StreamStatistics:
        """What was streamed so far, and what goes on now."""
        return StreamStatistics(
            active_streams=self._turns.taken,
            waiting_streams=self._turns.waiting,
            finished_streams=self._finished,
            bytes_streamed=self._bytes,
            chunks=self._chunks,
            bytes_per_second=self._rate.rate,
            open_archives=len(self._archives),
            cache_hits=self._cache.hits,
            cache_misses=self._cache.misses,
            cache_bytes=self._cache.size,
        )

    # What the threads do

    def _open(self, request: StreamRequest) -> tuple[OpenedArchive, Member, ByteSource]:
        opened = self._archives.get(request.archive_path)
        member = opened.member(request.file_path)
        source = opened.source(member)
        if source.extent() is None:
            source = self._cache.over(source, (opened.stamp, member.path))
        return opened, member, source

    def _open_part(self, request: StreamRequest) -> tuple[ByteSource, ByteRange]:
        _, _, source = self._open(request)
        if request.start_byte > max(0, source.size - 1):
            raise OutOfRange(f"{source.name} has {source.size} bytes, so nothing begins at byte {request.start_byte}.")
        end = source.size if request.end_byte is None else min(source.size, request.end_byte + 1)
        return source, ByteRange(request.start_byte, end)

    def _reply(self, request: StreamRequest, fields: RequestFields) -> tuple[ByteSource, Reply]:
        opened, member, source = self._open(request)
        with making_sense(opened.archive.name, member.path):
            content = replace(of_member(member, opened.status), size=source.size)
        return source, reply_to(fields, content, now=time.time(), boundary=secrets.token_hex(16))

    def _locate(self, archive: Path, path: str, number: int, index: FrameIndex | None) -> FramePlace:
        opened = self._archives.get(archive)
        member = opened.member(path)
        with making_sense(opened.archive.name, path):
            facts = member.media
        return locate(index if index is not None else opened.frame_index(member), number, facts)

    # What is between them and the event loop

    async def _in_thread(
        self, work: Callable[Arguments, Result], *given: Arguments.args, **named: Arguments.kwargs
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(work, *given, **named))

    async def _body(self, source: ByteSource, body: tuple[Piece, ...], pace: Pace) -> AsyncGenerator[bytes, None]:
        await self._turns.take()
        try:
            async with aclosing(self._counted(source, body, pace)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self._turns.give()
            self._finished += 1

    async def _counted(self, source: ByteSource, body: tuple[Piece, ...], pace: Pace) -> AsyncGenerator[bytes, None]:
        last = time.monotonic()
        async with aclosing(
            read_chunks(source, body, threads=self._threads, pace=pace, ahead=self._prefetch)
        ) as chunks:
            async for chunk in chunks:
                self._bytes += len(chunk)
                self._chunks += 1
                yield chunk
                now = time.monotonic()
                self._rate.add(len(chunk), now - last)
                last = now
