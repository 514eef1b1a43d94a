"""Verifying: a flipped byte is found in every kind of thing that a repository stores, and nothing else is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from film_archive.core.errors import UsageError
from film_archive.versioning.holdings import savings
from film_archive.versioning.repository import Repository
from film_archive.versioning.verifying import Share, Verified, verify
from tests.archive.making import make_archive
from tests.versioning.making import CONTENTS, commit, noise, stored_files, unsync


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Contents of every layout, several commits, inner nodes, a branch that borrows."""
    made = Repository(tmp_path / "repo")
    branch = made.empty_branch("main")
    commit(made, branch, CONTENTS, tmp_path / "files")
    commit(made, branch, {f"frames/{number:04}.exr": b"%d" % number for number in range(400)}, tmp_path / "files")
    archive = make_archive(tmp_path / "master.zip", {"lent.mov": noise(5000, 3)})
    made.create_branch(archive, "borrowing")
    return made


def check(repository: Repository) -> Verified:
    repository.close()
    return verify(repository.opened)


def flip(place: Path, at: int) -> bytes:
    """Flip a bit of a file; returns what it was."""
    good = place.read_bytes()
    bad = bytearray(good)
    bad[at] ^= 1
    place.chmod(0o644)
    place.write_bytes(bad)
    return good


def test_what_is_whole_has_no_problem(repository: Repository) -> None:
    found = check(repository)
    assert (found.ok, found.problems, found.offline) == (True, (), ())
    assert (found.commits, found.contents) == (4, 403)
    assert (found.borrowed, found.proven) == (1, 1)
    assert found.nodes > 5


def test_a_flipped_byte_of_any_stored_object_is_found(repository: Repository) -> None:
    places = list(stored_files(repository.root))
    assert len(places) == 2  # a pack and a whole one
    for place in places:
        size = place.stat().st_size
        for at in (0, 30, size // 2, size - 1) if place.read_bytes().startswith(b"film-archive pack") else (0, size - 1):
            good = flip(place, at)
            assert check(repository).problems, (place, at)
            place.write_bytes(good)
        place.write_bytes(good[:-5])
        assert check(repository).problems
        place.unlink()
        assert check(repository).problems
        place.write_bytes(good)
    assert check(repository).ok


@pytest.mark.parametrize("kind", [0, 1])
def test_a_flipped_byte_of_any_node_and_commit_is_found(repository: Repository, kind: int) -> None:
    repository.close()
    database = sqlite3.connect(repository.root / "metadata.sqlite", isolation_level=None)
    rows = database.execute("SELECT id, data FROM objects WHERE kind = ?", (kind,)).fetchall()
    levels = {bytes(data)[0] for _, data in rows}
    assert kind == 1 or levels == {0, 1}
    for address, data in rows:
        bad = bytearray(data)
        bad[len(bad) // 2] ^= 1
        database.execute("UPDATE objects SET data = ? WHERE id = ?", (bytes(bad), address))
        assert not check(repository).ok
        database.execute("DELETE FROM objects WHERE id = ?", (address,))
        assert not check(repository).ok
        database.execute("INSERT INTO objects VALUES (?, ?, ?, 0)", (address, kind, data))
    database.close()
    assert check(repository).ok


def test_a_flipped_byte_of_an_inline_content_and_a_lost_row_are_found(repository: Repository) -> None:
    repository.close()
    database = sqlite3.connect(repository.root / "metadata.sqlite", isolation_level=None)
    database.execute("UPDATE blobs SET data = ? WHERE size = 6", (b"a Note",))
    [problem] = check(repository).problems
    assert problem.path == "inline"
    database.execute("UPDATE blobs SET data = ? WHERE size = 6", (b"a note",))
    database.execute("DELETE FROM blobs WHERE size = 300000")
    database.close()
    [problem] = check(repository).problems
    assert (problem.path, problem.what) == ("whole", "The content of whole is not in the repository.")


def test_borrowed_bytes_are_told_as_offline_or_damaged(repository: Repository, tmp_path: Path) -> None:
    master = tmp_path / "master.zip"
    data = master.read_bytes()
    at = data.index(noise(5000, 3)) + 2500
    good = flip(master, at)
    [problem] = check(repository).problems
    assert problem.path == "lent.mov"
    assert "does not hold what its digest says" in problem.what
    master.write_bytes(good)
    assert check(repository).ok
    assert savings(repository.opened).offline == 0
    master.rename(tmp_path / "away.zip")
    found = check(repository)
    assert found.ok
    assert [one.path for one in found.offline] == ["lent.mov"]
    assert savings(repository.opened).offline == 5000


def test_shares_cover_everything_once(repository: Repository) -> None:
    parts = [verify(repository.opened, part=f"{number}/7") for number in range(1, 8)]
    assert sum(part.contents for part in parts) == verify(repository.opened).contents
    assert sum(part.proven for part in parts) == 1
    assert max(part.contents for part in parts) < 150


@pytest.mark.parametrize("text", ["", "0/3", "4/3", "1", "a/b", "1/2/3", "-1/3", "1/1000000"])
def test_parts_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not a part"):
        Share(text)
