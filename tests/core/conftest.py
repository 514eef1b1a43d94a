"""What the tests of the core share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is such: for tests that look at names only and fsync a thousand times."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of facts and real files that lies beside the checkout; tests that need it skip without it."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("FILM_ARCHIVE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}; FILM_ARCHIVE_SHARED can name it")
    return folder
