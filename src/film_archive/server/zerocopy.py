"""Bytes from the page cache to the socket without passing through Python: our one tie to uvicorn's inside.

`protocol_class()` is uvicorn's own HTTP protocol, which in addition

* offers the ASGI extension `http.response.zerocopysend` (asgiref, "Zero Copy Send": file, offset, count). Bytes go in
  slices of at most SLICE, one for each time that the socket has room, so that clients are served in turn. A slice that
  is not in the page cache is read and sent by a thread; the event loop waits for no disk;
* answers plain requests of a range of an open file at once (`server/at_once.py`), without a task and an ASGI cycle,
  where the application has `at_once`. What it answers so is what it would answer otherwise.

What is used of uvicorn beyond its configuration: of the protocol `app`, `loop`, `transport`, `cycle`, `client`,
`connections`, `limit_concurrency`, `server_state`, `shutdown` and the keep-alive timer; of its cycle (whose bound method
`send` an application gets) `transport`, `flow`, `disconnected`, `response_complete`, and the count of what is still to
be sent (`expected_content_length` with httptools, the h11 connection without). `tests/server/test_zerocopy.py` holds
this against the installed uvicorn, and nightly against the oldest and the newest that is allowed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from film_archive.core.source import OpenFile
from film_archive.server.at_once import AtOnce, read_request
from film_archive.server.sending import ZERO_COPY, Application, Message, Receive, Scope, Send

SLICE = 1 << 21
"""Bytes sent at once before others have their turn."""
FIRST = 1 << 21
"""Bytes sent before anything else is looked at when an answer begins: its client can begin, too."""
AHEAD = 8 << 20
"""Bytes that the system is told to read where a client meets what is not in the page cache."""
GIVEN_UP = 600_000
"""Milliseconds that a client may take nothing, whether it has vanished or sleeps; the system then ends the connection."""

_MOST_BEHIND = 1 << 16
"""Bytes of further requests that are kept while one is answered."""
_TRUSTED = 1.0
"""Seconds for which what was in the page cache is taken to be there still."""
_STEP = 512 << 10
"""Distance of the bytes that are looked for in the page cache: the system reads and forgets in runs of about this."""
_ONE_BYTE = [bytearray(1)]
"""Where bytes go that are only looked for."""
_THREADS = 16
_CORK: int | None = getattr(socket, "TCP_CORK", None)
_MORE: int = getattr(socket, "MSG_MORE", 0)
_LOST = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT, errno.ECONNABORTED}
_log = logging.getLogger("film_archive.server")

is_possible = hasattr(os, "sendfile") and hasattr(os, "RWF_NOWAIT") and hasattr(os, "posix_fadvise")
"""Whether this system has what it takes (Linux); elsewhere the plain way is taken."""


@lru_cache(maxsize=1)
def protocol_class() -> type[asyncio.Protocol]:
    """uvicorn's protocol with zero copy, over httptools where it is installed, else over h11."""
    return protocol_over("httptools_impl" if find_spec("httptools") is not None else "h11_impl")


def protocol_over(module: str) -> type[asyncio.Protocol]:
    """The same over one of uvicorn's implementations, "httptools_impl" or "h11_impl"."""
    names = {"httptools_impl": "HttpToolsProtocol", "h11_impl": "H11Protocol"}
    base = getattr(import_module(f"uvicorn.protocols.http.{module}"), names[module])
    return type("ZeroCopyProtocol", (_ZeroCopy, base), {})


