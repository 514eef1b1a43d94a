"""Branches of real small archives: what they hold, merging against a slow obvious oracle, and what can go wrong."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from film_archive.archive.writer import ZipWriter
from film_archive.core import files
from film_archive.core.errors import Damaged, NotFound, Refused, UsageError
from film_archive.core.models import ArchiveBranch
from film_archive.versioning.branching import ArchiveBranchManager
from film_archive.versioning.export import missing
from film_archive.versioning.repository import MergeResult
from tests.archive.making import check, contents, make_archive, noise, put

MASTER = {
    "footage/scene_001.mov": noise(5000, 1),
    "footage/scene_002.mov": noise(300, 2),
    "sound/scene_001.wav": noise(700, 3),
    "empty": b"",
}


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the medium."""
    monkeypatch.setattr(files, "sync", lambda descriptor: None)
    monkeypatch.setattr(files, "sync_folder", lambda folder: None)


@pytest.fixture
def master(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "master.zip", MASTER)


@pytest.fixture
def manager(tmp_path: Path) -> ArchiveBranchManager:
    return ArchiveBranchManager(repository_root=tmp_path / "archive_repo")


class Show:
    """The manager's coroutines, called plainly, with contents given as bytes."""

    def __init__(self, manager: ArchiveBranchManager, master: Path) -> None:
        self.manager = manager
        self.master = master
        self._made = 0

    def branch(self, name: str, parent: ArchiveBranch | None = None) -> ArchiveBranch:
        return asyncio.run(
            self.manager.create_branch(
                archive_path=self.master,
                branch_name=name,
                description=f"for {name}",
                parent_branch_id=None if parent is None else parent.branch_id,
            )
        )

    def add(self, branch: ArchiveBranch, path: str, data: bytes) -> ArchiveBranch:
        self._made += 1
        file = self.master.parent / f"graded {self._made}.mov"
        file.write_bytes(data)
        return asyncio.run(self.manager.add_file_to_branch(branch.branch_id, file, path))

    def remove(self, branch: ArchiveBranch, path: str) -> ArchiveBranch:
        return asyncio.run(self.manager.remove_file_from_branch(branch.branch_id, path))

    def merge(self, source: ArchiveBranch, target: ArchiveBranch, resolution: str | None = None) -> MergeResult:
        return asyncio.run(self.manager.merge_branches(source.branch_id, target.branch_id, resolution))

    def export(self, branch: ArchiveBranch, name: str = "export.zip") -> Path:
        return asyncio.run(
            self.manager.export_branch_as_archive(branch.branch_id, output_path=self.master.parent / name)
        )

    def held(self, branch: ArchiveBranch) -> dict[str, str]:
        """Path → XXH3-128 of the files that a branch has."""
        tree = self.manager.repository.tree(branch.branch_id)
        return {entry.path: entry.digests["xxh128"] for entry in tree if entry.kind == "file"}

    def paths(self, branch: ArchiveBranch) -> set[str]:
        return set(self.held(branch))


@pytest.fixture
def show(manager: ArchiveBranchManager, master: Path) -> Show:
    return Show(manager, master)


def originals(archive: Path) -> dict[str, bytes]:
    return {path: data for path, data in contents(archive).items() if not path.startswith(".film-archive/")}


def sizes_below(folder: Path) -> int:
    return sum(place.stat().st_size for place in folder.rglob("*") if place.is_file())


# Branching


def test_branch_borrows_all_members_and_stores_no_byte_of_them(show: Show, manager: ArchiveBranchManager) -> None:
    branch = show.branch("color-grade-v2")
    assert (branch.branch_name, branch.description) == ("color-grade-v2", "for color-grade-v2")
    assert branch.archive_path == show.master
    assert branch.parent_branch_id is None
    tree = manager.repository.tree(branch.branch_id)
    assert {entry.path: entry.size for entry in tree if entry.kind == "file"} == {
        path: len(data) for path, data in MASTER.items()
    }
    assert all(entry.borrowed is not None for entry in tree if entry.kind == "file")
    assert {entry.path: str(entry.kind) for entry in tree if entry.kind != "file"} == {
        "empty folder": "folder",
        "footage": "folder",
        "link": "symlink",
    }
    assert not (manager.repository.root / "content").exists()
    [commit] = manager.get_branch_history(branch.branch_id)
    assert (commit.id, commit.parents) == (branch.head, ())
    assert (commit.statistics.added, commit.statistics.size) == (7, sum(map(len, MASTER.values())))


