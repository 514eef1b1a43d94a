"""Copies that prove themselves, and moves that remove nothing but what is proved to be elsewhere."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from film_archive.core import copying, files
from film_archive.core.digest import BLOCK, KEY, digest_source
from film_archive.core.errors import Damaged, NotFound, NotSupported, Refused, ShortRead, SourceChanged, StorageError
from film_archive.core.source import FileSource, MemorySource

DATA = random.Random(2).randbytes(2 * BLOCK + 12_345)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(number: int) -> Callable[..., Any]:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, len(DATA)])
@pytest.mark.parametrize("kind", ["file", "memory"])
def test_verified_copy(kind: str, size: int, tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.write_bytes(DATA[:size])
    copied: list[int] = []
    verified: list[int] = []
    with FileSource(origin) if kind == "file" else MemorySource(DATA[:size]) as source:
        poured = copying.verified_copy(
            source,
            tmp_path / "copy",
            algorithms=["md5"],
            share=False,
            on_bytes=copied.append,
            on_verified=verified.append,
        )
    assert (tmp_path / "copy").read_bytes() == DATA[:size]
    assert poured.digests == digest_source(MemorySource(DATA[:size]), ["md5", KEY])
    assert (poured.size, poured.shared, sum(copied), sum(verified)) == (size, 0, size, size)


def test_a_copy_takes_nobodys_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(Refused):
        copying.verified_copy(MemorySource(b"new"), tmp_path / "a")
    copying.verified_copy(MemorySource(b"new"), tmp_path / "a", replace=True)
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_name_that_is_taken_while_it_is_copied_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "a"

    class Slow(MemorySource):
        def read_into(self, offset: int, buffer: memoryview) -> int:
            if not os.path.lexists(place):
                if kind == "file":
                    place.write_bytes(b"somebody else's")
                elif kind == "link":
                    place.symlink_to("elsewhere")
                else:
                    place.mkdir()
            return super().read_into(offset, buffer)

    with pytest.raises(Refused):
        copying.verified_copy(Slow(DATA), place)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    if kind == "file":
        assert place.read_bytes() == b"somebody else's"
    elif kind == "link":
        assert os.readlink(place) == "elsewhere"
    else:
        assert list(place.iterdir()) == []


@pytest.mark.parametrize("algorithms", [[KEY], ["crc32"], []])
def test_a_copy_that_came_out_wrong_is_found_and_removed(
    algorithms: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a bad cable or disk would do it: a bit turns between the writing and the medium."""

    def flip(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR:
            byte = os.pread(descriptor, 1, BLOCK + 99)
            os.pwrite(descriptor, bytes([byte[0] ^ 4]), BLOCK + 99)

    monkeypatch.setattr(files, "drop_cache", flip)
    with pytest.raises(Damaged, match="does not read back the same; it was removed"):
        copying.verified_copy(MemorySource(DATA), tmp_path / "a", algorithms=algorithms)
    assert names(tmp_path) == []


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: real(descriptor, data[:1_000_003], offset))
    copying.verified_copy(MemorySource(DATA), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == DATA


def test_a_source_that_changes_while_it_is_copied(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.write_bytes(DATA)

    def grow(count: int) -> None:
        with origin.open("ab") as file:
            file.write(b"more")

    with FileSource(origin) as source, pytest.raises(SourceChanged):
        copying.verified_copy(source, tmp_path / "copy", on_bytes=grow)
    assert names(tmp_path) == ["origin"]


def test_interrupted_copying_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.verified_copy(MemorySource(DATA), tmp_path / "a", on_bytes=interrupt)
    assert names(tmp_path) == []


def test_pour_into_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    descriptor = os.open(path, os.O_RDWR)
    try:
        poured = copying.pour(MemorySource(b"abc"), descriptor, 4, algorithms=["crc32"])
    finally:
        os.close(descriptor)
    assert path.read_bytes() == b"xxxxabcxxx"
    assert poured == copying.Poured(3, {"crc32": "352441c2"})


def test_times_and_permissions(tmp_path: Path) -> None:
    origin, copy = tmp_path / "origin", tmp_path / "copy"
    origin.write_bytes(b"x")
    origin.chmod(0o4640)
    os.utime(origin, ns=(1_500_000_000_123_456_789, 1_600_000_000_123_456_789))
    with FileSource(origin) as source:
        copying.verified_copy(source, copy, like=source.status)
    status = copy.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640  # set-user-ID is nothing that a card gives away
    assert status.st_mtime_ns == origin.stat().st_mtime_ns


def test_where_there_are_no_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(os, "chmod", failing(errno.EPERM))  # as FAT answers
    copying.copy_times_and_mode(tmp_path.stat(), tmp_path / "a")
    assert (tmp_path / "a").stat().st_mtime_ns == tmp_path.stat().st_mtime_ns
    monkeypatch.setattr(os, "utime", failing(errno.EIO))
    with pytest.raises(StorageError, match="set permissions and times"):
        copying.copy_times_and_mode(tmp_path.stat(), tmp_path / "a")


# Moving


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another device than `tmp_path`."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        pytest.skip("there is no /dev/shm to move to")
    if memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("only one device")
    folder = memory / f"film-archive-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    files.remove_tree(folder)


def test_move_within_a_device(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    inode = (tmp_path / "a").stat().st_ino
    copying.move(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").stat().st_ino == inode
    (tmp_path / "taken").write_bytes(b"y")
    with pytest.raises(Refused, match="stays where it is"):
        copying.move(tmp_path / "b", tmp_path / "taken")
    with pytest.raises(NotFound):
        copying.move(tmp_path / "nothing", tmp_path / "c")
    assert names(tmp_path) == ["b", "taken"]


def test_move_to_another_device(tmp_path: Path, elsewhere: Path) -> None:
    origin = tmp_path / "a"
    origin.write_bytes(DATA)
    origin.chmod(0o600)
    os.utime(origin, ns=(1, 1_600_000_000_123_456_789))
    copying.move(origin, elsewhere / "b")
    assert (elsewhere / "b").read_bytes() == DATA
    status = (elsewhere / "b").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o600, 1_600_000_000_123_456_789)
    assert names(tmp_path) == []
    assert names(elsewhere) == ["b"]
    (tmp_path / "c").write_bytes(b"other")
    with pytest.raises(Refused, match="stays where it is"):
        copying.move(tmp_path / "c", elsewhere / "b")
    assert (elsewhere / "b").read_bytes() == DATA


def test_links_and_folders_to_another_device(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "clip").write_bytes(b"x")
    (tmp_path / "link").symlink_to("clip")
    copying.move(tmp_path / "link", elsewhere / "link")
    assert (elsewhere / "link").readlink() == Path("clip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotSupported, match="is a folder"):
        copying.move(tmp_path / "folder", elsewhere / "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotSupported, match="FIFO"):
        copying.move(tmp_path / "pipe", elsewhere / "pipe")
    assert names(tmp_path) == ["clip", "folder", "pipe"]


@pytest.fixture
def two_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with two mounts of one device: the same device number, but no renaming across."""
    real = files._exclusive_rename_call()
    assert real is not None
    monkeypatch.setattr(
        files,
        "_exclusive_rename_call",
        lambda: lambda source, target: errno.EXDEV if source.endswith(b"/a") else real(source, target),
    )


@pytest.mark.usefixtures("two_mounts")
def test_move_between_two_mounts_of_one_device(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(DATA)
    copying.move(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == DATA
    assert names(tmp_path) == ["b"]


@pytest.mark.usefixtures("two_mounts")
def test_what_changed_after_it_was_copied_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = copying.verified_copy

    def copy_and_change(source: FileSource, target: Path, **options: Any) -> copying.Poured:
        poured = real(source, target, **options)
        source.path.write_bytes(b"newer, and nowhere else")
        return poured

    (tmp_path / "a").write_bytes(DATA)
    monkeypatch.setattr(copying, "verified_copy", copy_and_change)
    with pytest.raises(SourceChanged, match="it stays"):
        copying.move(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == b"newer, and nowhere else"


@pytest.mark.usefixtures("two_mounts")
def test_what_came_out_wrong_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flip(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR:
            os.pwrite(descriptor, b"\0" * 64, 0)

    (tmp_path / "a").write_bytes(DATA)
    monkeypatch.setattr(files, "drop_cache", flip)
    with pytest.raises(Damaged):
        copying.move(tmp_path / "a", tmp_path / "b")
    assert names(tmp_path) == ["a"]


# Without a digest


@pytest.mark.parametrize("size", [0, 1, BLOCK, len(DATA)])
@pytest.mark.parametrize("by", ["the system", "memory"])
def test_transfer(by: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin, target = tmp_path / "origin", tmp_path / "target"
    origin.write_bytes(b"head" + DATA[:size] + b"tail")
    target.write_bytes(b"before")
    if by == "memory":
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    counted: list[int] = []
    with FileSource(origin) as source, target.open("r+b") as file:
        assert copying.transfer(source.slice(4, size), file.fileno(), 6, on_bytes=counted.append) == 0
    assert target.read_bytes() == b"before" + DATA[:size]
    assert sum(counted) == size


def test_transfer_where_the_system_gives_up_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin, target = tmp_path / "origin", tmp_path / "target"
    origin.write_bytes(DATA)
    real = getattr(os, "copy_file_range", None)
    if real is None:
        pytest.skip("this system copies no ranges")
    calls: list[int] = []

    def copy_file_range(source: int, to: int, count: int, at: int, where: int) -> int:
        calls.append(count)
        if len(calls) > 2:
            raise OSError(errno.EINVAL, "Invalid argument")
        copied: int = real(source, to, 100_000, at, where)
        return copied

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    with FileSource(origin) as source, target.open("w+b") as file:
        copying.transfer(source, file.fileno(), 0)
    assert target.read_bytes() == DATA
    assert len(calls) == 3


def test_transfer_reads_the_file_that_was_opened(tmp_path: Path) -> None:
    origin, target = tmp_path / "origin", tmp_path / "target"
    origin.write_bytes(DATA)
    with FileSource(origin) as source, target.open("w+b") as file:
        (tmp_path / "other").write_bytes(bytes(len(DATA)))
        (tmp_path / "other").replace(origin)
        copying.transfer(source, file.fileno(), 0)
    assert target.read_bytes() == DATA


def test_transfer_of_a_file_that_shrinks(tmp_path: Path) -> None:
    origin, target = tmp_path / "origin", tmp_path / "target"
    origin.write_bytes(DATA)

    def cut(count: int) -> None:
        os.truncate(origin, 100)

    with FileSource(origin) as source, target.open("w+b") as file, pytest.raises((ShortRead, SourceChanged)):
        copying.transfer(source, file.fileno(), 0, on_bytes=cut)


def test_transfer_tells_a_failing_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = tmp_path / "origin"
    origin.write_bytes(DATA)
    monkeypatch.setattr(os, "copy_file_range", failing(errno.EIO), raising=False)
    with FileSource(origin) as source, (tmp_path / "target").open("w+b") as file, pytest.raises(OSError, match="error"):
        copying.transfer(source, file.fileno(), 0)
