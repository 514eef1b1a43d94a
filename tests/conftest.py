"""What all tests share: a folder of made footage for the session."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

import pytest

if importlib.util.find_spec("hypothesis"):  # a plain install has none, and its tests skip
    settings = importlib.import_module("hypothesis").settings
    settings.register_profile("film-archive", deadline=None)  # on a busy machine anything may take long once
    settings.load_profile("film-archive")


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `cached_clip` and its kin keep what they make."""
    return tmp_path_factory.mktemp("footage")


def pytest_configure() -> None:
    """A shell that starts the tests in the background has Ctrl-C ignored; what they start is to hear it all the same."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
