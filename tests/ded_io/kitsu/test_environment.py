"""The environment of the tests' own Kitsu server: what is pinned, where it is kept, when it counts as there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools import kitsu_server


def test_everything_is_pinned_and_nothing_has_an_address() -> None:
    lines = [line for line in kitsu_server.PINS.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!]+", line) for line in lines)
    assert {"zou", "gazu", "gunicorn", "alembic"} <= {line.split("==")[0] for line in lines}


def test_it_is_kept_by_its_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FILM_ARCHIVE_KITSU_SERVER", raising=False)
    monkeypatch.setenv("FILM_ARCHIVE_CACHE", str(tmp_path))
    before = kitsu_server.place()
    assert before.parent == tmp_path
    pins = tmp_path / "pins.txt"
    pins.write_text("zou==2.0\n")
    monkeypatch.setattr(kitsu_server, "PINS", pins)
    assert kitsu_server.place() != before


def test_what_a_killed_run_left_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FILM_ARCHIVE_KITSU_SERVER", raising=False)
    monkeypatch.setenv("FILM_ARCHIVE_CACHE", str(tmp_path))
    (kitsu_server.place() / "bin").mkdir(parents=True)
    (kitsu_server.place() / "bin" / "zou").touch()
    assert not kitsu_server.is_there()
    (kitsu_server.place() / "complete").touch()
    assert kitsu_server.is_there()


def test_another_environment_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FILM_ARCHIVE_KITSU_SERVER", str(tmp_path))
    assert kitsu_server.place() == tmp_path
    assert not kitsu_server.is_there()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "zou").touch()
    assert kitsu_server.is_there()
