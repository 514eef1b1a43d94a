"""Zips that are made to fill a disk or to take for ever end in one sentence, soon, with little memory."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
from film_archive.archive import bombs
from tests.archive.making import noise
from tests.archive.test_foreign import directory_field, open_bytes, problems, refuses, zipped

MEMORY = 3 << 30
"""Of addresses, of which the libraries alone take about one."""
SECONDS = 30
"""Of CPU; reading what the bombs claim would take minutes to years."""


def local(name: bytes, packed: int, size: int, crc: int, method: int = 8) -> bytes:
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, method, 0, 33, crc, packed, size, len(name), 0) + name


def central(name: bytes, packed: int, size: int, crc: int, offset: int, method: int = 8) -> bytes:
    numbers = (20, 20, 0, method, 0, 33, crc, packed, size, len(name), 0, 0, 0, 0, 0, offset)
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + name


def ended(body: bytes, directory: bytes, count: int) -> bytes:
    if count < 0xFFFF:
        return body + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(directory), len(body))
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(body) + len(directory), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return body + directory + end64 + locator + end


def single() -> bytes:
    """10 MB that are 10 GiB: blocks that each unpack by themselves, one behind the other."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = block * 255 + packer.flush()
    size = 255 << 24
    body, directory = b"", b""
    for name in (b"a", b"b", b"c"):  # each below 4 GiB
        directory += central(name, len(packed), size, 0, len(body))
        body += local(name, len(packed), size, 0) + packed
    return ended(body, directory, 3)


