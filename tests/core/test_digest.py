"""Each digest against another implementation of it, and the pipelined reading against plain reading."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from film_archive.core.digest import (
    ALGORITHMS,
    BLOCK,
    KEY,
    Digest,
    MultiHasher,
    digest_source,
    read_ahead,
    with_key,
)
from film_archive.core.errors import ShortRead, SourceChanged, UsageError
from film_archive.core.source import ByteSource, ConcatSource, FileSource, MemorySource
from film_archive.testing import crash


def digest(algorithm: str, data: bytes) -> str:
    return digest_source(MemorySource(data), [algorithm])[algorithm]


# The values


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
@given(data=st.binary(max_size=300))
def test_those_of_hashlib(algorithm: str, data: bytes) -> None:
    assert digest(algorithm, data) == hashlib.new(algorithm, data).hexdigest()


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_crc32(parts: list[bytes]) -> None:
    hasher = MultiHasher(["crc32"])
    for part in parts:
        hasher.update(part)
    assert hasher.digests() == {"crc32": f"{zlib.crc32(b''.join(parts)):08x}"}


# Published vectors: XXH3 and XXH64 from the xxHash project (of nothing and of "xxhash", seed 0), BLAKE3 from its
# test_vectors.json (input bytes 0, 1, 2 … 250, 0, …), C4 from those published with SMPTE ST 2114:2017.
@pytest.mark.parametrize(
    ("algorithm", "data", "value"),
    [
        ("xxh128", b"", "99aa06d3014798d86001c324468d497f"),
        ("xxh3", b"", "2d06800538d394c2"),
        ("xxh64", b"", "ef46db3751d8e999"),
        ("xxh64", b"xxhash", "32dd38952c4bc720"),
        ("blake3", b"", "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
        ("blake3", b"\x00", "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"),
        ("crc32", b"123456789", "cbf43926"),
        (
            "c4",
            b"alfa",
            "c43zYcLni5LF9rR4Lg4B8h3Jp8SBwjcnyyeh4bc6gTPHndKuKdjUWx1kJPYhZxYt3zV6tQXpDs2shPsPYjgG81wZM1",
        ),
        (
            "c4",
            b"bravo",
            "c42jd8KUQG9DKppN1qt5aWS3PAmdPmNutXyVTb8H123FcuU3shPxpUXsVdcouSALZ4PaDvMYzQSMYCWkb6rop9zhDa",
        ),
        (
            "c4",
            b"charlie",
            "c44erLietE8C1iKmQ3y4ENqA9g82Exdkoxox3KEHops2ux5MTsuMjfbFRvUPsPdi9Pxc3C2MRvLxWT8eFw5XKbRQGw",
        ),
        (
            "c4",
            b"",
            "c459dsjfscH38cYeXXYogktxf4Cd9ibshE3BHUo6a58hBXmRQdZrAkZzsWcbWtDg5oQstpDuni4Hirj75GEmTc1sFT",
        ),
    ],
)
def test_published_vectors(algorithm: str, data: bytes, value: str) -> None:
    assert digest(algorithm, data) == value


def test_c4_pads_small_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SHA-512 that begins with many zero bits has fewer digits; the ID keeps 90 signs (ST 2114, 4.3)."""

    class Small:
        def update(self, data: memoryview) -> None: ...

        def digest(self) -> bytes:
            return bytes(63) + b"\x3a"  # 58: "21" in base 58, written with the digits "1" to "z"

    monkeypatch.setattr("film_archive.core.digest.hashlib.sha512", Small)
    assert digest("c4", b"") == "c4" + "1" * 86 + "21"


@pytest.mark.parametrize(("algorithm", "option"), [("xxh128", "-H2"), ("xxh64", "-H1")])
def test_xxhsum_agrees(algorithm: str, option: str, tmp_path: Path) -> None:
    program = shutil.which("xxhsum")
    if program is None:
        pytest.skip("xxhsum is not installed")
    for size in (0, 1, 240, 241, 100_000):
        path = tmp_path / "file"
        path.write_bytes(random.Random(size).randbytes(size))
        printed = subprocess.run([program, option, path], capture_output=True, text=True, check=True).stdout
        with FileSource(path) as source:
            assert digest_source(source, [algorithm])[algorithm] == printed.split()[0]


# Several at once


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_all_at_once_in_pieces_are_each_alone_whole(parts: list[bytes]) -> None:
    hasher = MultiHasher(ALGORITHMS)
    for part in parts:
        hasher.update(part)
    whole = b"".join(parts)
    assert hasher.digests() == {name: digest(name, whole) for name in ALGORITHMS}
    assert hasher.size == len(whole)


