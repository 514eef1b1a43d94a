"""Shared blocks on file systems that can (mounted for the test), and plain copies where they can't."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from film_archive.core import copying, files, reflink
from film_archive.core.digest import BLOCK, digest_source
from film_archive.core.source import ConcatSource, Extent, FileSource, MemorySource
from tests.core.mounts import image, tmpfs

DATA = random.Random(3).randbytes(BLOCK + 4096 * 3 + 17)


@pytest.fixture(scope="module", params=["xfs", "btrfs"])
def sharing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk") / request.param
    options = ("-q", "-m", "reflink=1") if request.param == "xfs" else ("-q",)
    with image(folder, f"mkfs.{request.param}", *options) as disk:
        yield disk


@pytest.fixture
def disk(sharing: Path, request: pytest.FixtureRequest) -> Path:
    folder = sharing / str(abs(hash(request.node.name)))
    folder.mkdir()
    (folder / "origin").write_bytes(DATA)
    return folder


def test_a_copy_shares_whole_blocks_and_copies_the_rest(disk: Path) -> None:
    with FileSource(disk / "origin") as source:
        poured = copying.verified_copy(source, disk / "copy", algorithms=["sha256"])
        assert poured.digests == digest_source(MemorySource(DATA), ["xxh128", "sha256"])
    assert poured.shared == len(DATA) // 4096 * 4096
    assert (disk / "copy").read_bytes() == DATA
    # Shared, not the same: writing to one leaves the other.
    with (disk / "copy").open("r+b") as file:
        file.write(b"changed")
    assert (disk / "origin").read_bytes() == DATA


def test_sharing_takes_no_space(disk: Path) -> None:
    (disk / "large").write_bytes(bytes(40 << 20) + DATA)
    os.sync()
    before = files.free_space(disk)
    for number in range(3):
        with FileSource(disk / "large") as source:
            assert copying.verified_copy(source, disk / f"copy {number}").shared > 40 << 20
    os.sync()
    assert before - files.free_space(disk) < 8 << 20


@pytest.mark.parametrize(
    ("start", "offset", "shared"),
    [(0, 0, True), (4096, 8192, True), (0, 1, False), (17, 0, False), (17, 17, False), (4096, 512, False)],
)
def test_only_what_lies_on_blocks_is_shared(disk: Path, start: int, offset: int, shared: bool) -> None:
    with FileSource(disk / "origin") as origin, (disk / "target").open("w+b") as target:
        part = origin.slice(start, 100_000)
        poured = copying.pour(part, target.fileno(), offset)
        assert poured.shared == (100_000 // 4096 * 4096 if shared else 0)
        assert os.pread(target.fileno(), 200_000, offset) == DATA[start : start + 100_000]
        assert poured.digests == digest_source(part)


def test_neighbouring_parts_are_shared_as_one_run(disk: Path) -> None:
    with FileSource(disk / "origin") as origin:
        whole = ConcatSource([origin.slice(0, 5000), origin.slice(5000, 4000)])
        assert copying.verified_copy(whole, disk / "copy").shared == 8192
        assert (disk / "copy").read_bytes() == DATA[:9000]


def test_on_request_nothing_is_shared(disk: Path) -> None:
    with FileSource(disk / "origin") as source:
        assert copying.verified_copy(source, disk / "copy", share=False).shared == 0


def test_another_file_under_the_name_is_never_shared(disk: Path) -> None:
    """The name was given to another file after the source was opened: its blocks are not the source's bytes."""
    with FileSource(disk / "origin") as source:
        (disk / "new").write_bytes(bytes(len(DATA)))
        (disk / "new").replace(disk / "origin")
        poured = copying.verified_copy(source, disk / "copy")
        assert (disk / "copy").read_bytes() == DATA
        assert poured.shared == 0
        (disk / "origin").unlink()
        copying.verified_copy(source, disk / "second copy")
        assert (disk / "second copy").read_bytes() == DATA


def test_an_extent_without_identity_is_never_shared(disk: Path) -> None:
    class Careless(MemorySource):
        def extent(self) -> Extent:
            return Extent(disk / "origin", 0, self.size)

    assert copying.verified_copy(Careless(bytes(len(DATA))), disk / "copy").shared == 0
    assert (disk / "copy").read_bytes() == bytes(len(DATA))


def test_whole_files(disk: Path) -> None:
    with (disk / "copy").open("w+b") as target, (disk / "origin").open("rb") as source:
        assert reflink.clone_whole(source.fileno(), target.fileno())
    assert (disk / "copy").read_bytes() == DATA
    (disk / "empty").touch()
    with (disk / "empty copy").open("w+b") as target, (disk / "empty").open("rb") as source:
        assert reflink.clone_whole(source.fileno(), target.fileno())
    assert copying.can_share(disk / "origin", disk)
    assert not copying.can_share(disk / "empty", disk)


def test_between_file_systems_nothing_is_shared(disk: Path, tmp_path: Path) -> None:
    with FileSource(disk / "origin") as source:
        assert copying.verified_copy(source, tmp_path / "copy").shared == 0
    assert (tmp_path / "copy").read_bytes() == DATA
    assert not copying.can_share(disk / "origin", tmp_path)


def test_where_nothing_can_be_shared(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "memory", "size=20m") as memory:
        (memory / "origin").write_bytes(DATA)
        with FileSource(memory / "origin") as source:
            assert copying.verified_copy(source, memory / "copy").shared == 0
        with (memory / "target").open("w+b") as target, (memory / "origin").open("rb") as origin:
            assert not reflink.clone_whole(origin.fileno(), target.fileno())
            assert not reflink.clone_range(origin.fileno(), 0, target.fileno(), 0, 4096)
            assert not reflink.clone_range(origin.fileno(), 0, target.fileno(), 0, 0)
            assert reflink.block_size(target.fileno()) >= 4096
        assert not copying.can_share(memory / "origin", memory)
        assert sorted(path.name for path in memory.iterdir()) == ["copy", "origin", "target"]


def test_an_unexpected_answer_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    with (tmp_path / "a").open("rb") as file, pytest.raises(OSError, match="Bad file descriptor"):
        reflink.clone_whole(file.fileno(), 9999)


def test_on_other_systems_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("film_archive.core.reflink.sys.platform", "darwin")
    assert not reflink.clone_whole(9998, 9999)
