"""Work trees: what status says against a slow oracle, and that nothing uncommitted is ever overwritten."""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from film_archive.core.errors import NotFound, Refused, UsageError
from film_archive.versioning import stat_index, switching
from film_archive.versioning.refs import Moved
from film_archive.versioning.starting import begin, branch_from_folder
from film_archive.versioning.switching import check_out, switch
from film_archive.versioning.worktree import WorkTree, find_worktree
from tests.versioning.making import CONTENTS, LARGE, held, noise, on_disk, unsync, write


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


@pytest.fixture
def work(tmp_path: Path) -> WorkTree:
    """A work tree with a first commit."""
    made = begin(tmp_path / "show")
    assert made is not None
    write(made.root, {f"footage/{name}": data for name, data in CONTENTS.items()})
    made.add([made.root])
    made.commit("first")
    return made


def committed(work: WorkTree) -> dict[str, bytes]:
    return held(work.repository.opened, work.branch_id)


def test_what_is_new_changed_gone_and_renamed(work: WorkTree) -> None:
    assert work.status().is_clean
    (work.root / "new.mov").write_bytes(b"new")
    (work.root / "footage/inline").write_bytes(b"another")
    (work.root / "footage/whole").rename(work.root / "moved")
    (work.root / "footage/packed").unlink()
    found = work.status()
    assert (found.modified, found.untracked) == (("footage/inline",), ("moved", "new.mov"))
    assert found.removed == ("footage/packed", "footage/whole")
    assert found.unstaged == ("footage/inline", "footage/packed", "footage/whole")
    assert (found.added, found.staged) == ((), ())
    work.add([work.root])
    found = work.status()
    assert (found.added, found.removed, found.modified) == (("new.mov",), ("footage/packed",), ("footage/inline",))
    assert [renamed.to_json() for renamed in found.renamed] == [{"from": "footage/whole", "to": "moved"}]
    assert (found.unstaged, found.untracked) == ((), ())
    work.commit("second")
    assert committed(work) == on_disk(work.root)
    assert work.status().is_clean


def test_commit_takes_what_is_staged_and_with_all_what_is_tracked(work: WorkTree) -> None:
    write(work.root, {"new": b"new", "footage/inline": b"changed"})
    with pytest.raises(Refused, match="Nothing is staged"):
        work.commit("nothing")
    work.add([work.root / "new"])
    (work.root / "new").write_bytes(b"newer")
    work.commit("staged only")
    assert committed(work) == {f"footage/{name}": data for name, data in CONTENTS.items()} | {"new": b"new"}
    assert work.status().modified == ("footage/inline", "new")
    (work.root / "footage/packed").unlink()
    write(work.root, {"untracked": b"stays out"})
    work.commit("all", everything=True)
    assert committed(work) == {path: data for path, data in on_disk(work.root).items() if path != "untracked"}


