"""Running the server: its sockets, its workers, its end.

One worker runs in this process. Several are processes of their own, each with its own socket on the same port
(SO_REUSEPORT), so that the system spreads connections over them; this process only watches.

Told to stop (Ctrl-C, SIGTERM), the server takes no more connections and lets transfers end, for at most `GRACE`
seconds; told again, it breaks them off.
"""

from __future__ import annotations

import errno
import gc
import ipaddress
import logging
import os
import resource
import secrets
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NoReturn

import uvicorn

from film_archive.core import places
from film_archive.core.errors import Refused, StorageError, UsageError, from_os_error
from film_archive.core.records import Record
from film_archive.server.access import Grant, Guard, read_grants, require_roots
from film_archive.server.app import create_app
from film_archive.server.catalog_api import open_catalog
from film_archive.server.gate import access_log
from film_archive.server.holdings import Holdings
from film_archive.server.zerocopy import protocol_class

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
    """One with every right."""
    tokens: Path | None = None
    """A file with more (`access.read_grants`)."""
    certificate: Path | None = None
    key: Path | None = None
    root_path: str = ""
    """What addresses begin with where a proxy stands before the server."""
    follow_links: bool = False
    catalog: str | None = None
    """A file or a database's URL, to be searched."""
    access_log: bool = False
    """A line for each answer on stderr."""


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
    holdings = Holdings(settings.roots)  # says what is wrong with them before anything is opened
    grants = _grants(settings)
    require_roots(grants, [root.label for root in holdings.roots])
    hosts = _allowed_hosts(settings, grants)
    _check_tls(settings)
    if settings.catalog is not None:
        open_catalog(settings.catalog).close()
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="film-archive-serve-", dir=places.temporary())))
        sockets: list[list[socket.socket]] = []
        port = settings.port
        for _ in range(settings.workers):
            sockets.append(_listen(settings.host, port, shared=settings.workers > 1))
            for one in sockets[-1]:
                held.enter_context(one)
            port = sockets[0][0].getsockname()[1]
        work = _Work(settings, grants, hosts, folder)
        scheme = "http" if settings.certificate is None else "https"
        on_listening(f"{scheme}://{_in_url(settings.host)}:{port}/")
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


def _grants(settings: Settings) -> tuple[Grant, ...]:
    """All tokens; raises UsageError where one can't be a token."""
    given = () if settings.token is None else (Grant(settings.token),)
    grants = (*given, *(() if settings.tokens is None else read_grants(settings.tokens)))
    Guard(grants)
    return grants


def _check_tls(settings: Settings) -> None:
    """Say what is wrong with a certificate before a worker fails on it."""
    if (settings.certificate is None) != (settings.key is None):
        raise UsageError("TLS takes both a certificate and its key (--cert and --key).")
    if settings.certificate is None or settings.key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certificate, settings.key, password=_no_password)
    except ssl.SSLError as error:
        raise UsageError(f"{settings.certificate} and {settings.key} are no certificate and its key ({error.reason}).") from error
    except OSError as error:
        raise from_os_error(error, f"read {settings.certificate} or {settings.key}") from error


def _no_password() -> NoReturn:
    raise UsageError("The key is locked with a password, which nobody could type when a worker starts; unlock a copy of it.")


def _allowed_hosts(settings: Settings, grants: Sequence[Grant]) -> frozenset[str] | None:
    """The Host names to answer to; None for all, once a token guards the server."""
    if grants:
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
    """What a worker needs to know; goes to its process through a pipe, where no one else reads the tokens."""

    settings: Settings
    grants: tuple[Grant, ...]
    hosts: frozenset[str] | None
    folder: Path
    """What all workers share: jobs, and what each has counted."""
    number: int = 0


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
    settings = work.settings
    if settings.access_log:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
        access_log.setLevel(logging.INFO)
    _allow_files()
    app = create_app(
        settings.roots,
        hosts=work.hosts,
        grants=work.grants,
        follow_links=settings.follow_links,
        work=work.folder,
        worker=work.number,
        catalog=settings.catalog,
    )
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=protocol_class(),
        ws="none",
        root_path=settings.root_path,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.root_path),  # believed from this machine only
        forwarded_allow_ips="127.0.0.1,::1",
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=GRACE,
    )
    server = _Server(config, on_started, on_stopping)
    gc.collect()
    gc.freeze()  # what was loaded stays; to look at it again and again costs more than a request does
    before = signal.signal(signal.SIGTERM, _interrupted)  # uvicorn raises the signal again when it has ended
    try:
        server.run(sockets)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return not server.force_exit


def _allow_files() -> None:
    """As many open files as the system lets us have, up to what all connections need: two each, and the archives."""
    wanted = 2 * _CONNECTIONS + 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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
            self._workers = [self._start(number) for number in range(len(self._sockets))]
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

    def _start(self, number: int) -> tuple[SpawnProcess, Event]:
        context = get_context("spawn")
        started = context.Event()
        given = (replace(self._work, number=number), self._sockets[number], started)
        worker = context.Process(target=_run_worker, args=given, daemon=True)
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
            self._workers[index] = self._start(index)

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
        # One that was told before it served, as one that took a dead one's place a moment ago, had nothing to break off.
        return all(worker.exitcode == 0 or not started.is_set() for worker, started in self._workers)
