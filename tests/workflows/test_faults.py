"""Every system call fails once: what has its final name is whole, the error is ours, and the next run completes the job."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from film_archive.archive.check import check_archive
from film_archive.archive.reader import open_archive
from film_archive.archive.repair import repair_archive
from film_archive.core import files
from film_archive.core.errors import FilmArchiveError, NoSpace, StorageError
from film_archive.testing import crash, faults
from film_archive.testing.faults import READING, WRITING, Kill, Short
from tests.core.mounts import tmpfs
from tests.workflows.jobs import Job
from tests.workflows.making import add, check, contents, create, sources, tree, write_tree


def calls_of(job: Job, names: tuple[str, ...]) -> faults.Calls:
    job.prepare()
    with faults.counting(names) as calls:
        job.work()
    return calls


def fail_each(job: Job, how: int, names: tuple[str, ...], step: int, *, lasting: bool = False) -> None:
    expected = job.expect()
    calls = calls_of(job, names)
    assert calls
    errors = 0
    for number in range(0, len(calls), step):
        job.prepare()
        what = (number, calls[number], errno.errorcode[how])
        said: tuple[int, str] | None = None
        try:
            with faults.failing(number, how, names=names, lasting=lasting):
                job.work()
        except FilmArchiveError as error:
            said = error.exit_status, str(error)  # the error itself would keep its frames, and the files they hold, open
        if said is not None:
            errors += 1
            assert said[0] in (4, 5, 6), (what, said)
            assert said[1].endswith("."), (what, said)
        job.whole()
        job.again(expected)
        assert job.state() == expected, what
    assert errors


@pytest.mark.parametrize("how", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_some_writing_calls_fail(job: Job, how: int) -> None:
    fail_each(job, how, WRITING, 31)


@pytest.mark.parametrize("how", [errno.EIO, errno.EACCES], ids=["EIO", "EACCES"])
def test_some_reading_calls_fail(job: Job, how: int) -> None:
    fail_each(job, how, READING, 31)


@pytest.mark.nightly
@pytest.mark.parametrize("names", [WRITING, READING], ids=["writing", "reading"])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("how", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
def test_each_call_fails(job: Job, how: int, lasting: bool, names: tuple[str, ...]) -> None:
    fail_each(job, how, names, 1, lasting=lasting)


def half_done(job: Job) -> Job:
    """The same job, killed in its middle: what begins is the run that continues it."""
    half = len(calls_of(job, WRITING)) // 2

    def prepare() -> None:
        job.prepare()

        def work() -> None:
            with faults.failing(half, Kill.AFTER):
                job.work()

        assert not crash.run(work).finished

    return replace(job, prepare=prepare)


@pytest.mark.parametrize("names", [WRITING, READING], ids=["writing", "reading"])
def test_some_calls_fail_while_a_killed_job_is_continued(job: Job, names: tuple[str, ...]) -> None:
    fail_each(half_done(job), errno.EIO, names, 13)


@pytest.mark.nightly
@pytest.mark.parametrize("names", [WRITING, READING], ids=["writing", "reading"])
def test_each_call_fails_while_a_killed_job_is_continued(job: Job, names: tuple[str, ...]) -> None:
    fail_each(half_done(job), errno.EIO, names, 1)


@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("how", Short)
def test_short_reads_and_writes_are_continued(job: Job, how: Short, step: int) -> None:
    expected = job.expect()
    names = (str(how),)
    for number in range(0, len(calls_of(job, names)), step):
        job.prepare()
        with faults.failing(number, how, names=names):
            job.work()
        assert job.state() == expected, number


def test_a_failed_fsync_is_not_asked_again(creating: Job, tmp_path: Path) -> None:
    """The system may have dropped the pages: the archive does not get its name in that run."""
    target = tmp_path / "job" / "archive.zip"
    for number in range(len(calls_of(creating, ("fsync",))) - 1):  # the last one is that of the folder
        creating.prepare()
        with (
            pytest.raises(StorageError),
            faults.failing(number, errno.EIO, names=("fsync",)),
        ):
            creating.work()
        assert not target.exists()


# A disk that really is full


@pytest.fixture
def small_disk(tmp_path: Path) -> object:
    with tmpfs(tmp_path / "small", "size=400k") as mount:
        yield mount


@pytest.fixture
def larger_disk(tmp_path: Path) -> object:
    with tmpfs(tmp_path / "larger", "size=4m") as mount:
        yield mount


def fill_up(disk: Path, *, leave: int) -> None:
    (disk / "filling").write_bytes(bytes(max(0, files.free_space(disk) - leave)))


def test_a_disk_that_is_too_small_is_refused_first(tmp_path: Path, small_disk: Path) -> None:
    media = sources(tmp_path / "media")
    with pytest.raises(NoSpace, match=r"\d+ bytes are missing; nothing was written") as raised:
        create(small_disk / "archive.zip", media)
    assert raised.value.exit_status == 6
    assert list(small_disk.iterdir()) == []


def unpack_to(archive: Path, folder: Path) -> None:
    from film_archive.archive.unpack import unpack

    with open_archive(archive) as opened:
        unpack(opened, folder)


def test_a_disk_that_fills_up_while_creating(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = write_tree(tmp_path / "media", {"a": bytes(100_000), "b": bytes(300_000)})
    monkeypatch.setattr(files, "require_space", lambda *arguments: None)
    with pytest.raises(NoSpace, match=r"the disk is full, about \d+ bytes are missing"):
        create(small_disk / "archive.zip", media)
    assert not (small_disk / "archive.zip").exists()
    (media / "b").unlink()
    write_tree(media, {"b": b"now it fits"})
    assert create(small_disk / "archive.zip", media).reused >= 2
    assert check(small_disk / "archive.zip").ok
    assert [place.name for place in small_disk.iterdir()] == ["archive.zip"]


def test_a_disk_that_fills_up_while_adding(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = small_disk / "archive.zip"
    create(target, write_tree(tmp_path / "first", {"a": bytes(100_000)}))
    before = contents(target)
    more = write_tree(tmp_path / "more", {"b": bytes(100_000), "c": bytes(100_000)})
    for leave in range(0, 250_000, 9000):
        fill_up(small_disk, leave=leave)
        monkeypatch.setattr(files, "require_space", lambda *arguments: None)
        try:
            add(target, more)
        except NoSpace:
            with open_archive(target) as archive:
                assert {problem.path for problem in check_archive(archive).problems} <= {"end"}
            assert contents(target) == before
        else:
            assert contents(target).keys() > before.keys()
        monkeypatch.undo()
        (small_disk / "filling").unlink()
        if contents(target) != before:
            break
    else:
        add(target, more)
    assert check(target).ok
    assert len(contents(target)) == 4
    assert [place.name for place in small_disk.iterdir()] == ["archive.zip"]


def test_room_for_the_listing_of_what_is_there_is_asked_for(tmp_path: Path, larger_disk: Path) -> None:
    """An add writes it anew: with many members that is more than what comes in."""
    target = larger_disk / "archive.zip"
    create(target, write_tree(tmp_path / "many", {f"{number:04}.xml": b"x" for number in range(400)}))
    whole = target.read_bytes()
    more = write_tree(tmp_path / "more", {"b": b"b"})
    left = missing = 0
    for left in (0, 8192, 16_384):
        fill_up(larger_disk, leave=left)
        with pytest.raises(NoSpace, match=r"\d+ bytes") as raised:
            add(target, more)
        (missing,) = map(int, re.findall(r"(\d+) bytes", str(raised.value))[:1])
        assert 1_000 < missing < 400_000
        assert target.read_bytes() == whole
        assert sorted(place.name for place in larger_disk.iterdir()) == ["archive.zip", "filling"]
        (larger_disk / "filling").unlink()
    fill_up(larger_disk, leave=left + missing + 20_000)
    add(target, more)
    assert check(target).ok


def test_a_full_disk_while_repairing_leaves_all_as_it_was(tmp_path: Path, larger_disk: Path) -> None:
    target = larger_disk / "archive.zip"
    create(target, write_tree(tmp_path / "many", {f"{number:04}.xml": b"x" for number in range(200)}))
    broken = bytearray(target.read_bytes())
    broken[-60_000:] = bytes(60_000)  # manifest and directory
    target.write_bytes(broken)
    fill_up(larger_disk, leave=0)
    with pytest.raises(NoSpace, match=r"about \d{4,} bytes are missing; no member was touched; run `repair` again"):
        repair_archive(target)
    assert target.read_bytes() == broken
    assert sorted(place.name for place in larger_disk.iterdir()) == ["archive.zip", "filling"]
    (larger_disk / "filling").unlink()
    repair_archive(target)
    assert check(target).ok


@pytest.mark.parametrize("act", [unpack_to, lambda archive, folder: add(folder, archive)], ids=["unpack", "add"])
def test_a_disk_that_fills_up_while_files_are_written(
    tmp_path: Path, small_disk: Path, act: Callable[[Path, Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.workflows.making import create_in_place

    archive = tmp_path / "archive.zip"
    create(archive, write_tree(tmp_path / "media", {"a": bytes(100_000), "b": os.urandom(100_000)}))
    folder = small_disk / "folder"
    write_tree(folder, {"mine": b"mine"})
    if act is not unpack_to:
        create_in_place(folder)
    before = tree(folder)
    fill_up(small_disk, leave=150_000)
    monkeypatch.setattr(files, "require_space", lambda *arguments: None)
    with pytest.raises(NoSpace, match="bytes are missing"):
        act(archive, folder)
    found = tree(folder)
    assert {name: found[name] for name in before} == before
    assert not [name for name in found if ".film-archive-" in name]
    monkeypatch.undo()
    (small_disk / "filling").unlink()
    act(archive, folder)
    if act is not unpack_to:
        assert check(folder).ok


def test_an_archive_on_a_read_only_mount(tmp_path: Path) -> None:
    from tests.core.mounts import mounted

    media = sources(tmp_path / "media", size=1000)
    (tmp_path / "real").mkdir()
    create(tmp_path / "real" / "archive.zip", media)
    with mounted(tmp_path / "mount", "--bind", str(tmp_path / "real")) as mount:
        import subprocess

        done = subprocess.run(["mount", "-o", "remount,ro,bind", mount], capture_output=True)
        if done.returncode:
            pytest.skip("a read-only bind mount does not work here")
        assert check(mount / "archive.zip").ok
        assert contents(mount / "archive.zip")
        more = write_tree(tmp_path / "more", {"b": b"b"})
        for act in (lambda: add(mount / "archive.zip", more), lambda: create(mount / "other.zip", media)):
            with pytest.raises(FilmArchiveError, match=r"[Rr]ead-only") as raised:
                act()
            assert raised.value.exit_status == 4


def missing_in(error: NoSpace) -> int:
    """How many bytes the sentence says are missing."""
    (found,) = re.findall(r"(\d+) bytes are missing(?:, and (\d+) more)?", str(error))
    return sum(int(number or 0) for number in found)


def test_what_is_said_to_be_missing_before_the_first_byte_is_what_is_missing(tmp_path: Path, larger_disk: Path) -> None:
    """With that much room more it goes; with a little less it is refused again."""
    media = write_tree(tmp_path / "media", {"a": bytes(100_000), "b": bytes(300_000)})
    for leave in (0, 50_000, 300_000):
        fill_up(larger_disk, leave=leave)
        free = files.free_space(larger_disk)
        with pytest.raises(NoSpace) as raised:
            create(larger_disk / "archive.zip", media)
        needs, has, missing = map(int, re.findall(r"\d+", str(raised.value).replace(str(larger_disk), ""))[:3])
        assert (has, missing) == (free, needs - free)
        assert missing == missing_in(raised.value)
        fill_up_again(larger_disk, leave=free + missing - 8192)
        with pytest.raises(NoSpace):
            create(larger_disk / "archive.zip", media)
        assert [place.name for place in larger_disk.iterdir()] == ["filling"]
        fill_up_again(larger_disk, leave=free + missing + 4096)
        create(larger_disk / "archive.zip", media)
        (larger_disk / "archive.zip").unlink()
        (larger_disk / "filling").unlink()


@pytest.mark.parametrize("verb", ["create", "add"])
def test_what_is_said_to_be_missing_in_the_middle_is_what_is_missing(
    tmp_path: Path, larger_disk: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Where somebody else fills the disk meanwhile: so much has to be made free, and the same command goes on."""
    target, act = larger_disk / "archive.zip", create if verb == "create" else add
    media = write_tree(tmp_path / "media", {"a": bytes(100_000), "b": bytes(500_000), "c": bytes(400_000)})
    if verb == "add":
        create(target, write_tree(tmp_path / "first", {"first": bytes(10_000)}))
    fill_up(larger_disk, leave=400_000)
    monkeypatch.setattr(files, "require_space", lambda *arguments: None)
    with pytest.raises(NoSpace) as raised:
        act(target, media)
    missing = missing_in(raised.value)
    assert abs(missing - (1_000_000 - 400_000)) < 60_000
    free = files.free_space(larger_disk)
    fill_up_again(larger_disk, leave=free + missing - 60_000)
    with pytest.raises(NoSpace):
        act(target, media)
    fill_up_again(larger_disk, leave=free + missing + 60_000)
    act(target, media)
    assert check(target).ok


def fill_up_again(disk: Path, *, leave: int) -> None:
    (disk / "filling").unlink()
    fill_up(disk, leave=leave)
