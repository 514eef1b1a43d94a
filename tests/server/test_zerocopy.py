"""The fast way against the plain one: the same bytes, whatever clients do; on both of uvicorn's HTTP implementations."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import subprocess
import threading
import time
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")
pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from film_archive.core.source import FileSource
from film_archive.server import zerocopy
from film_archive.server.at_once import read_request
from tests.server.serving import Served
from tests.streaming.archives import make_archive, make_foreign_zip, pattern

CLIP = pattern(9_000_001)
TEXT = b"a line of a report\n" * 20_000
REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not zerocopy.is_possible, reason="this system has no sendfile with RWF_NOWAIT")


def implementations() -> list[str]:
    found = ["h11_impl"]
    try:
        import httptools  # noqa: F401  # whether it is there
    except ImportError:
        return found
    return [*found, "httptools_impl"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    make_archive(folder / "day.zip", {"clip.mov": CLIP, "small.txt": b"x" * 10, "empty": b""})
    make_foreign_zip(folder / "foreign.zip", {"report.txt": TEXT})
    (folder / "plain.mov").write_bytes(CLIP)
    return folder


@pytest.fixture(scope="module", params=implementations())
def served(request: pytest.FixtureRequest, root: Path) -> Iterator[Served]:
    server = Served(root, request.param)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def plainly(root: Path) -> Iterator[Served]:
    """The same without zero copy."""
    server = Served(root, None)
    yield server
    server.stop()


@pytest.fixture
def sent_by_system(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each sendfile has sent."""
    counts: list[int] = []
    real = os.sendfile

    def sendfile(out: int, source: int, offset: int, count: int) -> int:
        sent = real(out, source, offset, count)
        counts.append(sent)
        return sent

    monkeypatch.setattr(os, "sendfile", sendfile)
    return counts


PATHS = ["/media/day.zip/clip.mov", "/media/plain.mov"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(PATHS),
    parts=st.lists(st.tuples(st.integers(0, len(CLIP) + 10), st.integers(0, 3_000_000)), min_size=1, max_size=4),
    method=st.sampled_from(["GET", "GET", "GET", "HEAD"]),
)
def test_fast_is_plain(served: Served, plainly: Served, path: str, parts: list[tuple[int, int]], method: str) -> None:
    field = "bytes=" + ",".join(f"{first}-{first + more}" for first, more in parts)
    answers = []
    for server in (served, plainly):
        connection = server.connect()
        connection.request(method, path, headers={"Range": field})
        answer = connection.getresponse()
        body = answer.read()
        kind = answer.headers["content-type"] or ""
        boundary = kind.partition("boundary=")[2].encode()
        heads = {name: value for name, value in answer.getheaders() if name not in ("date", "server", "content-type")}
        answers.append((answer.status, heads, body.replace(boundary, b"BOUNDARY") if boundary else body))
        connection.close()
    assert answers[0] == answers[1]
    if method == "GET" and len(parts) == 1 and parts[0][0] < len(CLIP):
        assert answers[0][2] == CLIP[parts[0][0] : sum(parts[0]) + 1]


def test_the_system_sends_what_lies_in_files(served: Served, sent_by_system: list[int]) -> None:
    assert served.get(PATHS[0])[2] == CLIP
    assert sum(sent_by_system) == len(CLIP)
    assert max(sent_by_system) <= zerocopy.SLICE
    sent_by_system.clear()
    assert served.get("/media/foreign.zip/report.txt")[2] == TEXT
    assert served.get("/media/day.zip/empty")[2] == b""
    assert sent_by_system == []


def test_many_answers_on_one_connection(served: Served) -> None:
    chance = random.Random(5)
    connection = served.connect()
    for _ in range(60):
        first = chance.randrange(len(CLIP))
        last = min(len(CLIP) - 1, first + chance.choice([0, 10, 5_000, 1_500_000]))
        connection.request("GET", PATHS[0], headers={"Range": f"bytes={first}-{last}"})
        answer = connection.getresponse()
        assert answer.read() == CLIP[first : last + 1]
        connection.request("GET", "/healthz")
        assert connection.getresponse().read().startswith(b'{"status":"ok"')
    connection.close()


