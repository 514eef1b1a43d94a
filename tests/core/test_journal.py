"""The journal: what was written down is found again, whatever a crash does to its end."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, Refused, StorageError
from film_archive.core.journal import Journal

HEAD = {"verb": "offload", "plan": "1234"}


def entries(path: Path) -> list[Any]:
    with Journal.open(path, HEAD) as journal:
        return list(journal.entries())


def write(path: Path, *found: Any, batch: int = 64) -> None:
    with Journal.open(path, HEAD, batch=batch) as journal:
        for entry in found:
            journal.append(entry)


@pytest.fixture
def path(memory: Path) -> Path:
    return memory / "journal"


def test_what_was_written_is_found_again(path: Path) -> None:
    assert entries(path) == []
    write(path, {"a": 1}, {"b": "ä\n"})
    assert entries(path) == [{"a": 1}, {"b": "ä\n"}]
    write(path, {"c": [1, 2.5, None, True]})
    with Journal.open(path, HEAD) as journal:
        assert len(journal) == 3
        journal.append({"d": 1})
        assert list(journal.entries())[-2:] == [{"c": [1, 2.5, None, True]}, {"d": 1}]
        assert len(journal) == 4


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_entries_over_any_runs(data: st.DataObject, path: Path) -> None:
    path.unlink(missing_ok=True)
    value = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20)
    runs = data.draw(
        st.lists(st.lists(st.dictionaries(st.text(max_size=5), value, max_size=3), max_size=6), max_size=4)
    )
    for run in runs:
        write(path, *run, batch=data.draw(st.integers(1, 4)))
    assert entries(path) == [entry for run in runs for entry in run]


def test_every_cut_leaves_whole_entries(path: Path) -> None:
    """As a crash may leave the file: cut at any byte. Only entries that a sync had vouched for have to be there."""
    write(path, *({"number": n} for n in range(4)), batch=100)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        found = entries(path)
        assert found == [{"number": n} for n in range(len(found))]
        assert len(found) >= whole[:end].count(b"\n") - 1
        write(path, {"more": end})  # and it goes on behind them
        assert entries(path) == [*found, {"more": end}]


@pytest.mark.parametrize(
    "litter", [b"\0" * 5000, b"\xff" * 10, b"0" * 200, b"\n\n\n", b"00000000 {}\n", b"x" * 100_000]
)
def test_litter_behind_the_end_is_cut_off(path: Path, litter: bytes) -> None:
    write(path, {"a": 1})
    whole = path.read_bytes()
    path.write_bytes(whole + litter)
    assert entries(path) == [{"a": 1}]
    assert path.read_bytes() == whole


def test_an_unsynced_page_may_be_lost_before_a_later_one(path: Path) -> None:
    """Without an fsync between them pages reach the disk in any order: a hole in the unsynced end is no damage."""
    with Journal.open(path, HEAD, batch=1000) as journal:
        for n in range(6):
            journal.append({"number": n})
    data = bytearray(path.read_bytes())
    hole = data.index(b'"number":3')
    data[hole : hole + 10] = bytes(10)
    path.write_bytes(data)
    assert entries(path) == [{"number": n} for n in range(3)]


def test_damage_to_what_was_durable_is_an_error(path: Path) -> None:
    with Journal.open(path, HEAD) as journal:
        for n in range(6):
            journal.append({"number": n}, sync=True)
    whole = path.read_bytes()
    data = bytearray(whole)
    data[data.index(b'"number":2') + 9] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="damaged behind entry 2; 5 had been written safely"):
        Journal.open(path, HEAD)
    assert path.read_bytes() == data  # nothing is cut off
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"number":1' not in line))
    with pytest.raises(Damaged, match="lost entries"):
        Journal.open(path, HEAD)


def test_every_changed_byte_is_noticed(path: Path) -> None:
    write(path, *({"number": n} for n in range(3)))
    whole = path.read_bytes()
    for position in range(len(whole)):
        data = bytearray(whole)
        data[position] ^= 0x10
        path.write_bytes(data)
        try:
            found = entries(path)
        except (Damaged, Refused):
            continue
        assert found == [{"number": n} for n in range(len(found))]


def test_another_jobs_journal_is_refused(path: Path) -> None:
    write(path, {"a": 1})
    with pytest.raises(Refused, match="belongs to another job"):
        Journal.open(path, HEAD | {"plan": "other"})
    assert entries(path) == [{"a": 1}]


@pytest.mark.parametrize("data", [b"precious text\n", b"0", b"12345678 {}\n", b"\0" * 50 + b"x"])
def test_what_is_no_journal_is_left_alone(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(Refused, match="is not a journal; nothing was changed"):
        Journal.open(path, HEAD)
    assert path.read_bytes() == data


@pytest.mark.parametrize("data", [b"", b"\0" * 50])
def test_a_journal_that_was_just_begun_is_begun_again(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    write(path, {"a": 1})
    assert entries(path) == [{"a": 1}]


def test_one_process_has_it_at_a_time(path: Path) -> None:
    with Journal.open(path, HEAD) as journal:
        journal.append({"a": 1})
        with pytest.raises(Refused, match="Another process is doing this job"):
            Journal.open(path, HEAD)
    assert entries(path) == [{"a": 1}]


def test_a_journal_that_is_removed_while_it_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def remove_first(descriptor: int, what: int) -> None:
        path.unlink()
        real(descriptor, what)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with pytest.raises(Refused, match="has just finished this job"):
        Journal.open(path, HEAD)


def test_where_files_cannot_be_locked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    write(path, {"a": 1})
    assert entries(path) == [{"a": 1}]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    real = files.sync

    def sync(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(files, "sync", sync)
    return sizes


def test_entries_become_durable_in_batches(path: Path, synced: list[int]) -> None:
    with Journal.open(path, HEAD, batch=4) as journal:
        synced.clear()
        for n in range(10):
            journal.append({"number": n})
        assert len(synced) == 2
        journal.append({"number": 10}, sync=True)
        assert len(synced) == 3
        assert synced[-1] == path.stat().st_size
        journal.sync()
        assert len(synced) == 3  # nothing was waiting
        journal.append({"number": 11})
    assert len(synced) == 4
    assert synced[-1] == path.stat().st_size


def test_a_new_journal_is_durable_with_its_name(path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[int]) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", folders.append)
    Journal.open(path, HEAD).close()
    assert folders == [path.parent]
    assert synced[0] == path.stat().st_size


def test_removing(path: Path) -> None:
    journal = Journal.open(path, HEAD)
    journal.append({"a": 1})
    journal.remove()
    assert not path.exists()
    journal.close()
    for act in (lambda: journal.append({}), journal.remove, lambda: list(journal.entries())):
        with pytest.raises(StorageError, match="closed already"):
            act()


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Journal.open(tmp_path / "no folder" / "journal", HEAD)
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(Refused):
        Journal.open(tmp_path / "link", HEAD)
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal.open(path, HEAD)
    journal.append({"a": 1})

    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StorageError, match="No space left"):
            journal.append({"b": 1})
    journal.append({"c": 1})  # space was made
    journal.close()
    assert entries(path) == [{"a": 1}, {"c": 1}]


def test_many_entries_are_read_as_a_stream(path: Path) -> None:
    with Journal.open(path, HEAD, batch=100_000) as journal:
        for n in range(30_000):
            journal.append({"number": n, "filling": "x" * 50})
    with Journal.open(path, HEAD) as journal:
        assert len(journal) == 30_000
        assert next(journal.entries()) == {"number": 0, "filling": "x" * 50}
        assert sum(1 for _ in journal.entries()) == 30_000