def test_views_of_any_shape_count_in_bytes() -> None:
    hasher = MultiHasher(["md5", "crc32", "xxh128"])
    hasher.update(memoryview(bytes(80)).cast("Q"))
    assert hasher.size == 80
    assert hasher.digests()["md5"] == hashlib.md5(bytes(80)).hexdigest()


def test_names() -> None:
    assert with_key(["md5", "md5", KEY]) == (KEY, "md5")
    assert with_key([]) == (KEY,)
    assert str(Digest("md5", "00")) == "md5:00"
    with pytest.raises(UsageError, match="no digest called 'md4'; there are xxh128"):
        MultiHasher(["md4"])


# Reading ahead

SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 3, 9 * BLOCK - 1]
PATTERN = random.Random(4).randbytes(9 * BLOCK)


@pytest.mark.parametrize("size", SIZES)
def test_read_ahead_reads_the_same(size: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PATTERN[:size])
    with FileSource(path) as source:
        blocks = [bytes(block) for block in read_ahead(source)]
        assert b"".join(blocks) == PATTERN[:size]
        assert all(0 < len(block) <= BLOCK for block in blocks)
        counted: list[int] = []
        assert digest_source(source, [KEY, "sha1"], on_bytes=counted.append) == {
            KEY: digest(KEY, PATTERN[:size]),
            "sha1": hashlib.sha1(PATTERN[:size]).hexdigest(),
        }
        assert sum(counted) == size


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3 * BLOCK), st.none() | st.integers(0, 4 * BLOCK))
def test_read_ahead_of_a_part(offset: int, length: int | None) -> None:
    source = MemorySource(PATTERN[: 3 * BLOCK])
    part = PATTERN[: 3 * BLOCK][offset : None if length is None else offset + length]
    assert b"".join(bytes(block) for block in read_ahead(source, offset, length)) == part


@pytest.mark.parametrize("size", [10, 3 * BLOCK + 5])
def test_while_reading_sees_every_block_before_the_consumer(size: int) -> None:
    seen: list[bytes] = []
    position = 0
    for block in read_ahead(MemorySource(PATTERN[:size]), while_reading=lambda view: seen.append(bytes(view))):
        position += len(block)
        assert len(b"".join(seen)) >= position
    assert b"".join(seen) == PATTERN[:size]


class Failing(ByteSource):
    """Fails, or stops short, when byte `at` is asked for."""

    name, size = "failing", 6 * BLOCK

    def __init__(self, at: int, act: Callable[[], int]) -> None:
        self.at = at
        self.act = act
        self.read = 0

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if offset + len(buffer) > self.at:
            return self.act()
        self.read += len(buffer)
        return len(buffer)


def fail() -> int:
    raise ShortRead("ended")


@pytest.mark.parametrize("at", [0, BLOCK, 5 * BLOCK])
def test_an_error_in_the_reading_thread_reaches_the_consumer(at: int) -> None:
    with pytest.raises(ShortRead, match="ended"):
        list(read_ahead(Failing(at, fail)))
    with pytest.raises(ShortRead, match="failing ended"):
        list(read_ahead(Failing(at, lambda: 0)))  # a source that breaks its promise does not hang us


def test_an_error_of_the_digest_reaches_the_consumer() -> None:
    def burst(view: memoryview) -> None:
        raise RuntimeError("digest")

    with pytest.raises(RuntimeError, match="digest"):
        list(read_ahead(MemorySource(PATTERN[: 2 * BLOCK]), while_reading=burst))


def test_a_consumer_that_stops_ends_the_thread_soon() -> None:
    source = Failing(6 * BLOCK, fail)
    source.size = 1000 * BLOCK
    source.at = source.size
    blocks = read_ahead(source)
    next(blocks)
    assert any(thread.name == "read failing" for thread in threading.enumerate())
    blocks.close()
    assert not any(thread.name == "read failing" for thread in threading.enumerate())
    assert source.read <= 5 * BLOCK


def test_a_source_that_changes_is_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(PATTERN[: 3 * BLOCK])
    with FileSource(path) as source:

        def grow(count: int) -> None:
            with path.open("ab") as file:
                file.write(b"x")

        with pytest.raises(SourceChanged):
            digest_source(source, on_bytes=grow)


def test_many_small_parts_through_the_pipeline() -> None:
    parts = [MemorySource(PATTERN[at : at + 99_991]) for at in range(0, 2 * BLOCK, 99_991)]
    whole = b"".join(bytes(part.read_at(0, part.size)) for part in parts)
    assert digest_source(ConcatSource(parts)) == {KEY: digest(KEY, whole)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="interrupting needs fork")
def test_reading_ahead_interrupted_at_any_instant() -> None:
    data = bytes(3 * BLOCK)

    def work() -> None:
        assert sum(map(len, read_ahead(MemorySource(data)))) == len(data)

    assert crash.interrupt_often(work, 200) > 20
