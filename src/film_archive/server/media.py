"""`/media/…`: the bytes of files and members, by RFC 9110. Plain ASGI: what plays film passes through nothing else."""

from __future__ import annotations

import asyncio
import secrets
import time
from concurrent.futures import Executor

from film_archive.core.errors import FilmArchiveError
from film_archive.server.holdings import Holdings
from film_archive.server.sending import (
    Receive,
    Scope,
    Send,
    request_fields,
    route_path,
    send_error,
    send_failure,
    send_reply,
)
from film_archive.streaming.reply import reply_to

_FIELDS = (("content-security-policy", "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"),)
"""A member may be a page with scripts: shown by itself, it is nobody's page and runs nothing."""


class MediaApplication:
    """GET and HEAD of everything that the holdings have."""

    def __init__(self, holdings: Holdings, threads: Executor) -> None:
        self._holdings = holdings
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        if scope["method"] not in ("GET", "HEAD"):
            await send_error(scope, send, 405, "Media can be read only: GET and HEAD.", ("allow", "GET, HEAD"))
            return
        loop = asyncio.get_running_loop()
        path = route_path(scope).removeprefix("/")
        try:
            media = await loop.run_in_executor(self._threads, self._holdings.media, path)
        except FilmArchiveError as error:
            await send_failure(scope, send, error, self._holdings.public(str(error)))
            return
        reply = reply_to(request_fields(scope), media.content, now=time.time(), boundary=secrets.token_hex(16))
        await send_reply(receive, send, reply, media.source, threads=self._threads, more_fields=_FIELDS)
