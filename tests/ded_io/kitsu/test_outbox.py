"""The outbox keeps publications in order, whole, through kills and full disks, and never a secret."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ded_io.kitsu.outbox import Outbox
from ded_io.kitsu.publication import Publication
from film_archive.core.errors import FilmArchiveError, Refused
from film_archive.testing import crash
from film_archive.testing.faults import Kill, counting, failing
from tests.ded_io.kitsu.plates import plate

Work = Callable[[Outbox], object]
HOST = "https://kitsu.example.com/api"


def names(outbox: Outbox) -> list[str]:
    return [each.entry.publication.name for each in outbox.read().pending]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "state" / "kitsu")


def test_what_was_put_is_read_in_order_until_it_is_removed(outbox: Outbox) -> None:
    assert outbox.read().pending == ()
    put = [outbox.put(plate("Film", shot=shot), HOST) for shot in ("sht300", "sht100", "sht200")]
    assert [each.entry for each in outbox.read().pending] == [each.entry for each in put]
    assert outbox.remove(put[0])
    outbox.put(plate("Film", shot="sht300"), HOST)
    assert names(outbox) == [f"{shot}_pla_rawPlate_v001" for shot in ("sht100", "sht200", "sht300")]
    for each in outbox.read().pending:
        assert outbox.remove(each)
        assert outbox.remove(each)  # by another process
    assert outbox.read().pending == ()


def test_the_same_version_takes_the_place_of_what_waits(outbox: Outbox) -> None:
    first = outbox.put(plate("Film", comment="first"), HOST)
    outbox.put(plate("Film", version=2), HOST)
    outbox.put(plate("Film", comment="second"), HOST)
    assert [each.entry.publication.comment for each in outbox.read().pending] == ["second", ""]
    assert not outbox.remove(first)  # what was published is no longer what waits
    assert len(outbox.read().pending) == 2
    outbox.put(plate("Film"), "https://other.example.com")  # another server's is another one
    assert len(outbox.read().pending) == 3


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"null", b"[" * 100_000, b"\xff\xfe", b'{"host": 1}', b"1" * 5000]
)
def test_files_that_are_no_entries_are_told_and_left(outbox: Outbox, content: bytes) -> None:
    put = outbox.put(plate("Film"), HOST)
    bad = outbox.directory / "00000000-0123456789abcdef.json"
    bad.write_bytes(content)
    found = outbox.read()
    assert [each.path for each in found.pending] == [put.path]
    assert (found.unreadable[0].status, bad.read_bytes()) == (11, content)
    assert str(bad) in found.unreadable[0].reason


def test_every_truncation_is_told(outbox: Outbox) -> None:
    put = outbox.put(plate("Film"), HOST)
    for length in range(0, len(put.content), 7):
        put.path.write_bytes(put.content[:length])
        assert [failure.status for failure in outbox.read().unreadable] == [11]
    put.path.write_bytes(put.content + b" " * (16 << 20))
    assert [failure.status for failure in outbox.read().unreadable] == [11]


def test_other_files_are_none_of_its_business(outbox: Outbox) -> None:
    outbox.put(plate("Film"), HOST)
    for name in ("notes.txt", "00000001.json", ".00000002-0123456789abcdef.json", "1-0123456789abcdef.json"):
        (outbox.directory / name).write_text("x")
    assert outbox.read().unreadable == ()
    assert len(outbox.read().pending) == 1


def test_later_keys_are_passed_over_and_nothing_secret_is_kept(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KITSU_TOKEN", "KITSU_PASSWORD", "KITSU_EMAIL"):
        monkeypatch.setenv(name, "must-not-be-seen")
    put = outbox.put(plate("Film"), HOST)
    assert b"must-not-be-seen" not in b"".join(path.read_bytes() for path in outbox.directory.iterdir())
    put.path.write_text(json.dumps({**json.loads(put.content), "attempts": 3}))
    assert names(outbox) == ["sht100_pla_rawPlate_v001"]


def test_killed_at_each_call_it_holds_the_old_or_the_new_and_goes_on(tmp_path: Path) -> None:
    def prepared(number: int, how: Kill) -> Outbox:
        outbox = Outbox(tmp_path / f"{number}-{how}" / "kitsu")
        outbox.put(plate("Film", comment="old"), HOST)
        return outbox

    works: list[Work] = [
        lambda outbox: outbox.put(plate("Film", comment="new"), HOST),
        lambda outbox: outbox.put(plate("Film", version=2, comment="new"), HOST),
        lambda outbox: outbox.remove(outbox.read().pending[0]),
    ]
    number = 0
    for work in works:
        outbox = prepared(number, Kill.BEFORE)
        with counting() as calls:
            work(outbox)
        for call in range(len(calls)):
            for how in Kill:
                number += 1
                outbox = prepared(number, how)

                def killed(work: Work = work, outbox: Outbox = outbox, call: int = call, how: Kill = how) -> None:
                    with failing(call, how):
                        work(outbox)

                assert not crash.run(killed).finished
                found = outbox.read()
                assert found.unreadable == ()
                comments = [each.entry.publication.comment for each in found.pending]
                assert comments in (["old"], ["new"], ["old", "new"], [])
                if comments:
                    work(outbox)
                outbox.put(plate("Film", version=3), HOST)
                assert names(outbox)[-1].endswith("v003")


def test_a_disk_that_is_full_is_told_and_leaves_what_waits(outbox: Outbox) -> None:
    outbox.put(plate("Film", comment="old"), HOST)
    with counting() as calls:
        outbox.put(plate("Film", comment="old"), HOST)
    for call in range(len(calls)):
        for error in (errno.ENOSPC, errno.EIO):
            with failing(call, error, lasting=True), pytest.raises((FilmArchiveError, OSError)):
                outbox.put(plate("Film", comment="new"), HOST)
            (pending,) = outbox.read().pending
            assert pending.entry.publication.comment in ("old", "new")  # "new" where only its durability is unknown


def test_processes_put_at_the_same_time(outbox: Outbox) -> None:
    def put(process: int) -> Callable[[], object]:
        return lambda: [outbox.put(plate("Film", shot=f"sht{process}{each}"), HOST) for each in range(10)]

    children = [crash.start(put(process)) for process in range(4)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    found = outbox.read().pending
    assert len(found) == 40
    assert len({each.path.name.split("-")[0] for each in found}) == 40


def test_one_shot_is_published_by_one_at_a_time(outbox: Outbox, tmp_path: Path) -> None:
    """A second process waits for the first; another shot's does not (unless it shares the lock, as one in 64 does)."""
    publication = plate("Film")
    outbox.put(publication, HOST)
    other = next(
        each
        for each in (plate("Film", shot=f"x{n}") for n in range(64))
        if _stripe(outbox, each) != _stripe(outbox, publication)
    )

    def second() -> None:
        with outbox.publishing(other):
            (tmp_path / "other").touch()
        with outbox.publishing(publication):
            (tmp_path / "same").write_text("after" if (tmp_path / "left").exists() else "at the same time")

    with outbox.publishing(publication):
        child = crash.start(second)
        while not (tmp_path / "other").exists():
            pass
        assert not (tmp_path / "same").exists()
        (tmp_path / "left").touch()
    os.waitpid(child, 0)
    assert (tmp_path / "same").read_text() == "after"


def _stripe(outbox: Outbox, publication: Publication) -> set[str]:
    before = {path.name for path in outbox.directory.glob(".shots-*")}
    for path in outbox.directory.glob(".shots-*"):
        path.unlink()
    with outbox.publishing(publication):
        made = {path.name for path in outbox.directory.glob(".shots-*")}
    for name in before:
        (outbox.directory / name).touch()
    return made


def test_a_folder_that_can_not_be_made_or_locked_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FilmArchiveError):
        Outbox(tmp_path / "file" / "kitsu").put(plate("Film"), HOST)
    (tmp_path / "kitsu").mkdir()
    (tmp_path / "kitsu" / ".lock").symlink_to(tmp_path / "file")
    with pytest.raises(Refused):
        Outbox(tmp_path / "kitsu").put(plate("Film"), HOST)
