"""Where things are kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from film_archive.core import places
from film_archive.core.errors import NotFound

FOLDERS: dict[str, Callable[[], Path]] = {
    "CACHE": places.cache,
    "DATA": places.data,
    "STATE": places.state,
    "CONFIG": places.config,
    "SHELF": places.shelf,
}


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CATALOG", "TEMP", *FOLDERS):
        monkeypatch.delenv(f"FILM_ARCHIVE_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CACHE", "DATA", "STATE", "CONFIG"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_variable_decides(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(f"FILM_ARCHIVE_{name}", str(tmp_path / "here"))
    assert FOLDERS[name]() == tmp_path / "here"
    monkeypatch.setenv(f"FILM_ARCHIVE_{name}", "~/there")
    assert FOLDERS[name]() == tmp_path / "there"
    monkeypatch.setenv(f"FILM_ARCHIVE_{name}", "")
    assert FOLDERS[name]() not in (Path(), Path(""))
    assert not (tmp_path / "here").exists()  # asking makes nothing


def test_the_folder_for_large_files_has_to_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert places.temporary() == Path(tempfile.gettempdir())
    monkeypatch.setenv("FILM_ARCHIVE_TEMP", str(tmp_path))
    assert places.temporary() == tmp_path
    for name in ("none", "file"):
        (tmp_path / "file").touch()
        monkeypatch.setenv("FILM_ARCHIVE_TEMP", str(tmp_path / name))
        with pytest.raises(NotFound, match="FILM_ARCHIVE_TEMP names"):
            places.temporary()


def test_without_variables_the_platform_decides(tmp_path: Path) -> None:
    for place in (places.cache(), places.data(), places.state(), places.config()):
        assert place.is_relative_to(tmp_path)
        assert "film-archive" in str(place)
    assert places.shelf() == places.data() / "tapes"


def test_the_catalog_is_a_file_or_a_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert places.catalog() == str(places.data() / "catalog.sqlite")
    monkeypatch.setenv("FILM_ARCHIVE_DATA", str(tmp_path / "data"))
    assert places.catalog() == str(tmp_path / "data" / "catalog.sqlite")
    for value in ("/show/catalog.sqlite", "postgresql://host/show"):
        monkeypatch.setenv("FILM_ARCHIVE_CATALOG", value)
        assert places.catalog() == value


def test_the_environment_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "1")
    given = places.environment({"ONE": "2", "TWO": "3"})
    assert (given["ONE"], given["TWO"], places.environment()["ONE"]) == ("2", "3", "1")
    assert "PATH" in given
