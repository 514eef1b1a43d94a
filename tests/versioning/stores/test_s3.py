"""Objects in a bucket of a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("obstore")
from film_archive.core.digest import read_ahead
from film_archive.core.errors import Damaged, NotFound, Refused, StorageError, Unreachable, UsageError
from film_archive.core.source import FileSource, MemorySource
from film_archive.storage import objects
from film_archive.storage.objects import Bucket
from film_archive.versioning.stores import reading, s3
from film_archive.versioning.stores.s3 import S3Store
from film_archive.versioning.stores.store import ObjectStore
from tests.servers.buckets import BucketServer
from tests.servers.running import free_port
from tests.versioning.making import noise
from tests.versioning.stores.suite import LARGEST, StoreSuite


@pytest.fixture(scope="module")
def one_bucket(bucket_server: BucketServer) -> str:
    return bucket_server.bucket()


@pytest.fixture
def store(buckets: BucketServer, one_bucket: str, request: pytest.FixtureRequest) -> S3Store:
    name = "".join(sign if sign.isalnum() else "-" for sign in request.node.nodeid)
    return S3Store(Bucket(f"s3://{one_bucket}/show/{name}"))


def keys(store: S3Store) -> set[str]:
    """What lies below a store's prefix, by the first part of the name."""
    parts = ("objects", "links", "large", "owners")
    return {one.key.partition("/")[0] for part in parts for one in store.bucket.list(f"{part}/")}


def put(store: ObjectStore, data: bytes) -> str:
    return store.put(MemorySource(data))["blake3"]


class TestS3Store(StoreSuite):
    @pytest.fixture
    def store(self, store: S3Store) -> ObjectStore:  # type: ignore[override]
        return store

    def again(self, store: ObjectStore) -> ObjectStore:
        assert isinstance(store, S3Store)
        return S3Store(Bucket(store.bucket.name))


def test_a_kill_before_the_link_leaves_what_can_be_removed(store: S3Store) -> None:
    address = put(store, noise(LARGEST, 1))
    other = S3Store(Bucket(store.bucket.name))
    [left] = other.unfinished()
    assert left.size == LARGEST
    assert not other.has(address)
    other.remove_unfinished(left)
    assert other.unfinished() == []
    assert keys(other) == set()


