"""A real Kitsu server for the tests: zou on free ports, with a PostgreSQL and a Redis of its own, gone afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tools import kitsu_server as environment

from tests.servers.postgres import cluster, give, make_cluster, postgres_account, postgres_programs
from tests.servers.running import answers, folder, free_port, run, running, wait

EMAIL, PASSWORD = "admin@example.com", "a-password-that-must-not-be-seen"
"""The administrator; any other address would be looked up in the DNS."""

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
    postgres = postgres_programs()
    redis = shutil.which("redis-server")
    if postgres is None or redis is None or shutil.which("ffmpeg") is None:
        pytest.skip("PostgreSQL, Redis or ffmpeg is not installed")
    if not environment.is_there():
        pytest.skip("zou is not installed; tools/kitsu_server.py does it")
    with folder("kitsu") as place, contextlib.ExitStack() as stack:
        yield _started(place, postgres, redis, stack)


def _started(folder: Path, postgres: Path, redis: str, stack: contextlib.ExitStack) -> KitsuServer:
    database, cache, http = (free_port() for _ in range(3))
    for name in ("previews", "tmp", "plugins", "handlers"):
        (folder / name).mkdir()
    account = postgres_account()
    keeping = ["--save", "", "--appendonly", "no", "--dir", str(folder)]
    stack.enter_context(running([redis, "--port", str(cache), "--bind", "127.0.0.1", *keeping], folder, "redis"))
    wait(lambda: answers(cache), "Redis")
    variables = _variables(folder, database, cache)
    template = (
        environment.place() / f"database-{postgres.parent.name}-{hashlib.sha256(_SEED.encode()).hexdigest()[:12]}"
    )
    if not template.is_dir():
        _make_template(template, folder, postgres, database, variables, account)
    shutil.copytree(template, folder / "postgres")
    give(folder / "postgres", account)
    stack.enter_context(cluster(folder, postgres, database, account))
    zou = environment.place() / "bin"
    stack.enter_context(
        running(
            [zou / "gunicorn", "-b", f"127.0.0.1:{http}", "-k", "gthread", "--threads", "4", "-w", "1",
             "--control-socket", str(folder / "gunicorn.ctl"), "--timeout", "300", "--graceful-timeout", "1", "zou.app:app"],
            folder, "gunicorn", variables=variables,
        )
    )  # fmt: skip
    server = KitsuServer(f"http://127.0.0.1:{http}", folder)
    wait(lambda: _speaks(server.host), "zou")
    return server


def _make_template(
    template: Path, folder: Path, postgres: Path, port: int, variables: dict[str, str], account: dict[str, int]
) -> None:
    """A database with zou's tables and the administrator, kept beside zou: making it takes most of a start's time."""
    data = folder / "postgres"
    make_cluster(data, postgres, account)
    with cluster(folder, postgres, port, account):
        run([postgres / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "zou"])
        run([environment.place() / "bin" / "python", "-c", _SEED, EMAIL, PASSWORD], variables=variables)
    with tempfile.TemporaryDirectory(dir=template.parent) as making:
        shutil.copytree(data, Path(making, "database"))
        with contextlib.suppress(OSError):  # another run has made it meanwhile
            os.rename(Path(making, "database"), template)
    shutil.rmtree(data)


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


def _speaks(host: str) -> bool:
    try:
        with urllib.request.urlopen(host, timeout=5) as answer:
            return "version" in json.load(answer)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
