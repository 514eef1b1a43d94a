"""Running the server: its sockets, its workers, its end.

One worker runs in this process. Several are processes of their own, each with its own socket on the same port
(SO_REUSEPORT), so that the system spreads connections over them; this process only watches.

Told to stop (Ctrl-C, SIGTERM), the server takes no more connections and lets transfers end, for at most `GRACE`
seconds; told again, it breaks them off.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import uvicorn

from film_archive.core.errors import Refused, StorageError, UsageError, from_os_error
from film_archive.core.records import Record
from film_archive.server.app import create_app
from film_archive.server.gate import Token
from film_archive.server.holdings import Holdings

GRACE = 10
"""Seconds that transfers have to end."""

_BACKLOG = 2048
_CONNECTIONS = 1024
"""A worker answers 503 to those beyond."""
_IDLE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to serve, where, and to whom. Port 0 is any free one."""

    roots: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving(Record):
    """A server that listens: what `serve` prints once connections are accepted, and nothing after it."""

    address: str
    """The address to open."""
    roots: tuple[str, ...]
    """What is served."""
    workers: int
    """Processes that share the port."""
    needs_token: bool
    """Whether clients have to show a token."""


def run_server(settings: Settings, *, on_listening: Callable[[str], None], on_stopping: Callable[[], None]) -> bool:
    """Serve until told to stop; True where all transfers could end, False where they were broken off.

    `on_listening` hears the address to open once connections are accepted. Raises Refused where the address is not this
    machine's alone and there is no token, or the port is taken.
    """
    Holdings(settings.roots)  # says what is wrong with them before anything is opened
    hosts = _allowed_hosts(settings)
    with ExitStack() as held:
        sockets: list[list[socket.socket]] = []
        port = settings.port
        for _ in range(settings.workers):
            sockets.append(_listen(settings.host, port, shared=settings.workers > 1))
            for one in sockets[-1]:
                held.enter_context(one)
            port = sockets[0][0].getsockname()[1]
        work = _Work(settings.roots, settings.token, hosts)
        on_listening(f"http://{_in_url(settings.host)}:{port}/")
        if settings.workers == 1:
            return _serve(work, sockets[0], on_started=lambda: None, on_stopping=on_stopping)
        return _Crew(work, sockets, on_stopping).run()


# Addresses


def is_loopback(host: str) -> bool:
    """Whether all addresses of a host are this machine's own; raises UsageError where it has none."""
    addresses = {str(address[0]).partition("%")[0] for *_, address in _addresses(host, 0)}
    return all(ipaddress.ip_address(address).is_loopback for address in addresses)


