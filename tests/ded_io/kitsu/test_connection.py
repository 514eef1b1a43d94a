"""What the session does with servers that are not there, say nothing, fail, refuse, or are no Kitsu."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import gazu
import pytest

from ded_io.kitsu.account import Account
from ded_io.kitsu.connection import Limits, Row, connect
from film_archive.core.errors import NotFound, Refused, StorageError, UsageError
from tests.ded_io.kitsu.relay import Fault, always, relay
from tests.ded_io.kitsu.server import EMAIL, PASSWORD, KitsuServer

SHORT = Limits(connect=5.0, answer=0.5, upload=0.5)
PATIENT = Limits(connect=5.0, answer=60.0, upload=60.0)
TOKEN = "a-token-that-must-not-be-seen"


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (Fault.MUTE, StorageError, "did not answer in time"),
        (Fault.HANG_UP, StorageError, "can't be reached"),
        (Fault.ERROR, StorageError, "try again later"),
        (Fault.BROKEN, StorageError, "try again later"),
        (Fault.UNAVAILABLE, StorageError, "503"),
        (Fault.JSON_UNAVAILABLE, StorageError, "503"),
        (Fault.FORBIDDEN, Refused, "manager"),
        (Fault.EXPIRED, Refused, "KITSU_TOKEN"),
        (Fault.PAGE, StorageError, "look whether KITSU_HOST is right"),
        (Fault.LIST, StorageError, "look whether KITSU_HOST is right"),
        (Fault.NUMBER, StorageError, "look whether KITSU_HOST is right"),
        (Fault.DEEP, StorageError, "look whether KITSU_HOST is right"),
        (Fault.ELSEWHERE, StorageError, "https://elsewhere.example.com/api"),
    ],
)
def test_a_server_that_fails_is_told_in_one_sentence(fault: Fault, error: type[Exception], says: str) -> None:
    with relay(meddle=always(fault)) as server, pytest.raises(error) as found:
        connect(Account(server.host, token=TOKEN), SHORT)
    assert says in str(found.value)
    assert server.host in str(found.value)
    assert "\n" not in str(found.value)
    assert TOKEN not in str(found.value)


@pytest.mark.parametrize("fault", [fault for fault in Fault if not fault.endswith("after")])
def test_every_request_of_a_session_can_fail(admin: Account, fault: Fault) -> None:
    """Logged in well, then: each kind of request ends in one of our errors."""
    bad = False

    def meddle(number: int, method: str, path: str) -> Fault | None:
        return fault if bad else None

    with relay(admin.host, meddle) as between, connect(replace(admin, host=between.host), SHORT) as session:
        bad = True
        ours = (StorageError, Refused)
        with pytest.raises(ours):
            session.rows("projects")
        with pytest.raises(ours):
            session.row("projects", "1")
        with pytest.raises(ours):
            session.create("data/output-types", {"name": "x"}, "make x")
        with pytest.raises(ours):
            session.update("data/output-types/1", {"name": "x"}, "change x")
        with pytest.raises(ours):
            session.upload("pictures/preview-files/1", Path(__file__), "upload x")


def test_where_nobody_listens() -> None:
    with pytest.raises(StorageError, match=r"can't be reached \(connection refused\)"):
        connect(Account("http://127.0.0.1:9", token=TOKEN), SHORT)


def test_who_has_nothing_to_log_in_with_asks_nobody() -> None:
    with relay() as server:
        for account in (
            Account(server.host),
            Account(server.host, email=EMAIL),
            Account(server.host, password=PASSWORD),
        ):
            with pytest.raises(UsageError, match="KITSU_TOKEN"):
                connect(account, SHORT)
    assert server.requests == []


def test_password_log_in_and_what_it_leaves_of_it(kitsu: KitsuServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with connect(_admin(kitsu.host)) as session:
        assert (session.version, session.person, session.role) == ("1.0.97", "Super Admin", "admin")
        assert PASSWORD not in repr(session) + repr(_admin(kitsu.host))
    assert PASSWORD not in caplog.text
    assert PASSWORD not in kitsu.log()


@pytest.mark.parametrize(
    ("account", "says"),
    [
        ({"email": EMAIL, "password": "wrong"}, "Wrong email or password"),
        ({"email": "nobody@example.com", "password": "wrong"}, "Wrong email or password"),
        ({"token": "garbage"}, "KITSU_TOKEN"),
        ({"token": "eyJhbGciOiJIUzI1NiJ9.e30.x"}, "KITSU_TOKEN"),
    ],
)
def test_wrong_log_ins_are_refused(kitsu: KitsuServer, account: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says):
        connect(Account(kitsu.host, **account))


@pytest.mark.parametrize("given", ["", "/", "/api", "/api/"])
def test_the_api_is_found_where_it_is_in_production(admin: Account, given: str) -> None:
    """Below `/api`, where pages are at the address itself; with or without it in KITSU_HOST, or a slash at the end."""

    def pages(number: int, method: str, path: str) -> Fault | None:
        return None if path.startswith("/api") else Fault.PAGE

    with relay(admin.host, pages, prefix="/api") as between:
        address = between.host.removesuffix("/api")
        with connect(replace(admin, host=address + given)) as session:
            assert session.host == address + "/api"
            assert session.rows("projects") is not None


def test_netrc_does_not_replace_the_token(admin: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with relay(admin.host) as between, connect(replace(admin, host=between.host)) as session:
        session.rows("projects")
    assert between.headers[-1]["Authorization"].startswith("Bearer ")


def test_the_process_keeps_its_own_client_and_cache(admin: Account) -> None:
    before = (gazu.client.default_client.host, dict(gazu.client.default_client.tokens))
    gazu.cache.enable()
    try:
        with connect(admin) as session:
            made = session.create("data/output-types", {"name": "Cache", "short_name": "one"}, "make it")
            assert _short_name(session.first("output-types", name="Cache")) == "one"
            session.update(f"data/output-types/{made.id}", {"short_name": "two"}, "change it")
            assert _short_name(session.first("output-types", name="Cache")) == "two"
        assert gazu.cache.cache_settings["enabled"]
    finally:
        gazu.cache.disable()
    assert (gazu.client.default_client.host, dict(gazu.client.default_client.tokens)) == before


def test_what_is_not_there_is_not_found(admin: Account) -> None:
    with connect(admin) as session, pytest.raises(NotFound):
        session.row("projects", "00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize("answer", [None, [], {}, {"id": 3}, {"id": ""}, {"id": None}, "x", 1])
def test_what_is_no_row(answer: object) -> None:
    with pytest.raises(StorageError):
        Row.of(answer)


def test_rows_tell_what_differs() -> None:
    row = Row.of({"id": "1", "name": "a", "data": {"kept": 1, "old": 2}, "none": None})
    assert row.differing({"name": "a", "data": {"kept": 1}}) == {}
    assert row.differing({"name": "b", "none": None, "absent": None}) == {"name": "b"}
    assert row.differing({"data": {"old": 3, "new": 4}}) == {"data": {"kept": 1, "old": 3, "new": 4}}
    assert Row.of({"id": "1", "data": None}).differing({"data": {"a": 1}}) == {"data": {"a": 1}}
    assert Row.of({"id": "1", "data": "odd", "name": 3}).text("name") == ""


@pytest.mark.parametrize(
    "host",
    [
        "",
        "kitsu.studio.com",
        "ftp://kitsu.studio.com",
        "https://",
        "http://[",
        "http://a:x/",
        "https://a b",
        "https://a\n.com",
    ],
)
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(UsageError, match="KITSU_HOST"):
        Account(host)


@pytest.mark.parametrize(
    "host", ["https://me:secret@kitsu.com/api", "https://secret@kitsu.com", "https://kitsu.com/?p=secret"]
)
def test_hosts_with_a_secret_in_them_are_refused_and_not_shown(host: str) -> None:
    with pytest.raises(UsageError) as found:
        Account(host)
    assert "secret" not in str(found.value)


def _admin(host: str) -> Account:
    return Account(host, email=EMAIL, password=PASSWORD)


def _short_name(row: Row | None) -> str:
    assert row is not None
    return row.text("short_name")
