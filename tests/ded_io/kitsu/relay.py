"""A relay before a Kitsu server, or in its place, that misbehaves at the requests that a test names."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Fault(StrEnum):
    """How a request is answered instead."""

    MUTE = "mute"
    """Never."""
    MUTE_AFTER = "mute after"
    """Never, though the server has done what was asked."""
    HANG_UP = "hang up"
    """The connection is closed; the server has not seen the request."""
    HANG_UP_AFTER = "hang up after"
    """The server has done what was asked, and the answer is lost."""
    ERROR = "500"
    BROKEN = "broken 500"
    """Not even JSON."""
    UNAVAILABLE = "503"
    JSON_UNAVAILABLE = "503 with JSON"
    """An answer that looks like a row but for its status."""
    FORBIDDEN = "403"
    EXPIRED = "401"
    PAGE = "a web page"
    LIST = "a list"
    NUMBER = "a number"
    DEEP = "deep JSON"
    ELSEWHERE = "redirect"


_ANSWERS: dict[Fault, tuple[int, str, bytes]] = {
    Fault.ERROR: (500, "application/json", b'{"message": "It broke.", "stacktrace": "line 1"}'),
    Fault.BROKEN: (500, "text/html", b"<html>"),
    Fault.UNAVAILABLE: (503, "text/html", b"<html>busy</html>"),
    Fault.JSON_UNAVAILABLE: (503, "application/json", b'{"id": "1", "message": "busy"}'),
    Fault.FORBIDDEN: (403, "application/json", b'{"message": "no"}'),
    Fault.EXPIRED: (401, "application/json", b'{"message": "Signature has expired"}'),
    Fault.PAGE: (200, "text/html", b"<!DOCTYPE html><title>Welcome</title>"),
    Fault.LIST: (200, "application/json", b"[1, null]"),
    Fault.NUMBER: (200, "application/json", b"7"),
    Fault.DEEP: (200, "application/json", b"[" * 100_000),
    Fault.ELSEWHERE: (302, "text/html", b""),
}

Meddle = Callable[[int, str, str], Fault | None]
"""(number of the request, method, path) → what happens to it, or None: it is passed on."""


@dataclass
class Relay:
    """What a test sees of it."""

    host: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    silenced: threading.Event = field(default_factory=threading.Event)
    """Set as soon as a request is left without an answer."""


@contextmanager
def relay(
    target: str | None = None, meddle: Meddle = lambda number, method, path: None, *, prefix: str = ""
) -> Iterator[Relay]:
    """Relay requests below `prefix` to a server; without one, what is not meddled with is not found."""
    seen = Relay()
    counting = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with counting:
                number = len(seen.requests)
                seen.requests.append((self.command, self.path))
                seen.headers.append(dict(self.headers))
            fault = meddle(number, self.command, self.path)
            if fault is Fault.MUTE_AFTER and target is not None:
                _ask(target, self.command, self.path.removeprefix(prefix), body, dict(self.headers))
            if fault in (Fault.MUTE, Fault.MUTE_AFTER):
                seen.silenced.set()
                seen.released.wait()
            if fault in (Fault.MUTE, Fault.MUTE_AFTER, Fault.HANG_UP):
                self.close_connection = True
            elif fault is not None and fault is not Fault.HANG_UP_AFTER:
                self._answer(*_ANSWERS[fault])
            elif target is None or not self.path.startswith(prefix):
                self._answer(404, "application/json", json.dumps({"message": "no such route"}).encode())
            else:
                answer = _ask(target, self.command, self.path.removeprefix(prefix), body, dict(self.headers))
                if fault is Fault.HANG_UP_AFTER:
                    self.close_connection = True
                else:
                    self._answer(*answer)

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 302:
                self.send_header("Location", "https://elsewhere.example.com/api")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  the names that http.server calls

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that was killed or has given up

    server = Server(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    serving.start()
    seen.host = f"http://127.0.0.1:{server.server_port}{prefix}"
    try:
        yield seen
    finally:
        seen.released.set()
        server.shutdown()
        serving.join()
        server.server_close()


def _ask(target: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
    address = urlsplit(target)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request(
            method, path or "/", body, {name: value for name, value in headers.items() if name != "Host"}
        )
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Content-Type", ""), answer.read()
    finally:
        connection.close()


def at(*numbers: int, fault: Fault) -> Meddle:
    """Meddle with the requests of these numbers."""
    return lambda number, method, path: fault if number in numbers else None


def always(fault: Fault) -> Meddle:
    return lambda number, method, path: fault
