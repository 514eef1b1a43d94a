"""Tokens and their rights, the gate before everything, and what is written down."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("httpx")

from film_archive.core.errors import Refused, UsageError
from film_archive.server.access import EVERYTHING, Access, Grant, Guard, Right, read_grants, require_roots
from film_archive.server.app import create_app
from film_archive.server.gate import LARGEST_BODY, LONGEST_TARGET, access_log
from film_archive.server.metrics import Metrics
from tests.server.clients import ask, call
from tests.streaming.archives import make_archive, pattern

ALL, READER, ONE_ROOT = "all-rights-1", "reader-22", "only-second-333"
CLIP = pattern(10_000)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("shelves")
    for name in ("first", "second"):
        (folder / name).mkdir()
        make_archive(folder / name / "day.zip", {"clip.mov": CLIP})
        (folder / name / "note.txt").write_text(name)
    return folder / "first", folder / "second"


@pytest.fixture
def app(roots: tuple[Path, Path], tmp_path: Path) -> Any:
    grants = (Grant(ALL), Grant(READER, Right.READ), Grant(ONE_ROOT, Right.JOBS, ("second",)))
    return create_app(roots, grants=grants, work=tmp_path)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(token: str, user: str = "anyone") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


EVERYWHERE = [
    "/media/first/note.txt",
    "/media/first/day.zip/clip.mov",
    "/hls/first/day.zip/clip.mov/master.m3u8",
    "/api/v1/archives",
    "/api/v1/archives/first/day.zip",
    "/api/v1/archives/first/day.zip/members",
    "/api/v1/archives/first/day.zip/member?path=clip.mov",
    "/api/v1/archives/first/day.zip/frame?member=clip.mov&frame=0",
    "/api/v1/archives/first/day.zip/proxies?member=clip.mov",
    "/api/v1/archives/first/day.zip/fragments?member=clip.mov",
    "/api/v1/archives/first/day.zip/manifest",
    "/api/v1/jobs",
    "/api/v1/session",
    "/metrics",
    "/openapi.json",
    "/nothing",
]


@pytest.mark.parametrize("path", EVERYWHERE)
def test_nothing_is_told_without_a_token(app: Any, path: str) -> None:
    for fields in ({}, bearer("wrong"), basic("wrong"), basic(""), {"Authorization": "Basic !"}, {"Authorization": "Basic"}):
        answer = ask(app, path, fields=fields)
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["www-authenticate"]
        assert b"first" not in answer.content
    assert ask(app, path, fields=bearer(ALL)).status_code != 401
    assert ask(app, path, fields=basic(ALL)).status_code != 401, "players put it into an address"


def test_a_token_in_an_address_is_no_token(app: Any) -> None:
    for query in (f"?token={ALL}", f"?access_token={ALL}", f"?key={ALL}"):
        assert ask(app, "/media/first/note.txt" + query).status_code == 401


def test_a_token_for_one_root_sees_that_root_only(app: Any) -> None:
    shown = bearer(ONE_ROOT)
    assert ask(app, "/media/second/note.txt", fields=shown).text == "second"
    assert ask(app, "/media/second/day.zip/clip.mov", fields=shown).content == CLIP
    listed = ask(app, "/api/v1/archives", fields=shown).json()
    assert [archive["path"] for archive in listed["archives"]] == ["second/day.zip"]
    for path in EVERYWHERE:
        if "first" in path:
            assert ask(app, path, fields=shown).status_code == 404, path
    order = {"path": "first/day.zip/clip.mov", "in": "0", "out": "1"}
    assert ask(app, "/api/v1/jobs", "POST", shown, json=order).status_code == 404
    assert ask(app, "/api/v1/session", fields=shown).json() == {"right": "jobs", "roots": ["second"]}
    assert ask(app, "/media/first/note.txt", fields=bearer(ALL)).text == "first"
    assert ask(app, "/media/first/note.txt", fields=shown).status_code == 404, "though another has just asked for it"


def test_a_reader_starts_no_jobs(app: Any) -> None:
    order = {"path": "first/day.zip/clip.mov", "in": "01:00:00:00", "out": "01:00:01:00"}
    for path, method in [
        ("/api/v1/jobs", "POST"),
        ("/api/v1/jobs/0123456789abcdef/cancel", "POST"),
        ("/api/v1/jobs/0123456789abcdef", "DELETE"),
    ]:
        answer = ask(app, path, method, bearer(READER), json=order)
        assert answer.status_code == 403
        assert "no right to jobs" in answer.json()["error"]["message"]
    assert ask(app, "/api/v1/jobs", fields=bearer(READER)).json() == {"jobs": []}
    assert ask(app, "/api/v1/jobs", "POST", bearer(ALL), json=order).status_code == 422, "it is looked at"


def test_each_token_has_a_cookie_of_its_own(app: Any) -> None:
    jars = {}
    for token in (ALL, READER):
        answer = ask(app, "/api/v1/session", "POST", bearer(token))
        assert answer.status_code == 204
        jars[token] = answer.headers["set-cookie"].partition(";")[0]
        assert token not in answer.headers["set-cookie"]
    assert jars[ALL] != jars[READER]
    assert ask(app, "/api/v1/session", fields={"Cookie": jars[READER]}).json()["right"] == "read"
    assert ask(app, "/api/v1/session", fields={"Cookie": f"{jars[ALL]}; other=1"}).json()["right"] == "jobs"
    assert ask(app, "/api/v1/session", fields={"Cookie": jars[ALL][:-1]}).status_code == 401
    assert ask(app, "/api/v1/session", fields={"Cookie": "\x7f=;;;=="}).status_code == 401
    name, _, value = jars[ALL].partition("=")
    sent = asyncio.run(call(app, "/api/v1/session", fields={"Cookie": f"{name}=é{value}"}))
    assert sent[0]["status"] == 401


def test_a_page_elsewhere_changes_nothing(app: Any) -> None:
    order = {"path": "first/day.zip/clip.mov", "in": "01:00:00:00", "out": "01:00:01:00"}
    for origin in ("https://evil.example", "null", "http://localhost.evil.example", "http://localhost:81"):
        answer = ask(app, "/api/v1/jobs", "POST", {**bearer(ALL), "Origin": origin}, json=order)
        assert answer.status_code == 403
    assert ask(app, "/api/v1/jobs", "POST", {**bearer(ALL), "Origin": "http://localhost"}, json=order).status_code == 422


def test_requests_have_limits(app: Any) -> None:
    shown = bearer(ALL)
    assert ask(app, "/api/v1/jobs", "POST", shown, content=b" " * (LARGEST_BODY + 1)).status_code == 413
    assert ask(app, "/media/first/" + "x" * LONGEST_TARGET, fields=shown).status_code == 414
    assert ask(app, "/media/first/note.txt?" + "x" * LONGEST_TARGET, fields=shown).status_code == 414
    for length in ("-1", "1e3", "9" * 30, "²"):
        sent = asyncio.run(call(app, "/api/v1/jobs", method="POST", fields={**shown, "Content-Length": length}))
        assert sent[0]["status"] == 413

    def endless() -> Any:
        yield from (b" " * 10_000 for _ in range(1000))

    async def chunks() -> Any:
        for chunk in endless():
            yield chunk

    answer = ask(app, "/api/v1/jobs", "POST", shown, content=chunks())
    assert answer.status_code >= 400, "a body without a length is read to the limit and no further"


def test_the_log_has_no_tokens(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, access_log.name):
        ask(app, "/media/first/note.txt?x%0A=x", fields=bearer(ALL))
        ask(app, f"/media/first/note.txt?token={ALL}&x=1", fields=basic(ALL))
        ask(app, "/media/first/note.txt", fields=bearer("wrong"))
        ask(app, "/media/" + quote('a"b\\\n\x1b[31m'), fields=bearer(ALL))
    lines = [record.getMessage() for record in caplog.records if record.name == access_log.name]
    assert len(lines) == 4
    assert all(ALL not in line and "wrong" not in line for line in lines)
    assert lines[1].split('"')[1] == "GET /media/first/note.txt?token=…&x=1"
    assert lines[1].split('"')[2].split()[:2] == ["200", "5"]
    assert " 401 " in lines[2]
    assert all(sign.isprintable() for line in lines for sign in line), "a log line is one line, whatever is asked for"


# The file of tokens


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_of_tokens(tmp_path: Path) -> None:
    text = "# who\n\nabc read\ndef jobs first second # dailies\n"
    assert read_grants(written(tmp_path / "tokens", text)) == (
        Grant("abc", Right.READ, None),
        Grant("def", Right.JOBS, ("first", "second")),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "abc\n", "abc write\n", "abc Read\n", "\xff\xfe"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(UsageError):
        read_grants(path)


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    for mode in (0o644, 0o640, 0o604, 0o622):
        with pytest.raises(Refused, match="chmod 600"):
            read_grants(written(tmp_path / "tokens", "abc read\n", mode))


def test_tokens_are_checked_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        Guard([Grant("same"), Grant("same", Right.READ)])
    with pytest.raises(UsageError, match="one word"):
        Guard([Grant("two words")])
    with pytest.raises(UsageError, match="third"):
        require_roots([Grant("a", Right.READ, ("third",))], ["first", "second"])
    with pytest.raises(UsageError, match="absent"):
        create_app([tmp_path], grants=[Grant("a", Right.READ, ("absent",))])


def test_a_token_is_not_shown_by_accident() -> None:
    assert "secret" not in repr(Grant("secret-word"))
    assert "secret" not in repr(Guard([Grant("secret-word")]).access("Bearer secret-word", None))


def test_without_tokens_everything_is_open() -> None:
    assert Guard().access(None, None) is EVERYTHING
    assert not Guard()
    assert Access(Right.READ, frozenset({"a"})).opens("a")
    assert not Access(Right.READ, frozenset({"a"})).opens("b")


# Counts


def test_workers_add_up(tmp_path: Path) -> None:
    workers = [Metrics(tmp_path, number) for number in range(3)]
    for number, one in enumerate(workers):
        one.begin()
        one.begin()
        one.end("/media/x", 206, 100 * (number + 1), 0.02)
        one.end("/api/v1/x", 404, 7, 5)
    workers[0].begin()
    for one in workers:
        text = one.text("1.2.3")
        assert 'film_archive_requests_total{plane="media",status="2xx"} 3' in text
        assert 'film_archive_requests_total{plane="api",status="4xx"} 3' in text
        assert 'film_archive_sent_bytes_total{plane="media"} 600' in text
        assert "film_archive_active_requests 1" in text
        assert 'film_archive_answer_seconds_bucket{le="0.1"} 3' in text
        assert 'film_archive_answer_seconds_bucket{le="+Inf"} 6' in text
        assert "film_archive_answer_seconds_count 6" in text
    again = Metrics(tmp_path, 0)  # a worker that takes a dead one's place
    assert "film_archive_active_requests 0" in again.text("1")
    assert 'film_archive_requests_total{plane="media",status="2xx"} 3' in again.text("1")


def test_metrics_are_what_prometheus_reads(app: Any) -> None:
    ask(app, "/media/first/note.txt", fields=bearer(ALL))
    answer = ask(app, "/metrics", fields=bearer(READER))
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in answer.text.splitlines():
        if not line.startswith("# "):
            name, _, value = line.rpartition(" ")
            assert name.startswith("film_archive_")
            float(value)


# Links


def test_links_are_followed_only_where_allowed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "folder").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    make_archive(outside / "far.zip", {"clip.mov": CLIP})
    os.symlink(outside, root / "folder" / "there")
    os.symlink(outside / "secret.txt", root / "secret.txt")
    os.symlink(root, root / "folder" / "again")
    os.symlink(root / "nowhere", root / "dangling")
    closed, open_ = create_app([root]), create_app([root], follow_links=True)
    for path in ("/media/folder/there/secret.txt", "/media/secret.txt", "/media/folder/there/far.zip/clip.mov"):
        assert ask(closed, path).status_code == 404
        assert ask(open_, path).status_code == 200
    assert ask(open_, "/media/dangling").status_code == 404
    assert ask(closed, "/api/v1/archives").json() == {"archives": [], "complete": True}
    found = ask(open_, "/api/v1/archives").json()
    assert found["complete"] is True, "a link that leads back does not go on for ever"
    assert "folder/there/far.zip" in [archive["path"] for archive in found["archives"]]
