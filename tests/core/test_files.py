"""What files.py promises: whole or not at all, nothing overwritten, nothing removed but what is proved elsewhere."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import random
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given
from hypothesis import strategies as st

from film_archive.core import copying, files
from film_archive.core.digest import BLOCK
from film_archive.core.errors import (
    Damaged,
    FilmArchiveError,
    NoSpace,
    NotFound,
    Refused,
    StorageError,
    UsageError,
)
from film_archive.core.source import MemorySource
from tests.core.killing import SCENARIOS
from tests.core.mounts import tmpfs

pytestmark = pytest.mark.usefixtures("synced")

DATA = random.Random(2).randbytes(2 * BLOCK + 12_345)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(number: int) -> Callable[..., Any]:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


# The ways to rename without overwriting, as file systems offer them


def no_exclusive_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exclusive_rename_call", lambda: None)


def exclusive_rename_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_exclusive_rename_call", lambda: lambda source, target: errno.EINVAL)


def neither_that_nor_links(monkeypatch: pytest.MonkeyPatch) -> None:
    no_exclusive_rename(monkeypatch)
    monkeypatch.setattr(os, "link", failing(errno.EPERM))


WAYS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "exclusive rename": lambda monkeypatch: None,
    "link": no_exclusive_rename,
    "link, since the rename is refused": exclusive_rename_unsupported,
    "placeholder": neither_that_nor_links,
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    WAYS[request.param](monkeypatch)
    name: str = request.param
    return name


def test_rename_gives_the_name(way: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    files.rename(tmp_path / "old", tmp_path / "folder" / "new")
    assert (tmp_path / "folder" / "new").read_bytes() == b"x"
    assert names(tmp_path) == ["folder"]


def test_rename_takes_nobodys_place(way: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x")
    (tmp_path / "taken").write_bytes(b"y")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    for name in ("taken", "dangling", "folder"):
        with pytest.raises(Refused, match="exists already; nothing was changed"):
            files.rename(tmp_path / "old", tmp_path / name)
    assert (tmp_path / "old").read_bytes() == b"x"
    assert (tmp_path / "taken").read_bytes() == b"y"
    assert names(tmp_path) == ["dangling", "folder", "old", "taken"]


def test_rename_of_a_folder(way: str, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "clip").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refused):
        files.rename(tmp_path / "old", tmp_path / "empty")
    files.rename(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "new" / "clip").read_bytes() == b"x"
    with pytest.raises((Refused, StorageError)):
        files.rename(tmp_path / "new", tmp_path / "new" / "below")
    assert names(tmp_path) == ["empty", "new"]
    assert names(tmp_path / "new") == ["clip"]


def test_rename_of_a_link_moves_the_link(way: str, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(b"x")
    (tmp_path / "link").symlink_to("clip")
    files.rename(tmp_path / "link", tmp_path / "moved")
    assert (tmp_path / "moved").readlink() == Path("clip")
    assert names(tmp_path) == ["clip", "moved"]


def test_rename_of_nothing_leaves_nothing(way: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        files.rename(tmp_path / "nothing", tmp_path / "new")
    with pytest.raises(NotFound):
        files.rename(tmp_path / "nothing", tmp_path / "new", replace=True)
    (tmp_path / "old").write_bytes(b"x")
    with pytest.raises(NotFound):
        files.rename(tmp_path / "old", tmp_path / "no folder" / "new")
    assert names(tmp_path) == ["old"]


def test_a_failed_rename_takes_its_placeholder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    neither_that_nor_links(monkeypatch)
    monkeypatch.setattr(os, "replace", failing(errno.EIO))
    (tmp_path / "old").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    for name in ("old", "folder"):
        with pytest.raises(StorageError):
            files.rename(tmp_path / name, tmp_path / "new")
    assert names(tmp_path) == ["folder", "old"]


def test_rename_replaces_when_told(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"x")
    (tmp_path / "taken").write_bytes(b"y")
    files.rename(tmp_path / "old", tmp_path / "taken", replace=True)
    assert (tmp_path / "taken").read_bytes() == b"x"
    assert names(tmp_path) == ["taken"]


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b", "..", ""])
def test_names_that_no_file_can_have(name: str, tmp_path: Path) -> None:
    """To the system a name ends at its NUL: "a\\0b" must not become "a"."""
    (tmp_path / "old").write_bytes(b"x")
    target = tmp_path / name if name else Path("/")
    for act in (
        lambda: files.rename(tmp_path / "old", target),
        lambda: files.write_atomically(target, b"x"),
        lambda: copying.move(tmp_path / "old", target),
    ):
        with pytest.raises((UsageError, Refused)):
            act()
    assert names(tmp_path) == ["old"]


def rename_in_a_race(way: str, folder: str, who: int, rounds: int, barrier: Any, results: Any) -> None:
    """In a process of its own: try to give `who`'s file the common name, round after round."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        WAYS[way](monkeypatch)
        for number in range(rounds):
            source = Path(folder, f"{number}-{who}")
            source.write_bytes(b"%d" % who)
            barrier.wait(30)
            try:
                files.rename(source, Path(folder, f"{number}"))
                results.put((number, who))
            except Refused:
                assert source.read_bytes() == b"%d" % who


