"""What the archive's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.archive import draft
from film_archive.core import files
from tests.archive.making import make_two_generations


@pytest.fixture
def appending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds append behind the old directory, whatever the file system could do."""
    monkeypatch.setattr(draft, "clone_whole", lambda source, target: False)


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the medium: for loops over thousands of archives."""
    monkeypatch.setattr(files, "sync", lambda descriptor: None)
    monkeypatch.setattr(files, "sync_folder", lambda folder: None)


@pytest.fixture
def two_generations(tmp_path: Path, appending: None, unsynced: None) -> Path:
    """A small archive that was added to, its first directory still in it."""
    return make_two_generations(tmp_path / "archive.zip")
