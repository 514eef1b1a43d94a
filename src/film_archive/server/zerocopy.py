"""Bytes from the page cache to the socket without passing through Python: our one tie to uvicorn's inside.

`protocol_class()` is uvicorn's own HTTP protocol, which in addition offers the ASGI extension
`http.response.zerocopysend` (asgiref, "Zero Copy Send": file, offset, count). Bytes go in slices of at most SLICE, one
for each time that the socket has room, so that clients are served in turn. A slice that is not in the page cache is
read and sent by a thread; the event loop waits for no disk.

What is used of uvicorn beyond its configuration: protocol attributes `app`, `transport`, `loop`; of its cycle (whose
bound method `send` an application gets) `transport`, `flow`, `disconnected`, and the count of what is still to be sent
(`expected_content_length` with httptools, the h11 connection without). `tests/server/test_zerocopy.py` holds this
against the installed uvicorn, and nightly against the oldest and the newest that is allowed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from film_archive.core.source import OpenFile
from film_archive.server.sending import ZERO_COPY, Application, Message, Receive, Scope, Send

SLICE = 2 << 20
"""Bytes sent at once before others have their turn."""
AHEAD = 8 << 20
"""Bytes that the system is told to read where a client meets what is not in the page cache."""
GIVEN_UP = 600_000
"""Milliseconds that a client may take nothing, whether it has vanished or sleeps; the system then ends the connection."""

_TRUSTED = 0.25
"""Seconds for which what was in the page cache is taken to be there still."""
_CORK: int | None = getattr(socket, "TCP_CORK", None)
_STEP = 256 << 10
"""Distance of the bytes that are looked for in the page cache: the system reads and forgets in runs of about this."""
_THREADS = 16
_LOST = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN, errno.ETIMEDOUT, errno.ECONNABORTED}
_log = logging.getLogger("film_archive.server")

is_possible = hasattr(os, "sendfile") and hasattr(os, "RWF_NOWAIT") and hasattr(os, "posix_fadvise")
"""Whether this system has what it takes (Linux); elsewhere the plain way is taken."""


@lru_cache(maxsize=1)
def protocol_class() -> type[asyncio.Protocol]:
    """uvicorn's protocol with zero copy, over httptools where it is installed, else over h11."""
    module = "httptools_impl" if find_spec("httptools") is not None else "h11_impl"
    return protocol_over(module)


def protocol_over(module: str) -> type[asyncio.Protocol]:
    """The same over one of uvicorn's implementations, "httptools_impl" or "h11_impl"."""
    names = {"httptools_impl": "HttpToolsProtocol", "h11_impl": "H11Protocol"}
    base = getattr(import_module(f"uvicorn.protocols.http.{module}"), names[module])
    return type("ZeroCopyProtocol", (_ZeroCopy, base), {})


class _ZeroCopy:
    """Mixed into a protocol of uvicorn's."""

    app: Application
    loop: asyncio.AbstractEventLoop

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._outlet: Outlet | None = None
        self._application, self.app = self.app, self._offer

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
        self._socket: OpenFile | None = None
        """The same socket under a number of ours: asyncio watches one number for one owner only."""
        self._watching = False
        self._closed = False
        self._busy = False
        self._done: asyncio.Future[bool] | None = None
        self._file: OpenFile | None = None
        self._offset = self._end = 0
        self._cached_to = 0
        """Up to where the file was found in the page cache, at `_looked`."""
        self._looked = 0.0
        self._corked = False

    def cork(self, corked: bool) -> None:
        """Let the system fill whole packets, until the last of an answer (TCP_CORK, tcp(7))."""
        if corked != self._corked and _CORK is not None and not self._closed:
            self._corked = corked
            self._stream.setsockopt(socket.IPPROTO_TCP, _CORK, corked)

    async def send(self, file: OpenFile, offset: int, count: int) -> bool:
        """Send bytes of a file; False where they could not all be sent and the connection has to end."""
        if self._closed:
            return False
        if self._socket is None:
            self._socket = OpenFile(os.dup(self._stream.fileno()))
        self._file, self._offset, self._end = file, offset, offset + count
        self._cached_to = offset
        done: asyncio.Future[bool] = self._loop.create_future()
        self._done = done
        try:
            self._step()
            return await done
        finally:
            self._stop(False)

    def close(self) -> None:
        """The connection has ended."""
        self._closed = True
        self._stop(False)
        self._socket = None  # a thread that still sends holds it, too

    def _stop(self, well: bool) -> None:
        if self._watching and self._socket is not None:
            self._loop.remove_writer(self._socket.number)
            self._watching = False
        if self._done is not None and not self._done.done():
            self._done.set_result(well)
        self._file = None

    def _step(self) -> None:
        """Send one slice, as much of it as the socket takes."""
        file, own = self._file, self._socket
        if file is None or own is None or self._busy:
            return
        count = min(self._end - self._offset, SLICE)
        if not self._is_cached(file, count):
            self._step_in_thread(own, file, count)
            return
        try:
            sent = os.sendfile(own.number, file.number, self._offset, count)
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
        if self._offset == self._end:
            self._stop(True)
        elif self._socket is not None:
            self._watch(self._socket)

    def _failed(self, error: OSError) -> None:
        if error.errno not in _LOST:
            _log.error("Broke off an answer with %d bytes to go: %s", self._end - self._offset, error)
        self._stop(False)

    def _watch(self, own: OpenFile) -> None:
        if not self._watching:
            self._loop.add_writer(own.number, self._step)
            self._watching = True

    def _step_in_thread(self, own: OpenFile, file: OpenFile, count: int) -> None:
        if self._watching:
            self._loop.remove_writer(own.number)
            self._watching = False
        self._busy = True
        work = self._loop.run_in_executor(_threads(), _send_cold, own, file, self._offset, count, self._end)
        work.add_done_callback(self._after_thread)

    def _after_thread(self, work: asyncio.Future[int]) -> None:
        self._busy = False
        error = None if work.cancelled() else work.exception()
        if self._file is None or self._closed:
            return
        if isinstance(error, BlockingIOError):
            assert self._socket is not None
            self._watch(self._socket)
        elif isinstance(error, OSError):
            self._failed(error)
        elif error is not None or work.cancelled():
            self._stop(False)
        else:
            self._sent(work.result())


def is_cached(file: OpenFile, offset: int, count: int) -> bool:
    """Whether bytes of a file seem to be in the page cache, from a few of them. Never waits for a disk."""
    last = offset + count - 1
    one = [bytearray(1)]
    try:
        for place in range(offset, last, _STEP):
            os.preadv(file.number, one, place, os.RWF_NOWAIT)
        os.preadv(file.number, one, last, os.RWF_NOWAIT)
    except OSError:  # EAGAIN: it is not; EOPNOTSUPP: this file system can't tell
        return False
    return True


def _send_cold(own: OpenFile, file: OpenFile, offset: int, count: int, end: int) -> int:
    os.posix_fadvise(file.number, offset, min(AHEAD, end - offset), os.POSIX_FADV_WILLNEED)
    return os.sendfile(own.number, file.number, offset, count)


@lru_cache(maxsize=1)
def _threads() -> Executor:
    """Threads that wait for disks, so many at once; of the process, since so are its disks."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="cold")
