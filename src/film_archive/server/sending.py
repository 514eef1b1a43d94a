"""A `Reply` through ASGI.

Where the server offers `http.response.zerocopysend` and the bytes lie in open files, the system sends them by itself.
Elsewhere every byte is read by a thread and handed to the server; then nothing is read for a client that has gone, and
at most one chunk ahead of a slow one. Both ways send the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any

from film_archive.core.errors import FilmArchiveError
from film_archive.core.source import ByteSource, OpenRun
from film_archive.server.errors import error_body, status_of
from film_archive.streaming.adaptation import FixedPace
from film_archive.streaming.chunks import read_chunks
from film_archive.streaming.ranges import RequestFields
from film_archive.streaming.reply import Reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI 3 (asgiref's specification); its messages are dictionaries by that specification."""

ZERO_COPY = "http.response.zerocopysend"
"""ASGI's extension: the server sends `count` bytes of the open `file` from `offset` on."""
ACCESS = "film_archive.access"
"""Under this name the gate puts what a request may do (an `Access`) into its scope."""
CHUNK = 256 << 10
"""Bytes a read: what a client can hold up in memory, twice."""

_log = logging.getLogger("film_archive.server")


def header(scope: Scope, name: bytes) -> str | None:
    """A request's field; several lines of it are one list (RFC 9110, 5.3)."""
    values = [value for key, value in scope["headers"] if key == name]
    return b", ".join(values).decode("latin-1") if values else None


def route_path(scope: Scope) -> str:
    """The request's path below where the application is mounted (`root_path`)."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def encoded(fields: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Fields as ASGI has them."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]


def request_fields(scope: Scope) -> RequestFields:
    given: dict[str, str] = {}
    for key, value in scope["headers"]:
        name = _ASKED.get(key)
        if name is not None:
            text = value.decode("latin-1")
            given[name] = f"{given[name]}, {text}" if name in given else text
    return RequestFields(method=scope["method"], **given)


_ASKED = {
    b"range": "range",
    b"if-range": "if_range",
    b"if-match": "if_match",
    b"if-none-match": "if_none_match",
    b"if-modified-since": "if_modified_since",
    b"if-unmodified-since": "if_unmodified_since",
}


async def send_reply(
    scope: Scope,
    receive: Receive,
    send: Send,
    reply: Reply,
    source: ByteSource,
    *,
    threads: Executor,
    more_fields: Iterable[tuple[str, str]] = (),
) -> None:
    """Send a whole reply, or as much as the client waits for.

    Where the source fails in the middle, the connection is broken off: what was sent must not look complete.
    """
    fields = encoded((*reply.fields, *more_fields))
    await send({"type": "http.response.start", "status": reply.status, "headers": fields})
    if not reply.body:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    elif (runs := _open_runs(scope, reply, source)) is not None:
        await _send_runs(send, runs)
    else:
        await _send_chunks(receive, send, reply, source, threads)


def _open_runs(scope: Scope, reply: Reply, source: ByteSource) -> list[OpenRun | bytes] | None:
    """The body as what the system can send, None where it or the server can't."""
    if ZERO_COPY not in scope.get("extensions", ()):
        return None
    runs: list[OpenRun | bytes] = []
    for piece in reply.body:
        found = [piece] if isinstance(piece, bytes) else source.open_runs(piece.first, piece.length)
        if found is None:
            return None
        runs += found
    return runs


async def _send_runs(send: Send, runs: list[OpenRun | bytes]) -> None:
    last = len(runs) - 1
    for index, run in enumerate(runs):
        if isinstance(run, bytes):
            await send({"type": "http.response.body", "body": run, "more_body": index < last})
        else:
            message = {"type": ZERO_COPY, "file": run.file, "offset": run.offset, "count": run.length}
            await send({**message, "more_body": index < last})


async def _send_chunks(receive: Receive, send: Send, reply: Reply, source: ByteSource, threads: Executor) -> None:
    gone = asyncio.ensure_future(_gone(receive))
    left = reply.length
    try:
        chunks = read_chunks(source, reply.body, threads=threads, pace=FixedPace(CHUNK), ahead=CHUNK)
        async with aclosing(chunks):
            async for chunk in chunks:
                if gone.done():
                    return
                left -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
    except FilmArchiveError as error:
        _log.error("Broke off an answer with %d bytes to go: %s", left, error)
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    """Ends when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_error(scope: Scope, send: Send, status: int, message: str, *fields: tuple[str, str]) -> None:
    """An error as a small JSON document."""
    body = error_body(status, message)
    given = [("content-type", "application/json"), ("content-length", str(len(body))), *fields]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": False})


async def send_failure(scope: Scope, send: Send, error: FilmArchiveError, message: str) -> None:
    """One of our errors, said with `message`."""
    await send_error(scope, send, status_of(error), message)