def test_a_file_that_was_only_touched_is_not_modified_and_read_once(
    work: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(work.root / "footage/whole", ns=(1, 1))
    assert work.status().is_clean

    def read(*_: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr("film_archive.versioning.worktree.digest_source", read)
    stat_index.wait_a_tick()
    os.utime(work.root / "footage/packed", ns=(2, 2))
    with pytest.raises(AssertionError, match="read again"):
        work.status()


def test_a_write_in_the_moment_of_looking_is_noticed(work: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written just before it was looked at may be written again with the same times: it is read, not believed."""
    place = work.root / "footage/inline"
    place.write_bytes(b"first!")
    moment = place.stat().st_ctime_ns + 10_000_000
    monkeypatch.setattr("film_archive.versioning.worktree.now_ns", lambda: moment)
    work.add([place])
    monkeypatch.undo()
    kept = work.index.folder("footage")["inline"]
    assert kept[0] == -1  # not to be trusted
    place.write_bytes(b"second")
    status = place.stat()
    again = (kept[0], status.st_mtime_ns, status.st_ctime_ns, kept[3])  # as if all in one tick
    work.index.update([("footage/inline", stat_index.Seen(*again))])
    assert work.status().unstaged == ("footage/inline",)


@pytest.mark.parametrize(("before", "sure"), [(0, False), (49_000_000, False), (51_000_000, True)])
def test_what_is_a_moment(tmp_path: Path, before: int, sure: bool) -> None:
    (tmp_path / "file").write_bytes(b"x")
    os.utime(tmp_path / "file", ns=(1, 1_600_000_000_123_456_789))
    status = (tmp_path / "file").stat()
    seen = stat_index.Seen.of(status, status.st_ctime_ns + before)
    assert seen.size == (1 if sure else -1)
    os.utime(tmp_path / "file", ns=(1, 1_600_000_000_000_000_000))  # whole seconds: FAT has but every other
    status = (tmp_path / "file").stat()
    assert stat_index.Seen.of(status, status.st_ctime_ns + before).size == -1
    assert stat_index.Seen.of(status, status.st_ctime_ns + 2_100_000_000).size == 1


def test_files_in_the_index_are_not_read(work: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    work.status()
    stat_index.wait_a_tick()
    work.status()
    monkeypatch.setattr("film_archive.versioning.worktree.FileSource", None)
    assert work.status().is_clean


def test_remove_and_move(work: WorkTree) -> None:
    (work.root / "footage/inline").write_bytes(b"changed")
    with pytest.raises(Refused, match="was changed and not committed"):
        work.remove([work.root / "footage"])
    assert set(on_disk(work.root)) == {f"footage/{name}" for name in CONTENTS}
    with pytest.raises(NotFound, match="is not tracked"):
        work.remove([work.root / "nothing"])
    assert work.remove([work.root / "footage/packed"]) == ("footage/packed",)
    assert work.remove([work.root / "footage/inline"], keep=True) == ("footage/inline",)
    assert work.move(work.root / "footage", work.root / "plates") == (("footage/whole", "plates/whole"),)
    with pytest.raises(Refused, match="exists already"):
        work.move(work.root / "plates/whole", work.root / "plates/inline")
    found = work.status()
    assert found.removed == ("footage/inline", "footage/packed")
    assert [(one.from_, one.to) for one in found.renamed] == [("footage/whole", "plates/whole")]
    assert found.untracked == ("plates/inline",)
    work.commit("moved")
    assert committed(work) == {"plates/whole": LARGE}


def test_folders_that_are_tracked_or_the_users_stay(work: WorkTree, tmp_path: Path) -> None:
    write(tmp_path / "card", {"clips/a.mov": b"a", "clips/deep/b.mov": b"b"})
    (tmp_path / "card/clips/empty").mkdir()
    card = branch_from_folder(work.repository, tmp_path / "card", "card")
    check_out(work.repository, card, tmp_path / "out")
    out = WorkTree(tmp_path / "out")
    (out.root / "clips/mine").mkdir()
    out.remove([out.root / "clips/a.mov", out.root / "clips/deep"])
    assert {place.name for place in (out.root / "clips").iterdir()} == {"empty", "mine"}
    assert out.status().removed == ("clips/a.mov", "clips/deep/b.mov")
    (out.root / "clips/mine").rmdir()
    out.commit("removed")
    moved = out.repository.branch_from("main", "next")
    switch(out, moved)
    assert not (out.root / "clips").exists()
    assert on_disk(out.root) == committed(work)


def test_what_was_staged_and_is_gone_can_be_added_again(work: WorkTree) -> None:
    write(work.root, {"new/a": b"a", "new/b": b"b"})
    work.add([work.root / "new"])
    shutil.rmtree(work.root / "new")
    assert work.add([work.root / "new"]) == ("new/a", "new/b")
    with pytest.raises(NotFound):
        work.add([work.root / "new"])


def test_unstaged_files_are_looked_at_again(work: WorkTree) -> None:
    write(work.root, {"footage/inline": b"changed", "new": b"new"})
    work.add([work.root])
    assert set(work.unstage()) == {"footage/inline", "new"}
    found = work.status()
    assert (found.staged, found.unstaged, found.untracked) == ((), ("footage/inline",), ("new",))


@pytest.mark.parametrize("outside", ["../elsewhere.mov", "/etc/hostname"])
def test_files_outside_are_not_taken(work: WorkTree, outside: str) -> None:
    (work.root.parent / "elsewhere.mov").write_bytes(b"x")
    with pytest.raises(UsageError, match="is not in the work tree"):
        work.add([work.root / outside])


def test_own_folders_and_leftovers_of_systems_are_never_part_of_it(work: WorkTree) -> None:
    write(work.root, {".DS_Store": b"x", "a/._b": b"x", ".film-archive/manifest.jsonl": b"x"})
    assert work.status().untracked == ()
    for own in (".film-archive-checkout/checkout.sqlite", ".film-archive-repo/format"):
        with pytest.raises(Refused, match="never part of a work tree"):
            work.add([work.root / own])


def test_names_that_are_hard(work: WorkTree) -> None:
    raw = os.fsencode(work.root) + b"/\xff\xfe.mov"
    try:
        with open(raw, "wb") as file:
            file.write(b"raw")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    long = "x" * 251 + ".mov"
    write(work.root, {long: b"long", "back\\slash": b"b", "d:rive": b"d", "new\nline": b"n", "-dash": b"-"})
    work.add([work.root])
    work.commit("hard names")
    assert {"%FF%FE.mov", "back%5Cslash", "d%3Arive", "new\nline", "-dash", long} <= set(committed(work))
    assert work.status().is_clean
    again = work.root.with_name("again")
    check_out(work.repository, work.branch, again)
    assert on_disk(again).keys() == on_disk(work.root).keys()
    assert os.path.exists(os.fsencode(again) + b"/\xff\xfe.mov")
    assert WorkTree(again).status().is_clean


def test_paths_that_differ_in_case_or_unicode_form_are_refused_together(work: WorkTree) -> None:
    one, other = unicodedata.normalize("NFC", "Ä.mov"), unicodedata.normalize("NFD", "ä.mov")
    write(work.root, {one: b"one"})
    work.add([work.root])
    try:
        write(work.root, {other: b"other", "Footage/Whole": b"twin"})
    except OSError:
        pytest.skip("this file system takes no twins")
    if len(on_disk(work.root)) < 6:
        pytest.skip("this file system ignores case")
    for path in (other, "Footage/Whole"):
        with pytest.raises(Refused, match="can't be beside"):
            work.add([work.root / path])
    assert set(work.staged()) == {one}


def test_names_as_long_as_they_may_be_are_added_checked_out_and_switched(work: WorkTree) -> None:
    ascii_name, signs = "l" * 251 + ".mov", "ä" * 125 + ".mov"
    raw = os.fsdecode(b"\xff" * 60)  # three signs for each byte in a tree
    names = {f"{'d' * 255}/{ascii_name}": b"one", signs: noise(5000, 9), raw: b"raw"}
    try:
        write(work.root, names)
    except OSError:
        pytest.skip("this file system takes no such names")
    before = work.branch
    assert len(work.add([work.root])) == len(names)
    long = work.commit("long names")
    check_out(work.repository, long, work.root.with_name("again"))
    assert on_disk(work.root.with_name("again")) == on_disk(work.root)
    back = work.repository.branch_from(before.head, "back")
    switch(work, back)
    assert not set(names) & set(on_disk(work.root))
    switch(work, long)
    assert on_disk(work.root).items() >= names.items()
    assert work.status().is_clean


def test_links_stay_links_and_lead_nowhere_outside(work: WorkTree) -> None:
    (work.root / "inside").symlink_to("footage/whole")
    (work.root / "footage/up").symlink_to("../footage/inline")
    (work.root / "outside").symlink_to("../../etc/passwd")
    work.add([work.root])
    work.commit("links")
    again = work.root.with_name("again")
    report = check_out(work.repository, work.branch, again)
    assert [left.path for left in report.left_out] == ["outside"]
    assert os.readlink(again / "inside") == "footage/whole"
    assert (again / "footage/up").read_bytes() == b"a note"
    (work.root / "inside").unlink()
    (work.root / "inside").symlink_to("footage/packed")
    assert work.status().modified == ("inside",)


# Checking out


def test_a_checkout_is_the_same_and_clean_without_reading_it_again(
    work: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.utime(work.root / "footage/whole", ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    (work.root / "footage/whole").chmod(0o640)
    write(work.root, {"footage/whole": LARGE[::-1]})
    work.commit("times", everything=True)
    again = work.root.with_name("again")
    report = check_out(work.repository, work.branch, again)
    assert on_disk(again) == on_disk(work.root)
    assert (report.written, report.bytes) == (3, sum(map(len, CONTENTS.values())))
    assert (again / "footage/whole").stat().st_mtime_ns == (work.root / "footage/whole").stat().st_mtime_ns
    assert (again / "footage/whole").stat().st_mode & 0o777 == 0o640
    monkeypatch.setattr("film_archive.versioning.worktree.FileSource", None)
    other = WorkTree(again)
    assert other.status().is_clean
    assert find_worktree(again / "footage") == again


def test_a_checkout_of_a_part(work: WorkTree) -> None:
    write(work.root, {"sound/a.wav": b"a"})
    work.add([work.root])
    work.commit("sound")
    part = work.root.with_name("part")
    check_out(work.repository, work.branch, part, ["sound", "*/inline"])
    assert set(on_disk(part)) == {"sound/a.wav", "footage/inline"}
    other = WorkTree(part)
    assert other.status().is_clean
    write(part, {"sound/a.wav": b"changed"})
    other.commit("in part", everything=True)
    assert committed(work) == {**{f"footage/{name}": data for name, data in CONTENTS.items()}, "sound/a.wav": b"changed"}
    switch(work, work.branch)
    assert (work.root / "sound/a.wav").read_bytes() == b"changed"


def test_a_checkout_for_looking_only_can_not_be_written(work: WorkTree) -> None:
    again = work.root.with_name("again")
    report = check_out(work.repository, work.branch, again, read_only=True)
    assert on_disk(again) == on_disk(work.root)
    assert report.linked + report.shared == 1
    assert all(not place.stat().st_mode & 0o222 for place in (again / "footage").iterdir())


def test_a_checkout_overwrites_nothing(work: WorkTree) -> None:
    with pytest.raises(Refused, match="exists already"):
        check_out(work.repository, work.branch, work.root)
    main = work.branch
    vfx = work.repository.branch_from(main.id, "vfx")
    write(work.root, {"footage/inline": b"main's", "new": b"main's"})
    work.add([work.root])
    work.commit("main goes on")
    moved = switch(work, vfx)
    assert on_disk(work.root) == {f"footage/{name}": data for name, data in CONTENTS.items()}
    assert (moved.written, moved.removed) == (1, 1)
    for path, state in (("footage/inline", "was changed and not committed"), ("new", "nobody tracks it")):
        before = (work.root / path).read_bytes() if (work.root / path).exists() else None
        write(work.root, {path: b"mine"})
        with pytest.raises(Refused, match=state):
            switch(work, work.repository.branch(main.id))
        assert (work.root / path).read_bytes() == b"mine"
        if before is None:
            (work.root / path).unlink()
        else:
            write(work.root, {path: before})
    write(work.root, {"new": b"main's"})  # which is what it shall be
    switch(work, work.repository.branch(main.id))
    assert work.status().is_clean
    assert on_disk(work.root) == committed(work)


def test_a_file_becomes_a_folder_and_back(work: WorkTree) -> None:
    main = work.branch
    vfx = work.repository.branch_from(main.id, "vfx")
    (work.root / "footage/inline").unlink()
    write(work.root, {"footage/inline/deep": b"x"})
    work.add([work.root])
    work.commit("a folder")
    for branch, expected in ((vfx, "footage/inline"), (work.repository.branch(main.id), "footage/inline/deep")):
        switch(work, branch)
        assert expected in on_disk(work.root)
        assert work.status().is_clean


def test_who_is_overtaken_is_told(work: WorkTree) -> None:
    again = work.root.with_name("again")
    check_out(work.repository, work.branch, again)
    other = WorkTree(again)
    write(again, {"theirs": b"theirs"})
    other.add([again])
    other.commit("theirs")
    assert work.status().behind
    write(work.root, {"mine": b"mine"})
    work.add([work.root])
    with pytest.raises(Refused, match="has gone on"):
        work.commit("mine")
    switch(work, work.branch)
    assert work.status().added == ("mine",)
    work.commit("mine")
    assert committed(work).keys() >= {"mine", "theirs"}


def test_a_commit_that_loses_the_race_is_refused_and_can_be_repeated(
    work: WorkTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other commit comes between this one's look at the branch and its own."""
    again = work.root.with_name("again")
    check_out(work.repository, work.branch, again)
    other = WorkTree(again)
    write(again, {"theirs": b"theirs"})
    other.add([again])
    write(work.root, {"mine": b"mine"})
    work.add([work.root])
    commit_stage = work.repository.commit_stage

    def overtaken(*arguments: object, **options: object) -> object:
        other.commit("theirs")
        return commit_stage(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(work.repository, "commit_stage", overtaken)
    with pytest.raises(Moved, match="moved by another"):
        work.commit("mine")
    monkeypatch.undo()
    assert set(work.staged()) == {"mine"}
    switch(work, work.branch)
    work.commit("mine")
    assert committed(work).keys() >= {"mine", "theirs"}


def test_a_killed_checkout_is_completed_by_the_next(work: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    main = work.branch
    vfx = work.repository.branch_from(main.id, "vfx")
    write(work.root, {f"new/{number}": noise(100, number) for number in range(8)})
    write(work.root, {"footage/inline": b"main's"})
    work.add([work.root])
    work.commit("many")
    expected = on_disk(work.root)
    switch(work, vfx)
    rename = switching.files.rename_unsynced
    calls = []

    def dying(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 4:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(switching.files, "rename_unsynced", dying)
    with pytest.raises(KeyboardInterrupt):
        switch(work, work.repository.branch(main.id))
    monkeypatch.undo()
    switch(work, work.repository.branch(main.id))
    assert on_disk(work.root) == expected
    assert work.status().is_clean


def test_a_repository_is_not_begun_in_a_work_tree_nor_a_bare_one_among_files(work: WorkTree, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is in the work tree"):
        begin(work.root / "footage")
    with pytest.raises(Refused, match="not empty and no repository"):
        begin(work.root / "footage", bare=True)
    assert begin(tmp_path / "bare", bare=True) is None


def test_a_work_tree_that_was_moved_is_still_one(work: WorkTree) -> None:
    work.close()
    moved = work.root.rename(work.root.with_name("moved"))
    write(moved, {"new": b"new"})
    again = WorkTree(moved)
    again.add([moved])
    again.commit("moved")
    assert committed(again) == on_disk(moved)


def test_a_branch_of_a_folder_holds_its_files(work: WorkTree, tmp_path: Path) -> None:
    write(tmp_path / "card", {"a/b.mov": LARGE[:-1], "c": b"c", ".DS_Store": b"x"})
    (tmp_path / "card/empty").mkdir()
    branch = branch_from_folder(work.repository, tmp_path / "card", "card")
    assert held(work.repository.opened, "card") == {"a/b.mov": LARGE[:-1], "c": b"c"}
    check_out(work.repository, branch, tmp_path / "again")
    assert (tmp_path / "again/empty").is_dir()
    other = WorkTree(tmp_path / "again")
    assert other.status().is_clean
    (tmp_path / "again/empty").rmdir()
    assert other.status().removed == ("empty",)


# Random work


class Machine(RuleBasedStateMachine):
    """Status against what a full comparison of bytes says."""

    PATHS = ("a", "b", "dir/a", "dir/b", "dir/deep/c")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.patch = pytest.MonkeyPatch()
        unsync(self.patch)
        self.patch.setattr(switching, "wait_a_tick", lambda: None)

    @initialize()
    def begin(self) -> None:
        made = begin(Path(self.folder.name) / "show")
        assert made is not None
        self.work = made
        self.committed: dict[str, bytes] = {}
        self.staged: dict[str, bytes | None] = {}

    @rule(path=st.sampled_from(PATHS), data=st.sampled_from([b"one", b"two", b"three"]))
    def write(self, path: str, data: bytes) -> None:
        write(self.work.root, {path: data})

    @rule(path=st.sampled_from(PATHS))
    def delete(self, path: str) -> None:
        (self.work.root / path).unlink(missing_ok=True)

    @rule()
    def delete_folder(self) -> None:
        shutil.rmtree(self.work.root / "dir", ignore_errors=True)

    @rule(path=st.sampled_from(("", "dir", *PATHS)))
    def add(self, path: str) -> None:
        there = on_disk(self.work.root)
        expected = {**self.committed, **{k: v for k, v in self.staged.items() if v is not None}}
        below = [one for one in {*there, *expected} if not path or one == path or one.startswith(path + "/")]
        try:
            self.work.add([self.work.root / path])
        except NotFound:
            assert not below
            return
        for one in below:
            now = self.staged[one] if one in self.staged else self.committed.get(one)
            if there.get(one) != now:
                self.staged[one] = there.get(one)

    @rule(everything=st.booleans())
    def commit(self, everything: bool) -> None:
        there = on_disk(self.work.root)
        if everything:
            for one in {*self.committed, *self.staged}:
                now = self.staged[one] if one in self.staged else self.committed.get(one)
                if now is not None and there.get(one) != now:
                    self.staged[one] = there.get(one)
        try:
            self.work.commit("change", everything=everything)
        except Refused:
            assert not self.staged
            return
        for path, data in self.staged.items():
            self.committed.pop(path, None)
            if data is not None:
                self.committed[path] = data
        self.staged = {}

    @rule()
    def unstage(self) -> None:
        self.work.unstage()
        self.staged = {}

    @invariant()
    def status_says_what_is(self) -> None:
        there = on_disk(self.work.root)
        found = self.work.status()
        expected = {path: data for path, data in {**self.committed, **self.staged}.items() if data is not None}
        assert set(found.staged) == set(self.staged)
        assert set(found.untracked) == there.keys() - expected.keys()
        assert set(found.unstaged) == {path for path, data in expected.items() if there.get(path) != data}
        renamed = {path for one in found.renamed for path in (one.from_, one.to)}
        final = {path: there[path] for path in expected if path in there}
        changed = {path for path in {*self.committed, *final} if self.committed.get(path) != final.get(path)}
        assert {*found.added, *found.removed, *found.modified} | renamed == changed
        assert held(self.work.repository.opened, self.work.branch_id) == self.committed

    def teardown(self) -> None:
        self.work.close()
        self.patch.undo()
        self.folder.cleanup()


TestWorkTree = Machine.TestCase
TestWorkTree.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
