"""A repository against a twin in memory: random changes, commits, branches, merges, cleanings, failures and reopenings."""

from __future__ import annotations

import errno
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from film_archive.core.errors import FilmArchiveError, Refused
from film_archive.testing import faults
from film_archive.versioning.collecting import clean_up
from film_archive.versioning.elsewhere import Elsewhere
from film_archive.versioning.refs import Branch
from film_archive.versioning.repository import Repository
from film_archive.versioning.verifying import verify
from tests.servers.buckets import BucketServer
from tests.servers.postgres import PostgresServer
from tests.versioning.making import LARGE, held, noise, unsync

PATHS = ["a.mov", "b.mov", "reel/a.mov", "reel/b.wav", "reel/deep/c.exr", "é.txt"]
DATA = [b"", b"one", b"two", noise(2000, 1), noise(2000, 2), LARGE, LARGE[::-1]]
Held = dict[str, bytes]


@dataclass(frozen=True)
class Twin:
    """A commit, as simply as can be."""

    number: int
    held: tuple[tuple[str, bytes], ...]
    parents: tuple[Twin, ...]

    def ancestors(self) -> set[int]:
        return {self.number}.union(*(parent.ancestors() for parent in self.parents))

    def all(self) -> dict[int, Twin]:
        found = {self.number: self}
        for parent in self.parents:
            found |= parent.all()
        return found


def bases(one: Twin, other: Twin) -> list[Twin]:
    """All common ancestors that are no ancestors of another one, found the slow way."""
    common = one.ancestors() & other.ancestors()
    known = one.all()
    return [known[number] for number in common if not any(number in known[n].ancestors() for n in common - {number})]


