"""A deflated member read at any place equals the whole, inflated by zlib."""

from __future__ import annotations

import contextlib
import random
import threading
import zlib

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.archive import unpacked
from film_archive.archive.packing import unpack_checked
from film_archive.archive.unpacked import UnpackedSource
from film_archive.archive.zipformat import DEFLATED, Entry
from film_archive.core.errors import Damaged, FilmArchiveError, StorageError
from film_archive.core.source import MemorySource


def deflate(data: bytes, level: int = 6) -> bytes:
    deflater = zlib.compressobj(level, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def text(size: int, seed: int) -> bytes:
    """Something that deflates well in some places and not at all in others."""
    dice = random.Random(seed)
    parts = []
    while size > 0:
        length = min(size, dice.randrange(1, 3000))
        parts.append(dice.randbytes(length) if dice.random() < 0.3 else bytes([dice.randrange(256)]) * length)
        size -= length
    return b"".join(parts)


PLACES = st.lists(st.tuples(st.floats(0, 1.1), st.integers(0, 5000)), min_size=1, max_size=20)


@given(st.integers(0, 60_000), st.integers(0, 99), st.integers(0, 9), st.sampled_from([1, 100, 4096]), PLACES)
@settings(max_examples=40)
def test_reads_at_any_place(
    size: int, seed: int, level: int, step: int, places: list[tuple[float, int]]
) -> None:
    data = text(size, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacked, "_STEP", step)
        patch.setattr(unpacked, "_INPUT", 61)
        source = UnpackedSource(MemorySource(deflate(data, level)), DEFLATED, len(data), "member")
    for share, length in places:
        offset = int(share * size)
        assert source.read_at(offset, length) == data[offset : offset + length]
    assert source.read_at(0, size) == data
    assert len(source._states) <= unpacked._STATES + 1


def test_threads_read_at_once() -> None:
    data = text(3_000_000, 1)
    source = UnpackedSource(MemorySource(deflate(data)), DEFLATED, len(data), "member")
    wrong = []

    def read(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(30):
            offset = dice.randrange(len(data))
            if source.read_at(offset, 2000) != data[offset : offset + 2000]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_failed_read_does_not_spoil_the_next() -> None:
    """Reading fails once, in the middle: what was fed already is not fed again."""

    class Flaky(MemorySource):
        failing = -1

        def read_into(self, offset: int, buffer: memoryview) -> int:
            Flaky.failing -= 1
            if Flaky.failing == 0:
                raise StorageError("the disk hiccups")
            return super().read_into(offset, buffer)

    data = text(400_000, 2)
    for when in range(1, 8):
        source = UnpackedSource(Flaky(deflate(data)), DEFLATED, len(data), "member")
        Flaky.failing = when
        with contextlib.suppress(StorageError):
            assert source.read_at(100_000, 200_000) == data[100_000:300_000]
        Flaky.failing = -1
        assert source.read_at(0, len(data)) == data


@given(st.binary(max_size=400), st.integers(0, 5000))
def test_bytes_that_do_not_inflate(packed: bytes, size: int) -> None:
    source = UnpackedSource(MemorySource(packed), DEFLATED, size, "member")
    with contextlib.suppress(FilmArchiveError):
        assert len(source.read_at(0, size)) == size


def test_sizes_that_are_not_true() -> None:
    packed = deflate(b"a" * 1000)
    assert UnpackedSource(MemorySource(packed), DEFLATED, 900, "member").read_at(0, 2000) == b"a" * 900
    with pytest.raises(Damaged, match="ends after 1000 of 1001"):
        UnpackedSource(MemorySource(packed), DEFLATED, 1001, "member").read_at(0, 1001)


@given(st.integers(0, 99), st.integers(-3, 3), st.integers(0, 9))
@settings(max_examples=40)
def test_inflating_whole_members(seed: int, around: int, level: int) -> None:
    """Sizes just around the step in which output is taken."""
    data = text(max(0, 2 * (1 << 14) + around), seed)
    packed = MemorySource(deflate(data, level), "member")
    entry = Entry(b"member", DEFLATED, zlib.crc32(data), packed.size, len(data), 0, 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("film_archive.archive.packing._STEP", 1 << 14)
        assert b"".join(unpack_checked(packed, entry)) == data


def test_what_is_behind_a_deflated_member_is_found() -> None:
    data = b"a" * 1000
    packed = MemorySource(deflate(data) + b"x", "member")
    entry = Entry(b"member", DEFLATED, zlib.crc32(data), packed.size, len(data), 0, 0, 0)
    with pytest.raises(Damaged, match="fewer bytes"):
        list(unpack_checked(packed, entry))
