"""The outbox emptied into a real Kitsu server, with faults and kills at each of its requests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ded_io.kitsu.account import Account
from ded_io.kitsu.connection import Limits, Session, connect
from ded_io.kitsu.outbox import Outbox
from ded_io.kitsu.publication import PreviewState, Publication
from ded_io.kitsu.syncing import Synced, abandon, sync
from film_archive.core.errors import Refused, StorageError
from film_archive.testing import crash
from tests.ded_io.kitsu.plates import holdings, movie, outline, picture, plate
from tests.ded_io.kitsu.relay import Fault, at, relay

LIMITS = Limits(connect=5.0, answer=60.0, upload=60.0)
SOON = Limits(connect=5.0, answer=2.0, upload=2.0)


@pytest.fixture(scope="module")
def session(admin: Account) -> Iterator[Session]:
    with connect(admin) as made:
        yield made


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def synced(outbox: Outbox, account: Account, host: str | None = None, limits: Limits = LIMITS) -> Synced:
    """What the command does, with another address for the same server where a relay stands before it."""
    return sync(outbox, account.host, lambda: connect(replace(account, host=host or account.host), limits), patience=20)


def waiting(outbox: Outbox) -> list[str]:
    return [each.entry.publication.name for each in outbox.read().pending]


def test_what_waits_is_published_in_order(outbox: Outbox, admin: Account) -> None:
    for shot in ("sht200", "sht100"):
        outbox.put(plate("In order", shot=shot), admin.host)
    report = synced(outbox, admin)
    assert [each.name for each in report.published] == ["sht200_pla_rawPlate_v001", "sht100_pla_rawPlate_v001"]
    assert (report.waiting, report.failures, report.exit_status) == (0, (), 0)
    assert outbox.read().pending == ()


def test_where_nothing_waits_nobody_is_asked(outbox: Outbox) -> None:
    report = sync(outbox, "https://nowhere.invalid", lambda: pytest.fail("it was asked"))
    assert (report.published, report.waiting, report.exit_status) == ((), 0, 0)


def test_entries_of_other_servers_are_left_and_told(outbox: Outbox, admin: Account) -> None:
    outbox.put(plate("Elsewhere"), "https://other.example.com")
    report = synced(outbox, admin)
    assert (report.elsewhere, report.published, report.waiting) == (("https://other.example.com",), (), 0)
    assert len(outbox.read().pending) == 1


def test_only_one_shot(outbox: Outbox, admin: Account) -> None:
    for shot in ("sht100", "sht200"):
        outbox.put(plate("One shot", shot=shot), admin.host)
    wanted = plate("One shot", shot="sht200")
    report = sync(outbox, admin.host, lambda: connect(admin), only=wanted)
    assert [each.name for each in report.published] == [wanted.name]
    assert waiting(outbox) == ["sht100_pla_rawPlate_v001"]


@pytest.mark.parametrize("fault", [Fault.MUTE, Fault.HANG_UP, Fault.ERROR, Fault.UNAVAILABLE, Fault.PAGE])
def test_a_server_that_does_not_answer_loses_nothing(outbox: Outbox, admin: Account, fault: Fault) -> None:
    outbox.put(plate("Kept"), admin.host)
    before = outbox.read()
    with relay(meddle=lambda number, method, path: fault) as down, pytest.raises(StorageError):
        synced(outbox, admin, down.host, Limits(connect=5.0, answer=0.2, upload=0.2))
    assert outbox.read() == before


def test_wrong_password_and_wrong_role_lose_nothing(outbox: Outbox, admin: Account) -> None:
    outbox.put(plate("Kept"), admin.host)
    before = outbox.read()
    with pytest.raises(Refused):
        synced(outbox, Account(admin.host, email="admin@example.com", password="wrong"))
    with relay(admin.host, lambda number, method, path: Fault.FORBIDDEN if method == "POST" else None) as between:
        report = synced(outbox, admin, between.host)
    assert (report.exit_status, report.waiting) == (4, 1)
    assert "manager" in report.failures[0].reason
    assert outbox.read() == before


def test_one_that_fails_does_not_keep_the_others(outbox: Outbox, admin: Account) -> None:
    outbox.put(plate("Refused", project_id="00000000-0000-0000-0000-000000000000"), admin.host)
    outbox.put(plate("Others"), admin.host)
    (outbox.directory / "00000009-0123456789abcdef.json").write_text("{")
    report = synced(outbox, admin)
    assert [each.status for each in report.failures] == [11, 3]
    assert (len(report.published), report.waiting, report.exit_status) == (1, 1, 12)


def test_a_server_that_stops_answering_is_not_asked_for_the_rest(outbox: Outbox, admin: Account) -> None:
    for shot in ("sht100", "sht200", "sht300"):
        outbox.put(plate("Stops", shot=shot), admin.host)
    with relay(admin.host, lambda number, method, path: Fault.HANG_UP if number >= 4 else None) as between:
        report = synced(outbox, admin, between.host)
    assert (len(report.failures), report.waiting) == (1, 3)
    assert len(between.requests) < 10


def test_a_broken_preview_waits_on_and_the_rest_is_registered(outbox: Outbox, admin: Account, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no movie at all" * 100)
    outbox.put(plate("Broken in the outbox", preview=path), admin.host)
    report = synced(outbox, admin)
    assert (report.exit_status, report.waiting, report.published[0].preview) == (12, 1, PreviewState.BROKEN)
    movie(path, count=2)
    assert (synced(outbox, admin).exit_status, waiting(outbox)) == (0, [])


def test_what_is_put_while_it_is_published_is_published_too(outbox: Outbox, admin: Account, session: Session) -> None:
    """The second ingest of a version comes while the first is on its way: it takes its place and is not removed with it."""
    outbox.put(plate("Meanwhile", comment="first"), admin.host)

    def put_again(number: int, method: str, path: str) -> None:
        if path.endswith("/comment"):
            outbox.put(plate("Meanwhile", comment="second"), admin.host)

    with relay(admin.host, put_again) as between:
        assert synced(outbox, admin, between.host).waiting == 1
    assert synced(outbox, admin).published[0].updated == ("output_file Plate main", "comment")
    assert waiting(outbox) == []


def test_shots_at_once_share_what_is_made_for_the_first(outbox: Outbox, admin: Account, session: Session) -> None:
    shots = [f"sht{number}00" for number in range(1, 7)]
    for shot in shots:
        outbox.put(plate("At once", shot=shot), admin.host)
    with ThreadPoolExecutor(6) as threads:
        reports = list(threads.map(lambda _: synced(outbox, admin), shots))
    assert sorted(each.name for report in reports for each in report.published) == [
        f"{shot}_pla_rawPlate_v001" for shot in shots
    ]
    found = holdings(session, "At once")
    assert [len(found[kind]) for kind in ("sequences", "shots", "tasks")] == [1, 6, 6]
    assert all(len(rows) == 1 for key, rows in found.items() if key.startswith(("files", "comments")))


def test_a_request_at_which_kitsu_breaks_once_is_made_again(outbox: Outbox, admin: Account, session: Session) -> None:
    """So does zou where two shots bring the very first output files: both make the status that all files begin with."""
    broken: list[int] = []

    def once(number: int, method: str, path: str) -> Fault | None:
        if method == "POST" and path.endswith("/output-files/new") and not broken:
            broken.append(number)
            return Fault.ERROR
        return None

    outbox.put(plate("Breaks once"), admin.host)
    with relay(admin.host, once) as between:
        report = synced(outbox, admin, between.host)
    assert broken
    assert (report.exit_status, report.waiting) == (0, 0)
    assert len(holdings(session, "Breaks once")["shots"]) == 1


def test_abandoned_entries_are_not_published(outbox: Outbox, admin: Account) -> None:
    outbox.put(plate("Abandoned"), admin.host)
    assert abandon(outbox, "another") == ()
    assert [each.entry.publication.project for each in abandon(outbox, "sht100_pla_rawPlate_v001")] == ["Abandoned"]
    assert outbox.read().pending == ()


# Faults and kills at each request


def published_whole(admin: Account, outbox: Outbox, publication: Publication) -> int:
    """Publish without a fault; returns how many requests that took."""
    outbox.put(publication, admin.host)
    with relay(admin.host) as between:
        assert synced(outbox, admin, between.host).exit_status == 0
    return len(between.requests)


def assert_completed(session: Session, admin: Account, outbox: Outbox, project: str) -> None:
    """After whatever happened: the same command registers it once, whole, and nothing twice."""
    report = synced(outbox, admin)
    assert (report.exit_status, report.waiting) == (0, 0), report
    assert outline(session, project) == outline(session, "Whole")


@pytest.fixture(scope="module")
def whole(admin: Account, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A production in which all went well, its preview, and how many requests it took."""
    folder = tmp_path_factory.mktemp("whole")
    preview = picture(folder / "a.png")
    published_whole(admin, Outbox(folder / "outbox"), plate("First", preview=preview))  # makes what all productions share
    return preview, published_whole(admin, Outbox(folder / "outbox"), plate("Whole", preview=preview))


