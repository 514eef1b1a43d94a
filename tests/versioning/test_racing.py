"""Several processes on one repository: nothing is lost, whoever loses is told or retries."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from film_archive.testing import crash
from film_archive.versioning.collecting import clean_up
from film_archive.versioning.reading import Bytes
from film_archive.versioning.repository import Repository
from film_archive.versioning.verifying import verify
from tests.versioning.making import commit, held, noise, unsync


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_processes_commit_merge_and_clean_up_at_once(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    main = repository.empty_branch("main")
    vfx = repository.branch_from("main", "vfx")
    repository.close()

    def commits(number: int, branch: str) -> None:
        mine = Repository(tmp_path / "repo")
        for count in range(6):
            file = tmp_path / f"{number} {count}"
            file.write_bytes(noise(3000 if count % 2 else 300_000, number * 100 + count))
            mine.add_file(branch, file, f"{number}/{count}.mov")

    def cleans() -> None:
        mine = Repository(tmp_path / "repo")
        for _ in range(6):
            clean_up(mine.opened, keep_days=0, grace_days=0, dry_run=False)

    def merges() -> None:
        mine = Repository(tmp_path / "repo")
        for _ in range(4):
            assert mine.merge(vfx.id, main.id).merged

    works = [lambda: commits(1, main.id), lambda: commits(2, main.id), lambda: commits(3, vfx.id), cleans, merges]
    children = [crash.start(work) for work in works]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
    assert repository.merge(vfx.id, main.id).merged
    assert held(repository.opened, "main") == {
        f"{number}/{count}.mov": noise(3000 if count % 2 else 300_000, number * 100 + count)
        for number in (1, 2, 3)
        for count in range(6)
    }
    assert verify(repository.opened).problems == ()
    moves = [move for move in repository.opened.refs.moves() if move.branch == main.id]
    assert [move.old for move in moves[1:]] == [move.new for move in moves[:-1]]  # each from where it was


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_cleaning_up_moves_nothing_that_is_being_read(tmp_path: Path) -> None:
    """A pack is written anew while somebody exports what is in it: the cleaning up waits."""
    repository = Repository(tmp_path / "repo")
    main = repository.empty_branch("main")
    commit(repository, main, {str(number): noise(2000, number) for number in range(20)}, tmp_path / "files")
    lost = repository.branch_from("main", "kept")
    commit(repository, main, {str(number): None for number in range(15)}, tmp_path / "files")
    repository.remove_branch(lost.id)
    commit(repository, main, {"last": noise(2000, 99)}, tmp_path / "files")
    repository.close()
    begun, done = tmp_path / "begun", tmp_path / "done"

    def cleans() -> None:  # started before the lock is taken: a fork would inherit it
        while not begun.exists():
            time.sleep(0.001)
        mine = Repository(tmp_path / "repo")
        clean_up(mine.opened, keep_days=0, grace_days=0, dry_run=False)
        done.touch()

    child = crash.start(cleans)
    with Bytes(repository.opened) as found:
        begun.touch()
        for entry in repository.tree(main.id):
            with found.source(entry) as source:
                assert source.read_at(0, source.size)
        assert not done.exists()
    assert os.waitpid(child, 0)[1] == 0
    assert verify(repository.opened).problems == ()
