"""`/media/…`: the bytes of files and members, by RFC 9110. Plain ASGI: what plays film passes through nothing else."""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections import OrderedDict
from concurrent.futures import Executor

from film_archive.core.errors import FilmArchiveError
from film_archive.core.source import OpenRun
from film_archive.server.access import Access
from film_archive.server.cuts import cut_of
from film_archive.server.holdings import Holdings, Media
from film_archive.server.sending import (
    ACCESS,
    Receive,
    Scope,
    Send,
    request_fields,
    route_path,
    send_error,
    send_failure,
    send_reply,
)
from film_archive.streaming.reply import Reply, reply_to

_FIELDS = (("content-security-policy", "sandbox; default-src 'none'; media-src 'self'; style-src 'unsafe-inline'"),)
"""A member may be a page with scripts: shown by itself, it is nobody's page and runs nothing."""
_TRUSTED = 1.0
"""Seconds for which what was found under an address is taken to be there if the file's status has not changed."""
_KEPT = 256

_Key = tuple[Access, str, bytes]
"""Who asks, the path, the query."""
_Found = tuple[Media, tuple[tuple[str, str], ...]]
"""The bytes, and fields that go with them."""


class MediaApplication:
    """GET and HEAD of everything that the holdings have, whole or as a cut (`?in=…&out=…`)."""

    def __init__(self, holdings: Holdings, threads: Executor) -> None:
        self._holdings = holdings
        self._threads = threads
        self._recent: OrderedDict[_Key, tuple[float, _Found]] = OrderedDict()
        self._looking: dict[_Key, asyncio.Future[_Found]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        if scope["method"] not in ("GET", "HEAD"):
            await send_error(scope, send, 405, "Media can be read only: GET and HEAD.", ("allow", "GET, HEAD"))
            return
        path = route_path(scope).removeprefix("/media").removeprefix("/")
        try:
            media, more = await self._find(scope, path)
        except FilmArchiveError as error:
            await send_failure(scope, send, error, self._holdings.public(str(error)))
            return
        reply = reply_to(request_fields(scope), media.content, now=time.time(), boundary=secrets.token_hex(16))
        fields = (*_FIELDS, *more)
        await send_reply(scope, receive, send, reply, media.source, threads=self._threads, more_fields=fields)

    def at_once(self, scope: Scope) -> tuple[Reply, OpenRun, tuple[tuple[str, str], ...]] | None:
        """The reply to a GET, and its body, where its address was looked up a moment ago and it is one run of a file."""
        query = scope["query_string"] if b"=" in scope["query_string"] else b""
        found = self._just_found((scope[ACCESS], scope["path"].removeprefix("/media/"), query))
        if found is None:
            return None
        media, more = found
        reply = reply_to(request_fields(scope), media.content, now=time.time(), boundary="")
        if len(reply.body) != 1 or isinstance(reply.body[0], bytes):
            return None  # nothing to send, or several parts
        runs = media.source.open_runs(reply.body[0].first, reply.body[0].length)
        if runs is None or len(runs) != 1 or isinstance(runs[0], bytes):
            return None
        return reply, runs[0], (*_FIELDS, *more)

    async def _find(self, scope: Scope, path: str) -> _Found:
        """What is asked for, and the fields that go with it."""
        loop = asyncio.get_running_loop()
        access: Access = scope[ACCESS]
        query: bytes = scope["query_string"] if b"=" in scope["query_string"] else b""
        key = (access, path, query)
        found = self._just_found(key)
        if found is None:
            looking = self._looking.get(key)
            if looking is None:  # else one looks for all who ask
                holdings = self._holdings.seen_with(access)
                looking = loop.run_in_executor(self._threads, _look_up, holdings, path, query)
                self._looking[key] = looking
                looking.add_done_callback(functools.partial(self._looked, key, loop))
            found = await asyncio.shield(looking)
        return found

    def _looked(self, key: _Key, loop: asyncio.AbstractEventLoop, looking: asyncio.Future[_Found]) -> None:
        del self._looking[key]
        if not looking.cancelled() and looking.exception() is None:
            self._keep(key, looking.result(), loop)

    def _just_found(self, key: _Key) -> _Found | None:
        """What the same address led to a moment ago, where its file is unchanged. The system has just told this file's
        status, so asking again does not wait; nothing else is asked on the event loop.
        """
        kept = self._recent.get(key)
        if kept is None or time.monotonic() - kept[0] > _TRUSTED or not kept[1][0].is_current:
            return None
        return kept[1]

    def _keep(self, key: _Key, found: _Found, loop: asyncio.AbstractEventLoop) -> None:
        self._recent[key] = (time.monotonic(), found)
        self._recent.move_to_end(key)
        while len(self._recent) > _KEPT:
            self._recent.popitem(last=False)
        loop.call_later(_TRUSTED, self._forget)

    def _forget(self) -> None:
        """Let go of what is too old to be trusted; it would hold files open."""
        while self._recent:
            key, (found, _) = next(iter(self._recent.items()))
            if time.monotonic() - found < _TRUSTED:
                return
            del self._recent[key]


def _look_up(holdings: Holdings, path: str, query: bytes) -> _Found:
    cut = cut_of(holdings, path, query)
    if cut is not None:
        return cut.media, (("content-disposition", cut.disposition),)
    return holdings.media(path), ()