@pytest.mark.parametrize("way", ["exclusive rename", "link", "placeholder"])
def test_of_two_processes_one_gets_the_name(way: str, tmp_path: Path) -> None:
    rounds = 60
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(2), spawn.Queue()
    both = [
        spawn.Process(target=rename_in_a_race, args=(way, str(tmp_path), who, rounds, barrier, results))
        for who in (0, 1)
    ]
    for process in both:
        process.start()
    won = dict(results.get(timeout=60) for _ in range(rounds))
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert results.empty()
    assert sorted(won) == list(range(rounds))  # one winner each, never two
    for number, winner in won.items():
        assert (tmp_path / f"{number}").read_bytes() == b"%d" % winner
        assert (tmp_path / f"{number}-{1 - winner}").exists()
        assert not (tmp_path / f"{number}-{winner}").exists()


# Writing whole files


def test_write_atomically(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "new", b"x")
    with pytest.raises(Refused):
        files.write_atomically(tmp_path / "new", b"y")
    assert (tmp_path / "new").read_bytes() == b"x"
    files.write_atomically(tmp_path / "new", b"y", replace=True)
    assert (tmp_path / "new").read_bytes() == b"y"
    assert names(tmp_path) == ["new"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    files.write_atomically(tmp_path / "a", b"old")
    for replace, target in ((False, tmp_path / "b"), (True, tmp_path / "a")):
        with pytest.raises(RuntimeError, match="mine"), files.AtomicFile(target, replace) as new:  # noqa: PT012  as used
            new.file.write(b"half")
            raise RuntimeError("mine")
        with files.AtomicFile(target, replace) as new:
            new.file.write(b"not committed")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        files.write_atomically(tmp_path / "no folder" / "a", b"x")
    with pytest.raises(NotFound, match=r"There is no folder .*no folder to put a into; make it"):
        files.write_atomically(tmp_path / "no folder" / "a", b"x")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotFound):
        files.write_atomically(tmp_path / "file" / "a", b"x")


def test_a_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    files.temporary_name(tmp_path / "a", "new").symlink_to("precious")
    with pytest.raises(Refused):
        files.write_atomically(tmp_path / "a", b"x")
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_the_order_in_which_things_become_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    real_rename, real_sync, real_folder = files._rename, files.sync, files.sync_folder

    def sync(descriptor: int) -> None:
        told.append(f"sync {os.fstat(descriptor).st_size}")
        real_sync(descriptor)

    def rename(source: Path, target: Path, *, replace: bool) -> None:
        told.append(f"rename to {target.name}")
        real_rename(source, target, replace=replace)

    def sync_folder(folder: Path) -> None:
        told.append("sync folder")
        real_folder(folder)

    monkeypatch.setattr(files, "sync", sync)
    monkeypatch.setattr(files, "_rename", rename)
    monkeypatch.setattr(files, "sync_folder", sync_folder)
    files.write_atomically(tmp_path / "a", b"12345")
    # `sync_folder` itself syncs an open folder, whose size is the file system's own affair.
    assert [told[0], told[1], told[2]] == ["sync 5", "rename to a", "sync folder"]


def test_a_failed_sync_gives_the_file_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def sync(descriptor: int) -> None:
        tried.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "sync", sync)
    with pytest.raises(StorageError, match="Input/output error"):
        files.write_atomically(tmp_path / "a", b"x")
    assert len(tried) == 1
    assert names(tmp_path) == []


def test_names_that_did_not_become_durable_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, serious in ((errno.EIO, True), (errno.EINVAL, False), (errno.EOPNOTSUPP, False)):
        monkeypatch.setattr(os, "fsync", failing(number))
        if serious:
            with pytest.raises(StorageError, match="durable"):
                files.sync_folder(tmp_path)
        else:
            files.sync_folder(tmp_path)
    with pytest.raises(NotFound):
        files.sync_folder(tmp_path / "nothing")
    monkeypatch.setattr(os, "open", failing(errno.EACCES))
    files.sync_folder(tmp_path)  # a drop folder