class _ZeroCopy:
    """Mixed into a protocol of uvicorn's, whose attributes are named in the module's first lines."""

    app: Any
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any
    client: tuple[str, int] | None
    connections: set[Any]
    limit_concurrency: int | None
    server_state: Any
    timeout_keep_alive: float
    timeout_keep_alive_task: asyncio.TimerHandle | None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._outlet: Outlet | None = None
        self._answer: AtOnce | None = None
        """What is being answered at once."""
        self._behind = b""
        self._aligned = True
        """Whether whatever comes next begins a request: only whole requests without a body have come so far."""
        self._ending = False
        self._at_once: Callable[[Scope], AtOnce | None] | None = _own_application(self.app)
        self._application: Application = self.app
        self.app = self._offer

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)  # type: ignore[misc]  # asyncio.Protocol's, by the other base
        one = transport.get_extra_info("socket")
        if one is None or one.family not in (socket.AF_INET, socket.AF_INET6):
            return
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GIVEN_UP)
        if is_possible and transport.get_extra_info("sslcontext") is None:
            self._outlet = Outlet(one, self.loop)

    def connection_lost(self, error: Exception | None) -> None:
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None
        super().connection_lost(error)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        if self._answer is not None:
            self._behind += data
            if len(self._behind) > _MOST_BEHIND:
                self.transport.pause_reading()
        elif not self._answered_at_once(data):
            super().data_received(data)  # type: ignore[misc]

    def shutdown(self) -> None:
        if self._answer is not None:
            self._ending = True
        else:
            super().shutdown()  # type: ignore[misc]

    # Answers at once

    def _answered_at_once(self, data: bytes) -> bool:
        """Begin the answer to a request where it is a plain one and all is known; else it is uvicorn's."""
        outlet = self._outlet
        if not self._aligned or self._at_once is None or outlet is None:
            return False
        scope = read_request(data)
        if scope is None:
            self._aligned = False  # a body, or a part of a request: from here on only a parser knows where one begins
            return False
        idle = self.cycle is None or self.cycle.response_complete
        if not idle or self.transport.is_closing() or self.transport.get_write_buffer_size():
            return False
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            return False
        scope["client"] = self.client
        answer = self._at_once(scope)
        if answer is None:
            return False
        self._unset_keepalive_if_required()  # type: ignore[attr-defined]
        self._answer = answer
        head = answer.head(self.server_state.default_headers)
        outlet.begin(head, answer.run.file, answer.run.offset, answer.run.length, self._ended)
        return True

    def _ended(self, well: bool) -> None:
        """An answer at once has ended, with all its bytes or not."""
        answer, self._answer = self._answer, None
        assert answer is not None
        answer.ended(well)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if not well:
            self.transport.abort()
        elif self._ending:
            self.transport.close()
        else:
            handler = self.timeout_keep_alive_handler  # type: ignore[attr-defined]
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, handler)
            if self._behind:
                behind, self._behind = self._behind, b""
                if len(behind) > _MOST_BEHIND:
                    self.transport.resume_reading()
                self.loop.call_soon(self.data_received, behind)

    # Answers through ASGI

    async def _offer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, told that files can be sent."""
        outlet = self._outlet
        if outlet is None:
            await self._application(scope, receive, send)
            return
        cycle: Any = send.__self__  # type: ignore[attr-defined]  # the request's own; the protocol may have the next one
        held: Message | None = None

        async def send_more(message: Message) -> None:
            nonlocal held
            if message["type"] == ZERO_COPY:
                if held is not None:
                    outlet.cork(True)  # the head goes with the first bytes of the file
                    start, held = held, None
                    await send(start)
                await _send_file(cycle, outlet, message)
            elif message["type"] == "http.response.start" and held is None:
                held = message
            else:
                if held is not None:
                    start, held = held, None
                    await send(start)
                await send(message)
                if not message.get("more_body", False):
                    outlet.cork(False)

        scope.setdefault("extensions", {})[ZERO_COPY] = {}
        await self._application(scope, receive, send_more)
        if held is not None:  # an answer that its application did not finish: uvicorn says so
            await send(held)


def _own_application(app: Any) -> Callable[[Scope], AtOnce | None] | None:
    """`at_once` of our application, where uvicorn has put nothing around it."""
    found: Callable[[Scope], AtOnce | None] | None = getattr(app, "at_once", None)
    return found


async def _send_file(cycle: Any, outlet: Outlet, message: Message) -> None:
    if cycle.disconnected:
        return
    transport = cycle.transport
    if transport.get_write_buffer_size():
        # What uvicorn has written comes first; with a limit of 0 its flow control waits for all of it.
        transport.set_write_buffer_limits(high=0)
        await cycle.flow.drain()
        transport.set_write_buffer_limits()
        if cycle.disconnected:
            return
    count: int = message["count"]
    _note_sent(cycle, count)
    well = await outlet.send(message["file"], message["offset"], count)
    if not message.get("more_body", False):
        outlet.cork(False)
    if not well:
        cycle.disconnected = True  # so that uvicorn does not call the answer unfinished
        transport.abort()
    elif not message.get("more_body", False):
        await cycle.send({"type": "http.response.body", "body": b"", "more_body": False})


def _note_sent(cycle: Any, count: int) -> None:
    """Tell uvicorn that so many bytes of the body are sent without it."""
    connection = getattr(cycle, "conn", None)
    if connection is not None:
        h11 = import_module("uvicorn.protocols.http.h11_impl").h11
        connection.send_with_data_passthrough(h11.Data(data=_Sent(count)))  # as h11's manual has it for sendfile
        return
    if count > cycle.expected_content_length:
        raise RuntimeError("Response content longer than Content-Length")
    cycle.expected_content_length -= count


class _Sent:
    """Stands for bytes that h11 counts and does not see."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count


