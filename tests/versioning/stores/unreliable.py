"""A store that fails, repeats, delays and sees late: what a network does, in front of a store that does none of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from film_archive.core.errors import Unreachable
from film_archive.core.source import ByteSource, MemorySource
from film_archive.versioning.stores.store import ObjectStore, OnBytes, Stored


class UnreliableStore(ObjectStore):
    """What a caller may meet, by a seed.

    One operation in `one_in` raises: before it was done, after it was, or before it is done a few operations later. Puts are
    repeated. What was settled is neither found nor listed at first; what was removed is listed for a while.
    """

    def __init__(self, store: ObjectStore, seed: int, *, one_in: int = 6, late: int = 2) -> None:
        self._store = store
        self._dice = random.Random(seed)
        self._one_in = one_in
        self._late = late
        self._unseen: dict[str, int] = {}
        self._ghosts: dict[str, tuple[Stored, int]] = {}
        self._delayed: list[tuple[int, Callable[[], object]]] = []
        self.name = store.name
        self.failures = 0

    def heal(self) -> None:
        """From now on nothing fails; what is still on its way arrives."""
        self._one_in = 0
        self._arrive(everything=True)
        self._unseen.clear()
        self._ghosts.clear()

    def _arrive(self, everything: bool = False) -> None:
        due, self._delayed = self._delayed, []
        for wait, work in due:
            if wait > 0 and not everything:
                self._delayed.append((wait - 1, work))
            else:
                work()

    def _fails(self) -> bool:
        self._arrive()
        if not self._one_in or self._dice.randrange(self._one_in):
            return False
        self.failures += 1
        return True

    def _failure(self) -> Unreachable:
        return Unreachable(f"The connection to {self.name} was lost; try again.")

    def put(self, source: ByteSource, *, on_bytes: OnBytes | None = None) -> Mapping[str, str]:
        if self._fails():
            data = source.read_at(0, source.size)
            if not self._dice.randrange(3):
                self._delayed.append((self._dice.randrange(6), lambda: self._put_late(data)))
            raise self._failure()
        digests = self._store.put(source, on_bytes=on_bytes)
        if self._one_in and not self._dice.randrange(3):
            self._store.put(source)  # a request that was repeated though it had arrived
        if self._fails():
            raise self._failure()
        self._unseen.setdefault(digests["blake3"], self._late if self._one_in else 0)
        return digests

    def _put_late(self, data: bytes) -> None:
        """What was taken for failed arrives, when nobody expects it any more."""
        self._store.put(MemorySource(data))
        self._store.settle()

    def settle(self) -> None:
        if self._fails():
            raise self._failure()
        self._store.settle()
        if self._fails():
            raise self._failure()

    def forget(self) -> None:
        self._store.forget()

    def has(self, address: str) -> bool:
        if self._unseen.get(address, 0) > 0:  # eventually
            self._unseen[address] -= 1
            return False
        return self._store.has(address)

    def source(self, address: str, name: str) -> ByteSource:
        if self._fails():
            raise self._failure()
        return _Unreliable(self._store.source(address, name), self)

    def stored(self) -> Iterator[Stored]:
        for thing in self._store.stored():
            if self._unseen.get(thing.address, 0) <= 0:
                yield thing
            else:
                self._unseen[thing.address] -= 1
            if self._fails():
                raise self._failure()
        for address, (thing, times) in list(self._ghosts.items()):
            if times:
                self._ghosts[address] = (thing, times - 1)
                yield thing
            else:
                del self._ghosts[address]

    def remove(self, address: str) -> None:
        if self._fails():
            raise self._failure()
        there = next((thing for thing in self._store.stored() if thing.address == address), None)
        self._store.remove(address)
        if there is not None and self._one_in:
            self._ghosts[address] = (there, self._late)
        if self._fails():
            raise self._failure()

    def unfinished(self) -> list[Stored]:
        return self._store.unfinished()

    def remove_unfinished(self, left: Stored) -> None:
        if self._fails():
            raise self._failure()
        self._store.remove_unfinished(left)

    def owner(self) -> str | None:
        return self._store.owner()

    def set_owner(self, owner: str) -> None:
        self._store.set_owner(owner)


class _Unreliable(ByteSource):
    """Reads that fail as the store's other operations do."""

    def __init__(self, source: ByteSource, store: UnreliableStore) -> None:
        self._source = source
        self._store = store
        self.name, self.size = source.name, source.size

    def read_into(self, offset: int, buffer: memoryview) -> int:
        if self._store._fails():
            raise self._store._failure()
        return self._source.read_into(offset, buffer)

    def close(self) -> None:
        self._source.close()
