"""What all tests share: a folder of made footage for the session."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `cached_clip` and its kin keep what they make."""
    return tmp_path_factory.mktemp("footage")
