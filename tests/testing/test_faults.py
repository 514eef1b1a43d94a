"""Faults: the n-th call fails as it is told to, the others are not disturbed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from film_archive.core import files
from film_archive.testing import crash, faults
from film_archive.testing.faults import READING, Kill, Short


def write(path: Path) -> None:
    files.write_atomically(path, b"data", replace=True)


def test_calls_are_counted(tmp_path: Path) -> None:
    with faults.counting() as calls:
        write(tmp_path / "a")
        descriptor = os.open(tmp_path / "a", os.O_RDWR)
        os.pwrite(descriptor, b"x", 0)
        os.close(descriptor)
    assert [name for name in calls if name != "ftruncate"] == ["fsync", "replace", "fsync", "pwrite"]
    before = list(calls)
    write(tmp_path / "a")
    assert calls == before


def test_an_exclusive_rename_is_counted_once(tmp_path: Path) -> None:
    with faults.counting(("rename", "link")) as calls:
        files.write_atomically(tmp_path / "new", b"data")
    assert calls in (["rename"], ["link"])
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)), faults.failing(0, errno.ENOSPC, names=("rename",)):
        files.write_atomically(tmp_path / "other", b"data")
    assert [place.name for place in tmp_path.iterdir()] == ["new"]


def test_one_call_fails_and_those_behind_it_do_not(tmp_path: Path) -> None:
    with faults.failing(1, errno.EIO, names=("mkdir",)):
        (tmp_path / "a").mkdir()
        with pytest.raises(OSError, match=os.strerror(errno.EIO)) as raised:
            (tmp_path / "b").mkdir()
        assert raised.value.errno == errno.EIO
        (tmp_path / "c").mkdir()
    with faults.failing(0, errno.EIO, names=("mkdir", "rmdir"), lasting=True):
        for _ in range(3):
            with pytest.raises(OSError, match=os.strerror(errno.EIO)):
                (tmp_path / "d").mkdir()
        (tmp_path / "a").rmdir()


def test_short_reads_and_writes(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    with faults.failing(0, Short.WRITE):
        assert os.pwrite(descriptor, b"data", 0) == 1
        assert os.pwrite(descriptor, b"ata", 1) == 3
    buffer = bytearray(4)
    with faults.failing(0, Short.READ, names=READING):
        assert os.preadv(descriptor, [buffer], 0) == 1
        assert os.preadv(descriptor, [buffer], 0) == 4
    os.close(descriptor)
    assert buffer == b"data"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
@pytest.mark.parametrize("when", Kill)
def test_the_process_ends_at_a_call(tmp_path: Path, when: Kill) -> None:
    def work() -> None:
        with faults.failing(1, when, names=("mkdir",)):
            for name in "abc":
                (tmp_path / name).mkdir()

    assert not crash.run(work).finished
    assert sorted(place.name for place in tmp_path.iterdir()) == (["a"] if when is Kill.BEFORE else ["a", "b"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")
def test_the_process_ends_at_a_call_that_fails(tmp_path: Path) -> None:
    def work() -> None:
        with faults.failing(0, Kill.AFTER, names=("rmdir",)):
            (tmp_path / "nothing").rmdir()

    assert not crash.run(work).finished