@pytest.mark.parametrize(
    ("answer", "synced"), [(None, []), (errno.ENOTSUP, [7]), (errno.EINVAL, [7])], ids=["done", "share", "FAT"]
)
def test_durable_on_macos(answer: int | None, synced: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    full: list[tuple[int, int]] = []
    plain: list[int] = []

    def control(descriptor: int, command: int) -> None:
        full.append((descriptor, command))
        if answer is not None:
            raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr(files, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", plain.append)
    files.sync(7)
    assert (full, plain) == ([(7, 51)], synced)


def test_names_and_caches_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []

    def renamex_np(*arguments: Any) -> int:
        asked.append(arguments)
        return 0 if arguments[1] == b"new" else -1

    monkeypatch.setattr(files, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr("ctypes.CDLL", lambda name, use_errno: SimpleNamespace(renamex_np=renamex_np))
    monkeypatch.setattr("ctypes.get_errno", lambda: errno.EEXIST)
    rename = files._exclusive_rename_call.__wrapped__()
    assert rename is not None
    assert (rename(b"old", b"new"), rename(b"old", b"taken")) == (0, errno.EEXIST)
    assert asked == [(b"old", b"new", 4), (b"old", b"taken", 4)]
    monkeypatch.setattr("ctypes.CDLL", lambda name, use_errno: SimpleNamespace())
    assert files._exclusive_rename_call.__wrapped__() is None

    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    monkeypatch.setattr(fcntl, "F_NOCACHE", 48, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda *arguments: asked.append(arguments))
    files.drop_cache(7)
    assert asked[-1] == (7, 48, 1)


def test_a_real_failure_of_macos_is_not_smoothed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", failing(errno.EIO))
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("a failed sync was tried again"))
    with pytest.raises(OSError, match="Input/output"):
        files.sync(7)


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    files.temporary_name(tmp_path / "a", "new").write_bytes(b"much longer than what comes now")
    files.write_atomically(tmp_path / "a", b"short")
    assert (tmp_path / "a").read_bytes() == b"short"
    assert names(tmp_path) == ["a"]


def test_two_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    with files.AtomicFile(tmp_path / "a") as first:
        first.file.write(b"first")
        with pytest.raises(Refused, match="written by another process"):
            files.write_atomically(tmp_path / "a", b"second")
        first.commit()
    assert (tmp_path / "a").read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


def test_a_writer_that_comes_while_another_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next writer's temporary file has the name of the first's: committing the first must not take it away."""
    real = files.sync_folder
    began: list[files.AtomicFile] = []

    def sync_folder(folder: Path) -> None:
        if not began:
            began.append(files.AtomicFile(tmp_path / "a", replace=True))
            began[0].__enter__()
            began[0].file.write(b"second")
        real(folder)

    monkeypatch.setattr(files, "sync_folder", sync_folder)
    files.write_atomically(tmp_path / "a", b"first")
    assert (tmp_path / "a").read_bytes() == b"first"
    began[0].commit()
    began[0].__exit__(None, None, None)
    assert (tmp_path / "a").read_bytes() == b"second"
    assert names(tmp_path) == ["a"]


def test_the_targets_second_name_is_never_emptied(tmp_path: Path) -> None:
    """Where a name is given by link, a run that is killed before the old name is gone leaves two names of one file."""
    files.write_atomically(tmp_path / "a", b"whole")
    second = files.temporary_name(tmp_path / "a", "new")
    os.link(tmp_path / "a", second)
    with pytest.raises(Refused):
        files.write_atomically(tmp_path / "a", b"other")
    assert not second.exists()
    os.link(tmp_path / "a", second)
    with files.AtomicFile(tmp_path / "a", replace=True) as new:
        assert (tmp_path / "a").read_bytes() == b"whole"
        new.file.write(b"next")
        new.commit()
    assert (tmp_path / "a").read_bytes() == b"next"
    assert names(tmp_path) == ["a"]


def test_a_temporary_file_that_another_process_has_just_finished_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = files.temporary_name(tmp_path / "a", "new")
    left.write_bytes(b"x")
    real = fcntl.flock

    def flock(descriptor: int, what: int) -> None:
        if left.exists() and left.read_bytes() == b"x":
            left.rename(tmp_path / "theirs")  # between its being opened and being locked
        real(descriptor, what)

    monkeypatch.setattr(fcntl, "flock", flock)
    files.write_atomically(tmp_path / "a", b"ours")
    assert (tmp_path / "theirs").read_bytes() == b"x"
    assert (tmp_path / "a").read_bytes() == b"ours"


@pytest.mark.parametrize("fails_itself", [True, False])
def test_what_failed_first_is_what_is_told(fails_itself: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise StorageError("could not remove it")

    monkeypatch.setattr(files, "remove", broken)
    if fails_itself:
        with pytest.raises(RuntimeError, match="mine"), files.AtomicFile(tmp_path / "a"):
            raise RuntimeError("mine")
    else:
        with pytest.raises(StorageError, match="could not remove"), files.AtomicFile(tmp_path / "a"):
            pass


def test_a_lock_that_fails_oddly_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(StorageError):
        files.write_atomically(tmp_path / "a", b"x")


def test_where_files_cannot_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    files.write_atomically(tmp_path / "a", b"x")
    left = files.temporary_name(tmp_path / "b", "new")
    left.write_bytes(b"left")
    with pytest.raises(Refused, match="remove that file if none does"):
        files.write_atomically(tmp_path / "b", b"x")
    assert left.read_bytes() == b"left"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_some_lines(scenario: str, memory: Path) -> None:
    kill(scenario, memory, random.Random(scenario).randrange(9), 9)


@pytest.mark.nightly
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_at_each_line(scenario: str, memory: Path) -> None:
    assert kill(scenario, memory, 0, 1) > 20


def kill(scenario: str, folder: Path, first: int, step: int) -> int:
    if not hasattr(os, "fork"):
        pytest.skip("no fork")
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.killing", scenario, folder, str(first), str(step)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@given(st.text(min_size=1, max_size=255) | st.binary(min_size=1, max_size=255).map(os.fsdecode))
def test_temporary_names_fit(name: str) -> None:
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        return
    if len(encoded) > 255 or name in (".", "..") or "/" in name or "\0" in name:
        return
    target = Path("/folder") / name
    made = files.temporary_name(target, "journal")
    assert made.parent == target.parent
    assert made.name.startswith(".")
    assert made.name.endswith(".film-archive-journal")
    assert len(os.fsencode(made.name)) <= 255
    if encoded.isascii() or name.isprintable():
        os.fsencode(made.name).decode()  # no half signs, which macOS refuses
    assert made != files.temporary_name(target, "work")
    assert files.is_temporary_name(made.name)
    assert made.name in files.temporary_names(target)


@pytest.mark.parametrize(
    "name", [".a.zip.film-archive-work", ".film-archive-share-17", ".film-archive-proxies-0af", ".film-archive-unpack-1"]
)
def test_names_of_ours(name: str) -> None:
    assert files.is_temporary_name(name)


@pytest.mark.parametrize(
    "name",
    ["a.film-archive-work", ".my.film-archive-notes.txt", ".film-archive", ".film-archive-", ".film-archive-notes", "work"],
)
def test_names_of_others(name: str) -> None:
    assert not files.is_temporary_name(name)


def test_temporary_names_of_long_names_that_are_no_text() -> None:
    made = files.temporary_name(Path("/f") / os.fsdecode(b"\x80" * 255), "new")
    assert len(os.fsencode(made.name)) <= 255


def test_temporary_names_of_long_names_differ() -> None:
    one, other = (files.temporary_name(Path("/f") / ("ä" * 120 + end), "new") for end in "12")
    assert one != other


# Full disks


def missing(error: pytest.ExceptionInfo[NoSpace]) -> int:
    match = re.search(r"about (\d+) bytes are missing", str(error.value))
    assert match, str(error.value)
    return int(match[1])


def test_a_full_disk(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "size=4m") as small:
        (small / "there").write_bytes(b"x" * 4096)
        free = files.free_space(small)
        with pytest.raises(NoSpace, match="the disk is full") as error:
            copying.verified_copy(MemorySource(DATA), small / "copy")
        assert abs(missing(error) - (len(DATA) - free)) < 20_000
        assert "nothing was left there" in str(error.value)
        with pytest.raises(NoSpace) as error:
            files.write_atomically(small / "there", DATA, replace=True)
        assert abs(missing(error) - (len(DATA) - free)) < 20_000
        assert names(small) == ["there"]
        assert (small / "there").read_bytes() == b"x" * 4096
        assert files.free_space(small) == free


def test_a_disk_with_no_room_for_names(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "small", "size=4m,nr_inodes=5") as small:
        files.write_atomically(small / "1", b"x")
        with suppress(OSError):
            for number in range(10):
                (small / f"folder {number}").mkdir()
        before = names(small)
        with pytest.raises(NoSpace):
            files.write_atomically(small / "2", b"x")
        assert names(small) == before


def test_why_a_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sentence(number: int, needed: int) -> str:
        with pytest.raises(NoSpace) as error, files.explaining("write a", needed=lambda: needed, folder=tmp_path):
            raise OSError(number, os.strerror(number))
        return str(error.value)

    free = files.free_space(tmp_path)
    assert (
        "about 5000000 bytes" in sentence(errno.ENOSPC, free + 5_000_000) or abs(files.free_space(tmp_path) - free) > 0
    )
    assert "files this large" in sentence(errno.EFBIG, 5)
    assert sentence(errno.EDQUOT, 5) == "Could not write a: the quota is used up, about 5 bytes are missing."
    full = SimpleNamespace(f_bavail=1000, f_frsize=4096, f_files=10, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda folder: full)
    assert "no room for more files" in sentence(errno.ENOSPC, 5)
    assert "about 1000 bytes are missing" in sentence(errno.ENOSPC, 4_097_000)


def test_files_that_may_not_be_that_large(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(NoSpace, match="files this large"):
            copying.verified_copy(MemorySource(DATA), tmp_path / "a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == []


def test_space_is_asked_for_before_the_first_byte(tmp_path: Path) -> None:
    deep = tmp_path / "not" / "there" / "yet"
    assert files.free_space(deep) > 0
    files.require_space(deep, 1, "The copy")
    free = files.free_space(deep)
    with pytest.raises(NoSpace, match=r"bytes are missing; nothing was written\.$"):
        files.require_space(deep, free + 10**12, "The copy")


def test_explaining_passes_our_errors_on(tmp_path: Path) -> None:
    ours = Damaged("as it is")
    with pytest.raises(Damaged) as error, files.explaining("do it"):
        raise ours
    assert error.value is ours
    with pytest.raises(FilmArchiveError, match="Could not do it: Permission denied"), files.explaining("do it"):
        raise PermissionError(errno.EACCES, "Permission denied")


# Many files at once


def test_everything_on_a_file_system_is_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert files.sync_file_system(descriptor) == sys.platform.startswith("linux")
        for call, told in ((lambda number: errno.ENOSYS, False), (None, False)):
            monkeypatch.setattr(files, "_file_system_sync_call", lambda call=call: call)
            assert files.sync_file_system(descriptor) is told
        monkeypatch.setattr(files, "_file_system_sync_call", lambda: lambda number: errno.EIO)
        with pytest.raises(OSError, match="Input/output error"):
            files.sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def test_a_name_that_its_caller_makes_durable(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"new")
    (tmp_path / "taken").write_bytes(b"old")
    files.rename_unsynced(tmp_path / "old", tmp_path / "taken")
    assert names(tmp_path) == ["taken"]
    assert (tmp_path / "taken").read_bytes() == b"new"
    with pytest.raises(NotFound):
        files.rename_unsynced(tmp_path / "nobody", tmp_path / "taken")


# Removing


def test_removing(tmp_path: Path) -> None:
    files.remove(tmp_path / "nothing")
    with pytest.raises(NotFound):
        files.remove(tmp_path / "nothing", missing_ok=False)
    with pytest.raises(Refused):
        files.remove(tmp_path)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a").touch()
    (tmp_path / "link").symlink_to("precious")
    files.remove_tree(tmp_path / "link")
    files.remove_tree(tmp_path / "nothing")
    assert (tmp_path / "precious" / "a").exists()
    (tmp_path / "tree" / "below").mkdir(parents=True)
    (tmp_path / "tree" / "below" / "link").symlink_to(tmp_path / "precious")
    files.remove_tree(tmp_path / "tree")
    assert (tmp_path / "precious" / "a").exists()
    assert not (tmp_path / "tree").exists()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("shutil.rmtree", failing(errno.EBUSY))
        with pytest.raises(Refused, match=r"remove .*precious"):
            files.remove_tree(tmp_path / "precious")
        monkeypatch.setattr(os, "statvfs", failing(errno.EIO))
        with pytest.raises(StorageError, match="how much space"):
            files.free_space(tmp_path)
    (tmp_path / "precious" / "empty" / "below").mkdir(parents=True)
    files.remove_empty_folders(tmp_path / "precious")
    assert names(tmp_path / "precious") == ["a"]
