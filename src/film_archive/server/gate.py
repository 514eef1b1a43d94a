"""Who may ask: tokens and host names, before a request reaches anything else.

A client shows the token as `Authorization: Bearer TOKEN`. The page shows it once and gets a cookie, since a `<video>`
can send no header; the cookie is made from the token, does not contain it, and is good for all workers.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie

from film_archive.core.errors import UsageError
from film_archive.server.sending import Application, Message, Receive, Scope, Send, header, route_path, send_error

_PUBLIC = ("/healthz", "/", "")
_PUBLIC_BELOW = "/page/"
_FIELDS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


_WRITTEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""A bearer token (RFC 6750, 2.1)."""


class Token:
    """The secret that a client has to show; compared in constant time. Raises UsageError where it can't be a token."""

    def __init__(self, secret: str) -> None:
        if _WRITTEN.fullmatch(secret) is None:
            raise UsageError("A token is one word of letters, digits and - . _ ~ + /; give a long random one.")
        self._secret = secret.encode()
        session = hmac.new(self._secret, b"film-archive session", sha256).hexdigest()
        self.cookie_name = f"film_archive_{session[:8]}"
        """Cookies are shared by all ports of a host; so each token's has its own name."""
        self.cookie_value = session[8:]

    def is_shown(self, scope: Scope) -> bool:
        """Whether a request carries the token, or the cookie made from it."""
        scheme, _, shown = (header(scope, b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode("latin-1"), self._secret):
            return True
        try:
            cookies = SimpleCookie(header(scope, b"cookie") or "")
        except CookieError:
            return False
        cookie = cookies.get(self.cookie_name)
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self.cookie_value.encode())


class Gate:
    """Lets requests through to `application` that show the token (where there is one) and name one of `hosts` (where
    given).

    `hosts` guards a server without a token: a web page elsewhere can make its own name lead to this machine's
    loopback, but not make a browser say another Host. The page's own files and /healthz hold nothing secret and are
    open.
    """

    def __init__(self, app: Application, token: Token | None, hosts: Collection[str] | None) -> None:
        self._application = app
        self._token = token
        self._hosts = None if hosts is None else {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_FIELDS]
            await send(message)

        path = route_path(scope)
        if self._hosts is not None and _host_name(header(scope, b"host") or "") not in self._hosts:
            await send_error(scope, guarded_send, 421, "The server has another name; use the address it printed.")
        elif self._token is None or path in _PUBLIC or path.startswith(_PUBLIC_BELOW) or self._token.is_shown(scope):
            await self._application(scope, receive, guarded_send)
        else:
            challenge = ("www-authenticate", 'Bearer realm="film-archive"')
            await send_error(scope, guarded_send, 401, "Show the token: Authorization: Bearer TOKEN.", challenge)


def _host_name(host: str) -> str:
    """The name in a Host field, without its port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
