"""What the tests of the core share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of facts and real files that lies beside the checkout; tests that need it skip without it."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    folder = Path(os.environ.get("FILM_ARCHIVE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}; FILM_ARCHIVE_SHARED can name it")
    return folder