def _addresses(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{host!r} is no address of this machine ({error}); see --host.") from error


def _allowed_hosts(settings: Settings) -> frozenset[str] | None:
    """The Host names to answer to; None for all, once a token guards the server."""
    if settings.token is not None:
        Token(settings.token)  # says what is wrong with it
        return None
    if not is_loopback(settings.host):
        suggestion = secrets.token_hex(16)
        raise Refused(
            f"Whoever reaches {settings.host} could read everything, so it is served only with a token; give one, for "
            f"example --token {suggestion}, or leave --host out to serve this machine alone."
        )
    return frozenset({"localhost", "127.0.0.1", "[::1]", _in_url(settings.host).lower()})


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host or "127.0.0.1"


def _listen(host: str, port: int, *, shared: bool) -> list[socket.socket]:
    """Sockets that listen on all addresses of a host, on one port."""
    sockets: list[socket.socket] = []
    seen = set()
    try:
        for family, kind, protocol, _, address in _addresses(host, port):
            where = (address[0], port, *address[2:])
            if (family, where) in seen:
                continue
            seen.add((family, where))
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(where)
            one.listen(_BACKLOG)
            port = one.getsockname()[1]
    except OSError as error:
        for one in sockets:
            one.close()
        if error.errno == errno.EADDRINUSE:
            raise Refused(
                f"Port {port} of {host} is in use; give another with --port, or --port 0 for any that is free."
            ) from error
        raise from_os_error(error, f"listen on {host}, port {port}") from error
    return sockets


# A worker


@dataclass(frozen=True, slots=True)
class _Work:
    """What a worker needs to know; goes to its process through a pipe, where no one else reads the token."""

    roots: tuple[Path, ...]
    token: str | None
    hosts: frozenset[str] | None


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit and self.server_state.tasks:
            self._on_stopping()
        if self.should_exit:  # told a second time, by whatever signal
            self.force_exit = True
        super().handle_exit(sig, frame)


def _serve(
    work: _Work, sockets: list[socket.socket], *, on_started: Callable[[], None], on_stopping: Callable[[], None]
) -> bool:
    config = uvicorn.Config(
        create_app(work.roots, work.token, hosts=work.hosts),
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config, on_started, on_stopping)
    before = signal.signal(signal.SIGTERM, _interrupted)  # uvicorn raises the signal again when it has ended
    try:
        server.run(sockets)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return not server.force_exit


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _run_worker(work: _Work, sockets: list[socket.socket], started: Event) -> None:
    """The main function of a worker's process; its exit status is 0 where all transfers could end, else 1."""
    os.setpgid(0, 0)  # Ctrl-C of the terminal reaches the watching process only, which passes it on
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    sys.exit(0 if _serve(work, sockets, on_started=started.set, on_stopping=lambda: None) else 1)


def _end_with(sentinel: int) -> None:
    """When the watching process is killed, its workers end, too."""
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


class _Crew:
    """Several workers, watched: one that dies is replaced, unless it died before it could serve."""

    def __init__(
        self, work: _Work, sockets: Sequence[list[socket.socket]], on_stopping: Callable[[], None]
    ) -> None:
        self._work = work
        self._sockets = sockets
        self._on_stopping = on_stopping
        self._told = 0
        self._workers: list[tuple[SpawnProcess, Event]] = []

    def run(self) -> bool:
        before = {sign: signal.signal(sign, self._tell) for sign in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._workers = [self._start(sockets) for sockets in self._sockets]
            while not self._told:
                connection.wait([worker.sentinel for worker, _ in self._workers], timeout=0.5)
                self._replace_the_dead()
            return self._end()
        finally:
            for worker, _ in self._workers:
                if worker.is_alive():
                    worker.kill()
                worker.join()
            for sign, handler in before.items():
                signal.signal(sign, handler)

    def _tell(self, number: int, frame: FrameType | None) -> None:
        self._told += 1
        if self._told == 1:
            self._on_stopping()

    def _start(self, sockets: list[socket.socket]) -> tuple[SpawnProcess, Event]:
        context = get_context("spawn")
        started = context.Event()
        worker = context.Process(target=_run_worker, args=(self._work, sockets, started), daemon=True)
        worker.start()
        return worker, started

    def _replace_the_dead(self) -> None:
        for index, (worker, started) in enumerate(self._workers):
            if worker.is_alive() or self._told:
                continue
            if not started.is_set():
                raise StorageError(
                    f"A worker of the server ended before it could serve (exit status {worker.exitcode}), so all were "
                    "stopped; what it said stands above."
                )
            self._workers[index] = self._start(self._sockets[index])

    def _end(self) -> bool:
        for worker, _ in self._workers:
            worker.terminate()
        passed_on = 1
        deadline = time.monotonic() + GRACE + 5
        while any(worker.is_alive() for worker, _ in self._workers) and time.monotonic() < deadline:
            connection.wait([worker.sentinel for worker, _ in self._workers if worker.is_alive()], timeout=0.2)
            if self._told > passed_on:
                passed_on = self._told
                for worker, _ in self._workers:
                    worker.terminate()
        return all(worker.exitcode == 0 for worker, _ in self._workers)
