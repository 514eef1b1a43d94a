"""A real Kitsu server for the tests: zou on free ports, with a PostgreSQL and a Redis of its own, gone afterwards."""

from __future__ import annotations

import contextlib
import hashlib
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
    # PostgreSQL runs as another user where we are root, who may not look into a folder of ours.
    folder = Path(tempfile.mkdtemp(prefix="film-archive-kitsu-", dir="/tmp" if _account() else None))
    folder.chmod(0o755)
    try:
        with contextlib.ExitStack() as running:
            yield _started(folder, postgres, redis, running)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(folder: Path, postgres: Path, redis: str, running: contextlib.ExitStack) -> KitsuServer:
    database, cache, http = (_free_port() for _ in range(3))
    for name in ("previews", "tmp", "plugins", "handlers"):
        (folder / name).mkdir()
    account = _account()
    keeping = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    running.enter_context(_running([redis, "--port", str(cache), "--bind", "127.0.0.1", *keeping], folder, "redis"))
    _wait(lambda: _answers(cache), "Redis")
    variables = _variables(folder, database, cache)
    template = (
        environment.place() / f"database-{postgres.parent.name}-{hashlib.sha256(_SEED.encode()).hexdigest()[:12]}"
    )
    if not template.is_dir():
        _make_template(template, folder, postgres, database, variables, account)
    shutil.copytree(template, folder / "postgres")
    _give(folder / "postgres", account)
    running.enter_context(_database(folder, postgres, database, account))
    zou = environment.place() / "bin"
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


@contextmanager
def _database(folder: Path, postgres: Path, port: int, account: dict[str, int]) -> Iterator[None]:
    settings = (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
    )
    words = [word for setting in settings for word in ("-c", setting)]
    command = [postgres / "postgres", "-D", folder / "postgres", "-p", str(port), *words]
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
    with _running(command, folder, "postgres", signal.SIGINT, account):
        _wait(lambda: _answers(port) and _is_ready(postgres, port), "PostgreSQL")
        yield


def _make_template(
    template: Path, folder: Path, postgres: Path, port: int, variables: dict[str, str], account: dict[str, int]
) -> None:
    """A database with zou's tables and the administrator, kept beside zou: making it takes most of a start's time."""
    data = folder / "postgres"
    data.mkdir()
    _give(data, account)
    options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    _run([postgres / "initdb", "-D", data, *options], account=account)
    with _database(folder, postgres, port, account):
        _run([postgres / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "zou"])
        _run([environment.place() / "bin" / "python", "-c", _SEED, EMAIL, PASSWORD], variables=variables)
    with tempfile.TemporaryDirectory(dir=template.parent) as making:
        shutil.copytree(data, Path(making, "database"))
        with contextlib.suppress(OSError):  # another run has made it meanwhile
            os.rename(Path(making, "database"), template)
    shutil.rmtree(data)


def _give(folder: Path, account: dict[str, int]) -> None:
    """Let PostgreSQL's account own a folder and all in it."""
    folder.chmod(0o700)
    if account:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account["user"], account["group"])


def _is_ready(postgres: Path, port: int) -> bool:
    command = [postgres / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
    return subprocess.run(command, check=False, cwd="/").returncode == 0


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