def merged(source: Twin, target: Twin) -> tuple[Held, set[str]]:
    """What each path becomes, looked at one by one; and the conflicts. Files in folders' places can't come up here."""
    olds = [dict(base.held) for base in bases(source, target)] or [{}]
    theirs, ours = dict(source.held), dict(target.held)
    result, conflicts = dict(ours), set()
    for path in set(PATHS):
        was = [old.get(path) for old in olds]
        one, two = theirs.get(path), ours.get(path)
        if one == two:
            continue
        doubtful = any(other != was[0] for other in was)
        if doubtful or (one != was[0] and two != was[0]):
            conflicts.add(path)
        elif one != was[0]:
            result.pop(path, None)
            if one is not None:
                result[path] = one
    return result, conflicts


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.repository = Repository(self.root / "repo", self.elsewhere())
        self.branches: dict[str, Twin] = {}
        self.staged: dict[str, dict[str, bytes | None]] = {}
        self.commits = 0
        self.patch = pytest.MonkeyPatch()
        unsync(self.patch)

    def elsewhere(self) -> Elsewhere:
        """Where the repository lies, if not in its folder."""
        return Elsewhere()

    def twin(self, held_there: Held, *parents: Twin) -> Twin:
        self.commits += 1
        return Twin(self.commits, tuple(sorted(held_there.items())), parents)

    def branch(self, name: str) -> Branch:
        return self.repository.opened.refs.named(name)

    @initialize()
    def begin(self) -> None:
        self.repository.empty_branch("main")
        self.branches["main"] = self.twin({})
        self.staged["main"] = {}

    @rule(data=st.data(), path=st.sampled_from(PATHS), content=st.sampled_from(DATA))
    def stage(self, data: st.DataObject, path: str, content: bytes) -> None:
        name = data.draw(st.sampled_from(sorted(self.branches)))
        place = self.root / "file"
        place.write_bytes(content)
        branch = self.branch(name)
        self.repository.stage_files(branch.id, [(place, path)], self.repository.tree(branch.id))
        self.staged[name][path] = content

    @rule(data=st.data(), path=st.sampled_from(PATHS))
    def stage_removal(self, data: st.DataObject, path: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.branches)))
        branch = self.branch(name)
        self.repository.stage(branch.id, {path: None}, self.repository.tree(branch.id))
        self.staged[name][path] = None

    @rule(data=st.data(), path=st.sampled_from(PATHS[:3]), content=st.sampled_from(DATA))
    def add_at_once(self, data: st.DataObject, path: str, content: bytes) -> None:
        name = data.draw(st.sampled_from(sorted(self.branches)))
        place = self.root / "file"
        place.write_bytes(content)
        branch = self.branch(name)
        if self.repository.add_file(branch.id, place, path).head != branch.head:
            self.branches[name] = self.twin({**dict(self.branches[name].held), path: content}, self.branches[name])

    @precondition(lambda self: len(self.branches) < 4)
    @rule(number=st.integers(10, 19), path=st.sampled_from(PATHS[:3]))
    def disagree(self, number: int, path: str) -> None:
        """Two branches that both change a path: what merges are about."""
        name = f"vendor/{number}"
        if name not in self.branches and "main" in self.branches:
            self.repository.branch_from("main", name)
            self.branches[name], self.staged[name] = self.branches["main"], {}
            for one, content in ((name, b"%d" % number), ("main", b"-%d" % number)):
                (self.root / "file").write_bytes(content)
                self.repository.add_file(self.branch(one).id, self.root / "file", path)
                self.branches[one] = self.twin({**dict(self.branches[one].held), path: content}, self.branches[one])

    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.branches)))
        branch = self.branch(name)
        staged = self.staged[name]
        if not staged:
            with pytest.raises(Refused, match="Nothing is staged"):
                self.repository.commit_stage(branch.id, branch.id, "nothing")
            return
        moved = self.repository.commit_stage(branch.id, branch.id, "change")
        new = dict(self.branches[name].held)
        for path, content in staged.items():
            new.pop(path, None)
            if content is not None:
                new[path] = content
        if new != dict(self.branches[name].held):
            assert moved.head != branch.head
            self.branches[name] = self.twin(new, self.branches[name])
        elif moved.head != branch.head:  # times alone were others
            self.branches[name] = self.twin(new, self.branches[name])
        self.staged[name] = {}

    @precondition(lambda self: len(self.branches) < 5)
    @rule(data=st.data(), number=st.integers(0, 9))
    def make_branch(self, data: st.DataObject, number: int) -> None:
        start, name = data.draw(st.sampled_from(sorted(self.branches))), f"vendor/{number}"
        if name in self.branches:
            with pytest.raises(Refused, match="There is a branch"):
                self.repository.branch_from(start, name)
            return
        self.repository.branch_from(start, name)
        self.branches[name], self.staged[name] = self.branches[start], {}

    @precondition(lambda self: len(self.branches) > 1)
    @rule(data=st.data())
    def remove_branch(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.branches)))
        self.repository.remove_branch(self.branch(name).id)
        del self.branches[name], self.staged[name]

    @precondition(lambda self: len(self.branches) > 1)
    @rule(data=st.data(), resolution=st.sampled_from([None, "source", "target"]))
    def merge(self, data: st.DataObject, resolution: str | None) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.branches)), min_size=2, max_size=2, unique=True))
        source, target = self.branches[names[0]], self.branches[names[1]]
        before = self.branch(names[1]).head
        result = self.repository.merge(self.branch(names[0]).id, self.branch(names[1]).id, resolution)
        if source.number in target.ancestors():
            assert (result.merged, result.changed, self.branch(names[1]).head) == (True, (), before)
            return
        expected, conflicts = merged(source, target)
        assert {conflict.path for conflict in result.conflicts} == conflicts
        if conflicts and resolution is None:
            assert not result.merged
            assert self.branch(names[1]).head == before
            return
        if resolution == "source":
            theirs = dict(source.held)
            for path in conflicts:
                expected.pop(path, None)
                if path in theirs:
                    expected[path] = theirs[path]
        self.branches[names[1]] = self.twin(expected, target, source)

    @rule(keep=st.sampled_from([0, 90]))
    def clean_up(self, keep: int) -> None:
        planned = clean_up(self.repository.opened, keep_days=keep, grace_days=0, dry_run=True)
        done = clean_up(self.repository.opened, keep_days=keep, grace_days=0, dry_run=False)
        assert (planned.objects, done.removed) == (done.objects, True)
        assert clean_up(self.repository.opened, keep_days=keep, grace_days=0, dry_run=True).objects == 0

    @rule(data=st.data(), number=st.integers(0, 6), content=st.sampled_from(DATA))
    def fail(self, data: st.DataObject, number: int, content: bytes) -> None:
        """The disk fails at some write: the change is made or not, and nothing else happens."""
        name = data.draw(st.sampled_from(sorted(self.branches)))
        place = self.root / "file"
        place.write_bytes(content)
        branch = self.branch(name)
        try:
            with faults.failing(number, errno.ENOSPC, lasting=True):
                self.repository.stage_files(branch.id, [(place, "a.mov")], self.repository.tree(branch.id))
        except FilmArchiveError:
            return
        self.staged[name]["a.mov"] = content

    @rule()
    def reopen(self) -> None:
        self.repository.close()
        self.repository = Repository(self.root / "repo")

    @invariant()
    def branches_hold_what_the_twins_do(self) -> None:
        if self.branches:
            assert {branch.name for branch in self.repository.branches()} == set(self.branches)
            for name, twin in self.branches.items():
                assert held(self.repository.opened, name) == dict(twin.held), name

    def teardown(self) -> None:
        if self.branches:
            found = verify(self.repository.opened)
            assert found.problems == ()
            reflog = list(self.repository.opened.refs.moves())
            for branch in self.repository.branches():
                assert [move.new for move in reflog if move.branch == branch.id][-1] == branch.head
        self.repository.close()
        self.patch.undo()
        self.folder.cleanup()


TestRepository = Machine.TestCase
TestRepository.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


class OnServers(Machine):
    """The same with metadata in PostgreSQL and contents in a bucket."""

    postgres: ClassVar[PostgresServer]
    bucket: ClassVar[str]
    numbers = count()

    def elsewhere(self) -> Elsewhere:
        return Elsewhere(database=self.postgres.schema(), store=f"s3://{self.bucket}/{next(self.numbers)}")


@pytest.fixture
def servers(postgres: PostgresServer, buckets: BucketServer) -> None:
    OnServers.postgres, OnServers.bucket = postgres, buckets.bucket()


@pytest.mark.usefixtures("servers")
class TestRepositoryOnServers(OnServers.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(
        max_examples=3, stateful_step_count=20, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.mark.nightly
@pytest.mark.usefixtures("servers")
class TestRepositoryOnServersLong(OnServers.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.nightly
class TestRepositoryLong(Machine.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(
        max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
