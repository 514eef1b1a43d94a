"""Conflicts on lists and timelines that are settled by what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from film_archive.versioning.merge import Resolution, settling
from film_archive.versioning.repository import Repository
from film_archive.versioning.verifying import verify
from tests.editorial.test_merging import EDL
from tests.versioning.making import commit, held, unsync

THEIRS, OURS = EDL.replace(b"A.MOV", b"A_V2.MOV"), EDL.replace(b"B.MOV", b"B_V2.MOV")
BOTH = OURS.replace(b"A.MOV", b"A_V2.MOV")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    unsync(monkeypatch)
    repository = Repository(tmp_path / "repo")
    main = repository.empty_branch("main")
    commit(repository, main, {"cut.edl": EDL, "a.mov": b"1", "gone.edl": EDL}, tmp_path / "files")
    vfx = repository.branch_from("main", "vfx")
    commit(repository, vfx, {"cut.edl": THEIRS, "a.mov": b"2", "gone.edl": None}, tmp_path / "files")
    commit(repository, main, {"cut.edl": OURS, "gone.edl": OURS}, tmp_path / "files")
    return repository


def test_a_list_is_merged_by_content_where_it_is_asked_for(repository: Repository) -> None:
    main, vfx = (repository.opened.refs.named(name).id for name in ("main", "vfx"))
    before = held(repository.opened, "main")
    settle = settling(Resolution.TARGET, [("cut.edl", Resolution.CONTENT)])
    assert repository.merge_with(vfx, main, settle, dry_run=True).merged
    assert not repository.merge(vfx, main).merged
    assert held(repository.opened, "main") == before
    done = repository.merge_with(vfx, main, settle)
    assert done.merged
    assert {each.path: each.resolution for each in done.conflicts} == {
        "cut.edl": Resolution.CONTENT,
        "gone.edl": Resolution.TARGET,
    }
    assert held(repository.opened, "main") == {"cut.edl": BOTH, "a.mov": b"2", "gone.edl": OURS}
    assert verify(repository.opened).problems == ()


def test_what_can_not_be_merged_stays_a_conflict_with_its_reasons(repository: Repository, tmp_path: Path) -> None:
    main, vfx = (repository.opened.refs.named(name) for name in ("main", "vfx"))
    commit(repository, main, {"cut.edl": EDL.replace(b"A.MOV", b"A_V3.MOV"), "a.mov": b"3"}, tmp_path / "files")
    before = held(repository.opened, "main")
    done = repository.merge_with(vfx.id, main.id, settling(Resolution.CONTENT))
    assert not done.merged
    assert {each.path: (each.resolution, each.reasons) for each in done.conflicts} == {
        "a.mov": (None, ("only .otio and .edl are merged by content",)),
        "cut.edl": (None, ("both sides changed event 1",)),
        "gone.edl": (None, ("one side, or the common ancestor, does not have it as a file",)),
    }
    assert held(repository.opened, "main") == before
