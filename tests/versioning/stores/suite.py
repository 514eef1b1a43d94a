"""What every store of objects has to do. A store's tests inherit from `StoreSuite` and say how one is made."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

import pytest

from film_archive.core.digest import blake3_of, key_of, read_ahead
from film_archive.core.errors import Damaged, FilmArchiveError, SourceChanged, StorageError
from film_archive.core.source import MemorySource
from film_archive.versioning.stores.store import ObjectStore
from tests.versioning.making import noise

LARGEST = 20_000_000
SIZES = (0, 1, 4095, 4096, 300_000, 5_000_000, LARGEST)


class Failing(MemorySource):
    """Ends with an error where it is read, or is found to have changed when it was."""

    def __init__(self, data: bytes, error: FilmArchiveError) -> None:
        super().__init__(data)
        self._error = error

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if offset + len(buffer) >= self.size and not isinstance(self._error, SourceChanged):
            raise self._error
        return super().read_into(offset, buffer)

    def check_unchanged(self) -> None:
        raise self._error


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

    def test_whose_contents_these_are_is_said_once(self, store: ObjectStore) -> None:
        assert store.owner() is None
        store.set_owner("one")
        self.again(store).set_owner("other")
        assert self.again(store).owner() == "one"
        assert list(store.stored()) == []
        assert store.unfinished() == []

    def test_a_source_that_fails_or_changes_leaves_nothing(self, store: ObjectStore) -> None:
        for size in (1000, LARGEST):
            for error in (StorageError("The card was pulled out."), SourceChanged("It was written to.")):
                with pytest.raises(type(error), match=str(error)):
                    store.put(Failing(noise(size, 1), error))
        store.settle()
        store.forget()
        assert list(self.again(store).stored()) == []
        assert self.again(store).unfinished() == []

    def test_every_byte_is_heard_of(self, store: ObjectStore) -> None:
        heard: list[int] = []
        store.put(MemorySource(noise(LARGEST, 1)), on_bytes=heard.append)
        assert sum(heard) == LARGEST
        store.forget()

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
            assert b"".join(map(bytes, read_ahead(source))) == data
            for start, length in ((0, size // 3), (size // 3, size // 3), (size - 5_000_000, 4_500_000), (1, 70_000)):
                assert source.read_at(max(0, start), length) == data[max(0, start) :][:length]
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
