"""Cleaning up: what is kept, for how long, and packs that are written anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.core.errors import UsageError
from film_archive.versioning import collecting
from film_archive.versioning.collecting import clean_up, days
from film_archive.versioning.contents import Layout
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository
from film_archive.versioning.verifying import verify
from tests.versioning.making import LARGE, commit, held, noise, stored_files, unsync


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


@pytest.fixture
def main(repository: Repository) -> Branch:
    return repository.empty_branch("main")


def size_of_store(repository: Repository) -> int:
    return sum(place.stat().st_size for place in stored_files(repository.root))


def test_a_removed_branch_can_be_brought_back_until_it_is_forgotten(
    repository: Repository, main: Branch, tmp_path: Path
) -> None:
    vfx = repository.branch_from("main", "vfx")
    head = commit(repository, vfx, {"a.mov": LARGE}, tmp_path / "files").head
    repository.remove_branch(vfx.id)
    assert clean_up(repository.opened, keep_days=90, grace_days=0, dry_run=False).objects == 0
    assert held(repository.opened, repository.branch_from(head[:12], "again").name) == {"a.mov": LARGE}
    repository.remove_branch(repository.opened.refs.named("again").id)
    assert clean_up(repository.opened, keep_days=0, grace_days=14, dry_run=False).objects == 0  # too young
    planned = clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=True)
    assert planned.objects == 3  # commit, node, content
    assert size_of_store(repository) == len(LARGE)
    assert clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=False).objects == 3
    assert size_of_store(repository) == 0
    assert clean_up(repository.opened, keep_days=90, grace_days=0, dry_run=False).objects == 0  # old moves lead nowhere


def test_what_is_staged_stays(repository: Repository, main: Branch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(LARGE)
    repository.stage_files(main.id, [(tmp_path / "file", "a.mov")], repository.tree(main.id))
    assert clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=False).objects == 0
    repository.commit_stage(main.id, main.id, "a")
    assert held(repository.opened, "main") == {"a.mov": LARGE}


def test_a_pack_that_is_mostly_garbage_is_written_anew(repository: Repository, main: Branch, tmp_path: Path) -> None:
    names = [f"{number:02}" for number in range(20)]
    vfx = repository.branch_from("main", "vfx")
    commit(repository, vfx, {name: noise(3000, int(name)) for name in names}, tmp_path / "files")
    [pack] = stored_files(repository.root)
    (tmp_path / "one").write_bytes(noise(3000, 7))
    repository.add_file(main.id, tmp_path / "one", "kept")  # which is in that pack already
    repository.remove_branch(vfx.id)
    done = clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=False)
    assert done.repacked == 1
    assert not pack.exists()
    assert size_of_store(repository) < 4000
    assert held(repository.opened, "main") == {"kept": noise(3000, 7)}
    assert verify(repository.opened).problems == ()


def test_a_commit_that_is_young_keeps_its_parents(
    repository: Repository, main: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a move that is looked up later would lead to a commit whose parent is gone."""
    vfx = repository.branch_from("main", "vfx")
    commit(repository, vfx, {"a": LARGE}, tmp_path / "files")
    repository.opened.database.execute("UPDATE objects SET added = added - 100000")
    repository.opened.database.execute("UPDATE blobs SET added = added - 100000")
    head = commit(repository, vfx, {"b": b"b"}, tmp_path / "files").head
    repository.remove_branch(vfx.id)
    clean_up(repository.opened, keep_days=0, grace_days=1, dry_run=False)
    assert held(repository.opened, head) == {"a": LARGE, "b": b"b"}
    assert [found.message for found in repository.history(repository.branch_from(head, "again").id)] == [
        "change",
        "change",
        "Begin main",
    ]


def test_layouts_follow_sizes(repository: Repository, main: Branch, tmp_path: Path) -> None:
    sizes = {0: Layout.INLINE, 512: Layout.INLINE, 513: Layout.PACKED, (256 << 10) - 1: Layout.PACKED, 256 << 10: Layout.WHOLE}
    commit(repository, main, {str(size): noise(size, size) for size in sizes}, tmp_path / "files")
    assert {blob.size: blob.layout for blob in repository.opened.contents.all()} == sizes
    assert held(repository.opened, "main") == {str(size): noise(size, size) for size in sizes}


@pytest.mark.parametrize(("text", "expected"), [("14d", 14), ("12h", 0.5), ("0", 0), ("36m", 0.025), ("7", 7)])
def test_times(text: str, expected: float) -> None:
    assert days(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "d", "-1d", "1.5d", "soon", "1w", "9999999d"])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        days(text)
    assert collecting.DAY == 86_400