def test_branching_does_not_read_the_members(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte of a member is changed behind the archive's back: a branch is made all the same, an export is not."""
    data = bytearray(show.master.read_bytes())
    at = data.index(MASTER["footage/scene_001.mov"])
    data[at + 2500] ^= 1
    show.master.write_bytes(data)
    branch = show.branch("grade")
    with pytest.raises(Damaged, match=r"footage/scene_001\.mov does not hold what its digest says"):
        show.export(branch)
    assert not (show.master.parent / "export.zip").exists()
    assert not list(show.master.parent.glob(".export*"))


def test_branch_of_a_branch_is_one_row_and_needs_no_archive(show: Show, manager: ArchiveBranchManager) -> None:
    parent = show.branch("locked-cut")
    show.add(parent, "footage/new.mov", b"new")
    before = manager.repository.opened.database.execute("SELECT count(*) FROM objects")
    show.master.rename(show.master.with_name("on the shelf.zip"))
    child = show.branch("vfx/vendor-a", parent)
    assert manager.repository.opened.database.execute("SELECT count(*) FROM objects") == before
    assert child.parent_branch_id == parent.branch_id
    assert show.held(child) == show.held(parent)
    assert [branch.branch_name for branch in manager.get_branches()] == ["locked-cut", "vfx/vendor-a"]


def test_parent_of_another_archive_is_refused(show: Show, tmp_path: Path) -> None:
    parent = show.branch("locked-cut")
    show.master = make_archive(tmp_path / "other.zip", {"a": b"a"})
    with pytest.raises(Refused, match=r"is of .*master\.zip and not of .*other\.zip"):
        show.branch("vfx", parent)


@pytest.mark.parametrize(
    "name", ["../x", "..", ".", "a/../b", "", " ", "/a", "a/", "a//b", "a\\b", "a\nb", "-x", "a/ b", "x" * 201]
)
def test_names_that_no_branch_can_have(show: Show, name: str) -> None:
    with pytest.raises(UsageError, match="can't be the name of a branch"):
        show.branch(name)
    assert not show.manager.repository.root.exists()


def test_name_that_a_branch_has_already(show: Show, manager: ArchiveBranchManager) -> None:
    show.branch("grade")
    for name in ("grade", "Grade"):
        with pytest.raises(Refused, match="There is a branch 'grade' already"):
            show.branch(name)
    assert len(manager.get_branches()) == 1


def test_unknown_branches_are_not_found(show: Show, manager: ArchiveBranchManager, tmp_path: Path) -> None:
    for made in (False, True):
        if made:
            show.branch("grade")
        for wrong in ("0123456789abcdef", "../../etc/passwd", "grade", ""):
            with pytest.raises(NotFound):
                manager.get_branch_history(wrong)
            with pytest.raises(NotFound):
                asyncio.run(manager.add_file_to_branch(wrong, show.master, "a.mov"))
            with pytest.raises(NotFound):
                asyncio.run(manager.remove_file_from_branch(wrong, "a.mov"))
            with pytest.raises(NotFound):
                asyncio.run(manager.merge_branches(wrong, "0000000000000000"))
            with pytest.raises(NotFound):
                asyncio.run(manager.export_branch_as_archive(wrong, tmp_path / "out.zip"))
            with pytest.raises(NotFound):
                asyncio.run(manager.create_branch(show.master, "child", "", parent_branch_id=wrong))


def test_archive_that_is_not_there_and_folder_that_is_no_repository(show: Show, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.zip"):
        asyncio.run(show.manager.create_branch(tmp_path / "nothing.zip", "grade", ""))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(Refused, match="not empty and no repository"):
        asyncio.run(ArchiveBranchManager(tmp_path / "photos").create_branch(show.master, "grade", ""))
    assert [place.name for place in (tmp_path / "photos").iterdir()] == ["mine.jpg"]


def test_foreign_zip_can_be_branched_from_and_is_proven_by_its_crc(show: Show, tmp_path: Path) -> None:
    show.master = tmp_path / "foreign.zip"
    with zipfile.ZipFile(show.master, "w") as foreign:
        foreign.writestr("a.mov", noise(4000, 5))
        foreign.writestr("b.txt", b"text " * 500, zipfile.ZIP_DEFLATED)
    branch = show.branch("grade")
    assert originals(show.export(branch)) == {"a.mov": noise(4000, 5), "b.txt": b"text " * 500}


# Adding and removing


def test_added_file_is_committed_at_once_and_only_there(show: Show, manager: ArchiveBranchManager) -> None:
    one, other = show.branch("one"), show.branch("other")
    moved = show.add(one, "project/graded/scene_001.mov", b"graded")
    assert moved.branch_id == one.branch_id
    assert moved.head != one.head
    assert show.paths(one) == {*MASTER, "project/graded/scene_001.mov"}
    assert show.paths(other) == set(MASTER)
    newest, first = manager.get_branch_history(one.branch_id)
    assert newest.parents == (first.id,)
    assert newest.message == "Add project/graded/scene_001.mov"
    assert (newest.statistics.added, newest.statistics.modified, newest.statistics.removed) == (1, 0, 0)


def test_content_is_stored_once(show: Show, manager: ArchiveBranchManager) -> None:
    data = noise(300_000, 9)
    one, other = show.branch("one"), show.branch("other")
    show.add(one, "a.mov", data)
    show.add(one, "again.mov", data)
    show.add(other, "elsewhere/a.mov", data)
    assert [place.read_bytes() for place in (manager.repository.root / "content").glob("??/*")] == [data]


def test_same_file_added_again_makes_no_commit(show: Show, manager: ArchiveBranchManager) -> None:
    branch = show.branch("grade")
    file = show.master.parent / "clip.mov"
    file.write_bytes(b"clip")
    heads = {
        asyncio.run(manager.add_file_to_branch(branch.branch_id, file, Path("clip.mov"))).head for _ in range(2)
    }
    assert len(heads) == 1


def test_removed_file_is_gone_from_the_branch_and_still_in_the_archive(show: Show) -> None:
    branch = show.branch("grade")
    before = show.master.read_bytes()
    show.remove(branch, "footage/scene_002.mov")
    assert show.paths(branch) == set(MASTER) - {"footage/scene_002.mov"}
    assert show.master.read_bytes() == before
    with pytest.raises(NotFound, match=r"no footage/scene_002\.mov"):
        show.remove(branch, "footage/scene_002.mov")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("../x.mov", UsageError),
        ("/x.mov", UsageError),
        ("", UsageError),
        ("a/./b", UsageError),
        (".film-archive/manifest.jsonl", Refused),
        ("Footage/Scene_001.mov", Refused),  # but for case there already
        ("footage", Refused),  # a folder
        ("footage/scene_001.mov/frame.dpx", Refused),  # below a file
    ],
)
def test_paths_that_can_not_be_added(show: Show, path: str, error: type[Exception]) -> None:
    branch = show.branch("grade")
    with pytest.raises(error):
        show.add(branch, path, b"data")
    assert show.manager.get_branches()[0].head == branch.head


