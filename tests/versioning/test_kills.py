"""Killed at any instant: every branch is where it was or where it was to be, all of it is there, the next run completes the job.

`film_archive.testing.crash` kills at random instants; `film_archive.testing.faults` before and after system calls.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from film_archive.core.errors import Refused
from film_archive.testing import crash, faults
from film_archive.testing.faults import Kill
from film_archive.versioning import switching
from film_archive.versioning.collecting import clean_up
from film_archive.versioning.export import export_entries
from film_archive.versioning.merge import Resolution, settling
from film_archive.versioning.repository import Repository
from film_archive.versioning.starting import begin
from film_archive.versioning.switching import switch
from film_archive.versioning.verifying import verify
from film_archive.versioning.worktree import WorkTree
from tests.archive.making import check, contents, make_archive
from tests.killing import kill_at_calls
from tests.versioning.making import LARGE, commit, held, noise, on_disk, unsync, write

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="killing needs fork")


@dataclass
class Job:
    """A piece of work on a show's folder, made anew from a template for every kill."""

    template: Path
    folder: Path
    work: Callable[[Path], object]
    known: list[object] = field(default_factory=list)
    """What a kill may leave of the branches: as before, or as after."""
    cleans: bool = True
    """Whether what a kill leaves is cleaned up afterwards and compared with a run that was not killed."""

    def prepare(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.template, self.folder, symlinks=True)

    def run(self) -> None:
        self.work(self.folder)

    def again(self) -> None:
        """Repeat the job; where it was done already there is nothing to do."""
        refused = ""
        try:
            self.work(self.folder)
        except Refused as error:
            refused = str(error)
        assert not refused or "Nothing is staged" in refused or "exists already" in refused

    def state(self) -> object:
        repository = Repository(self.folder / "show/.film-archive-repo")
        found = {branch.name: held(repository.opened, branch.name) for branch in repository.branches()}
        repository.close()
        return found

    def whole(self) -> None:
        repository = Repository(self.folder / "show/.film-archive-repo")
        result = verify(repository.opened)
        repository.close()
        assert result.problems == ()
        assert self.state() in self.known
        for archive in self.folder.glob("*.zip"):
            assert check(archive).ok

    def finished(self) -> None:
        self.whole()
        assert self.state() == self.known[-1]
        repository = Repository(self.folder / "show/.film-archive-repo")
        clean_up(repository.opened, keep_days=90, grace_days=0, dry_run=False)
        repository.close()
        self.whole()
        assert not list((self.folder / "show/.film-archive-repo/content/incoming").glob("*"))

    def expect(self) -> None:
        self.prepare()
        self.known.append(self.state())
        self.run()
        self.known.append(self.state())


def committing(folder: Path) -> None:
    work = WorkTree(folder / "show")
    try:
        work.add([work.root])
        work.commit("more")
    finally:
        work.close()


def merging(folder: Path) -> None:
    repository = Repository(folder / "show/.film-archive-repo")
    refs = repository.opened.refs
    repository.merge_with(refs.named("vfx").id, refs.named("main").id, settling(Resolution.BOTH))
    repository.close()


def cleaning(folder: Path) -> None:
    repository = Repository(folder / "show/.film-archive-repo")
    clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=False)
    repository.close()


def exporting(folder: Path) -> None:
    repository = Repository(folder / "show/.film-archive-repo")
    export_entries(repository.opened, repository.entries("main"), folder / "out.zip")
    repository.close()


def switching_over(folder: Path) -> None:
    work = WorkTree(folder / "show")
    try:
        switch(work, work.repository.opened.refs.named("vfx"))
    finally:
        work.close()


