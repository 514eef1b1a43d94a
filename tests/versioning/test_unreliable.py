"""A store that can't be relied on, and one that dies: what is done comes through or ends in one sentence, and nothing is lost."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path

import pytest

from film_archive.core.errors import Unreachable
from film_archive.core.names import is_own
from film_archive.versioning.collecting import clean_up
from film_archive.versioning.contents import Contents
from film_archive.versioning.elsewhere import Elsewhere
from film_archive.versioning.export import export_entries
from film_archive.versioning.repository import Repository
from film_archive.versioning.stores.store import ObjectStore
from film_archive.versioning.switching import check_out
from film_archive.versioning.verifying import verify
from tests.archive.making import contents
from tests.servers.buckets import BucketServer
from tests.servers.postgres import PostgresServer
from tests.versioning.making import LARGE, held, noise, on_disk, unsync
from tests.versioning.stores.memory import MemoryStore, Shelf
from tests.versioning.stores.unreliable import UnreliableStore

Held = dict[str, bytes]


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    unsync(monkeypatch)


def put_store(repository: Repository, store: ObjectStore) -> None:
    """Have a repository use another store."""
    whole = repository.opened
    repository._opened = dataclasses.replace(whole, store=store, contents=Contents(whole.database, store))


class Work:
    """What is done to a repository through an unreliable store, and what has to be there then."""

    def __init__(self, folder: Path, seed: int, store: ObjectStore | None) -> None:
        self.folder, self.dice = folder, random.Random(seed)
        self.repository = Repository(folder / "repo")
        self.main = self.repository.empty_branch("main")
        self.store = UnreliableStore(store or self.repository.opened.store, seed)
        put_store(self.repository, self.store)
        self.expected: Held = {}

    def steps(self, count: int) -> None:
        works = [self.add, self.add, self.add, self.clean, self.verify, self.export, self.check_out]
        for number in range(count):
            work = self.dice.choice(works)
            with suppress(Unreachable):  # told, and nothing was changed
                work(number)

    def add(self, number: int) -> None:
        path = f"{self.dice.randrange(8)}.mov"
        data = self.dice.choice([b"x%d" % number, noise(4000, number), LARGE[number:]])
        (self.folder / "file").write_bytes(data)
        self.repository.add_file(self.main.id, self.folder / "file", path)
        self.expected[path] = data

    def clean(self, number: int) -> None:
        clean_up(self.repository.opened, keep_days=0, grace_days=0, dry_run=bool(number % 2))

    def verify(self, number: int) -> None:
        assert verify(self.repository.opened).problems == ()  # a connection that was lost is no damage

    def export(self, number: int) -> None:
        target = self.folder / f"{number}.zip"
        try:
            export_entries(self.repository.opened, self.repository.tree(self.main.id), target)
        except Unreachable:
            assert not target.exists()
            raise
        found = {path: data for path, data in contents(target).items() if not is_own(path)}
        assert found == self.expected

    def check_out(self, number: int) -> None:
        target = self.folder / f"tree {number}"
        try:
            check_out(self.repository, self.repository.branch(self.main.id), target)
        except Unreachable:
            assert not target.exists()
            raise
        assert on_disk(target) == self.expected

    def finish(self) -> None:
        """When the network is well again everything is there, and everything can be done."""
        self.store.heal()
        for _ in range(2):
            assert held(self.repository.opened, "main") == self.expected
            assert verify(self.repository.opened).problems == ()
            clean_up(self.repository.opened, keep_days=0, grace_days=0, dry_run=False)
        self.export(-1)
        self.check_out(-1)
        places = {blob.place.hex() for blob in self.repository.opened.contents.all() if blob.place is not None}
        assert {thing.address for thing in self.store.stored()} == places  # and nothing is left behind
        self.repository.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_store_that_fails_repeats_and_sees_late_loses_nothing(tmp_path: Path, seed: int) -> None:
    work = Work(tmp_path, seed, MemoryStore(Shelf()) if seed % 2 else None)
    work.steps(30)
    assert work.store.failures > 5
    work.finish()


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(100, 200))
def test_a_store_that_fails_repeats_and_sees_late_loses_nothing_in_full(tmp_path: Path, seed: int) -> None:
    work = Work(tmp_path, seed, MemoryStore(Shelf()) if seed % 2 else None)
    work.steps(80)
    work.finish()


class Dead(BaseException):
    """The process is gone."""


class Death:
    """At the n-th call of what is watched the process is gone: that call and all after it do nothing."""

    def __init__(self, at: int, *, done: bool) -> None:
        self._left = at
        self._done = done
        self.came = False

    def watch(self, work: Callable[..., object]) -> Callable[..., object]:
        def watched(*arguments: object, **more: object) -> object:
            if self.came:
                raise Dead
            self._left -= 1
            if self._left < 0:
                self.came = True
                if self._done:  # the server has it, and nobody heard of that
                    work(*arguments, **more)
                raise Dead
            return work(*arguments, **more)

        return watched


@contextmanager
def dying(death: Death) -> Iterator[None]:
    """Calls of the servers that change something are watched."""
    from film_archive.storage import postgres
    from film_archive.storage.objects import Bucket

    with pytest.MonkeyPatch.context() as patch:
        for owner, names in ((Bucket, ("put_new", "upload", "remove")), (postgres._Connection, ("commit", "execute_many"))):
            for name in names:
                patch.setattr(owner, name, death.watch(getattr(owner, name)))
        yield


def died(folder: Path, where: Elsewhere, at: int, *, done: bool) -> bool:
    """Let a commit, a merge or a cleaning up die at its n-th change of a server; whether it came so far."""
    repository = Repository(folder, where)
    main = repository.empty_branch("main")
    place = folder.with_name("file")
    small, large = noise(5000, at), noise(9_000_000, at)
    for path, data in (("small.mov", small), ("gone.mov", LARGE)):
        place.write_bytes(data)
        main = repository.add_file(main.id, place, path)
    vfx = repository.branch_from("main", "vfx")
    place.write_bytes(b"theirs" * 200)
    repository.add_file(vfx.id, place, "vfx.mov")
    main = repository.remove_file(main.id, "gone.mov")
    before = {"small.mov": small}
    place.write_bytes(large)
    death = Death(at, done=done)
    steps: list[Callable[[], object]] = [
        lambda: repository.add_file(main.id, place, "large.mov"),
        lambda: repository.merge(vfx.id, main.id),
        lambda: clean_up(repository.opened, keep_days=0, grace_days=0, dry_run=False),
    ]
    held_then: list[Held] = [before, {**before, "large.mov": large}]
    held_then.append({**held_then[-1], "vfx.mov": b"theirs" * 200})
    held_then.append(held_then[-1])
    finished = 0
    try:
        with dying(death):
            for step in steps:
                step()
                finished += 1
    except Dead:
        repository.close()
    again = Repository(folder)
    vfx_held = held(again.opened, "vfx")
    assert {**vfx_held, "gone.mov": LARGE} == vfx_held  # which the cleaning up must leave
    now = held(again.opened, "main")
    assert now in held_then[finished : finished + 2]
    assert verify(again.opened).problems == ()
    clean_up(again.opened, keep_days=0, grace_days=0, dry_run=False)
    assert again.opened.store.unfinished() == []
    places = {blob.place.hex() for blob in again.opened.contents.all() if blob.place is not None}
    assert {thing.address for thing in again.opened.store.stored()} == places
    again.add_file(main.id, place, "large.mov")
    again.merge(vfx.id, main.id)
    assert held(again.opened, "main") == held_then[-1]
    again.close()
    return death.came


def deaths(postgres: PostgresServer, bucket: str, folder: Path, points: Iterable[tuple[int, bool]]) -> int:
    count = 0
    for at, done in points:
        (folder / f"{at} {done}").mkdir()
        where = Elsewhere(database=postgres.schema(), store=f"s3://{bucket}/{at}-{done}")
        count += died(folder / f"{at} {done}" / "repo", where, at, done=done)
    return count


def test_dead_at_a_change_of_a_server_nothing_is_lost(
    postgres: PostgresServer, buckets: BucketServer, tmp_path: Path
) -> None:
    assert deaths(postgres, buckets.bucket(), tmp_path, [(1, True), (5, False), (9, True)]) == 3


@pytest.mark.nightly
def test_dead_at_each_change_of_a_server_nothing_is_lost(
    postgres: PostgresServer, buckets: BucketServer, tmp_path: Path
) -> None:
    assert deaths(postgres, buckets.bucket(), tmp_path, product(range(40), (False, True))) > 20