def test_what_is_no_file_is_not_added(show: Show, tmp_path: Path) -> None:
    branch = show.branch("grade")
    with pytest.raises(NotFound):
        asyncio.run(show.manager.add_file_to_branch(branch.branch_id, tmp_path / "missing.mov", "a.mov"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Exception, match="FIFO"):
        asyncio.run(show.manager.add_file_to_branch(branch.branch_id, tmp_path / "pipe", "a.mov"))


def test_threads_that_commit_at_once_lose_nothing(show: Show, manager: ArchiveBranchManager) -> None:
    branch = show.branch("grade")
    failures: list[BaseException] = []

    def add_some(number: int) -> None:
        try:
            for count in range(5):
                file = show.master.parent / f"thread {number} {count}"
                file.write_bytes(b"%d %d" % (number, count))
                asyncio.run(manager.add_file_to_branch(branch.branch_id, file, f"{number}/{count}.mov"))
        except BaseException as error:  # noqa: BLE001  shown by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=add_some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert show.paths(branch) == set(MASTER) | {f"{n}/{c}.mov" for n in range(4) for c in range(5)}
    assert len(manager.get_branch_history(branch.branch_id)) == 21


# Differences


def test_differences_name_added_removed_modified_and_renamed(show: Show, manager: ArchiveBranchManager) -> None:
    one, other = show.branch("one"), show.branch("other")
    show.add(one, "new.mov", b"new")
    show.add(one, "footage/scene_001.mov", b"graded")
    show.remove(one, "empty")
    show.remove(one, "sound/scene_001.wav")
    show.add(one, "sound/renamed.wav", MASTER["sound/scene_001.wav"])
    show.add(one, "footage/scene_002.mov", MASTER["footage/scene_002.mov"])  # as it was: no difference
    for found in (
        manager.get_branch_differences(one.branch_id),
        manager.get_branch_differences(one.branch_id, other.branch_id),
    ):
        assert (found.added, found.removed, found.modified) == (("new.mov",), ("empty",), ("footage/scene_001.mov",))
        assert found.renamed == (("sound/scene_001.wav", "sound/renamed.wav"),)
    back = manager.get_branch_differences(other.branch_id, one.branch_id)
    assert (back.added, back.removed) == (("empty",), ("new.mov",))
    sizes = {change.path: (change.before, change.after) for change in found.changes}
    before, after = sizes["footage/scene_001.mov"]
    assert before is not None
    assert after is not None
    assert (before.size, after.size) == (5000, 6)


# Merging


def test_changes_of_both_branches_are_merged(show: Show, manager: ArchiveBranchManager) -> None:
    cut = show.branch("cut")
    colour, vfx = show.branch("colour", cut), show.branch("vfx", cut)
    show.add(colour, "footage/scene_001.mov", b"graded")
    show.remove(colour, "empty")
    show.add(vfx, "vfx/shot.exr", b"shot")
    show.add(vfx, "footage/scene_002.mov", b"painted")
    result = show.merge(colour, vfx)
    assert (result.merged, result.conflicts) == (True, ())
    assert result.changed == ("empty", "footage/scene_001.mov")
    merged = manager.get_branch_history(vfx.branch_id)[0]
    assert merged.id == result.commit
    assert len(merged.parents) == 2
    assert originals(show.export(vfx)) == {
        "footage/scene_001.mov": b"graded",
        "footage/scene_002.mov": b"painted",
        "sound/scene_001.wav": MASTER["sound/scene_001.wav"],
        "vfx/shot.exr": b"shot",
    }
    again = show.merge(colour, vfx)
    assert (again.merged, again.changed, again.commit) == (True, (), result.commit)


def conflicting(show: Show) -> tuple[ArchiveBranch, ArchiveBranch]:
    cut = show.branch("cut")
    source, target = show.branch("vfx/a", cut), show.branch("colour", cut)
    show.add(source, "footage/scene_001.mov", b"source's")
    show.add(target, "footage/scene_001.mov", b"target's")
    show.remove(source, "footage/scene_002.mov")
    show.add(target, "footage/scene_002.mov", b"target's two")
    show.add(source, "sound/scene_001.wav", b"source's sound")
    show.remove(target, "sound/scene_001.wav")
    show.add(source, "same.mov", b"same")
    show.add(target, "same.mov", b"same")
    show.add(source, "only.mov", b"only")
    return source, target


def test_conflicts_are_reported_with_both_sides_and_nothing_changes(show: Show, manager: ArchiveBranchManager) -> None:
    source, target = conflicting(show)
    before = show.held(source), show.held(target), [branch.head for branch in manager.get_branches()]
    result = show.merge(source, target)
    assert not result.merged
    assert result.commit is None
    sides = {
        conflict.path: (
            None if conflict.base is None else conflict.base.size,
            None if conflict.source is None else conflict.source.size,
            None if conflict.target is None else conflict.target.size,
        )
        for conflict in result.conflicts
    }
    assert sides == {
        "footage/scene_001.mov": (5000, 8, 8),
        "footage/scene_002.mov": (300, None, 12),
        "sound/scene_001.wav": (700, 14, None),
    }
    assert (show.held(source), show.held(target), [branch.head for branch in manager.get_branches()]) == before


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        ("source", {"footage/scene_001.mov": b"source's", "sound/scene_001.wav": b"source's sound"}),
        ("target", {"footage/scene_001.mov": b"target's", "footage/scene_002.mov": b"target's two"}),
        (
            "both",
            {
                "footage/scene_001.mov": b"target's",
                "footage/scene_001~vfx-a.mov": b"source's",
                "footage/scene_002.mov": b"target's two",
                "sound/scene_001.wav": b"source's sound",
            },
        ),
    ],
)
def test_conflicts_are_settled(show: Show, resolution: str, expected: Mapping[str, bytes]) -> None:
    source, target = conflicting(show)
    result = show.merge(source, target, resolution)
    assert result.merged
    assert len(result.conflicts) == 3
    assert originals(show.export(target)) == {"same.mov": b"same", "only.mov": b"only", "empty": b"", **expected}
    assert show.merge(source, target).conflicts == ()  # what was settled stays settled