JOBS = {
    "commit": committing,
    "merge": merging,
    "gc": cleaning,
    "export": exporting,
    "checkout": switching_over,
}


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    unsync(monkeypatch)
    monkeypatch.setattr(switching, "wait_a_tick", lambda: None)
    template = tmp_path / "template"
    work = begin(template / "show")
    assert work is not None
    write(work.root, {"whole": LARGE, **{f"small/{number}": noise(900, number) for number in range(30)}})
    work.add([work.root])
    work.commit("first")
    repository = work.repository
    vfx = repository.branch_from("main", "vfx")
    commit(repository, vfx, {"whole": LARGE[::-1], "vfx": noise(400_000, 5), "small/1": None}, tmp_path / "files")
    lost = repository.branch_from("main", "lost")
    commit(repository, lost, {f"lost/{number}": noise(1000, 50 + number) for number in range(30)}, tmp_path / "files")
    commit(repository, lost, {"lost/whole": noise(500_000, 9)}, tmp_path / "files")
    repository.remove_branch(repository.opened.refs.named("lost").id)
    make_archive(template / "master.zip", {"lent.mov": noise(3000, 7)})
    if request.param == "commit":
        write(work.root, {"new": noise(600_000, 6), **{f"new/{n}".replace("/", "-"): noise(700, 90 + n) for n in range(9)}})
        (work.root / "small/2").unlink()
    else:
        commit(repository, work.branch, {"whole": LARGE[:-1]}, tmp_path / "files")
        switch(work, work.branch)
    work.close()
    made = Job(template, tmp_path / "folder", JOBS[request.param])
    made.expect()
    return made


def kill(job: Job, times: int, seed: int) -> None:
    killed = crash.kill_often(
        job.run,
        times,
        again=job.again,
        prepare=job.prepare,
        after_kill=job.whole,
        after_rerun=job.finished,
        seed=seed,
    )
    assert killed >= times // 4


@pytest.mark.ci
def test_killed_at_random_instants(job: Job) -> None:
    kill(job, 20, seed=1)


@pytest.mark.nightly
def test_killed_at_200_random_instants(job: Job) -> None:
    kill(job, 200, seed=2)


def at_calls(job: Job, step: int) -> None:
    kill_at_calls(job.run, step, prepare=job.prepare, whole=job.whole, again=job.again, finished=job.finished)


in_python = pytest.mark.parametrize("job", [name for name in JOBS if name != "merge"], indirect=True)
"""A merge writes through SQLite alone, whose calls can't be counted here; it is killed at random instants."""


@in_python
def test_killed_at_some_system_calls(job: Job) -> None:
    at_calls(job, 61)


@pytest.mark.nightly
@in_python
def test_killed_at_each_system_call(job: Job) -> None:
    at_calls(job, 1)


@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("job", ["checkout"], indirect=True)
def test_a_killed_checkout_leaves_no_file_half(job: Job, step: int) -> None:
    before = on_disk(job.template / "show")
    after = dict(job.known[-1])["vfx"]  # type: ignore[call-overload]
    job.prepare()
    with faults.counting() as calls:
        job.run()
    for number in range(0, len(calls), step):
        job.prepare()

        def work(number: int = number) -> None:
            with faults.failing(number, Kill.AFTER):
                job.run()

        crash.run(work)
        for path, data in on_disk(job.folder / "show").items():
            assert data in (before.get(path), after.get(path)), path
        crash.run(job.again)
        assert on_disk(job.folder / "show") == after
        work_tree = WorkTree(job.folder / "show")
        assert work_tree.status().is_clean
        work_tree.close()


@pytest.mark.parametrize("job", ["commit"], indirect=True)
def test_a_killed_commit_loses_nothing_that_was_staged(job: Job) -> None:
    job.prepare()
    wanted = on_disk(job.folder / "show")
    crash.run(job.run, kill_after=0.02)
    crash.run(job.again)
    assert dict(job.state())["main"] == wanted == contents_of_main(job)  # type: ignore[call-overload]


def contents_of_main(job: Job) -> dict[str, bytes]:
    """What an export of the branch holds."""
    exporting(job.folder)
    return {path: data for path, data in contents(job.folder / "out.zip").items() if not path.startswith(".film-archive/")}
