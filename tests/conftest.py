"""What all tests share: a folder of made footage for the session."""

from __future__ import annotations

import gc
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.buckets import BucketServer
    from tests.servers.postgres import PostgresServer

if importlib.util.find_spec("hypothesis"):  # a plain install has none, and its tests skip
    settings = importlib.import_module("hypothesis").settings
    settings.register_profile("film-archive", deadline=None)  # on a busy machine anything may take long once
    settings.load_profile("film-archive")


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `cached_clip` and its kin keep what they make; the processes of one run share it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("footage")
    folder = tmp_path_factory.getbasetemp().parent / "footage"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the session; tests take a schema each."""
    from tests.servers.postgres import postgres_server

    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[BucketServer]:
    """A server that speaks S3 for the session."""
    from tests.servers.buckets import bucket_server

    with bucket_server() as server:
        yield server


@pytest.fixture
def buckets(bucket_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> BucketServer:
    """The same, and this test's environment lets it in."""
    for name, value in bucket_server.environment().items():
        monkeypatch.setenv(name, value)
    return bucket_server


REAL_SERVERS = {"kitsu", "chromium", "postgres", "bucket_server"}
"""Fixtures that start programs of others, which takes them seconds."""
ON_SERVERS = {"postgresql", "elsewhere"}
"""Parameters by which a test takes one of them."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if REAL_SERVERS.intersection(getattr(item, "fixturenames", ())) or any(
            isinstance(one, str) and one in ON_SERVERS for one in chosen
        ):
            item.add_marker("ci")


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts the tests in the background has Ctrl-C ignored; what they start is to hear it all the same.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    home = tempfile.mkdtemp(prefix="home-")  # no test touches what whoever runs it keeps: catalog, shelf, queues, settings
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    for place in ("DATA", "STATE", "CONFIG"):
        os.environ[f"FILM_ARCHIVE_{place}"] = str(Path(home) / place.lower())
    for place in ("CATALOG", "SHELF"):
        os.environ.pop(f"FILM_ARCHIVE_{place}", None)
    if config.getoption("markexpr") != "nightly":
        os.fsync = unwaited
    if sys.dont_write_bytecode:
        folder = tempfile.mkdtemp(prefix="bytecode-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))  # a process that is ending may still write
        os.environ["PYTHONPYCACHEPREFIX"] = folder  # hundreds of processes are started, and each would compile all anew
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_finish() -> None:
    """What is loaded now stays: every full collection, and every process that is forked, would go through it."""
    gc.collect()
    gc.freeze()


_FSYNC = os.fsync


def unwaited(descriptor: int) -> None:
    """fsync without the wait for the drive: no test cuts the power, and thousands sync. Processes that tests start do wait.

    `testing.faults` wraps it as it would the real one: that it is called, in which order, and what its failure does, shows
    all the same. The nightly run (`-m nightly`) and tests/core/test_files.py have the real one.
    """
    os.fstat(descriptor)  # a descriptor that is not open is an error


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real fsync."""
    monkeypatch.setattr(os, "fsync", _FSYNC)
