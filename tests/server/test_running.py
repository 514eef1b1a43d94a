"""The server as a process: its address, its workers, its end."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from film_archive.core.errors import Refused, UsageError
from film_archive.server.running import Settings, is_loopback, run_server
from tests.streaming.archives import make_archive, pattern

CLIP = pattern(8_000_000)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    make_archive(folder / "project.zip", {"footage/a.mov": CLIP})
    return folder


@contextmanager
def serving(*arguments: str | Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server in a process of its own, and the port it printed."""
    code = "from film_archive.cli.main import run; run()"
    command = [sys.executable, "-c", code, "serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://[^ ]*:(\d+)/$", line.strip())
        assert match is not None, line + (process.stderr.read() if process.stderr else "")
        yield process, int(match[1])
    finally:
        process.kill()
        process.communicate()


def get(port: int, path: str, **fields: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers=fields)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def slow_client(port: int) -> socket.socket:
    """A client that asks for all of the clip and takes only the first bytes."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /media/project.zip/footage/a.mov HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.recv(100).startswith(b"HTTP/1.1 200")
    return client


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=30)
    return process.returncode, errors


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(root: Path, sign: signal.Signals) -> None:
    with serving(root) as (process, port):
        assert get(port, "/media/project.zip/footage/a.mov", Range="bytes=5-9") == (206, CLIP[5:10])
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/api/v1/archives", Host="evil.example")[0] == 421, "a name that leads here from elsewhere"
        assert get(port, "/api/v1/archives", Host=f"localhost:{port}")[0] == 200
        process.send_signal(sign)
        status, errors = ended(process)
        assert status == 0
        assert "Traceback" not in errors


def test_transfers_may_end_after_it_is_told_to_stop(root: Path) -> None:
    with serving(root) as (process, port), slow_client(port) as client:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        received = 100
        while data := client.recv(1 << 20):
            received += len(data)
        assert received > len(CLIP)
        status, errors = ended(process)
        assert status == 0
        assert "10 seconds to end" in errors


def test_told_twice_it_breaks_transfers_off(root: Path) -> None:
    with serving(root) as (process, port), slow_client(port):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 130


def test_workers_share_a_port_and_the_dead_are_replaced(root: Path) -> None:
    children = Path("/proc")
    if not children.exists():
        pytest.skip("needs /proc to find the workers")
    with serving(root, "--workers", "2", FILM_ARCHIVE_TOKEN="secret") as (process, port):
        fields = {"Authorization": "Bearer secret"}
        assert get(port, "/media/project.zip/footage/a.mov", **fields) == (200, CLIP)
        assert get(port, "/media/project.zip/footage/a.mov")[0] == 401
        for _ in range(30):  # each from a new connection, so that both have answered
            assert get(port, "/healthz")[0] == 200
        first = workers_of(process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        deadline = time.monotonic() + 20
        while len(now := workers_of(process.pid)) < 2 or first[0] in now:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for _ in range(8):
            assert get(port, "/media/project.zip/footage/a.mov", Range="bytes=0-9", **fields) == (206, CLIP[:10])
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in now)


def workers_of(pid: int) -> list[int]:
    """The processes that a server has started to serve (multiprocessing has one more, which keeps its resources)."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
        except FileNotFoundError:
            continue
    return found


def test_beyond_this_machine_only_with_a_token(root: Path) -> None:
    for host in ("0.0.0.0", "::", ""):
        with pytest.raises(Refused, match="only with a token"):
            run(Settings(roots=(root,), host=host, port=0))
    for token in ("", "two words", "geheim\u00e9", "a\n"):
        with pytest.raises(UsageError, match="one word"):
            run(Settings(roots=(root,), port=0, token=token))
    with pytest.raises(UsageError, match="no address"):
        run(Settings(roots=(root,), host="no.such.host.invalid", port=0))


def test_a_port_that_is_taken(root: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(Refused, match="--port"):
            run(Settings(roots=(root,), port=other.getsockname()[1]))


def run(settings: Settings) -> None:
    run_server(settings, on_listening=lambda address: pytest.fail(f"served at {address}"), on_stopping=lambda: None)


def test_what_is_loopback() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("127.9.9.9")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("8.8.8.8")
