"""What every store of objects has to do. A store's tests inherit from `StoreSuite` and say how one is made."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import pytest

from film_archive.core.digest import blake3_of, key_of
from film_archive.core.errors import Damaged
from film_archive.core.source import MemorySource
from film_archive.versioning.stores.store import ObjectStore
from tests.versioning.making import noise

SIZES = (0, 1, 4095, 4096, 300_000, 5_000_000)


class StoreSuite(ABC):
    """Tests of one store."""

    @pytest.fixture
    @abstractmethod
    def store(self) -> ObjectStore:
        """An empty one."""

    @abstractmethod
    def again(self, store: ObjectStore) -> ObjectStore:
        """The same place, opened anew, as another process would."""

    def put(self, store: ObjectStore, data: bytes) -> str:
        digests = store.put(MemorySource(data))
        assert digests == {"blake3": blake3_of(data).hex(), "xxh128": key_of(data).hex()}
        return digests["blake3"]

    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_put_can_be_read_at_any_place(self, store: ObjectStore, size: int) -> None:
        data = noise(size, size)
        address = self.put(store, data)
        store.settle()
        other = self.again(store)
        assert other.has(address)
        with other.source(address, "it") as source:
            assert source.size == size
            assert source.read_at(0, size) == data
            assert source.read_at(size // 2, 10) == data[size // 2 :][:10]
            assert source.read_at(size, 10) == b""
        assert [(thing.address, thing.size) for thing in other.stored()] == [(address, size)]

    def test_nothing_is_seen_before_it_is_settled(self, store: ObjectStore) -> None:
        address = self.put(store, b"data")
        assert not self.again(store).has(address)
        store.forget()
        assert not store.unfinished()
        store.settle()
        assert not store.has(address)
        assert list(store.stored()) == []

    def test_the_same_is_stored_once(self, store: ObjectStore) -> None:
        for _ in range(3):
            self.put(store, b"data")
        store.settle()
        self.put(store, b"data")
        store.settle()
        assert len(list(store.stored())) == 1
        assert not store.unfinished()

    def test_many_are_settled_together(self, store: ObjectStore) -> None:
        addresses = {self.put(store, b"%d" % number) for number in range(200)}
        store.settle()
        assert {thing.address for thing in self.again(store).stored()} == addresses
        assert not store.unfinished()

    def test_what_is_removed_is_gone(self, store: ObjectStore) -> None:
        address = self.put(store, b"data")
        store.settle()
        store.remove(address)
        store.remove(address)
        assert not store.has(address)
        with pytest.raises(Damaged, match="content of it is missing"):
            store.source(address, "it")
        self.put(store, b"data")
        store.settle()
        assert store.has(address)

    @pytest.mark.parametrize("address", ["", "../x", "ab", "A" * 64, "0" * 63 + "/", "0" * 65])
    def test_what_is_no_address_leads_nowhere(self, store: ObjectStore, address: str) -> None:
        with pytest.raises(Damaged, match="is not the address of anything"):
            store.source(address, "it")
        with pytest.raises(Damaged):
            store.remove(address)

    def test_threads_put_the_same_at_once(self, store: ObjectStore) -> None:
        data = [noise(70_000, number) for number in range(4)]
        failures: list[BaseException] = []

        def work() -> None:
            other = self.again(store)
            try:
                for each in data:
                    self.put(other, each)
                other.settle()
            except BaseException as error:  # noqa: BLE001  shown by the thread that waits
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert {thing.address for thing in store.stored()} == {blake3_of(each).hex() for each in data}
        for each in data:
            with store.source(blake3_of(each).hex(), "it") as source:
                assert source.read_at(0, source.size) == each

    def test_when_something_was_written_is_told(self, store: ObjectStore) -> None:
        self.put(store, b"data")
        store.settle()
        [thing] = store.stored()
        assert thing.modified > 1_600_000_000
