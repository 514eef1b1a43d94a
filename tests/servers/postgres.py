"""PostgreSQL as Debian has it: a cluster of its own, and one schema for each test."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.running import answers, folder, free_port, run, running, wait


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; `postgres` may do everything, without a password."""

    port: int
    programs: Path

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def ask(self, statement: str) -> str:
        """Let psql run a statement; what it answers."""
        words = [self.programs / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-XAtqc", statement]
        return run(words)

    def schema(self) -> str:
        """The address of a schema that nothing is in."""
        name = f"test_{secrets.token_hex(6)}"
        self.ask(f"CREATE SCHEMA {name}")
        return f"{self.url}?options=-csearch_path%3D{name}"


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server; skips where there is none."""
    pytest.importorskip("psycopg")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed; tools/install-debian.sh does it")
    account = postgres_account()
    with folder("postgres") as place:
        make_cluster(place / "postgres", programs, account)
        port = free_port()
        with cluster(place, programs, port, account, signal.SIGQUIT):
            yield PostgresServer(port, programs)


def make_cluster(data: Path, programs: Path, account: dict[str, int]) -> None:
    """Make an empty cluster, as PostgreSQL's account."""
    data.mkdir()
    give(data, account)
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
    run([programs / "initdb", "-D", data, *options], account=account)


@contextmanager
def cluster(
    place: Path, programs: Path, port: int, account: dict[str, int], ending: signal.Signals = signal.SIGINT
) -> Iterator[None]:
    """The server of the cluster in `place`/postgres, which waits for no drive."""
    settings = (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
    )
    words = [word for setting in settings for word in ("-c", setting)]
    command = [programs / "postgres", "-D", place / "postgres", "-p", str(port), *words]
    # SIGINT is PostgreSQL's fast shutdown, SIGQUIT leaves the cluster as it is; SIGTERM would wait for clients to leave.
    with running(command, place, "postgres", ending, account) as process:
        wait(lambda: answers(port) and _is_ready(programs, port), "PostgreSQL", process)
        yield


def give(data: Path, account: dict[str, int]) -> None:
    """Let PostgreSQL's account own a folder and all in it."""
    data.chmod(0o700)
    if account:
        for path in (data, *data.rglob("*")):
            os.chown(path, account["user"], account["group"])


def _is_ready(programs: Path, port: int) -> bool:
    command = [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
    return subprocess.run(command, check=False, cwd="/").returncode == 0


def postgres_account() -> dict[str, int]:
    """PostgreSQL refuses to run as root: the account that its package made, where we are root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no account postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def postgres_programs() -> Path | None:
    """The newest PostgreSQL's folder; Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return None if initdb is None else Path(initdb).resolve().parent