def test_unknown_resolution_and_merge_into_itself(show: Show) -> None:
    branch, other = show.branch("one"), show.branch("other")
    with pytest.raises(UsageError, match="'ours'"):
        show.merge(branch, other, "ours")
    with pytest.raises(UsageError, match="itself"):
        show.merge(branch, branch)


@pytest.mark.parametrize(
    ("source_path", "target_path", "both"),
    [
        ("new/Clip.mov", "new/clip.mov", {"new/clip.mov", "new/Clip~source.mov"}),
        ("new", "new/clip.mov", {"new/clip.mov", "new~source"}),
        ("new/clip.mov", "new", {"new", "new~source/clip.mov"}),
    ],
)
def test_paths_that_can_not_be_in_one_archive_are_a_conflict(
    show: Show, source_path: str, target_path: str, both: set[str]
) -> None:
    cut = show.branch("cut")
    for resolution, expected in (("source", {source_path}), ("target", {target_path}), ("both", both)):
        source = show.branch(f"source {resolution}", cut)
        target = show.branch(f"target {resolution}", cut)
        show.add(source, source_path, b"source's")
        show.add(target, target_path, b"target's")
        [conflict] = show.merge(source, target).conflicts
        assert conflict.source is not None
        assert conflict.target is not None
        assert (conflict.source.path, conflict.target.path) == (source_path, target_path)
        assert show.merge(source, target, resolution).merged
        named = {path.replace(f"source {resolution}", "source") for path in show.paths(target) - set(MASTER)}
        assert named == expected
        check(show.export(target, f"{resolution}.zip"))


