"""Archives that come in as a commit on a branch that is there."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.versioning import switching
from film_archive.versioning.export import export_entries
from film_archive.versioning.importing import import_archive
from film_archive.versioning.repository import Repository
from film_archive.versioning.starting import begin
from film_archive.versioning.worktree import WorkTree
from tests.archive.making import contents, make_archive
from tests.versioning.making import LARGE, held, noise, on_disk, unsync, write

OLD = {"cut.edl": b"old", "a.mov": LARGE, "same.mov": noise(900, 1)}
NEW = {"a.mov": LARGE[::-1], "same.mov": noise(900, 1), "plates/b.mov": noise(3000, 5)}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkTree:
    unsync(monkeypatch)
    monkeypatch.setattr(switching, "wait_a_tick", lambda: None)
    made = begin(tmp_path / "show")
    assert made is not None
    write(made.root, OLD)
    made.add([made.root])
    made.commit("first")
    return made


def foreign(path: Path, members: dict[str, bytes]) -> Path:
    """A zip as any other program makes it, half of its members deflated."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, data) in enumerate(members.items()):
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED)
    return path


@pytest.mark.parametrize("ours", [True, False])
def test_an_archive_becomes_a_commit_and_the_files_follow(work: WorkTree, tmp_path: Path, ours: bool) -> None:
    archive = make_archive(tmp_path / "in.zip", NEW) if ours else foreign(tmp_path / "in.zip", NEW)
    main = work.branch
    planned = import_archive(work.repository, archive, main, work=work, dry_run=True)
    assert work.branch == main
    made = import_archive(work.repository, archive, main, work=work)
    assert made.differences == planned.differences
    assert made.branch.head != main.head
    assert made.differences.added[-1] == "plates/b.mov"
    # of a zip that another program made only a CRC is known, by which nothing is taken to be the same
    assert made.differences.modified == (("a.mov",) if ours else ("a.mov", "same.mov"))
    assert held(work.repository.opened, "main") == on_disk(work.root) == {**OLD, **NEW}
    assert held(work.repository.opened, main.head) == OLD
    assert WorkTree(work.root).status().is_clean
    entry = work.repository.tree(main.id).get("a.mov")
    assert entry is not None
    assert entry.borrowed is not None
    again = import_archive(work.repository, archive, work.branch, work=work)
    assert (again.branch.head, bool(again.differences)) == (made.branch.head, False)


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_copied_in_needs_no_archive(work: WorkTree, tmp_path: Path, ours: bool) -> None:
    archive = make_archive(tmp_path / "in.zip", NEW) if ours else foreign(tmp_path / "in.zip", NEW)
    repository, main = work.repository, work.branch
    made = import_archive(repository, archive, main, folder="vendor/in")
    assert made.adopted is None
    made = import_archive(repository, archive, repository.branch(main.id), folder="vendor/in", copy=True)
    assert not made.differences
    assert made.adopted is not None
    assert made.adopted.bytes == sum(map(len, NEW.values()))
    archive.unlink()
    expected = {**OLD, **{f"vendor/in/{path}": data for path, data in NEW.items()}}
    assert held(repository.opened, "main") == expected
    export_entries(repository.opened, repository.entries("main"), tmp_path / "out.zip")
    assert {path: data for path, data in contents(tmp_path / "out.zip").items() if path in expected} == expected


def test_what_cannot_be_imported_changes_nothing(work: WorkTree, tmp_path: Path) -> None:
    repository, main = work.repository, work.branch
    clashing = make_archive(tmp_path / "clash.zip", {"A.MOV": b"x"})
    below = make_archive(tmp_path / "below.zip", {"a.mov/x": b"x"})
    nothing = foreign(tmp_path / "nothing.zip", {})
    good = make_archive(tmp_path / "in.zip", NEW)
    for archive, folder, error in (
        (clashing, "", Refused),
        (below, "", Refused),
        (nothing, "", UsageError),
        (tmp_path / "none.zip", "", NotFound),
        (good, "../x", UsageError),
        (good, ".film-archive", Refused),
    ):
        with pytest.raises(error):
            import_archive(repository, archive, main, folder=folder)
    write(work.root, {"a.mov": b"changed"})
    with pytest.raises(Refused, match="not committed"):
        import_archive(repository, good, main, work=work)
    assert repository.branch(main.id) == main
    assert on_disk(work.root) == {**OLD, "a.mov": b"changed"}


def test_bytes_that_changed_meanwhile_are_not_taken(work: WorkTree, tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "in.zip", NEW)
    import_archive(work.repository, archive, work.branch)
    data = bytearray(archive.read_bytes())
    data[data.index(LARGE[::-1]) + 1000] ^= 1
    archive.write_bytes(data)
    with pytest.raises(Damaged, match="does not hold"):
        import_archive(work.repository, archive, work.branch, copy=True)


def test_an_import_while_the_branch_goes_on_keeps_both(work: WorkTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process commits between the look and the commit: the import is made on top of that."""
    archive = make_archive(tmp_path / "in.zip", NEW)
    (tmp_path / "other").write_bytes(b"other")
    opened = work.repository.opened
    publish = type(opened).publish
    once = [True]

    def overtaken(self: object, *arguments: object, **more: object) -> object:
        if once.pop() if once else False:
            Repository(work.repository.root).add_file(work.branch_id, tmp_path / "other", "other")
        return publish(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(type(opened), "publish", overtaken)
    import_archive(work.repository, archive, work.branch)
    assert held(opened, "main") == {**OLD, **NEW, "other": b"other"}
