"""A real Kitsu server for the tests: zou on free ports, with a PostgreSQL and a Redis of its own, gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tools import kitsu_server as environment

EMAIL, PASSWORD = "admin@example.com", "a-password-that-must-not-be-seen"
"""The administrator; any other address would be looked up in the DNS."""

_PATIENCE = 90.0
_SEED = """
import sys
import zou.cli
from alembic import command
command.upgrade(zou.cli._get_alembic_config(), "head")
from zou.app import app
from zou.app.services import persons_service
from zou.app.utils import auth
with app.app_context():
    persons_service.create_person(sys.argv[1], auth.encrypt_password(sys.argv[2]), "Super", "Admin", role="admin")
"""
"""Schema and administrator in one process instead of `zou init-db` and `zou create-admin`; none of `zou init-data`."""


@dataclass(frozen=True, slots=True)
class KitsuServer:
    """A running server."""

    host: str
    folder: Path

    def log(self) -> str:
        return (self.folder / "gunicorn.log").read_text("utf-8", "replace")


@contextmanager
def kitsu_server() -> Iterator[KitsuServer]:
    """Start a server with an empty database and one administrator; skips where a part of it is not installed."""
    postgres = _postgres_programs()
    redis = shutil.which("redis-server")
    if postgres is None or redis is None or shutil.which("ffmpeg") is None:
        pytest.skip("PostgreSQL, Redis or ffmpeg is not installed")
    if not environment.is_there():
        pytest.skip("zou is not installed; tools/kitsu_server.py does it")
    folder = Path(tempfile.mkdtemp(prefix="film-archive-kitsu-"))
    folder.chmod(0o755)  # PostgreSQL runs as another user where we are root
    try:
        with contextlib.ExitStack() as running:
            yield _started(folder, postgres, redis, running)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, postgres: Path, redis: str, running: contextlib.ExitStack) -> KitsuServer:
    database, cache, http = (_free_port() for _ in range(3))
    for name in ("postgres", "previews", "tmp", "plugins", "handlers"):
        (folder / name).mkdir()
    account = _account()
    if account:
        os.chown(folder / "postgres", account["user"], account["group"])
    data = folder / "postgres"
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    _run([postgres / "initdb", "-D", data, *options], account=account)
    settings = (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
    )
    words = [word for setting in settings for word in ("-c", setting)]
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
    running.enter_context(
        _running(
            [postgres / "postgres", "-D", data, "-p", str(database), *words], folder, "postgres", signal.SIGINT, account
        )
    )
    keeping = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    running.enter_context(_running([redis, "--port", str(cache), "--bind", "127.0.0.1", *keeping], folder, "redis"))
    _wait(lambda: _answers(database) and _answers(cache), "PostgreSQL and Redis")
    _run([postgres / "createdb", "-h", "127.0.0.1", "-p", str(database), "-U", "postgres", "zou"])
    variables = _variables(folder, database, cache)
    zou = environment.place() / "bin"
    _run([zou / "python", "-c", _SEED, EMAIL, PASSWORD], variables=variables)
    running.enter_context(
        _running(
            [zou / "gunicorn", "-b", f"127.0.0.1:{http}", "-k", "gthread", "--threads", "4", "-w", "1",
             "--control-socket", str(folder / "gunicorn.ctl"), "--timeout", "300", "--graceful-timeout", "1", "zou.app:app"],
            folder, "gunicorn", variables=variables,
        )
    )  # fmt: skip
    server = KitsuServer(f"http://127.0.0.1:{http}", folder)
    _wait(lambda: _speaks(server.host), "zou")
    return server


def _variables(folder: Path, database: int, cache: int) -> dict[str, str]:
    """What zou reads from the environment: ours, and what keeps it quiet, quick and off the network."""
    return {
        **os.environ,
        "DB_HOST": "127.0.0.1", "DB_PORT": str(database), "DB_USERNAME": "postgres", "DB_PASSWORD": "x", "DB_DATABASE": "zou",
        "DB_POOL_SIZE": "5", "KV_HOST": "127.0.0.1", "KV_PORT": str(cache), "SECRET_KEY": os.urandom(24).hex(),
        "PREVIEW_FOLDER": str(folder / "previews"), "TMP_DIR": str(folder / "tmp"),
        "PLUGIN_FOLDER": str(folder / "plugins"), "EVENT_HANDLERS_FOLDER": str(folder / "handlers"),
        "INDEXER_HOST": "127.0.0.1", "INDEXER_PORT": "1", "ENABLE_JOB_QUEUE": "False", "IS_SELF_HOSTED": "False",
        "MAIL_ENABLED": "False", "MAIL_CHECK_DELIVERABILITY": "False", "BCRYPT_LOG_ROUNDS": "4",
        "PYTHONPATH": "", "HOME": str(folder),
    }  # fmt: skip


@contextmanager
def _running(
    words: list[str | Path],
    folder: Path,
    name: str,
    ending: signal.Signals = signal.SIGTERM,
    account: dict[str, int] | None = None,
    variables: dict[str, str] | None = None,
) -> Iterator[None]:
    """A program that runs while the block lasts, its messages in `NAME.log`."""
    with open(folder / f"{name}.log", "wb") as log:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=variables, extra_groups=[] if account else None,
            **(account or {}),
        )  # fmt: skip
    try:
        yield
    finally:
        process.send_signal(ending)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _run(
    words: list[str | Path], account: dict[str, int] | None = None, variables: dict[str, str] | None = None
) -> None:
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", env=variables, timeout=_PATIENCE, check=False,
        extra_groups=[] if account else None, **(account or {}),
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {done.stdout[-1000:]}{done.stderr[-3000:]}")


def _account() -> dict[str, int]:
    """PostgreSQL refuses to run as root: the account that its package made, where we are root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no account postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def _postgres_programs() -> Path | None:
    """The newest PostgreSQL's folder; Debian keeps them off PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return None if initdb is None else Path(initdb).resolve().parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(ready: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} did not start within {_PATIENCE} s.")
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _speaks(host: str) -> bool:
    try:
        with urllib.request.urlopen(host, timeout=5) as answer:
            return "version" in json.load(answer)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
