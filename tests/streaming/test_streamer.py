"""The streamer over real archives: the right bytes to everybody, and no more read than is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.archive.folder import FolderWriter
from film_archive.archive.writer import ZipWriter
from film_archive.core.errors import Damaged, NotFound, NotSupported, OutOfRange, ShortRead, UsageError
from film_archive.core.frame_index import FrameIndex, Packets
from film_archive.core.models import StreamRequest
from film_archive.core.source import FileSource, MemorySource
from film_archive.core.timecode import FrameRate
from film_archive.streaming.adaptation import LARGEST, SMALLEST
from film_archive.streaming.opened import OpenArchives
from film_archive.streaming.ranges import RequestFields
from film_archive.streaming.streamer import ArchiveStreamer, RangeResponse
from tests.streaming.archives import facts_of, index_of, make_archive, make_foreign_zip, pattern

CLIP = pattern(300_000)
FILES = {"footage/a.mov": CLIP, "footage/b.mov": pattern(200_000, 2), "empty.txt": b"", "notes.txt": b"one line\n"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_archive(tmp_path_factory.mktemp("ours") / "project.zip", FILES)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {"a.mov": CLIP, "b.txt": b"x" * 3_000_000}
    return make_foreign_zip(tmp_path_factory.mktemp("foreign") / "other.zip", files)


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def stream(streamer: ArchiveStreamer, archive: Path, path: str, **more: int) -> bytes:
    return asyncio.run(joined(streamer.stream_file(StreamRequest(archive_path=archive, file_path=path, **more))))


def test_every_member_as_it_is(archive: Path) -> None:
    streamer = ArchiveStreamer()
    for path, data in FILES.items():
        assert stream(streamer, archive, path) == data


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(CLIP) - 1), st.none() | st.integers(0, len(CLIP) + 10), st.integers(1000, 70_000))
def test_parts_and_chunks(archive: Path, start: int, length: int | None, buffer_size: int) -> None:
    end = None if length is None else start + length
    request = StreamRequest(
        archive_path=archive, file_path="footage/a.mov", start_byte=start, end_byte=end, buffer_size=buffer_size
    )
    streamer = ArchiveStreamer(prefetch_size=100_000)

    async def taken() -> list[bytes]:
        return [chunk async for chunk in streamer.stream_file(request)]

    chunks = asyncio.run(taken())
    assert b"".join(chunks) == CLIP[start : len(CLIP) if end is None else end + 1]
    assert {len(chunk) for chunk in chunks[:-1]} <= {buffer_size}
    assert 0 < len(chunks[-1]) <= buffer_size


def test_deflated_members_of_a_foreign_zip(foreign: Path) -> None:
    for streamer in (ArchiveStreamer(), ArchiveStreamer(cache_size=0)):
        assert stream(streamer, foreign, "a.mov", start_byte=1234, end_byte=250_000) == CLIP[1234:250_001]
        assert stream(streamer, foreign, "b.txt") == b"x" * 3_000_000


def test_inflated_blocks_are_shared(foreign: Path) -> None:
    streamer = ArchiveStreamer(cache_size=1 << 20)
    stream(streamer, foreign, "a.mov")
    misses = asyncio.run(streamer.get_stream_statistics()).cache_misses
    stream(streamer, foreign, "a.mov")
    after = asyncio.run(streamer.get_stream_statistics())
    assert after.cache_misses == misses == 2
    assert after.cache_hits >= 2
    stream(streamer, foreign, "b.txt")
    assert asyncio.run(streamer.get_stream_statistics()).cache_bytes <= 1 << 20


def test_a_folder_archive(tmp_path: Path) -> None:
    (tmp_path / "a.mov").write_bytes(CLIP)
    with FolderWriter.create(tmp_path) as writer:
        with FileSource(tmp_path / "a.mov") as source:
            writer.add("a.mov", source, identity="a")
        writer.finish()
    assert stream(ArchiveStreamer(), tmp_path, "a.mov", start_byte=5, end_byte=9) == CLIP[5:10]


def test_many_readers_at_once(archive: Path) -> None:
    streamer = ArchiveStreamer(max_connections=3)

    async def reader(number: int) -> bool:
        path = ("footage/a.mov", "footage/b.mov")[number % 2]
        start = number * 997
        request = StreamRequest(archive_path=archive, file_path=path, start_byte=start, buffer_size=4096 + number)
        return await joined(streamer.stream_file(request)) == FILES[path][start:]

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(reader(number) for number in range(40)))

    assert all(asyncio.run(all_of_them()))
    done = asyncio.run(streamer.get_stream_statistics())
    assert (done.active_streams, done.waiting_streams, done.finished_streams) == (0, 0, 40)
    assert done.open_archives == 1


def test_whoever_comes_too_many_waits_and_gets_a_turn(archive: Path) -> None:
    streamer = ArchiveStreamer(max_connections=1)
    request = StreamRequest(archive_path=archive, file_path="footage/a.mov")

    async def run() -> None:
        first = streamer.stream_file(request)
        await anext(first)
        second = asyncio.create_task(joined(streamer.stream_file(request)))
        third = asyncio.create_task(joined(streamer.stream_file(request)))
        while (await streamer.get_stream_statistics()).waiting_streams < 2:
            await asyncio.sleep(0)
        second.cancel()
        await first.aclose()
        assert await third == CLIP
        with pytest.raises(asyncio.CancelledError):
            await second

    asyncio.run(run())
    after = asyncio.run(streamer.get_stream_statistics())
    assert (after.active_streams, after.waiting_streams) == (0, 0)
    assert stream(streamer, archive, "notes.txt") == b"one line\n", "a turn is there for another event loop"


def test_stopping_early_lets_go(archive: Path) -> None:
    streamer = ArchiveStreamer(max_connections=1)
    request = StreamRequest(archive_path=archive, file_path="footage/a.mov", buffer_size=1000)

    async def run() -> bytes:
        async with aclosing(streamer.stream_file(request)) as chunks:
            async for chunk in chunks:
                return chunk
        return b""

    for _ in range(3):
        assert asyncio.run(run()) == CLIP[:1000]


def test_errors_reach_the_reader(archive: Path, tmp_path: Path) -> None:
    streamer = ArchiveStreamer(max_connections=1)
    with pytest.raises(NotFound, match=r"no member footage/c\.mov"):
        stream(streamer, archive, "footage/c.mov")
    with pytest.raises(NotFound):
        stream(streamer, tmp_path / "absent.zip", "a")
    with pytest.raises(NotFound, match="without"):
        stream(streamer, tmp_path, "a")
    with pytest.raises(OutOfRange, match="300000 bytes"):
        stream(streamer, archive, "footage/a.mov", start_byte=300_000)
    with pytest.raises(OutOfRange):
        stream(streamer, archive, "empty.txt", start_byte=1)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\3\4" + b"\0" * 1000)
    with pytest.raises(Damaged):
        stream(streamer, broken, "a")
    assert stream(streamer, archive, "notes.txt") == b"one line\n"


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "a.zip", {"a.mov": pattern(2_000_000)})
    streamer = ArchiveStreamer(prefetch_size=0)
    request = StreamRequest(archive_path=path, file_path="a.mov", buffer_size=1000)

    async def run() -> None:
        async with aclosing(streamer.stream_file(request)) as chunks:
            assert await anext(chunks) == pattern(2_000_000)[:1000]
            with path.open("r+b") as file:
                file.truncate(100_000)
            with pytest.raises(ShortRead):
                await joined(chunks)

    asyncio.run(run())


def test_a_damaged_deflated_member(tmp_path: Path) -> None:
    path = make_foreign_zip(tmp_path / "a.zip", {"a.bin": b"text " * 20_000})
    data = bytearray(path.read_bytes())
    data[30 + len("a.bin")] = 0xFF  # a block of a type that deflate does not have
    path.write_bytes(data)
    with pytest.raises(Damaged):
        stream(ArchiveStreamer(), path, "a.bin")


def test_a_replaced_archive_is_opened_anew_and_old_readers_keep_theirs(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "a.zip", {"a.mov": CLIP})
    streamer = ArchiveStreamer(prefetch_size=0)
    request = StreamRequest(archive_path=path, file_path="a.mov", buffer_size=1000)
    other = pattern(300_000, 9)

    async def run() -> tuple[bytes, bytes]:
        old = streamer.stream_file(request)
        begun = await anext(old)
        make_archive(tmp_path / "b.zip", {"a.mov": other}).replace(path)
        new = await joined(streamer.stream_file(request))
        return begun + await joined(old), new

    assert asyncio.run(run()) == (CLIP, other)


def test_an_archive_that_is_being_added_to_stays_open_as_it_was(tmp_path: Path) -> None:
    path = make_archive(tmp_path / "a.zip", {"a.mov": CLIP})
    archives = OpenArchives()
    before = archives.get(path)
    with path.open("ab") as file:
        file.write(b"\0" * 5000)
    assert archives.get(path) is before
    with path.open("r+b") as file:
        file.truncate(before.status.st_size)
    with ZipWriter.add_to(path) as writer:
        writer.add("b.mov", MemorySource(b"new"), identity="b")
        writer.finish()
    after = archives.get(path)
    assert after is not before
    assert after.source(after.member("b.mov")).read_at(0, 9) == b"new"


# The seek


GROUPS = [
    ([[number] for number in range(30)], 30),
    ([range(12), range(12, 24)], 24),
    ([[0, 3, 1, 2, 6, 4, 5], [7, 10, 8, 9]], 11),
    ([[2, 0, 1, 5, 3, 4], [8, 6, 7, 11, 9, 10]], 12),
]


def slow_start(groups: list[list[int]], number: int) -> int:
    """The keyframe by the rule as people say it: the last one at or before the frame, in the file and on screen."""
    order = [frame for group in groups for frame in group]
    keys = {group[0] for group in groups}
    before = [frame for frame in order[: order.index(number) + 1] if frame in keys]
    shown_before = [frame for frame in before if frame <= number]
    return shown_before[-1] if shown_before else before[0]


@pytest.mark.parametrize(("groups", "frames"), GROUPS)
def test_every_frame_is_found_exactly(tmp_path: Path, groups: list[list[int]], frames: int) -> None:
    rate = FrameRate(30000, 1001)
    index = index_of([list(group) for group in groups], rate=rate)
    path = make_archive(
        tmp_path / "a.zip",
        {"a.mov": CLIP},
        indexes={"a.mov": index},
        media={"a.mov": facts_of("00:00:59;20", rate, frames)},
    )
    streamer = ArchiveStreamer()
    order = [frame for group in groups for frame in group]
    assert index.video is not None
    for number in range(frames):
        place = asyncio.run(streamer.seek_to_frame(path, "a.mov", number))
        position = order.index(number)
        assert (place.offset, place.size) == (index.video.offsets[position], index.video.sizes[position])
        assert place.time == number / Fraction(rate)
        assert str(place.timecode) == (f"00:00:59;{20 + number:02d}" if number < 10 else f"00:01:00;{number - 8:02d}")
        key = slow_start([list(group) for group in groups], number)
        assert place.keyframe_number == key
        assert place.is_keyframe == (number in {group[0] for group in groups})
        run = range(order.index(key), position + 1)
        assert place.packets == len(run)
        assert place.start_byte == min(index.video.offsets[i] for i in run) == place.keyframe_offset
        assert place.end_byte == max(index.video.offsets[i] + index.video.sizes[i] for i in run) - 1
    with pytest.raises(OutOfRange, match=f"0 to {frames - 1}"):
        asyncio.run(streamer.seek_to_frame(path, "a.mov", frames))
    with pytest.raises(OutOfRange):
        asyncio.run(streamer.seek_to_frame(path, "a.mov", -1))


def test_seeking_needs_an_index(archive: Path, foreign: Path) -> None:
    streamer = ArchiveStreamer()
    with pytest.raises(NotSupported, match="no frame index"):
        asyncio.run(streamer.seek_to_frame(archive, "footage/a.mov", 0))
    place = asyncio.run(streamer.seek_to_frame(foreign, "a.mov", 3, index=index_of([range(4)])))
    assert (place.keyframe_number, place.timecode) == (0, None)


# HTTP


def respond(
    archive: Path, path: str, header: str | None = None, fields: RequestFields | None = None, **more: int
) -> tuple[int, Mapping[str, str], bytes]:
    streamer = ArchiveStreamer()

    async def run() -> tuple[RangeResponse, bytes]:
        request = StreamRequest(archive_path=archive, file_path=path, **more)
        response = await streamer.create_http_range_response(request, header, fields=fields)
        return response, await joined(response.body)

    response, body = asyncio.run(run())
    if response.status != 304 and (fields is None or fields.method != "HEAD"):
        assert len(body) == int(response.headers["content-length"])
    return response.status, response.headers, body


def test_http_answers(archive: Path) -> None:
    status, headers, body = respond(archive, "footage/a.mov")
    assert (status, body) == (200, CLIP)
    assert headers["content-type"] == "video/quicktime"
    assert headers["last-modified"] == "Wed, 02 Jan 1980 00:00:00 GMT"
    etag = headers["etag"]
    status, headers, body = respond(archive, "footage/a.mov", "bytes=100-199")
    assert (status, body, headers["content-range"]) == (206, CLIP[100:200], "bytes 100-199/300000")
    assert respond(archive, "footage/a.mov", start_byte=100, end_byte=199)[2] == CLIP[100:200]
    assert respond(archive, "footage/a.mov", "bytes=-3", start_byte=100)[2] == CLIP[-3:]
    assert respond(archive, "footage/a.mov", "bytes=300000-")[0] == 416
    status, headers, body = respond(archive, "footage/a.mov", "bytes=0-1,5-6")
    assert status == 206
    assert body.count(b"Content-Range") == 2
    assert respond(archive, "footage/a.mov", fields=RequestFields(if_none_match=etag))[0] == 304
    assert respond(archive, "footage/a.mov", fields=RequestFields(method="HEAD"))[2] == b""


def test_tags_follow_the_content(archive: Path, tmp_path: Path) -> None:
    copy = make_archive(tmp_path / "copy.zip", {"elsewhere.mov": CLIP, "b.mov": FILES["footage/b.mov"]})
    tag = respond(archive, "footage/a.mov")[1]["etag"]
    assert respond(copy, "elsewhere.mov")[1]["etag"] == tag
    assert respond(copy, "b.mov")[1]["etag"] != tag
    foreign = make_foreign_zip(tmp_path / "foreign.zip", {"a.mov": CLIP})
    first = respond(foreign, "a.mov")[1]["etag"]
    make_foreign_zip(foreign, {"a.mov": bytes(reversed(CLIP))})
    assert respond(foreign, "a.mov")[1]["etag"] != first


# Numbers


@given(st.floats(0, 1e12), st.floats(0, 1e5), st.floats(0, 1e12), st.floats(0, 1e5))
def test_buffers_grow_with_bandwidth_and_latency(bandwidth: float, latency: float, more: float, later: float) -> None:
    streamer = ArchiveStreamer()
    size = streamer.get_adaptive_buffer_size(bandwidth, latency)
    assert SMALLEST <= size <= LARGEST
    assert size % 4096 == 0
    assert streamer.get_adaptive_buffer_size(bandwidth + more, latency + later) >= size


def test_impossible_numbers_are_refused() -> None:
    streamer = ArchiveStreamer()
    for bandwidth, latency in ((-1, 0), (1, -1), (float("nan"), 0)):
        with pytest.raises(UsageError):
            streamer.get_adaptive_buffer_size(bandwidth, latency)
    for size, seconds in ((-1, 1), (1, 0)):
        with pytest.raises(UsageError):
            streamer.calculate_bitrate_for_smooth_playback(size, seconds)
    with pytest.raises(UsageError):
        ArchiveStreamer(max_connections=0)
    for wrong in ({"start_byte": -1}, {"end_byte": -1}, {"start_byte": 5, "end_byte": 4}, {"buffer_size": 0}):
        with pytest.raises(UsageError):
            StreamRequest(archive_path=Path("a.zip"), file_path="a", **wrong)


def test_bit_rates() -> None:
    streamer = ArchiveStreamer()
    assert streamer.calculate_bitrate_for_smooth_playback(1_000_000, 8) == 1_200_000
    assert streamer.calculate_bitrate_for_smooth_playback(1_000_000, 8, headroom=1) == 1_000_000


@given(
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=30),
    startup=st.fractions(Fraction(1, 10), 5, max_denominator=50),
)
def test_at_the_smooth_rate_no_frame_is_late_and_below_it_one_is(sizes: list[int], startup: Fraction) -> None:
    column = np.array(sizes, np.int64)
    times = np.arange(len(sizes), dtype=np.int64)
    packets = Packets(700 + np.cumsum(column) - column, column, times, len(sizes), Fraction(24))
    index = FrameIndex(packets, np.ones(len(sizes), np.bool_), FrameRate(24, 1))
    rate = ArchiveStreamer().calculate_bitrate_for_smooth_playback(
        sum(sizes), 1, index=index, startup_seconds=startup, headroom=1
    )

    def late(bits: int) -> bool:
        return any(Fraction(8 * sum(sizes[: n + 1]), bits) > startup + Fraction(n, 24) for n in range(len(sizes)))

    assert not late(rate)
    assert rate == 1 or late(rate - 1)


def test_statistics_count(archive: Path) -> None:
    streamer = ArchiveStreamer()
    before = asyncio.run(streamer.get_stream_statistics())
    assert (before.bytes_streamed, before.bytes_per_second) == (0, None)
    stream(streamer, archive, "footage/a.mov", buffer_size=100_000)
    after = asyncio.run(streamer.get_stream_statistics())
    assert after.bytes_streamed == len(CLIP)
    assert after.chunks >= 3
    assert after.bytes_per_second is not None