def test_what_looks_unfinished_in_an_old_list_is_not_removed(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise(LARGEST, 1)
    address = put(store, data)
    other = S3Store(Bucket(store.bucket.name))
    listed = other.bucket.list
    monkeypatch.setattr(other.bucket, "list", lambda prefix: [] if prefix == "links/" else listed(prefix))
    [left] = other.unfinished()
    store.settle()  # after the list was made
    assert other.unfinished() == []  # nor is it believed afterwards
    other.remove_unfinished(left)
    with other.source(address, "it") as source:
        assert source.read_at(0, LARGEST) == data


def test_of_two_that_upload_the_same_one_is_kept(store: S3Store) -> None:
    other = S3Store(Bucket(store.bucket.name))
    data = noise(LARGEST, 1)
    assert put(store, data) == put(other, data)
    store.settle()
    other.settle()
    other.forget()
    assert len(list(store.bucket.list("large/"))) == 1
    assert [thing.size for thing in other.stored()] == [LARGEST]


def test_what_is_removed_leaves_nothing_behind(store: S3Store) -> None:
    for size in (100, LARGEST):
        put(store, noise(size, 1))
    store.settle()
    assert keys(store) == {"objects", "links", "large", "owners"}
    for thing in list(store.stored()):
        store.remove(thing.address)
    assert keys(store) == set()


def test_a_link_that_leads_nowhere_is_damage(store: S3Store) -> None:
    address = put(store, noise(LARGEST, 1))
    store.settle()
    [large] = store.bucket.list("large/")
    other = S3Store(Bucket(store.bucket.name))
    with other.source(address, "A001.mov") as source:
        store.bucket.remove(large.key)
        with pytest.raises(Damaged, match=r"content of A001\.mov is missing"):
            source.read_at(0, 2_000_000)
    assert not store.has(address)
    assert list(store.stored()) == []
    store.bucket.remove(f"links/{address[:2]}/{address[2:]}")
    store.bucket.put_new(f"links/{address[:2]}/{address[2:]}", b"../../etc/passwd")
    with pytest.raises(Damaged, match="leads nowhere"):
        store.has(address)


def test_a_file_is_read_once(store: S3Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip").write_bytes(noise(LARGEST, 2))
    count = 0
    read = FileSource.read_into

    def counting(source: FileSource, offset: int, buffer: memoryview) -> int:
        nonlocal count
        done = read(source, offset, buffer)
        count += done
        return done

    monkeypatch.setattr(FileSource, "read_into", counting)
    with FileSource(tmp_path / "clip") as source:
        store.put(source)
    assert count == LARGEST
    store.forget()


def test_small_contents_that_lie_together_are_fetched_together(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noise(3_000_000, 1)
    address = put(store, data)
    store.settle()
    asked: list[str] = []
    for name in ("read_range", "find"):
        work = getattr(Bucket, name)
        monkeypatch.setattr(Bucket, name, lambda *a, name=name, work=work: (asked.append(name), work(*a))[1])
    for start in range(0, 3_000_000, 50_000):
        with store.source(address, "it") as source:
            assert source.read_at(start, 40_000) == data[start : start + 40_000]
    assert sorted(asked) == ["find", "read_range", "read_range", "read_range"]


def test_pieces_fetched_ahead_fit_together(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PIECE", 1_100_000)
    data = noise(LARGEST, 3)
    address = put(store, data)
    store.settle()
    with store.source(address, "it") as source:
        assert b"".join(map(bytes, read_ahead(source))) == data
        assert b"".join(map(bytes, read_ahead(source, 7_000_000))) == data[7_000_000:]
        assert source.read_at(0, 2_000_000) == data[:2_000_000]
        assert source.read_at(9_000_000, 2_000_000) == data[9_000_000:11_000_000]
        assert source.read_at(2_000_000, 2_000_000) == data[2_000_000:4_000_000]


def test_an_upload_of_very_many_parts_has_larger_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(objects.obstore, "put", lambda *a, chunk_size, **more: asked.append(chunk_size))
    Bucket("s3://show").upload("large/x", [], 2 << 40)
    Bucket("s3://show").upload("large/x", [], 2 << 20)
    assert -(-(2 << 40) // asked[0]) <= 9000
    assert asked[1] == 16 << 20


def test_many_small_ones_do_not_wait_in_memory(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_MOST_WAITING", 1000)
    addresses = {put(store, noise(400, number)) for number in range(40)}
    assert len({thing.address for thing in store.stored()}) >= 20
    store.settle()
    assert {thing.address for thing in store.stored()} == addresses


def test_one_of_many_that_fails_is_told(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_MOST_WAITING", 1000)
    put_new = store.bucket.put_new
    failing = iter([False] * 9 + [True])

    def sometimes(key: str, data: bytes) -> bool:
        if next(failing, False):
            raise Unreachable("The line is down.")
        return put_new(key, data)

    monkeypatch.setattr(store.bucket, "put_new", sometimes)

    def put_all() -> None:
        for number in range(30):
            put(store, noise(400, number))
        store.settle()

    with pytest.raises(Unreachable, match="line is down"):
        put_all()
    store.forget()
    put_all()
    assert len(list(store.stored())) == 30


def test_more_than_a_page_is_listed(store: S3Store) -> None:
    """S3 lists a thousand keys at a time."""
    works = [lambda n=n: store.bucket.put_new(f"objects/{n:064x}"[:10] + f"/{n:062x}", b"x") for n in range(1100)]  # type: ignore[misc]
    s3.together(works)
    assert sum(1 for _ in store.bucket.list("objects/")) == 1100


def test_errors_are_sentences_that_say_what_to_do(
    buckets: BucketServer, store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="There is no bucket for s3://there-is-none"):
        Bucket("s3://there-is-none/x").put_new("a", b"x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(Refused, match="AWS_SECRET_ACCESS_KEY") as caught:
        Bucket(store.bucket.name).put_new("a", b"x")
    assert "wrong" not in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(objects, "_RETRIES", 1)
    nobody = Bucket("s3://show", endpoint=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match="try again"):
        nobody.find("a")


@pytest.mark.parametrize(
    "address", ["s3://", "s3:///x", "gs://show/x", "http://host/x", "s3://key:secret@show/x", "s3://show/a/../b", "s3://show/a//b"]
)
def test_what_is_no_address_of_a_bucket(address: str) -> None:
    with pytest.raises(UsageError, match="write it like"):
        Bucket(address)


def test_what_is_no_address_of_a_server() -> None:
    with pytest.raises(UsageError, match=r"https://s3\.example\.com"):
        Bucket("s3://show", endpoint="s3.example.com:9000")