def test_what_merges_crosswise_left_in_doubt_is_a_conflict(show: Show) -> None:
    """Two merges crosswise, settled differently, leave two common ancestors: neither may silently win."""
    cut = show.branch("cut")
    one, other = show.branch("one", cut), show.branch("other", cut)
    show.add(one, "shot.mov", b"one's")
    show.add(other, "shot.mov", b"other's")
    before = show.branch("one before", one), show.branch("other before", other)
    assert show.merge(before[1], one, "target").merged
    assert show.merge(before[0], other, "target").merged
    result = show.merge(one, other)
    assert [conflict.path for conflict in result.conflicts] == ["shot.mov"]


def test_unrelated_archives_merge_where_they_do_not_disagree(show: Show, tmp_path: Path) -> None:
    one = show.branch("one")
    show.master = make_archive(tmp_path / "other.zip", {"extra.mov": b"extra", "empty": b""})
    other = show.branch("other")
    assert show.merge(other, one).merged
    assert originals(show.export(one)) == {**MASTER, "extra.mov": b"extra"}


def slowly_merged(
    base: dict[str, str], source: dict[str, str], target: dict[str, str]
) -> tuple[dict[str, str], set[str]]:
    """What each path becomes, looked at one by one; and the conflicts."""
    merged, conflicts = {}, set()
    for path in base.keys() | source.keys() | target.keys():
        was, one, other = base.get(path), source.get(path), target.get(path)
        if one != other and one != was and other != was:
            conflicts.add(path)
        result = other if one == was else one
        if result is not None:
            merged[path] = result
    return merged, conflicts