def quoted() -> bytes:
    """Fifield's: each member's first block, which is not packed, holds the header of the next; all share one kernel."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed, size = packer.compress(bytes(1 << 24)) + packer.flush(), 1 << 24
    crc = zlib.crc32(bytes(size))
    parts = [local(b"%04d" % 0, len(packed), size, crc) + packed]
    claims = [(b"%04d" % 0, len(packed), size, crc)]
    for number in range(1, 1000):
        name = b"%04d" % number
        header_of_next = parts[-1][: 30 + 4]
        quote = b"\0" + struct.pack("<2H", len(header_of_next), len(header_of_next) ^ 0xFFFF)
        _, packed_next, size_next, _ = claims[-1]
        packed_size, size = packed_next + len(header_of_next) + len(quote), size_next + len(header_of_next)
        claims.append((name, packed_size, size, 0))
        parts.append(local(name, packed_size, size, 0) + quote)
    body, directory = b"", b""
    for part, claim in zip(reversed(parts), reversed(claims), strict=True):
        directory += central(*claim, len(body))
        body += part
    return ended(body, directory, len(parts))


def many() -> bytes:
    """Very many members, all of them the same 1 byte."""
    body = local(b"a", 1, 1, zlib.crc32(b"x"), 0) + b"x"
    return ended(body, central(b"a", 1, 1, zlib.crc32(b"x"), 0, 0) * 70_000, 70_000)


def more_than_there_are() -> bytes:
    """2^32 members that the end records claim."""
    data = bytearray(many())
    at = data.rindex(b"PK\6\6")
    struct.pack_into("<2Q", data, at + 24, 1 << 32, 1 << 32)
    return bytes(data)


def bzip2() -> bytes:
    """A million to one."""
    import bz2

    packed = bz2.compress(bytes(45_900_000)) * 100
    return ended(
        local(b"a", len(packed), 0xF0000000, 0, 12) + packed, central(b"a", len(packed), 0xF0000000, 0, 0, 12), 1
    )


BOMBS = [single, quoted, many, more_than_there_are, bzip2]


def limited(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line with little memory and time."""
    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))

    command = [sys.executable, "-c", "from film_archive.cli.main import run; run()", *map(str, arguments)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't hold a process to its limits")
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_end_soon_and_in_one_sentence(tmp_path: Path, bomb: Callable[[], bytes]) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(bomb())
    unpacked = limited("unpack", path, tmp_path / "out")
    assert unpacked.returncode in (4, 11), unpacked
    assert len(unpacked.stderr.strip().splitlines()) == 1, unpacked.stderr
    assert not (tmp_path / "out").exists()
    checked = limited("check", path, "--json")
    assert checked.returncode == 11, checked.stderr
    assert 0 < len(json.loads(checked.stdout)["problems"]) <= 10_001
    assert limited("ls", path).returncode in (0, 4, 11)
    assert limited("repair", path).returncode in (5, 11)


def test_an_archive_in_an_archive_is_left_packed(tmp_path: Path) -> None:
    """As in 42.zip: each layer unpacks to the next, and nobody asks for more than the first."""
    from film_archive.archive.unpack import unpack

    data = noise(100)
    for _ in range(6):
        data = zipped([(f"{number}.zip", data) for number in range(16)], zipfile.ZIP_DEFLATED)
    assert problems(data) == []
    with open_bytes(data) as archive:
        done = unpack(archive, tmp_path / "out")
    assert done.written == tuple(f"{number}.zip" for number in range(16))
    assert done.bytes < 1 << 24


def test_members_that_share_bytes(tmp_path: Path) -> None:
    """Two names for one place."""
    data = zipped([("a", noise(3000)), ("b", noise(3000))])
    data = directory_field(data, 42, 0, entry=1).replace(b"b", b"a")
    assert any("shares bytes" in what or "is there twice" in what for _, what in problems(data))
    refuses(data, tmp_path / "out")


def test_a_bomb_of_overlapping_members(tmp_path: Path) -> None:
    """Every header says that the same bytes follow it: those behind all headers, with headers between."""
    kernel = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = kernel.compress(bytes(1 << 24)) + kernel.flush()
    crc = zlib.crc32(bytes(1 << 24))
    data, directory = b"", b""
    for number in range(200):
        name = b"%03d" % number
        directory += central(name, len(packed), 1 << 24, crc, len(data))
        data += local(name, len(packed), 1 << 24, crc)
    refuses(ended(data + packed, directory, 200), tmp_path / "out", match="zip bomb")


def test_a_bomb_by_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bombs, "HARMLESS", 1 << 22)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(5)) + packer.flush()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("bomb", packed)
    local = bytearray(buffer.getvalue())
    struct.pack_into("<H", local, 8, zipfile.ZIP_DEFLATED)
    struct.pack_into("<L", local, 22, 5 << 20)
    data = directory_field(directory_field(bytes(local), 10, 8, 2), 24, 5 << 20)
    refuses(data, tmp_path / "out", match="zip bomb")


@pytest.mark.parametrize(
    ("file_size", "sizes", "is_bomb"),
    [
        (100, [], False),
        (100, [(0, 40, 40), (0, 60, 60)], False),
        (100, [(0, 40, 40), (0, 61, 61)], True),
        (1 << 30, [(8, 5 << 20, 1 << 30)], False),
        (1 << 30, [(8, 5 << 20, (1 << 30) + 1)], True),
        (1 << 40, [(8, 6 << 20, (1 << 30) + 1)], False),
        (1 << 40, [(8, 1 << 21, 1 << 30), (0, 1 << 30, 1 << 30)], False),
        (1 << 40, [(12, 1 << 12, 1 << 31)], True),
        (1 << 40, [(8, 1 << 12, 1 << 31)], False),  # no deflate stream holds that much
    ],
)
def test_the_rule(file_size: int, sizes: list[tuple[int, int, int]], is_bomb: bool) -> None:
    assert (bombs.claim_problem(file_size, sizes) is not None) == is_bomb


def test_overlaps_behind_a_long_region_are_found() -> None:
    regions = [(0, 100, "long"), (10, 20, "a"), (30, 40, "b"), (100, 110, "c"), (105, 105, "empty")]
    assert list(bombs.overlaps(regions)) == [("long", "a"), ("long", "b")]
