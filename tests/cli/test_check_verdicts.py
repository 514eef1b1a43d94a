"""`check`: what it ends with where something is wrong, and that the advice it gives is good."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from film_archive.archive import draft
from film_archive.archive.writer import ZipWriter
from film_archive.core.source import MemorySource
from tests.archive.making import FIRST, make_archive, noise
from tests.archive.test_foreign import directory_field, zipped
from tests.cli.running import film_archive
from tests.workflows.making import write_tree

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(draft, "clone_whole", lambda source, target: False)
    path = make_archive(tmp_path / "archive.zip", FIRST)
    with ZipWriter.add_to(path) as archive:
        archive.add("more/b", MemorySource(b"b" * 5000), identity="1")
    return path


def test_an_interrupted_add(tmp_path: Path, interrupted: Path, capfd: Capture) -> None:
    ran = film_archive(capfd, "check", interrupted, "--json")
    assert ran.status == 12
    assert ran.document["ok"] is False
    assert [problem["kind"] for problem in ran.document["problems"]] == ["unfinished"]
    text = film_archive(capfd, "check", interrupted)
    assert text.status == 12
    assert "repeat it to continue" in text.output
    assert "add --abandon" in text.output
    assert "repair" not in text.output
    assert "all as it was when the archive was last finished" in text.output
    copy = tmp_path / "copy.zip"
    copy.write_bytes(interrupted.read_bytes())
    again = write_tree(tmp_path / "more", {"b": b"b" * 5000})
    for command in (("create", interrupted, "--abandon"), ("repair", copy)):
        assert film_archive(capfd, *command).status == 0
        assert film_archive(capfd, "check", command[1]).status == 0
    assert film_archive(capfd, "add", copy, again, "--proxies", "none").status == 0
    assert film_archive(capfd, "check", copy).status == 0


def test_an_add_to_a_copy_that_was_caught_in_mid_add(tmp_path: Path, interrupted: Path, capfd: Capture) -> None:
    copy = tmp_path / "copy.zip"
    copy.write_bytes(interrupted.read_bytes())
    assert film_archive(capfd, "check", copy).status == 12
    again = write_tree(tmp_path / "more", {"b": b"b" * 5000})
    assert film_archive(capfd, "add", copy, again, "--proxies", "none").status == 0
    assert film_archive(capfd, "check", copy, "--json").document["ok"] is True


def test_what_can_not_be_read(tmp_path: Path, capfd: Capture) -> None:
    path = tmp_path / "foreign.zip"
    path.write_bytes(directory_field(zipped([("a", noise(100)), ("b", noise(50))]), 10, 9, 2))
    ran = film_archive(capfd, "check", path, "--json")
    assert ran.status == 5
    assert [(problem["path"], problem["kind"]) for problem in ran.document["problems"]] == [("a", "unreadable")]
    assert ran.document["members_checked"] == 1
    assert "all as it was, but 1 could not be read" in film_archive(capfd, "check", path).output


def test_other_methods_are_read(tmp_path: Path, capfd: Capture) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / f"{method}.zip"
        path.write_bytes(zipped([("a", b"text " * 1000)], method))
        assert film_archive(capfd, "check", path).status == 0
        assert film_archive(capfd, "unpack", path, tmp_path / f"out{method}").status == 0
        assert (tmp_path / f"out{method}" / "a").read_bytes() == b"text " * 1000


def test_damage(tmp_path: Path, capfd: Capture) -> None:
    path = make_archive(tmp_path / "archive.zip", FIRST)
    data = bytearray(path.read_bytes())
    data[data.index(FIRST["footage/a.mov"])] ^= 1
    path.write_bytes(data)
    ran = film_archive(capfd, "check", path, "--json")
    assert ran.status == 11
    assert [(problem["path"], problem["kind"]) for problem in ran.document["problems"]] == [("footage/a.mov", "damaged")]