def test_merges_equal_the_slow_way(show: Show) -> None:
    choose = random.Random(5)
    cut = show.branch("cut")
    for number in range(12):
        base = show.held(cut)
        source, target = show.branch(f"source {number}", cut), show.branch(f"target {number}", cut)
        for branch in (source, target):
            for _ in range(choose.randint(0, 4)):
                path = choose.choice([*MASTER, "a.mov", "b.mov"])
                if path in show.paths(branch) and choose.random() < 0.4:
                    show.remove(branch, path)
                else:
                    show.add(branch, path, b"version %d" % choose.randint(0, 2))
        merged, conflicts = slowly_merged(base, show.held(source), show.held(target))
        before = show.held(target)
        result = show.merge(source, target)
        assert {conflict.path for conflict in result.conflicts} == conflicts
        assert result.merged == (not conflicts)
        assert show.held(target) == (before if conflicts else merged)


# Exporting


def test_export_is_a_whole_archive_with_what_the_branch_has(show: Show) -> None:
    branch = show.branch("grade")
    show.add(branch, "footage/graded.mov", b"graded")
    show.remove(branch, "empty")
    exported = show.export(branch)
    assert check(exported).problems == ()
    expected = {path: data for path, data in MASTER.items() if path != "empty"}
    assert originals(exported) == {**expected, "footage/graded.mov": b"graded"}
    with zipfile.ZipFile(exported) as plain:
        assert plain.read("footage/scene_001.mov") == MASTER["footage/scene_001.mov"]
        assert "empty folder/" in plain.namelist()
    show.master = exported
    again = show.branch("from the export")
    assert show.held(again) == show.held(branch)


def test_export_overwrites_nothing(show: Show) -> None:
    branch = show.branch("grade")
    (show.master.parent / "export.zip").write_bytes(b"mine")
    with pytest.raises(Refused, match="exists already"):
        show.export(branch)
    assert (show.master.parent / "export.zip").read_bytes() == b"mine"


def lost(manager: ArchiveBranchManager, branch: ArchiveBranch) -> set[str]:
    """Paths whose bytes can't be had now."""
    repository = manager.repository
    return {entry.path for entry, _ in missing(repository.opened, repository.tree(branch.branch_id))}


def test_archive_that_is_missing_is_named_and_one_that_was_moved_is_found_again(
    show: Show, manager: ArchiveBranchManager
) -> None:
    branch = show.branch("grade")
    show.add(branch, "own.mov", b"own")
    moved = show.master.rename(show.master.with_name("moved.zip"))
    with pytest.raises(NotFound, match=r"master\.zip"):
        show.export(branch)
    assert not (show.master.parent / "export.zip").exists()
    assert lost(manager, branch) == set(MASTER)
    make_archive(show.master, {"another.mov": b"another"})
    with pytest.raises(NotFound, match="another archive"):
        show.export(branch)
    with pytest.raises(NotFound, match="Nothing is borrowed"):
        manager.locate_archive(show.master)
    manager.locate_archive(moved)
    assert lost(manager, branch) == set()
    assert originals(show.export(branch)) == {**MASTER, "own.mov": b"own"}