@pytest.mark.parametrize("fault", [Fault.HANG_UP_AFTER, Fault.ERROR])
def test_a_fault_at_some_requests(
    session: Session, admin: Account, outbox: Outbox, whole: tuple[Path, int], fault: Fault
) -> None:
    _faults(session, admin, outbox, whole, fault, range(8 if fault is Fault.ERROR else 13, whole[1], 13))


@pytest.mark.nightly
@pytest.mark.parametrize(
    "fault", [Fault.HANG_UP, Fault.HANG_UP_AFTER, Fault.ERROR, Fault.EXPIRED, Fault.UNAVAILABLE, Fault.LIST, Fault.MUTE]
)
def test_a_fault_at_every_request(
    session: Session, admin: Account, outbox: Outbox, whole: tuple[Path, int], fault: Fault
) -> None:
    _faults(session, admin, outbox, whole, fault, range(whole[1]))


def _faults(
    session: Session, admin: Account, outbox: Outbox, whole: tuple[Path, int], fault: Fault, numbers: range
) -> None:
    for number in numbers:
        project = f"{fault.name} {numbers.step} {number}"
        outbox.put(plate(project, preview=whole[0]), admin.host)
        with relay(admin.host, at(number, fault=fault)) as between:
            try:
                report = synced(outbox, admin, between.host, SOON)
            except (StorageError, Refused):
                report = None
        if report is None or report.exit_status:
            assert waiting(outbox) == ["sht100_pla_rawPlate_v001"]
        assert_completed(session, admin, outbox, project)


def test_killed_at_some_requests(session: Session, admin: Account, outbox: Outbox, whole: tuple[Path, int]) -> None:
    _kills(session, admin, outbox, whole, range(17, whole[1], 13))


@pytest.mark.nightly
def test_killed_at_every_request(session: Session, admin: Account, outbox: Outbox, whole: tuple[Path, int]) -> None:
    _kills(session, admin, outbox, whole, range(whole[1]))


def _kills(session: Session, admin: Account, outbox: Outbox, whole: tuple[Path, int], numbers: range) -> None:
    """The server has done what was asked, and the process dies while it waits for the answer."""
    for number in numbers:
        project = f"Killed {numbers.step} {number}"
        outbox.put(plate(project, preview=whole[0]), admin.host)
        with relay(admin.host, at(number, fault=Fault.MUTE_AFTER)) as between:
            child = crash.start(lambda between=between: synced(outbox, admin, between.host))
            assert between.silenced.wait(60)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        assert waiting(outbox) == ["sht100_pla_rawPlate_v001"]
        assert_completed(session, admin, outbox, project)
