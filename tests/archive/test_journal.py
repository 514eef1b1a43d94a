"""The journal of an unfinished archive: what was written whole is read again, and one process has it at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from film_archive.archive.journal import MemberJournal
from film_archive.core.errors import Refused, StorageError

MEMBER = {"path": "ü\n", "role": "original", "size": 1}
RECORDS = [{"head": "create", "generation": 0}, {"member": MEMBER, "identity": "1", "end": 1}, {"sync": 5}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def write(path: Path) -> list[int]:
    """The records, and where each ends."""
    journal = MemberJournal(path)
    ends = []
    for record in RECORDS:
        journal.append(record)
        ends.append(journal.end)
    journal.sync()
    journal.close()
    return ends


def read(path: Path) -> list[tuple[int, dict[str, object]]]:
    journal = MemberJournal(path)
    found = list(journal.lines())
    journal.close()
    return found


def test_what_was_written_is_read(path: Path) -> None:
    ends = write(path)
    assert read(path) == list(zip(ends, RECORDS, strict=True))
    journal = MemberJournal(path)
    assert journal.head() == RECORDS[0]
    journal.truncate(ends[1])
    journal.append({"drop": "x"})
    assert [record for _, record in journal.lines()] == [*RECORDS[:2], {"drop": "x"}]
    journal.remove()
    assert not path.exists()
    journal.close()


def test_the_first_line_that_does_not_hold_ends_it(path: Path) -> None:
    ends = write(path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        intact = sum(end <= at for end in ends)
        assert [record for _, record in read(path)][:intact] == RECORDS[:intact]
        assert len(read(path)) == intact
        path.write_bytes(whole[:at])
        assert [record for _, record in read(path)] == RECORDS[: sum(end <= at for end in ends)]


FRAME = [1, 2, 4096, 3, "0" * 32, 10**18, 0o644]


@pytest.mark.parametrize(
    "record",
    [
        {}, {"head": 5}, {"drop": None}, {"sync": "5"}, {"member": MEMBER, "end": 1}, {"member": MEMBER, "identity": "1"},
        {"member": MEMBER, "identity": "1", "end": -1}, {"member": {}, "identity": "1", "end": 1},
        {"member": {**MEMBER, "size": "1"}, "identity": "1", "end": 1}, {"member": [], "identity": "1", "end": 1},
        {"frame": FRAME[1:], "path": "a", "identity": "1", "end": 1}, {"frame": FRAME, "identity": "1", "end": 1},
        {"frame": [*FRAME[:4], "x" * 32, *FRAME[5:]], "path": "a", "identity": "1", "end": 1},
        {"frame": [FRAME[0], -1, *FRAME[2:]], "path": "a", "identity": "1", "end": 1},
    ],
)  # fmt: skip
def test_records_that_nobody_wrote(path: Path, record: dict[str, object]) -> None:
    """Their sums hold, and they end the journal all the same."""
    whole = {"frame": FRAME, "path": "a", "identity": "1", "end": 1}
    journal = MemberJournal(path)
    for each in (RECORDS[0], whole, record, RECORDS[1]):
        journal.append(each)
    journal.close()
    assert [found for _, found in read(path)] == [RECORDS[0], whole]


@pytest.mark.parametrize("line", [b"null", b"[]", b'"text"', b"5", b"{", b"\xff"])
def test_lines_that_are_no_records(path: Path, line: bytes) -> None:
    import zlib

    path.write_bytes(b"%08x %s\n" % (zlib.crc32(line), line))
    assert read(path) == []
    journal = MemberJournal(path)
    assert journal.head() is None
    journal.remove_if_empty()
    assert not path.exists()


def test_one_process_at_a_time(path: Path) -> None:
    first = MemberJournal(path)
    with pytest.raises(Refused, match="Another process is writing"):
        MemberJournal(path)
    first.append(RECORDS[0])
    first.close()
    second = MemberJournal(path)
    second.remove_if_empty()  # it is not empty
    assert path.exists()
    MemberJournal(path).close()


def test_a_journal_that_was_just_removed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def removing(descriptor: int, operation: int) -> None:
        path.unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removing)
    with pytest.raises(Refused, match="has just written"):
        MemberJournal(path)


def test_file_systems_without_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    journal = MemberJournal(path)
    journal.append(RECORDS[0])
    journal.close()
    with pytest.raises(Refused, match="remove that file if none does"):
        MemberJournal(path)

    def broken(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(StorageError, match="Could not lock"):
        MemberJournal(path)


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    with pytest.raises((Refused, StorageError, LookupError)):
        MemberJournal(tmp_path / "nothing" / "journal")
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(Refused):
        MemberJournal(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()
    assert os.listdir(tmp_path) == ["link"]