def test_archive_that_was_added_to_still_lends(show: Show) -> None:
    branch = show.branch("grade")
    with ZipWriter.add_to(show.master) as archive:
        put(archive, {"later.mov": b"later"})
        archive.finish()
    assert originals(show.export(branch)) == MASTER


# Damage, savings, cleaning up


def test_damage_of_contents_is_noticed_and_no_archive_made(show: Show, manager: ArchiveBranchManager) -> None:
    branch = show.branch("grade")
    data = noise(300_000, 7)
    show.add(branch, "own.mov", data)
    [content] = manager.repository.root.glob("content/??/*")
    content.chmod(0o644)
    content.write_bytes(data[:-1] + b"!")
    with pytest.raises(Damaged, match=r"own\.mov does not hold"):
        show.export(branch)
    content.unlink()
    with pytest.raises(Damaged, match=r"own\.mov is missing"):
        show.export(branch)
    assert not list(show.master.parent.glob("*export*"))


def test_savings_are_what_copies_would_take(show: Show, manager: ArchiveBranchManager) -> None:
    assert manager.calculate_storage_savings().branches == 0
    whole = sum(map(len, MASTER.values()))
    first = show.branch("first")
    for number in range(3):
        show.branch(f"branch {number}", first)
    show.add(first, "own.mov", noise(1000, 8))
    savings = manager.calculate_storage_savings()
    assert (savings.branches, savings.borrowed, savings.stored) == (4, whole, 1000)
    assert savings.referenced == 4 * whole + 1000
    assert savings.saved == 4 * whole
    assert savings.stored <= sizes_below(manager.repository.root / "content")


def test_only_what_no_branch_leads_to_is_removed(
    show: Show, manager: ArchiveBranchManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert manager.cleanup_orphaned_objects().objects == 0
    branch = show.branch("grade")
    show.add(branch, "own.mov", b"first version")
    show.add(branch, "own.mov", b"second version")
    everything = {place for place in manager.repository.root.rglob("*") if place.is_file()}
    assert manager.cleanup_orphaned_objects().objects == 0  # the history leads to the first version, too

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("film_archive.versioning.refs.Refs.move", die)
        with pytest.raises(KeyboardInterrupt):
            show.add(branch, "lost.mov", noise(300_000, 4))
    left = manager.repository.root / "content" / "incoming" / "0123"
    left.write_bytes(b"of a killed process")
    planned = manager.cleanup_orphaned_objects(dry_run=True)
    assert (planned.objects, planned.removed) == (2, False)  # stored and not referred to; unfinished
    assert planned.bytes == 300_000 + 19
    done = manager.cleanup_orphaned_objects()
    assert (done.objects, done.bytes, done.removed) == (planned.objects, planned.bytes, True)
    assert {place for place in manager.repository.root.rglob("*") if place.is_file()} == everything
    assert show.held(branch)["own.mov"]
    assert show.export(branch).exists()


def test_a_day_in_the_life(show: Show, manager: ArchiveBranchManager) -> None:
    cut = show.branch("locked-cut")
    colour, vfx = show.branch("color-grade-v2", cut), show.branch("vfx/vendor-a", cut)
    show.add(colour, "footage/scene_001.mov", b"graded")
    show.add(vfx, "footage/scene_001.mov", b"comp")
    show.add(vfx, "footage/scene_002.mov", b"comp two")
    assert show.merge(colour, cut).merged
    assert [conflict.path for conflict in show.merge(vfx, cut).conflicts] == ["footage/scene_001.mov"]
    assert show.merge(vfx, cut, "both").merged
    assert manager.cleanup_orphaned_objects().removed
    exported = originals(show.export(cut))
    assert exported["footage/scene_001.mov"] == b"graded"
    assert exported["footage/scene_001~vfx-vendor-a.mov"] == b"comp"
    assert exported["footage/scene_002.mov"] == b"comp two"
    messages = [commit.message for commit in manager.get_branch_history(cut.branch_id)]
    assert messages[0] == "Merge vfx/vendor-a into locked-cut"
    assert messages[-1] == "Branch locked-cut from master.zip"
    assert len(messages) == 6
