"""Reading ahead: in order, bounded, stopped with its consumer."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest

from film_archive.core.errors import StorageError
from film_archive.core.source import MemorySource
from film_archive.streaming.adaptation import LARGEST, SMALLEST, AdaptivePace, FixedPace, MovingRate
from film_archive.streaming.chunks import read_chunks
from film_archive.streaming.ranges import ByteRange
from tests.streaming.archives import pattern

DATA = pattern(100_000)


class WatchedSource(MemorySource):
    """Counts what is read; can be held up, and can fail at a place."""

    def __init__(self, data: bytes, fails_at: int | None = None) -> None:
        super().__init__(data)
        self.read = 0
        self.gate = threading.Event()
        self.gate.set()
        self._fails_at = fails_at

    def read_into(self, offset: int, buffer: memoryview) -> int:
        assert self.gate.wait(10)
        if self._fails_at is not None and offset <= self._fails_at < offset + len(buffer):
            raise StorageError("the disk has gone")
        count = super().read_into(offset, buffer)
        self.read += count
        return count


@pytest.fixture
def threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4)


def test_pieces_come_in_order(threads: ThreadPoolExecutor) -> None:
    body = (b"head", ByteRange(10, 500), b"middle", ByteRange(99_000, 100_000), b"", ByteRange(3, 4), b"tail")
    expected = b"head" + DATA[10:500] + b"middle" + DATA[99_000:] + DATA[3:4] + b"tail"

    async def run(chunk: int, ahead: int) -> bytes:
        chunks = read_chunks(MemorySource(DATA), body, threads=threads, pace=FixedPace(chunk), ahead=ahead)
        return b"".join([chunk async for chunk in chunks])

    for chunk, ahead in ((1, 0), (1, 100), (70, 0), (70, 500), (1 << 20, 1 << 20)):
        assert asyncio.run(run(chunk, ahead)) == expected


def test_no_more_is_read_than_asked_for_ahead(threads: ThreadPoolExecutor) -> None:
    source = WatchedSource(DATA)

    async def run() -> None:
        body = (ByteRange(0, len(DATA)),)
        async with aclosing(read_chunks(source, body, threads=threads, pace=FixedPace(1000), ahead=5000)) as chunks:
            for number in range(1, 6):
                await anext(chunks)
                await asyncio.get_running_loop().run_in_executor(None, threads_idle, threads)
                assert source.read <= number * 1000 + 5000
        threads_idle(threads)
        assert source.read <= 10_000

    asyncio.run(run())


def threads_idle(threads: ThreadPoolExecutor) -> None:
    """Wait until all that was handed to the threads is done."""
    barrier = threading.Barrier(5)
    for _ in range(4):
        threads.submit(barrier.wait, 10)
    barrier.wait(10)


def test_an_error_comes_in_its_place(threads: ThreadPoolExecutor) -> None:
    source = WatchedSource(DATA, fails_at=5500)

    taken = bytearray()

    async def run() -> None:
        body = (ByteRange(0, len(DATA)),)
        async for chunk in read_chunks(source, body, threads=threads, pace=FixedPace(1000), ahead=20_000):
            taken.extend(chunk)

    with pytest.raises(StorageError, match="gone"):
        asyncio.run(run())
    assert taken == DATA[:5000]


def test_errors_that_nobody_waits_for_are_silent(threads: ThreadPoolExecutor) -> None:
    source = WatchedSource(DATA, fails_at=1500)
    complaints: list[object] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        body = (ByteRange(0, len(DATA)),)
        async with aclosing(read_chunks(source, body, threads=threads, pace=FixedPace(1000), ahead=5000)) as chunks:
            await anext(chunks)
            await asyncio.get_running_loop().run_in_executor(None, threads_idle, threads)

    asyncio.run(run())
    gc.collect()
    assert complaints == []


def test_cancelling_does_not_wait_for_a_cold_read(threads: ThreadPoolExecutor) -> None:
    source = WatchedSource(DATA)
    source.gate.clear()

    async def run() -> None:
        async def take() -> None:
            body = (ByteRange(0, len(DATA)),)
            async for _ in read_chunks(source, body, threads=threads, pace=FixedPace(1000), ahead=5000):
                pass

        task = asyncio.create_task(take())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert source.read == 0
        source.gate.set()

    asyncio.run(run())


def test_a_drop_counts_at_once_and_a_burst_only_when_it_lasts() -> None:
    rate = MovingRate()
    assert rate.rate is None
    for _ in range(30):
        rate.add(10_000_000, 1)
    assert rate.rate == pytest.approx(10_000_000)
    for _ in range(3):
        rate.add(1_000_000, 1)
    assert rate.rate is not None
    assert rate.rate == pytest.approx(5_500_000, rel=0.01), "half of it after one half-life of the quick average"
    slow = rate.rate
    rate.add(1_000_000, 0.0005)
    assert slow < rate.rate < 1.1 * slow


def test_chunks_follow_the_rate_within_bounds() -> None:
    pace = AdaptivePace()
    assert pace.size() == SMALLEST
    sizes = []
    for _ in range(200):
        sizes.append(pace.size())
        pace.took(sizes[-1], 0.001, sizes[-1] / 1e9)
    assert all(later <= 2 * earlier for earlier, later in itertools.pairwise(sizes))
    assert sizes[-1] == LARGEST
    for _ in range(100):
        pace.took(10_000, 0.001, 1)
    assert pace.size() == SMALLEST
    assert AdaptivePace(unit=1000).size() % 1000 == 0
    assert AdaptivePace(unit=1 << 20).size() == 1 << 20
