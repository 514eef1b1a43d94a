"""Streaming as the seeds show it: bytes and frames out of an archive, by many at once, without unpacking."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from film_archive.archive.reader import open_archive
from film_archive.core.errors import NotFound, OutOfRange, UsageError
from film_archive.core.models import StreamRequest
from film_archive.media.av.decoding import decode_frames
from film_archive.media.av.frames import rgb_of
from film_archive.media.probe import index
from film_archive.streaming.streamer import ArchiveStreamer
from film_archive.testing.media import cached_clip, read_frame_code
from film_archive.testing.oddities import ODDITIES
from film_archive.workflows.production import create_archive

INTRA, LONG = ODDITIES["film_rate"], ODDITIES["long_gop"]


@pytest.fixture(scope="module")
def clips(footage: Path) -> dict[str, Path]:
    return {spec.name: cached_clip(spec, footage) for spec in (INTRA, LONG)}


@pytest.fixture(scope="module")
def archive(clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streamed") / "day.zip"
    create_archive(path, list(clips.values()), proxies=())
    return path


async def streamed(streamer: ArchiveStreamer, request: StreamRequest) -> bytes:
    return b"".join([chunk async for chunk in streamer.stream_file(request)])


def request(archive: Path, clip: Path, **more: int) -> StreamRequest:
    return StreamRequest(archive_path=archive, file_path=clip.name, **more)


def test_a_whole_member(archive: Path, clips: dict[str, Path]) -> None:
    for clip in clips.values():
        assert asyncio.run(streamed(ArchiveStreamer(), request(archive, clip))) == clip.read_bytes()


def test_chunks_are_as_long_as_asked(archive: Path, clips: dict[str, Path]) -> None:
    async def lengths() -> list[int]:
        asked = request(archive, clips[INTRA.name], buffer_size=10_000)
        return [len(chunk) async for chunk in ArchiveStreamer().stream_file(asked)]

    sizes = asyncio.run(lengths())
    assert set(sizes[:-1]) == {10_000}
    assert sum(sizes) == clips[INTRA.name].stat().st_size


def test_any_part_is_the_same_bytes(archive: Path, clips: dict[str, Path]) -> None:
    clip = clips[LONG.name]
    whole, chance = clip.read_bytes(), random.Random(4)

    async def all_parts() -> None:
        streamer = ArchiveStreamer()
        for _ in range(60):
            start = chance.randrange(len(whole))
            end = chance.randrange(start, len(whole))
            got = await streamed(streamer, request(archive, clip, start_byte=start, end_byte=end))
            assert got == whole[start : end + 1], (start, end)

    asyncio.run(all_parts())


def test_many_readers_of_one_member(archive: Path, clips: dict[str, Path]) -> None:
    clip = clips[INTRA.name]

    async def together() -> list[bytes]:
        streamer = ArchiveStreamer(max_connections=4)
        parts = await asyncio.gather(*(streamed(streamer, request(archive, clip)) for _ in range(12)))
        statistics = await streamer.get_stream_statistics()
        assert statistics.finished_streams == 12
        assert statistics.active_streams == 0
        return list(parts)

    assert set(asyncio.run(together())) == {clip.read_bytes()}


def test_http_ranges(archive: Path, clips: dict[str, Path]) -> None:
    clip = clips[INTRA.name]
    whole = clip.read_bytes()

    async def answer(range_header: str | None) -> tuple[int, str | None, bytes]:
        response = await ArchiveStreamer().create_http_range_response(request(archive, clip), range_header)
        return response.status, response.headers.get("content-range"), b"".join([part async for part in response.body])

    size = len(whole)
    assert asyncio.run(answer(None)) == (200, None, whole)
    assert asyncio.run(answer("bytes=100-199")) == (206, f"bytes 100-199/{size}", whole[100:200])
    assert asyncio.run(answer("bytes=-50")) == (206, f"bytes {size - 50}-{size - 1}/{size}", whole[-50:])
    assert asyncio.run(answer(f"bytes={size}-"))[:2] == (416, f"bytes */{size}")


@pytest.mark.parametrize("spec", [INTRA, LONG], ids=lambda spec: spec.name)
def test_seeking_gives_exactly_the_frames_bytes(spec: object, archive: Path, clips: dict[str, Path]) -> None:
    clip = clips[spec.name]  # type: ignore[attr-defined]

    async def places() -> list[tuple[int, bytes, bytes]]:
        streamer = ArchiveStreamer()
        found = []
        for number in (0, 7, 13):
            place = await streamer.seek_to_frame(archive, clip.name, number)
            got = await streamed(
                streamer, request(archive, clip, start_byte=place.offset, end_byte=place.offset + place.size - 1)
            )
            found.append((number, got, bytes(place.keyframe_number.to_bytes(4, "big", signed=True))))
        return found

    with open_archive(archive) as opened, opened.source(clip.name) as source:
        frames = index(source)
        for number, got, keyframe in asyncio.run(places()):
            frame = frames.frame(number)
            assert got == source.read_at(frame.offset, frame.size)
            assert int.from_bytes(keyframe, "big", signed=True) == frames.keyframe_before(number).number
            picture = next(iter(decode_frames(source, start=number, count=1, index=frames)))
            assert picture.frame is not None
            code = read_frame_code(rgb_of(picture.frame))
            assert code is not None
            assert code.number == number


def test_what_is_not_there(archive: Path, clips: dict[str, Path]) -> None:
    streamer = ArchiveStreamer()
    with pytest.raises(NotFound, match=r"nothing\.mov"):
        asyncio.run(streamed(streamer, StreamRequest(archive_path=archive, file_path="nothing.mov")))
    with pytest.raises(NotFound):
        asyncio.run(streamed(streamer, StreamRequest(archive_path=archive.with_name("no.zip"), file_path="a.mov")))
    with pytest.raises(OutOfRange):
        asyncio.run(streamer.seek_to_frame(archive, clips[INTRA.name].name, 100_000))
    with pytest.raises(UsageError):
        StreamRequest(archive_path=archive, file_path="a.mov", start_byte=10, end_byte=9)


def test_buffers_follow_the_network() -> None:
    streamer = ArchiveStreamer()
    slow, fast = (streamer.get_adaptive_buffer_size(rate, 50) for rate in (1_000_000, 1_000_000_000))
    assert 65_536 <= slow < fast <= 16 << 20
    assert streamer.get_adaptive_buffer_size(10_000_000, 10) <= streamer.get_adaptive_buffer_size(10_000_000, 200)
    assert streamer.calculate_bitrate_for_smooth_playback(10_000_000, 10.0) >= 8_000_000
