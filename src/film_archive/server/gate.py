"""The way in: host names, tokens, sizes; and what is written down of each request, before it reaches anything else."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection
from urllib.parse import unquote, urlsplit

from film_archive.server.access import Guard
from film_archive.server.metrics import Metrics
from film_archive.server.sending import (
    ACCESS,
    ZERO_COPY,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    header,
    route_path,
    send_error,
)

LARGEST_BODY = 1 << 16
"""Bytes of a request's body; nothing that is sent here needs more."""
LONGEST_TARGET = 8192
"""Bytes of a request's path and query (nginx's limit of a request line, too)."""

_PUBLIC = ("/healthz", "/", "")
_PUBLIC_BELOW = "/page/"
SAFE_FIELDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_SECRETS = re.compile(r"((?:^|&)[^=&]*(?:token|key|secret|password|auth)[^=&]*=)[^&]*", re.IGNORECASE)

access_log = logging.getLogger("film_archive.server.access")


class Gate:
    """Lets requests through to `application` that show a token (where there are any) and name one of `hosts` (where
    given).

    `hosts` guards a server without a token: a web page elsewhere can make its own name lead to this machine's
    loopback, but not make a browser say another Host. For the same reason a request that changes something must not
    come from a page of another origin. The page's own files and /healthz hold nothing secret and are open.
    """

    def __init__(self, app: Application, guard: Guard, hosts: Collection[str] | None, metrics: Metrics) -> None:
        self._application = app
        self._guard = guard
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        begun = time.monotonic()
        status = sent = 0

        async def noting_send(message: Message) -> None:
            nonlocal status, sent
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *SAFE_FIELDS]
            await send(message)
            if kind == "http.response.body":
                sent += len(message.get("body", b""))
            elif kind == ZERO_COPY:
                sent += message["count"]

        self._metrics.begin()
        try:
            await self._let_through(scope, _limited(receive), noting_send)
        finally:
            self._noted(scope, status, sent, time.monotonic() - begun)

    def admits(self, scope: Scope) -> bool:
        """Whether a GET would be let through; then its scope says what it may do."""
        if self._refusal(scope) is not None:
            return False
        scope[ACCESS] = self._guard.access(header(scope, b"authorization"), header(scope, b"cookie"))
        return scope[ACCESS] is not None

    def note(self, scope: Scope, status: int, length: int) -> Callable[[bool], None]:
        """Count an answer that is given without coming through here; the result is called at its end."""
        begun = time.monotonic()
        self._metrics.begin()

        def ended(well: bool) -> None:
            # What was sent of a broken answer is not known; it is counted as none.
            self._noted(scope, status, length if well else 0, time.monotonic() - begun)

        return ended

    def _noted(self, scope: Scope, status: int, sent: int, seconds: float) -> None:
        self._metrics.end(route_path(scope), status, sent, seconds)
        if access_log.isEnabledFor(logging.INFO):
            _write_down(scope, status, sent, seconds)

    async def _let_through(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = route_path(scope)
        problem = self._refusal(scope)
        if problem is not None:
            await send_error(scope, send, *problem)
            return
        access = self._guard.access(header(scope, b"authorization"), header(scope, b"cookie"))
        if access is None and not (path in _PUBLIC or path.startswith(_PUBLIC_BELOW)):
            challenge = ("www-authenticate", 'Bearer realm="film-archive", Basic realm="film-archive"')
            if header(scope, b"sec-fetch-mode") is not None:  # a browser: its own dialog would hide the page's
                challenge = ("www-authenticate", 'Bearer realm="film-archive"')
            await send_error(scope, send, 401, "Show the token: Authorization: Bearer TOKEN.", challenge)
            return
        scope[ACCESS] = access
        await self._application(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Why a request is not even looked at."""
        host = header(scope, b"host") or ""
        if self._hosts is not None and _host_name(host) not in self._hosts:
            return 421, "The server has another name; use the address it printed."
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET:
            return 414, f"An address of more than {LONGEST_TARGET} bytes names nothing here."
        if scope["method"] in ("GET", "HEAD"):
            return None
        length = header(scope, b"content-length") or "0"
        if not (length.isascii() and length.isdigit()) or len(length) > 18 or int(length) > LARGEST_BODY:
            return 413, f"A request's body has at most {LARGEST_BODY} bytes."
        origin = header(scope, b"origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "A page of another server asked for this; it may not."
        return None


def _limited(receive: Receive) -> Receive:
    """A body without a stated length ends the request when it grows too long."""
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > LARGEST_BODY:
                return {"type": "http.disconnect"}
        return message

    return counting


def _host_name(host: str) -> str:
    """The name in a Host field, without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _write_down(scope: Scope, status: int, sent: int, seconds: float) -> None:
    """One line: client, method, address, status, bytes, seconds. No field of the request is in it, so no token is."""
    client = scope.get("client") or ("-", 0)
    query = _SECRETS.sub(r"\1…", unquote(scope["query_string"].decode("latin-1")))
    address = route_path(scope) + (f"?{query}" if query else "")
    shown = "".join(sign if sign.isprintable() and sign not in '"\\' else f"\\x{ord(sign):02x}" for sign in address)
    access_log.info('%s "%s %s" %s %d %.3f', client[0], scope["method"], shown, status or "-", sent, seconds)