class Outlet:
    """A connection's socket as what files are sent into, one at a time."""

    def __init__(self, stream: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._stream = stream
        self._own: socket.socket | None = None
        """The same socket under a number of ours: asyncio watches one number for one owner only."""
        self._watching = False
        self._closed = False
        self._busy = False
        """Whether a thread uses the socket."""
        self._corked = False
        self._on_end: Callable[[bool], None] | None = None
        self._head = b""
        self._file: OpenFile | None = None
        self._offset = self._end = 0
        self._slice = FIRST
        self._cached_to = 0
        """Up to where the file was found in the page cache, at `_looked`."""
        self._looked = 0.0

    def cork(self, corked: bool) -> None:
        """Let the system fill whole packets, until the last of an answer (TCP_CORK, tcp(7))."""
        if corked != self._corked and _CORK is not None and not self._closed:
            self._corked = corked
            self._socket().setsockopt(socket.IPPROTO_TCP, _CORK, corked)

    async def send(self, file: OpenFile, offset: int, count: int) -> bool:
        """Send bytes of a file; False where they could not all be sent and the connection has to end."""
        done: asyncio.Future[bool] = self._loop.create_future()
        self.begin(b"", file, offset, count, lambda well: None if done.done() else done.set_result(well))
        try:
            return await done
        finally:
            self._stop(False)

    def begin(self, head: bytes, file: OpenFile, offset: int, count: int, on_end: Callable[[bool], None]) -> None:
        """Send `head`, then bytes of a file; `on_end` hears, once, whether all could be sent."""
        if self._closed or self._busy:
            on_end(False)
            return
        self._socket()
        self._on_end, self._head = on_end, head
        self._file, self._offset, self._end = file, offset, offset + count
        self._cached_to = offset
        self._slice = FIRST
        self._step()

    def close(self) -> None:
        """The connection has ended."""
        self._closed = True
        self._stop(False)
        if not self._busy:
            self._let_go()

    def _socket(self) -> socket.socket:
        if self._own is None:
            stream = self._stream
            self._own = socket.socket(stream.family, stream.type, stream.proto, os.dup(stream.fileno()))
        return self._own

    def _let_go(self) -> None:
        if self._own is not None:
            self._own.close()
            self._own = None

    def _stop(self, well: bool) -> None:
        if self._watching and self._own is not None:
            self._loop.remove_writer(self._own.fileno())
            self._watching = False
        self._file, self._head = None, b""
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(well)

    def _step(self) -> None:
        """Send one slice, as much of it as the socket takes."""
        file, own = self._file, self._own
        if file is None or own is None or self._busy:
            return
        count = min(self._end - self._offset, self._slice)
        if not self._is_cached(file, count):
            self._step_in_thread(own, file, count)
            return
        try:
            if self._head:
                self._head = self._head[own.send(self._head, _MORE) :]
                if self._head:
                    self._watch(own)
                    return
            sent = os.sendfile(own.fileno(), file.number, self._offset, count)
        except BlockingIOError:
            self._watch(own)
        except OSError as error:
            self._failed(error)
        else:
            self._sent(sent)

    def _is_cached(self, file: OpenFile, count: int) -> bool:
        """Whether the next bytes are in the page cache, or were a moment ago: the socket rarely takes all of a slice."""
        now = self._loop.time()
        if now - self._looked > _TRUSTED:
            self._cached_to = self._offset
            self._looked = now
        end = self._offset + count
        if self._cached_to < end:
            if not is_cached(file, self._cached_to, end - self._cached_to):
                return False
            self._cached_to = end
        return True

    def _sent(self, count: int) -> None:
        if count == 0:
            _log.error("Broke off an answer: a file has become shorter, %d bytes are missing", self._end - self._offset)
            self._stop(False)
            return
        self._offset += count
        self._slice = SLICE
        if self._offset == self._end:
            self._stop(True)
        elif self._own is not None:
            self._watch(self._own)

    def _failed(self, error: OSError) -> None:
        if error.errno not in _LOST:
            _log.error("Broke off an answer with %d bytes to go: %s", self._end - self._offset, error)
        self._stop(False)

    def _watch(self, own: socket.socket) -> None:
        if not self._watching:
            self._loop.add_writer(own.fileno(), self._step)
            self._watching = True

    def _step_in_thread(self, own: socket.socket, file: OpenFile, count: int) -> None:
        if self._watching:
            self._loop.remove_writer(own.fileno())
            self._watching = False
        self._busy = True
        head, self._head = self._head, b""
        work = self._loop.run_in_executor(_threads(), _send_cold, own, head, file, self._offset, count, self._end)
        work.add_done_callback(self._after_thread)

    def _after_thread(self, work: asyncio.Future[tuple[bytes, int]]) -> None:
        self._busy = False
        error = None if work.cancelled() else work.exception()
        if self._closed:
            self._let_go()
        if self._file is None or self._own is None:
            return
        if isinstance(error, OSError):
            self._failed(error)
        elif error is not None or work.cancelled():
            self._stop(False)
        else:
            self._head, sent = work.result()
            if sent < 0:
                self._watch(self._own)
            else:
                self._sent(sent)


def is_cached(file: OpenFile, offset: int, count: int) -> bool:
    """Whether bytes of a file seem to be in the page cache, from a few of them. Never waits for a disk."""
    last = offset + count - 1
    try:
        for place in (*range(offset, last, _STEP), last):
            os.preadv(file.number, _ONE_BYTE, place, os.RWF_NOWAIT)
    except OSError:  # EAGAIN: it is not; EOPNOTSUPP: this file system can't tell
        return False
    return True


def _send_cold(
    own: socket.socket, head: bytes, file: OpenFile, offset: int, count: int, end: int
) -> tuple[bytes, int]:
    """In a thread: (what is left of the head, how many bytes of the file were sent; -1 where the socket is full)."""
    os.posix_fadvise(file.number, offset, min(AHEAD, end - offset), os.POSIX_FADV_WILLNEED)
    try:
        if head:
            head = head[own.send(head, _MORE) :]
        return (head, -1) if head else (head, os.sendfile(own.fileno(), file.number, offset, count))
    except BlockingIOError:
        return head, -1


@lru_cache(maxsize=1)
def _threads() -> Executor:
    """Threads that wait for disks, so many at once; of the process, since so are its disks."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="cold")
