"""The server as a process: its address, its workers, its end."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.server.running import Settings, is_loopback, run_server
from tests.streaming.archives import make_archive, pattern

CLIP = pattern(8_000_000)
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQguPncrTOj7/0w0HGc
pN6+7S2aKssyQZ+/fTHerxIUgwyhRANCAATRM9mD4ji2jPxUsVzZS97kpP2jfvgT
A01n+8JizUvwo7L2Uon3UdnYNOHnRm89HvXKZ048en+vTrZs+w/HQijM
-----END PRIVATE KEY-----
"""
"""Of nobody but this test."""
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUT3opeufJ3NwUW9rMdjJ4RyzZa6AwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTE3MjI0M1oYDzIxMjYxMDI4
MTcyMjQzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATRM9mD4ji2jPxUsVzZS97kpP2jfvgTA01n+8JizUvwo7L2Uon3UdnY
NOHnRm89HvXKZ048en+vTrZs+w/HQijMo28wbTAdBgNVHQ4EFgQUqUdQguJhXmw9
O3ahP7jg6mcT1ZkwHwYDVR0jBBgwFoAUqUdQguJhXmw9O3ahP7jg6mcT1ZkwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgax0gzYbNM+jVt1anQpABysAwWu63h+Ci8paAzMr3qeICIB2/
0epR3trpRwm++wfG41P6aNR/OMZYTak8RzoATehe
-----END CERTIFICATE-----
"""


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
        match = re.search(r"https?://[^ ]*:(\d+)/$", line.strip())
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


def test_over_tls(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(KEY)
    with serving(root, "--cert", tmp_path / "cert.pem", "--key", tmp_path / "key.pem") as (process, port):
        context = ssl._create_unverified_context()  # what it is compared with stands below
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
        connection.request("GET", "/media/project.zip/footage/a.mov", headers={"Range": "bytes=5-3000004"})
        shown = connection.sock.getpeercert(binary_form=True)
        assert shown is not None
        assert ssl.DER_cert_to_PEM_cert(shown).split() == CERTIFICATE.split()
        assert connection.getresponse().read() == CLIP[5:3000005]
        connection.close()
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0


def test_a_certificate_that_is_none_is_said_before_anything_is_served(root: Path, tmp_path: Path) -> None:
    good, key, bad = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "bad.pem"
    good.write_text(CERTIFICATE)
    key.write_text(KEY)
    bad.write_text("no certificate")
    with pytest.raises(UsageError, match="both"):
        run(Settings(roots=(root,), port=0, certificate=good))
    with pytest.raises(UsageError, match="no certificate"):
        run(Settings(roots=(root,), port=0, certificate=bad, key=key))
    with pytest.raises(UsageError, match="no certificate"):
        run(Settings(roots=(root,), port=0, certificate=good, key=bad))
    with pytest.raises(NotFound):
        run(Settings(roots=(root,), port=0, certificate=good, key=tmp_path / "absent.pem"))


def test_behind_a_proxy(root: Path) -> None:
    """One that takes "/archive" away before it passes a request on, and says how it was reached."""
    with serving(root, "--root-path", "/archive", FILM_ARCHIVE_TOKEN="secret") as (_, port):
        fields = {"Authorization": "Bearer secret", "X-Forwarded-Proto": "https"}
        assert get(port, "/media/project.zip/footage/a.mov", Range="bytes=0-9", **fields) == (206, CLIP[:10])
        members = get(port, "/api/v1/archives/project.zip/members", **fields)[1]
        assert b'"url":"/archive/media/project.zip/footage/a.mov"' in members
        assert get(port, "/page/app.js")[0] == 200
        assert get(port, "/")[0] == 200
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/api/v1/session", headers=fields)
        cookie = connection.getresponse().getheader("set-cookie") or ""
        assert "Path=/archive/" in cookie
        assert "Secure" in cookie
        connection.close()


def test_the_access_log_is_a_line_for_each_answer(root: Path) -> None:
    with serving(root, "--access-log", FILM_ARCHIVE_TOKEN="geheim") as (process, port):
        get(port, "/media/project.zip/footage/a.mov?token=geheim", Authorization="Bearer geheim")
        process.send_signal(signal.SIGINT)
        _, errors = ended(process)
    lines = [line for line in errors.splitlines() if "/media/" in line]
    assert len(lines) == 1
    assert f'127.0.0.1 "GET /media/project.zip/footage/a.mov?token=…" 200 {len(CLIP)} ' in lines[0]
    assert "geheim" not in errors


def test_counts_and_jobs_are_of_all_workers(root: Path) -> None:
    with serving(root, "--workers", "2") as (process, port):
        for _ in range(20):
            assert get(port, "/media/project.zip/footage/a.mov", Range="bytes=0-9")[0] == 206
        deadline = time.monotonic() + 10  # an answer is counted just after its last byte has left
        while b'film_archive_requests_total{plane="media",status="2xx"} 20' not in get(port, "/metrics")[1]:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0


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