def test_requests_sent_ahead_are_answered_in_order(served: Served) -> None:
    asked = b"".join(
        f"GET {PATHS[0]} HTTP/1.1\r\nHost: localhost\r\nRange: bytes={first}-{first + 999_999}\r\n\r\n".encode()
        for first in range(0, 8_000_000, 1_000_000)
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client, client.makefile("rb") as stream:
        client.sendall(asked)
        for first in range(0, 8_000_000, 1_000_000):
            assert stream.readline().startswith(b"HTTP/1.1 206")
            while stream.readline().strip():
                pass
            assert stream.read(1_000_000) == CLIP[first : first + 1_000_000]


def test_an_old_client_is_told_by_the_end_of_the_connection(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client:
        client.sendall(f"GET {PATHS[0]} HTTP/1.0\r\n\r\n".encode())
        data = b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert data.partition(b"\r\n\r\n")[2] == CLIP


def test_many_clients_at_once(served: Served) -> None:
    chance = random.Random(9)
    ranges = [(first := chance.randrange(len(CLIP)), min(len(CLIP), first + chance.randrange(1, 4_000_000))) for _ in range(80)]

    def fetch(part: tuple[int, int]) -> bool:
        status, _, body = served.get(chance.choice(PATHS), Range=f"bytes={part[0]}-{part[1] - 1}")
        return status == 206 and body == CLIP[part[0] : part[1]]

    with ThreadPoolExecutor(24) as threads:
        assert all(threads.map(fetch, ranges))


def test_clients_that_vanish_cost_the_others_nothing(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(3)
    for _ in range(40):
        client = socket.create_connection(("127.0.0.1", served.port), timeout=30)
        if chance.random() < 0.5:  # with a reset instead of an end
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(f"GET {chance.choice(PATHS)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        if chance.random() < 0.7:
            client.recv(chance.randrange(1, 200_000))
        client.close()
        if chance.random() < 0.3:
            assert served.get(PATHS[0], Range="bytes=7-1000006")[2] == CLIP[7:1000007]
    assert served.get(PATHS[1])[2] == CLIP
    deadline = time.monotonic() + 20
    while served.server.server_state.connections and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not served.server.server_state.connections
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_client_that_takes_nothing_holds_up_nobody(served: Served) -> None:
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(30)
        slow.connect(("127.0.0.1", served.port))
        slow.sendall(f"GET {PATHS[0]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert served.get(PATHS[0])[2] == CLIP
        data = b"".join(iter(lambda: slow.recv(1 << 20), b""))
    assert data.partition(b"\r\n\r\n")[2] == CLIP


def test_what_is_not_in_the_page_cache_is_the_same_bytes(
    served: Served, monkeypatch: pytest.MonkeyPatch, sent_by_system: list[int]
) -> None:
    monkeypatch.setattr(zerocopy, "is_cached", lambda file, offset, count: False)
    chance = random.Random(4)
    for _ in range(10):
        first = chance.randrange(len(CLIP))
        status, _, body = served.get(PATHS[0], Range=f"bytes={first}-")
        assert (status, body) == (206, CLIP[first:])
    assert sent_by_system


def test_a_cold_read_holds_up_nobody(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, go_on = threading.Event(), threading.Event()
    real = zerocopy._send_cold

    def slow_disk(*given: Any) -> Any:
        cold.set()
        assert go_on.wait(30)
        return real(*given)

    monkeypatch.setattr(zerocopy, "_send_cold", slow_disk)
    monkeypatch.setattr(zerocopy, "is_cached", lambda file, offset, count: offset != cold_at)
    cold_at = json.loads(served.get("/api/v1/archives/day.zip/member?path=clip.mov")[2])["offset"]
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(served.get, PATHS[0])
        assert cold.wait(30)
        assert served.get(PATHS[1], Range="bytes=5-2000004")[2] == CLIP[5:2000005]
        assert not waiting.done()
        go_on.set()
        assert waiting.result()[2] == CLIP


def test_a_client_that_leaves_while_the_disk_is_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    cold = threading.Event()
    real = zerocopy._send_cold

    def slow_disk(*given: Any) -> Any:
        cold.set()
        assert go_on.wait(30)
        return real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(zerocopy, "_send_cold", slow_disk)
        patched.setattr(zerocopy, "is_cached", lambda file, offset, count: False)
        client = socket.create_connection(("127.0.0.1", served.port), timeout=30)
        client.sendall(f"GET {PATHS[0]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert cold.wait(30)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        deadline = time.monotonic() + 20
        while served.server.server_state.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not served.server.server_state.connections
        go_on.set()
    assert served.get(PATHS[0])[2] == CLIP


def test_a_file_that_shrinks_breaks_the_answer_off(root: Path, served: Served, caplog: pytest.LogCaptureFixture) -> None:
    path = root / "shrinking.mov"
    path.write_bytes(CLIP)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", served.port))
        client.sendall(b"GET /media/shrinking.mov HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(10)
        os.truncate(path, 100)
        received = 0
        with contextlib.suppress(ConnectionError):
            while data := client.recv(1 << 20):
                received += len(data)
    assert received < len(CLIP)
    assert any("shorter" in record.message for record in caplog.records)
    path.unlink()


def test_what_was_just_read_is_cached(root: Path) -> None:
    with FileSource(root / "plain.mov") as source:
        source.read_at(0, source.size)
        runs = source.open_runs(0, source.size)
        assert runs is not None
        run = runs[0]
        assert not isinstance(run, bytes)
        assert zerocopy.is_cached(run.file, 0, source.size)


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["uvicorn==0.30.0", "uvicorn"])
@pytest.mark.parametrize("more", [[], ["httptools"]], ids=["h11", "httptools"])
def test_oldest_and_newest_uvicorn(tmp_path: Path, version: str, more: list[str]) -> None:
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=False)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(REPOSITORY)], check=True, timeout=900)
    subprocess.run([*pip, version, *more, "pytest", "hypothesis", "httpx"], check=True, timeout=600)
    if not more:
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "httptools"], check=True, timeout=60)
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "tests/server/test_zerocopy.py", "tests/server/test_running.py"],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


# Answers at once


FIELDS = st.fixed_dictionaries(
    {"Host": st.just("localhost")},
    optional={
        "Range": st.sampled_from(["bytes=0-0", "bytes=5-2000000", "bytes=-7", "bytes=9-", "bytes=1-2,5-6", "x=1", "bytes=9-5"]),
        "If-None-Match": st.sampled_from(['"x"', "*", "{etag}"]),
        "If-Match": st.sampled_from(['"x"', "*", "{etag}"]),
        "If-Range": st.sampled_from(['"x"', "{etag}", "{date}"]),
        "If-Modified-Since": st.sampled_from(["{date}", "nothing"]),
        "Connection": st.sampled_from(["keep-alive", "close", "Keep-Alive"]),
        "Accept-Encoding": st.just("gzip"),
        "Content-Length": st.just("0"),
    },
)


@settings(max_examples=60, deadline=None)
@given(fields=FIELDS, path=st.sampled_from([*PATHS, "/media/plain%2Emov", "/media/nothing", "/media/plain.mov?x=1"]))
def test_at_once_is_the_long_way(served: Served, plainly: Served, fields: dict[str, str], path: str) -> None:
    own = served.get(PATHS[0] if "day" in path else PATHS[1], Range="bytes=0-0")[1]
    known = {name: value.format(etag=own["etag"], date=own["last-modified"]) for name, value in fields.items()}
    answers = []
    for server in (served, plainly):
        status, heads, body = server.get(path, **known)
        status, heads, body = server.get(path, **known)  # the second time it may be known
        kind = heads.get("content-type", "")
        boundary = kind.partition("boundary=")[2].encode()
        same = {name: value for name, value in heads.items() if name not in ("date", "server", "content-type")}
        answers.append((status, same, kind.partition(";")[0], body.replace(boundary, b"-") if boundary else body))
    assert answers[0] == answers[1]


def test_what_is_known_is_answered_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    application = served.config.loaded_app
    short: list[str] = []
    real = type(application).at_once

    def counted(self: Any, scope: Any) -> Any:
        answer = real(self, scope)
        if answer is not None:
            short.append(scope["path"])
        return answer

    monkeypatch.setattr(type(application), "at_once", counted)
    for _ in range(5):
        assert served.get(PATHS[0], Range="bytes=1000-1999")[2] == CLIP[1000:2000]
    assert PATHS[0] in short
    before = len(short)
    assert served.get(PATHS[0], Range="bytes=1000-1999", Expect="100-continue")[2] == CLIP[1000:2000]
    assert len(short) == before, "what is out of the ordinary goes the long way"


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_what_is_no_plain_request_is_not_taken_for_one(data: bytes) -> None:
    assert read_request(data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\n\r\n",
        b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
        b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a HTTP/1.1\nHost: a\n\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nX",
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /a HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nRange: bytes=4-5\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
)
def test_requests_out_of_the_ordinary_go_the_long_way(data: bytes) -> None:
    assert read_request(data) is None


def test_a_plain_request_is_read() -> None:
    scope = read_request(b"GET /media/a%20b?in=1 HTTP/1.1\r\nHost: x:1\r\nRANGE:\t bytes=0-1 \r\nX-Empty:\r\n\r\n")
    assert scope is not None
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/media/a b", b"/media/a%20b", b"in=1")
    assert scope["headers"] == [(b"host", b"x:1"), (b"range", b"bytes=0-1"), (b"x-empty", b"")]


@pytest.mark.parametrize("pieces", [1, 2, 7, 40])
def test_requests_that_come_in_pieces(served: Served, pieces: int) -> None:
    """However a request is cut up on its way, and whatever comes behind it."""
    served.get(PATHS[0], Range="bytes=0-0")
    one = f"GET {PATHS[0]} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=10-3000009\r\n\r\n".encode()
    post = b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
    sent = one + one + post + one
    step = -(-len(sent) // pieces)
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as client, client.makefile("rb") as stream:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), step):
            client.sendall(sent[start : start + step])
            time.sleep(0.002)
        for length in (3_000_000, 3_000_000, None, 3_000_000):
            status = stream.readline()
            assert status.startswith(b"HTTP/1.1 206" if length else b"HTTP/1.1 204")
            while stream.readline().strip():
                pass
            if length:
                assert stream.read(length) == CLIP[10:3_000_010]
